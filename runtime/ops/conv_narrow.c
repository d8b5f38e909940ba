/*
 * The solvers for few channels out, forward, or in, backward: cl/conv_narrow.cl. Wide tiles would
 * mostly multiply zeros there.
 */
#include "conv_solvers.h"
#include "gemm_tile.h"
#include "whole.h"

/* Channels of a tile at most. */
#define MOST_COLUMNS 4
/* Taps side by side whose weights fill registers beside the sums. */
#define MOST_TAPS 4
/* Numbers of a row of outputs at most, as in the kernel. */
#define Y_FLOATS 4096
/* Flags of the kernel. */
enum { ADD_BIAS = 1, RELU = 2, MASK = 32, BACK = 64 };

static const struct umb_kernel forward = {"conv_narrow", "conv_narrow.cl", "conv_narrow",
                                          "rrrrwiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_narrow_data", "conv_narrow.cl", "conv_narrow",
                                                "rrrrwiiiiiiiiiiiiii"};

/* Sums of `terms` numbers a tap for few outputs: at most half a vector of them, where the terms
 * fill vectors. */
static int rank(const struct umb_problem *p, const struct umb_conv *g, int terms, int outputs,
                int columns)
{
    const int width = umb__tile_width(p->caps);
    const bool fits = umb__tile_applies(p->caps) && g->groups == 1 && !g->pool &&
                      (int64_t)columns * outputs <= Y_FLOATS;
    if (!fits) { return 0; }
    return outputs <= width / 2 && terms >= width ? 3 : 1;
}

int umb__conv_narrow_rank_forward(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, g.C, g.K, g.Q);
}

int umb__conv_narrow_rank_data(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, g.K, g.C, g.W);
}

/* As few parts of n as `most` allows, as even as can be. */
static int part_of(int n, int most)
{
    return umb__ceil_div(n, umb__ceil_div(n, most));
}

/* A walk over rows of `columns` outputs of a class, from `terms` channels to `outputs`, each output
 * by `taps` columns of the filter. */
struct walk {
    int images, rows, columns, taps, terms, outputs;
};

/* Rows of an image that an item makes: many, since each item begins by finding its taps, and so few
 * that every compute unit has a dozen items. */
static int span_of(const struct umb_device_caps *caps, const struct walk *w)
{
    const int64_t most = (int64_t)w->images * w->rows / (12 * (int64_t)caps->compute_units);
    return most < 1 ? 1 : part_of(w->rows, umb__smaller((int)most, w->rows));
}

static struct umb_emit_launch over(struct umb_emit *e, const struct umb_kernel *kernel,
                                   const struct walk *w, int span)
{
    const int width = umb__tile_width(e->p.caps), channels = part_of(w->outputs, MOST_COLUMNS);
    const int tile = part_of(w->columns, width / channels);
    const int taps = part_of(w->taps, channels < MOST_COLUMNS ? MOST_TAPS : MOST_TAPS - 1);
    return (struct umb_emit_launch){
        .kernel = kernel,
        .options = umb__emit_printf(e, "-DVW=%d -DCOLS=%d -DTQ=%d -DTS=%d -DIC=%d -DOC=%d", width,
                                    channels, tile, taps, w->terms, w->outputs),
        .dimensions = 1,
        .global = {(size_t)(w->images * umb__ceil_div(w->rows, span))},
        .local = {1}};
}

enum umb_status umb__conv_narrow_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    int w = -1;
    const enum umb_status st = umb__emit_conv_turn(e, &g, &w);
    if (st != UMB_OK) { return st; }
    const struct walk walk = {g.N, g.P, g.Q, g.S, g.C, g.K};
    const int span = span_of(e->p.caps, &walk);
    const struct umb_emit_launch launch = over(e, &forward, &walk, span);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], w, e->in[g.bias ? 2 : 1], e->in[0], e->out[0],
                            span, g.H, g.W, g.P, g.Q, g.R, g.S, g.stride[0], g.stride[1],
                            g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            (g.bias ? ADD_BIAS : 0) | (g.relu ? RELU : 0));
}

enum umb_status umb__conv_narrow_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct walk walk = {
        g.N, g.H, umb__ceil_div(g.W, g.stride[1]), umb__ceil_div(g.S, g.stride[1]), g.K, g.C};
    const int span = span_of(e->p.caps, &walk);
    const struct umb_emit_launch launch = over(e, &backward_data, &walk, span);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[1], e->in[g.mask ? 2 : 0],
                            e->out[0], span, g.P, g.Q, g.H, g.W, g.R, g.S, g.stride[0], g.stride[1],
                            g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            BACK | (g.mask ? MASK : 0));
}
