/*
 * Running a plan. A run is: upload of the slot on its own queue; every step in schedule order; on
 * queue 0, behind all other queues, the read-back of the outputs, whose event ends the run. The
 * next run may be enqueued before that: its first step on every queue waits for the end of this
 * one.
 */
#include "plan_internal.h"

void *umb__plan_input(struct umb_plan *p, int slot, int value)
{
    struct umb_extent e = umb__extent(p->graph, &p->steps, value);
    return p->slot[slot].host_input + p->place[e.root] + e.low;
}

const void *umb__plan_output(const struct umb_plan *p, int slot, int value)
{
    struct umb_extent e = umb__extent(p->graph, &p->steps, value);
    return p->slot[slot].host_output + p->place[e.root] + e.low;
}

static enum umb_status select_slot(struct umb_plan *p, int slot)
{
    if (slot == p->bound_slot) { return UMB_OK; }
    for (int m = 0; m < p->n_moves; m++) {
        enum umb_status st = umb__bound_step_move(p->bound[p->move[m].step], p->move[m].value,
                                                  umb__plan_view(p, slot, p->move[m].value));
        if (st != UMB_OK) { return st; }
    }
    p->bound_slot = slot;
    return UMB_OK;
}

void umb__plan_release_events(struct umb_plan *p)
{
    for (size_t i = 0; i < p->steps.n; i++) {
        umb__event_release(p->event[i]);
        p->event[i] = NULL;
    }
}

struct run {
    struct umb_plan *p;
    struct umb_queue *const *queues;
    bool one_queue, all_events;
    umb_event *begin[2];      /* upload, end of the run before */
    int last[UMB_MAX_QUEUES]; /* last step on each queue, −1 */
};

static enum umb_status enqueue_step(struct run *r, int step, bool is_last)
{
    struct umb_plan *p = r->p;
    umb_event *waits[UMB_MAX_QUEUES + 2];
    size_t n = 0;
    int q = r->one_queue ? 0 : p->schedule.queue[step];
    if (r->last[q] < 0) {
        waits[n++] = r->begin[0];
        waits[n++] = r->begin[1];
    }
    for (int w = p->schedule.wait_start[step];
         !r->one_queue && w < p->schedule.wait_start[step + 1]; w++) {
        waits[n++] = p->event[p->schedule.wait[w]];
    }
    bool wants_event = r->all_events || is_last || (!r->one_queue && p->schedule.signals[step]);
    r->last[q] = step;
    return umb__bound_step_enqueue(p->bound[step], r->queues[q], waits, n,
                                   wants_event ? &p->event[step] : NULL);
}

/* Marks, per queue, the step that is enqueued last on it: its event ends the run there. */
static void find_last(const struct umb_plan *p, int *last)
{
    for (int q = 0; q < UMB_MAX_QUEUES; q++) {
        last[q] = -1;
    }
    for (int i = 0; i < p->schedule.n; i++) {
        last[p->schedule.queue[p->schedule.order[i]]] = p->schedule.order[i];
    }
}

static enum umb_status end_run(struct run *r, struct umb_plan_slot *slot)
{
    struct umb_plan *p = r->p;
    umb_event *waits[UMB_MAX_QUEUES + 2] = {r->begin[0], r->begin[1]};
    size_t n = r->last[0] < 0 ? 2 : 0;
    for (int q = 1; q < p->n_queues && !r->one_queue; q++) {
        if (r->last[q] >= 0) { waits[n++] = p->event[r->last[q]]; }
    }
    enum umb_status st = p->output_bytes
                             ? umb__queue_read(r->queues[0], p->outputs, 0, p->output_bytes,
                                               slot->host_output, waits, n, &slot->done)
                             : umb__queue_marker(r->queues[0], waits, n, &slot->done);
    if (st != UMB_OK) { return st; }
    umb__event_release(p->last_done);
    p->last_done = umb__event_retain(slot->done);
    slot->running = true;
    return UMB_OK;
}

/* Sends off what was enqueued: all of it, since queues wait for one another, after a failure too.
 */
static enum umb_status flush(const struct run *r)
{
    enum umb_status first = UMB_OK;
    for (int q = 0; q < (r->one_queue ? 1 : r->p->n_queues); q++) {
        enum umb_status st = umb__queue_flush(r->queues[q]);
        first = first == UMB_OK ? st : first;
    }
    return first;
}

enum umb_status umb__plan_enqueue(struct umb_plan *p, int slot_index,
                                  struct umb_queue *const *queues, bool one_queue, bool all_events)
{
    struct umb_plan_slot *slot = &p->slot[slot_index];
    struct run r = {.p = p, .queues = queues, .one_queue = one_queue, .all_events = all_events};
    int last[UMB_MAX_QUEUES];
    find_last(p, last);
    enum umb_status st = umb__plan_wait(p, slot_index);
    if (st == UMB_OK) { st = select_slot(p, slot_index); }
    if (st == UMB_OK && slot->input) {
        st = umb__queue_write(p->upload, slot->input, 0, p->input_bytes, slot->host_input, NULL, 0,
                              &r.begin[0]);
        if (st == UMB_OK) { st = umb__queue_flush(p->upload); }
    }
    r.begin[1] = umb__event_retain(p->last_done);
    for (int q = 0; q < UMB_MAX_QUEUES; q++) {
        r.last[q] = -1;
    }
    for (int o = 0; st == UMB_OK && o < p->schedule.n; o++) {
        int step = p->schedule.order[o];
        st = enqueue_step(&r, step, step == last[p->schedule.queue[step]]);
    }
    if (st == UMB_OK) { st = end_run(&r, slot); }
    enum umb_status sent = flush(&r);
    st = st == UMB_OK ? sent : st;
    if (all_events) {
        umb__event_release(p->uploaded);
        p->uploaded = umb__event_retain(r.begin[0]);
    }
    umb__event_release(r.begin[0]);
    umb__event_release(r.begin[1]);
    if (!all_events) { umb__plan_release_events(p); }
    return st;
}

enum umb_status umb__plan_submit(struct umb_plan *p, int slot)
{
    return umb__plan_enqueue(p, slot, p->queue, false, false);
}

enum umb_status umb__plan_wait(struct umb_plan *p, int slot_index)
{
    struct umb_plan_slot *slot = &p->slot[slot_index];
    if (!slot->running) { return UMB_OK; }
    enum umb_status st = umb__event_wait(p->device, slot->done);
    umb__event_release(slot->done);
    slot->done = NULL;
    slot->running = false;
    return st;
}
