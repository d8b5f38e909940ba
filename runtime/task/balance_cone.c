/*
 * Rules that project on the cone of directions that no task is against (Quinton and Rey, "Jacobian
 * descent for multi-objective optimization", 2024): upgrad projects every gradient and adds,
 * dualproj projects the sum (Lopez-Paz and Ranzato, "Gradient episodic memory", NeurIPS 2017). By
 * duality the projection of Σ u_t g_t is Σ v_t g_t with the v ≥ u that minimises vᵀG v. G is
 * divided by its trace and gets `epsilon` on its diagonal.
 */
#include <math.h>

#include "balance_internal.h"

struct cone_attrs {
    double epsilon;
};

#define GOOD 1e-10 /* of the optimality conditions, G's trace being 1 */

static const struct umb_attr_desc options[] = {
    UMB_OPTION_NUMBER(cone_attrs, epsilon, 1e-8, 1, "0.0001", "added to the diagonal of G/tr G"),
    {0}};

/* min vᵀH v over v ≥ u by an active set: x = v − u is 0 but on `free`, where H v is 0. */
struct program {
    int n, m;
    umb_matrix h;
    double u[UMB_SMALL], x[UMB_SMALL], slope[UMB_SMALL]; /* H(u + x) */
    int free[UMB_SMALL];                                 /* [m] */
};

static void set_slope(struct program *q)
{
    double v[UMB_SMALL];
    for (int k = 0; k < q->n; k++) {
        v[k] = q->u[k] + q->x[k];
    }
    umb__small_times(q->n, q->h, v, q->slope);
}

/* ret_z[m]: the x on `free` that makes H(u + x) 0 there. */
static bool solve_free(const struct program *q, double *ret_z)
{
    umb_matrix part, l;
    for (int i = 0; i < q->m; i++) {
        ret_z[i] = -umb__small_dot(q->n, q->h[q->free[i]], q->u);
        for (int j = 0; j <= i; j++) {
            part[i][j] = q->h[q->free[i]][q->free[j]];
        }
    }
    if (!umb__small_cholesky(q->m, part, 0, l)) { return false; }
    umb__small_solve(q->m, l, ret_z, ret_z);
    return true;
}

/* Moves x to z as far as it stays ≥ 0; what reaches 0 is free no more. False: x is z. */
static bool step_towards(struct program *q, const double *z)
{
    double share = 1;
    int out = -1, kept = 0;
    for (int i = 0; i < q->m; i++) {
        const double x = q->x[q->free[i]];
        if (z[i] <= 0 && (out < 0 || x / (x - z[i]) < share)) {
            share = x > 0 ? x / (x - z[i]) : 0;
            out = i;
        }
    }
    for (int i = 0; i < q->m; i++) {
        double *x = &q->x[q->free[i]];
        *x = i == out ? 0 : fmax((1 - share) * *x + share * z[i], 0);
        if (*x > 0) { q->free[kept++] = q->free[i]; }
    }
    q->m = kept;
    return out >= 0;
}

/* The task that v is most against, −1: none by more than rounding. */
static int most_against(const struct program *q)
{
    int worst = -1;
    for (int k = 0; k < q->n; k++) {
        const double noise = 1e-15 * q->n * (1 + fabs(q->u[k] + q->x[k]));
        if (q->x[k] > 0 || q->slope[k] >= -noise) { continue; }
        if (worst < 0 || q->slope[k] < q->slope[worst]) { worst = k; }
    }
    return worst;
}

/* Fills q->x; returns by how much the optimality conditions fail. */
static double solve(struct program *q)
{
    double z[UMB_SMALL], left = 0;
    q->m = 0;
    for (int k = 0; k < q->n; k++) {
        q->x[k] = 0;
    }
    set_slope(q);
    int k = most_against(q);
    for (int rounds = 0; k >= 0 && rounds < 4 * q->n; rounds++) {
        q->free[q->m++] = k;
        bool fine = solve_free(q, z);
        while (fine && step_towards(q, z)) {
            fine = solve_free(q, z);
        }
        set_slope(q);
        if (!fine) { break; } /* not even G/tr G + εI is definite: no gradients have such a G */
        k = most_against(q);
    }
    for (int i = 0; i < q->n; i++) {
        left = fmax(left, q->x[i] > 0 ? fabs(q->slope[i]) : -q->slope[i]);
    }
    return left;
}

static void set_matrix(const struct cone_attrs *a, const struct umb_gram *g, struct program *q)
{
    double trace = 0;
    q->n = g->n;
    for (int k = 0; k < g->n; k++) {
        trace += g->g[k][k];
    }
    for (int i = 0; i < g->n; i++) {
        for (int j = 0; j < g->n; j++) {
            q->h[i][j] = g->g[i][j] / trace + (i == j ? a->epsilon : 0);
        }
    }
}

/* Adds v of one projection to w. */
static void project(struct program *q, double *w, struct umb_balance_result *r)
{
    r->residual = fmax(r->residual, solve(q));
    r->fell_back = !(r->residual <= GOOD);
    for (int k = 0; k < q->n; k++) {
        w[k] += q->u[k] + q->x[k];
    }
}

static void upgrad_rule(const void *attrs, const struct umb_balance_facts *f,
                        const struct umb_gram *g, double *state, double *w,
                        struct umb_balance_result *r)
{
    struct program q;
    (void)f;
    (void)state;
    set_matrix(attrs, g, &q);
    for (int k = 0; k < g->n; k++) {
        w[k] = q.u[k] = 0;
    }
    for (int i = 0; i < g->n; i++) {
        q.u[i] = 1;
        project(&q, w, r);
        q.u[i] = 0;
    }
}

static void dualproj_rule(const void *attrs, const struct umb_balance_facts *f,
                          const struct umb_gram *g, double *state, double *w,
                          struct umb_balance_result *r)
{
    struct program q;
    (void)f;
    (void)state;
    set_matrix(attrs, g, &q);
    for (int k = 0; k < g->n; k++) {
        w[k] = 0;
        q.u[k] = 1;
    }
    project(&q, w, r);
}

static enum umb_status upgrad_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, upgrad_rule, attrs, f, state, r);
}

static enum umb_status dualproj_weigh(const void *attrs, const struct umb_balance_facts *f,
                                      double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, dualproj_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_upgrad = {
    .name = "upgrad",
    .help = "each gradient projected so that no task is against it, and their sum",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .attrs = options,
    .attrs_bytes = sizeof(struct cone_attrs),
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = upgrad_weigh};

const struct umb_balancer umb__balance_dualproj = {
    .name = "dualproj",
    .help = "the gradients' sum projected so that no task is against it",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .attrs = options,
    .attrs_bytes = sizeof(struct cone_attrs),
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = dualproj_weigh};
