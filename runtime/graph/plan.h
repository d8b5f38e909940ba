/*
 * plan.h: a graph compiled for a device: solvers chosen, steps in order on queues, memory placed.
 *
 * A plan owns its scratch memory; parameters and states live in a store that several plans share
 * (training and evaluation). Inputs lie in slots: the host fills slot i+1 while slot i is being
 * computed. One thread submits; any thread may fill a slot that is free.
 */
#ifndef UMB_PLAN_H
#define UMB_PLAN_H

#include "graph.h"
#include "steps.h"
#include "store.h"
#include "tune.h"

struct umb_plan;

struct umb_plan_desc {
    struct umb_device *device;
    const struct umb_graph *graph; /* must outlive the plan */
    struct umb_store *store;       /* must outlive the plan */
    int n_queues;                  /* 1…8, of each device */
    bool in_order;                 /* of one queue each: steps stay in the graph's order */
    int n_slots;                   /* ≥ 1 */
    bool merge;                    /* launches of one kernel that are ready together become one */
    /* Solver by node, for a resumed run: returns a solver's name or NULL. NULL: choose freely. */
    const char *(*solver_of)(void *user, const char *node);
    void *solver_user;
    const struct umb_tuning *tuning; /* must outlive the plan; NULL: nothing was measured */
    /* Devices 1, 2 … of the graph's nodes; the store has them too. */
    const struct umb_plan_member {
        struct umb_device *device;
        const struct umb_tuning *tuning;
    } *more;
    int n_more;
};
#define UMB_MAX_QUEUES 8
#define UMB_MAX_SLOTS 8

UMB_MUST_USE enum umb_status umb__plan_create(struct umb_context *ctx,
                                              const struct umb_plan_desc *desc,
                                              struct umb_plan **ret_plan);
void umb__plan_destroy(struct umb_plan *p); /* waits for what was submitted */

/* The host memory of an INPUT value in a slot, type bytes; valid while the slot is not submitted.
 */
void *umb__plan_input(struct umb_plan *p, int slot, int value);
/* Enqueues upload, all steps and the read-back of outputs; returns without waiting. */
UMB_MUST_USE enum umb_status umb__plan_submit(struct umb_plan *p, int slot);
/* Sleeps until the slot's run is over and its outputs are readable. */
UMB_MUST_USE enum umb_status umb__plan_wait(struct umb_plan *p, int slot);
const void *umb__plan_output(const struct umb_plan *p, int slot, int value);

/* What was planned, for `umb plan`, checkpoints and tests. */
struct umb_plan_step_info {
    const char *node, *solver, *kernel;
    enum umb_phase phase;
    int queue; /* of all devices' */
    int device;
    int n_waits;               /* events of other queues it waits for */
    size_t n_members;          /* launches that it does the work of (merge.c); 1: its own */
    double flops, bytes;       /* of the node, on its first step; 0 on the others */
    uint64_t start_ns, end_ns; /* after umb__plan_trace, from the first step's start */
};
size_t umb__plan_n_steps(const struct umb_plan *p);
struct umb_plan_step_info umb__plan_step(const struct umb_plan *p, size_t index);
/* The name of the node that member m of the step is of. */
const char *umb__plan_step_node(const struct umb_plan *p, size_t index, size_t m);
/* plan_show.c: the same node's index in the graph. */
int umb__plan_step_member(const struct umb_plan *p, size_t index, size_t m);
/* The step, earlier in the order, that wait k < n_waits is for. */
size_t umb__plan_step_wait(const struct umb_plan *p, size_t index, int k);
struct umb_plan_times {
    double cost_ns;    /* what the schedule was made with */
    uint64_t alone_ns; /* after umb__plan_bound; 0: not measured */
    bool critical;     /* after umb__plan_bound: on the longest path */
};
struct umb_plan_times umb__plan_step_times(const struct umb_plan *p, size_t index);
/* When each step [n_steps] would start and end if it took what the schedule expects of it. */
void umb__plan_expected(const struct umb_plan *p, double *ret_start_ns, double *ret_end_ns);
const char *umb__plan_solver(const struct umb_plan *p, int node); /* name; "" for views */
/* An update that is part of the node before it (fuse_update.c). */
bool umb__plan_is_joined(const struct umb_plan *p, int node);
struct umb_choice umb__plan_choice(const struct umb_plan *p, int node); /* solver NULL: a view */
size_t umb__plan_scratch_bytes(const struct umb_plan *p);               /* planned */
size_t umb__plan_unshared_bytes(
    const struct umb_plan *p); /* what it would be without sharing memory */
/* bytes is 0 for values that fusing left without a maker. */
struct umb_plan_place {
    size_t offset, bytes;
    bool scratch;
};
struct umb_plan_place umb__plan_place(const struct umb_plan *p, int value);
int umb__plan_n_queues(const struct umb_plan *p); /* of all devices, those for transfers too */
int umb__plan_n_devices(const struct umb_plan *p);
/* "queue 1"; of several devices "dev 0 queue 1", and "dev 0 out", "dev 0 in" for what leaves it and
 * what comes; into buffer. */
const char *umb__plan_queue_name(const struct umb_plan *p, int queue, char *buffer, size_t size);

/* Runs slot once on profiling queues and keeps every step's device times. The slot must be filled.
 * Counts as a run (parameters change). */
UMB_MUST_USE enum umb_status umb__plan_trace(struct umb_plan *p, int slot);
/* Of that run and the first device, from its first step's start, before which an upload may lie. */
struct umb_plan_transfer {
    bool known;
    size_t bytes;
    int64_t start_ns, end_ns;
};
struct umb_plan_transfer umb__plan_upload(const struct umb_plan *p);
struct umb_plan_transfer umb__plan_read_back(const struct umb_plan *p);
/* A run on one profiling queue: what each step takes with the device to itself. The slot must be
 * filled; counts as a run, and its results have the same bits. Called several times, by turns with
 * the runs that the bound is to be compared with, and best while one of those is under way, so that
 * everything is enqueued before it begins, as in training. The latest 64 are kept. */
UMB_MUST_USE enum umb_status umb__plan_time_alone(struct umb_plan *p, int slot);
/* From now on a step's time alone is what the share q (0…1) of those runs stays below; after each
 * run it is the median again. */
void umb__plan_settle_alone(struct umb_plan *p, double q);
/* The rest is for plans that were timed so, else UMB_ERR_INVALID. The lower bound of a run
 * (bound.h) from the steps' times alone; also marks the critical path. */
UMB_MUST_USE enum umb_status umb__plan_bound(struct umb_plan *p, uint64_t *ret_bound_ns);
/* What a run would take (simulate.h) on 1…64 queues of each device, of that many compute units; 0:
 * on as many as the plan has, and as the devices have. */
struct umb_forecast {
    int n_queues, units; /* units of the first device */
    double makespan_ns, bound_ns;
    double launch_ns; /* between two commands of one queue, as measured */
    double idle;      /* share of the makespan in which a unit does nothing */
    size_t scratch_bytes;
};
UMB_MUST_USE enum umb_status umb__plan_forecast(struct umb_plan *p, int n_queues, int units,
                                                struct umb_forecast *ret_forecast);

/* Proves from the event graph that every step begins behind all that it depends on, and that no two
 * values share memory while both are in use; UMB_ERR_INVALID names the pair. */
UMB_MUST_USE enum umb_status umb__plan_verify(const struct umb_plan *p);

#endif
