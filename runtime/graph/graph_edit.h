/*
 * graph_edit.h: what the passes that rewrite a graph share.
 */
#ifndef UMB_GRAPH_EDIT_H
#define UMB_GRAPH_EDIT_H

#include "graph.h"

/* The one node that reads value v, −1 if there are none or several, or the host does. */
int umb__graph_only_reader(const struct umb_graph *g, int v);
/* An activation or gradient that lies in memory of its own and that the host does not read. */
bool umb__graph_is_inner(const struct umb_graph *g, int v);
/* Drops the nodes marked with op NULL and renumbers producers. */
void umb__graph_compact(struct umb_graph *g);
/* The value that v is a view of, through views that show all of it; v itself for others. */
int umb__graph_viewed(const struct umb_graph *g, int v);

/*
 * Whether a node is better computed as `fused`: by a kernel made for it (rank 2 and above), which
 * ranks no lower than the best for the plain one. Always, where caps are NULL: fusing for its
 * meaning alone.
 */
bool umb__fuse_pays(int plain_rank, const struct umb_problem *fused);

#endif
