/*
 * Activations y = f(x), element by element, and their gradients dx = f'·dy.
 *
 * Where f' can be told from y, backward takes y, so that x need not be kept. Kernels carry the
 * names of their ops.
 */
#include "simple.h"
#include <math.h>
#include <string.h>

struct activation_attrs {
    double slope;    /* leaky_relu */
    int approximate; /* gelu: 0 exact, 1 by tanh */
};

/* Reference. */

typedef double (*value_fn)(double x, const struct activation_attrs *a);
typedef double (*slope_fn)(double saved, const struct activation_attrs *a);

static void map(const struct umb_reference *r, value_fn f)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i] = f(r->in[0].data[i], r->attrs);
    }
}

static void map_backward(const struct umb_reference *r, slope_fn slope)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i] = r->in[1].data[i] * slope(r->in[0].data[i], r->attrs);
    }
}

static double relu_value(double x, const struct activation_attrs *a)
{
    (void)a;
    return x <= 0 ? 0 : x;
}

static double relu_slope(double y, const struct activation_attrs *a)
{
    (void)a;
    return y <= 0 ? 0 : 1;
}

static double leaky_relu_value(double x, const struct activation_attrs *a)
{
    return x <= 0 ? a->slope * x : x;
}

static double leaky_relu_slope(double y, const struct activation_attrs *a)
{
    return y <= 0 ? a->slope : 1;
}

static double sigmoid_value(double x, const struct activation_attrs *a)
{
    (void)a;
    return 1 / (1 + exp(-x));
}

static double sigmoid_slope(double y, const struct activation_attrs *a)
{
    (void)a;
    return y * (1 - y);
}

static double tanh_value(double x, const struct activation_attrs *a)
{
    (void)a;
    return tanh(x);
}

static double tanh_slope(double y, const struct activation_attrs *a)
{
    (void)a;
    return 1 - y * y;
}

static const double root_2_pi = 0.79788456080286535588, cubic = 0.044715;

static double gelu_value(double x, const struct activation_attrs *a)
{
    const double inner =
        a->approximate ? tanh(root_2_pi * (x + cubic * x * x * x)) : erf(x / sqrt(2));
    return 0.5 * x * (1 + inner);
}

static double gelu_slope(double x, const struct activation_attrs *a)
{
    if (a->approximate) {
        const double t = tanh(root_2_pi * (x + cubic * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root_2_pi * (1 + 3 * cubic * x * x);
    }
    return 0.5 * (1 + erf(x / sqrt(2))) + x * root_2_pi / 2 * exp(-x * x / 2);
}

#define REFERENCES(name)                                                 \
    static void name##_reference(const struct umb_reference *r)          \
    {                                                                    \
        map(r, name##_value);                                            \
    }                                                                    \
    static void name##_backward_reference(const struct umb_reference *r) \
    {                                                                    \
        map_backward(r, name##_slope);                                   \
    }
REFERENCES(relu)
REFERENCES(leaky_relu)
REFERENCES(sigmoid)
REFERENCES(tanh)
REFERENCES(gelu)

/* Gradient. */

static enum umb_status grad_from(struct umb_grad *g, const char *op, int saved)
{
    int dx[UMB_OP_MAX_OUT];
    const int in[2] = {saved, umb__grad_dout(g, 0)};
    if (in[1] < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    const enum umb_status st = umb__grad_node(g, op, umb__grad_attrs(g), 2, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

#define GRAD_FROM(name, saved)                             \
    static enum umb_status name##_grad(struct umb_grad *g) \
    {                                                      \
        return grad_from(g, #name "_backward", saved);     \
    }
GRAD_FROM(relu, umb__grad_out(g, 0))
GRAD_FROM(leaky_relu, umb__grad_out(g, 0))
GRAD_FROM(sigmoid, umb__grad_out(g, 0))
GRAD_FROM(tanh, umb__grad_out(g, 0))
GRAD_FROM(gelu, umb__grad_in(g, 0))

/* Kernels. */

#define KERNELS(name)                                                    \
    {#name, "activation.cl", #name "_forward", "rwiifi"},                \
    {                                                                    \
#name "_backward", "activation.cl", #name "_backward", "rrwiifi" \
    }
static const struct umb_kernel kernels[] = {KERNELS(relu), KERNELS(leaky_relu), KERNELS(sigmoid),
                                            KERNELS(tanh), KERNELS(gelu)};

static enum umb_status emit(struct umb_emit *e)
{
    const struct activation_attrs *a = e->p.attrs;
    const struct umb_kernel *kernel = kernels;
    while (strcmp(kernel->name, e->p.op->name) != 0) {
        kernel++;
    }
    const int64_t n = umb__shape_count(&e->p.in[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, n);
    const char *options = umb__lanes_option(e, s.lanes);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = umb__spread_launch(&s, kernel, options);
    if (e->p.n_in == 1) {
        return umb__emit_launch(e, &launch, e->in[0], e->out[0], (int)n, s.span, a->slope,
                                a->approximate);
    }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], (int)n, s.span, a->slope,
                            a->approximate);
}

static const struct umb_solver solvers[] = {{"elementwise", umb__applies_always, emit}, {0}};

static double flops(const struct umb_problem *p)
{
    return (double)umb__shape_count(&p->in[0].shape);
}

/* Rows. */

static const struct umb_attr_desc leaky_attrs[] = {
    {.name = "slope",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct activation_attrs, slope),
     .min = 0,
     .max = 1,
     .fallback = "0.01",
     .help = "the factor of negative inputs"},
    {0}};

static const char *const approximations[] = {"none", "tanh", NULL};
static const struct umb_attr_desc gelu_attrs[] = {
    {.name = "approximate",
     .type = UMB_ATTR_CHOICE,
     .offset = offsetof(struct activation_attrs, approximate),
     .fallback = "none",
     .choices = approximations,
     .help = "none: with erf; tanh: the usual approximation of it"},
    {0}};

static const struct umb_op_case cases[] = {
    {.in = "1,1"},
    {.in = "3,5,7,2"},
    {.in = "4,17"},
    {.in = "2,8,8,16", .n_streams = 2},
    {.in = "5,29,31,3"},
    {.in = "128,26,26,32", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op_case leaky_cases[] = {{.in = "3,5,7,2"},
                                                 {.in = "4,17", .attrs = "slope=0.3"},
                                                 {.in = "4,17", .attrs = "slope=0"},
                                                 {0}};

static const struct umb_op_case gelu_cases[] = {
    {.in = "3,5,7,2"},
    {.in = "4,17", .attrs = "approximate=tanh"},
    {.in = "4,8,8,33"},
    {.in = "128,26,26,32", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

#define ROWS(op_name, attr_rows, case_rows, text)                                                  \
    static const struct umb_op op_name##_op = {.name = #op_name,                                   \
                                               .help = text,                                       \
                                               .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,             \
                                               .min_in = 1,                                        \
                                               .max_in = 1,                                        \
                                               .attrs = attr_rows,                                 \
                                               .attrs_bytes = sizeof(struct activation_attrs),     \
                                               .infer = umb__infer_same,                           \
                                               .grad = op_name##_grad,                             \
                                               .reference = op_name##_reference,                   \
                                               .flops = flops,                                     \
                                               .solvers = solvers,                                 \
                                               .cases = case_rows};                                \
    static const struct umb_op op_name##_backward_op = {.name = #op_name "_backward",              \
                                                        .min_in = 2,                               \
                                                        .max_in = 2,                               \
                                                        .attrs_bytes =                             \
                                                            sizeof(struct activation_attrs),       \
                                                        .infer = umb__infer_same,                  \
                                                        .reference = op_name##_backward_reference, \
                                                        .flops = flops,                            \
                                                        .solvers = solvers};

ROWS(relu, NULL, cases, "max(x, 0)")
ROWS(leaky_relu, leaky_attrs, leaky_cases, "x, or slope·x where x is negative")
ROWS(sigmoid, NULL, cases, "1 / (1 + exp(−x))")
ROWS(tanh, NULL, cases, "the hyperbolic tangent")
ROWS(gelu, gelu_attrs, gelu_cases, "x·Φ(x), Φ the normal distribution function")

const struct umb_op *const umb__ops_activation[] = {&relu_op,
                                                    &relu_backward_op,
                                                    &leaky_relu_op,
                                                    &leaky_relu_backward_op,
                                                    &sigmoid_op,
                                                    &sigmoid_backward_op,
                                                    &tanh_op,
                                                    &tanh_backward_op,
                                                    &gelu_op,
                                                    &gelu_backward_op,
                                                    NULL};
