/*
 * Weights that look at nothing: equal (a sum of losses), fixed, and random (Lin et al., "Reasonable
 * effectiveness of random weighting", TMLR 2022), n·softmax of n normal numbers or n times a point
 * that is uniform on the simplex (Dirichlet(1)), n the number of tasks that are present.
 */
#include <math.h>

#include "balance_internal.h"
#include "rng.h"

static enum umb_status equal_weigh(const void *attrs, const struct umb_balance_facts *f,
                                   double *state, struct umb_balance_result *r)
{
    struct umb_present p;
    (void)attrs;
    (void)state;
    const enum umb_status st = umb__balance_begin(UMB_BALANCE_NOTHING, f, r, &p);
    for (int k = 0; st == UMB_OK && k < p.n; k++) {
        r->weight[p.task[k]] = 1;
    }
    return st;
}

const struct umb_balancer umb__balance_equal = {.name = "equal",
                                                .help = "the sum of the losses",
                                                .class_letter = 'A',
                                                .needs = UMB_BALANCE_NOTHING,
                                                .weighs_heads = true,
                                                .n_state = umb__balance_no_state,
                                                .start = umb__balance_start_nothing,
                                                .weigh = equal_weigh};

/* Fixed. */

struct fixed_attrs {
    struct umb_floats weights;
};

static const struct umb_attr_desc fixed_options[] = {
    {.name = "weights",
     .type = UMB_ATTR_FLOATS,
     .offset = offsetof(struct fixed_attrs, weights),
     .required = true,
     .min = 0,
     .max = 1e6,
     .help = "a weight for each task, in the order of the tasks"},
    {0}};

enum umb_status umb__balance_fixed_check(struct umb_context *ctx, const void *attrs, int n_tasks)
{
    const struct fixed_attrs *a = attrs;
    if (a->weights.n == (size_t)n_tasks) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_INVALID, "weights: %zu are there; expected %d, one for each task",
                     a->weights.n, n_tasks);
}

static enum umb_status fixed_weigh(const void *attrs, const struct umb_balance_facts *f,
                                   double *state, struct umb_balance_result *r)
{
    const struct fixed_attrs *a = attrs;
    struct umb_present p;
    (void)state;
    enum umb_status st = umb__balance_begin(UMB_BALANCE_NOTHING, f, r, &p);
    if (st == UMB_OK) { st = umb__balance_fixed_check(f->ctx, attrs, f->n_tasks); }
    for (int k = 0; st == UMB_OK && k < p.n; k++) {
        r->weight[p.task[k]] = a->weights.value[p.task[k]];
    }
    return st;
}

const struct umb_balancer umb__balance_fixed = {.name = "fixed",
                                                .help = "the losses' sum with given weights",
                                                .class_letter = 'A',
                                                .needs = UMB_BALANCE_NOTHING,
                                                .weighs_heads = true,
                                                .attrs = fixed_options,
                                                .attrs_bytes = sizeof(struct fixed_attrs),
                                                .n_state = umb__balance_no_state,
                                                .start = umb__balance_start_nothing,
                                                .weigh = fixed_weigh};

/* Random. */

struct random_attrs {
    int distribution;
};

static const char *const distributions[] = {"normal", "dirichlet", NULL};
static const struct umb_attr_desc random_options[] = {
    UMB_OPTION_CHOICE(random_attrs, distribution, distributions, "normal",
                      "softmax of normal numbers, or uniform on the simplex"),
    {0}};

/* (0,1], of 32 bits: number `which` of two that a task has in a step. */
static double draw(const struct umb_balance_facts *f, int task, int which)
{
    const uint64_t i = ((uint64_t)f->step * UMB_BALANCE_MAX_TASKS + (uint64_t)task) * 2;
    return (umb__random_u32(f->seed, UMB_RNG_BALANCER, 0, i + (uint64_t)which) + 1.0) * 0x1p-32;
}

/* Box and Muller's. */
static double draw_normal(const struct umb_balance_facts *f, int task)
{
    const double pi = 3.14159265358979323846;
    return sqrt(-2 * log(draw(f, task, 0))) * cos(2 * pi * draw(f, task, 1));
}

/* Exponential numbers over their sum are uniform on the simplex. */
static void draw_dirichlet(const struct umb_balance_facts *f, const struct umb_present *p,
                           double *w)
{
    double sum = 0;
    for (int k = 0; k < p->n; k++) {
        w[k] = -log(draw(f, p->task[k], 0));
        sum += w[k];
    }
    for (int k = 0; k < p->n; k++) {
        w[k] = sum > 0 ? w[k] / sum : 1.0 / p->n;
    }
}

static enum umb_status random_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    const struct random_attrs *a = attrs;
    struct umb_present p;
    double w[UMB_BALANCE_MAX_TASKS];
    (void)state;
    const enum umb_status st = umb__balance_begin(UMB_BALANCE_NOTHING, f, r, &p);
    if (st != UMB_OK || p.n == 0) { return st; }
    if (a->distribution == 1) {
        draw_dirichlet(f, &p, w);
    } else {
        for (int k = 0; k < p.n; k++) {
            w[k] = draw_normal(f, p.task[k]);
        }
        umb__softmax(p.n, w);
    }
    for (int k = 0; k < p.n; k++) {
        w[k] *= p.n;
    }
    umb__balance_scatter(&p, w, r);
    return UMB_OK;
}

const struct umb_balancer umb__balance_random = {.name = "random",
                                                 .help = "other weights at random in each step",
                                                 .class_letter = 'A',
                                                 .needs = UMB_BALANCE_NOTHING,
                                                 .weighs_heads = true,
                                                 .attrs = random_options,
                                                 .attrs_bytes = sizeof(struct random_attrs),
                                                 .n_state = umb__balance_no_state,
                                                 .start = umb__balance_start_nothing,
                                                 .weigh = random_weigh};
