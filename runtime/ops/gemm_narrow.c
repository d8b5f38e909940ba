/*
 * Launching the product of few rows by a narrow matrix: how it is cut into pieces and items.
 *
 * Pieces follow from the shape and the vector width, so that the same numbers are added in the same
 * order on every machine of a kind. Columns of an item only say who computes what.
 */
#include "dense.h"
#include "gemm_tile.h"
#include "whole.h"

#define TERMS 256    /* of the sum at a time */
#define MAX_STRIPS 8 /* of an item: with as many terms 256 KB of b in the second-level cache */
#define ITEMS_PER_UNIT 16
/* More rows pay for copying the matrix, and wider ones are read better in one piece. */
#define MAX_ROWS 128
#define MAX_COLUMNS 256

static const struct umb_kernel pack_kernel = {"gemm_narrow_pack", "gemm_narrow.cl",
                                              "gemm_narrow_pack", "rwiii"};
static const struct umb_kernel narrow = {"gemm_narrow", "gemm_narrow.cl", "gemm_narrow",
                                         "rrrwiiiiii"};

/* As of gemm_packed.c. */
static int tile_rows(int width)
{
    return width == 16 ? 12 : 6;
}

static int piece_of(const struct umb_gemm *g, int width)
{
    const int pieces = umb__ceil_div(g->L, TERMS);
    return umb__ceil_div(umb__ceil_div(g->L, pieces), width) * width;
}

static enum umb_status emit_pack(struct umb_emit *e, const struct umb_gemm *g, const char *options,
                                 int a, int *ret_packed)
{
    const int width = umb__tile_width(e->p.caps), rows = tile_rows(width);
    const int piece = piece_of(g, width);
    const size_t numbers =
        (size_t)(umb__ceil_div(g->M, rows) * rows) * (size_t)(umb__ceil_div(g->L, width) * width);
    const enum umb_status st = umb__emit_temp(e, numbers * sizeof(float), ret_packed);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = {
        .kernel = &pack_kernel,
        .options = options,
        .dimensions = 2,
        .global = {(size_t)umb__ceil_div(g->M, rows), (size_t)umb__ceil_div(g->L, piece)},
        .local = {1, 1}};
    return umb__emit_launch(e, &launch, a, *ret_packed, g->M, g->L, piece);
}

enum umb_status umb__emit_gemm_narrow(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                      int bias, int out)
{
    const int width = umb__tile_width(e->p.caps), strips = umb__ceil_div(g->N, 2 * width);
    const int items = umb__items_beside(ITEMS_PER_UNIT * (int)e->p.caps->compute_units, g->beside);
    const int of_block = umb__smaller(umb__ceil_div(strips, items), MAX_STRIPS);
    const char *options =
        umb__emit_printf(e, "-DVW=%d -DTR=%d -DKC=%d", width, tile_rows(width), TERMS);
    int packed = -1;
    enum umb_status st = options ? emit_pack(e, g, options, a, &packed) : UMB_ERR_NO_MEMORY;
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch product = {.kernel = &narrow,
                                            .options = options,
                                            .dimensions = 1,
                                            .global = {1 + (size_t)umb__ceil_div(strips, of_block)},
                                            .local = {1}};
    return umb__emit_launch(e, &product, packed, b, bias, out, g->M, g->N, g->L,
                            (g->bias ? 1 : 0) | (g->relu ? 2 : 0), of_block, piece_of(g, width));
}

bool umb__gemm_narrow_applies(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    return umb__tile_applies(caps) && !g->transpose_a && !g->transpose_b && !g->mask &&
           !g->column_sums && g->M <= MAX_ROWS && g->N <= MAX_COLUMNS &&
           (int64_t)g->M * g->L <= INT32_MAX / 2;
}
