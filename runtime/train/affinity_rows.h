/*
 * affinity_rows.h: affinities that were seen while a run trained, in its metrics.jsonl, and their
 * mean over its epochs and over runs.
 */
#ifndef UMB_AFFINITY_ROWS_H
#define UMB_AFFINITY_ROWS_H

#include "gradient_survey.h"
#include "run_dir.h"

/* Appends what the survey has seen since it was made or forgot, as an event "affinity". */
UMB_MUST_USE enum umb_status umb__affinity_row(struct umb_run *run,
                                               const struct umb_gradient_survey *s, int64_t epoch);

struct umb_affinity_mean {
    struct umb_context *ctx;
    size_t T;
    double *sum;   /* [T,T] */
    uint64_t *n;   /* [T,T] rows in which a pair was defined */
    size_t n_rows; /* at all */
    double rate;   /* of all of them */
};
UMB_MUST_USE enum umb_status umb__affinity_mean_create(struct umb_context *ctx, size_t T,
                                                       struct umb_affinity_mean **ret_mean);
void umb__affinity_mean_destroy(struct umb_affinity_mean *m); /* NULL is fine */
/* Adds a run's exact affinities. UMB_ERR_INVALID: it has none, or of another rate or other tasks.
 */
UMB_MUST_USE enum umb_status umb__affinity_mean_add(struct umb_affinity_mean *m,
                                                    const struct umb_run *run);
/* ret_mean [T,T]; a pair that was never defined is 0. Returns how many pairs those are. */
size_t umb__affinity_mean_read(const struct umb_affinity_mean *m, double *ret_mean);

#endif
