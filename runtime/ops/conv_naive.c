/*
 * The naive solvers of convolution: cl/conv_naive.cl, on any device.
 */
#include "conv_solvers.h"

/* One wave of the narrowest GPUs; llvmpipe runs no more of these kernels in a group. */
#define LOCAL 32

/* Flags of the kernels. */
enum { ADD_BIAS = 1, RELU = 2, MAX_POOL = 4, AVG_POOL = 8, KEEP_PASS = 16, MASK = 32 };

static const struct umb_kernel forward = {"conv_naive", "conv_naive.cl", "conv_naive",
                                          "rrrwwiiiiiiiiiiiiiiiii"};
static const struct umb_kernel forward_only = {"conv_naive_forward", "conv_naive.cl", "conv_naive",
                                               "rrrwriiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_naive_data", "conv_naive.cl",
                                                "conv_naive_data", "rrrrwiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"conv_naive_weights", "conv_naive.cl",
                                                   "conv_naive_weights", "rrrwiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_bias = {"conv_naive_bias", "conv_naive.cl",
                                                "conv_naive_bias", "rrwiiiii"};

static struct umb_emit_launch over(const struct umb_emit *e, const struct umb_kernel *kernel,
                                   int out)
{
    const size_t most = e->p.caps->max_work_group;
    return (struct umb_emit_launch){.kernel = kernel,
                                    .dimensions = 1,
                                    .global = {(size_t)umb__shape_count(&e->p.out[out].shape)},
                                    .local = {most < LOCAL ? 1 : LOCAL}};
}

static int flags_of(const struct umb_conv *g)
{
    return (g->bias ? ADD_BIAS : 0) | (g->relu ? RELU : 0) |
           (g->pool == UMB_CONV_POOL_MAX ? MAX_POOL : 0) |
           (g->pool == UMB_CONV_POOL_AVG ? AVG_POOL : 0) | (g->mask ? MASK : 0);
}

/* The kernels' GEOMETRY. */
#define GEOMETRY(g, flags)                                                                \
    (g).H, (g).W, (g).C, (g).P, (g).Q, (g).K, (g).R, (g).S, (g).stride[0], (g).stride[1], \
        (g).dilation[0], (g).dilation[1], (g).padding[0], (g).padding[1], (g).groups, flags

enum umb_status umb__conv_naive_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const bool keeps = e->p.n_out > 1;
    const struct umb_emit_launch launch = over(e, keeps ? &forward : &forward_only, 0);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->out[0],
                            keeps ? e->out[1] : e->in[1], (int)launch.global[0],
                            GEOMETRY(g, flags_of(&g) | (keeps ? KEEP_PASS : 0)));
}

enum umb_status umb__conv_naive_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_data, 0);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.mask ? 2 : 1],
                            e->in[g.pool ? 3 : 1], e->out[0], (int)launch.global[0],
                            GEOMETRY(g, flags_of(&g)));
}

enum umb_status umb__conv_naive_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const int pass = e->in[g.pool ? 2 : 1];
    const struct umb_emit_launch launch = over(e, &backward_weights, 0);
    const enum umb_status st =
        umb__emit_launch(e, &launch, e->in[0], e->in[1], pass, e->out[0], (int)launch.global[0],
                         g.N, GEOMETRY(g, flags_of(&g)));
    if (st != UMB_OK || !g.dbias) { return st; }
    const struct umb_emit_launch last = over(e, &backward_bias, 1);
    return umb__emit_launch(e, &last, e->in[1], pass, e->out[1], g.K, g.N, g.P, g.Q, flags_of(&g));
}
