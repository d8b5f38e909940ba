/*
 * soft_share.h: the attributes of soft_share_backward, for who adds it to a gradient.
 */
#ifndef UMB_SOFT_SHARE_H
#define UMB_SOFT_SHARE_H

#include "op.h"

/* Inputs of soft_share_backward: w_0 … w_{T−1} of one shape, pull [T,T], dpenalty [1], and with
 * `adds` a gradient of w's shape, which the output is more than. */
struct umb_soft_share_attrs {
    int64_t trunk; /* t: whose gradient it is */
    bool adds;
};

#endif
