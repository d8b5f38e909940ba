/*
 * Launching the packed product: how the result is cut into blocks, and long sums into slabs.
 *
 * Pieces and slabs follow from the shape and the vector width, so that the same numbers are added
 * in the same order on every machine of a kind. Blocks only say who computes what: they are the
 * cheapest of all that fit, by a model of a core's cycles.
 */
#include "dense.h"
#include "gemm_tile.h"

/* Terms of the sum at a time, and tiles and strips of a block at most: with 16 lanes a strip is 32
 * KB of a first-level cache of 48, and a block's panels 288 and 256 KB of a second-level cache. */
#define TERMS 256
#define MAX_TILES 24
#define MAX_STRIPS 8

/* Cycles of a core (2026-11, Sapphire Rapids): two multiply-adds of vectors in one; to pack a
 * number, as it lies and when it has to be transposed; to begin and end a tile of one piece; to
 * begin an item. */
#define MULTIPLY_ADDS 2.0
#define PACK 0.12
#define PACK_TRANSPOSED 0.4
#define TILE 60.0
#define ITEM 2000.0
/* Cores that run dry wait for the last item: the part of one that this costs. */
#define LAST_ITEM 0.25

/* Slabs are written and read once more: they may be this part of what the product reads. Below so
 * many multiplications a launch more costs more than it gains. */
#define SLAB_SHARE 0.05
#define MAX_SLABS 16
#define WORTH_SLABS 4e6
#define NUMBERS_OF_A_SUM 4096

static const struct umb_kernel kernels[] = {
    {"gemm_packed", "gemm_packed.cl", "gemm_packed", "rrrwiiiiiiiiii"},
    {"gemm_packed_a", "gemm_packed.cl", "gemm_packed", "rrrwiiiiiiiiii"},
    {"gemm_packed_b", "gemm_packed.cl", "gemm_packed", "rrrwiiiiiiiiii"},
    {"gemm_packed_ab", "gemm_packed.cl", "gemm_packed", "rrrwiiiiiiiiii"}};
static const struct umb_kernel sum_kernel = {"gemm_packed_sum", "gemm_packed.cl", "gemm_packed_sum",
                                             "rrwiiiii"};

struct cut {
    int width, rows;          /* VW and TR of the kernel */
    int piece, pieces, slabs; /* pieces of a slab */
    int tiles, strips;        /* of a block */
    int row_blocks, column_blocks;
};

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* 16 lanes mean AVX-512 and 32 registers: 24 sums, two weights, one factor. 6 rows take 12 of
 * AVX2's 16. */
static int tile_rows(int width)
{
    return width == 16 ? 12 : 6;
}

static void cut_sum(const struct umb_gemm *g, struct cut *c)
{
    const double result = (double)g->M * g->N;
    const double most = SLAB_SHARE * ((double)g->M + g->N) * g->L / result;
    int slabs = most < MAX_SLABS ? (int)most : MAX_SLABS;
    if (slabs < 1 || result * g->L < WORTH_SLABS || result * MAX_SLABS > INT32_MAX) { slabs = 1; }
    c->piece = ceil_div(ceil_div(g->L, ceil_div(g->L, TERMS)), c->width) * c->width;
    const int pieces = ceil_div(g->L, c->piece);
    c->pieces = ceil_div(pieces, smaller(slabs, pieces));
    c->slabs = ceil_div(pieces, c->pieces);
}

/* Of a block of that many tiles and strips, in all items of one core. */
static double cycles(const struct umb_gemm *g, const struct cut *c, int tiles, int strips,
                     int units)
{
    const int column = 2 * c->width;
    const double terms = (double)g->L / c->slabs;
    const double items = (double)ceil_div(ceil_div(g->M, c->rows), tiles) *
                         ceil_div(ceil_div(g->N, column), strips) * c->slabs;
    const double sums =
        (double)tiles * strips * (terms * 2 * c->rows / MULTIPLY_ADDS + TILE * c->pieces);
    const double packed =
        tiles * c->rows * PACK + strips * column * (g->transpose_b ? PACK_TRANSPOSED : PACK);
    const double rounds = (double)(((int64_t)items + units - 1) / units);
    return (sums + terms * packed + ITEM) * (rounds + LAST_ITEM);
}

static void cut_blocks(const struct umb_gemm *g, int units, struct cut *c)
{
    const int tiles = ceil_div(g->M, c->rows), strips = ceil_div(g->N, 2 * c->width);
    double best = 0;
    for (int t = 1; t <= smaller(tiles, MAX_TILES); t++) {
        for (int s = 1; s <= smaller(strips, MAX_STRIPS); s++) {
            const double cost = cycles(g, c, t, s, units);
            if (best > 0 && cost >= best) { continue; }
            best = cost;
            c->tiles = t;
            c->strips = s;
        }
    }
    c->row_blocks = ceil_div(tiles, c->tiles);
    c->column_blocks = ceil_div(strips, c->strips);
}

static struct cut cut(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    struct cut c = {.width = umb__tile_width(caps)};
    c.rows = tile_rows(c.width);
    cut_sum(g, &c);
    cut_blocks(g, (int)caps->compute_units, &c);
    return c;
}

static int flags(const struct umb_gemm *g)
{
    return (g->bias ? 1 : 0) | (g->relu ? 2 : 0);
}

static enum umb_status emit_sum(struct umb_emit *e, const struct umb_gemm *g, const struct cut *c,
                                const char *options, int slabs, int bias, int out)
{
    const int rows = ceil_div(NUMBERS_OF_A_SUM, g->N);
    const struct umb_emit_launch launch = {.kernel = &sum_kernel,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)ceil_div(g->M, rows)},
                                           .local = {1}};
    return umb__emit_launch(e, &launch, slabs, bias, out, g->M, g->N, c->slabs, flags(g), rows);
}

bool umb__gemm_packed_applies(const struct umb_device_caps *caps)
{
    return umb__tile_applies(caps);
}

enum umb_status umb__emit_gemm_packed(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                      int bias, int out)
{
    const struct cut c = cut(e->p.caps, g);
    const char *options =
        umb__emit_printf(e, "-DVW=%d -DTR=%d -DKC=%d -DTILES=%d -DSTRIPS=%d%s%s", c.width, c.rows,
                         TERMS, MAX_TILES, MAX_STRIPS, g->transpose_a ? " -DA_TRANSPOSED" : "",
                         g->transpose_b ? " -DB_TRANSPOSED" : "");
    if (!options) { return UMB_ERR_NO_MEMORY; }
    int sums = out;
    if (c.slabs > 1) {
        const size_t numbers = (size_t)c.slabs * (size_t)g->M * (size_t)g->N;
        const enum umb_status st = umb__emit_temp(e, numbers * sizeof(float), &sums);
        if (st != UMB_OK) { return st; }
    }
    const struct umb_emit_launch launch = {
        .kernel = &kernels[(g->transpose_a ? 1 : 0) + (g->transpose_b ? 2 : 0)],
        .options = options,
        .dimensions = 1,
        .global = {1 + (size_t)c.row_blocks * (size_t)c.column_blocks * (size_t)c.slabs},
        .local = {1}};
    const enum umb_status st =
        umb__emit_launch(e, &launch, a, b, bias, sums, g->M, g->N, g->L,
                         g->transpose_a ? g->M : g->L, g->transpose_b ? g->L : g->N,
                         c.slabs > 1 ? 0 : flags(g), c.tiles, c.strips, c.piece, c.pieces);
    if (st != UMB_OK || c.slabs == 1) { return st; }
    return emit_sum(e, g, &c, options, sums, bias, out);
}
