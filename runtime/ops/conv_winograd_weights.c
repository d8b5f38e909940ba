/*
 * The gradient to a convolution's weights by Winograd's transforms (cl/conv_winograd_weights.cl):
 * how tiles, channels and columns are cut. What is added to what depends on the shape and the
 * vector width only.
 */
#include "conv_winograd.h"
#include "whole.h"

/* Of an item: with these its memory is about 1.2 MB, and a point's part of it 32 KB. */
#define TILES 32
#define CHANNELS 64
#define COLUMNS 64
/* Items to aim for, so that the last ones to finish are short; but a group of fewer tiles than this
 * would spend more on its slab than on its products. */
#define ITEMS 16
#define FEW_TILES 128

static const struct umb_kernel kernel = {"conv_winograd_weights", "conv_winograd_weights.cl",
                                         "conv_winograd_weights", "rrrwwiiiiiiiiii"};

/* Flags of the kernel. */
enum { MAX_POOL = 4, AVG_POOL = 8, SUM_DY = 64 };

static int n_tiles(const struct umb_conv *g, int edge)
{
    return g->N * umb__ceil_div(g->P, edge) * umb__ceil_div(g->Q, edge);
}

static int groups(const struct umb_conv *g, int tiles)
{
    const int pieces = umb__ceil_div(g->C, CHANNELS) * umb__ceil_div(g->K, COLUMNS);
    const int wanted = umb__ceil_div(ITEMS, pieces), most = umb__ceil_div(tiles, FEW_TILES);
    return umb__winograd_items(umb__ceil_div(tiles, TILES), wanted < most ? wanted : most);
}

static struct umb_conv conv_of(const struct umb_problem *p)
{
    struct umb_conv g = umb__conv_of(p);
    if (g.pool) { /* pixels in no window have no gradient */
        g.P -= g.P % 2;
        g.Q -= g.Q % 2;
    }
    return g;
}

/* As e, without the update, which is of the weights. */
static struct umb_emit of_bias(const struct umb_emit *e)
{
    struct umb_emit bias = *e;
    bias.update = NULL;
    return bias;
}

static enum umb_status emit(struct umb_emit *e, int edge)
{
    const struct umb_conv g = conv_of(&e->p);
    const int width = umb__tile_width(e->p.caps), count = g.R * g.S * g.C * g.K;
    const int tiles = n_tiles(&g, edge), G = groups(&g, tiles);
    const int flags = (g.pool == UMB_CONV_POOL_MAX ? MAX_POOL : 0) |
                      (g.pool == UMB_CONV_POOL_AVG ? AVG_POOL : 0) | (g.dbias ? SUM_DY : 0);
    const char *options = umb__emit_printf(
        e, "-DVW=%d -DEDGE=%d -DTAPS=%d -DCT=%d -DT=%d -DCS=%d -DKS=%d%s", width, edge, g.R,
        width == 16 ? 8 : 4, TILES, CHANNELS, COLUMNS, g.pool ? " -DFROM_POOLED" : "");
    const struct umb_slabs sums = {.slabs = G, .count = count, .dw = e->out[0]};
    const struct umb_slabs bias_sums = {.slabs = G, .count = g.K, .dw = e->out[g.dbias ? 1 : 0]};
    struct umb_emit bias = of_bias(e);
    int slabs = -1, bias_slabs = -1;
    enum umb_status st = options ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__emit_slabs(e, &sums, &slabs); }
    if (st == UMB_OK && g.dbias) { st = umb__emit_slabs(&bias, &bias_sums, &bias_slabs); }
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = {.kernel = &kernel,
                                           .options = options,
                                           .dimensions = 3,
                                           .global = {(size_t)G,
                                                      (size_t)umb__ceil_div(g.C, CHANNELS),
                                                      (size_t)umb__ceil_div(g.K, COLUMNS)},
                                           .local = {1, 1, 1}};
    st = umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[g.pool ? 2 : 1], slabs,
                          g.dbias ? bias_slabs : slabs, g.H, g.W, g.C, g.P, g.Q, g.K, g.padding[0],
                          g.padding[1], tiles, flags);
    if (st == UMB_OK) { st = umb__emit_slab_sums(e, &sums, slabs); }
    return st == UMB_OK && g.dbias ? umb__emit_slab_sums(&bias, &bias_sums, bias_slabs) : st;
}

static int rank(const struct umb_problem *p, int edge)
{
    const struct umb_conv g = conv_of(p);
    if (!umb__winograd_applies(p->caps, &g, edge)) { return 0; }
    const int64_t slabs = (int64_t)groups(&g, n_tiles(&g, edge)) * g.R * g.S * g.C * g.K;
    const struct umb_conv whole = umb__conv_of(p); /* a pooled one ranks as it would unpooled */
    return slabs <= INT32_MAX ? umb__winograd_rank(p->caps, &whole, edge) : 0;
}

int umb__conv_winograd4_rank_weights(const struct umb_problem *p)
{
    return rank(p, 4);
}

enum umb_status umb__conv_winograd4_weights(struct umb_emit *e)
{
    return emit(e, 4);
}

int umb__conv_winograd2_rank_weights(const struct umb_problem *p)
{
    return rank(p, 2);
}

enum umb_status umb__conv_winograd2_weights(struct umb_emit *e)
{
    return emit(e, 2);
}
