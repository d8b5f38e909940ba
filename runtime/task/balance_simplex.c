/*
 * Rules that look for a point of the simplex: mgda (Désidéri, C. R. Math. 350, 2012; Sener and
 * Koltun, "Multi-task learning as multi-objective optimization", NeurIPS 2018), cagrad (Liu et al.,
 * "Conflict-averse gradient descent for multi-task learning", NeurIPS 2021).
 */
#include <math.h>

#include "balance_internal.h"

/* mgda. */

struct mgda_attrs {
    int scale;
};

static const char *const scales[] = {"none", "norm", "loss", "loss_norm", NULL};
static const struct umb_attr_desc mgda_options[] = {
    UMB_OPTION_CHOICE(mgda_attrs, scale, scales, "none",
                      "what each gradient is divided by before the weights are found"),
    {0}};

static double divisor(const struct mgda_attrs *a, const struct umb_gram *g, int k)
{
    const double norm = g->d[k] > 0 ? g->d[k] : 1,
                 loss = fmax(fabs(g->present.loss[k]), UMB_BALANCE_LEAST_LOSS);
    return a->scale == 0 ? 1 : a->scale == 1 ? norm : a->scale == 2 ? loss : norm * loss;
}

static void scaled(const struct mgda_attrs *a, const struct umb_gram *g, umb_matrix ret_a)
{
    double by[UMB_SMALL];
    for (int i = 0; i < g->n; i++) {
        by[i] = divisor(a, g, i);
        for (int j = 0; j <= i; j++) {
            ret_a[i][j] = ret_a[j][i] = g->g[i][j] / by[i] / by[j];
        }
    }
}

static void min_norm_of_two(const umb_matrix a, double *w)
{
    const double under = a[0][0] + a[1][1] - 2 * a[0][1];
    w[0] = under > 0 ? fmax(0, fmin(1, (a[1][1] - a[0][1]) / under)) : 0.5;
    w[1] = 1 - w[0];
}

static void mgda_rule(const void *attrs, const struct umb_balance_facts *f,
                      const struct umb_gram *g, double *state, double *w,
                      struct umb_balance_result *r)
{
    umb_matrix a;
    (void)f;
    (void)state;
    scaled(attrs, g, a);
    if (g->n == 2) {
        min_norm_of_two(a, w);
        return;
    }
    for (int k = 0; k < g->n; k++) {
        w[k] = 0;
    }
    r->fell_back = !umb__min_norm_point(g->n, a, w, &r->residual);
}

static enum umb_status mgda_weigh(const void *attrs, const struct umb_balance_facts *f,
                                  double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, mgda_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_mgda = {
    .name = "mgda",
    .help = "the shortest convex combination of the gradients, which no task is against",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .attrs = mgda_options,
    .attrs_bytes = sizeof(struct mgda_attrs),
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = mgda_weigh};

/*
 * cagrad. x(w) = Σ w g and g₀ = Σ g/T: minimise g₀·x + φ‖x‖. With ‖x‖ = min_s (‖x‖²/s + s)/2 the
 * best w for a given s is the corner combination of the points g_t + τg₀, τ = s/φ, that is nearest
 * to 0, and s is right where ‖x‖ = s. ‖x‖/s falls with s, so the root is bracketed; on one face of
 * the simplex w is linear in τ, which gives the root in closed form once the face is the right one.
 */

struct cagrad_attrs {
    double c;
};

#define ABOUT_ZERO 1e-6 /* of ‖x‖ and ‖g₀‖ over the root of G's trace */
#define MOST_FACES 100

static const struct umb_attr_desc cagrad_options[] = {
    UMB_OPTION_NUMBER(cagrad_attrs, c, 0, 10, "0.4", "how far from the mean, as a share of it"),
    {0}};

struct search {
    const struct umb_gram *g;
    double phi, q[UMB_SMALL], gamma; /* Gb, bᵀGb */
    double w[UMB_SMALL], length;     /* ‖x(w)‖ */
    double zero;                     /* lengths that count as 0 */
};

static void shifted(const struct search *s, double tau, umb_matrix ret_a)
{
    for (int i = 0; i < s->g->n; i++) {
        for (int j = 0; j <= i; j++) {
            const double a = s->g->g[i][j] + tau * (s->q[i] + s->q[j]) + tau * tau * s->gamma;
            ret_a[i][j] = ret_a[j][i] = i == j ? fmax(a, 0) : a;
        }
    }
}

static void best_for(struct search *s, double tau)
{
    umb_matrix a;
    double residual;
    shifted(s, tau, a);
    (void)umb__min_norm_point(s->g->n, a, s->w, &residual); /* cagrad_rule judges the whole */
    s->length = umb__small_norm(s->g->n, s->g->g, s->w);
}

/* The root on the face of the present w, found for tau; 0: there is none on it. */
static double root_on_face(const struct search *s, double tau)
{
    umb_matrix a;
    int index[UMB_SMALL], m = 0;
    double y[UMB_SMALL], slope[UMB_SMALL] = {0};
    for (int k = 0; k < s->g->n; k++) {
        if (s->w[k] > 0) { index[m++] = k; }
    }
    shifted(s, 2 * tau, a);
    for (int i = 0; i < m; i++) {
        if (a[index[i]][index[i]] <= 0) { return 0; }
    }
    if (!umb__affine_min_norm(a, m, index, y)) { return 0; }
    for (int i = 0; i < m; i++) {
        slope[index[i]] = (y[i] - s->w[index[i]]) / tau;
    }
    const double growth = umb__small_norm(s->g->n, s->g->g, slope),
                 rest = s->length * s->length - tau * tau * growth * growth,
                 under = s->phi * s->phi - growth * growth;
    return rest > 0 && under > 0 ? s->phi * sqrt(rest / under) : 0;
}

static void find_root(struct search *s)
{
    double low = 0, high = 1, at = 0.5;
    for (int i = 0; i < MOST_FACES && high > s->zero; i++) {
        best_for(s, at / s->phi);
        if (fabs(s->length - at) <= 1e-15 * at) { return; }
        if (s->length > at) {
            low = at;
        } else {
            high = at;
        }
        const double guess = root_on_face(s, at / s->phi);
        if (fabs(guess - at) <= 1e-14 * at || high - low <= 1e-15 * high) { return; }
        at = guess > low && guess < high ? guess : 0.5 * (low + high);
    }
    if (high <= s->zero) { s->length = 0; }
}

/* How far w is from the best of the simplex: the gradient's mean over w above its least part. */
static double gap_of(const struct search *s)
{
    const int n = s->g->n;
    double gw[UMB_SMALL], mean = 0, least = INFINITY;
    umb__small_times(n, s->g->g, s->w, gw);
    for (int k = 0; k < n; k++) {
        const double slope = s->q[k] + s->phi * gw[k] / s->length;
        mean += s->w[k] * slope;
        least = fmin(least, slope);
    }
    return (mean - least) / (sqrt(s->gamma) + s->phi);
}

static void cagrad_rule(const void *attrs, const struct umb_balance_facts *f,
                        const struct umb_gram *g, double *state, double *w,
                        struct umb_balance_result *r)
{
    const struct cagrad_attrs *a = attrs;
    struct search s = {.g = g};
    double b[UMB_SMALL] = {0}, trace = 0, lambda = 0;
    (void)f;
    (void)state;
    for (int k = 0; k < g->n; k++) {
        b[k] = 1.0 / g->n;
        trace += g->g[k][k];
    }
    umb__small_times(g->n, g->g, b, s.q);
    s.gamma = fmax(umb__small_dot(g->n, b, s.q), 0);
    s.phi = a->c * sqrt(s.gamma);
    s.zero = ABOUT_ZERO * sqrt(trace);
    if (sqrt(s.gamma) > s.zero && s.phi > 0) { find_root(&s); }
    if (s.length > s.zero) {
        lambda = s.phi / s.length;
        r->residual = fmax(gap_of(&s), 0);
        r->fell_back = r->residual > UMB_MIN_NORM_RESIDUAL;
    }
    for (int k = 0; k < g->n; k++) {
        w[k] = (b[k] + lambda * s.w[k]) / (1 + a->c * a->c) * g->n;
    }
}

static enum umb_status cagrad_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, cagrad_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_cagrad = {
    .name = "cagrad",
    .help = "near the mean gradient, the direction that is best for the worst task",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .attrs = cagrad_options,
    .attrs_bytes = sizeof(struct cagrad_attrs),
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = cagrad_weigh};
