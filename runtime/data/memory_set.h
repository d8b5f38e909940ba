/*
 * memory_set.h: images and class labels that are kept in memory as bytes: idx and cifar10.
 *
 * Records 0…n_train−1 are the training part, the test part follows.
 */
#ifndef UMB_MEMORY_SET_H
#define UMB_MEMORY_SET_H

#include "dataset.h"

struct umb_memory_part {
    size_t n;
    uint8_t *pixels;                   /* [n,H,W,C]; within pixels_block */
    uint8_t *labels;                   /* [n]; within labels_block */
    void *pixels_block, *labels_block; /* from umb__calloc; the part's own */
    const char *labels_path;           /* for messages */
};

struct umb_memory_set {
    int64_t shape[3];               /* H, W, C of the files */
    struct umb_memory_part part[2]; /* training, test */
};

/* Hangs an empty set in the data set. */
UMB_MUST_USE enum umb_status umb__memory_set_create(struct umb_dataset *ds,
                                                    struct umb_memory_set **ret_set);
void umb__memory_set_close(struct umb_dataset *ds);

/* Once both parts are filled: records, shape and the target "label" of n_classes; 0: as many as
 * training has, and a test label that training lacks is an error. */
UMB_MUST_USE enum umb_status umb__memory_set_finish(struct umb_dataset *ds,
                                                    const struct umb_dataset_desc *desc,
                                                    int64_t n_classes,
                                                    const char *const *class_names);
UMB_MUST_USE enum umb_status umb__memory_set_read(struct umb_dataset *ds, uint32_t record,
                                                  uint8_t *image, void *const *targets);

#endif
