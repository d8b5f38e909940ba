/*
 * cross_entropy: −log softmax at the label, over samples [N,C] or pixels [N,H,W,C].
 *
 * PyTorch's definition, with class weights w and label smoothing ε: see cl/loss.cl. The mean
 * divides by the sum of the labels' weights. A label that is ignore_index, negative or no class
 * does not count.
 */
#include "loss_common.h"
#include <math.h>
#include <stddef.h>

struct cross_entropy_attrs {
    struct umb_floats class_weights;
    double label_smoothing;
    int64_t ignore_index;
};

static const struct umb_attr_desc attrs[] = {
    {.name = "class_weights",
     .type = UMB_ATTR_FLOATS,
     .offset = offsetof(struct cross_entropy_attrs, class_weights),
     .min = 0,
     .max = 1e6,
     .help = "a weight for each class; none: all count the same"},
    {.name = "label_smoothing",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct cross_entropy_attrs, label_smoothing),
     .min = 0,
     .max = 1,
     .fallback = "0",
     .help = "the share of the target that is spread evenly over all classes"},
    {.name = "ignore_index",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct cross_entropy_attrs, ignore_index),
     .min = -1,
     .max = INT32_MAX,
     .fallback = "-1",
     .help = "a label that does not count, beside -1"},
    {0}};

static enum umb_status infer(struct umb_infer *io)
{
    const struct cross_entropy_attrs *a = io->attrs;
    struct umb_shape labels = io->in[0].shape;
    const int64_t n_classes = umb__shape_channels(&labels);
    labels.rank--;
    if (a->class_weights.n > 0 && (int64_t)a->class_weights.n != n_classes) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "class_weights has %zu numbers; expected one for each of %lld classes",
                         a->class_weights.n, (long long)n_classes);
    }
    return umb__loss_infer(io, UMB_I32, &labels);
}

/* Reference. */

struct problem {
    const struct umb_reference *r;
    const struct cross_entropy_attrs *a;
    int64_t n_rows, n_classes, per;
};

static struct problem open_problem(const struct umb_reference *r)
{
    const struct umb_shape *shape = &r->in[0].type->shape; /* [N,…,C] */
    const int64_t rows = umb__shape_rows(shape);
    return (struct problem){r, r->attrs, rows, umb__shape_channels(shape), rows / shape->dim[0]};
}

static double weight(const struct problem *p, int64_t c)
{
    return p->a->class_weights.n ? (float)p->a->class_weights.value[c] : 1;
}

/* The row's class, −1 where it does not count. */
static int64_t label(const struct problem *p, int64_t row)
{
    const double y = p->r->in[1].data[row];
    const bool is_class = y >= 0 && y < (double)p->n_classes;
    const bool counts =
        is_class && y != (double)p->a->ignore_index && umb__loss_counts(p->r, row / p->per);
    return counts ? (int64_t)y : -1;
}

static double log_sum_exp(const double *x, int64_t n)
{
    double high = x[0], sum = 0;
    for (int64_t c = 1; c < n; c++) {
        high = fmax(high, x[c]);
    }
    for (int64_t c = 0; c < n; c++) {
        sum += exp(x[c] - high);
    }
    return high + log(sum);
}

static void reference(const struct umb_reference *r)
{
    const struct problem p = open_problem(r);
    const double smoothing = p.a->label_smoothing;
    double loss = 0, total = 0;
    for (int64_t row = 0; row < p.n_rows; row++) {
        const double *x = r->in[0].data + row * p.n_classes; /* [C] */
        const int64_t y = label(&p, row);
        if (y < 0) { continue; }
        const double norm = log_sum_exp(x, p.n_classes);
        loss += (1 - smoothing) * weight(&p, y) * (norm - x[y]);
        for (int64_t c = 0; c < p.n_classes && smoothing > 0; c++) {
            loss += smoothing / (double)p.n_classes * weight(&p, c) * (norm - x[c]);
        }
        total += weight(&p, y);
    }
    umb__loss_put(r, loss, total);
}

static void backward_reference(const struct umb_reference *r)
{
    const struct problem p = open_problem(r);
    const double smoothing = p.a->label_smoothing, share = smoothing / (double)p.n_classes;
    const double scale = umb__loss_scale(r);
    double weights = 0;
    for (int64_t c = 0; c < p.n_classes; c++) {
        weights += weight(&p, c);
    }
    for (int64_t row = 0; row < p.n_rows; row++) {
        const double *x = r->in[0].data + row * p.n_classes; /* [C] */
        double *dx = r->out[0].data + row * p.n_classes;     /* [C] */
        const int64_t y = label(&p, row);
        if (y < 0) { continue; }
        const double norm = log_sum_exp(x, p.n_classes), own = (1 - smoothing) * weight(&p, y);
        for (int64_t c = 0; c < p.n_classes; c++) {
            const double slope = exp(x[c] - norm) * (own + share * weights);
            dx[c] = scale * (slope - share * weight(&p, c) - (c == y ? own : 0));
        }
    }
}

/* Kernels. */

static const struct umb_kernel forward_kernel = {"cross_entropy_forward", "loss.cl",
                                                 "cross_entropy_forward", "rrrwwwiiiiiffl"};
static const struct umb_kernel backward_kernel = {"cross_entropy_backward", "loss.cl",
                                                  "cross_entropy_backward", "rrrrrwiiiiiff"};

struct shape {
    int rows, per, classes, ignore;
    double weights; /* Σ w */
};

static struct shape shape_of(const struct umb_emit *e)
{
    const struct cross_entropy_attrs *a = e->p.attrs;
    const struct umb_shape *x = &e->p.in[0].shape;
    struct shape s = {.rows = (int)umb__shape_rows(x),
                      .classes = (int)umb__shape_channels(x),
                      .ignore = (int)a->ignore_index};
    s.per = s.rows / (int)x->dim[0];
    s.weights = a->class_weights.n ? 0 : s.classes;
    for (size_t c = 0; c < a->class_weights.n; c++) {
        s.weights += (float)a->class_weights.value[c];
    }
    return s;
}

static enum umb_status emit_forward(struct umb_emit *e)
{
    const struct cross_entropy_attrs *a = e->p.attrs;
    const struct shape s = shape_of(e);
    struct umb_loss_walk w;
    const enum umb_status st = umb__loss_walk(e, s.rows, s.classes, &a->class_weights, &w);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = umb__spread_launch(&w.spread, &forward_kernel, w.options);
    const enum umb_status launched = umb__emit_launch(
        e, &launch, e->in[0], e->in[1], e->in[2], w.sums, e->out[0], e->out[1], s.rows, s.per,
        s.classes, s.ignore, w.spread.span, a->label_smoothing, s.weights, w.scratch_bytes);
    return launched == UMB_OK ? umb__loss_finish(e, &w) : launched;
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    const struct cross_entropy_attrs *a = e->p.attrs;
    const struct shape s = shape_of(e);
    struct umb_loss_walk w;
    const enum umb_status st = umb__loss_walk(e, s.rows, s.classes, &a->class_weights, &w);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch =
        umb__spread_launch(&w.spread, &backward_kernel, w.options);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], e->in[3], e->in[4], e->out[0],
                            s.rows, s.per, s.classes, s.ignore, w.spread.span, a->label_smoothing,
                            s.weights);
}

static const struct umb_solver solvers[] = {{"rows", umb__applies_always, emit_forward}, {0}};
static const struct umb_solver backward_solvers[] = {{"rows", umb__applies_always, emit_backward},
                                                     {0}};

static double flops(const struct umb_problem *p)
{
    return 5.0 * (double)umb__shape_count(&p->in[0].shape);
}

static enum umb_status grad(struct umb_grad *g)
{
    return umb__loss_grad(g, "cross_entropy_backward");
}

static const struct umb_op_case cases[] = {
    {.in = "64,10 64:labels 64:mask", .flags = UMB_CASE_BENCH},
    {.in = "1,1 1:labels 1:positive"},
    {.in = "7,13 7:gaps 7:mask", .attrs = "label_smoothing=0.1"},
    {.in = "33,3 33:gaps 33:mask", .attrs = "class_weights=0.5,2,1 ignore_index=1"},
    {.in = "17,5 17:labels 17:mask", .attrs = "class_weights=0.5,2,1,0,3 label_smoothing=0.3"},
    {.in = "3,5,7,2 3,5,7:gaps 3:mask"},
    {.in = "2,48,48,2 2,48,48:gaps 2:positive", .flags = UMB_CASE_NO_GRAD},
    {.in = "64,32,32,2 64,32,32:labels 64:mask", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "64,1000 64:labels 64:mask", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op cross_entropy = {
    .name = "cross_entropy",
    .help = "classification of samples or pixels by one of C classes, from logits",
    .flags = UMB_OP_LOSS,
    .min_in = 3,
    .max_in = 3,
    .attrs = attrs,
    .attrs_bytes = sizeof(struct cross_entropy_attrs),
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .flops = flops,
    .solvers = solvers,
    .cases = cases};

static const struct umb_op cross_entropy_backward = {.name = "cross_entropy_backward",
                                                     .min_in = 5,
                                                     .max_in = 5,
                                                     .attrs = attrs,
                                                     .attrs_bytes =
                                                         sizeof(struct cross_entropy_attrs),
                                                     .infer = umb__loss_backward_infer,
                                                     .reference = backward_reference,
                                                     .flops = flops,
                                                     .solvers = backward_solvers};

const struct umb_op *const umb__ops_cross_entropy[] = {&cross_entropy, &cross_entropy_backward,
                                                       NULL};
