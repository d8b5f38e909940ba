/*
 * Launching the gathering product: how wide a tile is on this CPU, and how the work is cut.
 */
#include "gemm_tile.h"
#include "whole.h"

/* Rows of an item's block at most, in tiles: its panel is about 230 KB with 16 lanes, to stay in a
 * second-level cache. */
#define MAX_TILES 24
/* The same where x is read in place, which takes less room. */
#define MAX_TILES_IN_PLACE 48
/* Terms of the sum at a time: with 16 lanes the weights' panel is then 36 KB of a first-level
 * cache of 48. 256 to 384 were within 3 % (2026-11, Sapphire Rapids). */
#define TERMS 288
/* Items per compute unit to aim for, so that the last ones to finish are short; but blocks of fewer
 * tiles than this would read the weights more often than that is worth. */
#define ITEMS_PER_UNIT 16
#define FEW_TILES 6
/* Flags of the kernel. */
enum {
    ADD_BIAS = 1,
    RELU = 2,
    MAX_POOL = 4,
    AVG_POOL = 8,
    KEEP_PASS = 16,
    MASK = 32,
    IN_PLACE = 64
};

bool umb__tile_applies(const struct umb_device_caps *caps)
{
    return caps->type == UMB_DEVICE_CPU && !caps->software;
}

int umb__tile_width(const struct umb_device_caps *caps)
{
    return caps->float_width >= 16 ? 16 : caps->float_width >= 8 ? 8 : 4;
}

/* 16 lanes mean AVX-512 and 32 registers: 16 accumulators, two weights, one factor. 6 rows take 12
 * of AVX2's 16; of whole windows, 4. */
static int tile_rows(int width, bool pooled)
{
    return width == 16 ? 8 : pooled ? 4 : 6;
}

const char *umb__tile_options(struct umb_emit *e, bool pooled)
{
    const int width = umb__tile_width(e->p.caps), rows = tile_rows(width, pooled);
    return umb__emit_printf(e, "-DVW=%d -DTP=%d -DKC=%d -DA_ROWS=%d -DROWS=%d", width, rows, TERMS,
                            MAX_TILES * rows, MAX_TILES_IN_PLACE * rows);
}

/* Runs shorter than a vector cost more to begin than to copy. */
static bool is_in_place(const struct umb_gather *g, int width)
{
    return (g->dx == 1 && g->cg == g->IC ? g->TS * g->cg : g->cg) >= width;
}

struct cut {
    int tiles, slice; /* of a block, in tiles of rows and in blocks of columns */
    int blocks, slices;
};

static int64_t n_items(const struct umb_gather *g, const struct cut *c, int tiles, int k_blocks)
{
    return (int64_t)umb__ceil_div(tiles, c->tiles) * umb__ceil_div(k_blocks, c->slice) * g->groups;
}

/* Large blocks gather and read weights least; small ones keep every compute unit busy. */
static struct cut cut(const struct umb_gather *g, int rows_of_tile, int columns_of_tile, int most,
                      int units)
{
    const int tiles = umb__ceil_div(g->positions, rows_of_tile);
    const int k_blocks = umb__ceil_div(g->columns, columns_of_tile);
    struct cut c = {tiles < most ? tiles : most, k_blocks, 0, 0};
    for (int64_t n; (n = n_items(g, &c, tiles, k_blocks)) < (int64_t)units * ITEMS_PER_UNIT;) {
        if (c.slice > 2) {
            c.slice = umb__ceil_div(c.slice, 2);
        } else if (c.tiles > FEW_TILES || (c.tiles > 1 && n < units)) {
            c.tiles = umb__ceil_div(c.tiles, 2);
        } else if (c.slice > 1 && n < units) {
            c.slice = 1;
        } else {
            break;
        }
    }
    c.blocks = umb__ceil_div(tiles, c.tiles);
    c.tiles = umb__ceil_div(tiles, c.blocks);
    c.slices = umb__ceil_div(k_blocks, c.slice);
    return c;
}

/* A window is pooled in registers: its sums cannot be left in y between one KC and the next. */
bool umb__gather_pools(const struct umb_gather *g)
{
    return g->TR * g->TS * g->cg <= TERMS;
}

static int flags_of(const struct umb_gather *g)
{
    return (g->bias ? ADD_BIAS : 0) | (g->relu ? RELU : 0) | (g->mask ? MASK : 0) |
           (g->pool == UMB_CONV_POOL_MAX ? MAX_POOL : 0) |
           (g->pool == UMB_CONV_POOL_AVG ? AVG_POOL : 0);
}

enum umb_status umb__emit_gather(struct umb_emit *e, const struct umb_kernel *kernel,
                                 const struct umb_gather *g, const struct umb_gather_values *v)
{
    const int width = umb__tile_width(e->p.caps), rows = tile_rows(width, g->pool);
    const bool in_place = is_in_place(g, width);
    const struct cut c = cut(g, rows, 2 * width, in_place ? MAX_TILES_IN_PLACE : MAX_TILES,
                             (int)e->p.caps->compute_units);
    const char *options = umb__tile_options(e, g->pool);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = {
        .kernel = kernel,
        .options = options,
        .dimensions = 3,
        .global = {(size_t)c.blocks, (size_t)c.slices, (size_t)g->groups},
        .local = {1, 1, 1}};
    return umb__emit_launch(
        e, &launch, v->x, v->w, v->bias, v->y, v->pass, v->mask, g->positions, g->OH, g->OW, g->IH,
        g->IW, g->IC, g->TR, g->TS, g->cg, g->sy, g->sx, g->dy, g->dx, g->y0, g->x0, g->w0, g->wr,
        g->ws, g->o0, g->on, g->oy, g->ox, g->columns,
        flags_of(g) | (e->p.n_out > 1 ? KEEP_PASS : 0) | (in_place ? IN_PLACE : 0), c.tiles,
        c.slice);
}
