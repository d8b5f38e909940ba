/*
 * adam: adaptive moments, over all parameters at once; with `decoupled`, AdamW. PyTorch's formulas:
 * see cl/optimizer.cl.
 *
 * Inputs: param [P] (written), grad [P], first and second moment [P] (written), hyper
 * [UMB_HYPER_COUNT] (optimizer.h), then, if gradients are clipped, their scale [1]. No output.
 */
#include "optimizer.h"
#include "optimizer_common.h"
#include "update.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

struct adam_attrs {
    double beta1, beta2, epsilon, weight_decay;
    bool decoupled;
};

static const struct umb_attr_desc attrs[] = {
    {.name = "beta1",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct adam_attrs, beta1),
     .min = 0,
     .max = 0.999999,
     .fallback = "0.9",
     .help = "how much of the mean gradient is kept each step"},
    {.name = "beta2",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct adam_attrs, beta2),
     .min = 0,
     .max = 0.999999,
     .fallback = "0.999",
     .help = "how much of the mean squared gradient is kept each step"},
    {.name = "epsilon",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct adam_attrs, epsilon),
     .min = 0,
     .max = 1,
     .fallback = "1e-8",
     .help = "added to the root of the mean squared gradient"},
    {.name = "weight_decay",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct adam_attrs, weight_decay),
     .min = 0,
     .max = 1e3,
     .fallback = "0",
     .help = "times the parameter is added to the gradient, or taken off the parameter"},
    {.name = "decoupled",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct adam_attrs, decoupled),
     .fallback = "false",
     .help = "weight decay acts on the parameter, past the moments (AdamW)"},
    {0}};

static enum umb_status infer(struct umb_infer *io)
{
    return umb__optimizer_infer(io, 2);
}

static void reference(const struct umb_reference *r)
{
    const struct adam_attrs *a = r->attrs;
    const struct umb_update u = umb__optimizer_update(r, 2);
    const double rate = u.hyper[UMB_HYPER_RATE];
    const double step = rate / u.hyper[UMB_HYPER_CORRECTION1];
    const double root = sqrt(u.hyper[UMB_HYPER_CORRECTION2]);
    for (int64_t i = 0; i < u.n; i++) {
        double *p = &u.param[i], *m = &u.moment[0][i], *v = &u.moment[1][i];
        double g = u.scale * u.grad[i];
        if (a->decoupled) {
            *p *= 1 - rate * a->weight_decay;
        } else {
            g += a->weight_decay * *p;
        }
        *m += (1 - a->beta1) * (g - *m);
        *v = a->beta2 * *v + (1 - a->beta2) * g * g;
        *p -= step * *m / (sqrt(*v) / root + a->epsilon);
    }
}

int umb__adam_rule(const void *attributes, struct umb_update_rule *r)
{
    const struct adam_attrs *a = attributes;
    const double number[UMB_UPDATE_NUMBERS] = {a->decoupled ? 0 : a->weight_decay,
                                               a->decoupled ? a->weight_decay : 0,
                                               1 - a->beta1,
                                               a->beta2,
                                               1 - a->beta2,
                                               a->epsilon};
    r->kind = UMB_UPDATE_ADAM;
    memcpy(r->number, number, sizeof number);
    return 2;
}

static const struct umb_kernel kernel = {"adam", "optimizer.cl", "adam", "mrmmrriiiffffff"};

static enum umb_status emit(struct umb_emit *e)
{
    struct umb_update_rule r;
    struct umb_optimizer_walk w;
    const enum umb_status st = umb__optimizer_walk(e, umb__adam_rule(e->p.attrs, &r), &w);
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch launch = umb__spread_launch(&w.spread, &kernel, w.options);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], e->in[3], w.hyper, w.scale,
                            w.n, w.spread.span, w.scale_index, r.number[0], r.number[1],
                            r.number[2], r.number[3], r.number[4], r.number[5]);
}

static double flops(const struct umb_problem *p)
{
    return 16.0 * (double)umb__shape_count(&p->in[0].shape);
}

/* Read: all; written: the parameters and both moments. */
static double bytes(const struct umb_problem *p)
{
    return 7.0 * (double)umb__type_bytes(&p->in[0]);
}

static const struct umb_solver solvers[] = {{"flat", umb__applies_always, emit}, {0}};

static const struct umb_op_case cases[] = {
    {.in = "1 1 1 1:positive 8:positive"},
    {.in = "1003 1003 1003 1003:positive 8:positive 1:unit", .attrs = "weight_decay=0.01"},
    {.in = "4099 4099 4099 4099:positive 8:positive", .attrs = "weight_decay=0.01 decoupled=true"},
    {.in = "200000 200000 200000 200000:positive 8:positive",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op adam = {.name = "adam",
                                   .help = "adaptive moments (Adam, AdamW)",
                                   .min_in = 5,
                                   .max_in = 6,
                                   .attrs = attrs,
                                   .attrs_bytes = sizeof(struct adam_attrs),
                                   .infer = infer,
                                   .reference = reference,
                                   .flops = flops,
                                   .bytes = bytes,
                                   .solvers = solvers,
                                   .cases = cases};

const struct umb_op *const umb__ops_adam[] = {&adam, NULL};
