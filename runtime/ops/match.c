/*
 * match: y = x·Hᵀ, the scores of features x [N,…,C] against every row of a table H [T,C]: a dense
 * layer whose weights another layer makes. Gradients: dx = dy·H, dH = dyᵀ·x.
 */
#include "conv_solvers.h"
#include "dense.h"
#include "gpu_tile.h"
#include "simple.h"

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_type *x = &io->in[0], *table = &io->in[1];
    enum umb_status st = umb__expect_f32(io, 0, 0, "features [N,…,C]");
    if (st == UMB_OK) { st = umb__expect_f32(io, 1, 2, "a table [T,C]"); }
    if (st != UMB_OK) { return st; }
    const bool fits = x->shape.rank > 1 && table->n_segments == 0 &&
                      table->shape.dim[1] == umb__shape_channels(&x->shape);
    if (!fits) {
        char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "features %s against %s%s; expected features [N,…,C] and a table [T,C]",
                         umb__shape_text(&x->shape, a, sizeof a),
                         table->n_segments ? "samples " : "",
                         umb__shape_text(&table->shape, b, sizeof b));
    }
    io->n_out = 1;
    io->out[0] = *x;
    io->out[0].shape.dim[x->shape.rank - 1] = table->shape.dim[0];
    io->out[0].folded[0] = io->out[0].folded[1] = io->out[0].folded[2] = 0;
    return UMB_OK;
}

static enum umb_status give_features(struct umb_grad *g)
{
    const int in[] = {umb__grad_dout(g, 0), umb__grad_in(g, 1), umb__grad_in(g, 0)};
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, "match_backward", NULL, 3, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

/* dyᵀ·x is the product that a dense layer of inputs dy and weights' gradient x has. */
static enum umb_status give_table(struct umb_grad *g)
{
    const int in[] = {umb__grad_dout(g, 0), umb__grad_in(g, 0)};
    const struct umb_dense_attrs plain = {
        .units = umb__shape_channels(&umb__grad_type(g, in[1])->shape)};
    int dtable[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, "dense_backward_weights", &plain, 2, in, dtable);
    if (st == UMB_OK) { umb__grad_give(g, 1, dtable[0]); }
    return st;
}

static enum umb_status grad(struct umb_grad *g)
{
    if (umb__grad_dout(g, 0) < 0) { return UMB_OK; }
    const enum umb_status st = umb__grad_wants(g, 0) ? give_features(g) : UMB_OK;
    return st == UMB_OK && umb__grad_wants(g, 1) ? give_table(g) : st;
}

static void reference(const struct umb_reference *r)
{
    const int64_t rows = umb__shape_rows(&r->in[0].type->shape);
    const int64_t channels = umb__shape_channels(&r->in[0].type->shape);
    const int64_t n = r->in[1].type->shape.dim[0];
    for (int64_t i = 0; i < rows * n; i++) {
        const double *x = r->in[0].data + i / n * channels, *h = r->in[1].data + i % n * channels;
        for (int64_t c = 0; c < channels; c++) {
            r->out[0].data[i] += x[c] * h[c];
        }
    }
}

/* Backward to the features: inputs dy, H, x (for its type). */

static enum umb_status backward_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[2];
    return UMB_OK;
}

static void backward_reference(const struct umb_reference *r)
{
    const int64_t rows = umb__shape_rows(&r->in[0].type->shape);
    const int64_t channels = umb__shape_channels(&r->out[0].type->shape);
    const int64_t n = r->in[1].type->shape.dim[0];
    for (int64_t i = 0; i < rows * n; i++) {
        const double *h = r->in[1].data + i % n * channels;
        for (int64_t c = 0; c < channels; c++) {
            r->out[0].data[i / n * channels + c] += r->in[0].data[i] * h[c];
        }
    }
}

/* A dense layer's forward product, whose float16 kernels are not for gradients. */

static enum umb_status naive(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_naive(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static int packed_rank(const struct umb_problem *p)
{
    return umb__gemm_packed_applies(p->caps) ? 3 : 0;
}

static enum umb_status packed(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_packed(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static int clblast_rank(const struct umb_problem *p)
{
    const struct umb_gemm g = umb__dense_forward_gemm(p);
    return umb__clblast_rank(p->caps, &g);
}

static enum umb_status clblast(struct umb_emit *e)
{
    const struct umb_gemm g = umb__dense_forward_gemm(&e->p);
    return umb__emit_gemm_clblast(e, &g, e->in[0], e->in[1], e->in[1], e->out[0]);
}

static const struct umb_solver backward_solvers[] = {{"naive", umb__applies_always, naive},
                                                     {"clblast", clblast_rank, clblast},
                                                     {"packed", packed_rank, packed},
                                                     UMB_GPU_TILE_ROWS(dense, forward),
                                                     {0}};

static double flops(const struct umb_problem *p)
{
    return 2.0 * (double)umb__shape_count(&p->in[0].shape) *
           (double)umb__shape_channels(&p->out[0].shape);
}

static const struct umb_op_case cases[] = {
    {.in = "1,1 1,1@-"},
    {.in = "7,5 3,5@-"},
    {.in = "4,33 17,33@-", .n_streams = 2},
    {.in = "2,3,5,16 11,16@-"},
    {.in = "67,130 40,130@-", .flags = UMB_CASE_NO_GRAD},
    {.in = "3,301 2,301@-"},
    {.in = "64,512 80,512@-", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

/* Its product is that of a dense layer's gradient to the input, with H for the weights. */
static const struct umb_op match = {
    .name = "match",
    .help = "the products of features [N,…,C] with every row of a table [T,C]: scores [N,…,T]",
    .flags = UMB_OP_LAYER,
    .min_in = 2,
    .max_in = 2,
    .attrs_bytes = sizeof(struct umb_dense_attrs),
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .flops = flops,
    .solvers = umb__dense_data_solvers,
    .cases = cases};

static const struct umb_op match_backward = {.name = "match_backward",
                                             .min_in = 3,
                                             .max_in = 3,
                                             .attrs_bytes = sizeof(struct umb_dense_attrs),
                                             .infer = backward_infer,
                                             .reference = backward_reference,
                                             .flops = flops,
                                             .solvers = backward_solvers};

const struct umb_op *const umb__ops_match[] = {&match, &match_backward, NULL};
