/*
 * Convolution by Winograd's transforms on GPUs: which shapes, and the transforms around a product
 * that the tile kernels make as a 1×1 convolution with a group for each point.
 *
 * Backward to the input is the forward pass of dy by the filters turned round, with a padding of 2
 * less the forward one.
 */
#include "gpu_winograd.h"
#include "conv_solvers.h"

#define LANES 2
#define LOCAL 64
/* Fewer channels than this: the transforms cost more than they save. */
#define LEAST_CHANNELS 32
/* Tiles that fill the rows of a tile of the product, at least. */
#define LEAST_TILES 64
/* What V or M may take: they are 2¼ to 4 times the image. */
#define MOST_BYTES ((int64_t)1 << 30)
/* Ranks beside those of the tiles, which are 4 to 6. */
#define RANK_FIRST 8
#define RANK_SECOND 7
#define RANK_LAST 3
/* Flags of cl/gpu_winograd.cl. */
enum { ADD_BIAS = 1, RELU = 2, MASK = 4, TURNED = 1 };

static const struct umb_kernel input_kernel = {"gpu_winograd_input", "gpu_winograd.cl",
                                               "gpu_winograd_input", "rwiiiiiiii"};
static const struct umb_kernel gradient_kernel = {"gpu_winograd_gradient", "gpu_winograd.cl",
                                                  "gpu_winograd_gradient", "rwiiiiii"};
static const struct umb_kernel filters_kernel = {"gpu_winograd_filters", "gpu_winograd.cl",
                                                 "gpu_winograd_filters", "rwiiii"};
static const struct umb_kernel output_kernel = {"gpu_winograd_output", "gpu_winograd.cl",
                                                "gpu_winograd_output", "rrwiiiiiii"};
static const struct umb_kernel weights_kernel = {"gpu_winograd_weights", "gpu_winograd.cl",
                                                 "gpu_winograd_weights", "rwiii"};
static const struct umb_kernel product = {"gpu_winograd_product", "gpu_conv.cl", "gpu_conv",
                                          "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel weights_product = {"gpu_winograd_weights_product",
                                                  "gpu_conv_weights.cl", "gpu_conv_weights",
                                                  "rrwiiiiiiiiiiiiiiiiiii"};

/* Shapes. */

/* A pass in the letters of a forward convolution: H, W, C are what is transformed and summed over,
 * P, Q, K what comes out. */
struct pass {
    struct umb_conv g;
    int edge, points;
    int TH, TW, tiles;
};

static struct pass pass_of(const struct umb_conv *g, int edge)
{
    struct pass p = {.g = *g, .edge = edge, .points = (edge + 2) * (edge + 2)};
    p.TH = (g->P + edge - 1) / edge;
    p.TW = (g->Q + edge - 1) / edge;
    p.tiles = g->N * p.TH * p.TW;
    return p;
}

/* The convolution of dy that makes dx. */
static struct umb_conv turned(const struct umb_conv *f)
{
    struct umb_conv g = *f;
    g.H = f->P;
    g.W = f->Q;
    g.C = f->K;
    g.P = f->H;
    g.Q = f->W;
    g.K = f->C;
    g.padding[0] = 2 - f->padding[0];
    g.padding[1] = 2 - f->padding[1];
    g.bias = g.relu = false;
    return g;
}

/* The product as a convolution of an image of one row: a group for each point. */
static struct umb_conv product_of(const struct pass *p)
{
    return (struct umb_conv){.N = 1,
                             .H = 1,
                             .W = p->tiles,
                             .C = p->points * p->g.C,
                             .P = 1,
                             .Q = p->tiles,
                             .K = p->points * p->g.K,
                             .R = 1,
                             .S = 1,
                             .groups = p->points,
                             .stride = {1, 1},
                             .dilation = {1, 1}};
}

static bool fits(const struct umb_device_caps *caps, const struct pass *p)
{
    const struct umb_conv *g = &p->g;
    const int64_t most = g->C > g->K ? g->C : g->K;
    const int64_t bytes = (int64_t)g->N * p->TH * p->TW * p->points * most * (int64_t)sizeof(float);
    return bytes <= MOST_BYTES && (uint64_t)bytes <= caps->max_alloc_bytes;
}

static enum umb_gpu_tile tile_of(const struct umb_device_caps *caps, int64_t rows, int64_t columns,
                                 int64_t batches)
{
    int best = UMB_GPU_SMALL;
    for (int t = 0; t < UMB_GPU_TILES; t++) {
        if (umb__gpu_tile_rank(caps, (enum umb_gpu_tile)t, rows, columns, batches) >
            umb__gpu_tile_rank(caps, (enum umb_gpu_tile)best, rows, columns, batches)) {
            best = t;
        }
    }
    return (enum umb_gpu_tile)best;
}

/* c is the layer's convolution; g the pass's. */
static int rank(const struct umb_problem *p, const struct umb_conv *c, const struct umb_conv *g,
                int edge)
{
    const struct pass pass = pass_of(g, edge);
    const bool plain = c->R == 3 && c->S == 3 && c->stride[0] == 1 && c->stride[1] == 1 &&
                       c->dilation[0] == 1 && c->dilation[1] == 1 && c->groups == 1;
    if (!plain || c->C % 4 != 0 || c->K % 4 != 0 || !fits(p->caps, &pass)) { return 0; }
    if (umb__gpu_tile_rank(p->caps, UMB_GPU_SMALL, pass.tiles, g->K, pass.points) == 0) {
        return 0;
    }
    if (c->C < LEAST_CHANNELS || c->K < LEAST_CHANNELS || pass.tiles < LEAST_TILES) {
        return RANK_LAST;
    }
    /* A tile of 4 that hangs over the image by half saves no more than tiles of 2. */
    const int over = pass.TH * pass.TW * edge * edge - g->P * g->Q;
    const bool wasteful = edge == 4 && over > g->P * g->Q;
    return edge == 4 && !wasteful ? RANK_FIRST : edge == 4 ? RANK_LAST : RANK_SECOND;
}

/* Steps. */

/* Over tiles or places of weights, `numbers` each, by lanes. */
static struct umb_emit_launch over(struct umb_emit *e, const struct umb_kernel *kernel, int edge,
                                   int64_t places, int numbers)
{
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options =
                                        umb__emit_printf(e, "-DVW=%d -DEDGE=%d", LANES, edge),
                                    .dimensions = 1,
                                    .global = {(size_t)(places * (numbers / LANES))},
                                    .local = {LOCAL}};
}

static enum umb_status temporary(struct umb_emit *e, int64_t a, int64_t b, int64_t c, int *ret)
{
    return umb__emit_temp(e, (size_t)(a * b * c) * sizeof(float), ret);
}

static enum umb_status emit_input(struct umb_emit *e, const struct pass *p, int x, int *ret_v)
{
    const struct umb_conv *g = &p->g;
    const struct umb_emit_launch launch = over(e, &input_kernel, p->edge, p->tiles, g->C);
    enum umb_status st = temporary(e, p->tiles, p->points, g->C, ret_v);
    if (st == UMB_OK && !launch.options) { st = UMB_ERR_NO_MEMORY; }
    if (st != UMB_OK) { return st; }
    return umb__emit_launch(e, &launch, x, *ret_v, p->tiles * (g->C / LANES), p->TH, p->TW, g->H,
                            g->W, g->C, g->padding[0], g->padding[1]);
}

static enum umb_status emit_filters(struct umb_emit *e, const struct pass *p, int w, bool turns,
                                    int *ret_u)
{
    const struct umb_conv *g = &p->g;
    const struct umb_emit_launch launch = over(e, &filters_kernel, p->edge, g->C, g->K);
    enum umb_status st = temporary(e, g->C, p->points, g->K, ret_u);
    if (st == UMB_OK && !launch.options) { st = UMB_ERR_NO_MEMORY; }
    if (st != UMB_OK) { return st; }
    return umb__emit_launch(e, &launch, w, *ret_u, g->C * (g->K / LANES), g->C, g->K,
                            turns ? TURNED : 0);
}

/* bias: of the layer, or what masks; any value where there is neither. */
static enum umb_status emit_output(struct umb_emit *e, const struct pass *p, int m, int bias,
                                   int flags, int y)
{
    const struct umb_conv *g = &p->g;
    const struct umb_emit_launch launch = over(e, &output_kernel, p->edge, p->tiles, g->K);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, m, bias, y, p->tiles * (g->K / LANES), p->TH, p->TW, g->P,
                            g->Q, g->K, flags);
}

static enum umb_status emit_convolution(struct umb_emit *e, const struct pass *p, int x, int w,
                                        bool turns, int bias, int flags, int y)
{
    const struct umb_conv batched = product_of(p);
    const struct umb_gather g = umb__gather_forward(&batched);
    const struct umb_gpu_gather gather = umb__gpu_gather(&g);
    const enum umb_gpu_tile tile = tile_of(e->p.caps, p->tiles, p->g.K, p->points);
    int v, u, m;
    enum umb_status st = emit_input(e, p, x, &v);
    if (st == UMB_OK) { st = emit_filters(e, p, w, turns, &u); }
    if (st == UMB_OK) { st = temporary(e, p->tiles, p->points, p->g.K, &m); }
    if (st == UMB_OK) { st = umb__emit_gpu_gather(e, &product, tile, &gather, v, u, w, m); }
    return st == UMB_OK ? emit_output(e, p, m, bias, flags, y) : st;
}

/* Passes. */

static int forward_rank(const struct umb_problem *p, int edge)
{
    const struct umb_conv c = umb__conv_of(p);
    return rank(p, &c, &c, edge);
}

static enum umb_status emit_forward(struct umb_emit *e, int edge)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    const struct pass p = pass_of(&c, edge);
    int y;
    enum umb_status st = umb__gpu_unpooled(e, &c, &y);
    if (st == UMB_OK) {
        st = emit_convolution(e, &p, e->in[0], e->in[1], false, e->in[c.bias ? 2 : 1],
                              (c.bias ? ADD_BIAS : 0) | (c.relu ? RELU : 0), y);
    }
    return st == UMB_OK ? umb__emit_gpu_pool(e, &c, y) : st;
}

static int data_rank(const struct umb_problem *p, int edge)
{
    const struct umb_conv c = umb__conv_of(p), g = turned(&c);
    return rank(p, &c, &g, edge);
}

static enum umb_status emit_data(struct umb_emit *e, int edge)
{
    const struct umb_conv c = umb__conv_of(&e->p), g = turned(&c);
    const struct pass p = pass_of(&g, edge);
    int dv;
    const enum umb_status st = umb__emit_conv_spread(e, &c, e->in[0], e->in[c.pool ? 3 : 1], &dv);
    if (st != UMB_OK) { return st; }
    return emit_convolution(e, &p, dv, e->in[1], true, e->in[c.mask ? 2 : 1], c.mask ? MASK : 0,
                            e->out[0]);
}

static int weights_rank(const struct umb_problem *p, int edge)
{
    const struct umb_conv c = umb__conv_of(p);
    return rank(p, &c, &c, edge);
}

/* V from x, D from dy; dU is their product over all tiles; dw from it. */
static enum umb_status emit_filter_gradient(struct umb_emit *e, const struct pass *p, int x, int dy)
{
    const struct umb_conv *g = &p->g;
    const struct umb_conv batched = product_of(p);
    const enum umb_gpu_tile tile = tile_of(e->p.caps, g->C, g->K, p->points);
    const struct umb_emit_launch first = over(e, &gradient_kernel, p->edge, p->tiles, g->K);
    const struct umb_emit_launch last = over(e, &weights_kernel, p->edge, g->C, g->K);
    int v, d, m;
    if (!first.options || !last.options) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = emit_input(e, p, x, &v);
    if (st == UMB_OK) { st = temporary(e, p->tiles, p->points, g->K, &d); }
    if (st == UMB_OK) { st = temporary(e, g->C, p->points, g->K, &m); }
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &first, dy, d, p->tiles * (g->K / LANES), p->TH, p->TW, g->P, g->Q,
                              g->K);
    }
    if (st == UMB_OK) { st = umb__emit_gpu_weights(e, &weights_product, tile, &batched, v, d, m); }
    if (st != UMB_OK) { return st; }
    return umb__emit_launch(e, &last, m, e->out[0], g->C * (g->K / LANES), g->C, g->K);
}

static enum umb_status emit_weights(struct umb_emit *e, int edge)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    const struct pass p = pass_of(&c, edge);
    int dv;
    enum umb_status st = umb__emit_conv_spread(e, &c, e->in[1], e->in[c.pool ? 2 : 1], &dv);
    if (st == UMB_OK) { st = emit_filter_gradient(e, &p, e->in[0], dv); }
    return st == UMB_OK ? umb__emit_gpu_dbias(e, &c, dv) : st;
}

#define DEFINE(pass)                         \
    UMB_GPU_DEFINE(conv, pass, winograd4, 4) \
    UMB_GPU_DEFINE(conv, pass, winograd2, 2)
DEFINE(forward)
DEFINE(data)
DEFINE(weights)
