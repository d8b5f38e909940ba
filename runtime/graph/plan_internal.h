/*
 * plan_internal.h: the parts of a plan, for the files that compile, run and trace it.
 */
#ifndef UMB_PLAN_INTERNAL_H
#define UMB_PLAN_INTERNAL_H

#include "plan.h"
#include "plan_schedule.h"

/* A run of bytes in a block that host and devices share the layout of. */
struct umb_plan_span {
    size_t offset, bytes;
};

/* What a plan has on one of its devices. */
struct umb_plan_side {
    struct umb_device *device;
    bool is_processor; /* whose cores copy, too */
    struct umb_memory memory;
    struct umb_buffer *scratch, *outputs, *constants;
    struct umb_buffer *table; /* of merged steps' members; NULL: none */
    struct umb_queue *upload;
    struct umb_plan_span *upload_span, *output_span; /* that it reads, that it makes */
    int n_upload_spans, n_output_spans;
    umb_event *last_done; /* of the latest run of any slot */
};

struct umb_plan_slot {
    /* All INPUT values side by side; NULL where a device reads none. */
    struct umb_buffer *input[UMB_MAX_DEVICES];
    char *host_input, *host_output;
    umb_event *done[UMB_MAX_DEVICES]; /* of the run that was submitted last */
    umb_event *late;                  /* its answer for the next run; NULL: none */
    bool running;
};

struct umb_plan;
struct umb_host_run { /* what the host's thread is told of a step; never written again */
    const struct umb_plan *p;
    const struct umb_step *step;
};

struct umb_plan_move { /* an argument that lies in the slots */
    int step, value;
};

struct umb_plan {
    struct umb_context *ctx;
    const struct umb_graph *graph;
    struct umb_store *store;
    int n_devices;
    struct umb_plan_side side[UMB_MAX_DEVICES];
    int n_queues, n_slots;   /* queues for kernels, of each device */
    struct umb_queues lanes; /* all queues: umb__plan_lanes */
    int lane_kind[UMB_SCHEDULE_QUEUES];
    int *step_kind;   /* [steps] of queue */
    bool *step_waits; /* [steps] makes gradients to parameters alone */
    int *step_place;  /* [steps] device, or n_devices + device of a copy beside its kernels */
    bool crosses;     /* some step is a transfer: to another device, or to the host and back */
    struct umb_bridge *bridge[UMB_MAX_DEVICES]; /* from each device to the others and the host; NULL
                                                   where nothing crosses */
    char **staging;             /* [temporaries] host memory of those on the host, else NULL */
    struct umb_pinned **pinned; /* [temporaries] that it lies in */
    bool merges, in_order;
    struct umb_arena *arena;
    struct umb_choice *choice; /* [nodes] solver NULL: views and joins without steps */
    struct umb_steps steps;
    double *flops, *bytes, *cost_ns; /* [steps] */
    bool *read_back;                 /* [values] by what is no update */
    struct umb_deps deps;
    struct umb_schedule schedule;
    size_t *place; /* [values] offset of INPUT, CONSTANT and output roots in their buffers */
    struct umb_view *kept; /* [values] of PARAM and STATE roots */
    size_t input_bytes, output_bytes, constant_bytes;
    struct umb_plan_slot slot[UMB_MAX_SLOTS];
    struct umb_queue *queue[UMB_SCHEDULE_QUEUES];
    struct umb_bound_step **bound; /* [steps] */
    struct umb_plan_move *move;
    int n_moves, bound_slot;
    umb_event **event;             /* [steps] scratch for submit */
    struct umb_host_run *host_run; /* [steps] */
    int late;             /* step that delivers what the host has for the next run; −1: none */
    bool *behind_late;    /* [steps] wait for the run before to have done so */
    umb_event *last_late; /* it has */
    uint64_t *start_ns, *end_ns; /* [steps] after a trace */
    umb_event *uploaded; /* device 0's, of the latest run whose events are all kept; NULL: none */
    struct umb_plan_transfer upload_time, read_time;
    /* After umb__plan_time_alone (alone.c). */
    double *alone_ns, *groups;  /* [steps] */
    double launch_ns;           /* between two commands of a queue */
    double tail;                /* umb__busy_units; < 0: unknown */
    double *sample_ns, *gap_ns; /* [runs kept][steps], [runs kept] */
    double *worked_ns;          /* [runs kept] processor time of the driver's threads */
    int n_alone;
    bool *critical; /* [steps] after a bound */
};

/* plan.c: a plan in two parts. A draft has its steps, their order and their places in memory, and
 * nothing on the device yet; finishing it proves it, makes buffers and queues and binds the steps.
 */
UMB_MUST_USE enum umb_status umb__plan_draft(struct umb_context *ctx,
                                             const struct umb_plan_desc *desc,
                                             struct umb_plan **ret_plan);
UMB_MUST_USE enum umb_status umb__plan_finish(struct umb_plan *p);
/* lower.c: solvers and steps of every node, and what they cost. */
UMB_MUST_USE enum umb_status umb__plan_lower(struct umb_plan *p, const struct umb_plan_desc *desc);
/* share.c: steps that fill a temporary with what an earlier one has already, left out. */
UMB_MUST_USE enum umb_status umb__plan_share(struct umb_plan *p);
/* Views, and joins that were arranged, have none. */
bool umb__node_has_steps(const struct umb_graph *g, int node);
UMB_MUST_USE enum umb_status umb__node_problem(const struct umb_graph *g, int node,
                                               const struct umb_device_caps *caps,
                                               struct umb_arena *arena,
                                               struct umb_problem *ret_problem);
/* merge.c: launches of one kernel that are ready together become one; after deps, before schedule.
 */
UMB_MUST_USE enum umb_status umb__plan_merge(struct umb_plan *p);
/* host_fill.c: keeps something for the device to do while the host is asked; behind merging. */
UMB_MUST_USE enum umb_status umb__plan_fill_host(struct umb_plan *p);
/* Which delivery is late; once the schedule is there. */
UMB_MUST_USE enum umb_status umb__plan_find_late(struct umb_plan *p);
/* plan.c: nothing but an update waits for what the step makes. */
bool umb__plan_is_for_updates(const struct umb_plan *p, const struct umb_step *s);
/* place.c: which buffer a root lies in: one of these, or, of a value of the store, the root itself.
 */
enum { UMB_HOME_SCRATCH = -1, UMB_HOME_SLOT = -2, UMB_HOME_CONSTANTS = -3, UMB_HOME_OUTPUTS = -4 };
int umb__plan_home(const struct umb_plan *p, int root);
/* place.c: buffers, places, bound steps. */
UMB_MUST_USE enum umb_status umb__plan_place_values(struct umb_plan *p);
UMB_MUST_USE enum umb_status umb__plan_bind(struct umb_plan *p);
/* On a device: inputs and constants are on several. */
struct umb_view umb__plan_view(const struct umb_plan *p, int device, int slot, int value);
/* plan.c: a plan's queues: of each device n_queues for kernels, and where something crosses, one
 * for what leaves it, unless it is a processor, and one for what comes. Kinds: device, n_devices +
 * device, 2 n_devices + device. */
int umb__plan_lane_device(const struct umb_plan *p, int lane);
/* The queues' kinds with n_queues of each device for kernels; how many there are, or 0: too many.
 */
int umb__plan_list_lanes(const struct umb_plan *p, int n_queues, int kind[UMB_SCHEDULE_QUEUES]);
/* run.c: enqueues one run on the given queues; with all_events every step's event is left in
 * p->event. */
UMB_MUST_USE enum umb_status umb__plan_enqueue(struct umb_plan *p, int slot,
                                               struct umb_queue *const *queues, bool one_queue,
                                               bool all_events);
void umb__plan_release_events(struct umb_plan *p);
/* trace.c: one run on profiling queues, waited for; every step's start and end [steps], in the
 * device's clock. */
UMB_MUST_USE enum umb_status umb__plan_timed_run(struct umb_plan *p, int slot, bool one_queue,
                                                 uint64_t *start, uint64_t *end);

#endif
