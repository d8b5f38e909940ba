/*
 * simulate.h: a schedule played on a machine that is given by numbers.
 *
 * The machine has in-order queues and devices of compute units. A command becomes ready when it is
 * enqueued, the command before it on its queue is done, and so is every step it waits for. It is
 * then launched, and its kernel stands in its device's line. A unit without work takes the first
 * kernel in that line which has room for it:
 *
 *   groups ≥ units   units share what is left of the work, and all stay to its end; a unit that
 *                    comes later makes the rest go faster
 *   groups < units   a unit takes one work-group, which lasts as long as the kernel does alone,
 *                    and is free again when that is over
 *
 * so a kernel never has more than min(work-groups, units) units, no unit is idle while a kernel has
 * room, and the work done is that of bound.h: no simulation beats the bound. This is how PoCL's
 * threads take work-groups. It knows nothing of memory that two kernels compete for.
 *
 * Where it is known how many units a kernel keeps busy on average (busy_units), it takes no more,
 * and all kernels share: what one leaves idle at its start and end is another's. Then the work done
 * is less than the bound's, and a simulation may be, too.
 *
 * Launching takes a unit's time where the device is a processor whose threads do that too, but only
 * where nothing runs or stands in line: threads that sleep must be woken up, those at work take
 * the next command in passing. Else it is a delay. The same arguments give the same result, to the
 * bit.
 */
#ifndef UMB_SIMULATE_H
#define UMB_SIMULATE_H

#include "bound.h"

struct umb_simulation_desc {
    const struct umb_timed_steps *steps;
    const struct umb_schedule *schedule; /* order, queues and waits are used */
    double launch_ns;                    /* per command, from ready to running */
    bool launch_on_unit;                 /* … of a unit's time */
    double enqueue_ns; /* of the host per command, from time 0; 0: all is enqueued beforehand */
};

struct umb_simulation {
    int n;
    double makespan_ns;
    double *start_ns, *end_ns; /* [n] first work-group's start, last one's end */
    int n_devices;
    double *idle; /* [n_devices] share of the makespan in which a unit of it does nothing */
    int *chain;   /* [n_chain] steps, each of which began because of the one before, to the end */
    int n_chain;
};

/* O(n log n) for n steps on machines of few units: at most min(groups, units) events a step. The
 * result is the caller's, to be finished. Fails for want of memory, and with UMB_ERR_INVALID for a
 * schedule whose waits go round in a circle. */
UMB_MUST_USE enum umb_status umb__simulate(struct umb_context *ctx,
                                           const struct umb_simulation_desc *desc,
                                           struct umb_simulation *ret_simulation);
void umb__simulation_finish(struct umb_simulation *s);

#endif
