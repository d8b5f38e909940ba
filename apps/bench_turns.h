/*
 * bench_turns.h: plain training steps by turns with runs that time their kernels one by one, so
 * that a busy machine disturbs both alike.
 */
#ifndef UMBEL_BENCH_TURNS_H
#define UMBEL_BENCH_TURNS_H

#include "hold.h"

#define BENCH_MOST_TRACED 60

struct bench_turns {
    int64_t n_steps;
    double *ms;      /* [n_steps] from the end of the step before to its own */
    double *host_us; /* [n_steps] processor time of the thread that enqueues */
    int n_traced;
    double traced_ms[BENCH_MOST_TRACED]; /* from the first kernel's start to the last one's end */
    double first_step_s, images_per_s;
    /* of the batches held, summed: at first, and with 3 steps or more at last */
    double first_loss, last_loss;
};
/* On slots that are filled with that many images each. The plan's steps are timed alone then. */
UMB_MUST_USE enum umb_status bench_take_turns(const struct session *s, const int64_t *images,
                                              struct bench_turns *r);

#endif
