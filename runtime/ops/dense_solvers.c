/*
 * The solvers of the dense layer: the naive kernel, CLBlast, and on CPUs packed panels, or
 * rows read where they lie.
 */
#include "gpu_tile.h"

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
    if (!umb__gemm_rows_applies(p->caps, &g)) { return 0; }
    return umb__gemm_rows_pays(&g) ? 4 : 2;
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
    {"naive", naive, forward_naive},    {"clblast", clblast_forward, forward_clblast},
    {"packed", packed, forward_packed}, {"rows", rows_forward, forward_rows},
    UMB_GPU_TILE_ROWS(dense, forward),  {0}};

/* Backward to the input. */

static enum umb_status data_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static enum umb_status data_packed(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_data_gemm(&e->p);
    return umb__emit_gemm_packed(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
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

const struct umb_solver umb__dense_data_solvers[] = {
    {"naive", naive, data_naive},    {"clblast", clblast_data, data_clblast},
    {"packed", packed, data_packed}, {"rows", rows_data, data_rows},
    UMB_GPU_TILE_ROWS(dense, data),  {0}};

/* Backward to the weights. */

static enum umb_status weights_naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static enum umb_status weights_packed(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_weights_gemm(&e->p);
    return umb__emit_gemm_packed(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
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
    {"packed", packed, weights_packed},
    UMB_GPU_TILE_ROWS(dense, weights),
    {0}};
