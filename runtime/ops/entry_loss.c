/*
 * Losses that compare the prediction with a number, entry by entry: mse, l1, huber, and
 * binary_cross_entropy on logits. PyTorch's definitions; formulas in cl/loss.cl.
 *
 * prediction and labels [N,…,D]. The mean is over entries: those of samples with a mask whose label
 * is not NaN. The four differ in a formula and its slope; the rest is made once, by ENTRY_LOSS.
 */
#include "loss_common.h"
#include <math.h>
#include <stddef.h>

/* One struct for all four, so that the rest is the same; each op shows users its own part. */
struct entry_loss_attrs {
    double delta;
    struct umb_floats pos_weight;
};

static const struct umb_attr_desc huber_attrs[] = {
    {.name = "delta",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct entry_loss_attrs, delta),
     .min = 1e-6,
     .max = 1e6,
     .fallback = "1",
     .help = "where the loss turns from a parabola to a line"},
    {0}};

static const struct umb_attr_desc binary_attrs[] = {
    {.name = "pos_weight",
     .type = UMB_ATTR_FLOATS,
     .offset = offsetof(struct entry_loss_attrs, pos_weight),
     .min = 0,
     .max = 1e6,
     .help = "a weight of the positive answers, one for all columns or one each"},
    {0}};

static const struct umb_attr_desc no_attrs[] = {{0}};

static enum umb_status infer(struct umb_infer *io)
{
    const struct entry_loss_attrs *a = io->attrs;
    const int64_t columns = umb__shape_channels(&io->in[0].shape);
    if (a->pos_weight.n > 1 && (int64_t)a->pos_weight.n != columns) {
        return umb__fail(
            io->ctx, UMB_ERR_INVALID,
            "pos_weight has %zu numbers; expected one, or one for each of %lld columns",
            a->pos_weight.n, (long long)columns);
    }
    return umb__loss_infer(io, UMB_F32, &io->in[0].shape);
}

/* Formulas. */

/* x prediction, y label, d huber's delta, w the weight of a positive answer. */
typedef double (*entry_fn)(double x, double y, double d, double w);

static double mse_loss(double x, double y, double d, double w)
{
    (void)d, (void)w;
    return (x - y) * (x - y);
}
static double mse_slope(double x, double y, double d, double w)
{
    (void)d, (void)w;
    return 2 * (x - y);
}

static double l1_loss(double x, double y, double d, double w)
{
    (void)d, (void)w;
    return fabs(x - y);
}
static double l1_slope(double x, double y, double d, double w)
{
    (void)d, (void)w;
    return (x > y) - (x < y);
}

static double huber_loss(double x, double y, double d, double w)
{
    (void)w;
    const double a = fabs(x - y);
    return a > d ? d * (a - d / 2) : a * a / 2;
}
static double huber_slope(double x, double y, double d, double w)
{
    (void)w;
    return fabs(x - y) > d ? copysign(d, x - y) : x - y;
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double binary_loss(double x, double y, double d, double w)
{
    (void)d;
    return (1 - y) * softplus(x) + w * y * softplus(-x);
}
static double binary_slope(double x, double y, double d, double w)
{
    (void)d;
    return (1 - y) / (1 + exp(-x)) - w * y / (1 + exp(x));
}

/* Reference. */

/* Adds up fn over the entries that count, or writes scale·fn to each of them. */
static void each_entry(const struct umb_reference *r, entry_fn fn, double scale, double *sum,
                       double *count, double *each)
{
    const struct entry_loss_attrs *a = r->attrs;
    const struct umb_shape *shape = &r->in[0].type->shape; /* [N,…,D] */
    const int64_t n = umb__shape_count(shape), per = n / shape->dim[0];
    for (int64_t i = 0; i < n; i++) {
        const double y = r->in[1].data[i];
        if (isnan(y) || !umb__loss_counts(r, i / per)) { continue; }
        const size_t weights = a->pos_weight.n;
        const double w = weights ? (float)a->pos_weight.value[(size_t)i % weights] : 1;
        const double value = fn(r->in[0].data[i], y, (float)a->delta, w);
        if (each) { each[i] = scale * value; }
        *sum += value;
        *count += 1;
    }
}

static void forward_reference(const struct umb_reference *r, entry_fn loss)
{
    double sum = 0, count = 0;
    each_entry(r, loss, 1, &sum, &count, NULL);
    umb__loss_put(r, sum, count);
}

static void backward_reference(const struct umb_reference *r, entry_fn slope)
{
    double sum = 0, count = 0;
    each_entry(r, slope, umb__loss_scale(r), &sum, &count, r->out[0].data);
}

/* Kernels. */

/* As in cl/loss.cl. */
enum kind { KIND_MSE, KIND_L1, KIND_HUBER, KIND_BINARY };

static const struct umb_kernel forward_kernel = {"entry_loss_forward", "loss.cl",
                                                 "entry_loss_forward", "rrrwwwiiiifl"};
static const struct umb_kernel backward_kernel = {"entry_loss_backward", "loss.cl",
                                                  "entry_loss_backward", "rrrrrwiiiif"};

static enum umb_status emit_forward(struct umb_emit *e, enum kind kind)
{
    const struct entry_loss_attrs *a = e->p.attrs;
    const int64_t n = umb__shape_count(&e->p.in[0].shape), per = n / e->p.in[0].shape.dim[0];
    struct umb_loss_walk w;
    enum umb_status st = umb__loss_walk(e, n, 1, &a->pos_weight, &w);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = umb__spread_launch(&w.spread, &forward_kernel, w.options);
    st = umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], w.sums, e->out[0], e->out[1],
                          (int)n, (int)per, (int)kind, w.spread.span, a->delta, w.scratch_bytes);
    return st == UMB_OK ? umb__loss_finish(e, &w) : st;
}

static enum umb_status emit_backward(struct umb_emit *e, enum kind kind)
{
    const struct entry_loss_attrs *a = e->p.attrs;
    const int64_t n = umb__shape_count(&e->p.in[0].shape), per = n / e->p.in[0].shape.dim[0];
    struct umb_loss_walk w;
    const enum umb_status st = umb__loss_walk(e, n, 1, &a->pos_weight, &w);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch =
        umb__spread_launch(&w.spread, &backward_kernel, w.options);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], e->in[3], e->in[4], e->out[0],
                            (int)n, (int)per, (int)kind, w.spread.span, a->delta);
}

static double flops(const struct umb_problem *p)
{
    return 4.0 * (double)umb__shape_count(&p->in[0].shape);
}

/* Rows. */

/* The two rows of one loss, NAME and NAME_backward. */
#define ENTRY_LOSS(NAME, HELP, KIND, LOSS, SLOPE, ATTRS, CASES)                                   \
    static void NAME##_reference(const struct umb_reference *r)                                   \
    {                                                                                             \
        forward_reference(r, LOSS);                                                               \
    }                                                                                             \
    static void NAME##_backward_reference(const struct umb_reference *r)                          \
    {                                                                                             \
        backward_reference(r, SLOPE);                                                             \
    }                                                                                             \
    static enum umb_status NAME##_emit(struct umb_emit *e)                                        \
    {                                                                                             \
        return emit_forward(e, KIND);                                                             \
    }                                                                                             \
    static enum umb_status NAME##_backward_emit(struct umb_emit *e)                               \
    {                                                                                             \
        return emit_backward(e, KIND);                                                            \
    }                                                                                             \
    static enum umb_status NAME##_grad(struct umb_grad *g)                                        \
    {                                                                                             \
        return umb__loss_grad(g, #NAME "_backward");                                              \
    }                                                                                             \
    static const struct umb_solver NAME##_solvers[] = {                                           \
        {"entries", umb__applies_always, NAME##_emit}, {0}};                                      \
    static const struct umb_solver NAME##_backward_solvers[] = {                                  \
        {"entries", umb__applies_always, NAME##_backward_emit}, {0}};                             \
    static const struct umb_op NAME = {.name = #NAME,                                             \
                                       .help = HELP,                                              \
                                       .flags = UMB_OP_LOSS,                                      \
                                       .min_in = 3,                                               \
                                       .max_in = 3,                                               \
                                       .attrs = ATTRS,                                            \
                                       .attrs_bytes = sizeof(struct entry_loss_attrs),            \
                                       .infer = infer,                                            \
                                       .grad = NAME##_grad,                                       \
                                       .reference = NAME##_reference,                             \
                                       .flops = flops,                                            \
                                       .solvers = NAME##_solvers,                                 \
                                       .cases = CASES};                                           \
    static const struct umb_op NAME##_backward = {.name = #NAME "_backward",                      \
                                                  .min_in = 5,                                    \
                                                  .max_in = 5,                                    \
                                                  .attrs = ATTRS,                                 \
                                                  .attrs_bytes = sizeof(struct entry_loss_attrs), \
                                                  .infer = umb__loss_backward_infer,              \
                                                  .reference = NAME##_backward_reference,         \
                                                  .flops = flops,                                 \
                                                  .solvers = NAME##_backward_solvers};

static const struct umb_op_case number_cases[] = {
    {.in = "64,2 64,2 64:mask", .flags = UMB_CASE_BENCH},
    {.in = "1,1 1,1 1:positive"},
    {.in = "5,7,3,1 5,7,3,1 5:mask"},
    {.in = "3,41,43,1 3,41,43,1 3:positive", .flags = UMB_CASE_NO_GRAD},
    {0}};

static const struct umb_op_case huber_cases[] = {
    {.in = "64,2 64,2 64:mask", .flags = UMB_CASE_BENCH},
    {.in = "1,1 1,1 1:positive"},
    {.in = "5,7,3,1 5,7,3,1 5:mask", .attrs = "delta=0.3"},
    {.in = "3,41,43,1 3,41,43,1 3:positive", .attrs = "delta=2.5", .flags = UMB_CASE_NO_GRAD},
    {0}};

static const struct umb_op_case binary_cases[] = {
    {.in = "64,1 64,1:unit 64:mask", .flags = UMB_CASE_BENCH},
    {.in = "1,1 1,1:unit 1:positive"},
    {.in = "19,3 19,3:mask 19:mask", .attrs = "pos_weight=0.5,1,4"},
    {.in = "5,7,3,2 5,7,3,2:unit 5:mask", .attrs = "pos_weight=3"},
    {.in = "3,41,43,1 3,41,43,1:mask 3:positive", .flags = UMB_CASE_NO_GRAD},
    {.in = "64,32,32,1 64,32,32,1:mask 64:mask", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

ENTRY_LOSS(mse, "mean of squared errors", KIND_MSE, mse_loss, mse_slope, no_attrs, number_cases)
ENTRY_LOSS(l1, "mean of absolute errors", KIND_L1, l1_loss, l1_slope, no_attrs, number_cases)
ENTRY_LOSS(huber, "squared errors up to delta, absolute beyond", KIND_HUBER, huber_loss,
           huber_slope, huber_attrs, huber_cases)
ENTRY_LOSS(binary_cross_entropy, "yes or no for each column, from logits", KIND_BINARY, binary_loss,
           binary_slope, binary_attrs, binary_cases)

const struct umb_op *const umb__ops_entry_loss[] = {&mse,
                                                    &mse_backward,
                                                    &l1,
                                                    &l1_backward,
                                                    &huber,
                                                    &huber_backward,
                                                    &binary_cross_entropy,
                                                    &binary_cross_entropy_backward,
                                                    NULL};
