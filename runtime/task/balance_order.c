/*
 * Rules that take one task's gradient after another and change it by all the others, in an order
 * drawn anew for each step and task: pcgrad (Yu et al., "Gradient surgery for multi-task learning",
 * NeurIPS 2020), gradvac (Wang et al., "Gradient vaccine", ICLR 2021). A changed gradient is kept
 * as its coefficients c, Σ_j c_j g_j, whose products with all gradients are Gc.
 */
#include <math.h>

#include "balance_internal.h"
#include "rng.h"

struct changed {
    double c[UMB_SMALL], gc[UMB_SMALL];
};

static void begin(const struct umb_gram *g, int i, struct changed *h)
{
    for (int j = 0; j < g->n; j++) {
        h->c[j] = j == i ? 1 : 0;
        h->gc[j] = g->g[i][j];
    }
}

static void add(const struct umb_gram *g, struct changed *h, int j, double a)
{
    h->c[j] += a;
    for (int k = 0; k < g->n; k++) {
        h->gc[k] += a * g->g[j][k];
    }
}

static void draw_order(const struct umb_balance_facts *f, int n, int task, uint32_t *order)
{
    const uint32_t stream = (uint32_t)((uint64_t)f->step * UMB_BALANCE_MAX_TASKS + (uint64_t)task);
    umb__random_permutation(f->seed, UMB_RNG_BALANCER, stream, order, (size_t)n);
}

/* pcgrad. */

static void pcgrad_rule(const void *attrs, const struct umb_balance_facts *f,
                        const struct umb_gram *g, double *state, double *w,
                        struct umb_balance_result *r)
{
    uint32_t order[UMB_SMALL];
    struct changed h;
    double sum[UMB_SMALL] = {0};
    (void)attrs;
    (void)state;
    (void)r;
    for (int i = 0; i < g->n; i++) {
        begin(g, i, &h);
        draw_order(f, g->n, g->present.task[i], order);
        for (int k = 0; k < g->n; k++) {
            const int j = (int)order[k];
            if (j == i || h.gc[j] >= 0 || g->g[j][j] <= 0) { continue; }
            add(g, &h, j, -h.gc[j] / g->g[j][j]);
        }
        for (int j = 0; j < g->n; j++) {
            sum[j] += h.c[j];
        }
    }
    for (int j = 0; j < g->n; j++) {
        w[j] = sum[j];
    }
}

static enum umb_status pcgrad_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, pcgrad_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_pcgrad = {
    .name = "pcgrad",
    .help = "each gradient without what conflicts with the others, projected in random order",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = pcgrad_weigh};

/* gradvac: state is ρ̂ [T,T], targets of cosines. */

struct gradvac_attrs {
    double beta;
};

/* Sines below this count as it: a target of about 1 can hardly be reached by adding g_j. */
#define LEAST_SINE 1e-4

static const struct umb_attr_desc gradvac_options[] = {
    UMB_OPTION_NUMBER(gradvac_attrs, beta, 0, 1, "0.01", "share of a new cosine in its target"),
    {0}};

static int64_t gradvac_n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return (int64_t)n_tasks * n_tasks;
}

static void gradvac_start(const void *attrs, int n_tasks, double *state)
{
    for (int64_t i = 0; i < gradvac_n_state(attrs, n_tasks); i++) {
        state[i] = 0;
    }
}

/* Raises the cosine of the changed gradient with g_j to *target where it is below, then moves the
 * target. Gradients of 0 have no cosine. */
static void vaccinate(const struct umb_gram *g, struct changed *h, int j, double beta,
                      double *target)
{
    const double square = umb__small_dot(g->n, h->c, h->gc);
    const double length = square > 0 ? sqrt(square) : 0;
    if (length * g->d[j] <= 0) { return; }
    const double cosine = fmax(-1, fmin(1, h->gc[j] / (length * g->d[j])));
    if (cosine < *target) {
        const double sine = sqrt(1 - cosine * cosine),
                     target_sine = fmax(sqrt(1 - *target * *target), LEAST_SINE);
        add(g, h, j, length * (*target * sine - cosine * target_sine) / (g->d[j] * target_sine));
    }
    *target = (1 - beta) * *target + beta * cosine;
}

static void gradvac_rule(const void *attrs, const struct umb_balance_facts *f,
                         const struct umb_gram *g, double *state, double *w,
                         struct umb_balance_result *r)
{
    const struct gradvac_attrs *a = attrs;
    uint32_t order[UMB_SMALL];
    struct changed h;
    double sum[UMB_SMALL] = {0};
    (void)r;
    for (int i = 0; i < g->n; i++) {
        double *targets = state + (ptrdiff_t)g->present.task[i] * f->n_tasks;
        begin(g, i, &h);
        draw_order(f, g->n, g->present.task[i], order);
        for (int k = 0; k < g->n; k++) {
            const int j = (int)order[k];
            if (j != i) { vaccinate(g, &h, j, a->beta, &targets[g->present.task[j]]); }
        }
        for (int j = 0; j < g->n; j++) {
            sum[j] += h.c[j];
        }
    }
    for (int j = 0; j < g->n; j++) {
        w[j] = sum[j];
    }
}

static enum umb_status gradvac_weigh(const void *attrs, const struct umb_balance_facts *f,
                                     double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, gradvac_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_gradvac = {
    .name = "gradvac",
    .help = "each gradient turned towards the others until cosines reach their running means",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .attrs = gradvac_options,
    .attrs_bytes = sizeof(struct gradvac_attrs),
    .n_state = gradvac_n_state,
    .start = gradvac_start,
    .weigh = gradvac_weigh};
