/*
 * conv.h: what the files of the convolution share: its attributes, its geometry, its solvers.
 *
 * Forward: inputs x [N,H,W,C], weight [R,S,C/groups,K], bias [K] if there is one; output [N,P,Q,K].
 * conv_backward_data: dy, weight, x (for its type only) → dx. conv_backward_weights: x, dy → dw.
 *
 * What passes fuse into them, by inner attributes (P, Q are always the convolution's own extents):
 *
 * pool = max or avg, of 2×2 pixels side by side, without padding; windows that are not whole do not
 * exist. With v = b + x∗w at pixel i = 2·(p mod 2) + q mod 2 of window (p/2, q/2), and with
 * activation = relu max(v, 0) for v:
 *   forward      output 0: y [N,⌊P/2⌋,⌊Q/2⌋,K], the largest or the mean of the window's v.
 *                In training output 1: pass, u8 of y's shape. Bit i is set if dv[i] gets something:
 *                max: of the one that is largest (the first among equals; a NaN is larger than any
 *                number, and the last NaN counts), and not for v ≤ 0 with relu;
 *                avg: of all four, with relu of those with v > 0 (or NaN).
 *   backward     both ops take dy [N,⌊P/2⌋,⌊Q/2⌋,K] and pass as their last input, and read
 *                  dv[n,p,q,k] = bit i of pass[n,p/2,q/2,k] ? share·dy[n,p/2,q/2,k] : 0,
 *                share = 1 for max, ¼ for avg; 0 beyond the last whole window. (So relu's gradient
 *                is in pass already; `activation` means nothing to the backward ops.)
 * mask (conv_backward_data): dx is 0 wherever x ≤ 0; then x is read, at dx's own elements. This is
 *                the gradient of the relu that made x.
 * dbias (conv_backward_weights): output 1: db [K] = Σ dy over all pixels (of dv, with pool).
 *
 * pool and mask, pool and dbias may come together. A solver that does not know what is fused must
 * not apply: the rows of conv_solvers.c refuse all but what their `known` says.
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
    /* Inner: see above. */
    int pool; /* of enum umb_conv_pool */
    bool mask, dbias;
};
enum umb_conv_pool { UMB_CONV_POOL_NONE, UMB_CONV_POOL_MAX, UMB_CONV_POOL_AVG };
/* Paddings by name: ⌈H/stride⌉ outputs, with an odd row of zeros at the end; none. */
#define UMB_CONV_SAME (-1)
#define UMB_CONV_VALID (-2)

struct umb_conv {
    int N, H, W, C, P, Q, K, R, S, groups;
    int stride[2], dilation[2], padding[2]; /* padding: before the first row and column */
    bool bias, relu;
    int pool;
    bool mask, dbias;
};

/* From attributes and x's shape; the message of a failure says what does not fit. */
UMB_MUST_USE enum umb_status umb__conv_geometry(struct umb_context *ctx,
                                                const struct umb_conv_attrs *attrs,
                                                const struct umb_shape *x, struct umb_conv *ret);

/* Of a forward or backward problem, whose shapes fit already. */
struct umb_conv umb__conv_of(const struct umb_problem *p);

/* The references, conv_reference.c. */
void umb__conv_reference(const struct umb_reference *r);
void umb__conv_reference_data(const struct umb_reference *r);
void umb__conv_reference_weights(const struct umb_reference *r);

extern const struct umb_solver umb__conv_forward_solvers[];
extern const struct umb_solver umb__conv_data_solvers[];
extern const struct umb_solver umb__conv_weights_solvers[];
extern const char *const umb__conv_updating[];

#endif
