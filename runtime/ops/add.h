/* add.h: sums and flat copies as steps, for the ops that are made of them. */
#ifndef UMB_ADD_H
#define UMB_ADD_H

#include "simple.h"

/* out[first + i] = Σ_k in_k[i], i < n, from the left; one input makes a copy. */
struct umb_sum {
    int n_in;
    const int *in;
    int mask; /* where this value is not positive the sum is 0; −1: none */
    int out;
    int64_t first, n;
};
UMB_MUST_USE enum umb_status umb__emit_sum(struct umb_emit *e, const struct umb_sum *sum);
/* Output 0 is the inputs one after another: rows.c. */
UMB_MUST_USE enum umb_status umb__emit_joined(struct umb_emit *e);
void umb__reference_joined(const struct umb_reference *r);

#endif
