/* tune_run.c: one solver on a sample, and whether it was right. */
#include "trial.h"
#include "tune_internal.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The one-row problem expects what was worked out of row 0. */
static double expected_at(const struct umb_sample *s, const struct umb_tune_expected *e, bool one,
                          int64_t i)
{
    if (one) { return e->row[0][i]; }
    return e->all ? e->all[i] : e->row[s->row_of[i / e->row_count]][i % e->row_count];
}

static bool is_right(double got, double expected, const struct umb_tolerance *t)
{
    if (isnan(expected)) { return isnan(got); }
    if (isinf(got)) { return (float)expected == (float)got; }
    return fabs(got - expected) <= t->at_least + t->share * fabs(expected);
}

/* Looks at tensor k; the first wrong element goes into ret_wrong. */
static void compare(const struct umb_sample *s, const struct umb_problem *p, bool one, int k,
                    const void *host, const struct umb_tolerance *t, char *ret_wrong)
{
    const struct umb_type *type = umb__tune_type(p, k);
    const struct umb_tune_expected *e = &s->expected[k];
    const int64_t count = umb__shape_count(&type->shape);
    for (int64_t i = 0; i < count; i++) {
        const double got = umb__number_at(type->dtype, host, i),
                     expected = expected_at(s, e, one, i);
        if (is_right(got, expected, t)) { continue; }
        const bool input = k < p->n_in;
        snprintf(ret_wrong, UMB_TUNE_NOTE, "%s %d at %" PRId64 " is %.7g, expected %.7g",
                 input ? "input" : "output", input ? k : k - p->n_in, i, got, expected);
        return;
    }
}

static void judge(const struct umb_sample *s, const struct umb_problem *p, bool one,
                  const struct umb_solver *solver, void *const *host, void *const *before,
                  char *ret_wrong)
{
    struct umb_tolerance t = umb__trial_tolerance(p, solver);
    t.at_least *= UMB_TRIAL_MARGIN;
    t.share *= UMB_TRIAL_MARGIN;
    ret_wrong[0] = 0;
    for (int k = 0; k < p->n_in + p->n_out && !ret_wrong[0]; k++) {
        const struct umb_tune_expected *e = &s->expected[k];
        if (e->all || e->row[0]) {
            compare(s, p, one, k, host[k], &t, ret_wrong);
        } else if (memcmp(host[k], before[k], umb__type_bytes(umb__tune_type(p, k))) != 0) {
            snprintf(ret_wrong, UMB_TUNE_NOTE, "input %d is written, expected it to stay", k);
        }
    }
}

static enum umb_status run(const struct umb_problem *p, struct umb_device *device,
                           const struct umb_solver *solver, void *const *host, int repeats,
                           uint64_t *ret_ns)
{
    const struct umb_op_run desc = {.p = *p,
                                    .solver = solver,
                                    .in = host,
                                    .out = host + p->n_in,
                                    .repeats = repeats,
                                    .ret_ns = ret_ns};
    return umb__op_run(device, &desc);
}

enum umb_status umb__sample_run(struct umb_sample *s, struct umb_device *device,
                                const struct umb_solver *solver, int repeats, uint64_t *ret_ns,
                                char *ret_wrong)
{
    const struct umb_problem *p = &s->p;
    void *host[UMB_TUNE_MAX_TENSORS];
    for (int k = 0; k < p->n_in + p->n_out; k++) {
        const size_t bytes = umb__type_bytes(umb__tune_type(p, k));
        host[k] = s->work[k] ? s->work[k] : s->in[k];
        if (k < p->n_in && s->work[k]) { memcpy(s->work[k], s->in[k], bytes); }
        /* NaN, so that an element which nobody writes is noticed */
        if (k >= p->n_in) { memset(s->work[k], 0xff, bytes); }
    }
    const enum umb_status st = run(p, device, solver, host, repeats, ret_ns);
    ret_wrong[0] = 0;
    if (st == UMB_OK && s->checked) { judge(s, p, false, solver, host, s->in, ret_wrong); }
    return st;
}

enum umb_status umb__sample_run_one(struct umb_sample *s, struct umb_device *device,
                                    const struct umb_solver *solver, uint64_t *ret_ns,
                                    char *ret_wrong)
{
    const struct umb_problem *p = &s->one;
    void *host[UMB_TUNE_MAX_TENSORS];
    uint64_t ns[2];
    for (int k = 0; k < p->n_in + p->n_out; k++) {
        const size_t bytes = umb__type_bytes(umb__tune_type(p, k));
        host[k] = s->work[k]; /* large enough for a row */
        if (k < p->n_in) {
            memcpy(host[k], s->one_in[k], bytes);
        } else {
            memset(host[k], 0xff, bytes);
        }
    }
    const enum umb_status st = run(p, device, solver, host, 2, ns);
    if (st != UMB_OK) { return st; }
    *ret_ns = ns[1];
    judge(s, p, true, solver, host, s->one_in, ret_wrong);
    return UMB_OK;
}
