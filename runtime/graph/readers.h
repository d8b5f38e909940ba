/*
 * readers.h: who reads which value, for the passes that rewrite a graph.
 *
 * Made once a pass, so that asking costs what the value's readers are, not what the graph is. A
 * pass that makes a node read something new says so (umb__readers_note); nodes that are taken out
 * (op NULL) and inputs that are changed need no word, for what the graph says now decides. Nodes
 * keep their numbers meanwhile.
 */
#ifndef UMB_READERS_H
#define UMB_READERS_H

#include "graph.h"

struct umb_reading { /* a node's input */
    int node, input;
    int next; /* of the same value; −1: the last */
};

struct umb_readers {
    const struct umb_graph *g;
    int *head; /* [n_values] into reading, −1: none */
    int n_values;
    struct umb_reading *reading;
    int n, capacity;
};

/* To be finished on failure too. */
UMB_MUST_USE enum umb_status umb__readers_init(struct umb_readers *r, const struct umb_graph *g);
void umb__readers_finish(struct umb_readers *r);
/* The node reads its inputs now, or this one. */
UMB_MUST_USE enum umb_status umb__readers_note(struct umb_readers *r, int node);
UMB_MUST_USE enum umb_status umb__readers_note_input(struct umb_readers *r, int node, int input);

/* Walks those that read v now: for (i = first(r, v); i >= 0; i = next(r, v, i)), r->reading[i]. One
 * may come twice. */
int umb__readers_first(const struct umb_readers *r, int v);
int umb__readers_next(const struct umb_readers *r, int v, int i);
/* The one node that reads v, by one input; −1: none or several, or the host does. */
int umb__readers_only(const struct umb_readers *r, int v);

#endif
