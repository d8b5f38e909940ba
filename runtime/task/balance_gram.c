/* The Gram matrix of the tasks that are present, and what is common to the rules that use one. */
#include "balance_internal.h"
#include <math.h>

static void gather(const struct umb_balance_facts *f, struct umb_gram *g)
{
    const ptrdiff_t n_tasks = f->n_tasks;
    const struct umb_present *p = &g->present;
    g->n = p->n;
    g->scale = 0;
    for (int k = 0; k < g->n; k++) {
        g->scale = fmax(g->scale, f->gram[p->task[k] * (n_tasks + 1)]);
    }
    for (int k = 0; g->scale > 0 && k < g->n; k++) {
        for (int j = 0; j < g->n; j++) {
            const double one = f->gram[p->task[k] * n_tasks + p->task[j]],
                         other = f->gram[p->task[j] * n_tasks + p->task[k]];
            g->g[k][j] = 0.5 * (one / g->scale) + 0.5 * (other / g->scale);
        }
        g->g[k][k] = fmax(g->g[k][k], 0);
        g->d[k] = sqrt(g->g[k][k]);
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
