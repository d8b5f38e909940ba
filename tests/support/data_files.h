/*
 * data_files.h: small data files, good and bad, in a folder of the case's own.
 *
 * Encoded files are made by the libraries' writers from pixels that are a formula, so that what is
 * read back can be told. Everything here stops the case when it fails.
 */
#ifndef TEST_DATA_FILES_H
#define TEST_DATA_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/data.h>

/* cmocka's set-up and tear-down of a case: a context, and an empty folder that goes with the case.
 */
int files_set_up(void **state);
int files_tear_down(void **state);
struct umb_context *files_context(void);
/* A path in the folder; valid until eight calls later. */
const char *in_folder(const char *name);

/* Bytes on the heap; blob_free frees them. */
struct blob {
    uint8_t *data;
    size_t n;
};
struct blob blob_copy(const void *data, size_t n);
void blob_free(struct blob *b);

/* Writes a file into the folder, and the folders that its name has. */
void put_file(const char *name, const void *data, size_t n);
void put_text(const char *name, const char *text);
void put_blob(const char *name, struct blob b); /* frees b */

/* All of a file of 16 MiB at most, by its path, as text; umb__free frees it. */
char *read_text(const char *path);

/* Pixel or label i of the files below. */
uint8_t pixel_at(size_t i);

/* An idx file of unsigned bytes: images when n_dims is 3, labels i % n_classes when it is 1. */
struct blob idx_images(uint32_t n, uint32_t height, uint32_t width);
struct blob idx_labels(uint32_t n, uint32_t n_classes);
struct blob gzip_blob(struct blob b); /* frees b */
/* Four files in the folder: n training samples, n_test test samples of 3×2, 3 classes. */
void put_idx_set(uint32_t n, uint32_t n_test);
/* A CIFAR-10 batch: record i has label (first + i) % 10 and planes of (label, 100, 200). */
struct blob cifar_batch(size_t n, int first);

/* A PNG of libpng's colour type and depth; sample i of its rows is pixel_at(i), cut to depth. */
struct png_plan {
    uint32_t height, width;
    int depth, colour; /* PNG_COLOR_TYPE_… */
    bool interlaced;
};
struct blob png_blob(const struct png_plan *plan);
/* An 8-bit grey PNG whose pixels are given. */
struct blob png_grey(uint32_t height, uint32_t width, const uint8_t *pixels);
/* Sets the extents of a PNG's header and mends the header's checksum. */
void png_lie(struct blob *b, uint32_t height, uint32_t width);

struct jpeg_plan {
    uint32_t height, width;
    int channels; /* 1 grey, 3 colour, 4 CMYK */
    bool progressive;
};
struct blob jpeg_blob(const struct jpeg_plan *plan);

/* The message must have all pieces, up to a NULL; the status must be the wanted one. */
void assert_failed(enum umb_status st, enum umb_status want, const char *const *pieces);
#define PIECES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct umb_dataset *must_open(const struct umb_dataset_desc *desc);
/* Opening fails so, writes no handle and keeps no memory. */
void must_refuse(const struct umb_dataset_desc *desc, enum umb_status want,
                 const char *const *pieces);
/* Opening fails for want of memory at each of its allocations, of which there are so many, and
 * keeps none; then it works. */
void must_open_without_memory(const struct umb_dataset_desc *desc, uint64_t fewest, uint64_t most);
/* The sample's only class target; image may be NULL. */
int must_read(struct umb_dataset *ds, enum umb_split split, int64_t index, uint8_t *image);

/* "DATA/name" of the real data sets, or NULL (and the reason printed) where they are absent. */
const char *real_data(const char *name);
/* That idx data set's first `limit` samples of each split; NULL where it is absent. */
struct umb_dataset *open_real_data(struct umb_context *ctx, const char *name, int64_t limit);

#endif
