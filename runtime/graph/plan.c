#include "plan.h"

#include "plan_internal.h"

static enum umb_status check_desc(struct umb_context *ctx, const struct umb_plan_desc *d)
{
    if (d->n_queues < 1 || d->n_queues > UMB_MAX_QUEUES) {
        return umb__fail(ctx, UMB_ERR_INVALID, "a plan runs on 1 to %d queues, not %d",
                         UMB_MAX_QUEUES, d->n_queues);
    }
    if (d->n_slots < 1 || d->n_slots > UMB_MAX_SLOTS) {
        return umb__fail(ctx, UMB_ERR_INVALID, "a plan has 1 to %d slots, not %d", UMB_MAX_SLOTS,
                         d->n_slots);
    }
    return UMB_OK;
}

static enum umb_status arrange(struct umb_plan *p, const struct umb_plan_desc *desc)
{
    enum umb_status st = umb__graph_verify(p->graph);
    if (st == UMB_OK) { st = umb__arena_create(p->ctx, &p->arena); }
    if (st == UMB_OK) { st = umb__plan_lower(p, desc); }
    if (st == UMB_OK) { st = umb__deps_build(p->graph, &p->steps, &p->deps); }
    if (st == UMB_OK && p->merges) { st = umb__plan_merge(p); }
    if (st == UMB_OK) {
        st = umb__schedule_build(p->ctx, &p->deps, p->cost_ns, p->n_queues, &p->schedule);
    }
    return st == UMB_OK ? umb__memory_build(p->graph, &p->steps, &p->schedule, &p->memory) : st;
}

enum umb_status umb__plan_finish(struct umb_plan *p)
{
    enum umb_status st = umb__plan_verify(p);
    for (int q = 0; st == UMB_OK && q < p->n_queues; q++) {
        st = umb__queue_create(p->device, false, &p->queue[q]);
    }
    if (st == UMB_OK) { st = umb__queue_create(p->device, false, &p->upload); }
    if (st == UMB_OK) { st = umb__plan_place_values(p); }
    return st == UMB_OK ? umb__plan_bind(p) : st;
}

enum umb_status umb__plan_draft(struct umb_context *ctx, const struct umb_plan_desc *desc,
                                struct umb_plan **ret_plan)
{
    enum umb_status st = check_desc(ctx, desc);
    if (st != UMB_OK) { return st; }
    struct umb_plan *p = umb__calloc(ctx, 1, sizeof *p);
    if (!p) { return UMB_ERR_NO_MEMORY; }
    p->ctx = ctx;
    p->device = desc->device;
    p->graph = desc->graph;
    p->store = desc->store;
    p->n_queues = desc->n_queues;
    p->n_slots = desc->n_slots;
    p->merges = desc->merge;
    st = arrange(p, desc);
    if (st != UMB_OK) {
        umb__plan_destroy(p);
        return st;
    }
    *ret_plan = p;
    return UMB_OK;
}

enum umb_status umb__plan_create(struct umb_context *ctx, const struct umb_plan_desc *desc,
                                 struct umb_plan **ret_plan)
{
    struct umb_plan *p = NULL;
    enum umb_status st = umb__plan_draft(ctx, desc, &p);
    if (st == UMB_OK) { st = umb__plan_finish(p); }
    if (st != UMB_OK) {
        umb__plan_destroy(p);
        return st;
    }
    *ret_plan = p;
    return UMB_OK;
}

void umb__plan_destroy(struct umb_plan *p)
{
    if (!p) { return; }
    if (p->event) { umb__plan_release_events(p); }
    umb__event_release(p->last_done);
    umb__queue_destroy(p->upload);
    for (int q = 0; q < UMB_MAX_QUEUES; q++) {
        umb__queue_destroy(p->queue[q]);
    }
    for (size_t i = 0; p->bound && i < p->steps.n; i++) {
        umb__bound_step_destroy(p->bound[i]);
    }
    for (int s = 0; s < UMB_MAX_SLOTS; s++) {
        umb__event_release(p->slot[s].done);
        umb__buffer_destroy(p->slot[s].input);
        umb__free(p->slot[s].host_input);
        umb__free(p->slot[s].host_output);
    }
    umb__buffer_destroy(p->scratch);
    umb__buffer_destroy(p->outputs);
    umb__buffer_destroy(p->constants);
    umb__buffer_destroy(p->table);
    umb__memory_finish(&p->memory);
    umb__schedule_finish(&p->schedule);
    umb__deps_finish(&p->deps);
    umb__steps_finish(&p->steps);
    umb__arena_destroy(p->arena);
    umb__free(p);
}

enum umb_status umb__plan_verify(const struct umb_plan *p)
{
    return umb__memory_verify(p->graph, &p->steps, &p->schedule, &p->memory);
}

size_t umb__plan_n_steps(const struct umb_plan *p)
{
    return p->steps.n;
}

struct umb_plan_step_info umb__plan_step(const struct umb_plan *p, size_t index)
{
    int i = p->schedule.order[index];
    const struct umb_step *s = &p->steps.step[i];
    const struct umb_node *n = &p->graph->node[s->node];
    return (struct umb_plan_step_info){
        .node = n->name,
        .solver = p->choice[s->node].solver->name,
        .kernel = s->kernel ? s->kernel->name : s->call->name,
        .phase = n->phase,
        .queue = p->schedule.queue[i],
        .n_members = s->n_members ? s->n_members : 1,
        .n_waits = p->schedule.wait_start[i + 1] - p->schedule.wait_start[i],
        .flops = p->flops[i],
        .bytes = p->bytes[i],
        .start_ns = p->start_ns ? p->start_ns[i] : 0,
        .end_ns = p->end_ns ? p->end_ns[i] : 0,
    };
}

const char *umb__plan_step_node(const struct umb_plan *p, size_t index, size_t m)
{
    const struct umb_step *s = &p->steps.step[p->schedule.order[index]];
    return p->graph->node[s->n_members ? s->member[m].node : s->node].name;
}

const char *umb__plan_solver(const struct umb_plan *p, int node)
{
    return p->choice[node].solver ? p->choice[node].solver->name : "";
}

struct umb_choice umb__plan_choice(const struct umb_plan *p, int node)
{
    return p->choice[node];
}

size_t umb__plan_scratch_bytes(const struct umb_plan *p)
{
    return p->memory.total;
}

size_t umb__plan_unshared_bytes(const struct umb_plan *p)
{
    return p->memory.unshared;
}

struct umb_plan_place umb__plan_place(const struct umb_plan *p, int value)
{
    struct umb_extent e = umb__extent(p->graph, &p->steps, value);
    size_t bytes = umb__type_bytes(&p->graph->value[value].type);
    if (!umb__in_scratch(p->graph, e.root)) {
        return (struct umb_plan_place){p->place[e.root] + e.low, bytes, false};
    }
    bool used = p->memory.bytes[e.root] > 0;
    return (struct umb_plan_place){p->memory.offset[e.root] + e.low, used ? bytes : 0, true};
}

int umb__plan_n_queues(const struct umb_plan *p)
{
    return p->n_queues;
}
