/*
 * spread.h: cutting a walk over n elements into work-groups for the kernels that include lanes.cl.
 *
 * A CPU gets one work-item a group and the device's vector width as lanes; every other device gets
 * groups of items with one lane each. The cut depends on n and on the kind of device only, not on
 * how many cores it has, so that sums made over it have the same bits on machines of one kind.
 */
#ifndef UMB_SPREAD_H
#define UMB_SPREAD_H

#include "steps.h"

struct umb_spread {
    int lanes;            /* VW of lanes.cl: 1, 2, 4, 8 or 16 */
    int span;             /* elements a group, a multiple of lanes·local but for the last group */
    size_t groups, local; /* local: a power of two, 1 where lanes > 1 */
};

/* Groups of at least `least` elements (as far as n allows), at most `most` groups. n ≥ 1. */
struct umb_spread umb__spread(const struct umb_device_caps *caps, int64_t n, int64_t least,
                              size_t most);
int umb__spread_lanes(const struct umb_device_caps *caps);
size_t umb__spread_local(const struct umb_device_caps *caps);

/* A one-dimensional launch over a spread. */
struct umb_emit_launch umb__spread_launch(const struct umb_spread *s,
                                          const struct umb_kernel *kernel, const char *options);

/* 1 on every device: a solver that always applies, at the naive kernel's rank. */
int umb__applies_always(const struct umb_problem *p);

#endif
