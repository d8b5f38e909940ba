/*
 * Convolution by Winograd's transforms, forward and backward to the input: when it applies, and how
 * its work is cut (cl/conv_winograd.cl). Backward is the forward pass of dy by the filters turned
 * round, with a padding of the taps but one less the forward one.
 */
#include "conv_winograd.h"
#include "whole.h"

/* The kernel's sizes, which make its own memory 1.6 MB at most: V holds all channels of a block's
 * tiles, in blocks of CB. */
#define CB 128
#define CU 64
#define KG 2
#define MAX_TILE_BLOCKS 64 /* tiles · blocks of channels */
#define MAX_TILES 32
/* U of fewer weights stays in a core's caches; for more tiles it is better made once, and read
 * again (2026-11, Zen 5, 1 MB of second-level cache: 256 tiles 8 % faster, 128 tiles 5 % slower) */
#define MANY_WEIGHTS (128 * 128)
#define FEW_TILES 128
/* Items of a compute unit at most, which take blocks in turn. */
#define ITEMS_PER_UNIT 8
/* A result of so many bytes is written past the caches. */
#define STREAM_BYTES (8 << 20)

/* Flags of the kernels. */
enum { ADD_BIAS = 1, RELU = 2, MAX_POOL = 4, AVG_POOL = 8, KEEP_PASS = 16, MASK = 32, STREAM = 64 };

static const struct umb_kernel forward = {"conv_winograd", "conv_winograd.cl", "conv_winograd",
                                          "rrrrwriiiiiiiiiii"};
static const struct umb_kernel forward_keeping = {"conv_winograd_pool", "conv_winograd.cl",
                                                  "conv_winograd", "rrrrwwiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"conv_winograd_data", "conv_winograd.cl",
                                                "conv_winograd", "rrrrwriiiiiiiiiii"};
static const struct umb_kernel filters = {"conv_winograd_filters", "conv_winograd.cl",
                                          "conv_winograd_filters", "rwiii"};

/* In the letters of cl/conv_winograd.cl: C are summed over. Values' ids; −1: none. */
struct pass {
    const struct umb_kernel *kernel;
    struct umb_conv g;
    struct umb_conv whole; /* g with the pixels that pooling leaves out, for its rank */
    int edge;
    bool turned;
    int x, w, bias, x0, y, pass;
};

/* Of the output, the pixels that are in a window: what is pooled has no others. */
static void keep_whole_windows(int *rows, int *columns)
{
    *rows -= *rows % 2;
    *columns -= *columns % 2;
}

static struct pass forward_pass(const struct umb_problem *p, int edge)
{
    const struct umb_conv g = umb__conv_of(p);
    struct pass f = {&forward, g, g, edge, false, -1, -1, -1, -1, -1, -1};
    if (f.g.pool) { keep_whole_windows(&f.g.P, &f.g.Q); }
    return f;
}

/* The convolution of dy that makes dx. */
static struct pass data_pass(const struct umb_problem *p, int edge)
{
    const struct umb_conv f = umb__conv_of(p);
    struct umb_conv g = f;
    g.H = f.P;
    g.W = f.Q;
    g.C = f.K;
    g.P = f.H;
    g.Q = f.W;
    g.K = f.C;
    g.padding[0] = f.R - 1 - f.padding[0];
    g.padding[1] = f.S - 1 - f.padding[1];
    g.bias = g.relu = false;
    struct pass d = {&backward_data, g, g, edge, true, -1, -1, -1, -1, -1, -1};
    if (g.pool) { keep_whole_windows(&d.g.H, &d.g.W); }
    return d;
}

/* As gemm_tile.c has it. */
static int tile_rows(int width)
{
    return width == 16 ? 8 : 6;
}

struct cut {
    int width, TP, tiles, T, G;
    bool make_u;
};

/* How many tiles' V fits. */
static int most_tiles(const struct umb_conv *g)
{
    return umb__smaller(MAX_TILES, MAX_TILE_BLOCKS / umb__ceil_div(g->C, CB));
}

/* Tiles of an image: outputs that no input reaches need none. */
static int tiles_of(const struct umb_conv *g, int edge)
{
    return umb__ceil_div(umb__smaller(g->P, g->H + g->padding[0]), edge) *
           umb__ceil_div(umb__smaller(g->Q, g->W + g->padding[1]), edge);
}

/* Blocks as large as V allows, as they read U the less, and of a number that the units share. */
static struct cut cut(const struct umb_device_caps *caps, const struct pass *p)
{
    const int units = (int)caps->compute_units;
    struct cut c = {.width = umb__tile_width(caps)};
    c.TP = tile_rows(c.width);
    c.tiles = p->g.N * tiles_of(&p->g, p->edge);
    const int most = most_tiles(&p->g) / c.TP * c.TP;
    const int rounds =
        (int)(((int64_t)c.tiles + (int64_t)units * most - 1) / ((int64_t)units * most));
    c.T = umb__ceil_div(umb__ceil_div(c.tiles, units * rounds), c.TP) * c.TP;
    c.G = umb__winograd_items(umb__ceil_div(c.tiles, c.T), units * ITEMS_PER_UNIT);
    c.make_u = c.tiles <= FEW_TILES && (int64_t)p->g.C * p->g.K >= MANY_WEIGHTS;
    return c;
}

static int rank(const struct umb_problem *problem, const struct pass *p)
{
    const struct umb_device_caps *caps = problem->caps;
    if (!umb__winograd_applies(caps, &p->g, p->edge) ||
        !umb__conv_knows(&p->g, UMB_FUSED_POOL | UMB_FUSED_MASK)) {
        return 0;
    }
    const int points = umb__winograd_points(&p->g, p->edge), NV = 2 * umb__tile_width(caps);
    const int64_t weights = (int64_t)points * p->g.C * umb__ceil_div(p->g.K, NV) * NV;
    const bool fits = most_tiles(&p->g) >= tile_rows(umb__tile_width(caps)) && weights <= INT32_MAX;
    return fits ? umb__winograd_rank(caps, &p->whole, p->edge) : 0;
}

static const char *pool_options(struct umb_emit *e, const struct pass *p)
{
    if (!p->g.pool) { return ""; }
    if (!p->turned) { return " -DTO_POOLED"; }
    return umb__emit_printf(e, " -DFROM_POOLED -DODD_ROW=%d -DODD_COLUMN=%d", p->g.padding[0] % 2,
                            p->g.padding[1] % 2);
}

/* One or two outputs are left at the end of a row or column: cheaper as a tile of two. */
static bool has_short_tiles(const struct pass *p)
{
    const int rows = umb__smaller(p->g.P, p->g.H + p->g.padding[0]) % 4;
    const int columns = umb__smaller(p->g.Q, p->g.W + p->g.padding[1]) % 4;
    return p->edge == 4 && (rows == 1 || rows == 2 || columns == 1 || columns == 2);
}

/* Of the kernel that transforms the weights without what it does not know, so that it is compiled
 * once. */
static const char *options(struct umb_emit *e, const struct cut *c, const struct pass *p,
                           bool of_weights)
{
    const int points = umb__winograd_points(&p->g, p->edge);
    const char *pool = of_weights ? "" : pool_options(e, p);
    if (!pool) { return NULL; }
    const int kg = c->make_u ? 1 : KG;
    return umb__emit_printf(
        e,
        "-DVW=%d -DEDGE=%d -DTAPS=%d -DTP=%d -DCB=%d -DKG=%d -DCU=%d -DMOST_TILES=%d "
        "-DV_FLOATS=%d -DY_FLOATS=%d%s%s%s",
        c->width, p->edge, p->g.R, c->TP, CB, kg, c->make_u ? CU : CB, MAX_TILES,
        points * (MAX_TILE_BLOCKS * (CB + 16) + 16 * (MAX_TILE_BLOCKS / c->TP)),
        kg * points * (MAX_TILES * 2 * c->width + 16), c->make_u ? " -DMAKE_U" : "",
        !of_weights && has_short_tiles(p) ? " -DSHORT" : "", pool);
}

static int flags_of(const struct pass *p)
{
    const struct umb_conv *g = &p->g;
    const int64_t bytes = (int64_t)g->N * g->P * g->Q * g->K * (int64_t)sizeof(float);
    return (bytes >= STREAM_BYTES ? STREAM : 0) | (p->bias >= 0 ? ADD_BIAS : 0) |
           (g->relu ? RELU : 0) | (g->pool == UMB_CONV_POOL_MAX ? MAX_POOL : 0) |
           (g->pool == UMB_CONV_POOL_AVG ? AVG_POOL : 0) |
           (p->kernel == &forward_keeping ? KEEP_PASS : 0) | (p->x0 >= 0 ? MASK : 0);
}

static int or_any(int value, int any)
{
    return value >= 0 ? value : any;
}

/* U, or the weights that it is made of, in a temporary. */
static enum umb_status emit_filters(struct umb_emit *e, const struct pass *p, const struct cut *c,
                                    const char *text, int *ret_u)
{
    const int width = c->width, k_blocks = umb__ceil_div(p->g.K, 2 * width);
    const int numbers = c->make_u ? p->g.R * p->g.S : umb__winograd_points(&p->g, p->edge);
    const size_t count = (size_t)k_blocks * (size_t)(2 * width) * (size_t)numbers * (size_t)p->g.C;
    const struct umb_emit_launch launch = {
        .kernel = &filters,
        .options = text,
        .dimensions = 2,
        .global = {(size_t)umb__ceil_div(p->g.C, width), (size_t)k_blocks},
        .local = {1, 1}};
    const enum umb_status st = umb__emit_temp(e, count * sizeof(float), ret_u);
    if (st != UMB_OK) { return st; }
    return umb__emit_launch(e, &launch, p->w, *ret_u, p->g.C, p->g.K, (int)p->turned);
}

static enum umb_status emit(struct umb_emit *e, const struct pass *p)
{
    const struct umb_conv *g = &p->g;
    const struct cut c = cut(e->p.caps, p);
    const char *text = options(e, &c, p, false);
    const char *filter_text = options(e, &c, p, true);
    int u;
    if (!text || !filter_text) { return UMB_ERR_NO_MEMORY; }
    const enum umb_status st = emit_filters(e, p, &c, filter_text, &u);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = {.kernel = p->kernel,
                                           .options = text,
                                           .dimensions = 1,
                                           .global = {(size_t)c.G},
                                           .local = {1}};
    return umb__emit_launch(e, &launch, p->x, u, or_any(p->bias, p->x), or_any(p->x0, p->x), p->y,
                            or_any(p->pass, p->x), g->H, g->W, g->C, g->P, g->Q, g->K,
                            g->padding[0], g->padding[1], c.tiles, c.T, flags_of(p));
}

static enum umb_status emit_forward(struct umb_emit *e, int edge)
{
    struct pass p = forward_pass(&e->p, edge);
    p.x = e->in[0];
    p.w = e->in[1];
    p.y = e->out[0];
    if (p.g.bias) { p.bias = e->in[2]; }
    if (e->p.n_out > 1) {
        p.kernel = &forward_keeping;
        p.pass = e->out[1];
    }
    return emit(e, &p);
}

static enum umb_status emit_data(struct umb_emit *e, int edge)
{
    struct pass p = data_pass(&e->p, edge);
    p.x = e->in[0];
    p.w = e->in[1];
    p.y = e->out[0];
    if (p.g.mask) { p.x0 = e->in[2]; }
    if (p.g.pool) { p.pass = e->in[3]; }
    return emit(e, &p);
}

int umb__conv_winograd4_rank_forward(const struct umb_problem *p)
{
    const struct pass pass = forward_pass(p, 4);
    return rank(p, &pass);
}

enum umb_status umb__conv_winograd4_forward(struct umb_emit *e)
{
    return emit_forward(e, 4);
}

int umb__conv_winograd4_rank_data(const struct umb_problem *p)
{
    const struct pass pass = data_pass(p, 4);
    return rank(p, &pass);
}

enum umb_status umb__conv_winograd4_data(struct umb_emit *e)
{
    return emit_data(e, 4);
}

int umb__conv_winograd2_rank_forward(const struct umb_problem *p)
{
    const struct pass pass = forward_pass(p, 2);
    return rank(p, &pass);
}

enum umb_status umb__conv_winograd2_forward(struct umb_emit *e)
{
    return emit_forward(e, 2);
}

int umb__conv_winograd2_rank_data(const struct umb_problem *p)
{
    const struct pass pass = data_pass(p, 2);
    return rank(p, &pass);
}

enum umb_status umb__conv_winograd2_data(struct umb_emit *e)
{
    return emit_data(e, 2);
}
