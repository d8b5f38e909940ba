/* The Gram matrix of the tasks that are present, and what is common to the rules that use one. */
#include "balance_internal.h"
#include <math.h>

static void set_lengths(const struct umb_balance_facts *f, struct umb_gram *g)
{
    const struct umb_present *p = &g->present;
    g->n = p->n;
    g->scale = 0;
    for (int k = 0; k < g->n; k++) {
        g->d[k] = fmax(f->gram[p->task[k] * ((ptrdiff_t)f->n_tasks + 1)], 0);
        g->scale = fmax(g->scale, g->d[k]);
    }
    for (int k = 0; g->scale > 0 && k < g->n; k++) {
        g->g[k][k] = g->d[k] / g->scale;
        g->d[k] = sqrt(g->g[k][k]);
    }
}

/* No product is beyond that of the lengths, but for rounding, or for facts that no gradients have.
 */
static void gather(const struct umb_balance_facts *f, struct umb_gram *g)
{
    const ptrdiff_t n_tasks = f->n_tasks;
    const int *task = g->present.task;
    set_lengths(f, g);
    for (int k = 0; g->scale > 0 && k < g->n; k++) {
        for (int j = 0; j < k; j++) {
            const double most = g->d[k] * g->d[j],
                         one = f->gram[task[k] * n_tasks + task[j]] / g->scale,
                         other = f->gram[task[j] * n_tasks + task[k]] / g->scale;
            g->g[k][j] = g->g[j][k] = fmax(-most, fmin(most, 0.5 * one + 0.5 * other));
        }
    }
}

enum umb_status umb__balance_by_gram(enum umb_balance_needs needs, umb_balance_rule rule,
                                     const void *attrs, const struct umb_balance_facts *f,
                                     double *state, struct umb_balance_result *r)
{
    struct umb_gram g;
    double w[UMB_SMALL];
    const enum umb_status st = umb__balance_begin(needs, f, r, &g.present);
    if (st != UMB_OK) { return st; }
    gather(f, &g);
    for (int k = 0; k < g.n; k++) {
        w[k] = 1;
    }
    if (f->n_tasks > 1 && g.scale > 0) { rule(attrs, f, &g, state, w, r); }
    umb__balance_scatter(&g.present, w, r);
    return UMB_OK;
}

void umb__gram_nonzero(const struct umb_gram *g, struct umb_gram *ret_some, int *ret_index)
{
    ret_some->n = 0;
    ret_some->scale = g->scale;
    for (int k = 0; k < g->n; k++) {
        if (g->d[k] > 0) { ret_index[ret_some->n++] = k; }
    }
    for (int i = 0; i < ret_some->n; i++) {
        ret_some->d[i] = g->d[ret_index[i]];
        for (int j = 0; j < ret_some->n; j++) {
            ret_some->g[i][j] = g->g[ret_index[i]][ret_index[j]];
        }
    }
}

void umb__gram_cosines(const struct umb_gram *g, umb_matrix ret_c)
{
    for (int i = 0; i < g->n; i++) {
        for (int j = 0; j < g->n; j++) {
            const double c = g->g[i][j] / g->d[i] / g->d[j];
            ret_c[i][j] = i == j ? 1 : fmax(-1, fmin(1, c)); /* beyond by rounding only */
        }
    }
}
