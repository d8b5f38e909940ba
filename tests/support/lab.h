/*
 * lab.h: a net as a differentiated graph, filled with numbers, and evaluated in double.
 *
 * Numbers are exact in the device's types, so that a plan of the same graph can be given the same.
 * Whatever fails, fails the test that runs.
 */
#ifndef UMB_TEST_LAB_H
#define UMB_TEST_LAB_H

#include "tasks.h"

struct lab {
    struct umb_context *ctx;
    const struct umb_net *net;
    struct umb_graph *graph;
    int64_t batch;
    uint64_t seed;
    int n_tasks, n_streams, n_values; /* values before a pass added some */
    struct umb_net_values values;
    struct umb_task_values task[UMB_NET_MAX_TASKS];
    int dseed[UMB_NET_MAX_TASKS]; /* the tasks' weights */
    int *gradient;                /* [n_values], −1: none */
    int *rows, n_row;             /* lab_open_rows: [n_tasks][n_row] as autodiff says; or NULL */
    double **data;                /* [n_values] */
    double **first;               /* [n_values] what a run may change, as it was before */
};

/* Builds the net for training (or for evaluation, then without gradients) and fills it from the
 * seed. The net must outlive the lab. */
struct lab lab_open(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                    bool training, uint64_t seed);
/* The same behind umb__graph_simplify. */
struct lab lab_open_simplified(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                               bool training, uint64_t seed);
/* The same behind everything that runs before differentiation, fusing what references know. */
struct lab lab_open_fused(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                          bool training, uint64_t seed);
/* The same as lab_open, differentiated by rows: all (stop 0), to before the last block that tasks
 * share (1), to where heads begin (2). Behind that `gradient` is that of all tasks, else it has
 * nothing. */
struct lab lab_open_rows(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                         uint64_t seed, int stop);
void lab_close(struct lab *lab);

/* Evaluates everything anew; returns Σ weight·loss. */
double lab_evaluate(struct lab *lab);
double lab_loss(const struct lab *lab, int task);
int64_t lab_count(const struct lab *lab, int value);
/* Real samples of a stream: rows beyond have mask 0. */
void lab_set_rows(struct lab *lab, int stream, int64_t n);
/* Evaluates both: losses and the parameters' gradients, by name, must agree. */
void lab_compare(struct lab *a, struct lab *b, double tolerance);
/* Uniform in −1…1, exact in float. */
double lab_random(uint64_t seed, uint32_t stream, int64_t i);

#endif
