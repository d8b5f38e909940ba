/*
 * parts.h: which nodes of a graph are the trunk, and which are a task's head, for pictures.
 *
 * A forward node is of a head if it lies on the way to that task's loss alone, and, where layers
 * are named after tasks ("digit.dense1"), if it is so named: the trunk's end, which only one task
 * may read, stays trunk. A backward node, or an update, is of a head if what it computes comes from
 * that task's loss alone, by the same rule. All else is trunk.
 */
#ifndef UMB_PARTS_H
#define UMB_PARTS_H

#include "graph.h"

#define UMB_PART_TRUNK (-1)

struct umb_parts_desc {
    int n_tasks;             /* at most 64 */
    const char *const *name; /* [n_tasks] */
    const int *loss;         /* [n_tasks] values */
};
/* ret_part[nodes]: a task's index or UMB_PART_TRUNK. */
UMB_MUST_USE enum umb_status umb__graph_parts(const struct umb_graph *g,
                                              const struct umb_parts_desc *desc, int *ret_part);

#endif
