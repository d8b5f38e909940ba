/*
 * recompute_internal.h: what is known of a graph whose activations may be made again, for the files
 * that find it out (recompute.c) and that rewrite the graph (recompute_apply.c).
 */
#ifndef UMB_RECOMPUTE_INTERNAL_H
#define UMB_RECOMPUTE_INTERNAL_H

#include "recompute.h"

/* One value of the rewritten graph that is no original. */
struct umb_copy {
    int of, version; /* which of the originals; behind so many of its maker's cuts */
    int older;       /* the copy of the same before it, −1 */
};

struct umb_recompute {
    struct umb_graph *g;
    struct umb_arena *arena;
    struct umb_node *node; /* as the graph had them */
    int n_nodes, n_values;
    int *maker;  /* [values] */
    int *reader; /* [nodes] see umb__recompute_reader */
    int *until;  /* [nodes] the first node that updates a parameter it reads */
    bool *can;   /* [nodes] whatever the reader */
    /* Of the rewriting at work, or the latest: */
    int *cut_start,
        *cut;    /* [nodes]: those of node i are cut[cut_start[i] … cut_start[i+1]), rising */
    int *newest; /* [values] copy, as an index into copy[], −1 */
    struct umb_copy *copy;
    int n_copies, copy_capacity;
    struct umb_node *to; /* the new list, */
    int *stands;         /* and for which of the old nodes each was put there */
    int n_to, to_capacity, n_again;
};

/* The value whose memory v lies in. */
int umb__recompute_root(const struct umb_graph *g, int v);
/* Backward and updates: they read copies. */
bool umb__recompute_is_behind(const struct umb_node *n);
/* It is copied as another op, which writes none. */
bool umb__recompute_writes_state(const struct umb_graph *g, const struct umb_node *n);
/* How many cuts of what makes the original v lie before a reader: which version it reads. */
int umb__recompute_version(const struct umb_recompute *r, int v, int reader);

#endif
