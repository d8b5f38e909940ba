/*
 * Launching the packed product: how the result is cut into blocks, and long sums into slabs.
 *
 * Pieces and slabs follow from the shape and the vector width, so that the same numbers are added
 * in the same order on every machine of a kind. Blocks only say who computes what: they are the
 * cheapest of all that fit, by a model of a core's cycles.
 */
#include "dense.h"
#include "gemm_tile.h"
#include "whole.h"

/* Terms of the sum at a time, and tiles and strips of a block at most: with 16 lanes a strip is 32
 * KB of a first-level cache of 48, and a block's panels 288 and 256 KB of a second-level cache. */
#define TERMS 256
#define MAX_TILES 24
#define MAX_STRIPS 8

/* Cycles of a core (2026-11, Sapphire Rapids): two multiply-adds of vectors in one; to pack a
 * number, as it lies and when it has to be transposed, and what it costs besides to do that in a
 * step of its own; to begin and end a tile of one piece, an item, a launch. */
#define MULTIPLY_ADDS 2.0
#define PACK 0.2
#define PACK_TRANSPOSED 0.5
#define PACK_APART 0.2
/* Factors of long sums beyond so many bytes go through memory when they are packed apart, for
 * little work on each number: 256×256×6272 is then packed by its items (2026-11, Zen 5). */
#define APART_BYTES ((int64_t)8 << 20)
#define PACK_FAR_APART 0.6
#define TILE 60.0
#define ITEM 1000.0
#define LAUNCH 10000.0
/* Cores that run dry wait for the last item: the part of one that this costs. */
#define LAST_ITEM 0.25
/* A step that packs has blocks of about this part of a factor. */
#define PACK_BLOCKS 4

/* Results beyond this are written past the caches: 64 rows × 8192 × 1024, gradient to the weights,
 * 154 → 257 GFLOP/s by processor time, on a machine that others used; at 8 MiB there was no
 * difference. */
#define STREAM_BYTES ((int64_t)16 << 20)

/* Slabs are written and read once more: they may be this part of what the product reads. Below so
 * many multiplications a launch more costs more than it gains. */
#define SLAB_SHARE 0.05
#define MAX_SLABS 16
#define MORE_PIECES 3 /* than a slab needs, so that slabs come out alike */
#define WORTH_SLABS 4e6
#define NUMBERS_OF_A_SUM 4096

#define SIGNATURE "rrrwiiiiiiiiii"
static const struct umb_kernel kernels[] = {
    {"gemm_packed", "gemm_packed.cl", "gemm_packed", SIGNATURE},
    {"gemm_packed_a", "gemm_packed.cl", "gemm_packed", SIGNATURE},
    {"gemm_packed_b", "gemm_packed.cl", "gemm_packed", SIGNATURE},
    {"gemm_packed_ab", "gemm_packed.cl", "gemm_packed", SIGNATURE}};
static const struct umb_kernel sums_kernel = {"gemm_packed_sums", "gemm_packed.cl", "gemm_packed",
                                              "rrwwiiiiiiiiii"};
static const struct umb_kernel pack_kernel = {"gemm_pack", "gemm_packed.cl", "gemm_pack",
                                              "rrwwiiiiiiiii"};
static const struct umb_kernel sum_kernel = {"gemm_packed_sum", "gemm_packed.cl", "gemm_packed_sum",
                                             "rrwiiiii"};

struct cut {
    int width, rows;          /* VW and TR of the kernel */
    int piece, pieces, slabs; /* pieces of a slab */
    int tiles, strips;        /* of a block */
    bool prepacked;
};

/* 16 lanes mean AVX-512 and 32 registers: 24 sums, two weights, one factor. 6 rows take 12 of
 * AVX2's 16. */
static int tile_rows(int width)
{
    return width == 16 ? 12 : 6;
}

/* Pieces of a slab, and their terms: of a few numbers of pieces the one that makes the longest slab
 * the shortest, as slabs are what cores share. */
static void cut_slabs(int L, int slabs, struct cut *c)
{
    const int least = umb__ceil_div(umb__ceil_div(L, slabs), TERMS);
    for (int n = least; n <= least + (slabs > 1 ? MORE_PIECES : 0); n++) {
        const int piece = umb__ceil_div(umb__ceil_div(L, slabs * n), c->width) * c->width;
        if (n > least && piece * n >= c->piece * c->pieces) { continue; }
        c->piece = piece;
        c->pieces = n;
    }
    c->slabs = umb__ceil_div(L, c->piece * c->pieces);
}

static void cut_sum(const struct umb_gemm *g, struct cut *c)
{
    const double result = (double)g->M * g->N;
    const double most = SLAB_SHARE * ((double)g->M + g->N) * g->L / result;
    int slabs = most < MAX_SLABS ? (int)most : MAX_SLABS;
    if (g->beside || slabs < 1 || result * g->L < WORTH_SLABS || result * MAX_SLABS > INT32_MAX) {
        slabs = 1;
    }
    const int pieces = umb__ceil_div(g->L, TERMS);
    cut_slabs(g->L, umb__smaller(slabs, pieces), c);
}

/* Of all that one core does, with blocks of c's size. */
static double cycles(const struct umb_gemm *g, const struct cut *c, int units)
{
    const int column = 2 * c->width;
    const int64_t items = (int64_t)umb__ceil_div(umb__ceil_div(g->M, c->rows), c->tiles) *
                          umb__ceil_div(umb__ceil_div(g->N, column), c->strips) * c->slabs;
    const double rounds = (double)((items + units - 1) / units) + LAST_ITEM;
    const double terms = (double)g->L / c->slabs;
    const double pack_b = g->transpose_b ? PACK_TRANSPOSED : PACK;
    double item = ITEM + (double)c->tiles * c->strips *
                             (terms * 2 * c->rows / MULTIPLY_ADDS + TILE * c->pieces);
    if (c->prepacked) {
        const int64_t bytes = ((int64_t)g->M + g->N) * g->L * (int64_t)sizeof(float);
        const double apart = c->slabs > 1 && bytes > APART_BYTES ? PACK_FAR_APART : PACK_APART;
        const double numbers = g->M * (PACK + apart) + g->N * (pack_b + apart);
        return rounds * item + LAUNCH + g->L * numbers / units;
    }
    item += terms * (c->tiles * c->rows * PACK + c->strips * column * pack_b);
    return rounds * item;
}

static int64_t round_up(int n, int to)
{
    return (int64_t)umb__ceil_div(n, to) * to;
}

/* Numbers of the packed factors. */
static int64_t packed_a(const struct umb_gemm *g, const struct cut *c)
{
    return round_up(g->M, c->rows / 3) * round_up(g->L, c->width);
}

static int64_t packed_b(const struct umb_gemm *g, const struct cut *c)
{
    return round_up(g->N, 2 * c->width) * g->L;
}

static void cut_blocks(const struct umb_gemm *g, int units, struct cut *c)
{
    const int tiles = umb__ceil_div(g->M, c->rows), strips = umb__ceil_div(g->N, 2 * c->width);
    const bool fits = packed_a(g, c) <= INT32_MAX && packed_b(g, c) <= INT32_MAX;
    struct cut next = *c;
    double best = 0;
    for (int prepacked = 0; prepacked <= (fits && !g->beside ? 1 : 0); prepacked++) {
        next.prepacked = prepacked;
        for (next.tiles = 1; next.tiles <= umb__smaller(tiles, MAX_TILES); next.tiles++) {
            for (next.strips = 1; next.strips <= umb__smaller(strips, MAX_STRIPS); next.strips++) {
                const double cost = cycles(g, &next, units);
                if (best > 0 && cost >= best) { continue; }
                best = cost;
                *c = next;
            }
        }
    }
}

static struct cut cut(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    struct cut c = {.width = umb__tile_width(caps)};
    c.rows = tile_rows(c.width);
    cut_sum(g, &c);
    cut_blocks(g, umb__items_beside((int)caps->compute_units, g->beside), &c);
    return c;
}

static int flags(const struct umb_gemm *g)
{
    return (g->bias ? 1 : 0) | (g->relu ? 2 : 0) | (g->mask ? 8 : 0) | (g->column_sums ? 16 : 0);
}

static int stream_flag(const struct umb_gemm *g, const struct cut *c)
{
    const bool once = c->slabs == 1 && c->pieces == 1;
    return once && (int64_t)g->M * g->N * (int64_t)sizeof(float) >= STREAM_BYTES ? 4 : 0;
}

static int leading_a(const struct umb_gemm *g)
{
    return g->transpose_a ? g->M : g->L;
}

static int leading_b(const struct umb_gemm *g)
{
    return g->transpose_b ? g->L : g->N;
}

static const char *options_of(struct umb_emit *e, const struct umb_gemm *g, const struct cut *c)
{
    return umb__emit_printf(
        e, "-DVW=%d -DTR=%d -DKC=%d -DTILES=%d -DSTRIPS=%d%s%s%s", c->width, c->rows, TERMS,
        MAX_TILES, MAX_STRIPS, c->prepacked ? " -DPREPACKED" : "",
        g->transpose_a ? " -DA_TRANSPOSED" : "", g->transpose_b ? " -DB_TRANSPOSED" : "");
}

/* Both factors become temporaries. */
static enum umb_status emit_pack_of(struct umb_emit *e, const struct umb_gemm *g,
                                    const struct cut *c, const char *options, int a, int b,
                                    int to_a, int to_b, int before)
{
    const int row_tiles = umb__ceil_div(g->M, c->rows),
              column_strips = umb__ceil_div(g->N, 2 * c->width);
    const int tiles = umb__smaller(umb__ceil_div(row_tiles, PACK_BLOCKS), MAX_TILES);
    const int strips = umb__smaller(umb__ceil_div(column_strips, PACK_BLOCKS), MAX_STRIPS);
    const int blocks = umb__ceil_div(row_tiles, tiles) + umb__ceil_div(column_strips, strips);
    const struct umb_emit_launch launch = {
        .kernel = &pack_kernel,
        .options = options,
        .dimensions = 1,
        .global = {1 + (size_t)blocks * (size_t)umb__ceil_div(g->L, c->piece)},
        .local = {1}};
    return umb__emit_launch(e, &launch, a, b, to_a, to_b, g->M, g->N, g->L, leading_a(g),
                            leading_b(g), tiles, strips, c->piece, before);
}

/* Room for both factors of g, packed. */
static enum umb_status packed_temps(struct umb_emit *e, const struct umb_gemm *g,
                                    const struct cut *c, int *ret_a, int *ret_b)
{
    enum umb_status st = umb__emit_temp(e, (size_t)packed_a(g, c) * sizeof(float), ret_a);
    return st == UMB_OK ? umb__emit_temp(e, (size_t)packed_b(g, c) * sizeof(float), ret_b) : st;
}

static enum umb_status emit_pack(struct umb_emit *e, const struct umb_gemm *g, const struct cut *c,
                                 const char *options, int *a, int *b)
{
    int to_a, to_b;
    enum umb_status st = packed_temps(e, g, c, &to_a, &to_b);
    if (st == UMB_OK) { st = emit_pack_of(e, g, c, options, *a, *b, to_a, to_b, 0); }
    *a = to_a;
    *b = to_b;
    return st;
}

static enum umb_status emit_product(struct umb_emit *e, const struct umb_gemm *g,
                                    const struct cut *c, const char *options, int a, int b,
                                    int bias, int out)
{
    const int row_blocks = umb__ceil_div(umb__ceil_div(g->M, c->rows), c->tiles);
    const int column_blocks = umb__ceil_div(umb__ceil_div(g->N, 2 * c->width), c->strips);
    const struct umb_emit_launch launch = {
        .kernel = g->column_sums ? &sums_kernel
                                 : &kernels[(g->transpose_a ? 1 : 0) + (g->transpose_b ? 2 : 0)],
        .options = options,
        .dimensions = 1,
        .global = {1 + (size_t)row_blocks * (size_t)column_blocks * (size_t)c->slabs},
        .local = {1}};
    return umb__emit_launch(e, &launch, a, b, bias, out, g->M, g->N, g->L, leading_a(g),
                            leading_b(g), c->slabs > 1 ? 0 : flags(g) | stream_flag(g, c), c->tiles,
                            c->strips, c->piece, c->pieces);
}

static enum umb_status emit_sum(struct umb_emit *e, const struct umb_gemm *g, const struct cut *c,
                                const char *options, int slabs, int bias, int out)
{
    const int rows = umb__ceil_div(NUMBERS_OF_A_SUM, g->N);
    const struct umb_emit_launch launch = {.kernel = &sum_kernel,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)umb__ceil_div(g->M, rows)},
                                           .local = {1}};
    return umb__emit_launch(e, &launch, slabs, bias, out, g->M, g->N, c->slabs, flags(g), rows);
}

bool umb__gemm_packed_applies(const struct umb_device_caps *caps)
{
    return umb__tile_applies(caps);
}

bool umb__gemm_packed_fuses(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    struct cut c = {.width = umb__tile_width(caps)};
    cut_sum(g, &c);
    return c.slabs == 1;
}

enum umb_status umb__emit_gemm_packed(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                      int bias, int out)
{
    const struct cut c = cut(e->p.caps, g);
    const char *options = options_of(e, g, &c);
    int sums = out;
    enum umb_status st = options ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && c.slabs > 1) {
        const size_t numbers = (size_t)c.slabs * (size_t)g->M * (size_t)g->N;
        st = umb__emit_temp(e, numbers * sizeof(float), &sums);
    }
    if (st == UMB_OK && c.prepacked) { st = emit_pack(e, g, &c, options, &a, &b); }
    if (st == UMB_OK) { st = emit_product(e, g, &c, options, a, b, bias, sums); }
    if (st == UMB_OK && c.slabs > 1) { st = emit_sum(e, g, &c, options, sums, bias, out); }
    return st;
}

/* Several products. */

/* The longest piece that each of them is made of, 0: none. */
static int piece_of(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    const int width = umb__tile_width(caps);
    for (int piece = TERMS / width * width; piece > 0; piece -= width) {
        if (g->L % piece == 0) { return piece; }
    }
    return 0;
}

static struct umb_gemm all_of(const struct umb_gemm *g, int n)
{
    struct umb_gemm all = *g;
    all.L *= n;
    return all;
}

bool umb__gemm_packed_several_applies(const struct umb_device_caps *caps, const struct umb_gemm *g,
                                      int n)
{
    const struct umb_gemm all = all_of(g, n);
    struct cut c = {.width = umb__tile_width(caps)};
    c.rows = tile_rows(c.width);
    return umb__tile_applies(caps) && piece_of(caps, g) > 0 && n > 1 &&
           packed_a(&all, &c) <= INT32_MAX && packed_b(&all, &c) <= INT32_MAX;
}

enum umb_status umb__emit_gemm_packed_several(struct umb_emit *e, const struct umb_gemm *g, int n,
                                              const int *a, const int *b, int mask, int out)
{
    const struct umb_gemm all = all_of(g, n);
    struct cut c = {.width = umb__tile_width(e->p.caps), .slabs = 1};
    int to_a, to_b;
    c.rows = tile_rows(c.width);
    c.piece = piece_of(e->p.caps, g);
    c.pieces = all.L / c.piece;
    cut_blocks(&all, (int)e->p.caps->compute_units, &c);
    c.prepacked = true;
    const char *options = options_of(e, &all, &c);
    enum umb_status st = options ? packed_temps(e, &all, &c, &to_a, &to_b) : UMB_ERR_NO_MEMORY;
    const size_t first = e->steps->n;
    for (int t = 0; t < n && st == UMB_OK; t++) {
        st = emit_pack_of(e, g, &c, options, a[t], b[t], to_a, to_b, t * g->L);
    }
    umb__emit_beside(e, first);
    return st == UMB_OK ? emit_product(e, &all, &c, options, to_a, to_b, mask, out) : st;
}
