/*
 * dataset.h: what a data format gives, and what an open data set is made of.
 *
 * A format numbers its samples 0…n−1 ("records", training and test together) and says which split
 * each is in; dataset.c turns that into splits and dispatches. Adding a format is one file and one
 * row in dataset.c. An open data set is never written to, caches of decoded images apart.
 */
#ifndef UMB_DATASET_H
#define UMB_DATASET_H

#include "alloc.h"
#include "fail.h"
#include <umbel/data.h>

/* Keys of umb_dataset_desc that not every format takes. */
enum umb_format_key {
    UMB_TAKES_PATH = 1,
    UMB_TAKES_TARGETS = 2,
    UMB_TAKES_COUNT = 4,
    UMB_TAKES_CLASSES = 8 /* one target, which says how the pixels of masks are read */
};

struct umb_format {
    const char *name;
    unsigned takes; /* of umb_format_key */
    /* Fills shape, targets, n_records, split_of and set; on failure leaves what close takes. */
    UMB_MUST_USE enum umb_status (*open)(struct umb_dataset *ds,
                                         const struct umb_dataset_desc *desc);
    /* Thread-safe; image and targets as in umb_dataset_read. */
    UMB_MUST_USE enum umb_status (*read)(struct umb_dataset *ds, uint32_t record, uint8_t *image,
                                         void *const *targets);
    void (*close)(struct umb_dataset *ds); /* frees set, which may be NULL */
};

struct umb_dataset {
    struct umb_context *ctx;
    struct umb_arena *arena; /* names, paths, targets: all that lives as long as the set */
    const struct umb_format *format;
    int64_t shape[3]; /* H, W, C of what is read */
    struct umb_target_info *targets;
    size_t n_targets;
    size_t n_records;
    uint8_t *split_of;                  /* [n_records], an umb_split each; freed once indexed */
    uint32_t *records[UMB_SPLIT_COUNT]; /* [count]: the records of a split, ascending */
    size_t count[UMB_SPLIT_COUNT];
    void *set; /* the format's own */
};

extern const struct umb_format umb__format_idx, umb__format_cifar10, umb__format_folder,
    umb__format_csv, umb__format_shapes, umb__format_multi_mnist, umb__format_masks;

/* The most samples of a data set, and classes of a target: beyond, a file lies. */
#define UMB_MAX_RECORDS ((size_t)1 << 30)
#define UMB_MAX_CLASSES 65536

/* Makes room for n records, all in training. */
UMB_MUST_USE enum umb_status umb__dataset_reserve(struct umb_dataset *ds, size_t n_records);
/* Makes room for n targets in the arena. */
UMB_MUST_USE enum umb_status umb__dataset_reserve_targets(struct umb_dataset *ds, size_t n);
/* Height, width and channels: those asked for, else the file's. */
void umb__dataset_set_shape(struct umb_dataset *ds, const struct umb_dataset_desc *desc,
                            int64_t height, int64_t width, int64_t channels);

/* Splits off the shares that desc asks for, applies its limit and builds records from split_of. */
UMB_MUST_USE enum umb_status umb__dataset_split(struct umb_dataset *ds,
                                                const struct umb_dataset_desc *desc);

#endif
