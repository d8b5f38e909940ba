/*
 * The solvers for few channels in: cl/conv_thin.cl.
 */
#include "conv_solvers.h"
#include "gemm_tile.h"
#include "whole.h"

/* Sizes of the kernels' panels, in numbers: 64 KB each. */
#define X_FLOATS 16384
#define B_FLOATS 16384
/* Wider ones are read in runs long enough for the tiles of conv_direct.cl. */
#define MOST_CHANNELS 4
/* Positions of an item, so that copying its rows and weights is little beside them. */
#define FEW_POSITIONS 256
#define ITEMS_PER_UNIT 4
/* Positions of a chunk at most: its columns of dy are read once for every tile of terms, and are
 * 32 KB with 16 lanes. */
#define MOST_POSITIONS 256
#define MAX_SLABS 32

static const struct umb_kernel forward = {"conv_thin", "conv_thin.cl", "conv_thin",
                                          "rrrwwiiiiiiiiiiiiiiiii"};
static const struct umb_kernel forward_only = {"conv_thin_forward", "conv_thin.cl", "conv_thin",
                                               "rrrwriiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"conv_thin_weights", "conv_thin.cl",
                                                   "conv_thin_weights", "rrrwiiiiiiiiiiiiiiiiii"};

/* Numbers of X for `rows` rows of y. */
static int64_t panel(const struct umb_conv *g, int rows)
{
    const int64_t high = (int64_t)(rows - 1) * g->stride[0] + (g->R - 1) * g->dilation[0] + 1;
    const int64_t wide = (int64_t)(g->Q - 1) * g->stride[1] + (g->S - 1) * g->dilation[1] + 1;
    return high * wide * g->C;
}

static int unit_of(const struct umb_conv *g)
{
    return g->pool ? 2 : 1;
}

int umb__conv_thin_rank(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    const int terms = B_FLOATS / (2 * umb__tile_width(p->caps));
    const bool fits = g.groups == 1 && g.C <= MOST_CHANNELS && (int64_t)g.R * g.S * g.C <= terms &&
                      panel(&g, unit_of(&g)) <= X_FLOATS;
    return umb__tile_applies(p->caps) && fits && !g.mask ? 3 : 0;
}

/* `most` rows of y or fewer, such that X holds what they see: whole windows. */
static int fitting_rows(const struct umb_conv *g, int most)
{
    const int unit = unit_of(g);
    int rows = umb__ceil_div(most < g->P ? most : g->P, unit) * unit;
    while (rows > unit && panel(g, rows) > X_FLOATS) {
        rows -= unit;
    }
    return rows;
}

static const char *options(struct umb_emit *e)
{
    const int width = umb__tile_width(e->p.caps);
    return umb__emit_printf(e, "-DVW=%d -DTP=%d -DCT=%d -DX_FLOATS=%d -DB_FLOATS=%d", width,
                            width == 16 ? 8 : 4, width == 16 ? 9 : 5, X_FLOATS, B_FLOATS);
}

/* Flags of the kernels. */
static int flags_of(const struct umb_conv *g)
{
    return (g->bias ? 1 : 0) | (g->relu ? 2 : 0) | (g->pool == UMB_CONV_POOL_MAX ? 4 : 0) |
           (g->pool == UMB_CONV_POOL_AVG ? 8 : 0);
}

#define GEOMETRY(g)                                                                       \
    (g).H, (g).W, (g).C, (g).P, (g).Q, (g).K, (g).R, (g).S, (g).stride[0], (g).stride[1], \
        (g).dilation[0], (g).dilation[1], (g).padding[0], (g).padding[1]

enum umb_status umb__conv_thin_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const int columns = 2 * umb__tile_width(e->p.caps), terms = g.R * g.S * g.C;
    const int k_blocks = umb__ceil_div(g.K, columns), most = B_FLOATS / (terms * columns);
    const int part = k_blocks < most ? k_blocks : most;
    const int share =
        (int)((int64_t)g.N * g.P / (ITEMS_PER_UNIT * (int64_t)e->p.caps->compute_units));
    const int few = umb__ceil_div(FEW_POSITIONS, g.Q);
    const int rows = fitting_rows(&g, share > few ? share : few);
    const bool keeps = e->p.n_out > 1;
    const struct umb_emit_launch launch = {
        .kernel = keeps ? &forward : &forward_only,
        .options = options(e),
        .dimensions = 2,
        .global = {(size_t)g.N * (size_t)umb__ceil_div(g.P, rows),
                   (size_t)umb__ceil_div(k_blocks, part)},
        .local = {1, 1}};
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->out[0],
                            keeps ? e->out[1] : e->in[1], GEOMETRY(g),
                            flags_of(&g) | (keeps ? 16 : 0), rows, part);
}

enum umb_status umb__conv_thin_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const int few = MOST_POSITIONS / g.Q, rows = fitting_rows(&g, few > 1 ? few : 1);
    const int64_t chunks = (int64_t)g.N * umb__ceil_div(g.P, rows);
    const int slabs = chunks < MAX_SLABS ? (int)chunks : MAX_SLABS;
    const struct umb_slabs s = {.slabs = slabs,
                                .count = g.R * g.S * g.C * g.K,
                                .n_bias = g.dbias ? g.K : 0,
                                .dw = e->out[0],
                                .db = e->out[g.dbias ? 1 : 0]};
    int to = -1;
    enum umb_status st = umb__emit_slabs(e, &s, &to);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = {.kernel = &backward_weights,
                                           .options = options(e),
                                           .dimensions = 1,
                                           .global = {(size_t)slabs},
                                           .local = {1}};
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    st = umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.pool ? 2 : 1], to, g.N,
                          GEOMETRY(g), flags_of(&g), (int)g.dbias, rows);
    return st == UMB_OK ? umb__emit_slab_sums(e, &s, to) : st;
}
