/*
 * sgd: param ← param − rate·direction, over all parameters at once. PyTorch's formulas.
 *
 * Inputs: param [P] (written), grad [P], with a momentum its buffer [P] (written), hyper
 * [UMB_HYPER_COUNT] (optimizer.h), then, if gradients are clipped, their scale [1]. No output.
 */
#include "optimizer.h"
#include "optimizer_common.h"
#include "update.h"
#include <stddef.h>

struct sgd_attrs {
    double momentum, dampening, weight_decay;
    bool nesterov;
};

static const struct umb_attr_desc attrs[] = {
    {.name = "momentum",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct sgd_attrs, momentum),
     .min = 0,
     .max = 1,
     .fallback = "0",
     .help = "how much of the last step's direction is kept"},
    {.name = "dampening",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct sgd_attrs, dampening),
     .min = 0,
     .max = 1,
     .fallback = "0",
     .help = "how much of the gradient is left out of the momentum"},
    {.name = "weight_decay",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct sgd_attrs, weight_decay),
     .min = 0,
     .max = 1e3,
     .fallback = "0",
     .help = "times the parameter is added to the gradient"},
    {.name = "nesterov",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct sgd_attrs, nesterov),
     .fallback = "false",
     .help = "look ahead along the momentum"},
    {0}};

static bool has_momentum(const void *a)
{
    return ((const struct sgd_attrs *)a)->momentum > 0;
}

static enum umb_status infer(struct umb_infer *io)
{
    const struct sgd_attrs *a = io->attrs;
    if (a->nesterov && (a->momentum <= 0 || a->dampening > 0)) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "nesterov is set with momentum %g and dampening %g; expected a momentum "
                         "and no dampening",
                         a->momentum, a->dampening);
    }
    return umb__optimizer_infer(io, has_momentum(a) ? 1 : 0);
}

static void reference(const struct umb_reference *r)
{
    const struct sgd_attrs *a = r->attrs;
    const struct umb_update u = umb__optimizer_update(r, has_momentum(a) ? 1 : 0);
    for (int64_t i = 0; i < u.n; i++) {
        double d = u.scale * u.grad[i] + a->weight_decay * u.param[i];
        if (has_momentum(a)) {
            double *b = &u.moment[0][i];
            const bool first = u.hyper[UMB_HYPER_FIRST] > 0;
            *b = first ? d : a->momentum * *b + (1 - a->dampening) * d;
            d = a->nesterov ? d + a->momentum * *b : *b;
        }
        u.param[i] -= u.hyper[UMB_HYPER_RATE] * d;
    }
}

int umb__sgd_rule(const void *attributes, struct umb_update_rule *r)
{
    const struct sgd_attrs *a = attributes;
    r->kind = has_momentum(a) ? UMB_UPDATE_MOMENTUM : UMB_UPDATE_SGD;
    r->number[0] = a->weight_decay;
    r->number[1] = a->momentum;
    r->number[2] = 1 - a->dampening;
    r->number[3] = a->nesterov ? 1 : 0;
    return has_momentum(a) ? 1 : 0;
}

static const struct umb_kernel plain = {"sgd_plain", "optimizer.cl", "sgd_plain", "mrrriiif"};
static const struct umb_kernel momentum = {"sgd_momentum", "optimizer.cl", "sgd_momentum",
                                           "mrmrriiiifff"};

static enum umb_status emit(struct umb_emit *e)
{
    const struct sgd_attrs *a = e->p.attrs;
    struct umb_optimizer_walk w;
    const enum umb_status st = umb__optimizer_walk(e, has_momentum(a) ? 1 : 0, &w);
    if (st != UMB_OK) { return st; }
    if (!has_momentum(a)) {
        const struct umb_emit_launch launch = umb__spread_launch(&w.spread, &plain, w.options);
        return umb__emit_launch(e, &launch, e->in[0], e->in[1], w.hyper, w.scale, w.n,
                                w.spread.span, w.scale_index, a->weight_decay);
    }
    const struct umb_emit_launch launch = umb__spread_launch(&w.spread, &momentum, w.options);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], w.hyper, w.scale, w.n,
                            w.spread.span, w.scale_index, (int)a->nesterov, a->weight_decay,
                            a->momentum, 1 - a->dampening);
}

static double flops(const struct umb_problem *p)
{
    return (has_momentum(p->attrs) ? 7.0 : 5.0) * (double)umb__shape_count(&p->in[0].shape);
}

/* Read: all; written: the parameters and the momentum. */
static double bytes(const struct umb_problem *p)
{
    return (has_momentum(p->attrs) ? 5.0 : 3.0) * (double)umb__type_bytes(&p->in[0]);
}

static const struct umb_solver solvers[] = {{"flat", umb__applies_always, emit}, {0}};

static const struct umb_op_case cases[] = {
    {.in = "1 1 8:positive"},
    {.in = "1003 1003 8:positive 1:unit", .attrs = "weight_decay=0.01"},
    {.in = "4099 4099 4099 8:positive", .attrs = "momentum=0.9 dampening=0.5"},
    {.in = "1003 1003 1003 8:unit 1:unit", .attrs = "momentum=0.9 nesterov=true weight_decay=0.01"},
    {.in = "200000 200000 200000 8:positive",
     .attrs = "momentum=0.9",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op sgd = {.name = "sgd",
                                  .help = "stochastic gradient descent, with momentum",
                                  .min_in = 3,
                                  .max_in = 5,
                                  .attrs = attrs,
                                  .attrs_bytes = sizeof(struct sgd_attrs),
                                  .infer = infer,
                                  .reference = reference,
                                  .flops = flops,
                                  .bytes = bytes,
                                  .solvers = solvers,
                                  .cases = cases};

const struct umb_op *const umb__ops_sgd[] = {&sgd, NULL};
