/* group.c: see group.h. */
#include "group_internal.h"

#include "alloc.h"
#include "fail.h"
#include <float.h>
#include <math.h>

#define MOST_BITS 20 /* of the memory of values: 16 MiB */

static enum umb_status check(struct umb_context *ctx, const struct umb_grouping_desc *desc)
{
    const size_t T = desc->T;
    if (T < 1 || T > UMB_GROUP_MOST_TASKS) {
        return umb__fail(ctx, UMB_ERR_INVALID, "grouping: %zu tasks; expected 1 … %d", T,
                         UMB_GROUP_MOST_TASKS);
    }
    if (desc->K < 1) {
        return umb__fail(ctx, UMB_ERR_INVALID, "grouping: 0 groups; expected some");
    }
    for (size_t i = 0; i < T * T; i++) {
        if (i / T == i % T || isfinite(desc->affinity[i])) { continue; }
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "grouping: the affinity of task %zu to task %zu is %g; expected a finite "
                         "number",
                         i / T, i % T, desc->affinity[i]);
    }
    return UMB_OK;
}

/* Rounding of a sum over all tasks. */
static double slack_of(size_t T, const double *Z)
{
    double largest = 0;
    for (size_t i = 0; i < T * T; i++) {
        if (i / T != i % T) { largest = fmax(largest, fabs(Z[i])); }
    }
    return 8 * (double)(T * T) * DBL_EPSILON * largest;
}

/* Those that can gain most come first: what is placed early weighs most on the bounds. */
static void set_order(struct grouping_search *s)
{
    double most[UMB_GROUP_MOST_TASKS];
    for (size_t t = 0; t < s->T; t++) {
        most[t] = umb__group_value(&s->value, UINT64_C(1) << t, NULL);
        size_t at = t;
        for (; at > 0 && most[s->order[at - 1]] < most[t]; at--) {
            s->order[at] = s->order[at - 1];
        }
        s->order[at] = t;
    }
}

/* The groups of the sets, in the order of their first tasks. */
static void take_groups(struct grouping_search *s, struct umb_grouping *g)
{
    g->n_groups = s->n_best;
    for (size_t k = 0; k < s->n_best; k++) {
        uint64_t group;
        umb__group_value(&s->value, s->best_set[k], &group);
        size_t at = k;
        for (; at > 0 && (group & -group) < (g->group[at - 1] & -g->group[at - 1]); at--) {
            g->group[at] = g->group[at - 1];
        }
        g->group[at] = group;
    }
}

static void serve(const struct umb_grouping_desc *desc, struct umb_grouping *g)
{
    double sum = 0;
    for (size_t t = 0; t < desc->T; t++) {
        g->gain[t] = -INFINITY;
        for (size_t k = 0; k < g->n_groups; k++) {
            if (!(g->group[k] >> t & 1)) { continue; }
            const double gain = umb__group_gain(desc->T, desc->affinity, g->group[k], t);
            if (gain <= g->gain[t]) { continue; }
            g->gain[t] = gain;
            g->served_by[t] = k;
        }
        sum += g->gain[t];
    }
    g->mean = sum / (double)desc->T;
}

enum umb_status umb__group_tasks(struct umb_context *ctx, const struct umb_grouping_desc *desc,
                                 struct umb_grouping *ret_grouping)
{
    enum umb_status st = check(ctx, desc);
    if (st != UMB_OK) { return st; }
    const unsigned bits = desc->T < MOST_BITS ? (unsigned)desc->T : MOST_BITS;
    struct grouping_search *s = umb__calloc(ctx, 1, sizeof *s);
    struct grouping_known *known = umb__calloc(ctx, (size_t)1 << bits, sizeof *known);
    if (!s || !known) { st = UMB_ERR_NO_MEMORY; }
    if (st == UMB_OK) {
        *s = (struct grouping_search){
            .value = {.T = desc->T, .Z = desc->affinity, .known = known, .bits = bits},
            .T = desc->T,
            .K = desc->K < desc->T ? desc->K : desc->T,
            .slack = slack_of(desc->T, desc->affinity),
            .most_nodes = desc->most_nodes ? desc->most_nodes : UMB_GROUP_NODES};
        set_order(s);
        const double bound = umb__group_search(s);
        struct umb_grouping g = {.nodes = s->nodes};
        take_groups(s, &g);
        serve(desc, &g);
        g.exact = bound <= s->best + 2 * s->slack;
        g.bound = g.exact ? g.mean : bound / (double)desc->T;
        *ret_grouping = g;
    }
    umb__free(known);
    umb__free(s);
    return st;
}
