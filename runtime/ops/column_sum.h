/*
 * column_sum.h: sums over the rows of a matrix, in an order that its shape and the kind of device
 * fix.
 */
#ifndef UMB_COLUMN_SUM_H
#define UMB_COLUMN_SUM_H

#include "steps.h"

/* out [C] = Σ_i x[i,c], x [rows,C]: values of the node, or temporaries. */
UMB_MUST_USE enum umb_status umb__emit_column_sum(struct umb_emit *e, int x, int out, int64_t rows,
                                                  int64_t channels);

#endif
