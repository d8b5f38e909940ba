/*
 * Checking and timing a problem of a trial.
 */
#include "trial_internal.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* Tolerance. */

/* |got − expected| ≤ atol + rtol·|expected| + k·ε·√(reduction length). The first row whose names
 * fit (NULL: any) counts. */
static const struct tolerance {
    const char *op, *solver;
    double atol, rtol, k;
} tolerances[] = {
    {NULL, "winograd4", 2e-5, 2e-5, 32},
    {NULL, "winograd2", 2e-5, 2e-5, 32},
    {NULL, "gpu_winograd4", 2e-5, 2e-5, 32},
    {NULL, "gpu_winograd2", 2e-5, 2e-5, 32},
    /* One accumulator over all n terms: its rounding grows with n, not with its root. */
    {NULL, "naive", 2e-6, 2e-6, 32},
    {NULL, "tile_large", 2e-6, 2e-6, 32},
    {NULL, "tile_medium", 2e-6, 2e-6, 32},
    {NULL, "tile_small", 2e-6, 2e-6, 32},
    {NULL, "mma_large", 2e-6, 2e-6, 32},
    {NULL, "mma_medium", 2e-6, 2e-6, 32},
    /* Each operand is off by up to 2⁻¹¹ of its size, which is 4096 ε: two make less than 1e-3. */
    {NULL, "half_large", 2e-3, 2e-3, 4096},
    {NULL, "half_medium", 2e-3, 2e-3, 4096},
    {NULL, "half_mma_large", 2e-3, 2e-3, 4096},
    {NULL, "half_mma_medium", 2e-3, 2e-3, 4096},
    {"error_sums", NULL, 2e-6, 2e-6, 32},
    {NULL, NULL, 2e-6, 2e-6, 8},
};

static const struct tolerance *find_tolerance(const char *op, const char *solver)
{
    const struct tolerance *t = tolerances;
    while ((t->op && strcmp(t->op, op) != 0) ||
           (t->solver && (!solver || strcmp(t->solver, solver) != 0))) {
        t++;
    }
    return t;
}

/* Terms added up for one output element, from the op's own count of operations. */
static double reduction_length(const struct umb_problem *p)
{
    const double flops = p->op->flops ? p->op->flops(p) : 0;
    int64_t least = INT64_MAX;
    for (int i = 0; i < p->n_out; i++) {
        const int64_t n = umb__shape_count(&p->out[i].shape);
        least = n < least ? n : least;
    }
    const double length = p->n_out ? flops / 2 / (double)least : 0;
    return length > 1 ? length : 1;
}

struct umb_tolerance umb__trial_tolerance(const struct umb_problem *p,
                                          const struct umb_solver *solver)
{
    const struct tolerance *t = find_tolerance(p->op->name, solver ? solver->name : NULL);
    return (struct umb_tolerance){t->atol + t->k * FLT_EPSILON * sqrt(reduction_length(p)),
                                  t->rtol};
}

/* Running. */

/* The tensors of one run, inputs then outputs: on the host in the device's types, and in double. */
struct tensors {
    int n_in, n;
    void *host[MAX_TENSORS];
    struct umb_ref_tensor exact[MAX_TENSORS];
};

static void store(enum umb_dtype dtype, void *host, int64_t i, double x)
{
    switch (dtype) {
    case UMB_F32:
        ((float *)host)[i] = (float)x;
        break;
    case UMB_I32:
        ((int32_t *)host)[i] = (int32_t)x;
        break;
    case UMB_U8:
        ((uint8_t *)host)[i] = (uint8_t)x;
        break;
    }
}

static void tensors_finish(struct tensors *s)
{
    for (int i = 0; i < s->n; i++) {
        umb__free(s->host[i]);
        umb__free(s->exact[i].data);
    }
}

/* Allocates a tensor; source (NULL: an output) is rounded to its type, so that device and reference
 * begin from the same numbers. Outputs begin as NaN (all bits set), so that an element which nobody
 * writes is noticed. */
static enum umb_status add_tensor(struct umb_trial *t, struct tensors *s,
                                  const struct umb_type *type, const double *source)
{
    const int64_t n = umb__shape_count(&type->shape);
    const int at = s->n++;
    s->host[at] = umb__calloc(t->ctx, 1, umb__type_bytes(type));
    s->exact[at].type = type;
    s->exact[at].data = umb__calloc(t->ctx, (size_t)n, sizeof(double));
    if (!s->host[at] || !s->exact[at].data) { return UMB_ERR_NO_MEMORY; }
    if (!source) {
        memset(s->host[at], 0xff, umb__type_bytes(type));
        return UMB_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        store(type->dtype, s->host[at], i, source[i]);
        s->exact[at].data[i] = umb__number_at(type->dtype, s->host[at], i);
    }
    return UMB_OK;
}

static enum umb_status tensors_init(struct umb_trial *t, int index, struct tensors *s)
{
    const struct umb_problem *p = &t->problem[index];
    const struct umb_node *node = &t->graph->node[t->node[index]];
    enum umb_status st = UMB_OK;
    memset(s, 0, sizeof *s);
    s->n_in = p->n_in;
    if (p->n_in + p->n_out > MAX_TENSORS) {
        return umb__fail(t->ctx, UMB_ERR_INVALID, "%s: more than %d tensors", p->op->name,
                         MAX_TENSORS);
    }
    for (int i = 0; i < p->n_in && st == UMB_OK; i++) {
        st = add_tensor(t, s, &p->in[i], t->data[node->in[i]]);
    }
    for (int i = 0; i < p->n_out && st == UMB_OK; i++) {
        st = add_tensor(t, s, &p->out[i], NULL);
    }
    return st;
}

static enum umb_status run(struct umb_trial *t, struct umb_device *device, int index,
                           const struct umb_solver *solver, int repeats, uint64_t *ret_ns,
                           struct tensors *s)
{
    const struct umb_op_run desc = {.p = t->problem[index],
                                    .solver = solver,
                                    .in = s->host,
                                    .out = s->host + s->n_in,
                                    .repeats = repeats,
                                    .ret_ns = ret_ns};
    return umb__op_run(device, &desc);
}

/* 0: equal, as NaN and infinities are to themselves; at most 1: right. */
static double score_element(double got, double expected, double tolerance)
{
    if ((isnan(got) && isnan(expected)) || (isinf(got) && (float)expected == (float)got)) {
        return 0;
    }
    const double score = fabs(got - expected) / tolerance;
    return isnan(score) ? INFINITY : score;
}

/* Keeps the worst element of tensor `at` in r. */
static void compare(const struct tensors *s, int at, const struct tolerance *t, double length,
                    struct umb_trial_result *r)
{
    const struct umb_type *type = s->exact[at].type;
    const int64_t n = umb__shape_count(&type->shape);
    const bool input = at < s->n_in;
    double largest = 0, furthest = 0;
    for (int64_t i = 0; i < n; i++) {
        const double got = umb__number_at(type->dtype, s->host[at], i),
                     expected = s->exact[at].data[i];
        const double tolerance =
            t->atol + t->rtol * fabs(expected) + t->k * FLT_EPSILON * sqrt(length);
        const double score = score_element(got, expected, tolerance);
        largest = fmax(largest, fabs(expected));
        furthest =
            fmax(furthest, isfinite(score) ? (score > 0 ? fabs(got - expected) : 0) : INFINITY);
        if (score > r->score) {
            const struct umb_trial_result worst = {.score = score,
                                                   .input = input,
                                                   .tensor = input ? at : at - s->n_in,
                                                   .index = i,
                                                   .got = got,
                                                   .expected = expected,
                                                   .tolerance = tolerance,
                                                   .error = r->error};
            *r = worst;
        }
    }
    if (furthest > r->error * largest) { r->error = furthest / largest; }
}

enum umb_status umb__trial_check(struct umb_trial *t, struct umb_device *device, int index,
                                 const struct umb_solver *solver,
                                 struct umb_trial_result *ret_result)
{
    const struct umb_problem *p = &t->problem[index];
    struct tensors s;
    enum umb_status st = tensors_init(t, index, &s);
    if (st == UMB_OK) { st = run(t, device, index, solver, 1, NULL, &s); }
    if (st == UMB_OK) {
        const struct umb_reference reference = {.attrs = p->attrs,
                                                .training = p->training,
                                                .n_in = p->n_in,
                                                .n_out = p->n_out,
                                                .in = s.exact,
                                                .out = s.exact + p->n_in};
        p->op->reference(&reference);
        const struct tolerance *tolerance =
            find_tolerance(p->op->name, solver ? solver->name : NULL);
        struct umb_trial_result r = {0};
        for (int i = 0; i < s.n; i++) {
            compare(&s, i, tolerance, reduction_length(p), &r);
        }
        *ret_result = r;
    }
    tensors_finish(&s);
    return st;
}

enum umb_status umb__trial_time(struct umb_trial *t, struct umb_device *device, int index,
                                const struct umb_solver *solver, int repeats, uint64_t *ret_ns)
{
    struct tensors s;
    enum umb_status st = tensors_init(t, index, &s);
    if (st == UMB_OK) { st = run(t, device, index, solver, repeats, ret_ns, &s); }
    tensors_finish(&s);
    return st;
}
