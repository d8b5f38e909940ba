/*
 * The tile solvers of the dense layer on GPUs: its rows are the pixels of an image of one row.
 *
 * A product with few results and many terms (a head: 64 × 64 results of 1,600 terms) has too few
 * tiles to fill a GPU: then the terms are cut into slices, which are the groups of the kernel, and
 * the slices' results added up in their order.
 */
#include "column_sum.h"
#include "gpu_tile.h"

static const struct umb_kernel forward = {"gpu_dense", "gpu_conv.cl", "gpu_conv",
                                          "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"gpu_dense_data", "gpu_conv.cl", "gpu_conv",
                                                "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"gpu_dense_weights", "gpu_conv_weights.cl",
                                                   "gpu_conv_weights", "rrwiiiiiiiiiiiiiiiiiii"};

/* Numbers of results beyond which nothing is cut, so that the slices' results stay small; slices at
 * most, and terms of one at least. */
#define MOST_RESULTS 65536
#define MOST_SLICES 16
#define LEAST_TERMS 64

/* The largest number of equal slices that keep runs of four. */
static int slices_of(const struct umb_gemm *g)
{
    if ((int64_t)g->M * g->N > MOST_RESULTS) { return 1; }
    for (int n = MOST_SLICES; n > 1; n--) {
        const int terms = g->L / n;
        if (g->L % n == 0 && terms >= LEAST_TERMS && (terms % 4 == 0 || g->L % 4 != 0)) {
            return n;
        }
    }
    return 1;
}

static struct umb_gpu_gather gather_of(const struct umb_gemm *g, int slices)
{
    const int terms = g->L / slices;
    return (struct umb_gpu_gather){.g = {.positions = g->M,
                                         .OH = 1,
                                         .OW = g->M,
                                         .IH = 1,
                                         .IW = g->M,
                                         .IC = g->L,
                                         .TR = 1,
                                         .TS = 1,
                                         .cg = terms,
                                         .sy = 1,
                                         .sx = 1,
                                         .dy = 1,
                                         .dx = 1,
                                         .wc = g->transpose_b ? g->L : g->N,
                                         .ox = g->N,
                                         .columns = g->N,
                                         .groups = slices,
                                         .bias = g->bias && slices == 1,
                                         .relu = g->relu && slices == 1,
                                         .transposed = g->transpose_b},
                                   .xg = terms,
                                   .wg = g->transpose_b ? terms : terms * g->N,
                                   .yg = g->M * g->N};
}

static enum umb_status emit_product(struct umb_emit *e, const struct umb_kernel *kernel,
                                    enum umb_gpu_tile tile, const struct umb_gemm *g, int bias)
{
    const int slices = slices_of(g);
    const struct umb_gpu_gather gather = gather_of(g, slices);
    const int64_t results = (int64_t)g->M * g->N;
    int to = e->out[0];
    enum umb_status st = UMB_OK;
    if (slices > 1) { st = umb__emit_temp(e, (size_t)(results * slices) * sizeof(float), &to); }
    if (st == UMB_OK) {
        st = umb__emit_gpu_gather(e, kernel, tile, &gather, e->in[0], e->in[1], bias, to);
    }
    if (st != UMB_OK || slices == 1) { return st; }
    st = umb__emit_column_sum(e, to, e->out[0], slices, results);
    return st == UMB_OK ? umb__emit_gemm_finish(e, g, bias, e->out[0]) : st;
}

static int rank_of(const struct umb_problem *p, enum umb_gpu_tile tile, const struct umb_gemm *g)
{
    return umb__gpu_tile_rank(p->caps, tile, g->M, g->N, slices_of(g));
}

static int forward_rank(const struct umb_problem *p, enum umb_gpu_tile tile)
{
    const struct umb_gemm g = umb__dense_forward_gemm(p);
    return rank_of(p, tile, &g);
}

static enum umb_status emit_forward(struct umb_emit *e, enum umb_gpu_tile tile)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return emit_product(e, &forward, tile, &g, e->in[g.bias ? 2 : 1]);
}

static int data_rank(const struct umb_problem *p, enum umb_gpu_tile tile)
{
    const struct umb_gemm g = umb__dense_data_gemm(p);
    return g.mask ? 0 : rank_of(p, tile, &g);
}

static enum umb_status emit_data(struct umb_emit *e, enum umb_gpu_tile tile)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return emit_product(e, &backward_data, tile, &g, e->in[1]);
}

static int weights_rank(const struct umb_problem *p, enum umb_gpu_tile tile)
{
    const struct umb_gemm g = umb__dense_weights_gemm(p);
    return g.column_sums ? 0 : umb__gpu_tile_rank(p->caps, tile, g.M, g.N, g.L / 256 + 1);
}

static enum umb_status emit_weights(struct umb_emit *e, enum umb_gpu_tile tile)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    const struct umb_conv image = {.N = 1,
                                   .H = 1,
                                   .W = g.L,
                                   .C = g.M,
                                   .P = 1,
                                   .Q = g.L,
                                   .K = g.N,
                                   .R = 1,
                                   .S = 1,
                                   .groups = 1,
                                   .stride = {1, 1},
                                   .dilation = {1, 1}};
    return umb__emit_gpu_weights(e, &backward_weights, tile, &image, e->in[0], e->in[1], e->out[0]);
}

UMB_GPU_DEFINE_TILES(dense, forward)
UMB_GPU_DEFINE_HALVES(dense, forward)
UMB_GPU_DEFINE_TILES(dense, data)
UMB_GPU_DEFINE_TILES(dense, weights)
