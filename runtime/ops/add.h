/* add.h: sums and flat copies as steps, for the ops that are made of them. */
#ifndef UMB_ADD_H
#define UMB_ADD_H

#include "simple.h"

/* out[first + i] = Σ_k in_k[i], i < n, from the left; one input makes a copy. */
UMB_MUST_USE enum umb_status umb__emit_sum(struct umb_emit *e, int n_in, const int *in, int out,
                                           int64_t first, int64_t n);

#endif
