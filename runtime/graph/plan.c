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
    if (d->n_more < 0 || d->n_more >= UMB_MAX_DEVICES) {
        return umb__fail(ctx, UMB_ERR_INVALID, "a plan runs on 1 to %d devices, not %d",
                         UMB_MAX_DEVICES, 1 + d->n_more);
    }
    return UMB_OK;
}

/* What leaves a processor is copied by the cores that run its kernels, which come first there
 * whatever waits (PoCL): so it has its turn among them. A command that waits for another device
 * would hold up all behind it, and has a queue of its own. */
static bool is_beside_kernels(const struct umb_plan *p, int device, int transfer)
{
    return transfer == UMB_DELIVER || (transfer == UMB_FETCH && !p->side[device].is_processor);
}

/* Device 0's queues for kernels, device 1's …; then, where something crosses, theirs for what
 * leaves them and for what comes. */
int umb__plan_list_lanes(const struct umb_plan *p, int n_queues, int kind[UMB_SCHEDULE_QUEUES])
{
    int n = 0;
    if (p->n_devices * (n_queues + 2) > UMB_SCHEDULE_QUEUES) { return 0; }
    for (int lane = 0; lane < p->n_devices * n_queues; lane++) {
        kind[n++] = lane / n_queues;
    }
    for (int k = p->n_devices; p->crosses && k < 3 * p->n_devices; k++) {
        if (is_beside_kernels(p, k % p->n_devices, k / p->n_devices)) { kind[n++] = k; }
    }
    return n;
}

int umb__plan_lane_device(const struct umb_plan *p, int lane)
{
    return p->lane_kind[lane] % p->n_devices;
}

/* What is read before updates are: rows of tasks' gradients, which lie in states as packed
 * gradients do. */
static enum umb_status find_read_back(struct umb_plan *p)
{
    const struct umb_graph *g = p->graph;
    p->read_back = umb__arena_calloc(p->arena, (size_t)g->n_values + 1, sizeof *p->read_back);
    if (!p->read_back) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; k < g->node[i].n_in && g->node[i].phase == UMB_PHASE_BACKWARD; k++) {
            p->read_back[g->node[i].in[k]] = true;
        }
    }
    return UMB_OK;
}

/* All that the node makes lies among the packed gradients, or goes into the update behind it. */
static bool makes_gradients(const struct umb_plan *p, const struct umb_node *n)
{
    const struct umb_graph *g = p->graph;
    if (n->phase != UMB_PHASE_BACKWARD || n->feeds_update) { return n->feeds_update; }
    for (int k = 0; k < n->n_out; k++) {
        const int base = g->value[n->out[k]].base;
        if (base < 0 || g->value[base].kind != UMB_VALUE_STATE || p->read_back[base]) {
            return false;
        }
    }
    return n->n_out > 0;
}

bool umb__plan_is_for_updates(const struct umb_plan *p, const struct umb_step *s)
{
    for (size_t m = 0; m < s->n_members; m++) {
        if (!makes_gradients(p, &p->graph->node[s->member[m].node])) { return false; }
    }
    return makes_gradients(p, &p->graph->node[s->node]);
}

static bool any_crosses(const struct umb_plan *p)
{
    for (size_t i = 0; i < p->steps.n; i++) {
        if (p->steps.step[i].transfer) { return true; }
    }
    return p->n_devices > 1;
}

static enum umb_status schedule(struct umb_plan *p)
{
    p->crosses = any_crosses(p);
    p->lanes.n = umb__plan_list_lanes(p, p->n_queues, p->lane_kind);
    p->step_kind = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->step_kind);
    p->step_place = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->step_place);
    p->step_waits = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->step_waits);
    if (!p->step_kind || !p->step_place || !p->step_waits) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        const bool beside = is_beside_kernels(p, s->device, (int)s->transfer);
        p->step_kind[i] = s->device + (beside ? (int)s->transfer * p->n_devices : 0);
        const bool copies = s->transfer && !p->side[s->device].is_processor;
        p->step_place[i] = s->device + (copies ? p->n_devices : 0);
        p->step_waits[i] = umb__plan_is_for_updates(p, s);
    }
    if (p->crosses) {
        p->lanes.kind = p->lane_kind;
        p->lanes.step_kind = p->step_kind;
    }
    p->lanes.waits = p->step_waits;
    p->lanes.in_order = p->in_order;
    return umb__schedule_build_on(p->ctx, &p->deps, p->cost_ns, &p->lanes, &p->schedule);
}

static enum umb_status plan_memory(struct umb_plan *p)
{
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        st = umb__memory_build(p->graph, &p->steps, &p->schedule, d, &p->side[d].memory);
    }
    return st;
}

static enum umb_status create_queues(struct umb_plan *p)
{
    enum umb_status st = UMB_OK;
    for (int q = 0; st == UMB_OK && q < p->lanes.n; q++) {
        st = umb__queue_create(p->side[umb__plan_lane_device(p, q)].device, false, &p->queue[q]);
    }
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        st = umb__queue_create(p->side[d].device, false, &p->side[d].upload);
    }
    for (int d = 0; st == UMB_OK && p->crosses && d < p->n_devices; d++) {
        st = umb__bridge_create(p->ctx, &p->bridge[d]);
    }
    return st;
}

static enum umb_status arrange(struct umb_plan *p, const struct umb_plan_desc *desc)
{
    enum umb_status st = umb__graph_verify(p->graph);
    if (st == UMB_OK) { st = umb__arena_create(p->ctx, &p->arena); }
    if (st == UMB_OK) { st = umb__plan_lower(p, desc); }
    if (st == UMB_OK) { st = find_read_back(p); }
    if (st == UMB_OK) { st = umb__deps_build(p->graph, &p->steps, &p->deps); }
    if (st == UMB_OK && p->merges) { st = umb__plan_merge(p); }
    if (st == UMB_OK) { st = umb__plan_fill_host(p); }
    if (st == UMB_OK) { st = schedule(p); }
    return st == UMB_OK ? plan_memory(p) : st;
}

enum umb_status umb__plan_finish(struct umb_plan *p)
{
    enum umb_status st = umb__plan_verify(p);
    if (st == UMB_OK) { st = create_queues(p); }
    if (st == UMB_OK) { st = umb__plan_place_values(p); }
    return st == UMB_OK ? umb__plan_bind(p) : st;
}

static void take_devices(struct umb_plan *p, const struct umb_plan_desc *desc)
{
    p->n_devices = 1 + desc->n_more;
    for (int d = 0; d < p->n_devices; d++) {
        struct umb_device *device = d ? desc->more[d - 1].device : desc->device;
        p->side[d].device = device;
        p->side[d].is_processor = umb_device_get_caps(device)->type == UMB_DEVICE_CPU;
    }
}

enum umb_status umb__plan_draft(struct umb_context *ctx, const struct umb_plan_desc *desc,
                                struct umb_plan **ret_plan)
{
    enum umb_status st = check_desc(ctx, desc);
    if (st != UMB_OK) { return st; }
    struct umb_plan *p = umb__calloc(ctx, 1, sizeof *p);
    if (!p) { return UMB_ERR_NO_MEMORY; }
    p->ctx = ctx;
    take_devices(p, desc);
    p->graph = desc->graph;
    p->store = desc->store;
    p->n_queues = desc->n_queues;
    p->n_slots = desc->n_slots;
    p->merges = desc->merge;
    p->in_order = desc->in_order;
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

static void finish_slot(struct umb_plan_slot *slot)
{
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        umb__event_release(slot->done[d]);
        umb__buffer_destroy(slot->input[d]);
    }
    umb__event_release(slot->late);
    umb__free(slot->host_input);
    umb__free(slot->host_output);
}

static void finish_side(struct umb_plan_side *side)
{
    umb__buffer_destroy(side->scratch);
    umb__buffer_destroy(side->outputs);
    umb__buffer_destroy(side->constants);
    umb__buffer_destroy(side->table);
    umb__memory_finish(&side->memory);
}

/* Queues wait for what they were given, and for one another, before any is gone. */
static void finish_queues(struct umb_plan *p)
{
    umb__event_release(p->last_late);
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        umb__event_release(p->side[d].last_done);
        umb__queue_destroy(p->side[d].upload);
    }
    for (int q = 0; p->crosses && q < UMB_SCHEDULE_QUEUES && p->queue[q]; q++) {
        if (umb__queue_finish(p->queue[q]) != UMB_OK) { continue; }
    }
    for (size_t i = 0; p->pinned && i < p->steps.n_temps; i++) {
        umb__pinned_destroy(p->pinned[i]);
    }
    for (int q = 0; q < UMB_SCHEDULE_QUEUES; q++) {
        umb__queue_destroy(p->queue[q]);
    }
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        umb__bridge_destroy(p->bridge[d]);
    }
}

void umb__plan_destroy(struct umb_plan *p)
{
    if (!p) { return; }
    if (p->event) { umb__plan_release_events(p); }
    umb__event_release(p->uploaded);
    finish_queues(p);
    for (size_t i = 0; p->bound && i < p->steps.n; i++) {
        umb__bound_step_destroy(p->bound[i]);
    }
    for (int s = 0; s < UMB_MAX_SLOTS; s++) {
        finish_slot(&p->slot[s]);
    }
    for (int d = 0; d < UMB_MAX_DEVICES; d++) {
        finish_side(&p->side[d]);
    }
    umb__schedule_finish(&p->schedule);
    umb__deps_finish(&p->deps);
    umb__steps_finish(&p->steps);
    umb__arena_destroy(p->arena);
    umb__free(p);
}

enum umb_status umb__plan_verify(const struct umb_plan *p)
{
    enum umb_status st = umb__schedule_verify(p->graph, &p->steps, &p->deps, &p->schedule);
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        st = umb__memory_verify(p->graph, &p->steps, &p->schedule, d, &p->side[d].memory);
    }
    return st;
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
        .device = s->device,
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
    size_t bytes = 0;
    for (int d = 0; d < p->n_devices; d++) {
        bytes += p->side[d].memory.total;
    }
    return bytes;
}

size_t umb__plan_unshared_bytes(const struct umb_plan *p)
{
    size_t bytes = 0;
    for (int d = 0; d < p->n_devices; d++) {
        bytes += p->side[d].memory.unshared;
    }
    return bytes;
}

struct umb_plan_place umb__plan_place(const struct umb_plan *p, int value)
{
    struct umb_extent e = umb__extent(p->graph, &p->steps, value);
    size_t bytes = umb__type_bytes(&p->graph->value[value].type);
    if (!umb__in_scratch(p->graph, e.root)) {
        return (struct umb_plan_place){p->place[e.root] + e.low, bytes, false};
    }
    const struct umb_memory *m = &p->side[p->graph->value[e.root].device].memory;
    bool used = m->bytes[e.root] > 0;
    return (struct umb_plan_place){m->offset[e.root] + e.low, used ? bytes : 0, true};
}

int umb__plan_n_queues(const struct umb_plan *p)
{
    return p->lanes.n;
}

int umb__plan_n_devices(const struct umb_plan *p)
{
    return p->n_devices;
}
