/*
 * labels.h: what a data set says of a sample, as the label a loss wants.
 *
 * Class losses take int32 classes (of samples or pixels), the others float32 numbers; derived
 * classes (`map`) are put in here. A sample without a label gets mask 0 and a harmless label.
 */
#ifndef UMB_LABELS_H
#define UMB_LABELS_H

#include "experiment.h"

/* Bytes of one sample of a target, as umb_dataset_read writes it. */
size_t umb__target_bytes(const struct umb_target_info *info);

/*
 * Converts n samples of the task's target (source, as the reader wrote them) to labels and mask. A
 * number outside 0…1 for binary_cross_entropy is
 * UMB_ERR_INVALID, naming the sample by index[i].
 */
UMB_MUST_USE enum umb_status umb__labels_fill(const struct umb_experiment *exp,
                                              const struct umb_exp_task *task, const void *source,
                                              const uint32_t *index, int64_t n, void *labels,
                                              float *mask);

#endif
