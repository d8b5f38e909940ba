/*
 * Weights that descend on losses themselves: uncertainty (Kendall, Gal, Cipolla, "Multi-task
 * learning using uncertainty to weigh losses", CVPR 2018), imtl_l (Liu et al., "Towards impartial
 * multi-task learning", ICLR 2021), famo (Liu et al., "FAMO: fast adaptive multitask optimization",
 * NeurIPS 2023). State is a struct umb_learned a task; tasks without a label do not move.
 */
#include <math.h>

#include "balance_internal.h"

#define MOST_GRADIENT 1e100 /* so that its square is finite */
#define MOST_SCALE 300.0    /* of s: e^s and e^−s are finite, with room for a gradient */

void umb__learn_step(struct umb_learned *l, double gradient, double rate, bool sgd)
{
    const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    const double g = fmax(-MOST_GRADIENT, fmin(MOST_GRADIENT, gradient));
    l->n++;
    if (sgd) {
        l->x -= rate * g;
        return;
    }
    l->m = beta1 * l->m + (1 - beta1) * g;
    l->v = beta2 * l->v + (1 - beta2) * g * g;
    const double m = l->m / (1 - pow(beta1, l->n)), v = l->v / (1 - pow(beta2, l->n));
    l->x -= rate * m / (sqrt(v) + epsilon);
}

static int64_t learned_n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return n_tasks * (int64_t)(sizeof(struct umb_learned) / sizeof(double));
}

static void learned_start(const void *attrs, int n_tasks, double *state)
{
    for (int64_t i = 0; i < learned_n_state(attrs, n_tasks); i++) {
        state[i] = 0;
    }
}

/* Scales s_t of losses. */

struct scale_attrs {
    double rate;
    int optimizer, form;
};

static const char *const optimizers[] = {"main", "adam", "sgd", NULL};
static const char *const forms[] = {"regression", "classification", NULL};
#define SCALE_OPTIONS                                                                         \
    UMB_OPTION_NUMBER(scale_attrs, rate, 0, 1e3, "0", "of learning s; 0: train.optimizer's"), \
        UMB_OPTION_CHOICE(scale_attrs, optimizer, optimizers, "main",                         \
                          "what learns s; main: sgd where train.optimizer is sgd, else adam")
static const struct umb_attr_desc uncertainty_options[] = {
    SCALE_OPTIONS,
    UMB_OPTION_CHOICE(scale_attrs, form, forms, "regression",
                      "of the likelihood: e^−s/2 or e^−s is a loss's weight"),
    {0}};
static const struct umb_attr_desc imtl_l_options[] = {SCALE_OPTIONS, {0}};

static void learn_scale(const struct scale_attrs *a, const struct umb_balance_facts *f,
                        struct umb_learned *s, double gradient)
{
    const double main_rate = f->rate > 0 ? f->rate : 0.001;
    const bool sgd = a->optimizer == 2 || (a->optimizer == 0 && f->sgd);
    umb__learn_step(s, gradient, a->rate > 0 ? a->rate : main_rate, sgd);
    s->x = fmax(-MOST_SCALE, fmin(MOST_SCALE, s->x));
}

typedef double (*weight_of_scale)(const struct scale_attrs *a, double s);

static double uncertainty_weight(const struct scale_attrs *a, double s)
{
    return (a->form == 0 ? 0.5 : 1) * exp(-s);
}

static double imtl_l_weight(const struct scale_attrs *a, double s)
{
    (void)a;
    return exp(s);
}

static enum umb_status weigh_scales(const void *attrs, const struct umb_balance_facts *f,
                                    const double *state, weight_of_scale weight,
                                    struct umb_balance_result *r)
{
    const struct umb_learned *s = (const struct umb_learned *)state;
    struct umb_present p;
    const enum umb_status st = umb__balance_begin(UMB_BALANCE_NOTHING, f, r, &p);
    for (int k = 0; st == UMB_OK && k < p.n; k++) {
        r->weight[p.task[k]] = f->n_tasks == 1 ? 1 : weight(attrs, s[p.task[k]].x);
    }
    return st;
}

static enum umb_status uncertainty_weigh(const void *attrs, const struct umb_balance_facts *f,
                                         double *state, struct umb_balance_result *r)
{
    return weigh_scales(attrs, f, state, uncertainty_weight, r);
}

static enum umb_status imtl_l_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    return weigh_scales(attrs, f, state, imtl_l_weight, r);
}

/* ∂/∂s of ½e^−s L + ½s, or of e^−s L + ½s. */
static void uncertainty_learn(const void *attrs, const struct umb_balance_facts *f, double *state)
{
    struct umb_learned *s = (struct umb_learned *)state;
    for (int t = 0; t < f->n_tasks; t++) {
        if (!isfinite(f->loss[t])) { continue; }
        learn_scale(attrs, f, &s[t], 0.5 - uncertainty_weight(attrs, s[t].x) * f->loss[t]);
    }
}

/* ∂/∂s of e^s L − s. */
static void imtl_l_learn(const void *attrs, const struct umb_balance_facts *f, double *state)
{
    struct umb_learned *s = (struct umb_learned *)state;
    for (int t = 0; t < f->n_tasks; t++) {
        if (!isfinite(f->loss[t])) { continue; }
        learn_scale(attrs, f, &s[t], imtl_l_weight(attrs, s[t].x) * f->loss[t] - 1);
    }
}

const struct umb_balancer umb__balance_uncertainty = {
    .name = "uncertainty",
    .help = "less weight for losses that stay large, learned as their variances",
    .class_letter = 'A',
    .needs = UMB_BALANCE_NOTHING,
    .weighs_heads = true,
    .attrs = uncertainty_options,
    .attrs_bytes = sizeof(struct scale_attrs),
    .n_state = learned_n_state,
    .start = learned_start,
    .weigh = uncertainty_weigh,
    .learn = uncertainty_learn};

const struct umb_balancer umb__balance_imtl_l = {
    .name = "imtl_l",
    .help = "weights learned so that all weighted losses are about 1",
    .class_letter = 'A',
    .needs = UMB_BALANCE_NOTHING,
    .weighs_heads = true,
    .attrs = imtl_l_options,
    .attrs_bytes = sizeof(struct scale_attrs),
    .n_state = learned_n_state,
    .start = learned_start,
    .weigh = imtl_l_weigh,
    .learn = imtl_l_learn};

/* famo. */

struct famo_attrs {
    double rate, decay;
};

static const struct umb_attr_desc famo_options[] = {
    UMB_OPTION_NUMBER(famo_attrs, rate, 1e-9, 1e3, "0.025", "of learning the logits, by adam"),
    UMB_OPTION_NUMBER(famo_attrs, decay, 0, 1e3, "0.001", "of the logits"),
    {0}};

#define LEAST_ABOVE_ZERO 1e-8

static double above_zero(double loss)
{
    return fmax(loss, 0) + LEAST_ABOVE_ZERO;
}

static void famo_softmax(const struct umb_learned *logit, const struct umb_present *p, double *z)
{
    for (int k = 0; k < p->n; k++) {
        z[k] = logit[p->task[k]].x;
    }
    if (p->n > 0) { umb__softmax(p->n, z); }
}

/* z_t/D_t over its sum; the softmax that makes z and this one are one. */
static void famo_coefficients(const void *attrs, const struct umb_balance_facts *f,
                              const double *state, double *coefficient)
{
    const struct umb_learned *logit = (const struct umb_learned *)state;
    const int T = f->n_tasks;
    (void)attrs;
    umb__loss_coefficients(T, coefficient);
    coefficient[UMB_LOSS_LEAST] = 0;
    coefficient[UMB_LOSS_EXTRA] = LEAST_ABOVE_ZERO;
    for (int t = 0; t < T; t++) {
        UMB_LOSS_OF(coefficient, UMB_LOSS_SLOPE, T, t) = -1;
        UMB_LOSS_OF(coefficient, UMB_LOSS_OFFSET, T, t) = logit[t].x;
    }
}

static enum umb_status famo_weigh(const void *attrs, const struct umb_balance_facts *f,
                                  double *state, struct umb_balance_result *r)
{
    return umb__balance_by_losses(&umb__balance_famo, attrs, f, state, r);
}

/* Those whose losses are known before and after the step. */
static void famo_present(const struct umb_balance_facts *f, struct umb_present *p, double *delta)
{
    p->n = 0;
    for (int t = 0; t < f->n_tasks; t++) {
        if (!isfinite(f->loss[t]) || !isfinite(f->loss_after[t])) { continue; }
        delta[p->n] = log(above_zero(f->loss[t])) - log(above_zero(f->loss_after[t]));
        p->task[p->n++] = t;
    }
}

static void famo_learn(const void *attrs, const struct umb_balance_facts *f, double *state)
{
    const struct famo_attrs *a = attrs;
    struct umb_learned *logit = (struct umb_learned *)state;
    struct umb_present p;
    double z[UMB_BALANCE_MAX_TASKS] = {0}, delta[UMB_BALANCE_MAX_TASKS];
    if (!f->loss_after) { return; }
    famo_present(f, &p, delta);
    famo_softmax(logit, &p, z);
    const double mean = umb__small_dot(p.n, z, delta);
    for (int k = 0; k < p.n; k++) {
        struct umb_learned *l = &logit[p.task[k]];
        umb__learn_step(l, z[k] * (delta[k] - mean) + a->decay * l->x, a->rate, false);
    }
}

const struct umb_balancer umb__balance_famo = {
    .name = "famo",
    .help = "more weight for losses that fell least, judged by a second forward pass",
    .class_letter = 'A',
    .needs = UMB_BALANCE_LOSSES,
    .needs_second_forward = true,
    .weighs_heads = true,
    .attrs = famo_options,
    .attrs_bytes = sizeof(struct famo_attrs),
    .n_state = learned_n_state,
    .start = learned_start,
    .weigh = famo_weigh,
    .coefficients = famo_coefficients,
    .learn = famo_learn};
