/*
 * image_files.h: images that lie in files, and masks beside them: what folder, csv and masks have
 * in common.
 *
 * Every record has n_planes paths: plane 0 is the image, the others are masks. Files are decoded
 * when they are read; where the whole set is small at its target size, each is decoded once and
 * kept. Reading is thread-safe.
 */
#ifndef UMB_IMAGE_FILES_H
#define UMB_IMAGE_FILES_H

#include "dataset.h"
#include <stdatomic.h>

struct umb_image_files {
    struct umb_context *ctx;
    size_t n_records, n_planes;
    const char **path;         /* [n_records, n_planes]; NULL: none (masks only) */
    const char *list;          /* the CSV, for messages; NULL: none */
    const uint32_t *line;      /* [n_records] of the CSV */
    const char *const *column; /* [n_planes]: the plane's column */
    int64_t shape[3];
    bool as_is;          /* nothing is scaled: a file of another size is an error */
    size_t record_bytes; /* image and masks at their target size */
    uint8_t *cache;      /* [n_records, record_bytes]; NULL: too much to keep */
    atomic_uchar *state; /* [n_records, n_planes] */
};

/* A set without paths yet. */
UMB_MUST_USE enum umb_status umb__image_files_create(struct umb_dataset *ds, size_t n_records,
                                                     size_t n_planes,
                                                     struct umb_image_files **ret_files);
void umb__image_files_destroy(struct umb_image_files *files);

/* Once paths and splits are there: looks at every file, settles the data set's shape. */
UMB_MUST_USE enum umb_status umb__image_files_settle(struct umb_image_files *files,
                                                     struct umb_dataset *ds,
                                                     const struct umb_dataset_desc *desc);

/* One plane of one record: [H,W,C] of the image or the [H,W] indices of a mask, whose path is not
 * NULL. */
UMB_MUST_USE enum umb_status umb__image_files_read(struct umb_image_files *files, size_t record,
                                                   size_t plane, uint8_t *ret_pixels);

/* What a mask's indices mean. */
struct umb_mask_classes {
    int64_t n;
    int64_t ignore; /* the index of pixels without a label; −1: none */
};

/* A mask as classes [H,W], −1 where a pixel has no label; all are −1 where there is no mask. */
UMB_MUST_USE enum umb_status umb__image_files_read_mask(struct umb_image_files *files,
                                                        size_t record, size_t plane,
                                                        const struct umb_mask_classes *classes,
                                                        int32_t *ret_class);

/* Puts "LIST:LINE: COLUMN: " before the present message where there is a list. */
enum umb_status umb__image_files_blame(const struct umb_image_files *files, size_t record,
                                       size_t plane, enum umb_status status);

#endif
