/*
 * recompute.h: activations computed a second time, just before backward reads them, instead of
 * being kept.
 *
 *   y = f(x)  …  dx = g(y, dy)     →     y = f(x)  …  y' = f(x), dx = g(y', dy)
 *
 * y then lives until the last node of the forward pass that reads it, y' from its making on; if it
 * is read long after that once more, it may be made anew for that, too (a cut). A copy
 * runs the same kernels on the same numbers (dropout draws by address), so no bit changes; a node
 * that writes a state is copied as the op that does not (umb_op.again). Where what y' is made of is
 * itself made again, the copy reads that. A copy is on its node's device, where all that it reads
 * is: what came from another device is kept there, for a transfer is never made again. A graph is opened once, behind every other pass, and may
 * then be rewritten for one choice of nodes after another.
 */
#ifndef UMB_RECOMPUTE_H
#define UMB_RECOMPUTE_H

#include "graph.h"

struct umb_recompute;

/* g must outlive it, and be changed by nothing else meanwhile. */
UMB_MUST_USE enum umb_status umb__recompute_open(struct umb_graph *g, struct umb_recompute **ret_r);
void umb__recompute_close(struct umb_recompute *r);

/* Nodes of the graph as it was opened; the indices below are theirs. */
int umb__recompute_n_nodes(const struct umb_recompute *r);
const struct umb_node *umb__recompute_node(const struct umb_recompute *r, int node);
/* The node, of those, that makes one of the values that were there; −1: none. */
int umb__recompute_maker(const struct umb_recompute *r, int value);
/* The node could be copied for a reader at `reader`. */
bool umb__recompute_can(const struct umb_recompute *r, int node, int reader);
/* The first node behind the forward pass that reads what the node makes, itself or as a view; −1:
 * none. */
int umb__recompute_reader(const struct umb_recompute *r, int node);
/* A copy's inputs, into in[n_in + n_out of the node]; how many. */
int umb__recompute_inputs(const struct umb_recompute *r, int node, int *in);
/* How many of the node's outputs a copy makes: the first ones. */
int umb__recompute_n_out(const struct umb_recompute *r, int node);

/* From reader `at` on, what the node makes is made anew for the readers from there on, up to the
 * node's next cut. Readers in the forward pass and those before its first cut have the original. */
struct umb_cut {
    int node, at;
};
/* Rewrites the graph by these cuts, each of which is there once, and no others. On failure the
 * graph is good for destruction only. */
UMB_MUST_USE enum umb_status umb__recompute_apply(struct umb_recompute *r,
                                                  const struct umb_cut *cut, int n_cuts);

/* Of the graph as it is now. */
int umb__recompute_n_again(const struct umb_recompute *r); /* copies; views are not counted */
/* Which of the first nodes this is, or is read by, if it is a copy. */
int umb__recompute_stands_for(const struct umb_recompute *r, int node);
/* What a reader reads in place of one of the first values; −1: it has not been made for any. */
int umb__recompute_value(const struct umb_recompute *r, int value, int reader);

#endif
