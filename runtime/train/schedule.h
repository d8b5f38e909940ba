/*
 * schedule.h: the learning rate of a step, as a pure function of the step's number.
 *
 * Every schedule may begin with a warm-up, in which the rate rises linearly from rate/W in the
 * first step to rate in step W. Then: constant; step, rate · factor^⌊epoch/every⌋ with epochs
 * counted from 0; cosine, minimum + (rate − minimum) · (1 + cos πt)/2 with t from 0 behind the
 * warm-up to 1 at the end of `span` epochs, constant at the minimum from there on.
 */
#ifndef UMB_SCHEDULE_H
#define UMB_SCHEDULE_H

#include <stdint.h>

enum umb_schedule_kind { UMB_SCHEDULE_CONSTANT, UMB_SCHEDULE_STEP, UMB_SCHEDULE_COSINE };

struct umb_schedule {
    enum umb_schedule_kind kind;
    double rate;    /* > 0 */
    double warmup;  /* epochs, ≥ 0; a part of one is meant too */
    int64_t every;  /* STEP: epochs, ≥ 1 */
    double factor;  /* STEP */
    double span;    /* COSINE: epochs, > 0 */
    double minimum; /* COSINE: rate at the end */
};

/* The rate of update number `step` (from 0), steps_per_epoch ≥ 1. */
double umb__schedule_rate(const struct umb_schedule *s, int64_t step, int64_t steps_per_epoch);

#endif
