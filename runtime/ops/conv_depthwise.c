/*
 * The solvers for one channel a group: cl/conv_depthwise.cl.
 */
#include "conv_solvers.h"
#include "gemm_tile.h"

/* Slabs of the gradient to the weights: as for conv_weights.cl, a number that the shape fixes. */
#define MAX_SLABS 16

static const struct umb_kernel forward = {"conv_depthwise", "conv_depthwise.cl", "conv_depthwise",
                                          "rrrwiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_depthwise_data", "conv_depthwise.cl",
                                                "conv_depthwise_data", "rrwiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"conv_depthwise_weights", "conv_depthwise.cl",
                                                   "conv_depthwise_weights", "rrwiiiiiiiiiiiiiii"};

static struct umb_emit_launch over(struct umb_emit *e, const struct umb_kernel *kernel, int groups)
{
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options =
                                        umb__emit_printf(e, "-DVW=%d", umb__tile_width(e->p.caps)),
                                    .dimensions = 1,
                                    .global = {(size_t)groups},
                                    .local = {1}};
}

enum umb_status umb__conv_depthwise_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &forward, g.N * g.P);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->out[0], g.H,
                            g.W, g.C, g.P, g.Q, g.R, g.S, g.stride[0], g.stride[1], g.dilation[0],
                            g.dilation[1], g.padding[0], g.padding[1],
                            (g.bias ? 1 : 0) | (g.relu ? 2 : 0));
}

enum umb_status umb__conv_depthwise_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_data, g.N * g.H);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], g.H, g.W, g.C, g.P, g.Q, g.R,
                            g.S, g.stride[0], g.stride[1], g.dilation[0], g.dilation[1],
                            g.padding[0], g.padding[1]);
}

enum umb_status umb__conv_depthwise_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const int rows = g.N * g.P, width = umb__tile_width(e->p.caps);
    const int span = (rows + MAX_SLABS - 1) / MAX_SLABS, slabs = (rows + span - 1) / span;
    const struct umb_slabs all = {.slabs = slabs, .count = g.R * g.S * g.C, .dw = e->out[0]};
    int to = -1;
    enum umb_status st = umb__emit_slabs(e, &all, &to);
    if (st != UMB_OK) { return st; }
    struct umb_emit_launch launch = over(e, &backward_weights, slabs);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    launch.dimensions = 2;
    launch.global[1] = (size_t)((g.C + width - 1) / width);
    launch.local[1] = 1;
    st = umb__emit_launch(e, &launch, e->in[0], e->in[1], to, rows, span, g.H, g.W, g.C, g.P, g.Q,
                          g.R, g.S, g.stride[0], g.stride[1], g.dilation[0], g.dilation[1],
                          g.padding[0], g.padding[1]);
    return st == UMB_OK ? umb__emit_slab_sums(e, &all, to) : st;
}
