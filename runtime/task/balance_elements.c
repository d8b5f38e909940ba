/*
 * Rules that the device works out element by element: excessmtl (He et al., "Robust multi-task
 * learning with excess risks", ICML 2024), whose sums come from there, and graddrop (Chen et al.,
 * "Just pick a sign", NeurIPS 2020), which has no weights.
 */
#include <math.h>

#include "balance_internal.h"

/* excessmtl: state: log w_t, then the first values (0: none yet). */

struct excess_attrs {
    double rate;
};

#define LEAST_LOG (-700.0) /* of a weight below the largest */

static const struct umb_attr_desc excess_options[] = {
    UMB_OPTION_NUMBER(excess_attrs, rate, 0, 1e3, "0.01", "of the weights' growth with the excess"),
    {0}};

static int64_t excess_n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return 2 * (int64_t)n_tasks;
}

static void excess_start(const void *attrs, int n_tasks, double *state)
{
    for (int64_t i = 0; i < excess_n_state(attrs, n_tasks); i++) {
        state[i] = 0;
    }
}

static enum umb_status excess_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    const struct excess_attrs *a = attrs;
    struct umb_present p;
    double w[UMB_BALANCE_MAX_TASKS], most = -INFINITY;
    const enum umb_status st = umb__balance_begin(UMB_BALANCE_EXCESS, f, r, &p);
    if (st != UMB_OK || p.n == 0) { return st; }
    for (int k = 0; k < p.n; k++) {
        double *first = &state[f->n_tasks + p.task[k]], *log_w = &state[p.task[k]];
        const double e = f->excess[p.task[k]];
        if (*first == 0) { *first = e + 1e-7; }
        *log_w += a->rate * fmin(e / *first, 1e100);
    }
    for (int t = 0; t < f->n_tasks; t++) {
        most = fmax(most, state[t]);
    }
    for (int t = 0; t < f->n_tasks; t++) {
        state[t] = fmax(state[t] - most, LEAST_LOG);
    }
    for (int k = 0; k < p.n; k++) {
        w[k] = state[p.task[k]];
    }
    umb__softmax(p.n, w);
    for (int k = 0; k < p.n; k++) {
        w[k] *= p.n;
    }
    umb__balance_scatter(&p, w, r);
    return UMB_OK;
}

const struct umb_balancer umb__balance_excessmtl = {
    .name = "excessmtl",
    .help = "more weight for tasks that are far from the best they can reach",
    .class_letter = 'C',
    .needs = UMB_BALANCE_EXCESS,
    .attrs = excess_options,
    .attrs_bytes = sizeof(struct excess_attrs),
    .n_state = excess_n_state,
    .start = excess_start,
    .weigh = excess_weigh};

/* graddrop. */

struct graddrop_attrs {
    double leak;
};

static const struct umb_attr_desc graddrop_options[] = {
    UMB_OPTION_NUMBER(graddrop_attrs, leak, 0, 1, "0", "share that is kept of what is dropped"),
    {0}};

double umb__graddrop_element(int n, const double *g, double u, double leak)
{
    double sum = 0, size = 0, kept = 0;
    for (int t = 0; t < n; t++) {
        sum += g[t];
        size += fabs(g[t]);
    }
    const double p = size > 0 ? 0.5 * (1 + sum / size) : 0.5;
    for (int t = 0; t < n; t++) {
        const bool chosen = (g[t] > 0 && p > u) || (g[t] < 0 && p <= u);
        kept += chosen ? g[t] : leak * g[t];
    }
    return kept;
}

static enum umb_status graddrop_weigh(const void *attrs, const struct umb_balance_facts *f,
                                      double *state, struct umb_balance_result *r)
{
    struct umb_present p;
    (void)attrs;
    (void)state;
    const enum umb_status st = umb__balance_begin(UMB_BALANCE_ELEMENTS, f, r, &p);
    for (int k = 0; st == UMB_OK && k < p.n; k++) {
        r->weight[p.task[k]] = 1;
    }
    return st;
}

const struct umb_balancer umb__balance_graddrop = {
    .name = "graddrop",
    .help = "at every element the gradients of one sign, drawn by how much of it there is",
    .class_letter = 'D',
    .needs = UMB_BALANCE_ELEMENTS,
    .attrs = graddrop_options,
    .attrs_bytes = sizeof(struct graddrop_attrs),
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = graddrop_weigh};
