/*
 * task_features.h: what each task's last layer with weights reads, over some samples, and how alike
 * that is between tasks (CKA).
 *
 * Beside a trainer, as task_gradients.h, but as in evaluation: running statistics, no dropout.
 * Tasks of different streams see different samples and cannot be compared; tasks whose last layers
 * read the same value are the same.
 */
#ifndef UMB_TASK_FEATURES_H
#define UMB_TASK_FEATURES_H

#include "trainer.h"

struct umb_task_features;

/* Keeps so many samples a stream at most. The trainer must outlive it. */
UMB_MUST_USE enum umb_status umb__task_features_create(struct umb_trainer *tr, int64_t most,
                                                       struct umb_task_features **ret_features);
void umb__task_features_destroy(struct umb_task_features *f); /* NULL is fine */
/* Forgets what was kept, and takes up the trainer's present parameters and states. Waits for all
 * its runs. */
UMB_MUST_USE enum umb_status umb__task_features_follow(struct umb_task_features *f);
/* The batch in a training slot; nothing is done when there are samples enough. */
UMB_MUST_USE enum umb_status umb__task_features_look(struct umb_task_features *f, int slot);
/* ret_cka [T,T], by the unbiased estimator; NaN: not the same samples, or too few of them. */
UMB_MUST_USE enum umb_status umb__task_features_cka(const struct umb_task_features *f,
                                                    double *ret_cka);

#endif
