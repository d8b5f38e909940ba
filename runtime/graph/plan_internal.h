/*
 * plan_internal.h: the parts of a plan, for the files that compile, run and trace it.
 */
#ifndef UMB_PLAN_INTERNAL_H
#define UMB_PLAN_INTERNAL_H

#include "plan.h"
#include "plan_schedule.h"

struct umb_plan_slot {
    struct umb_buffer *input; /* all INPUT values side by side; NULL when there are none */
    char *host_input, *host_output;
    umb_event *done; /* of the run that was submitted last */
    bool running;
};

struct umb_plan_move { /* an argument that lies in the slots */
    int step, value;
};

struct umb_plan {
    struct umb_context *ctx;
    struct umb_device *device;
    const struct umb_graph *graph;
    struct umb_store *store;
    int n_queues, n_slots;
    bool merges;
    struct umb_arena *arena;
    struct umb_choice *choice; /* [nodes] solver NULL: views and joins without steps */
    struct umb_steps steps;
    double *flops, *bytes, *cost_ns; /* [steps] */
    struct umb_deps deps;
    struct umb_schedule schedule;
    struct umb_memory memory;
    size_t *place; /* [values] offset of INPUT, CONSTANT and output roots in their buffers */
    struct umb_view *kept; /* [values] of PARAM and STATE roots */
    size_t input_bytes, output_bytes, constant_bytes;
    struct umb_buffer *scratch, *outputs, *constants;
    struct umb_buffer *table; /* of merged steps' members; NULL: none */
    struct umb_plan_slot slot[UMB_MAX_SLOTS];
    struct umb_queue *queue[UMB_MAX_QUEUES], *upload;
    struct umb_bound_step **bound; /* [steps] */
    struct umb_plan_move *move;
    int n_moves, bound_slot;
    umb_event *last_done;                   /* of the latest run of any slot */
    umb_event **event;                      /* [steps] scratch for submit */
    uint64_t *start_ns, *end_ns, *alone_ns; /* [steps] after a trace; alone_ns after a bound */
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
/* Views, and joins that were arranged, have none. */
bool umb__node_has_steps(const struct umb_graph *g, int node);
UMB_MUST_USE enum umb_status umb__node_problem(const struct umb_graph *g, int node,
                                               const struct umb_device_caps *caps,
                                               struct umb_arena *arena,
                                               struct umb_problem *ret_problem);
/* merge.c: launches of one kernel that are ready together become one; after deps, before schedule.
 */
UMB_MUST_USE enum umb_status umb__plan_merge(struct umb_plan *p);
/* place.c: which buffer a root lies in: one of these, or, of a value of the store, the root itself.
 */
enum { UMB_HOME_SCRATCH = -1, UMB_HOME_SLOT = -2, UMB_HOME_CONSTANTS = -3, UMB_HOME_OUTPUTS = -4 };
int umb__plan_home(const struct umb_plan *p, int root);
/* place.c: buffers, places, bound steps. */
UMB_MUST_USE enum umb_status umb__plan_place_values(struct umb_plan *p);
UMB_MUST_USE enum umb_status umb__plan_bind(struct umb_plan *p);
struct umb_view umb__plan_view(const struct umb_plan *p, int slot, int value);
/* run.c: enqueues one run on the given queues; with all_events every step's event is left in
 * p->event. */
UMB_MUST_USE enum umb_status umb__plan_enqueue(struct umb_plan *p, int slot,
                                               struct umb_queue *const *queues, bool one_queue,
                                               bool all_events);
void umb__plan_release_events(struct umb_plan *p);

#endif
