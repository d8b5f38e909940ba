/*
 * Launching the product that reads A where it lies: how the result is cut into blocks.
 *
 * Pieces of the sum follow from the shape and the vector width, so that the same numbers are added
 * in the same order on every machine of a kind. Blocks only say who computes what: they are the
 * cheapest of all that fit, by a model of a core's cycles.
 */
#include "dense.h"
#include "gemm_tile.h"
#include "whole.h"

/* Terms of the sum at a time: with 16 lanes a strip is then 32 KB of a first-level cache of 48
 * (6144×256×256, 256 → 128 terms: 254 → 279 GFLOP/s, 2026-11, Sapphire Rapids). */
#define TERMS 128
/* Of a block at most: its rows of A stay in a second-level cache. */
#define MAX_TILES 64
#define MAX_STRIPS 8

/* Cycles of a core: two multiply-adds of vectors in one; to copy a number, or to meet one of A for
 * the first time; to begin and end a tile of one piece, an item. */
#define MULTIPLY_ADDS 2.0
#define PACK 0.1
#define READ 0.1
#define TILE 60.0
#define ITEM 1000.0
/* Cores that run dry wait for the last item: the part of one that this costs. */
#define LAST_ITEM 0.25

/* Results beyond this are written past the caches. */
#define STREAM_BYTES ((int64_t)16 << 20)

/* Narrower results leave most of a tile empty, shorter sums do not pay for beginning one. */
#define LEAST_COLUMNS 48
#define LEAST_TERMS 16

/* Fewer rows do not pay for copying B, and less so for turning it in a step of its own: 256×256×256
 * went from 0.142 to 0.117 ms, with B transposed from 0.140 to 0.147. Rows that many numbers apart
 * fall into the same sets of the caches: 1024×1024×1024 was 5 % slower than packed (2026-11,
 * Sapphire Rapids). */
#define MANY_ROWS 192
#define MANY_ROWS_TURNED 512
#define FAR_APART 1024

#define SIGNATURE "rrrwiiiiiii"
static const struct umb_kernel plain = {"gemm_rows", "gemm_rows.cl", "gemm_rows", SIGNATURE};
static const struct umb_kernel turned = {"gemm_rows_b", "gemm_rows.cl", "gemm_rows", SIGNATURE};
static const struct umb_kernel pack_kernel = {"gemm_rows_pack", "gemm_rows.cl", "gemm_rows_pack",
                                              "rwiii"};

struct cut {
    int width, rows, vectors; /* VW, TR and VECTORS of the kernel */
    int piece, pieces;        /* terms of a piece, pieces of the sum */
    int tiles, strips;        /* of a block */
};

/* Of all that one core does, with blocks of c's size. */
static double cycles(const struct umb_gemm *g, const struct cut *c, int units)
{
    const int columns = c->vectors * c->width;
    const int64_t items = (int64_t)umb__ceil_div(umb__ceil_div(g->M, c->rows), c->tiles) *
                          umb__ceil_div(umb__ceil_div(g->N, columns), c->strips);
    const double rounds = (double)((items + units - 1) / units) + LAST_ITEM;
    const double terms = g->L;
    const double tile = terms * c->vectors * c->rows / MULTIPLY_ADDS + TILE * c->pieces;
    const double strip = c->tiles * tile + terms * columns * (g->transpose_b ? 0 : PACK);
    const double rows = c->tiles * c->rows * terms * READ;
    return rounds * (ITEM + rows + c->strips * strip);
}

static void cut_blocks(const struct umb_gemm *g, int units, struct cut *c)
{
    const int tiles = umb__smaller(umb__ceil_div(g->M, c->rows), MAX_TILES);
    const int strips = umb__smaller(umb__ceil_div(g->N, c->vectors * c->width), MAX_STRIPS);
    struct cut next = *c;
    double best = 0;
    for (next.tiles = 1; next.tiles <= tiles; next.tiles++) {
        for (next.strips = 1; next.strips <= strips; next.strips++) {
            const double cost = cycles(g, &next, units);
            if (best > 0 && cost >= best) { continue; }
            best = cost;
            *c = next;
        }
    }
}

/* 16 lanes mean AVX-512 and 32 registers: 24 sums, four of B, one of A. 6 rows of two take 12 of
 * AVX2's 16. */
static struct cut cut(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    struct cut c = {.width = umb__tile_width(caps), .rows = 6};
    c.vectors = c.width == 16 ? 4 : 2;
    c.piece = umb__ceil_div(umb__ceil_div(g->L, umb__ceil_div(g->L, TERMS)), c.width) * c.width;
    c.pieces = umb__ceil_div(g->L, c.piece);
    cut_blocks(g, (int)caps->compute_units, &c);
    return c;
}

static int flags(const struct umb_gemm *g, const struct cut *c)
{
    const bool past =
        c->pieces == 1 && (int64_t)g->M * g->N * (int64_t)sizeof(float) >= STREAM_BYTES;
    return (g->bias ? 1 : 0) | (g->relu ? 2 : 0) | (past ? 4 : 0);
}

static const char *options_of(struct umb_emit *e, const struct umb_gemm *g, const struct cut *c)
{
    return umb__emit_printf(e, "-DVW=%d -DTR=%d -DVECTORS=%d -DKC=%d%s", c->width, c->rows,
                            c->vectors, TERMS, g->transpose_b ? " -DB_TRANSPOSED -DPREPACKED" : "");
}

/* B, turned, becomes a temporary. */
static enum umb_status emit_pack(struct umb_emit *e, const struct umb_gemm *g, const struct cut *c,
                                 const char *options, int *b)
{
    const int columns = c->vectors * c->width, strips = umb__ceil_div(g->N, columns);
    const size_t numbers = (size_t)strips * (size_t)columns * (size_t)g->L;
    int to;
    const enum umb_status st = umb__emit_temp(e, numbers * sizeof(float), &to);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = {
        .kernel = &pack_kernel,
        .options = options,
        .dimensions = 2,
        .global = {(size_t)strips, (size_t)umb__ceil_div(g->L, c->piece)},
        .local = {1, 1}};
    const int from = *b;
    *b = to;
    return umb__emit_launch(e, &launch, from, to, g->N, g->L, c->piece);
}

static enum umb_status emit_product(struct umb_emit *e, const struct umb_gemm *g,
                                    const struct cut *c, const char *options, int a, int b,
                                    int bias, int out)
{
    const int row_blocks = umb__ceil_div(umb__ceil_div(g->M, c->rows), c->tiles);
    const int column_blocks = umb__ceil_div(umb__ceil_div(g->N, c->vectors * c->width), c->strips);
    const struct umb_emit_launch launch = {
        .kernel = g->transpose_b ? &turned : &plain,
        .options = options,
        .dimensions = 1,
        .global = {1 + (size_t)row_blocks * (size_t)column_blocks},
        .local = {1}};
    return umb__emit_launch(e, &launch, a, b, bias, out, g->M, g->N, g->L, flags(g, c), c->tiles,
                            c->strips, c->piece);
}

bool umb__gemm_rows_applies(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    return umb__tile_applies(caps) && !g->transpose_a && g->N >= LEAST_COLUMNS &&
           g->L >= LEAST_TERMS;
}

bool umb__gemm_rows_pays(const struct umb_gemm *g)
{
    return g->M >= (g->transpose_b ? MANY_ROWS_TURNED : MANY_ROWS) && g->L < FAR_APART;
}

enum umb_status umb__emit_gemm_rows(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                    int bias, int out)
{
    const struct cut c = cut(e->p.caps, g);
    const char *options = options_of(e, g, &c);
    enum umb_status st = options ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && g->transpose_b) { st = emit_pack(e, g, &c, options, &b); }
    return st == UMB_OK ? emit_product(e, g, &c, options, a, b, bias, out) : st;
}
