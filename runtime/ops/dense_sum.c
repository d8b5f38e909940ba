/*
 * dense_backward_sum: dx = Σ_t dy_t·W_tᵀ, the gradient to what several dense layers of equal size
 * read, as one product over all their units. What the fuse pass makes of a sum of such gradients:
 * no term is written to be added up.
 *
 * Inputs: x [rows,C] (for its type, and the mask), then dy_t [rows,K] and weight_t [C,K] of each
 * layer. mask, set by the fuse pass: dx is 0 wherever x ≤ 0.
 */
#include "dense.h"
#include "simple.h"
#include <stddef.h>

#define MOST_LAYERS 64

static const struct umb_attr_desc inner[] = {
    {"mask", UMB_ATTR_BOOL, offsetof(struct umb_dense_attrs, mask), false, 0, 0, "false", NULL,
     "no gradient where the input is not positive"},
    {0}};

static int n_layers(int n_in)
{
    return (n_in - 1) / 2;
}

static enum umb_status infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    return UMB_OK;
}

static void reference(const struct umb_reference *r)
{
    const struct umb_dense_attrs *a = r->attrs;
    const int64_t rows = umb__shape_rows(&r->in[0].type->shape);
    const int64_t c = umb__shape_channels(&r->in[0].type->shape);
    for (int t = 0; t < n_layers(r->n_in); t++) {
        const double *dy = r->in[1 + 2 * t].data, *w = r->in[2 + 2 * t].data;
        const int64_t k = umb__shape_channels(&r->in[1 + 2 * t].type->shape);
        for (int64_t i = 0; i < rows * c * k; i++) {
            r->out[0].data[i / k] += dy[i / (c * k) * k + i % k] * w[i % (c * k)];
        }
    }
    for (int64_t i = 0; a->mask && i < rows * c; i++) {
        if (r->in[0].data[i] <= 0) { r->out[0].data[i] = 0; }
    }
}

static double flops(const struct umb_problem *p)
{
    return 2.0 * (double)umb__shape_count(&p->in[0].shape) *
           (double)umb__shape_channels(&p->in[1].shape) * n_layers(p->n_in);
}

static double bytes(const struct umb_problem *p)
{
    const struct umb_dense_attrs *a = p->attrs;
    double sum = (double)umb__type_bytes(&p->out[0]) * (a->mask ? 2 : 1);
    for (int i = 1; i < p->n_in; i++) {
        sum += (double)umb__type_bytes(&p->in[i]);
    }
    return sum;
}

/* One layer's product. */
static struct umb_gemm product(const struct umb_problem *p)
{
    const struct umb_dense_attrs *a = p->attrs;
    return (struct umb_gemm){.M = (int)umb__shape_rows(&p->in[0].shape),
                             .N = (int)umb__shape_channels(&p->in[0].shape),
                             .L = (int)umb__shape_channels(&p->in[1].shape),
                             .transpose_b = true,
                             .mask = a->mask};
}

/* Solvers. */

static enum umb_status emit_naive(struct umb_emit *e)
{
    struct umb_gemm g = product(&e->p);
    const bool mask = g.mask;
    int dx = e->out[0];
    enum umb_status st = UMB_OK;
    g.mask = false;
    if (mask) { st = umb__emit_temp(e, umb__type_bytes(&e->p.out[0]), &dx); }
    for (int t = 0; t < n_layers(e->p.n_in) && st == UMB_OK; t++) {
        g.add = t > 0;
        st = umb__emit_gemm_naive(e, &g, e->in[1 + 2 * t], e->in[2 + 2 * t], e->in[0], dx);
    }
    return st == UMB_OK && mask ? umb__emit_dense_mask(e, e->in[0], dx) : st;
}

static int packed(const struct umb_problem *p)
{
    const struct umb_gemm g = product(p);
    return umb__gemm_packed_several_applies(p->caps, &g, n_layers(p->n_in)) ? 5 : 0;
}

static enum umb_status emit_packed(struct umb_emit *e)
{
    const struct umb_gemm g = product(&e->p);
    int a[MOST_LAYERS], b[MOST_LAYERS];
    const int n = n_layers(e->p.n_in);
    for (int t = 0; t < n; t++) {
        a[t] = e->in[1 + 2 * t];
        b[t] = e->in[2 + 2 * t];
    }
    return umb__emit_gemm_packed_several(e, &g, n, a, b, e->in[0], e->out[0]);
}

static const struct umb_solver solvers[] = {
    {"naive", umb__applies_always, emit_naive}, {"packed", packed, emit_packed}, {0}};

static const struct umb_op dense_backward_sum = {.name = "dense_backward_sum",
                                                 .min_in = 5,
                                                 .max_in = 1 + 2 * MOST_LAYERS,
                                                 .inner = inner,
                                                 .attrs_bytes = sizeof(struct umb_dense_attrs),
                                                 .infer = infer,
                                                 .reference = reference,
                                                 .flops = flops,
                                                 .bytes = bytes,
                                                 .solvers = solvers};
const struct umb_op *const umb__ops_dense_sum[] = {&dense_backward_sum, NULL};
