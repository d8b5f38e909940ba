/*
 * Rules whose weights solve G w = w^(−1/α) with w > 0, by damped Newton steps on the convex
 * ½wᵀGw − Σ w^(1−1/α)/(1−1/α) (α = 1: −Σ log w): nash (Navon et al., "Multi-task learning as a
 * bargaining game", ICML 2022), α = 1 on G over its Frobenius norm; fairgrad (Ban and Ji, "Fair
 * resource allocation in multi-task learning", ICML 2024).
 */
#include <math.h>
#include <string.h>

#include "balance_internal.h"

#define MOST_STEPS 200
#define CONVERGED 1e-12 /* of the residual: the largest |w_k^(1/α) (Gw)_k − 1| */
#define CLOSE 1e-4      /* -slope of a Newton step that is taken as it is */
#define WORST 1e300     /* a residual that any other beats */
#define GOOD 1e-7       /* beyond which the solver has fallen short */
#define RIDGE 1e-6      /* of fairgrad's second try, over G's largest diagonal element */

struct newton {
    int n;
    const double (*g)[UMB_SMALL];
    double beta; /* 1/α */
    double w[UMB_SMALL], gw[UMB_SMALL], step[UMB_SMALL];
};

static double value(const struct newton *s, const double *w)
{
    double gw[UMB_SMALL], sum = 0;
    umb__small_times(s->n, s->g, w, gw);
    for (int k = 0; k < s->n; k++) {
        const double p = 1 - s->beta;
        /* (w^p − 1)/p, which passes into log w where α is 1 */
        sum += 0.5 * w[k] * gw[k] - (p == 0 ? log(w[k]) : expm1(p * log(w[k])) / p);
    }
    return sum;
}

static double residual(const struct newton *s)
{
    double worst = 0;
    for (int k = 0; k < s->n; k++) {
        worst = fmax(worst, fabs(pow(s->w[k], s->beta) * s->gw[k] - 1));
    }
    return worst;
}

/* The step, and ret_slope of the function along it (< 0). */
static bool newton_step(struct newton *s, double *ret_slope)
{
    umb_matrix h, l;
    double gradient[UMB_SMALL];
    for (int k = 0; k < s->n; k++) {
        const double power = pow(s->w[k], -s->beta);
        memcpy(h[k], s->g[k], (size_t)s->n * sizeof **h);
        h[k][k] += s->beta * power / s->w[k];
        gradient[k] = s->gw[k] - power;
        s->step[k] = -gradient[k];
    }
    if (!umb__small_cholesky(s->n, h, 0, l)) { return false; }
    umb__small_solve(s->n, l, s->step, s->step);
    *ret_slope = umb__small_dot(s->n, gradient, s->step);
    return *ret_slope < 0;
}

/* Armijo's rule, from a step that keeps a tenth of every weight. Close to the end the whole step is
 * right, and the values' differences are rounding. False: no step goes down. */
static bool descend(struct newton *s, double slope)
{
    double share = 1, to[UMB_SMALL];
    const double before = value(s, s->w);
    for (int k = 0; k < s->n; k++) {
        if (s->step[k] < 0) { share = fmin(share, -0.9 * s->w[k] / s->step[k]); }
    }
    for (int halving = 0; halving < 50; halving++, share *= 0.5) {
        for (int k = 0; k < s->n; k++) {
            to[k] = s->w[k] + share * s->step[k];
        }
        if (slope > -CLOSE || value(s, to) <= before + 1e-4 * share * slope) {
            memcpy(s->w, to, sizeof to);
            return true;
        }
    }
    return false;
}

/* From w; returns the residual of the best w, which is left there. */
static double solve(struct newton *s)
{
    double best[UMB_SMALL], least = WORST;
    for (int i = 0, idle = 0; i < MOST_STEPS && idle < 4; i++) {
        double slope;
        umb__small_times(s->n, s->g, s->w, s->gw);
        const double now = residual(s);
        idle = now < 0.9 * least || now > 1e-6 ? 0 : idle + 1;
        if (now < least) {
            least = now;
            memcpy(best, s->w, (size_t)s->n * sizeof *best);
        }
        if (now <= CONVERGED || !newton_step(s, &slope) || !descend(s, slope)) { break; }
    }
    if (least < WORST) { memcpy(s->w, best, (size_t)s->n * sizeof *best); }
    return least;
}

/* nash. */

static void nash_rule(const void *attrs, const struct umb_balance_facts *f,
                      const struct umb_gram *g, double *state, double *w,
                      struct umb_balance_result *r)
{
    umb_matrix a;
    struct newton s = {.n = g->n, .g = a, .beta = 1};
    double square = 0;
    (void)attrs;
    (void)f;
    (void)state;
    for (int i = 0; i < g->n; i++) {
        square += umb__small_dot(g->n, g->g[i], g->g[i]);
    }
    for (int i = 0; i < g->n; i++) {
        for (int j = 0; j < g->n; j++) {
            a[i][j] = g->g[i][j] / sqrt(square) + (i == j ? 1e-6 : 0);
        }
        s.w[i] = 1 / sqrt(a[i][i]);
    }
    r->residual = solve(&s);
    r->fell_back = !(r->residual <= GOOD);
    r->clip = 1;
    for (int k = 0; k < g->n; k++) {
        w[k] = s.w[k];
    }
}

static enum umb_status nash_weigh(const void *attrs, const struct umb_balance_facts *f,
                                  double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, nash_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_nash = {
    .name = "nash",
    .help = "the bargain between the tasks, whatever the scales of their losses",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = nash_weigh};

/* fairgrad. */

struct fairgrad_attrs {
    double alpha;
};

static const struct umb_attr_desc fairgrad_options[] = {
    UMB_OPTION_NUMBER(fairgrad_attrs, alpha, 0.5, 20, "2", "1: as nash, high: max-min fairness"),
    {0}};

/* With a ridge on G's diagonal, 0 at first. */
static double solve_fair(const struct umb_gram *g, double alpha, double ridge, double *w)
{
    umb_matrix a;
    struct newton s = {.n = g->n, .g = a, .beta = 1 / alpha};
    for (int i = 0; i < g->n; i++) {
        memcpy(a[i], g->g[i], (size_t)g->n * sizeof **a);
        a[i][i] += ridge;
        s.w[i] = pow(a[i][i], -alpha / (1 + alpha));
    }
    const double left = solve(&s);
    for (int k = 0; k < g->n; k++) {
        w[k] = s.w[k] * pow(g->scale, -alpha / (1 + alpha));
    }
    return left;
}

/* Opposite gradients have no solution: their weights would grow for ever. */
static void fairgrad_rule(const void *attrs, const struct umb_balance_facts *f,
                          const struct umb_gram *g, double *state, double *w,
                          struct umb_balance_result *r)
{
    const struct fairgrad_attrs *a = attrs;
    struct umb_gram some;
    int index[UMB_SMALL];
    double of_some[UMB_SMALL];
    (void)f;
    (void)state;
    umb__gram_nonzero(g, &some, index);
    r->residual = solve_fair(&some, a->alpha, 0, of_some);
    if (!(r->residual <= GOOD)) {
        r->fell_back = true;
        r->residual = solve_fair(&some, a->alpha, RIDGE, of_some);
    }
    for (int k = 0; k < g->n; k++) {
        w[k] = 0;
    }
    for (int i = 0; i < some.n; i++) {
        w[index[i]] = fmin(of_some[i], 1e150);
    }
}

static enum umb_status fairgrad_weigh(const void *attrs, const struct umb_balance_facts *f,
                                      double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, fairgrad_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_fairgrad = {
    .name = "fairgrad",
    .help = "weights for which the tasks' gains are alpha-fair",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .attrs = fairgrad_options,
    .attrs_bytes = sizeof(struct fairgrad_attrs),
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = fairgrad_weigh};
