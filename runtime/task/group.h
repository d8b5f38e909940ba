/*
 * group.h: which tasks to train together: the best cover of all tasks by at most K groups.
 *
 * A group trains its tasks together; a task may be in several, and is taken from the one that does
 * it most good: it is that group's to serve, and a helper in others. What a group g does for its
 * task j is the mean of the affinities Z_{i→j} of the others in it, 0 where j is alone. The cover
 * maximises the mean over tasks of what their best group does (Standley et al., "Which tasks should
 * be learned together in multi-task learning?", 2020, with the affinities of Fifty et al., 2021).
 *
 * Found by branch and bound (group_search.c), proved best for 12 tasks within a second whatever K
 * is, and mostly for more; where its work runs out, the best found is told with a bound on what any
 * cover could reach. The same input gives the same answer: work is counted, not timed.
 */
#ifndef UMB_GROUP_H
#define UMB_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

#define UMB_GROUP_MOST_TASKS 64 /* a group is a set of bits */

struct umb_grouping_desc {
    size_t T;               /* 1 … UMB_GROUP_MOST_TASKS */
    const double *affinity; /* [T,T] Z_{i→j} at (i, j), finite; the diagonal is not read */
    size_t K;               /* groups at most, from 1 */
    uint64_t most_nodes;    /* of the search; 0: UMB_GROUP_NODES */
};
#define UMB_GROUP_NODES UINT64_C(4000000)

struct umb_grouping {
    size_t n_groups;
    uint64_t
        group[UMB_GROUP_MOST_TASKS]; /* [n_groups] bit t: task t is in it; first tasks ascend */
    size_t served_by[UMB_GROUP_MOST_TASKS]; /* [T] the task's best group */
    double gain[UMB_GROUP_MOST_TASKS];      /* [T] what it does for the task */
    double mean;                            /* of the gains: what was maximised */
    double bound;   /* no cover has a greater mean; the same as mean where it is proved best */
    bool exact;     /* proved best, up to rounding */
    uint64_t nodes; /* of the search */
};

/* Errors: UMB_ERR_INVALID for T, K or an affinity that is not finite; UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__group_tasks(struct umb_context *ctx,
                                              const struct umb_grouping_desc *desc,
                                              struct umb_grouping *ret_grouping);
/* What a group does for task t, one of its own. affinity [T,T]. */
double umb__group_gain(size_t T, const double *affinity, uint64_t group, size_t t);

#endif
