/*
 * The naive solvers of convolution: cl/conv_naive.cl, on any device.
 */
#include "conv_solvers.h"

/* One wave of the narrowest GPUs; llvmpipe runs no more of these kernels in a group. */
#define LOCAL 32

static const struct umb_kernel forward = {"conv_naive", "conv_naive.cl", "conv_naive",
                                          "rrrwiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_naive_data", "conv_naive.cl",
                                                "conv_naive_data", "rrwiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"conv_naive_weights", "conv_naive.cl",
                                                   "conv_naive_weights", "rrwiiiiiiiiiiiiiiii"};

static struct umb_emit_launch over(const struct umb_emit *e, const struct umb_kernel *kernel)
{
    const size_t most = e->p.caps->max_work_group;
    return (struct umb_emit_launch){.kernel = kernel,
                                    .dimensions = 1,
                                    .global = {(size_t)umb__shape_count(&e->p.out[0].shape)},
                                    .local = {most < LOCAL ? 1 : LOCAL}};
}

enum umb_status umb__conv_naive_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &forward);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->out[0],
                            (int)launch.global[0], g.H, g.W, g.C, g.P, g.Q, g.K, g.R, g.S,
                            g.stride[0], g.stride[1], g.dilation[0], g.dilation[1], g.padding[0],
                            g.padding[1], g.groups, (g.bias ? 1 : 0) | (g.relu ? 2 : 0));
}

enum umb_status umb__conv_naive_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_data);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], (int)launch.global[0], g.H,
                            g.W, g.C, g.P, g.Q, g.K, g.R, g.S, g.stride[0], g.stride[1],
                            g.dilation[0], g.dilation[1], g.padding[0], g.padding[1], g.groups);
}

enum umb_status umb__conv_naive_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_weights);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], (int)launch.global[0], g.N,
                            g.H, g.W, g.C, g.P, g.Q, g.K, g.S, g.stride[0], g.stride[1],
                            g.dilation[0], g.dilation[1], g.padding[0], g.padding[1], g.groups);
}
