/*
 * The solvers of the dense layer: the naive kernel, CLBlast, and the CPU's register tiles, for
 * which rows are the pixels of an image of one row.
 */
#include "dense.h"
#include "gemm_tile.h"

static const struct umb_kernel forward = {"dense_native", "conv_direct.cl", "conv_direct",
                                          "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"dense_native_data", "conv_direct.cl",
                                                "conv_direct", "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"dense_native_weights", "conv_weights.cl",
                                                   "conv_weights", "rrwiiiiiiiiiiiiiiiiiiiiiii"};

static int naive(const struct umb_problem *p)
{
    (void)p;
    return 1;
}

static int native(const struct umb_problem *p)
{
    return umb__tile_applies(p->caps) ? 3 : 0;
}

/* The bias where the layer has one, else any input. */
static int bias_of(const struct umb_emit *e, const struct umb_gemm *g)
{
    return e->in[g->bias ? 2 : 1];
}

/* Row i of A is pixel i; B lies as [L,N], or as [N,L]. */
static enum umb_status emit_native(struct umb_emit *e, const struct umb_kernel *kernel,
                                   const struct umb_gemm *g)
{
    const struct umb_gather gather = {.positions = g->M,
                                      .OH = 1,
                                      .OW = g->M,
                                      .IH = 1,
                                      .IW = g->M,
                                      .IC = g->L,
                                      .TR = 1,
                                      .TS = 1,
                                      .cg = g->L,
                                      .sy = 1,
                                      .sx = 1,
                                      .dy = 1,
                                      .dx = 1,
                                      .wc = g->transpose_b ? g->L : g->N,
                                      .ox = g->N,
                                      .columns = g->N,
                                      .groups = 1,
                                      .bias = g->bias,
                                      .relu = g->relu,
                                      .transposed = g->transpose_b};
    return umb__emit_gather(e, kernel, &gather, e->in[0], e->in[1], bias_of(e, g), e->out[0]);
}

/* ---- forward ----------------------------------------------------------------------------------
 */

static enum umb_status forward_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], bias_of(e, &g), e->out[0]);
}

static enum umb_status forward_native(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return emit_native(e, &forward, &g);
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
    {"native", native, forward_native},
    {0}};

/* ---- backward to the input ----------------------------------------------------------------------
 */

static enum umb_status data_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static enum umb_status data_native(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return emit_native(e, &backward_data, &g);
}

static int clblast_data(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_data_gemm(p);
    return umb__clblast_rank(p->caps, &g);
}

static enum umb_status data_clblast(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_clblast(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

const struct umb_solver umb__dense_data_solvers[] = {{"naive", naive, data_naive},
                                                     {"clblast", clblast_data, data_clblast},
                                                     {"native", native, data_native},
                                                     {0}};

/* ---- backward to the weights
 * ----------------------------------------------------------------------
 */

static enum umb_status weights_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static enum umb_status weights_native(struct umb_emit *e)
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
    return umb__emit_tile_weights(e, &backward_weights, &image, e->in[0], e->in[1], e->out[0]);
}

static int clblast_weights(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_weights_gemm(p);
    return umb__clblast_rank(p->caps, &g);
}

static enum umb_status weights_clblast(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    return umb__emit_gemm_clblast(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

const struct umb_solver umb__dense_weights_solvers[] = {
    {"naive", naive, weights_naive},
    {"clblast", clblast_weights, weights_clblast},
    {"native", native, weights_native},
    {0}};
