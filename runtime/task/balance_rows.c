/*
 * Rules that keep rows of gradients on the device: db_mtl (Lin et al., "Dual-balancing for
 * multi-task learning", 2023), moco (Fernando et al., "Mitigating gradient bias in multi-objective
 * learning", ICLR 2023).
 */
#include <math.h>

#include "balance_internal.h"

static bool is_absent(const struct umb_balance_facts *f, int t)
{
    return !isfinite(f->loss[t]);
}

/* With one task a row is its gradient. */
static void keep_row(const struct umb_balance_facts *f, int t, double *keep, double *take)
{
    const bool alone = f->n_tasks == 1;
    keep[t] = alone ? 0 : 1;
    take[t] = alone ? 1 : 0;
}

/* db_mtl: rows are means of ∇log L; state: how many gradients each has. */

struct db_mtl_attrs {
    double beta;
};

static const struct umb_attr_desc db_mtl_options[] = {
    UMB_OPTION_NUMBER(db_mtl_attrs, beta, 0, 0.9999, "0.9", "share of a row that is kept"), {0}};

static int64_t db_mtl_n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return n_tasks;
}

static void db_mtl_start(const void *attrs, int n_tasks, double *state)
{
    (void)attrs;
    for (int t = 0; t < n_tasks; t++) {
        state[t] = 0;
    }
}

/* The first gradient fills its row, so that rows are of a gradient's size from the start. */
static void db_mtl_mix(const void *attrs, const struct umb_balance_facts *f, double *state,
                       double *keep, double *take)
{
    const struct db_mtl_attrs *a = attrs;
    for (int t = 0; t < f->n_tasks; t++) {
        keep_row(f, t, keep, take);
        if (f->n_tasks == 1 || is_absent(f, t)) { continue; }
        keep[t] = state[t] > 0 ? a->beta : 0;
        take[t] = (1 - keep[t]) / (fmax(f->loss[t], 0) + 1e-8);
        state[t]++;
    }
}

static void db_mtl_rule(const void *attrs, const struct umb_balance_facts *f,
                        const struct umb_gram *g, double *state, double *w,
                        struct umb_balance_result *r)
{
    double longest = 0;
    (void)attrs;
    (void)f;
    (void)state;
    (void)r;
    for (int k = 0; k < g->n; k++) {
        longest = fmax(longest, g->d[k]);
    }
    for (int k = 0; k < g->n; k++) {
        w[k] = g->d[k] > 0 ? fmin(longest / g->d[k], 1e150) : 0;
    }
}

static enum umb_status db_mtl_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_MIXED, db_mtl_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_db_mtl = {
    .name = "db_mtl",
    .help = "running means of the gradients of log losses, all made as long as the longest",
    .class_letter = 'C',
    .needs = UMB_BALANCE_MIXED,
    .attrs = db_mtl_options,
    .attrs_bytes = sizeof(struct db_mtl_attrs),
    .n_state = db_mtl_n_state,
    .start = db_mtl_start,
    .mix = db_mtl_mix,
    .weigh = db_mtl_weigh};

/* moco: state: λ_t, how many gradients each row has, and the number of steps. */

struct moco_attrs {
    double beta, gamma, rho;
    int projection;
};

static const char *const projections[] = {"simplex", "softmax", NULL};
static const struct umb_attr_desc moco_options[] = {
    UMB_OPTION_NUMBER(moco_attrs, beta, 0, 1, "0.5",
                      "over the root of the step: a row's new share"),
    UMB_OPTION_NUMBER(moco_attrs, gamma, 0, 1e3, "0.1", "over the root of the step: rate of λ"),
    UMB_OPTION_NUMBER(moco_attrs, rho, 0, 1e3, "0", "added to the diagonal of the rows' products"),
    UMB_OPTION_CHOICE(moco_attrs, projection, projections, "simplex", "of λ after its step"),
    {0}};

static int64_t moco_n_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    return 2 * (int64_t)n_tasks + 1;
}

static void moco_start(const void *attrs, int n_tasks, double *state)
{
    (void)attrs;
    for (int t = 0; t < n_tasks; t++) {
        state[t] = 1.0 / n_tasks;
        state[n_tasks + t] = 0;
    }
    state[2 * n_tasks] = 0;
}

static void moco_mix(const void *attrs, const struct umb_balance_facts *f, double *state,
                     double *keep, double *take)
{
    const struct moco_attrs *a = attrs;
    for (int t = 0; t < f->n_tasks; t++) {
        double *n = &state[f->n_tasks + t];
        keep_row(f, t, keep, take);
        if (f->n_tasks == 1 || is_absent(f, t)) { continue; }
        const double square = f->gram[(ptrdiff_t)t * (f->n_tasks + 1)];
        const double norm = square > 0 && isfinite(square) ? sqrt(square) : 0;
        const double share = a->beta / sqrt(++*n);
        keep[t] = 1 - share;
        take[t] = norm > 0 ? fmin(share * fmax(f->loss[t], 0) / norm, 1e150) : 0;
    }
}

/* The point of {x ≥ 0, Σx = 1} that is nearest to x: x − θ where positive. Found by leaving out
 * what the mean would make negative, until nothing is. */
static void project_on_simplex(int n, double *x)
{
    bool in[UMB_SMALL];
    double most = x[0];
    for (int k = 1; k < n; k++) {
        most = fmax(most, x[k]);
    }
    for (int k = 0; k < n; k++) {
        in[k] = true;
        x[k] -= most; /* changes nothing, and keeps the 1 from drowning in large numbers */
    }
    for (bool changed = true; changed;) {
        double sum = 0, theta;
        int m = 0;
        changed = false;
        for (int k = 0; k < n; k++) {
            if (in[k]) {
                sum += x[k];
                m++;
            }
        }
        theta = (sum - 1) / m;
        for (int k = 0; k < n; k++) {
            if (in[k] && x[k] <= theta) {
                in[k] = false;
                changed = true;
            }
        }
        if (changed) { continue; }
        for (int k = 0; k < n; k++) {
            x[k] = in[k] ? x[k] - theta : 0;
        }
    }
}

/* λ of those present has the sum 1 while it moves, and in the state the sum that it had. */
static void moco_rule(const void *attrs, const struct umb_balance_facts *f,
                      const struct umb_gram *g, double *state, double *w,
                      struct umb_balance_result *r)
{
    const struct moco_attrs *a = attrs;
    double part = 0, yy[UMB_SMALL];
    (void)r;
    for (int k = 0; k < g->n; k++) {
        part += state[g->present.task[k]];
    }
    for (int k = 0; k < g->n; k++) {
        w[k] = part > 0 ? state[g->present.task[k]] / part : 1.0 / g->n;
    }
    umb__small_times(g->n, g->g, w, yy);
    const double rate = a->gamma / sqrt(++state[2 * f->n_tasks]);
    for (int k = 0; k < g->n; k++) {
        w[k] -= fmax(-1e100, fmin(1e100, rate * (g->scale * yy[k] + a->rho * w[k])));
    }
    if (a->projection == 0) {
        project_on_simplex(g->n, w);
    } else {
        umb__softmax(g->n, w);
    }
    for (int k = 0; k < g->n; k++) {
        state[g->present.task[k]] = part * w[k];
    }
}

static enum umb_status moco_weigh(const void *attrs, const struct umb_balance_facts *f,
                                  double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_MIXED, moco_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_moco = {
    .name = "moco",
    .help = "mgda on running means of normalised gradients, by one step of descent at a time",
    .class_letter = 'C',
    .needs = UMB_BALANCE_MIXED,
    .attrs = moco_options,
    .attrs_bytes = sizeof(struct moco_attrs),
    .n_state = moco_n_state,
    .start = moco_start,
    .mix = moco_mix,
    .weigh = moco_weigh};
