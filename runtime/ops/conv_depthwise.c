/*
 * The solvers for one channel a group: cl/conv_depthwise.cl.
 */
#include "conv_solvers.h"
#include "gemm_tile.h"

/* Slabs of the gradient to the weights: as for conv_weights.cl, a number that the shape fixes. */
#define MAX_SLABS 32
/* Flags of the kernels. */
enum { ADD_BIAS = 1, RELU = 2, MASK = 32, BACK = 64, DBIAS = 128, PAST = 256 };
/* Outputs beyond this are written past the caches. */
#define PAST_BYTES ((size_t)16 << 20)

static const struct umb_kernel forward = {"conv_depthwise", "conv_depthwise.cl", "conv_depthwise",
                                          "rrrrwiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_depthwise_data", "conv_depthwise.cl",
                                                "conv_depthwise", "rrrrwiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"conv_depthwise_weights", "conv_depthwise.cl",
                                                   "conv_depthwise_weights", "rrwiiiiiiiiiiiiiiii"};

static int past(const struct umb_emit *e)
{
    return umb__type_bytes(&e->p.out[0]) > PAST_BYTES ? PAST : 0;
}

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
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->in[0],
                            e->out[0], g.H, g.W, g.C, g.P, g.Q, g.R, g.S, g.stride[0], g.stride[1],
                            g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            (g.bias ? ADD_BIAS : 0) | (g.relu ? RELU : 0) | past(e));
}

enum umb_status umb__conv_depthwise_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_data, g.N * g.H);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[1], e->in[g.mask ? 2 : 0],
                            e->out[0], g.P, g.Q, g.C, g.H, g.W, g.R, g.S, g.stride[0], g.stride[1],
                            g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            BACK | (g.mask ? MASK : 0) | past(e));
}

enum umb_status umb__conv_depthwise_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const int rows = g.N * g.P, span = (rows + MAX_SLABS - 1) / MAX_SLABS;
    const struct umb_slabs s = {.slabs = (rows + span - 1) / span,
                                .count = g.R * g.S * g.C,
                                .n_bias = g.dbias ? g.C : 0,
                                .dw = e->out[0],
                                .db = e->out[g.dbias ? 1 : 0]};
    int to = -1;
    enum umb_status st = umb__emit_slabs(e, &s, &to);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = over(e, &backward_weights, s.slabs);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    st = umb__emit_launch(e, &launch, e->in[0], e->in[1], to, rows, span, g.H, g.W, g.C, g.P, g.Q,
                          g.R, g.S, g.stride[0], g.stride[1], g.dilation[0], g.dilation[1],
                          g.padding[0], g.padding[1], g.dbias ? DBIAS : 0);
    return st == UMB_OK ? umb__emit_slab_sums(e, &s, to) : st;
}
