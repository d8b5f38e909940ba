/*
 * grad.h: what an op's grad() sees, from the side of whoever differentiates (runtime/graph).
 *
 * Ops use the functions of op.h; the layer above fills this struct for the node at work and does
 * what the calls ask, so that ops need nothing from above them.
 */
#ifndef UMB_GRAD_H
#define UMB_GRAD_H

#include "op.h"

struct umb_grad_calls {
    const struct umb_type *(*type)(const struct umb_grad *g, int value);
    UMB_MUST_USE enum umb_status (*node)(struct umb_grad *g, const char *op_name, const void *attrs,
                                         int n_in, const int *in, int *ret_out);
    /* A gradient for input value `target`: of segments first … first+count−1, count 0: of all. */
    void (*give)(struct umb_grad *g, int target, int first, int count, int dvalue);
};

struct umb_grad {
    const struct umb_grad_calls *calls;
    const void *attrs; /* of the forward node */
    int n_in, n_out;
    const int *in, *out;      /* its values, or views of some rows of them */
    const int *source;        /* [n_in] the values that gradients are given for */
    const bool *wants;        /* [values before differentiation] */
    int n_values;             /* how many those are */
    int dout[UMB_OP_MAX_OUT]; /* −1: that output does not matter */
};

#endif
