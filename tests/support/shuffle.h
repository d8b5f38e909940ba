/*
 * shuffle.h: plans in a random order on random queues, and random delays while they run, to show
 * that neither changes a bit.
 *
 * It stands in the linker's way (--wrap) of umb__schedule_build_on, umb__bound_step_enqueue and
 * umb__queue_write, so the runtime has no switch for it; programs that use it are linked with
 * shuffle_args. Orders are legal, queues any; waits and memory are then found, and proven, as
 * always. Delays are of three kinds: the host sleeps before it enqueues something; it sends off
 * early what a queue has; or a queue stands still until a thread opens a gate. For one thread at a
 * time.
 */
#ifndef UMB_TEST_SHUFFLE_H
#define UMB_TEST_SHUFFLE_H

#include "steps.h"

/* The thread that opens gates. */
void shuffle_open(void);
void shuffle_close(void);

/* Plans made from now on are drawn by this seed; 0: list scheduling's own. */
void shuffle_plans(uint64_t seed);
/* Delays from now on; 0: none. */
void shuffle_delays(uint64_t seed);
/* The queue of that step stands still for so long before it, each time; NULL: no more. */
void shuffle_hold(const struct umb_bound_step *step, uint64_t ns);

#endif
