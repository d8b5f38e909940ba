/*
 * exp_adjacency.h: matrices of graph layers in experiments, for the files that read and count them.
 */
#ifndef UMB_EXP_ADJACENCY_H
#define UMB_EXP_ADJACENCY_H

#include "experiment.h"

#define UMB_MATRIX_ROWS 256 /* at most: 256² numbers are what an attribute may have */

struct umb_matrix {
    int n;
    double *value; /* [n,n] in the tree's arena */
};
/* The shares P of the answers of the tasks that a list names; zeros where their data are not open:
 * a net out of a checkpoint finds its matrix there. Errors: UMB_ERR_INVALID with the list's line;
 * what reading a sample may fail with. */
UMB_MUST_USE enum umb_status umb__exp_count(struct umb_experiment *exp, const struct umb_yaml *list,
                                            struct umb_matrix *ret_matrix);

#endif
