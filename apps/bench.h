/* bench.h: the parts of umbel bench. */
#ifndef UMBEL_BENCH_H
#define UMBEL_BENCH_H

#include "cli.h"
#include <umbel/device.h>

int bench_op(int argc, char **argv);
int bench_step(int argc, char **argv);

/* What the device can do at most, measured: multiply-adds in registers, and copying memory. */
struct bench_peak {
    double gflops, gbs;
};
UMB_MUST_USE enum umb_status bench_measure_peak(struct umb_device *device,
                                                struct bench_peak *ret_peak);

#endif
