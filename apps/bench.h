/* bench.h: the parts of umbel bench. */
#ifndef UMBEL_BENCH_H
#define UMBEL_BENCH_H

#include "cli.h"
#include "trial.h"
#include <umbel/device.h>

int bench_op(int argc, char **argv);
int bench_step(int argc, char **argv);

/* What the device can do at most, measured: multiply-adds in registers, and copying memory. */
struct bench_peak {
    double gflops, gbs;
};
UMB_MUST_USE enum umb_status bench_measure_peak(struct umb_device *device,
                                                struct bench_peak *ret_peak);

/* What one line of bench op times: a problem of a case, by a solver. */
#define BENCH_SEED 1
struct bench_line {
    const struct umb_op *op; /* the case's */
    const struct umb_op_case *row;
    const struct umb_problem *problem; /* of a trial of that case … */
    int index;                         /* … and its number there */
    const struct umb_solver *solver;
};
/* Compares the solver with the reference, on fewer samples where all of them would take long. Right
 * is what is within the tests' tolerance; the error is a figure beside it. */
struct bench_error {
    bool right;
    double largest; /* difference ÷ the largest value of its tensor */
};
UMB_MUST_USE enum umb_status bench_check(struct umb_context *ctx, struct umb_device *device,
                                         const struct bench_line *line,
                                         struct bench_error *ret_error);

#endif
