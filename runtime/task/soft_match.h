/*
 * soft_match.h: which parameters of several trunks are one another's, for soft sharing.
 *
 * Names decide: a.conv1.weight and b.conv1.weight are conv1.weight of trunks a and b. What a match
 * holds lies in the caller's arena, but for the matched names, which are the graph's.
 */
#ifndef UMB_SOFT_MATCH_H
#define UMB_SOFT_MATCH_H

#include "graph.h"
#include <umbel/net.h>
#include <umbel/soft_sharing.h>

struct umb_soft_match {
    int n;             /* matched parameters, in the order of the first trunk */
    const char **name; /* [n] without the trunk: "conv1.weight" */
    int *value;        /* [n,T] the graph's values */
    int64_t count;     /* numbers of one trunk */
    const char *text;  /* "conv1.weight, conv1.bias (1234 numbers of each trunk); left out: …" */
};

/* UMB_ERR_INVALID: nothing matches, or a wanted layer does not, and the message names it. */
UMB_MUST_USE enum umb_status umb__soft_match(const struct umb_graph *g,
                                             const struct umb_soft_sharing *d,
                                             struct umb_arena *arena,
                                             struct umb_soft_match *ret_match);
/* The same by a net's description; values are its own graph's. */
UMB_MUST_USE enum umb_status umb__soft_match_net(const struct umb_net *net,
                                                 const struct umb_soft_sharing *d,
                                                 struct umb_arena *arena,
                                                 struct umb_soft_match *ret_match);

#endif
