/*
 * clip_scale: grad [P] → min(1, max_norm / (‖grad‖₂ + 1e-6)) [1], which the optimizer ops multiply
 * gradients by. PyTorch's clip_grad_norm_: an infinite norm gives 0 (so infinite gradients become
 * NaN and others 0), a NaN norm gives NaN. Squares are summed in float32, as there.
 */
#include "spread.h"
#include "team.h"
#include <math.h>
#include <stddef.h>

#define LEAST_SPAN 4096
#define MOST_GROUPS 256

struct clip_attrs {
    double max_norm;
};

static const struct umb_attr_desc attrs[] = {{.name = "max_norm",
                                              .type = UMB_ATTR_FLOAT,
                                              .offset = offsetof(struct clip_attrs, max_norm),
                                              .required = true,
                                              .min = 1e-12,
                                              .max = 1e12,
                                              .help = "the longest gradient that is left alone"},
                                             {0}};

static enum umb_status infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = (struct umb_type){.dtype = UMB_F32, .shape = {.rank = 1, .dim = {1}}};
    return UMB_OK;
}

static void reference(const struct umb_reference *r)
{
    const struct clip_attrs *a = r->attrs;
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    double squares = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += r->in[0].data[i] * r->in[0].data[i];
    }
    const double scale = a->max_norm / (sqrt(squares) + 1e-6);
    r->out[0].data[0] = scale > 1 ? 1 : scale;
}

static const struct umb_kernel squares = {"clip_squares", "optimizer.cl", "clip_squares",
                                          "rwwiifl"};
static const struct umb_kernel finish = {"clip_finish", "optimizer.cl", "clip_finish", "rwifl"};

static enum umb_status emit(struct umb_emit *e)
{
    const struct clip_attrs *a = e->p.attrs;
    const int64_t n = umb__shape_count(&e->p.in[0].shape);
    struct umb_spread s = umb__spread(e->p.caps, n, LEAST_SPAN, MOST_GROUPS);
    const size_t n_sums = s.groups, scratch_bytes = s.local * sizeof(float);
    const char *options = umb__emit_printf(e, "-DVW=%d%s", s.lanes, umb__shuffle_option(e->p.caps));
    int sums = -1;
    enum umb_status st = umb__emit_temp(e, n_sums * sizeof(float), &sums);
    if (st != UMB_OK || !options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch first = umb__spread_launch(&s, &squares, options);
    st = umb__emit_launch(e, &first, e->in[0], sums, e->out[0], (int)n, s.span, a->max_norm,
                          scratch_bytes);
    if (st != UMB_OK || n_sums == 1) { return st; }
    s.groups = 1;
    const struct umb_emit_launch last = umb__spread_launch(&s, &finish, options);
    return umb__emit_launch(e, &last, sums, e->out[0], (int)n_sums, a->max_norm, scratch_bytes);
}

static double flops(const struct umb_problem *p)
{
    return 2.0 * (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_solver solvers[] = {{"flat", umb__applies_always, emit}, {0}};

static const struct umb_op_case cases[] = {
    {.in = "1", .attrs = "max_norm=0.1"},
    {.in = "1003", .attrs = "max_norm=1"},
    {.in = "1003", .attrs = "max_norm=1000"},
    {.in = "20011", .attrs = "max_norm=2"},
    {.in = "200000", .attrs = "max_norm=2", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op clip_scale = {.name = "clip_scale",
                                         .help = "the factor that cuts a gradient to a norm",
                                         .min_in = 1,
                                         .max_in = 1,
                                         .attrs = attrs,
                                         .attrs_bytes = sizeof(struct clip_attrs),
                                         .infer = infer,
                                         .reference = reference,
                                         .flops = flops,
                                         .solvers = solvers,
                                         .cases = cases};

const struct umb_op *const umb__ops_clip_scale[] = {&clip_scale, NULL};
