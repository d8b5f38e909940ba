/*
 * The solvers of the dense layer: the naive kernel, CLBlast, and on CPUs packed panels,
 * rows read where they lie, or a large matrix read once for few rows.
 */
#include "column_sum.h"
#include "conv_solvers.h"
#include "gemm_tile.h"
#include "gpu_tile.h"
#include "simple.h"

static int naive(const struct umb_problem *p)
{
    (void)p;
    return 1;
}

static int packed(const struct umb_problem *p)
{
    return umb__gemm_packed_applies(p->caps) ? 3 : 0;
}

static int in_rows(const struct umb_problem *p, struct umb_gemm g)
{
    if (g.mask || !umb__gemm_rows_applies(p->caps, &g)) { return 0; }
    return umb__gemm_rows_pays(&g) ? 4 : 2;
}

static int of_few(const struct umb_problem *p, struct umb_gemm g)
{
    if (!umb__gemm_few_applies(p->caps, &g)) { return 0; }
    return umb__gemm_few_pays(&g) ? 5 : 2;
}

/* The bias where the layer has one, else any input. */
static int bias_of(const struct umb_emit *e, const struct umb_gemm *g)
{
    return e->in[g->bias ? 2 : 1];
}

/* Forward. */

static enum umb_status forward_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], bias_of(e, &g), e->out[0]);
}

static enum umb_status forward_packed(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_packed(e, &g, e->in[0], e->in[1], bias_of(e, &g), e->out[0]);
}

static int rows_forward(const struct umb_problem *p)
{
    return in_rows(p, umb__dense_forward_gemm(p));
}

static enum umb_status forward_rows(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_rows(e, &g, e->in[0], e->in[1], bias_of(e, &g), e->out[0]);
}

static int few_forward(const struct umb_problem *p)
{
    return of_few(p, umb__dense_forward_gemm(p));
}

static enum umb_status forward_few(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_few(e, &g, e->in[0], e->in[1], bias_of(e, &g), e->out[0]);
}

/* Beside others the packed copy of x is shared; for few rows a packed copy of the weights costs more
 * than the product. */
#define FEW_ROWS 16
static int narrow_forward(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_forward_gemm(p);
    if (!umb__gemm_narrow_applies(p->caps, &g)) { return 0; }
    return g.beside || g.M <= FEW_ROWS ? 4 : 2;
}

static enum umb_status forward_narrow(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_narrow(e, &g, e->in[0], e->in[1], bias_of(e, &g), e->out[0]);
}

static int clblast_forward(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_forward_gemm(p);
    return umb__clblast_rank(p->caps, &g);
}

static enum umb_status forward_clblast(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_clblast(e, &g, e->in[0], e->in[1], bias_of(e, &g), e->out[0]);
}

const struct umb_solver umb__dense_forward_solvers[] = {
    {"naive", naive, forward_naive},
    {"clblast", clblast_forward, forward_clblast},
    {"packed", packed, forward_packed},
    {"rows", rows_forward, forward_rows},
    {"few", few_forward, forward_few},
    {"narrow", narrow_forward, forward_narrow},
    UMB_GPU_TILE_ROWS(dense, forward),
    UMB_GPU_HALF_ROWS(dense, forward),
    {0}};

/* Backward to the input. */

static const struct umb_kernel mask_kernel = {"dense_mask", "activation.cl", "relu_backward",
                                              "rrwiifi"};

enum umb_status umb__emit_dense_mask(struct umb_emit *e, int x, int dx)
{
    const int64_t n = umb__shape_count(&e->p.out[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, n);
    const char *options = umb__lanes_option(e, s.lanes);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = umb__spread_launch(&s, &mask_kernel, options);
    return umb__emit_launch(e, &launch, x, dx, e->out[0], (int)n, s.span, 0.0, 0);
}

static enum umb_status data_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    int dx = e->out[0];
    enum umb_status st = UMB_OK;
    if (g.mask) { st = umb__emit_temp(e, umb__type_bytes(&e->p.out[0]), &dx); }
    if (st == UMB_OK) { st = umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], e->in[1], dx); }
    return st == UMB_OK && g.mask ? umb__emit_dense_mask(e, e->in[2], dx) : st;
}

static int packed_data(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_data_gemm(p);
    return !g.mask || umb__gemm_packed_fuses(p->caps, &g) ? packed(p) : 0;
}

static enum umb_status data_packed(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_packed(e, &g, e->in[0], e->in[1], e->in[g.mask ? 2 : 1], e->out[0]);
}

static int rows_data(const struct umb_problem *p)
{
    return in_rows(p, umb__dense_data_gemm(p));
}

static enum umb_status data_rows(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_rows(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static int few_data(const struct umb_problem *p)
{
    return of_few(p, umb__dense_data_gemm(p));
}

static enum umb_status data_few(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_few(e, &g, e->in[0], e->in[1], e->in[g.mask ? 2 : 1], e->out[0]);
}

static int clblast_data(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_data_gemm(p);
    return g.mask ? 0 : umb__clblast_rank(p->caps, &g);
}

static enum umb_status data_clblast(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_clblast(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

const struct umb_solver umb__dense_data_solvers[] = {{"naive", naive, data_naive},
                                                     {"clblast", clblast_data, data_clblast},
                                                     {"packed", packed_data, data_packed},
                                                     {"rows", rows_data, data_rows},
                                                     {"few", few_data, data_few},
                                                     UMB_GPU_TILE_ROWS(dense, data),
                                                     {0}};

/* Backward to the weights. */

static enum umb_status weights_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    const enum umb_status st = umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
    return st == UMB_OK && g.column_sums ? umb__emit_column_sum(e, e->in[1], e->out[1], g.L, g.N)
                                         : st;
}

static int packed_weights(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_weights_gemm(p);
    return !g.column_sums || umb__gemm_packed_fuses(p->caps, &g) ? packed(p) : 0;
}

static enum umb_status weights_packed(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    const int sums = g.column_sums ? e->out[1] : e->in[1];
    return umb__emit_gemm_packed(e, &g, e->in[0], e->in[1], sums, e->out[0]);
}

static int clblast_weights(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_weights_gemm(p);
    return g.column_sums ? 0 : umb__clblast_rank(p->caps, &g);
}

static enum umb_status weights_clblast(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    return umb__emit_gemm_clblast(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

/* Rows as images of one pixel. */
static struct umb_conv rows_as_images(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_weights_gemm(p);
    return (struct umb_conv){.N = g.L,
                             .H = 1,
                             .W = 1,
                             .C = g.M,
                             .P = 1,
                             .Q = 1,
                             .K = g.N,
                             .R = 1,
                             .S = 1,
                             .groups = 1,
                             .stride = {1, 1},
                             .dilation = {1, 1},
                             .dbias = g.column_sums};
}

static int few_weights(const struct umb_problem *p)
{
    const struct umb_conv images = rows_as_images(p);
    if (!umb__tile_applies(p->caps) || !umb__small_weights_fit(&images)) { return 0; }
    return p->updates ? 5 : 2;
}

static enum umb_status weights_few(struct umb_emit *e)
{
    const struct umb_conv images = rows_as_images(&e->p);
    return umb__emit_small_weights(e, &images, umb__dense_weights_gemm(&e->p).beside);
}

const struct umb_solver umb__dense_weights_solvers[] = {
    {"naive", naive, weights_naive},
    {"clblast", clblast_weights, weights_clblast},
    {"packed", packed_weights, weights_packed},
    {"few", few_weights, weights_few},
    UMB_GPU_TILE_ROWS(dense, weights),
    {0}};

const char *const umb__dense_updating[] = {"few", NULL};
