/*
 * cooccurrence.h: a matrix of relations counted from labels, for graph layers over classes or
 * tasks.
 *
 * Nodes are yes/no labels: classes, or tasks. N_i counts the samples where node i holds, N_ij those
 * where i and j do, and P_ij = N_ij/N_i, over the samples in which both are known. What graph
 * layers get is made of P as Chen et al. (CVPR 2019) do: pairs of at least `threshold` count as
 * related, each node's relations share `weight`, every node is related to itself, and the whole is
 * normalised.
 */
#ifndef UMB_COOCCURRENCE_H
#define UMB_COOCCURRENCE_H

#include "fail.h"
#include <stdbool.h>
#include <stdint.h>

struct umb_cooccurrence {
    int n;
    int64_t *both;  /* [n,n] samples where i and j hold */
    int64_t *given; /* [n,n] samples where i holds and j is known */
};
UMB_MUST_USE enum umb_status umb__cooccurrence_init(struct umb_context *ctx, int n,
                                                    struct umb_cooccurrence *c);
void umb__cooccurrence_finish(struct umb_cooccurrence *c);
/* One sample: holds[n] 1, 0, or −1 where it is not known. */
void umb__cooccurrence_add(struct umb_cooccurrence *c, const signed char *holds);
/* P [n,n], in probability; 0 where nothing is known of the pair. */
void umb__cooccurrence_shares(const struct umb_cooccurrence *c, double *ret_shares);

struct umb_adjacency_desc {
    double threshold; /* P_ij from which on j is related to i; 0.4 */
    double weight;    /* that what a node is related to has in all; 0.25 */
    bool self;        /* adds I */
    bool normalize; /* D^−½·A·D^−½, D the sums of the rows; 1 for a sum that is not positive */
};
/* From shares [n,n] to the matrix, in place; scratch [n]. */
void umb__adjacency_of_shares(const struct umb_adjacency_desc *desc, int n, double *matrix,
                              double *scratch);
/* Its last two steps alone, for a matrix that is given. */
void umb__adjacency_complete(const struct umb_adjacency_desc *desc, int n, double *matrix,
                             double *scratch);

#endif
