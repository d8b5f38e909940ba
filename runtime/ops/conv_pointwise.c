/*
 * 1×1 convolutions without stride, padding and groups: matrix products, by CLBlast, and on CPUs by
 * packed panels, or with x or dy read where it lies.
 */
#include "conv_solvers.h"
#include "dense.h"

static bool is_pointwise(const struct umb_conv *g)
{
    return g->R == 1 && g->S == 1 && g->stride[0] == 1 && g->stride[1] == 1 && g->padding[0] == 0 &&
           g->padding[1] == 0 && g->groups == 1;
}

static int rank(const struct umb_problem *p, const struct umb_conv *g, struct umb_gemm gemm)
{
    return is_pointwise(g) && umb__conv_knows(g, 0) ? umb__clblast_rank(p->caps, &gemm) : 0;
}

static struct umb_gemm forward(const struct umb_conv *g)
{
    return (struct umb_gemm){
        .M = g->N * g->P * g->Q, .N = g->K, .L = g->C, .bias = g->bias, .relu = g->relu};
}

static struct umb_gemm backward_data(const struct umb_conv *g)
{
    return (struct umb_gemm){.M = g->N * g->P * g->Q, .N = g->C, .L = g->K, .transpose_b = true};
}

static struct umb_gemm backward_weights(const struct umb_conv *g)
{
    return (struct umb_gemm){.M = g->C, .N = g->K, .L = g->N * g->P * g->Q, .transpose_a = true};
}

int umb__conv_packed_rank(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return is_pointwise(&g) && umb__conv_knows(&g, 0) && umb__gemm_packed_applies(p->caps) ? 2 : 0;
}

static int rank_of_rows(const struct umb_problem *p, const struct umb_conv *g, struct umb_gemm gemm)
{
    if (!is_pointwise(g) || !umb__conv_knows(g, 0)) { return 0; }
    if (!umb__gemm_rows_applies(p->caps, &gemm)) { return 0; }
    return umb__gemm_rows_pays(&gemm) ? 3 : 1;
}

int umb__conv_pointwise_rank_forward(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, forward(&g));
}

enum umb_status umb__conv_pointwise_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = forward(&g);
    return umb__emit_gemm_clblast(e, &gemm, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->out[0]);
}

enum umb_status umb__conv_packed_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = forward(&g);
    return umb__emit_gemm_packed(e, &gemm, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->out[0]);
}

int umb__conv_rows_rank_forward(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank_of_rows(p, &g, forward(&g));
}

enum umb_status umb__conv_rows_forward(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = forward(&g);
    return umb__emit_gemm_rows(e, &gemm, e->in[0], e->in[1], e->in[g.bias ? 2 : 1], e->out[0]);
}

int umb__conv_pointwise_rank_data(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, backward_data(&g));
}

enum umb_status umb__conv_pointwise_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = backward_data(&g);
    return umb__emit_gemm_clblast(e, &gemm, e->in[0], e->in[1], e->in[1], e->out[0]);
}

enum umb_status umb__conv_packed_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = backward_data(&g);
    return umb__emit_gemm_packed(e, &gemm, e->in[0], e->in[1], e->in[1], e->out[0]);
}

int umb__conv_rows_rank_data(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank_of_rows(p, &g, backward_data(&g));
}

enum umb_status umb__conv_rows_data(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = backward_data(&g);
    return umb__emit_gemm_rows(e, &gemm, e->in[0], e->in[1], e->in[1], e->out[0]);
}

int umb__conv_pointwise_rank_weights(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return rank(p, &g, backward_weights(&g));
}

enum umb_status umb__conv_pointwise_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = backward_weights(&g);
    return umb__emit_gemm_clblast(e, &gemm, e->in[0], e->in[1], e->in[1], e->out[0]);
}

enum umb_status umb__conv_packed_weights(struct umb_emit *e)
{
    const struct umb_conv g = umb__conv_of(&e->p);
    const struct umb_gemm gemm = backward_weights(&g);
    return umb__emit_gemm_packed(e, &gemm, e->in[0], e->in[1], e->in[1], e->out[0]);
}
