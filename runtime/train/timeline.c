/* timeline.c: see timeline.h; a timeline of a plan. */
#include "timeline.h"

#include <string.h>

#include "trainer_internal.h"

enum umb_status umb__trainer_parts(const struct umb_trainer *tr, enum umb_trainer_mode mode,
                                   int *ret_part)
{
    const char *name[UMB_MAX_TASKS];
    int loss[UMB_MAX_TASKS];
    for (int t = 0; t < tr->n_tasks; t++) {
        name[t] = umb__net_task(tr->net, t)->name;
        loss[t] = tr->side[mode].task[t].loss;
    }
    const struct umb_parts_desc desc = {.n_tasks = tr->n_tasks, .name = name, .loss = loss};
    return umb__graph_parts(tr->side[mode].graph, &desc, ret_part);
}

void umb__timeline_destroy(struct umb_timeline *t)
{
    if (!t) { return; }
    umb__arena_destroy(t->arena);
    umb__free(t);
}

struct build {
    struct umb_timeline *t;
    const struct umb_plan *plan;
    const int *part; /* [nodes] */
};

static const char **strings(struct umb_timeline *t, size_t n)
{
    return umb__arena_calloc(t->arena, n + 1, sizeof(const char *));
}

static enum umb_status name_lanes(struct build *b, bool upload)
{
    struct umb_timeline *t = b->t;
    const size_t n_queues = (size_t)umb__plan_n_queues(b->plan);
    const char **lane = strings(t, n_queues + 1);
    if (!lane) { return UMB_ERR_NO_MEMORY; }
    for (size_t q = 0; q < n_queues; q++) {
        char name[32];
        umb__plan_queue_name(b->plan, (int)q, name, sizeof name);
        lane[q] = umb__arena_strdup(t->arena, name);
        if (!lane[q]) { return UMB_ERR_NO_MEMORY; }
    }
    lane[n_queues] = "upload";
    t->lane = lane;
    t->n_lanes = n_queues + upload;
    return UMB_OK;
}

static enum umb_status name_heads(struct umb_timeline *t, const struct umb_trainer *tr)
{
    const char **head = strings(t, (size_t)tr->n_tasks);
    if (!head) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < tr->n_tasks; i++) {
        head[i] = umb__arena_strdup(t->arena, umb__net_task(tr->net, i)->name);
        if (!head[i]) { return UMB_ERR_NO_MEMORY; }
    }
    t->head = head;
    t->n_heads = (size_t)tr->n_tasks;
    return UMB_OK;
}

/* Keeps the list in order, and without doubles; returns its length. */
static size_t insert(int *list, size_t n, int value)
{
    size_t at = n;
    while (at > 0 && list[at - 1] > value) {
        at--;
    }
    if (at > 0 && list[at - 1] == value) { return n; }
    memmove(list + at + 1, list + at, (n - at) * sizeof *list);
    list[at] = value;
    return n + 1;
}

/* Nodes, parts and waits of a launch. */
static enum umb_status add_lists(struct build *b, size_t index, size_t n_members, int n_waits)
{
    struct umb_timeline_box *box = &b->t->box[index];
    const char **node = strings(b->t, n_members);
    int *part = umb__arena_calloc(b->t->arena, n_members + 1, sizeof *part);
    int *wait = umb__arena_calloc(b->t->arena, (size_t)n_waits + 1, sizeof *wait);
    if (!node || !part || !wait) { return UMB_ERR_NO_MEMORY; }
    for (size_t m = 0; m < n_members; m++) {
        const int of = b->part[umb__plan_step_member(b->plan, index, m)];
        node[m] = umb__arena_strdup(b->t->arena, umb__plan_step_node(b->plan, index, m));
        if (!node[m]) { return UMB_ERR_NO_MEMORY; }
        box->n_parts = insert(part, box->n_parts, of);
    }
    for (int w = 0; w < n_waits; w++) {
        wait[w] = (int)umb__plan_step_wait(b->plan, index, w);
    }
    box->node = node;
    box->n_nodes = n_members;
    box->part = part;
    box->wait = wait;
    box->n_waits = (size_t)n_waits;
    return UMB_OK;
}

static enum umb_status add_launch(struct build *b, size_t index)
{
    const struct umb_plan_step_info s = umb__plan_step(b->plan, index);
    const struct umb_plan_times times = umb__plan_step_times(b->plan, index);
    const double origin = b->t->origin_ms, end = (double)s.end_ns * 1e-6;
    b->t->box[index] = (struct umb_timeline_box){.kernel = s.kernel,
                                                 .solver = s.solver,
                                                 .lane = s.queue,
                                                 .phase = (int)s.phase,
                                                 .start_ms = origin + (double)s.start_ns * 1e-6,
                                                 .end_ms = origin + end,
                                                 .alone_ms = (double)times.alone_ns * 1e-6,
                                                 .gflop = s.flops * 1e-9,
                                                 .mb = s.bytes * 1e-6,
                                                 .critical = times.critical};
    b->t->makespan_ms = end > b->t->makespan_ms ? end : b->t->makespan_ms;
    return add_lists(b, index, s.n_members, s.n_waits);
}

static enum umb_status add_transfer(struct build *b, const struct umb_plan_transfer *x,
                                    const char *name, int lane)
{
    static const int trunk = UMB_PART_TRUNK;
    if (!x->known) { return UMB_OK; }
    const char **node = strings(b->t, 1);
    if (!node) { return UMB_ERR_NO_MEMORY; }
    node[0] = name;
    b->t->box[b->t->n_boxes++] =
        (struct umb_timeline_box){.node = node,
                                  .n_nodes = 1,
                                  .kernel = "",
                                  .solver = "",
                                  .part = &trunk,
                                  .lane = lane,
                                  .phase = UMB_TIMELINE_TRANSFER,
                                  .start_ms = b->t->origin_ms + (double)x->start_ns * 1e-6,
                                  .end_ms = b->t->origin_ms + (double)x->end_ns * 1e-6,
                                  .mb = (double)x->bytes * 1e-6};
    return UMB_OK;
}

static enum umb_status add_boxes(struct build *b)
{
    const struct umb_plan_transfer up = umb__plan_upload(b->plan),
                                   down = umb__plan_read_back(b->plan);
    const size_t n = umb__plan_n_steps(b->plan);
    enum umb_status st = name_lanes(b, up.known);
    b->t->box = umb__arena_calloc(b->t->arena, n + 2, sizeof *b->t->box);
    if (!b->t->box) { st = UMB_ERR_NO_MEMORY; }
    if (up.known && up.start_ns < 0) { b->t->origin_ms = (double)-up.start_ns * 1e-6; }
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        st = add_launch(b, i);
    }
    if (st != UMB_OK) { return st; }
    b->t->n_boxes = b->t->n_launches = n;
    st = add_transfer(b, &up, "upload", umb__plan_n_queues(b->plan));
    return st == UMB_OK ? add_transfer(b, &down, "read-back", 0) : st;
}

enum umb_status umb__timeline_of_trainer(const struct umb_trainer *tr, const char *title,
                                         double bound_ms, struct umb_timeline **ret_timeline)
{
    const struct umb_trainer_side *side = &tr->side[UMB_TRAINER_TRAIN];
    struct umb_timeline *t = umb__calloc(tr->ctx, 1, sizeof *t);
    int *part = umb__calloc(tr->ctx, (size_t)side->graph->n_nodes + 1, sizeof *part);
    enum umb_status st = t && part ? umb__arena_create(tr->ctx, &t->arena) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        t->title = umb__arena_strdup(t->arena, title);
        t->device = umb__arena_strdup(t->arena, umb_device_get_caps(tr->device)->name);
        t->bound_ms = bound_ms;
        st = t->title && t->device ? name_heads(t, tr) : UMB_ERR_NO_MEMORY;
    }
    if (st == UMB_OK) { st = umb__trainer_parts(tr, UMB_TRAINER_TRAIN, part); }
    if (st == UMB_OK) { st = add_boxes(&(struct build){.t = t, .plan = side->plan, .part = part}); }
    umb__free(part);
    if (st != UMB_OK) {
        umb__timeline_destroy(t);
        return st;
    }
    *ret_timeline = t;
    return UMB_OK;
}
