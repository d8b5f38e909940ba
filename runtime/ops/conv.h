/*
 * conv.h: what the files of the convolution share: its attributes, its geometry, its solvers.
 *
 * Forward: inputs x [N,H,W,C], weight [R,S,C/groups,K], bias [K] if there is one; output [N,P,Q,K].
 * conv_backward_data: dy, weight, x (for its type only) → dx. conv_backward_weights: x, dy → dw.
 */
#ifndef UMB_CONV_H
#define UMB_CONV_H

#include "steps.h"

struct umb_conv_attrs {
    int64_t filters;
    int64_t size[2], stride[2], padding[2], dilation[2]; /* height, width */
    int64_t groups;
    bool bias;
    int activation; /* of enum umb_activation; the kernels know linear and relu */
};
/* Paddings by name: ⌈H/stride⌉ outputs, with an odd row of zeros at the end; none. */
#define UMB_CONV_SAME (-1)
#define UMB_CONV_VALID (-2)

struct umb_conv {
    int N, H, W, C, P, Q, K, R, S, groups;
    int stride[2], dilation[2], padding[2]; /* padding: before the first row and column */
    bool bias, relu;
};

/* From attributes and x's shape; the message of a failure says what does not fit. */
UMB_MUST_USE enum umb_status umb__conv_geometry(struct umb_context *ctx,
                                                const struct umb_conv_attrs *attrs,
                                                const struct umb_shape *x, struct umb_conv *ret);

/* Of a forward or backward problem, whose shapes fit already. */
struct umb_conv umb__conv_of(const struct umb_problem *p);

extern const struct umb_solver umb__conv_forward_solvers[];
extern const struct umb_solver umb__conv_data_solvers[];
extern const struct umb_solver umb__conv_weights_solvers[];

#endif
