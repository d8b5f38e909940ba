/*
 * group_internal.h: the search for groups, and what it is made of.
 *
 * Every task is served by one group, so a cover is a partition of the tasks into sets S that are
 * served together, each with the helpers that do S most good. What the best group g ⊇ S does for S,
 *
 *   v(S) = max over H of Σ_{j∈S} Σ_{i∈g∖j} Z_ij / (|g|−1),  g = S ∪ H,
 *
 * is found in closed form: of helpers only w_h = Σ_{j∈S} Z_hj counts, and their number, so for each
 * number those with the greatest w. v is subadditive, v(A ∪ B) ≤ v(A) + v(B), since the group of
 * A ∪ B serves A and B as well: which is what all bounds are made of.
 */
#ifndef UMB_GROUP_INTERNAL_H
#define UMB_GROUP_INTERNAL_H

#include "group.h"

struct grouping_known {
    uint64_t set; /* 0: nothing is known here */
    double value;
};
struct grouping_value {
    size_t T;
    const double *Z;              /* [T,T] */
    struct grouping_known *known; /* [2^bits] what was found lately, by set */
    unsigned bits;
};
/* v(set) of a set that is not empty; ret_group: g, NULL: not wanted. */
double umb__group_value(struct grouping_value *v, uint64_t set, uint64_t *ret_group);

struct grouping_search {
    struct grouping_value value;
    size_t T, K;
    size_t order[UMB_GROUP_MOST_TASKS];      /* tasks are placed in this order */
    double suffix[UMB_GROUP_MOST_TASKS + 1]; /* bounds on those from place i on, by themselves */
    double slack;                            /* less than this is rounding */
    uint64_t nodes, most_nodes;
    /* The cover being built, and the best so far, as sets that are served together. */
    uint64_t set[UMB_GROUP_MOST_TASKS], best_set[UMB_GROUP_MOST_TASKS];
    size_t n_sets, n_best;
    double best; /* Σ over tasks */
    double open; /* the greatest bound of what was left unsearched; −∞: none */
};
/* group_improve.c: a good cover as the best so far: greedily, then by moving single tasks. */
void umb__group_begin(struct grouping_search *s);
/* group_search.c: the best cover; returns what none is above, within slack of it where the search
 * came to its end. */
double umb__group_search(struct grouping_search *s);

#endif
