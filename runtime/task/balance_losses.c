/*
 * Weights from losses, without anything that is learned by descent: dwa (Liu et al., "End-to-end
 * multi-task learning with attention", CVPR 2019), gls (Chennupati et al., "MultiNet++", CVPR
 * workshop 2019), stch (Lin et al., "Smooth Tchebycheff scalarization for multi-objective
 * optimization", ICML 2024, with the warm-up of its authors' code).
 */
#include <math.h>

#include "balance_internal.h"

static double at_least(double loss)
{
    return fmax(loss, UMB_BALANCE_LEAST_LOSS);
}

/* dwa: state is a struct dwa a task. */

struct dwa {
    double sum, n;       /* of the losses in this epoch */
    double last, before; /* means of the last epoch that had any, and of the one before */
    double n_means;
};
struct dwa_attrs {
    double temperature;
};

#define MOST_RATIO 1e6 /* of epoch means, where the older one is about 0 */

static const struct umb_attr_desc dwa_options[] = {
    UMB_OPTION_NUMBER(dwa_attrs, temperature, 1e-3, 1e6, "2", "high: weights closer to 1"), {0}};

static int64_t dwa_n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return n_tasks * (int64_t)(sizeof(struct dwa) / sizeof(double));
}

static void dwa_start(const void *attrs, int n_tasks, double *state)
{
    for (int64_t i = 0; i < dwa_n_state(attrs, n_tasks); i++) {
        state[i] = 0;
    }
}

static void end_epoch(struct dwa *t)
{
    if (t->n > 0) {
        t->before = t->last;
        t->last = t->sum / t->n;
        t->n_means++;
    }
    t->sum = t->n = 0;
}

/* 1 before there are two means, so that all of them make weights of 1. */
static double falling(const struct dwa *t)
{
    if (t->n_means < 2) { return 1; }
    return fmin(fabs(t->last) / fmax(fabs(t->before), UMB_BALANCE_LEAST_LOSS), MOST_RATIO);
}

static enum umb_status dwa_weigh(const void *attrs, const struct umb_balance_facts *f,
                                 double *state, struct umb_balance_result *r)
{
    const struct dwa_attrs *a = attrs;
    struct dwa *task = (struct dwa *)state;
    struct umb_present p;
    double w[UMB_BALANCE_MAX_TASKS];
    const enum umb_status st = umb__balance_begin(UMB_BALANCE_NOTHING, f, r, &p);
    if (st != UMB_OK) { return st; }
    for (int t = 0; f->epoch_begins && t < f->n_tasks; t++) {
        end_epoch(&task[t]);
    }
    for (int k = 0; k < p.n; k++) {
        w[k] = falling(&task[p.task[k]]) / a->temperature;
    }
    if (p.n > 0) { umb__softmax(p.n, w); }
    for (int k = 0; k < p.n; k++) {
        w[k] *= p.n;
    }
    umb__balance_scatter(&p, w, r);
    return UMB_OK;
}

static void dwa_learn(const void *attrs, const struct umb_balance_facts *f, double *state)
{
    struct dwa *task = (struct dwa *)state;
    (void)attrs;
    for (int t = 0; t < f->n_tasks; t++) {
        if (!isfinite(task[t].sum + f->loss[t])) { continue; }
        task[t].sum += f->loss[t];
        task[t].n++;
    }
}

const struct umb_balancer umb__balance_dwa = {.name = "dwa",
                                              .help = "more weight for losses that fall slowly",
                                              .class_letter = 'A',
                                              .needs = UMB_BALANCE_NOTHING,
                                              .weighs_heads = true,
                                              .attrs = dwa_options,
                                              .attrs_bytes = sizeof(struct dwa_attrs),
                                              .n_state = dwa_n_state,
                                              .start = dwa_start,
                                              .weigh = dwa_weigh,
                                              .learn = dwa_learn};

/* ---- by coefficients ---- */

void umb__loss_coefficients(int T, double *coefficient)
{
    coefficient[UMB_LOSS_LEAST] = UMB_BALANCE_LEAST_LOSS;
    coefficient[UMB_LOSS_EXTRA] = coefficient[UMB_LOSS_MEAN] = coefficient[UMB_LOSS_OWN] = 0;
    coefficient[UMB_LOSS_COUNT] = 0;
    for (int t = 0; t < T; t++) {
        UMB_LOSS_OF(coefficient, UMB_LOSS_SLOPE, T, t) = 0;
        UMB_LOSS_OF(coefficient, UMB_LOSS_OFFSET, T, t) = 0;
        UMB_LOSS_OF(coefficient, UMB_LOSS_SCALE, T, t) = 1;
        UMB_LOSS_OF(coefficient, UMB_LOSS_WEIGHT, T, t) = 1;
        UMB_LOSS_OF(coefficient, UMB_LOSS_FACTOR, T, t) = 1;
    }
}

enum umb_status umb__balance_by_losses(const struct umb_balancer *row, const void *attrs,
                                       const struct umb_balance_facts *f, const double *state,
                                       struct umb_balance_result *r)
{
    struct umb_present p;
    double fact[2 * UMB_BALANCE_MAX_TASKS] = {0};
    double coefficient[UMB_LOSS_RULE + 5 * UMB_BALANCE_MAX_TASKS];
    const enum umb_status st = umb__balance_begin(UMB_BALANCE_LOSSES, f, r, &p);
    if (st != UMB_OK) { return st; }
    for (int k = 0; k < p.n; k++) {
        fact[p.task[k]] = p.loss[k];
        fact[f->n_tasks + p.task[k]] = 1;
    }
    row->coefficients(attrs, f, state, coefficient);
    umb__loss_weights(f->n_tasks, fact, coefficient, r->weight);
    if (f->n_tasks == 1 && p.n == 1) { r->weight[0] = 1; }
    return UMB_OK;
}

/* gls: the gradient of exp(mean log L) is Σ GLS/(n·L_t) g_t. */

static void gls_coefficients(const void *attrs, const struct umb_balance_facts *f,
                             const double *state, double *coefficient)
{
    (void)attrs;
    (void)state;
    umb__loss_coefficients(f->n_tasks, coefficient);
    coefficient[UMB_LOSS_MEAN] = coefficient[UMB_LOSS_OWN] = 1;
}

static enum umb_status gls_weigh(const void *attrs, const struct umb_balance_facts *f,
                                 double *state, struct umb_balance_result *r)
{
    return umb__balance_by_losses(&umb__balance_gls, attrs, f, state, r);
}

const struct umb_balancer umb__balance_gls = {.name = "gls",
                                              .help = "the geometric mean of the losses",
                                              .class_letter = 'A',
                                              .needs = UMB_BALANCE_LOSSES,
                                              .weighs_heads = true,
                                              .n_state = umb__balance_no_state,
                                              .start = umb__balance_start_nothing,
                                              .weigh = gls_weigh,
                                              .coefficients = gls_coefficients};

/* stch: state is a struct stch a task. */

struct stch {
    double sum, n; /* of the losses that are averaged to the nadir's estimate */
};
struct stch_attrs {
    double mu;
    int64_t warmup;
};

static const struct umb_attr_desc stch_options[] = {
    UMB_OPTION_NUMBER(stch_attrs, mu, 1e-3, 1e3, "1", "low: closer to the worst task alone"),
    {.name = "warmup",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct stch_attrs, warmup),
     .min = 0,
     .max = 1e6,
     .fallback = "4",
     .help = "epochs before the one in which losses are averaged"},
    {0}};

int64_t umb__balance_stch_warmup(const void *attrs)
{
    return ((const struct stch_attrs *)attrs)->warmup + 1;
}

static int64_t stch_n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return n_tasks * (int64_t)(sizeof(struct stch) / sizeof(double));
}

static void stch_start(const void *attrs, int n_tasks, double *state)
{
    for (int64_t i = 0; i < stch_n_state(attrs, n_tasks); i++) {
        state[i] = 0;
    }
}

/* n·p_t/L_t; in the warm-up p is 1/n. A task that had no label in the epoch of averages has
 * log(L/n_t) = 0 in its first step behind that. */
static void stch_coefficients(const void *attrs, const struct umb_balance_facts *f,
                              const double *state, double *coefficient)
{
    const struct stch_attrs *a = attrs;
    const struct stch *task = (const struct stch *)state;
    const int T = f->n_tasks;
    umb__loss_coefficients(T, coefficient);
    coefficient[UMB_LOSS_OWN] = coefficient[UMB_LOSS_COUNT] = 1;
    for (int t = 0; f->epoch > a->warmup + 1 && t < T; t++) {
        if (!(task[t].n > 0)) { continue; }
        UMB_LOSS_OF(coefficient, UMB_LOSS_SLOPE, T, t) = 1 / a->mu;
        UMB_LOSS_OF(coefficient, UMB_LOSS_SCALE, T, t) = at_least(task[t].sum / task[t].n);
    }
}

static enum umb_status stch_weigh(const void *attrs, const struct umb_balance_facts *f,
                                  double *state, struct umb_balance_result *r)
{
    return umb__balance_by_losses(&umb__balance_stch, attrs, f, state, r);
}

static void stch_learn(const void *attrs, const struct umb_balance_facts *f, double *state)
{
    const struct stch_attrs *a = attrs;
    struct stch *task = (struct stch *)state;
    for (int t = 0; t < f->n_tasks; t++) {
        const bool averaged = f->epoch == a->warmup + 1,
                   late = f->epoch > a->warmup + 1 && task[t].n == 0;
        if (!(averaged || late) || !isfinite(task[t].sum + f->loss[t])) { continue; }
        task[t].sum += f->loss[t];
        task[t].n++;
    }
}

const struct umb_balancer umb__balance_stch = {.name = "stch",
                                               .help = "a smooth maximum of the losses",
                                               .class_letter = 'A',
                                               .needs = UMB_BALANCE_LOSSES,
                                               .weighs_heads = true,
                                               .attrs = stch_options,
                                               .attrs_bytes = sizeof(struct stch_attrs),
                                               .n_state = stch_n_state,
                                               .start = stch_start,
                                               .weigh = stch_weigh,
                                               .coefficients = stch_coefficients,
                                               .learn = stch_learn};
