/*
 * The solvers for few channels out, forward, or in, backward: cl/conv_narrow.cl. Wide tiles would
 * mostly multiply zeros there.
 */
#include "conv_solvers.h"
#include "gemm_tile.h"

/* Channels of a tile at most. */
#define MOST_COLUMNS 4
/* Flags of the kernel. */
enum { ADD_BIAS = 1, RELU = 2, MASK = 32, BACK = 64 };

static const struct umb_kernel forward = {"conv_narrow", "conv_narrow.cl", "conv_narrow",
                                          "rrrrwiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_narrow_data", "conv_narrow.cl", "conv_narrow",
                                                "rrrrwiiiiiiiiiiiiiii"};

/* Sums of `terms` numbers a tap for few outputs: at most half a vector of them, where the terms
 * fill vectors. */
static int rank(const struct umb_problem *p, const struct umb_conv *g, int terms, int outputs)
{
    const int width = umb__tile_width(p->caps);
    const bool fits = umb__tile_applies(p->caps) && g->groups == 1 && !g->pool;
    if (!fits) { return 0; }
    return outputs <= width / 2 && terms >= width ? 3 : 1;
}

int umb__conv_narrow_rank_forward(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, g.C, g.K);
}

int umb__conv_narrow_rank_data(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, g.K, g.C);
}

static struct umb_emit_launch over(struct umb_emit *e, const struct umb_kernel *kernel, int rows,
                                   int outputs)
{
    return (struct umb_emit_launch){
        .kernel = kernel,
        .options = umb__emit_printf(e, "-DVW=%d -DCOLS=%d", umb__tile_width(e->p.caps),
                                    outputs < MOST_COLUMNS ? outputs : MOST_COLUMNS),
        .dimensions = 1,
        .global = {(size_t)rows},
        .local = {1}};
}

enum umb_status umb__conv_narrow_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    int w = -1;
    const enum umb_status st = umb__emit_conv_turn(e, &g, &w);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = over(e, &forward, g.N * g.P, g.K);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], w, e->in[g.bias ? 2 : 1], e->in[0], e->out[0],
                            g.H, g.W, g.C, g.P, g.Q, g.K, g.R, g.S, g.stride[0], g.stride[1],
                            g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            (g.bias ? ADD_BIAS : 0) | (g.relu ? RELU : 0));
}

enum umb_status umb__conv_narrow_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_data, g.N * g.H, g.C);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[1], e->in[g.mask ? 2 : 0],
                            e->out[0], g.P, g.Q, g.K, g.H, g.W, g.C, g.R, g.S, g.stride[0],
                            g.stride[1], g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            BACK | (g.mask ? MASK : 0));
}
