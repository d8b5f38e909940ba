/*
 * gradnorm (Chen et al., "GradNorm: gradient normalization for adaptive loss balancing", ICML
 * 2018): weights move so that the norms of weighted gradients come close to a common one, larger
 * for tasks whose losses fell least. State: w_t, then the first losses (0: none yet).
 */
#include <math.h>

#include "balance_internal.h"

#define LEAST_WEIGHT 1e-6

struct gradnorm_attrs {
    double alpha, rate;
};

static const struct umb_attr_desc options[] = {
    UMB_OPTION_NUMBER(gradnorm_attrs, alpha, 0, 10, "1.5", "how much slow tasks are favoured"),
    UMB_OPTION_NUMBER(gradnorm_attrs, rate, 0, 1e3, "0.025", "of a weight's step"),
    {0}};

static int64_t n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return 2 * (int64_t)n_tasks;
}

static void start(const void *attrs, int n_tasks, double *state)
{
    (void)attrs;
    for (int t = 0; t < n_tasks; t++) {
        state[t] = 1;
        state[n_tasks + t] = 0;
    }
}

/* ret_norm[n]: what each weighted norm should be, n̄·r^α. */
static void target_norms(const struct gradnorm_attrs *a, const struct umb_gram *g, const double *w,
                         double *first, double *ret_norm)
{
    double mean_rate = 0, mean_norm = 0;
    for (int k = 0; k < g->n; k++) {
        const double loss = fmax(g->present.loss[k], UMB_BALANCE_LEAST_LOSS);
        double *l0 = &first[g->present.task[k]];
        if (*l0 == 0) { *l0 = loss; }
        ret_norm[k] = fmin(loss / *l0, 1e100);
        mean_rate += ret_norm[k] / g->n;
        mean_norm += w[k] * g->d[k] / g->n;
    }
    for (int k = 0; k < g->n; k++) {
        ret_norm[k] = mean_norm * pow(ret_norm[k] / mean_rate, a->alpha);
    }
}

/* w[n] ← w − rate·sign(n_t − target_t)·d_t, with the sum that they had. */
static void move(const struct gradnorm_attrs *a, const struct umb_gram *g, const double *target,
                 double *w)
{
    const double root = sqrt(g->scale);
    double before = 0, after = 0;
    for (int k = 0; k < g->n; k++) {
        const double over = w[k] * g->d[k] - target[k];
        const double sign = over > 0 ? 1 : over < 0 ? -1 : 0;
        before += w[k];
        w[k] = fmax(w[k] - a->rate * sign * g->d[k] * root, LEAST_WEIGHT);
        after += w[k];
    }
    for (int k = 0; k < g->n; k++) {
        w[k] *= before / after;
    }
}

static void rule(const void *attrs, const struct umb_balance_facts *f, const struct umb_gram *g,
                 double *state, double *w, struct umb_balance_result *r)
{
    double target[UMB_SMALL], next[UMB_SMALL];
    (void)r;
    for (int k = 0; k < g->n; k++) {
        next[k] = w[k] = state[g->present.task[k]];
    }
    target_norms(attrs, g, w, state + f->n_tasks, target);
    move(attrs, g, target, next);
    for (int k = 0; k < g->n; k++) {
        state[g->present.task[k]] = next[k];
    }
}

static enum umb_status weigh(const void *attrs, const struct umb_balance_facts *f, double *state,
                             struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_gradnorm = {
    .name = "gradnorm",
    .help = "weights that move towards gradients of like norms",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .attrs = options,
    .attrs_bytes = sizeof(struct gradnorm_attrs),
    .n_state = n_state,
    .start = start,
    .weigh = weigh};
