/*
 * graph_mix: y = A·x, every row of a table [T,C] from the rows that it is related to by a fixed
 * matrix A [T,T]. With dense layers it makes graph convolutions (Kipf and Welling, ICLR 2017):
 * σ(Â·H·Θ) is graph_mix and dense, σ(H·Θ + Ã·H) the sum of the two. Its gradient is Aᵀ·dy.
 */
#include "dense.h"
#include "simple.h"
#include <stddef.h>

struct graph_attrs {
    struct umb_floats adjacency;
};

static enum umb_status infer(struct umb_infer *io)
{
    const struct graph_attrs *a = io->attrs;
    const struct umb_type *x = &io->in[0];
    const int64_t rows = x->shape.dim[0];
    enum umb_status st = umb__expect_f32(io, 0, 2, "a table [T,C]");
    if (st == UMB_OK && x->n_segments) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "input 0 holds samples; expected a table [T,C], as embedding makes it");
    }
    if (st == UMB_OK && (int64_t)a->adjacency.n != rows * rows) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "adjacency: %zu numbers for a table of %lld rows; expected %lld × %lld",
                         a->adjacency.n, (long long)rows, (long long)rows, (long long)rows);
    }
    if (st != UMB_OK) { return st; }
    const struct umb_type matrix = {.dtype = UMB_F32, .shape = {2, {rows, rows}}};
    io->n_params = 1;
    io->params[0] = (struct umb_param_spec){.name = "adjacency",
                                            .kind = UMB_PARAM_FIXED,
                                            .type = matrix,
                                            .layout = umb__layout_plain(&matrix.shape),
                                            .init = UMB_INIT_VALUES,
                                            .values = a->adjacency.value};
    io->n_out = 1;
    io->out[0] = *x;
    return UMB_OK;
}

/* Aᵀ·dy is the product that a dense layer of inputs A and weights' gradient dy has. */
static enum umb_status grad(struct umb_grad *g)
{
    const int in[] = {umb__grad_in(g, 1), umb__grad_dout(g, 0)};
    int dx[UMB_OP_MAX_OUT];
    if (in[1] < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    const struct umb_dense_attrs plain = {
        .units = umb__shape_channels(&umb__grad_type(g, in[1])->shape)};
    const enum umb_status st = umb__grad_node(g, "dense_backward_weights", &plain, 2, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const int64_t rows = r->in[0].type->shape.dim[0], channels = r->in[0].type->shape.dim[1];
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < rows; j++) {
            for (int64_t c = 0; c < channels; c++) {
                r->out[0].data[i * channels + c] +=
                    r->in[1].data[i * rows + j] * r->in[0].data[j * channels + c];
            }
        }
    }
}

static struct umb_gemm product(const struct umb_problem *p)
{
    const int64_t *dim = p->in[0].shape.dim;
    return (struct umb_gemm){.M = (int)dim[0], .N = (int)dim[1], .L = (int)dim[0]};
}

static enum umb_status emit_naive(struct umb_emit *e)
{
    const struct umb_gemm g = product(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[1], e->in[0], e->in[0], e->out[0]);
}

static int packed(const struct umb_problem *p)
{
    return umb__gemm_packed_applies(p->caps) ? 2 : 0;
}

static enum umb_status emit_packed(struct umb_emit *e)
{
    const struct umb_gemm g = product(&e->p);
    return umb__emit_gemm_packed(e, &g, e->in[1], e->in[0], e->in[0], e->out[0]);
}

static const struct umb_solver solvers[] = {
    {"naive", umb__applies_always, emit_naive}, {"packed", packed, emit_packed}, {0}};

static double flops(const struct umb_problem *p)
{
    const struct umb_gemm g = product(p);
    return 2.0 * g.M * g.N * g.L;
}

static const struct umb_attr_desc attrs[] = {
    {.name = "adjacency",
     .type = UMB_ATTR_FLOATS,
     .offset = offsetof(struct graph_attrs, adjacency),
     .required = true,
     .min = -1e6,
     .max = 1e6,
     .help = "the matrix, row by row; an experiment may have it counted from labels"},
    {0}};

static const struct umb_op_case cases[] = {
    {.attrs = "adjacency=2", .in = "1,1@-"},
    {.attrs = "adjacency=0.5,0.5,0.25,0.75", .in = "2,17@-"},
    {.attrs = "adjacency=1,0,0.3,0.5,1,0,0,-0.25,1", .in = "3,40@-"},
    {0}};

static const struct umb_op graph_mix = {
    .name = "graph_mix",
    .help = "the rows of a table [T,C], each as a sum of those it is related to",
    .flags = UMB_OP_LAYER,
    .min_in = 1,
    .max_in = 1,
    .attrs = attrs,
    .attrs_bytes = sizeof(struct graph_attrs),
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .flops = flops,
    .solvers = solvers,
    .cases = cases};

const struct umb_op *const umb__ops_graph_mix[] = {&graph_mix, NULL};
