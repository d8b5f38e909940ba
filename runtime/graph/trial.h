/*
 * trial.h: a case of an op, built with its gradient and filled with numbers, to be checked or
 * timed.
 *
 * The case's op becomes a graph of one node; where it has a gradient, a probe Σ c·y with random
 * cotangents c stands behind output 0 and autodiff adds the backward nodes. Every node of the op
 * and of its gradient is then a problem of its own with real inputs: tests and `umbel selftest`
 * check them, `umbel bench op` times them. What is not here: finite differences, which only tests
 * make (tests/support/gradient.c).
 */
#ifndef UMB_TRIAL_H
#define UMB_TRIAL_H

#include "graph.h"
#include "steps.h"

struct umb_trial;

/* op and row must outlive the trial. Errors: UMB_ERR_INVALID for a row that the op refuses. */
UMB_MUST_USE enum umb_status umb__trial_create(struct umb_context *ctx, const struct umb_op *op,
                                               const struct umb_op_case *row, uint64_t seed,
                                               struct umb_trial **ret_trial);
void umb__trial_destroy(struct umb_trial *t);

/* The problems: index 0 is the case's own op, then those of its gradient. They live as long as t;
 * their caps are the caller's to set.
 */
int umb__trial_n_problems(const struct umb_trial *t);
const struct umb_problem *umb__trial_problem(const struct umb_trial *t, int index);

/* The worst element of a check: error ÷ tolerance, and where it is. */
struct umb_trial_result {
    double score; /* at most 1: right. Infinite where one is NaN and the other is not */
    bool input;   /* an input that the op writes; else an output */
    int tensor;
    int64_t index;
    double got, expected, tolerance;
    double error; /* largest |got − expected| ÷ largest |expected| of a tensor */
};
/* Runs problem `index` by a solver (NULL for views) from inputs rounded to the device's types, and
 * compares with the reference from the same inputs. A wrong result is not an error: see the score.
 */
UMB_MUST_USE enum umb_status umb__trial_check(struct umb_trial *t, struct umb_device *device,
                                              int index, const struct umb_solver *solver,
                                              struct umb_trial_result *ret_result);
/* ret_ns[repeats]: device time of each run. */
UMB_MUST_USE enum umb_status umb__trial_time(struct umb_trial *t, struct umb_device *device,
                                             int index, const struct umb_solver *solver,
                                             int repeats, uint64_t *ret_ns);

/* For finite differences: data in double of every value (change it, then put it back), the value
 * that holds a value's gradient (−1: none), and the probe Σ c·y computed anew from the data of the
 * op's inputs. */
const struct umb_graph *umb__trial_graph(const struct umb_trial *t);
double *umb__trial_data(struct umb_trial *t, int value);
int umb__trial_gradient(const struct umb_trial *t, int value);
/* Input `index` of the op is a number that the output depends on smoothly: no label, no mask. */
bool umb__trial_is_smooth(const struct umb_trial *t, int index);
double umb__trial_probe(struct umb_trial *t);

/* A number is right for this problem by this solver (NULL: a view) if
 * |got − expected| ≤ at_least + share·|expected|. */
struct umb_tolerance {
    double at_least, share;
};
/* Times the tolerance, for shapes that tests do not know. Sums in one accumulator err by more than
 * the root of their length, and of many elements one errs much; where a sound solver were called
 * wrong, training would be slow for good. A kernel that is wrong is off by far more. */
#define UMB_TRIAL_MARGIN 4
struct umb_tolerance umb__trial_tolerance(const struct umb_problem *p,
                                          const struct umb_solver *solver);

/* Filling: trial_fill.c. */

enum umb_fill {
    UMB_FILL_NORMAL,
    UMB_FILL_POSITIVE,
    UMB_FILL_UNIT,
    UMB_FILL_MASK,
    UMB_FILL_TIES,
    UMB_FILL_LABELS,
    UMB_FILL_GAPS,
    UMB_FILL_BYTES
};
#define UMB_TRIAL_MAX_IN 16

/* Reads a case's `in`. */
UMB_MUST_USE enum umb_status umb__case_inputs(struct umb_context *ctx,
                                              const struct umb_op_case *row, int *ret_n,
                                              struct umb_type types[UMB_TRIAL_MAX_IN],
                                              enum umb_fill fills[UMB_TRIAL_MAX_IN]);
/* Numbers that the dtype holds exactly; `stream` tells the draws of one trial apart. */
void umb__case_fill(enum umb_fill fill, int64_t n_classes, uint64_t seed, uint32_t stream,
                    double *data, int64_t n);
/* Total elements of a case's inputs, 0 for a row that cannot be read: for leaving out large ones.
 */
int64_t umb__case_size(const struct umb_op_case *row);

#endif
