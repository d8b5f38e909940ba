/*
 * data.h: data sets: images with one or several targets a sample, in splits.
 *
 * A data set is opened once and then read by index from any thread. Images come as 8-bit [H,W,C];
 * normalising and converting to float is the device's work. Files are hostile: every size, count
 * and label is checked, and errors name the file (and the line of a CSV, or the index of a sample).
 */
#ifndef UMBEL_DATA_H
#define UMBEL_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

enum umb_split { UMB_SPLIT_TRAIN, UMB_SPLIT_VALIDATION, UMB_SPLIT_TEST, UMB_SPLIT_COUNT };

enum umb_target_kind {
    UMB_TARGET_CLASS,  /* int32 [1]: 0…n_classes−1; −1: no label */
    UMB_TARGET_REAL,   /* float [n_values]; NaN in the first: no label */
    UMB_TARGET_PIXELS, /* int32 [H,W]: a class a pixel; −1: ignored; −1 in all: no label */
};

/* What the numbers of a REAL target are, seen from the picture. */
enum umb_points {
    UMB_POINTS_UNSAID, /* nobody said: where a picture is moved, only a single number may be so */
    UMB_POINTS_NONE,   /* nothing that moves with the picture */
    UMB_POINTS_XYXY,   /* points: x and y of the first, x and y of the next … */
    UMB_POINTS_XXYY    /* points: all x, then all y */
};
/* Two that change places where the picture is mirrored: left and right eye. */
struct umb_swap {
    uint32_t a, b;
};

struct umb_target_info {
    const char *name; /* "label", "colour", a CSV's column … */
    enum umb_target_kind kind;
    int64_t n_classes;              /* CLASS, PIXELS */
    int64_t n_values;               /* REAL */
    int64_t height, width;          /* PIXELS */
    const char *const *class_names; /* [n_classes], or NULL */
    enum umb_points points;         /* REAL */
    double span[2], offset;         /* points: value = offset + span · share, the share of the
                                       picture's width (x) or height (y) from its left or top */
    const struct umb_swap *swap;    /* [n_swaps] of points, or of classes (CLASS, PIXELS) */
    size_t n_swaps;
};

/* One target of a CSV data set, or how the masks of the format masks are read. */
struct umb_csv_target {
    const char *name;
    enum umb_target_kind kind;
    const char *const *columns;
    size_t n_columns; /* CLASS, PIXELS: one (PIXELS: the path of an 8-bit PNG of class indices);
                         REAL: one a value */
    const char *const *classes;
    size_t n_classes; /* CLASS: the texts that stand for class 0, 1 …; none: integers from 0, as
                         many as occur in training. PIXELS: n_classes counts; greater indices are an
                         error unless equal to ignore */
    int64_t ignore;   /* PIXELS: this index means "ignored"; −1: none */
    double scale;     /* REAL: stored value = column · scale + offset; 0 means 1 */
    double offset;
    enum umb_points points;      /* REAL */
    double within[2];            /* points: height and width of the picture in the columns' units;
                                    0: pixels of the images as they are, which only goes unscaled */
    const struct umb_swap *swap; /* [n_swaps]: points, or classes, by index */
    size_t n_swaps;
};

struct umb_dataset_desc {
    const char *format;    /* idx, cifar10, folder, csv, masks, shapes, multi_mnist */
    const char *path;      /* folder (all but csv) or file (csv); NULL for shapes */
    int64_t height, width; /* images are scaled to this (bilinear, triangle filter when shrinking);
                              0: as they are, all must agree */
    int64_t channels;      /* 1 grey, 3 colour; 0: as the first training image */
    double
        validation; /* share of the training samples split off (by seed, not by place), 0 ≤ v < 1 */
    double test;    /* the same for formats without a test split of their own (folder without test/,
                       csv without split_column, masks without test/) */
    uint64_t seed; /* for those splits and for generated data */
    int64_t limit; /* at most this many samples a split; 0: all */
    /* csv */
    const char *image_column; /* unset: "path" */
    const char *split_column; /* values train, validation (or val), test; NULL: none */
    const struct umb_csv_target
        *targets; /* masks: one, of kind PIXELS; its name and columns are not
                     read, its classes, if not NULL, are the classes' names */
    size_t n_targets;
    /* shapes */
    int64_t count; /* training samples, 0: 4000; test has a quarter of that */
};

struct umb_dataset;

/*
 * Opens a data set and checks its headers, counts and labels. Strings of desc are copied. Formats:
 *   idx      train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], t10k-…; target "label"
 *   cifar10  data_batch*.bin, test_batch.bin (1 label byte, 3072 bytes planar RGB); target "label"
 *   folder   train/CLASS/…, test/CLASS/… (and validation/), or CLASS/… alone; PNG and JPEG;
 *            target "label", class names sorted
 *   csv      a header line, then an image path (beside the file) and columns a sample; RFC 4180
 *            quoting
 *   masks    train/NAME.png (or .jpg) and train_labels/NAME.png, 8-bit class indices; the same of
 *            validation/ (or val/) and test/. Targets: "mask" (PIXELS), and what it says of the
 * whole picture: "dominant" (CLASS: of the most pixels), "present" (REAL: 1 for each class that has
 * a pixel, else 0), "share" (REAL: the share of the labelled pixels that each has) shapes
 * generated: one coloured shape an image, 32×32×3; targets "shape" (4 classes: circle, square,
 * triangle, cross), "colour" (6 classes), "position" (REAL, x and y of the centre in 0…1), "mask"
 * (PIXELS, 0 background, 1 shape) multi_mnist  idx's files of 28×28: two digits in one picture,
 * 28×28×1, the second drawn by seed (Sabour et al., NeurIPS 2017, as Sener and Koltun, NeurIPS
 * 2018, have it); targets "left" and "right". The last sixth of the training files is the
 * validation split Errors: UMB_ERR_IO, UMB_ERR_FORMAT, UMB_ERR_INVALID (unknown format or a desc
 * that does not fit it), UMB_ERR_NO_MEMORY.
 */
UMB_MUST_USE enum umb_status umb_dataset_open(struct umb_context *ctx,
                                              const struct umb_dataset_desc *desc,
                                              struct umb_dataset **ret_dataset);
void umb_dataset_close(struct umb_dataset *ds);

int64_t umb_dataset_count(const struct umb_dataset *ds, enum umb_split split);
void umb_dataset_image_shape(const struct umb_dataset *ds, int64_t ret_hwc[3]);
size_t umb_dataset_n_targets(const struct umb_dataset *ds);
const struct umb_target_info *umb_dataset_target(const struct umb_dataset *ds, size_t index);
/* The target of that name, or −1. */
int umb_dataset_find_target(const struct umb_dataset *ds, const char *name);

/*
 * Reads sample `index` of a split: image (H·W·C bytes) and, for each target i, targets[i] (int32 or
 * float as its kind says). What is NULL, image, targets or an entry of it, is not wanted, and not
 * read from files. Thread-safe. Errors: as open, for files read late (images of folder, csv and
 * masks).
 */
UMB_MUST_USE enum umb_status umb_dataset_read(struct umb_dataset *ds, enum umb_split split,
                                              int64_t index, uint8_t *image, void *const *targets);

/*
 * Decodes one PNG or JPEG (by content, not by name) to [H,W,C] with channels 1 or 3, scaled to
 * height × width (0: as it is). *ret_pixels is freed with umb_image_free.
 */
struct umb_image {
    int64_t height, width, channels;
    uint8_t *pixels;
};
UMB_MUST_USE enum umb_status umb_image_load(struct umb_context *ctx, const char *path,
                                            int64_t height, int64_t width, int64_t channels,
                                            struct umb_image *ret_image);
void umb_image_free(struct umb_image *image);

#endif
