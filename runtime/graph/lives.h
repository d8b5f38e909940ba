/*
 * lives.h: from when to when each value in scratch is used, in the event graph; for those that give
 * values their places.
 *
 * Two clocks a value: its last use on each queue, and what is known to be done before its first.
 */
#ifndef UMB_LIVES_H
#define UMB_LIVES_H

#include "plan_schedule.h"

struct umb_life {
    int id;
    size_t bytes;         /* rounded up */
    uint32_t *last;       /* [queues] position of its last use there, 0: none */
    uint32_t *known;      /* [queues] least of its uses' `before` */
    int first_use, final; /* places in the order of the first step that uses it and of the last */
};

/* The lives of the scratch ids on a device that some step names, by first use, in the arena. */
UMB_MUST_USE enum umb_status umb__lives_find(const struct umb_graph *g,
                                             const struct umb_steps *steps,
                                             const struct umb_schedule *s, int device,
                                             struct umb_arena *arena, struct umb_life **ret_lives,
                                             int *ret_n);
/* Every use whose clocks are `last` is done before any use that knows of `known` begins. */
bool umb__clocks_precede(const uint32_t *last, const uint32_t *known, int n_queues);

/* memory_scan.c: places in one walk along the schedule, in time that is linear but for a logarithm:
 * for graphs too large for the best fit of memory.c. The arena is for what it needs meanwhile. */
UMB_MUST_USE enum umb_status umb__memory_scan(const struct umb_life *lives, int n, int n_queues,
                                              struct umb_arena *arena, struct umb_memory *m);

#endif
