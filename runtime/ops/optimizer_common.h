/*
 * optimizer_common.h: what the optimizer ops have in common: the order of their inputs.
 *
 * param [P], grad [P], n_moments buffers [P], hyper [UMB_HYPER_COUNT], and scale [1] or nothing.
 * param and the moments are written in place.
 */
#ifndef UMB_OPTIMIZER_COMMON_H
#define UMB_OPTIMIZER_COMMON_H

#include "spread.h"

UMB_MUST_USE enum umb_status umb__optimizer_infer(struct umb_infer *io, int n_moments);

/* The inputs by name, for references. */
struct umb_update {
    int64_t n;
    double *param, *moment[2]; /* [P] */
    const double *grad, *hyper;
    double scale;
};
struct umb_update umb__optimizer_update(const struct umb_reference *r, int n_moments);

/* The walk over all parameters, and the values that a kernel takes behind the moments. */
struct umb_optimizer_walk {
    struct umb_spread spread;
    const char *options;
    int hyper, scale, scale_index; /* without clipping: the 1 in hyper */
    int n;
};
UMB_MUST_USE enum umb_status umb__optimizer_walk(struct umb_emit *e, int n_moments,
                                                 struct umb_optimizer_walk *ret_walk);

#endif
