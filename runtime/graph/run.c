/*
 * Running a plan. A run is: upload of the slot on its own queue; every step in schedule order; on
 * queue 0, behind all other queues, the read-back of the outputs, whose event ends the run. The
 * next run may be enqueued before that: its first step on every queue waits for the end of this
 * one, but for what the host has for that run alone (host_fill.c). Of several devices, each has all
 * that; what goes between them is fetched into host memory and delivered from there.
 */
#include <string.h>

#include "host.h"
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
        const int step = p->move[m].step, value = p->move[m].value;
        if (!p->bound[step]) { continue; } /* a transfer: looks itself */
        enum umb_status st = umb__bound_step_move(
            p->bound[step], value, umb__plan_view(p, p->steps.step[step].device, slot, value));
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

/* One a queue of the device, or of what leaves another. */
#define MOST_WAITS (UMB_MAX_QUEUES + 2 * UMB_MAX_DEVICES + 3)
_Static_assert(MOST_WAITS <= UMB_BRIDGE_EVENTS, "the host may be asked behind all of them");

struct run {
    struct umb_plan *p;
    int slot;
    struct umb_queue *const *queues;
    bool one_queue, all_events; /* one queue: of each device */
    struct {
        umb_event *uploaded; /* its inputs */
        bool has_fetched;
    } side[UMB_MAX_DEVICES];
    int last[UMB_SCHEDULE_QUEUES]; /* last step on each queue, −1 */
};

static int lane_of(const struct run *r, int step)
{
    const struct umb_plan *p = r->p;
    return r->one_queue ? p->steps.step[step].device * p->n_queues : p->schedule.queue[step];
}

struct waits {
    umb_event *event[MOST_WAITS];
    umb_event *bridged[MOST_WAITS + 1]; /* to be released */
    size_t n, n_bridged;
};

static void add_wait(struct waits *w, umb_event *event)
{
    if (event) { w->event[w->n++] = event; }
}

/* An event of another device. */
static enum umb_status add_bridged(const struct umb_plan *p, int from, umb_event *event, int to,
                                   struct waits *w)
{
    umb_event *here = NULL;
    if (!event) { return UMB_OK; }
    const enum umb_status st =
        umb__bridge_event(p->bridge[from], p->side[from].device, event, p->side[to].device, &here);
    if (st == UMB_OK) { w->bridged[w->n_bridged++] = here; }
    add_wait(w, here);
    return st;
}

static void release_waits(struct waits *w)
{
    for (size_t i = 0; i < w->n_bridged; i++) {
        umb__event_release(w->bridged[i]);
    }
}

/* Host memory between devices is free again once the run before is done on all of them. */
static enum umb_status wait_for_staging(struct run *r, int device, struct waits *w)
{
    const struct umb_plan *p = r->p;
    enum umb_status st = UMB_OK;
    if (r->side[device].has_fetched) { return UMB_OK; }
    r->side[device].has_fetched = true;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        if (d != device) { st = add_bridged(p, d, p->side[d].last_done, device, w); }
    }
    return st;
}

static enum umb_status find_waits(struct run *r, int step, struct waits *w)
{
    const struct umb_plan *p = r->p;
    const int lane = lane_of(r, step), device = p->steps.step[step].device;
    enum umb_status st = UMB_OK;
    w->n = w->n_bridged = 0;
    if (r->last[lane] < 0) {
        add_wait(w, r->side[device].uploaded);
        add_wait(w, p->side[device].last_done);
    }
    if (p->behind_late[step]) { add_wait(w, p->last_late); }
    for (int i = p->schedule.wait_start[step]; st == UMB_OK && i < p->schedule.wait_start[step + 1];
         i++) {
        const int before = p->schedule.wait[i], from = p->steps.step[before].device;
        if (from != device) {
            st = add_bridged(p, from, p->event[before], device, w);
        } else if (!r->one_queue || p->steps.step[step].host) { /* the host stands in no queue */
            add_wait(w, p->event[before]);
        }
    }
    if (st == UMB_OK && p->steps.step[step].transfer == UMB_FETCH) {
        st = wait_for_staging(r, device, w);
    }
    return st;
}

static enum umb_status enqueue_transfer(const struct run *r, const struct umb_step *s,
                                        struct umb_queue *queue, const struct waits *w,
                                        umb_event **ret_event)
{
    const struct umb_plan *p = r->p;
    const bool fetches = s->transfer == UMB_FETCH;
    const int value = s->args[fetches ? 0 : 1].value;
    const int staged = s->args[fetches ? 1 : 0].value - p->steps.temp_base;
    const struct umb_view v = umb__plan_view(p, s->device, r->slot, value);
    const size_t bytes = p->steps.temp_bytes[staged];
    return fetches ? umb__queue_read(queue, v.buffer, v.byte_offset, bytes, p->staging[staged],
                                     w->event, w->n, ret_event)
                   : umb__queue_write(queue, v.buffer, v.byte_offset, bytes, p->staging[staged],
                                      w->event, w->n, ret_event);
}

/* What a function of the host is called for. */
static void call_host(void *user, int slot, bool failed)
{
    const struct umb_host_run *run = user;
    const struct umb_step_arg *args = run->step->args;
    const struct umb_plan *p = run->p;
    const struct umb_host_attrs *host = run->step->host;
    if (failed) { return; }
    host->call(host->user, slot,
               (const float *)(const void *)p->staging[args[2].value - p->steps.temp_base],
               (float *)(void *)p->staging[args[0].value - p->steps.temp_base]);
}

/* The delivery waits for the call alone, which waits for all that the delivery would. */
static enum umb_status ask_host(struct run *r, int step, struct waits *w)
{
    struct umb_plan *p = r->p;
    const int device = p->steps.step[step].device;
    umb_event *called = NULL;
    const enum umb_status st =
        umb__bridge_call(p->bridge[device], p->side[device].device, w->event, w->n, call_host,
                         &p->host_run[step], r->slot, &called);
    if (st != UMB_OK) { return st; }
    w->bridged[w->n_bridged++] = called;
    w->event[0] = called;
    w->n = 1;
    return UMB_OK;
}

static enum umb_status enqueue_step(struct run *r, int step, bool is_last)
{
    struct umb_plan *p = r->p;
    const struct umb_step *s = &p->steps.step[step];
    struct waits w;
    enum umb_status st = find_waits(r, step, &w);
    const int lane = lane_of(r, step);
    const bool crosses = s->transfer == UMB_FETCH;
    const bool wants_event = r->all_events || is_last || crosses || step == p->late ||
                             (!r->one_queue && p->schedule.signals[step]);
    umb_event **event = wants_event ? &p->event[step] : NULL;
    r->last[lane] = step;
    if (st == UMB_OK && s->host) { st = ask_host(r, step, &w); }
    if (st == UMB_OK) {
        st = s->transfer
                 ? enqueue_transfer(r, s, r->queues[lane], &w, event)
                 : umb__bound_step_enqueue(p->bound[step], r->queues[lane], w.event, w.n, event);
    }
    release_waits(&w);
    return st;
}

/* Marks, per queue, the step that is enqueued last on it: its event ends the run there. */
static void find_last(const struct run *r, int *last)
{
    for (int q = 0; q < r->p->lanes.n; q++) {
        last[q] = -1;
    }
    for (int o = 0; o < r->p->schedule.n; o++) {
        last[lane_of(r, r->p->schedule.order[o])] = r->p->schedule.order[o];
    }
}

/* Reads what the device made back, behind all of its queues; the event ends its part of the run. */
static enum umb_status end_side(struct run *r, int device, struct umb_plan_slot *slot)
{
    struct umb_plan *p = r->p;
    struct umb_plan_side *side = &p->side[device];
    const int home = device * p->n_queues;
    umb_event *waits[MOST_WAITS];
    size_t n = 0;
    if (r->last[home] < 0) {
        waits[n++] = r->side[device].uploaded;
        waits[n++] = side->last_done;
    }
    for (int q = 0; q < p->lanes.n; q++) {
        const bool is_other = q != home && umb__plan_lane_device(p, q) == device;
        if (is_other && r->last[q] >= 0 && r->last[q] != p->late) {
            waits[n++] = p->event[r->last[q]];
        }
    }
    enum umb_status st = UMB_OK;
    umb_event **done = &slot->done[device];
    for (int i = 0; st == UMB_OK && i < side->n_output_spans; i++) {
        const struct umb_plan_span o = side->output_span[i];
        const bool is_last = i + 1 == side->n_output_spans;
        st = umb__queue_read(r->queues[home], side->outputs, o.offset, o.bytes,
                             slot->host_output + o.offset, waits, n, is_last ? done : NULL);
        n = 0;
    }
    if (!side->n_output_spans) { st = umb__queue_marker(r->queues[home], waits, n, done); }
    return st;
}

static enum umb_status end_run(struct run *r, struct umb_plan_slot *slot)
{
    struct umb_plan *p = r->p;
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        st = end_side(r, d, slot);
    }
    if (st != UMB_OK) { return st; }
    for (int d = 0; d < p->n_devices; d++) {
        umb__event_release(p->side[d].last_done);
        p->side[d].last_done = umb__event_retain(slot->done[d]);
    }
    if (p->late >= 0) {
        umb__event_release(p->last_late);
        p->last_late = umb__event_retain(p->event[p->late]);
        slot->late = umb__event_retain(p->event[p->late]);
    }
    slot->running = true;
    return UMB_OK;
}

/* Sends off what was enqueued: all of it, since queues wait for one another, after a failure too.
 */
static enum umb_status flush(const struct run *r)
{
    enum umb_status first = UMB_OK;
    for (int q = 0; q < r->p->lanes.n; q++) {
        if (!r->queues[q]) { continue; }
        enum umb_status st = umb__queue_flush(r->queues[q]);
        first = first == UMB_OK ? st : first;
    }
    return first;
}

static enum umb_status upload(struct run *r, const struct umb_plan_slot *slot)
{
    struct umb_plan *p = r->p;
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        const struct umb_plan_side *side = &p->side[d];
        for (int i = 0; st == UMB_OK && i < side->n_upload_spans; i++) {
            const struct umb_plan_span s = side->upload_span[i];
            const bool is_last = i + 1 == side->n_upload_spans;
            st = umb__queue_write(side->upload, slot->input[d], s.offset, s.bytes,
                                  slot->host_input + s.offset, NULL, 0,
                                  is_last ? &r->side[d].uploaded : NULL);
        }
        if (st == UMB_OK && side->n_upload_spans) { st = umb__queue_flush(side->upload); }
    }
    return st;
}

enum umb_status umb__plan_enqueue(struct umb_plan *p, int slot_index,
                                  struct umb_queue *const *queues, bool one_queue, bool all_events)
{
    struct umb_plan_slot *slot = &p->slot[slot_index];
    struct run r;
    r.p = p;
    r.slot = slot_index;
    r.queues = queues;
    r.one_queue = one_queue;
    r.all_events = all_events;
    memset(r.side, 0, sizeof r.side);
    int last[UMB_SCHEDULE_QUEUES];
    find_last(&r, last);
    enum umb_status st = umb__plan_wait(p, slot_index);
    if (st == UMB_OK) { st = select_slot(p, slot_index); }
    if (st == UMB_OK) { st = upload(&r, slot); }
    for (int q = 0; q < p->lanes.n; q++) {
        r.last[q] = -1;
    }
    for (int o = 0; st == UMB_OK && o < p->schedule.n; o++) {
        int step = p->schedule.order[o];
        st = enqueue_step(&r, step, step == last[lane_of(&r, step)]);
    }
    if (st == UMB_OK) { st = end_run(&r, slot); }
    enum umb_status sent = flush(&r);
    st = st == UMB_OK ? sent : st;
    if (all_events) {
        umb__event_release(p->uploaded);
        p->uploaded = umb__event_retain(r.side[0].uploaded);
    }
    for (int d = 0; d < p->n_devices; d++) {
        umb__event_release(r.side[d].uploaded);
    }
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
    enum umb_status st = UMB_OK;
    for (int d = 0; d < p->n_devices; d++) {
        const enum umb_status one = umb__event_wait(p->side[d].device, slot->done[d]);
        st = st == UMB_OK ? one : st;
        umb__event_release(slot->done[d]);
        slot->done[d] = NULL;
    }
    if (slot->late) {
        const int device = p->steps.step[p->late].device;
        const enum umb_status one = umb__event_wait(p->side[device].device, slot->late);
        st = st == UMB_OK ? one : st;
        umb__event_release(slot->late);
        slot->late = NULL;
    }
    slot->running = false;
    return st;
}
