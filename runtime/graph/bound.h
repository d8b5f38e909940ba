/*
 * bound.h: steps as numbers, and the least time that any schedule of them can take.
 *
 * Nothing here knows a device or a plan: which step follows which, how long each takes alone, how
 * many work-groups it has, and how many compute units there are, are plain arrays. The bound is
 *
 *   max(critical path, per device Σ work ÷ units),   work = time alone · min(work-groups, units)
 *
 * for a chain of steps takes the sum of its times however many units there are, and a device does
 * no more than one unit-second per unit and second. That a step keeps its units busy as long as it
 * runs alone is an assumption: idle units in a kernel's last wave of work-groups count as work.
 */
#ifndef UMB_BOUND_H
#define UMB_BOUND_H

#include "plan_schedule.h"

#define UMB_MAX_BOUND_DEVICES 64

struct umb_timed_steps {
    const struct umb_deps *deps; /* deps->n steps */
    const double *alone_ns;      /* [n] with the whole device to itself, ≥ 0 */
    const double *groups;        /* [n] work-groups, ≥ 1; 0: enough for any device */
    const int *device;           /* [n]; NULL: all of them on device 0 */
    int n_devices;               /* 1…64 */
    const int *units;            /* [n_devices], ≥ 1 */
    /* [n] units that each keeps busy on average, from 1 to min(work-groups, units); NULL: that
     * many. Only simulations go by it. */
    const double *busy_units;
};

/* Compute units of its device that the step keeps busy while it runs alone. */
double umb__step_width(const struct umb_timed_steps *t, int step);

struct umb_bound {
    double ns;      /* the larger of these two */
    double path_ns; /* of the longest chain */
    double work_ns; /* work ÷ units of the device for which that is most */
};
/* Linear in steps and dependencies. Fails only for want of memory. */
UMB_MUST_USE enum umb_status umb__bound(struct umb_context *ctx, const struct umb_timed_steps *t,
                                        struct umb_bound *ret_bound);

/* What a step takes alone on `to` units, measured on `from`: waves of work-groups, as many as there
 * are units, all of one length. */
double umb__alone_on_units(double alone_ns, double groups, int from, int to);

/* Units that a step keeps busy on average, where all but one are idle for the share `tail`, 0…1, of
 * one work-group's time: while the last groups end, and before all units have begun. */
double umb__busy_units(double groups, int units, double tail);

#endif
