/*
 * task_features.h: what each task's last layer with weights reads, over some samples, and how alike
 * that is between tasks (CKA).
 *
 * Beside a trainer, as task_gradients.h, but as in evaluation: running statistics, no dropout.
 * Tasks are compared on the same samples alone: those of one stream, or of streams whose batches
 * are said to hold the same samples in the same order. Tasks whose last layers read the same value
 * are the same.
 */
#ifndef UMB_TASK_FEATURES_H
#define UMB_TASK_FEATURES_H

#include "trainer.h"

struct umb_task_features;

/* Keeps so many samples a stream at most. order [streams]: equal numbers say that row i of every
 * batch looked at is the same sample of all those streams; copied, NULL: each has its own. The
 * trainer must outlive it. */
UMB_MUST_USE enum umb_status umb__task_features_create(struct umb_trainer *tr, int64_t most,
                                                       const int *order,
                                                       struct umb_task_features **ret_features);
void umb__task_features_destroy(struct umb_task_features *f); /* NULL is fine */
/* Forgets what was kept, and takes up the trainer's present parameters and states. Waits for all
 * its runs. */
UMB_MUST_USE enum umb_status umb__task_features_follow(struct umb_task_features *f);
/* The batch in a training slot; nothing is done when there are samples enough. */
UMB_MUST_USE enum umb_status umb__task_features_look(struct umb_task_features *f, int slot);
/* Some two tasks read samples that can be the same. */
bool umb__task_features_has_pairs(const struct umb_task_features *f);
/* Samples kept, of the stream with the most. */
int64_t umb__task_features_samples(const struct umb_task_features *f);
/* Why two tasks cannot be compared; NULL: they can, unless features do not vary. */
const char *umb__task_features_apart(const struct umb_task_features *f, int s, int t);
/* ret_cka [T,T], by the unbiased estimator; NaN: apart, or features that do not vary. */
UMB_MUST_USE enum umb_status umb__task_features_cka(const struct umb_task_features *f,
                                                    double *ret_cka);

#endif
