/*
 * From a convolution's attributes to numbers, and what may be wrong with them.
 *
 *   P = ⌊(H + padding − extent)/stride⌋ + 1, extent = dilation·(R − 1) + 1, padding on both sides;
 *   same (as Keras): P = ⌈H/stride⌉, padding max(0, (P − 1)·stride + extent − H), ⌊half⌋ before.
 */
#include "conv.h"
#include <stdio.h>

/* One axis: *ret_out and *ret_before; false when the filter does not fit. */
static bool fit(int64_t in, int64_t filter, int64_t stride, int64_t dilation, int64_t padding,
                int *ret_out, int *ret_before)
{
    const int64_t extent = dilation * (filter - 1) + 1;
    int64_t out, before = padding == UMB_CONV_VALID ? 0 : padding;
    if (padding == UMB_CONV_SAME) {
        out = (in + stride - 1) / stride;
        const int64_t both = (out - 1) * stride + extent - in;
        before = both > 0 ? both / 2 : 0;
    } else {
        if (in + 2 * before < extent) { return false; }
        out = (in + 2 * before - extent) / stride + 1;
    }
    *ret_out = (int)out;
    *ret_before = (int)before;
    return true;
}

static enum umb_status does_not_fit(struct umb_context *ctx, const struct umb_conv_attrs *a,
                                    const struct umb_shape *x)
{
    char more[96] = "";
    const bool dilated = a->dilation[0] != 1 || a->dilation[1] != 1;
    const bool padded = a->padding[0] > 0 || a->padding[1] > 0;
    if (dilated || padded) {
        snprintf(more, sizeof more, " with padding %lld,%lld and dilation %lld,%lld",
                 (long long)a->padding[0], (long long)a->padding[1], (long long)a->dilation[0],
                 (long long)a->dilation[1]);
    }
    return umb__fail(ctx, UMB_ERR_INVALID, "a %lldx%lld filter does not fit %lldx%lld input%s",
                     (long long)a->size[0], (long long)a->size[1], (long long)x->dim[1],
                     (long long)x->dim[2], more);
}

enum umb_status umb__conv_geometry(struct umb_context *ctx, const struct umb_conv_attrs *a,
                                   const struct umb_shape *x, struct umb_conv *ret)
{
    if (x->rank != 4) {
        char text[UMB_SHAPE_TEXT];
        return umb__fail(ctx, UMB_ERR_INVALID, "input %s is no image; expected [N,H,W,C]",
                         umb__shape_text(x, text, sizeof text));
    }
    if (x->dim[3] % a->groups != 0) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%lld input channels are not divisible by groups %lld",
                         (long long)x->dim[3], (long long)a->groups);
    }
    if (a->filters % a->groups != 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "filters %lld is not divisible by groups %lld",
                         (long long)a->filters, (long long)a->groups);
    }
    struct umb_conv g = {.N = (int)x->dim[0],
                         .H = (int)x->dim[1],
                         .W = (int)x->dim[2],
                         .C = (int)x->dim[3],
                         .K = (int)a->filters,
                         .R = (int)a->size[0],
                         .S = (int)a->size[1],
                         .groups = (int)a->groups,
                         .bias = a->bias,
                         .relu = a->activation == UMB_ACT_RELU,
                         .pool = a->pool,
                         .mask = a->mask,
                         .dbias = a->dbias};
    int *const out[2] = {&g.P, &g.Q};
    for (int i = 0; i < 2; i++) {
        g.stride[i] = (int)a->stride[i];
        g.dilation[i] = (int)a->dilation[i];
        if (!fit(x->dim[1 + i], a->size[i], a->stride[i], a->dilation[i], a->padding[i], out[i],
                 &g.padding[i])) {
            return does_not_fit(ctx, a, x);
        }
    }
    *ret = g;
    return UMB_OK;
}

/* x is input 0 of conv and conv_backward_weights, input 2 of conv_backward_data. */
struct umb_conv umb__conv_of(const struct umb_problem *p)
{
    struct umb_conv g = {0};
    const struct umb_shape *x = &p->in[p->op->solvers == umb__conv_data_solvers ? 2 : 0].shape;
    const enum umb_status st = umb__conv_geometry(p->ctx, p->attrs, x, &g);
    (void)st; /* infer has been through it */
    return g;
}
