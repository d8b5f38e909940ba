/*
 * plan_schedule.h: from a list of steps to an order on queues and places in memory.
 *
 * Dependencies come from what steps read and write (deps.c), the order and the queues from list
 * scheduling by critical path (schedule.c), places from who is done before whom (memory.c). "Done
 * before" is the event graph's order, kept as a clock per step: how many steps of each queue are
 * done once this one is. Everything is linear in the number of steps.
 */
#ifndef UMB_PLAN_SCHEDULE_H
#define UMB_PLAN_SCHEDULE_H

#include "graph.h"
#include "steps.h"
#include <umbel/device.h>

/* The memory that a value id (graph value or temporary) names. */
struct umb_extent {
    int root; /* the id that has the memory */
    size_t low, high;
};
struct umb_extent umb__extent(const struct umb_graph *g, const struct umb_steps *steps, int value);
size_t umb__root_bytes(const struct umb_graph *g, const struct umb_steps *steps, int root);

/* Predecessors of step i: pred[start[i] … start[i+1]), each < i in the list, without doubles. */
struct umb_deps {
    int n;
    int *start, *pred;
};
UMB_MUST_USE enum umb_status umb__deps_build(const struct umb_graph *g,
                                             const struct umb_steps *steps,
                                             struct umb_deps *ret_deps);
void umb__deps_finish(struct umb_deps *d);
/* The other way round: successors of step i are succ[start[i] … start[i+1]); missing[i] counts its
 * predecessors. start[n+1] and missing[n] are given zeroed. */
void umb__deps_turn(const struct umb_deps *d, int *start, int *succ, int *missing);

/* 64 of each device for kernels, and two between devices. */
#define UMB_SCHEDULE_QUEUES (66 * UMB_MAX_DEVICES)
/* The queues to choose from. A step goes to one of its kind. */
struct umb_queues {
    int n;
    const int *kind;      /* [n]; NULL: all alike */
    const int *step_kind; /* [steps] */
    /* [steps] What nothing but an update waits for, and so may wait itself: it has the priority of the
     * update. NULL: nothing. */
    const bool *waits;
    bool in_order; /* the list's own order, on the first queue of each kind */
};
struct umb_schedule {
    int n, n_queues;
    int *order;             /* [n] steps in the order they are enqueued */
    int *rank;              /* [n] by step: its place in order */
    int *queue;             /* [n] by step */
    uint32_t *clock;        /* [n][n_queues]: done when the step is done, itself included */
    uint32_t *before;       /* [n][n_queues]: known to be done when it begins */
    int *wait_start, *wait; /* steps of other queues whose events step i waits for */
    bool *signals;          /* [n] somebody waits for it */
};
/* cost_ns[n]: what each step is expected to take. */
UMB_MUST_USE enum umb_status umb__schedule_build(struct umb_context *ctx,
                                                 const struct umb_deps *deps, const double *cost_ns,
                                                 int n_queues, struct umb_schedule *ret_schedule);
UMB_MUST_USE enum umb_status umb__schedule_build_on(struct umb_context *ctx,
                                                    const struct umb_deps *deps,
                                                    const double *cost_ns,
                                                    const struct umb_queues *queues,
                                                    struct umb_schedule *ret_schedule);
/* With order[n] (every step behind its predecessors) and queue[n] by step as somebody else chose
 * them, in place of list scheduling; waits and clocks are found as always. */
UMB_MUST_USE enum umb_status umb__schedule_arrange(struct umb_context *ctx,
                                                   const struct umb_deps *deps, const int *order,
                                                   const int *queue, int n_queues,
                                                   struct umb_schedule *ret_schedule);
void umb__schedule_finish(struct umb_schedule *s);
/* Proves that every step begins behind all that it depends on, from order, queues and waits alone;
 * UMB_ERR_INVALID names two steps of which one does not wait for the other. */
UMB_MUST_USE enum umb_status umb__schedule_verify(const struct umb_graph *g,
                                                  const struct umb_steps *steps,
                                                  const struct umb_deps *deps,
                                                  const struct umb_schedule *schedule);

/* The device that holds a root; UMB_ON_HOST: none. */
int umb__root_device(const struct umb_graph *g, const struct umb_steps *steps, int root);

/* Places in a device's scratch buffer for every TEMP root and temporary there that a step names. */
struct umb_memory {
    int n_ids;
    size_t *offset, *bytes; /* [n_ids] by root id; bytes 0: not in scratch */
    size_t total, unshared;
};
#define UMB_MEMORY_ALIGN 64
UMB_MUST_USE enum umb_status umb__memory_build(const struct umb_graph *g,
                                               const struct umb_steps *steps,
                                               const struct umb_schedule *schedule, int device,
                                               struct umb_memory *ret_memory);
void umb__memory_finish(struct umb_memory *m);
/* Independent of how memory_build decided: works out the event graph's order anew from queues and
 * waits, and says no exactly where two values share memory that neither is done with before the
 * other is used. UMB_ERR_INVALID names them. */
UMB_MUST_USE enum umb_status umb__memory_verify(const struct umb_graph *g,
                                                const struct umb_steps *steps,
                                                const struct umb_schedule *schedule, int device,
                                                const struct umb_memory *memory);
/* True for ids whose memory is in scratch: temporaries and TEMP roots that are no outputs. */
bool umb__in_scratch(const struct umb_graph *g, int root);

#endif
