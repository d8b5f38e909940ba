/*
 * Launching the product of few rows by a large matrix: how it is cut into slabs and items.
 *
 * Slabs follow from the shape alone, so that the same numbers are added in the same order on every
 * machine of a kind; columns of an item only say who computes what.
 */
#include "dense.h"
#include "gemm_tile.h"
#include "whole.h"

/* Terms of the sum at a time: 64 rows of 512 columns are an eighth of a second-level cache. */
#define TERMS 64
#define MAX_ROWS 128
#define MOST_TILE_ROWS 13
/* Of a panel: rounded up to tiles. One number for all layers, so that they share programs. */
#define PANEL_ROWS (MAX_ROWS + MOST_TILE_ROWS)
/* Columns of an item at most, and terms of a slab at least; more slabs than cores keep none idle,
 * and each writes M·N numbers. */
#define MAX_COLUMNS 512
#define LEAST_TERMS 256
#define SLABS 8
/* Backward the whole sum is one panel in the second-level cache. */
#define MAX_PANEL 131072
#define ITEMS_PER_UNIT 8
#define LEAST_ITEMS_PER_UNIT 4 /* forward, where more would each read less of a row */
#define NUMBERS_OF_A_SUM 4096
/* Results of all layers together (Zen 5, 16 MB of 40 heads: 1.4 to 1.6 ms; 2.2 through the caches;
 * 2026-12). */
#define STREAM_BYTES ((int64_t)8 << 20)

/* A smaller matrix stays in the caches, where it is copied at little cost, unless there are many
 * beside it; fewer rows leave most of a tile empty. */
#define WORTH_BYTES ((int64_t)2 << 20)
#define LEAST_ROWS 8

static const struct umb_kernel few = {"gemm_few", "gemm_few.cl", "gemm_few", "rrwiiiii"};
static const struct umb_kernel few_sum = {"gemm_few_sum", "gemm_few.cl", "gemm_few_sum",
                                          "rrwiiiii"};
static const struct umb_kernel few_turned = {"gemm_few_turned", "gemm_few.cl", "gemm_few_turned",
                                             "rrrwiiiii"};
static const struct umb_kernel few_turn = {"gemm_few_turn", "gemm_few.cl", "gemm_few_turn",
                                           "rwiiii"};
static const struct umb_kernel few_several = {"gemm_few_several", "gemm_few.cl", "gemm_few_several",
                                              "rrrrrrrrrrmwiiiiiiiiiiiiiii"};
#define AT_ONCE 8 /* matrices of a launch */
enum { STREAM = 4, MASK = 8, FIRST = 16, LAST = 32 };

struct cut {
    int width, rows;     /* VW and TR of the kernel */
    int vectors, turned; /* BV, BR */
    int span, slabs;     /* terms of a slab, and how many */
};

/* 16 lanes mean AVX-512 and 32 registers: of 8 to 13 rows those that leave the fewest out. AVX2 has
 * 16. */
static int tile_rows(int width, int rows)
{
    if (width < 16) { return 6; }
    int best = MOST_TILE_ROWS;
    for (int n = best - 1; n >= LEAST_ROWS; n--) {
        if (umb__ceil_div(rows, n) * n < umb__ceil_div(rows, best) * best) { best = n; }
    }
    return best;
}

/* BV: the lanes of so many vectors are rows, backward; no more than there are. */
static int row_vectors(int width, int rows)
{
    int n = width == 16 ? 4 : 2;
    while (n > 1 && rows * 2 <= n * width) {
        n /= 2;
    }
    return n;
}

static struct cut cut(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    struct cut c = {.width = umb__tile_width(caps)};
    c.rows = tile_rows(c.width, g->M);
    c.vectors = row_vectors(c.width, g->M);
    c.turned = c.vectors == row_vectors(c.width, MAX_ROWS) ? 6 : 12;
    const int slabs = umb__smaller(SLABS, umb__ceil_div(g->L, LEAST_TERMS));
    c.span = umb__ceil_div(umb__ceil_div(g->L, slabs), TERMS) * TERMS;
    c.slabs = umb__ceil_div(g->L, c.span);
    return c;
}

static const char *options_of(struct umb_emit *e, const struct cut *c)
{
    return umb__emit_printf(e, "-DVW=%d -DTR=%d -DBV=%d -DBR=%d -DKC=%d -DROWS=%d", c->width,
                            c->rows, c->vectors, c->turned, TERMS, PANEL_ROWS);
}

/* Whole strips. */
static int columns_of(const struct umb_gemm *g, const struct cut *c, int units)
{
    const int strip = 2 * c->width, strips = g->N / strip;
    int blocks = umb__ceil_div(g->N, MAX_COLUMNS);
    while (blocks * c->slabs < LEAST_ITEMS_PER_UNIT * units && blocks < strips) {
        blocks *= 2;
    }
    return umb__ceil_div(strips, umb__smaller(blocks, strips)) * strip;
}

static enum umb_status emit_forward(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                    int bias, int out)
{
    const struct cut c = cut(e->p.caps, g);
    const char *options = options_of(e, &c);
    const size_t numbers =
        (size_t)c.slabs * (size_t)(umb__ceil_div(g->M, c.rows) * c.rows) * (size_t)g->N;
    int slabs = -1;
    enum umb_status st = options ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__emit_temp(e, numbers * sizeof(float), &slabs); }
    if (st != UMB_OK) { return st; }
    const int columns = columns_of(g, &c, (int)e->p.caps->compute_units);
    const struct umb_emit_launch product = {
        .kernel = &few,
        .options = options,
        .dimensions = 1,
        .global = {1 + (size_t)umb__ceil_div(g->N, columns) * (size_t)c.slabs},
        .local = {1}};
    st = umb__emit_launch(e, &product, a, b, slabs, g->M, g->N, g->L, columns, c.span);
    if (st != UMB_OK) { return st; }
    const int strip = 2 * c.width, rows = umb__ceil_div(NUMBERS_OF_A_SUM, strip);
    const struct umb_emit_launch sum = {
        .kernel = &few_sum,
        .options = options,
        .dimensions = 2,
        .global = {(size_t)(g->N / strip), (size_t)umb__ceil_div(g->M, rows)},
        .local = {1, 1}};
    return umb__emit_launch(e, &sum, slabs, bias, out, g->M, g->N, c.slabs,
                            (g->bias ? 1 : 0) | (g->relu ? 2 : 0), rows);
}

/* How a product by a turned matrix is cut. */
struct turned {
    const char *options; /* NULL: no memory */
    int group, groups, block, blocks;
};

static struct turned cut_turned(struct umb_emit *e, const struct umb_gemm *g)
{
    const struct cut c = cut(e->p.caps, g);
    struct turned t = {.options = options_of(e, &c), .group = c.vectors * c.width};
    const int units = (int)e->p.caps->compute_units;
    t.groups = umb__ceil_div(g->M, t.group);
    t.block = 3 * c.width;
    t.blocks = umb__ceil_div(umb__ceil_div(g->N, t.block),
                             umb__items_beside(ITEMS_PER_UNIT * units, g->beside));
    return t;
}

/* All `all` terms of rows of the left factor. */
static enum umb_status panels_temp(struct umb_emit *e, const struct turned *t, int all,
                                   int *ret_panels)
{
    const size_t numbers = (size_t)(t->groups * t->group) * (size_t)all;
    return t->options ? umb__emit_temp(e, numbers * sizeof(float), ret_panels) : UMB_ERR_NO_MEMORY;
}

/* The terms from `first` on. */
static enum umb_status emit_turn(struct umb_emit *e, const struct umb_gemm *g,
                                 const struct turned *t, int a, int panels, int all, int first)
{
    const struct umb_emit_launch turn = {
        .kernel = &few_turn,
        .options = t->options,
        .dimensions = 2,
        .global = {(size_t)t->groups, (size_t)umb__ceil_div(g->L, umb__tile_width(e->p.caps))},
        .local = {1, 1}};
    return umb__emit_launch(e, &turn, a, panels, g->M, g->L, all, first);
}

static struct umb_emit_launch over_blocks(const struct umb_kernel *kernel, const struct turned *t,
                                          const struct umb_gemm *g)
{
    return (struct umb_emit_launch){
        .kernel = kernel,
        .options = t->options,
        .dimensions = 1,
        .global = {1 + (size_t)umb__ceil_div(g->N, t->block * t->blocks)},
        .local = {1}};
}

/* Many results together leave the caches before they are read; whole vectors of them need not go
 * through. */
static bool streams(const struct umb_gemm *g, int width)
{
    const int64_t bytes = (int64_t)g->M * g->N * (int64_t)sizeof(float);
    return g->beside && !g->mask && g->N % width == 0 && bytes * g->beside >= STREAM_BYTES;
}

static enum umb_status emit_turned(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                   int mask, int out)
{
    const struct turned t = cut_turned(e, g);
    int panels = -1;
    enum umb_status st = panels_temp(e, &t, g->L, &panels);
    if (st == UMB_OK) { st = emit_turn(e, g, &t, a, panels, g->L, 0); }
    if (st != UMB_OK) { return st; }
    const int flags = (g->mask ? MASK : 0) | (streams(g, t.block / 3) ? STREAM : 0);
    const struct umb_emit_launch product = over_blocks(&few_turned, &t, g);
    return umb__emit_launch(e, &product, panels, b, mask, out, g->M, g->N, g->L, flags, t.blocks);
}

/* Matrices from `first` on, AT_ONCE at most, whose terms begin at `begins` of `all`. */
static enum umb_status emit_some(struct umb_emit *e, const struct umb_gemm *g,
                                 const struct turned *t, const struct umb_several *of, int first,
                                 int begins, int all, int panels, int waiting, int mask, int out)
{
    const int count = umb__smaller(AT_ONCE, of->n - first);
    const bool last = first + count == of->n;
    int m[AT_ONCE], L[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        m[i] = of->b[first + (i < count ? i : 0)];
        L[i] = i < count ? of->terms[first + i] : 0;
    }
    const struct umb_emit_launch product = over_blocks(&few_several, t, g);
    const int flags = (first ? 0 : FIRST) | (last ? LAST : 0) | (g->mask ? MASK : 0);
    return umb__emit_launch(e, &product, panels, m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7],
                            mask, waiting, out, g->M, g->N, all, begins, count, L[0], L[1], L[2],
                            L[3], L[4], L[5], L[6], L[7], flags, t->blocks);
}

static int all_terms(const struct umb_several *of, int n)
{
    int all = 0;
    for (int i = 0; i < n; i++) {
        all += of->terms[i];
    }
    return all;
}

enum umb_status umb__emit_gemm_few_several(struct umb_emit *e, const struct umb_gemm *g,
                                           const struct umb_several *of, int mask, int out)
{
    const struct turned t = cut_turned(e, g);
    const int n = of->n, all = all_terms(of, n);
    const size_t waits =
        (size_t)umb__ceil_div(g->N, t.block) * (size_t)(t.groups * t.block * t.group);
    int panels = -1, waiting = -1;
    enum umb_status st = panels_temp(e, &t, all, &panels);
    if (st == UMB_OK) {
        st = umb__emit_temp(e, (n > AT_ONCE ? waits : 1) * sizeof(float), &waiting);
    }
    const size_t first = e->steps->n;
    for (int i = 0; i < n && st == UMB_OK; i++) {
        struct umb_gemm one = *g;
        one.L = of->terms[i];
        st = emit_turn(e, &one, &t, of->a[i], panels, all, all_terms(of, i));
    }
    umb__emit_beside(e, first);
    for (int i = 0; i < n && st == UMB_OK; i += AT_ONCE) {
        st = emit_some(e, g, &t, of, i, all_terms(of, i), all, panels, waiting, mask, out);
    }
    return st;
}

bool umb__gemm_few_several_applies(const struct umb_device_caps *caps, const struct umb_gemm *g,
                                   const struct umb_several *of)
{
    struct umb_gemm of_a_launch = *g;
    int longest = 0;
    int64_t all = 0;
    for (int i = 0; i < of->n; i++) {
        longest = of->terms[i] > longest ? of->terms[i] : longest;
        all += of->terms[i];
    }
    const int count = umb__smaller(AT_ONCE, of->n);
    if (of->n < 2 || longest > MAX_PANEL / count || all > INT32_MAX) { return false; }
    of_a_launch.L = longest * count;
    return umb__gemm_few_applies(caps, &of_a_launch);
}

bool umb__gemm_few_applies(const struct umb_device_caps *caps, const struct umb_gemm *g)
{
    const int width = umb__tile_width(caps);
    if (!umb__tile_applies(caps) || g->transpose_a || g->M < LEAST_ROWS || g->M > MAX_ROWS) {
        return false;
    }
    if (g->transpose_b) { return (int64_t)g->L * width * row_vectors(width, g->M) <= MAX_PANEL; }
    return !g->mask && g->N % (2 * width) == 0;
}

bool umb__gemm_few_pays(const struct umb_gemm *g)
{
    const int64_t weights = (int64_t)(g->transpose_a ? g->M : g->L) * g->N;
    const int beside = g->transpose_b && g->beside ? g->beside : 1;
    return weights * beside * (int64_t)sizeof(float) >= WORTH_BYTES;
}

enum umb_status umb__emit_gemm_few(struct umb_emit *e, const struct umb_gemm *g, int a, int b,
                                   int bias, int out)
{
    return g->transpose_b ? emit_turned(e, g, a, b, bias, out)
                          : emit_forward(e, g, a, b, bias, out);
}
