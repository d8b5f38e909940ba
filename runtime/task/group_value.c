/* group_value.c: what the best group does for a set of tasks that it serves; see group_internal.h.
 */
#include "group_internal.h"

static bool has(uint64_t set, size_t t)
{
    return set >> t & 1;
}

double umb__group_gain(size_t T, const double *affinity, uint64_t group, size_t t)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < T; i++) {
        if (i == t || !has(group, i)) { continue; }
        sum += affinity[i * T + t];
        n++;
    }
    return n > 0 ? sum / (double)n : 0;
}

/* w[h] = Σ_{j∈set, j≠h} Z_hj. */
static void give(const struct grouping_value *v, uint64_t set, double *w)
{
    for (size_t h = 0; h < v->T; h++) {
        w[h] = 0;
        for (size_t j = 0; j < v->T; j++) {
            if (j != h && has(set, j)) { w[h] += v->Z[h * v->T + j]; }
        }
    }
}

/* Who gives most and is not in the group; T: nobody is left. */
static size_t best_helper(const struct grouping_value *v, const double *w, uint64_t group)
{
    size_t best = v->T;
    for (size_t h = 0; h < v->T; h++) {
        if (!has(group, h) && (best == v->T || w[h] > w[best])) { best = h; }
    }
    return best;
}

static double best_group(const struct grouping_value *v, uint64_t set, uint64_t *ret_group)
{
    double w[UMB_GROUP_MOST_TASKS], sum = 0;
    size_t members = 0;
    give(v, set, w);
    for (size_t t = 0; t < v->T; t++) {
        if (!has(set, t)) { continue; }
        sum += w[t];
        members++;
    }
    double best = members > 1 ? sum / (double)(members - 1) : 0;
    uint64_t group = *ret_group = set;
    for (size_t n = members + 1; n <= v->T; n++) {
        const size_t h = best_helper(v, w, group);
        group |= UINT64_C(1) << h;
        sum += w[h];
        if (sum / (double)(n - 1) <= best) { continue; }
        best = sum / (double)(n - 1);
        *ret_group = group;
    }
    return best;
}

/* Where the set is kept: of few tasks each has a place of its own. */
static struct grouping_known *place(const struct grouping_value *v, uint64_t set)
{
    if (v->T <= v->bits) { return &v->known[set]; }
    return &v->known[set * UINT64_C(0x9e3779b97f4a7c15) >> (64 - v->bits)]; /* 2⁶⁴ ÷ golden ratio */
}

double umb__group_value(struct grouping_value *v, uint64_t set, uint64_t *ret_group)
{
    uint64_t group;
    struct grouping_known *known = place(v, set);
    if (!ret_group && known->set == set) { return known->value; }
    *known = (struct grouping_known){set, best_group(v, set, ret_group ? ret_group : &group)};
    return known->value;
}
