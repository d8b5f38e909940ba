/*
 * hold.h: the trainer's slots filled once with real batches, to run steps without a loader: for
 * bench step and for the lower bound of plan.
 */
#ifndef UMBEL_HOLD_H
#define UMBEL_HOLD_H

#include "session.h"

/* Fills every training slot; ret_images[UMB_TRAINER_SLOTS]: images of all streams in each. */
UMB_MUST_USE enum umb_status hold_batches(const struct session *s, const struct cli *cli,
                                          int64_t *ret_images);
/* Times the steps of the training plan alone, some runs each behind a plain one; parameters change.
 */
UMB_MUST_USE enum umb_status hold_time_alone(const struct session *s);
/* The same, and the lower bound of the plan's makespan. */
UMB_MUST_USE enum umb_status hold_bound(const struct session *s, double *ret_bound_ms);

#endif
