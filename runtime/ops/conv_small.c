/*
 * The solvers for images of a few pixels: cl/conv_small.cl.
 */
#include "conv_winograd.h"
#include "update.h"
#include "whole.h"

/* Pixels of the output at most, where the rows are to be preferred; backward, the direct ones read
 * less of what is larger (2026-11, Sapphire Rapids: 8×8 to 4×4 by steps of 2). */
#define MOST_PIXELS 16
#define MOST_PIXELS_BACK 9
/* Images that share an item's look at the weights. */
#define IMAGES 64
/* Positions of a batch that the gradient to the weights adds up: to one sum, whose rounding grows.
 * Of x an item has a panel of 128 KB, of as many channels as a tile has, of dy one of 256 KB. */
#define MOST_POSITIONS 512
#define X_FLOATS 32768
#define D_FLOATS 65536
#define MOST_COLUMNS 1024
#define CHANNELS 8
#define ITEMS_PER_UNIT 8
/* Flags of the kernel. */
enum { ADD_BIAS = 1, RELU = 2, MASK = 32, BACK = 64, DBIAS = 128 };

#define SIGNATURE "iiiiiiiiiiiiiii"
static const struct umb_kernel forward = {"conv_small", "conv_small.cl", "conv_small",
                                          "rrrrw" SIGNATURE "ii"};
static const struct umb_kernel backward_data = {"conv_small_data", "conv_small.cl", "conv_small",
                                                "rrrrw" SIGNATURE "ii"};
static const struct umb_kernel backward_weights = {"conv_small_weights", "conv_small.cl",
                                                   "conv_small_weights", "rrww" SIGNATURE "iii"};
static const struct umb_kernel update = {"conv_small_update", "conv_small.cl", "conv_small_update",
                                         "rrwmmmr" SIGNATURE "iiiffffff"};

static const struct umb_kernel gather = {"conv_small_gather", "conv_small.cl", "conv_small_gather",
                                         "rwiii"};

static int tile_rows(int width)
{
    return width == 16 ? 8 : 6; /* accumulators: 16 of 32 registers; 12 of 16 */
}

static const char *options_of(struct umb_emit *e)
{
    const int width = umb__tile_width(e->p.caps);
    return umb__emit_printf(e, "-DVW=%d -DTP=%d -DX_FLOATS=%d -DD_FLOATS=%d -DMOST_COLUMNS=%d",
                            width, tile_rows(width), X_FLOATS, D_FLOATS, MOST_COLUMNS);
}

static struct umb_emit_launch over(struct umb_emit *e, const struct umb_kernel *kernel, int columns,
                                   int others)
{
    const int width = umb__tile_width(e->p.caps);
    return (struct umb_emit_launch){
        .kernel = kernel,
        .options = options_of(e),
        .dimensions = 2,
        .global = {(size_t)umb__ceil_div(columns, 2 * width), (size_t)others},
        .local = {1, 1}};
}

enum umb_status umb__conv_small_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &forward, g.K, umb__ceil_div(g.N, IMAGES));
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->in[0],
                            e->out[0], g.N, g.H, g.W, g.C, g.P, g.Q, g.K, g.R, g.S, g.stride[0],
                            g.stride[1], g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            IMAGES, (g.bias ? ADD_BIAS : 0) | (g.relu ? RELU : 0));
}

enum umb_status umb__conv_small_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_emit_launch launch = over(e, &backward_data, g.C, umb__ceil_div(g.N, IMAGES));
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[1], e->in[g.mask ? 2 : 0],
                            e->out[0], g.N, g.H, g.W, g.C, g.P, g.Q, g.K, g.R, g.S, g.stride[0],
                            g.stride[1], g.dilation[0], g.dilation[1], g.padding[0], g.padding[1],
                            IMAGES, BACK | (g.mask ? MASK : 0));
}

/* Columns of an item: whole tiles, as many as the panel holds. */
static int columns_of(const struct umb_conv *g, int tile)
{
    const int most = D_FLOATS / (g->N * g->P * g->Q),
              fitting = most < MOST_COLUMNS ? most : MOST_COLUMNS;
    const int columns = umb__ceil_div(g->K, tile) * tile;
    return columns < fitting ? columns : fitting / tile * tile;
}

/* Channels of an item: whole tiles, few enough that there are items for all units. */
static int span_of(const struct umb_conv *g, int columns, int wanted)
{
    const int items = umb__ceil_div(wanted, umb__ceil_div(g->K, columns));
    return umb__ceil_div(umb__ceil_div(g->C, items), CHANNELS) * CHANNELS;
}

/* x in panels of CHANNELS, for all that read it. */
static enum umb_status emit_gather(struct umb_emit *e, const struct umb_conv *g,
                                   const char *options, int *ret_panels)
{
    const int panels = umb__ceil_div(g->C, CHANNELS), pixels = g->H * g->W;
    const size_t numbers = (size_t)panels * CHANNELS * (size_t)pixels * (size_t)g->N;
    const enum umb_status st = umb__emit_temp(e, numbers * sizeof(float), ret_panels);
    const struct umb_emit_launch launch = {.kernel = &gather,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)panels},
                                           .local = {1}};
    return st == UMB_OK ? umb__emit_launch(e, &launch, e->in[0], *ret_panels, g->N, pixels, g->C)
                        : st;
}

enum umb_status umb__emit_small_weights(struct umb_emit *e, const struct umb_conv *g, int beside)
{
    const int columns = columns_of(g, 2 * umb__tile_width(e->p.caps));
    const int all = ITEMS_PER_UNIT * (int)e->p.caps->compute_units;
    const int span = span_of(g, columns, umb__items_beside(all, beside));
    int x = e->in[0];
    const int db = e->out[g->dbias ? 1 : 0], flags = g->dbias ? DBIAS : 0;
    struct umb_emit_launch launch = {
        .kernel = e->update ? &update : &backward_weights,
        .options = options_of(e),
        .dimensions = 2,
        .global = {(size_t)umb__ceil_div(g->K, columns), (size_t)umb__ceil_div(g->C, span)},
        .local = {1, 1}};
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    if (beside) {
        const enum umb_status st = emit_gather(e, g, launch.options, &x);
        if (st != UMB_OK) { return st; }
        launch.options = umb__emit_printf(e, "%s -DGATHERED", launch.options);
        if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    }
    if (!e->update) {
        return umb__emit_launch(e, &launch, x, e->in[1], e->out[0], db, g->N, g->H, g->W, g->C,
                                g->P, g->Q, g->K, g->R, g->S, g->stride[0], g->stride[1],
                                g->dilation[0], g->dilation[1], g->padding[0], g->padding[1], span,
                                columns, flags);
    }
    const struct umb_update_rule u = umb__update_rule(e->update);
    launch.options = umb__emit_printf(e, "%s -DUPDATE=%d", launch.options, u.kind);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, x, e->in[1], g->dbias ? db : e->in[1], u.param, u.moment[0],
                            u.moment[1], u.hyper, g->N, g->H, g->W, g->C, g->P, g->Q, g->K, g->R,
                            g->S, g->stride[0], g->stride[1], g->dilation[0], g->dilation[1],
                            g->padding[0], g->padding[1], span, columns, flags, u.number[0],
                            u.number[1], u.number[2], u.number[3], u.number[4], u.number[5]);
}

enum umb_status umb__conv_small_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    return umb__emit_small_weights(e, &g, 0);
}

bool umb__small_weights_fit(const struct umb_conv *g)
{
    return (int64_t)g->N * g->H * g->W * CHANNELS <= X_FLOATS &&
           (int64_t)g->N * g->P * g->Q <= MOST_POSITIONS;
}

/* 0 where the kernels do not apply; 3 where they pay: several taps, which the other rows would also
 * try outside the image; tiles without holes, whole vectors, and no transform that saves products.
 */
static int rank(const struct umb_problem *p, const struct umb_conv *g, unsigned known,
                int most_pixels)
{
    const int width = umb__tile_width(p->caps);
    if (!umb__tile_applies(p->caps) || !umb__conv_knows(g, known) || g->groups != 1) { return 0; }
    const bool transforms =
        umb__winograd_rank(p->caps, g, 4) > 2 || umb__winograd_rank(p->caps, g, 2) > 2;
    const bool pays = g->R * g->S > 1 && g->P * g->Q <= most_pixels && g->N >= tile_rows(width) &&
                      g->C >= width && g->K >= width && !transforms;
    return pays ? 3 : 1;
}

int umb__conv_small_rank_forward(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, 0, MOST_PIXELS);
}

int umb__conv_small_rank_data(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, UMB_FUSED_MASK, MOST_PIXELS_BACK);
}

int umb__conv_small_rank_weights(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return umb__small_weights_fit(&g) ? rank(p, &g, UMB_FUSED_DBIAS, MOST_PIXELS_BACK) : 0;
}
