/*
 * fold.h: what depends on parameters alone, taken out of a graph that is not for training.
 *
 * Nodes that read only parameters, fixed numbers and constants make the same values in every run
 * until a parameter changes. The pass cuts a graph in two along the values that the rest reads of
 * them: one half makes them, the other finds them in the store.
 */
#ifndef UMB_FOLD_H
#define UMB_FOLD_H

#include "graph.h"

/* The half that makes them: every other node goes, and what was cut is an output. *ret_n: how many
 * values were cut; with 0 the graph has no node left. */
UMB_MUST_USE enum umb_status umb__graph_fold_makers(struct umb_graph *g, int *ret_n);
/* The half that reads them: the makers go, and what was cut is a state of the store, of the name
 * that umb__graph_folded_name gives. */
UMB_MUST_USE enum umb_status umb__graph_fold_readers(struct umb_graph *g, int *ret_n);
/* "folded.NAME", in the graph's arena; NULL: no memory. */
const char *umb__graph_folded_name(struct umb_graph *g, const char *value);

#endif
