/*
 * loss_weights: losses and totals [2T], coefficients [5+5T] → weights [T] (loss_weights.h).
 */
#include "loss_weights.h"

#include <math.h>

#include "simple.h"

static int tasks_of(const struct umb_type *facts)
{
    return (int)(facts->shape.dim[0] / 2);
}

static enum umb_status infer(struct umb_infer *io)
{
    enum umb_status st = umb__expect_f32(io, 0, 1, "losses and totals");
    if (st == UMB_OK) { st = umb__expect_f32(io, 1, 1, "coefficients"); }
    if (st != UMB_OK) { return st; }
    const int64_t T = tasks_of(&io->in[0]), n = io->in[1].shape.dim[0];
    if (2 * T != io->in[0].shape.dim[0] || n != umb__loss_at(UMB_LOSS_FACTOR, (int)T, (int)T)) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "%lld losses and totals, %lld coefficients; expected 2T and %d + 5T",
                         (long long)io->in[0].shape.dim[0], (long long)n, UMB_LOSS_RULE);
    }
    io->n_out = 1;
    io->out[0] = (struct umb_type){.dtype = UMB_F32, .shape = {1, {T}}};
    return UMB_OK;
}

/* ---- the formula ---- */

struct formula {
    int T;
    const double *fact, *coefficient;
};

static double of(const struct formula *f, enum umb_loss_coefficient c, int t)
{
    return f->coefficient[umb__loss_at(c, f->T, t)];
}

static bool is_present(const struct formula *f, int t)
{
    return f->fact[f->T + t] != 0 && of(f, UMB_LOSS_WEIGHT, t) > 0;
}

/* D_t */
static double value_of(const struct formula *f, int t)
{
    const double loss = of(f, UMB_LOSS_WEIGHT, t) * f->fact[t], *c = f->coefficient;
    return (loss < c[UMB_LOSS_LEAST] ? c[UMB_LOSS_LEAST] : loss) + c[UMB_LOSS_EXTRA];
}

static double exponent_of(const struct formula *f, int t)
{
    return of(f, UMB_LOSS_SLOPE, t) * log(value_of(f, t) / of(f, UMB_LOSS_SCALE, t)) +
           of(f, UMB_LOSS_OFFSET, t);
}

void umb__loss_weights(int T, const double *fact, const double *coefficient, double *weight)
{
    const struct formula f = {T, fact, coefficient};
    double mean = 0, most = -INFINITY, sum = 0;
    int n = 0;
    bool finite = true;
    for (int t = 0; t < T; t++) {
        weight[t] = 0;
        if (!is_present(&f, t)) { continue; }
        finite = finite && value_of(&f, t) > 0 && isfinite(value_of(&f, t));
        mean += log(value_of(&f, t));
        most = fmax(most, exponent_of(&f, t));
        n++;
    }
    for (int t = 0; finite && t < T; t++) {
        sum += is_present(&f, t) ? exp(exponent_of(&f, t) - most) : 0;
    }
    for (int t = 0; finite && t < T; t++) {
        if (!is_present(&f, t)) { continue; }
        const double of_log = coefficient[UMB_LOSS_MEAN] * mean / n -
                              coefficient[UMB_LOSS_OWN] * log(value_of(&f, t)) +
                              coefficient[UMB_LOSS_COUNT] * log(n);
        const double share = exp(exponent_of(&f, t) - most) / sum;
        weight[t] = of(&f, UMB_LOSS_FACTOR, t) * share * exp(fmin(of_log, UMB_LOSS_MOST_LOG));
    }
}

static void reference(const struct umb_reference *r)
{
    umb__loss_weights(tasks_of(r->in[0].type), r->in[0].data, r->in[1].data, r->out[0].data);
}

/* ---- on the device ---- */

static const struct umb_kernel kernel = {"loss_weights", "loss_weights.cl", "loss_weights", "rrwi"};

static enum umb_status emit(struct umb_emit *e)
{
    const struct umb_emit_launch one = {
        .kernel = &kernel, .options = "", .dimensions = 1, .global = {1}, .local = {1}};
    return umb__emit_launch(e, &one, e->in[0], e->in[1], e->out[0], tasks_of(&e->p.in[0]));
}

static const struct umb_solver solvers[] = {{"one", umb__applies_always, emit}, {0}};
static const struct umb_op_case cases[] = {
    {.in = "2:positive 10:positive", .flags = UMB_CASE_NO_GRAD},
    {.in = "4:positive 15:positive", .flags = UMB_CASE_NO_GRAD},
    {.in = "14:mask 40:positive", .flags = UMB_CASE_NO_GRAD},
    {.in = "14:positive 40:unit", .flags = UMB_CASE_NO_GRAD},
    {.in = "128:positive 325:positive", .flags = UMB_CASE_NO_GRAD},
    {0}};

static const struct umb_op loss_weights = {.name = "loss_weights",
                                           .min_in = 2,
                                           .max_in = 2,
                                           .infer = infer,
                                           .reference = reference,
                                           .solvers = solvers,
                                           .cases = cases};

const struct umb_op *const umb__ops_loss_weights[] = {&loss_weights, NULL};
