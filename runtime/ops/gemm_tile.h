/*
 * gemm_tile.h: the register-tile kernels of CPUs (cl/conv_direct.cl, cl/conv_weights.cl), and what
 * they share with the other kernels of convolution there.
 */
#ifndef UMB_GEMM_TILE_H
#define UMB_GEMM_TILE_H

#include "conv.h"

/* A CPU whose vectors the kernels are written for; not a rasterizer that calls itself one. */
bool umb__tile_applies(const struct umb_device_caps *caps);

int umb__tile_width(const struct umb_device_caps *caps); /* VW of the kernels: 4, 8 or 16 */

/* Of the items that keep a device busy, those of one layer where so many are computed beside each
 * other; 0: where it is alone. */
static inline int umb__items_beside(int items, int beside)
{
    return beside ? (items + beside - 1) / beside : items;
}

/* One launch of cl/conv_direct.cl, in its header's letters. */
struct umb_gather {
    int positions, OH, OW, IH, IW, IC, TR, TS, cg;
    int sy, sx, dy, dx, y0, x0;
    int w0, wr, ws, wc;
    int o0, on, oy, ox;
    int columns, groups;
    bool bias, relu, transposed;
    int pool; /* of enum umb_conv_pool */
    bool mask;
};
/* A convolution forward; and backward to the pixels (h,w) of x with h mod stride = a and
 * w mod stride = b, from dy, with no positions where there are none. */
struct umb_gather umb__gather_forward(const struct umb_conv *c);
struct umb_gather umb__gather_class(const struct umb_conv *c, int a, int b);

/* The values of a launch; any of the node's where there is none. The kernel's row says whether pass
 * is written. */
struct umb_gather_values {
    int x, w, bias, y, pass, mask;
};
/* Not of a transposed one; of a pooled one only where umb__gather_pools. */
UMB_MUST_USE enum umb_status umb__emit_gather(struct umb_emit *e, const struct umb_kernel *kernel,
                                              const struct umb_gather *g,
                                              const struct umb_gather_values *v);
bool umb__gather_pools(const struct umb_gather *g);
/* Of cl/conv_direct.cl, for windows or not; NULL on no memory. */
const char *umb__tile_options(struct umb_emit *e, bool pooled);

/* The weights of a convolution as a temporary [R·S,K/groups,C], tap by tap the other way round. */
UMB_MUST_USE enum umb_status umb__emit_conv_turn(struct umb_emit *e, const struct umb_conv *c,
                                                 int *ret_value);

/* The gradient to weights by cl/conv_weights.cl; false: no chunk of this shape fits its panels. */
bool umb__tile_weights_apply(const struct umb_device_caps *caps, const struct umb_conv *g);
UMB_MUST_USE enum umb_status umb__emit_tile_weights(struct umb_emit *e, const struct umb_conv *g);

/*
 * Gradients to weights that several groups add up: each into a slab of its own, `count` numbers of
 * dw and, behind them, n_bias of db; then the slabs are added in their order, for an update where
 * the node has one (update.h). One slab without db or an update is dw itself.
 */
struct umb_slabs {
    int slabs, count, n_bias;
    int dw, db; /* values */
};
/* The value that slabs are written to. */
UMB_MUST_USE enum umb_status umb__emit_slabs(struct umb_emit *e, const struct umb_slabs *s,
                                             int *ret_value);
UMB_MUST_USE enum umb_status umb__emit_slab_sums(struct umb_emit *e, const struct umb_slabs *s,
                                                 int value);

#endif
