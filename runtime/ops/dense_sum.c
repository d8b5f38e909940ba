/*
 * dense_backward_sum: dx = Σ_t dy_t·W_tᵀ, the gradient to what several dense layers read, as one
 * product over all their units. What the fuse pass makes of a sum of such gradients:
 * no term is written to be added up.
 *
 * Inputs: x [rows,C] (for its type, and the mask), then dy_t [rows,K_t] and weight_t [C,K_t] of
 * each layer. mask, set by the fuse pass: dx is 0 wherever x ≤ 0.
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

static int units_of(const struct umb_problem *p, int layer)
{
    return (int)umb__shape_channels(&p->in[1 + 2 * layer].shape);
}

static double flops(const struct umb_problem *p)
{
    double units = 0;
    for (int t = 0; t < n_layers(p->n_in); t++) {
        units += (double)units_of(p, t);
    }
    return 2.0 * (double)umb__shape_count(&p->in[0].shape) * units;
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

/* A layer's product. */
static struct umb_gemm product(const struct umb_problem *p, int layer)
{
    const struct umb_dense_attrs *a = p->attrs;
    return (struct umb_gemm){.M = (int)umb__shape_rows(&p->in[0].shape),
                             .N = (int)umb__shape_channels(&p->in[0].shape),
                             .L = units_of(p, layer),
                             .transpose_b = true,
                             .mask = a->mask};
}

/* Solvers. */

static enum umb_status emit_naive(struct umb_emit *e)
{
    const bool mask = product(&e->p, 0).mask;
    int dx = e->out[0];
    enum umb_status st = UMB_OK;
    if (mask) { st = umb__emit_temp(e, umb__type_bytes(&e->p.out[0]), &dx); }
    for (int t = 0; t < n_layers(e->p.n_in) && st == UMB_OK; t++) {
        struct umb_gemm g = product(&e->p, t);
        g.mask = false;
        g.add = t > 0;
        st = umb__emit_gemm_naive(e, &g, e->in[1 + 2 * t], e->in[2 + 2 * t], e->in[0], dx);
    }
    return st == UMB_OK && mask ? umb__emit_dense_mask(e, e->in[0], dx) : st;
}

static bool are_equal(const struct umb_problem *p)
{
    for (int t = 1; t < n_layers(p->n_in); t++) {
        if (units_of(p, t) != units_of(p, 0)) { return false; }
    }
    return true;
}

static int packed(const struct umb_problem *p)
{
    const struct umb_gemm g = product(p, 0);
    const bool can =
        are_equal(p) && umb__gemm_packed_several_applies(p->caps, &g, n_layers(p->n_in));
    return can ? 5 : 0;
}

/* What the products of all layers are made of; inputs are NULL, to ask. */
struct layers {
    int terms[MOST_LAYERS], a[MOST_LAYERS], b[MOST_LAYERS];
    struct umb_several of;
};

static void list_layers(const struct umb_problem *p, const int *in, struct layers *l)
{
    l->of = (struct umb_several){n_layers(p->n_in), l->terms, l->a, l->b};
    for (int t = 0; t < l->of.n; t++) {
        l->terms[t] = units_of(p, t);
        l->a[t] = in ? in[1 + 2 * t] : -1;
        l->b[t] = in ? in[2 + 2 * t] : -1;
    }
}

static enum umb_status emit_packed(struct umb_emit *e)
{
    const struct umb_gemm g = product(&e->p, 0);
    struct layers l;
    list_layers(&e->p, e->in, &l);
    return umb__emit_gemm_packed_several(e, &g, l.of.n, l.a, l.b, e->in[0], e->out[0]);
}

/* As for one layer: where the weights together are larger than the caches. */
static int few(const struct umb_problem *p)
{
    struct umb_gemm g = product(p, 0);
    struct layers l;
    list_layers(p, NULL, &l);
    if (!umb__gemm_few_several_applies(p->caps, &g, &l.of)) { return 0; }
    g.L = 0;
    for (int t = 0; t < l.of.n; t++) {
        g.L += l.terms[t];
    }
    return umb__gemm_few_pays(&g) ? 6 : 2;
}

static enum umb_status emit_few(struct umb_emit *e)
{
    const struct umb_gemm g = product(&e->p, 0);
    struct layers l;
    list_layers(&e->p, e->in, &l);
    return umb__emit_gemm_few_several(e, &g, &l.of, e->in[0], e->out[0]);
}

static const struct umb_solver solvers[] = {{"naive", umb__applies_always, emit_naive},
                                            {"packed", packed, emit_packed},
                                            {"few", few, emit_few},
                                            {0}};

#define THREE(dy, w) dy " " w " " dy " " w " " dy " " w
static const struct umb_op_case cases[] = {
    {.in = "5,7 5,3 7,3 5,3 7,3"},
    {.in = "64,100 64,16 100,16 64,16 100,16"},
    {.in = "33,130 33,8 130,8 33,8 130,8", .attrs = "mask=true"},
    {.in = "24,100 24,16 100,16 24,9 100,9 24,33 100,33"},
    {.in = "9,170 9,16 170,16 9,9 170,9 9,33 170,33", .attrs = "mask=true"},
    {.in =
         "70,97 " THREE("70,16", "97,16") " " THREE("70,16", "97,16") " " THREE("70,16", "97,16")},
    {.in = "20,150 " THREE("20,24", "150,24") " " THREE("20,24", "150,24") " " THREE(
         "20,24", "150,24") " " THREE("20,24", "150,24") " " THREE("20,24",
                                                                   "150,24") " " THREE("20,24",
                                                                                       "150,24"),
     .attrs = "mask=true"},
    {.in = "64,1600 " THREE("64,64", "1600,64") " " THREE("64,64", "1600,64") " " THREE("64,64",
                                                                                        "1600,64"),
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op dense_backward_sum = {.name = "dense_backward_sum",
                                                 .min_in = 5,
                                                 .max_in = 1 + 2 * MOST_LAYERS,
                                                 .inner = inner,
                                                 .attrs_bytes = sizeof(struct umb_dense_attrs),
                                                 .infer = infer,
                                                 .reference = reference,
                                                 .flops = flops,
                                                 .bytes = bytes,
                                                 .solvers = solvers,
                                                 .cases = cases};
const struct umb_op *const umb__ops_dense_sum[] = {&dense_backward_sum, NULL};
