/*
 * trial_internal.h: what trial.c builds and trial_run.c runs.
 */
#ifndef UMB_TRIAL_INTERNAL_H
#define UMB_TRIAL_INTERNAL_H

#include "trial.h"

#define MAX_TENSORS (UMB_TRIAL_MAX_IN + UMB_OP_MAX_OUT + UMB_OP_MAX_PARAMS)

struct umb_trial {
    struct umb_context *ctx;
    const struct umb_op_case *row;
    uint64_t seed;
    struct umb_graph *graph;
    int op_node, probe_node; /* −1: no probe */
    int n_in;                /* of the op, with parameters */
    enum umb_fill fills[UMB_TRIAL_MAX_IN];
    int n_data_in;
    double **data; /* [n_values] */
    int *gradient; /* [n_values]; −1: none */
    int n_problems;
    int *node; /* [n_problems] */
    struct umb_problem *problem;
};

#endif
