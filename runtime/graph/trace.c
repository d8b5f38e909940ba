/* Times of every step of one run. */
#include "plan_internal.h"
#include "system.h"

static enum umb_status allocate(struct umb_plan *p)
{
    if (p->start_ns) { return UMB_OK; }
    p->end_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->end_ns);
    p->start_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->start_ns);
    return p->start_ns && p->end_ns ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* What must be added to a device's times to have the host's, so that several devices' compare. */
static enum umb_status clock_offset(const struct umb_plan *p, int device, struct umb_queue *queue,
                                    uint64_t *ret_offset)
{
    struct umb_device *d = p->side[device].device;
    struct umb_buffer *buffer = NULL;
    umb_event *e = NULL;
    const uint64_t nothing = 0;
    uint64_t queued, start, end = 0;
    enum umb_status st = umb__buffer_create(d, sizeof nothing, &buffer);
    if (st == UMB_OK) {
        st = umb__queue_write(queue, buffer, 0, sizeof nothing, &nothing, NULL, 0, &e);
    }
    if (st == UMB_OK) { st = umb__queue_flush(queue); }
    if (st == UMB_OK) { st = umb__event_wait(d, e); }
    const uint64_t now = umb__clock_ns();
    if (st == UMB_OK) { st = umb__event_times(d, e, &queued, &start, &end); }
    umb__event_release(e);
    umb__buffer_destroy(buffer);
    *ret_offset = now - end;
    return st;
}

static enum umb_status read_times(const struct umb_plan *p, struct umb_queue *const *queues,
                                  uint64_t *start, uint64_t *end)
{
    uint64_t offset[UMB_MAX_DEVICES] = {0};
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && p->n_devices > 1 && d < p->n_devices; d++) {
        st = clock_offset(p, d, queues[d * p->n_queues], &offset[d]);
    }
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        const int d = p->steps.step[i].device;
        uint64_t queued;
        st = umb__event_times(p->side[d].device, p->event[i], &queued, &start[i], &end[i]);
        start[i] += offset[d];
        end[i] += offset[d];
    }
    return st;
}

enum umb_status umb__plan_timed_run(struct umb_plan *p, int slot, bool one_queue, uint64_t *start,
                                    uint64_t *end)
{
    struct umb_queue *queues[UMB_SCHEDULE_QUEUES] = {0};
    enum umb_status st = UMB_OK;
    for (int q = 0; st == UMB_OK && q < p->lanes.n; q++) {
        const int d = umb__plan_lane_device(p, q);
        if (one_queue && q != d * p->n_queues) { continue; }
        st = umb__queue_create(p->side[d].device, true, &queues[q]);
    }
    if (st == UMB_OK) { st = umb__plan_enqueue(p, slot, queues, one_queue, true); }
    if (st == UMB_OK) { st = umb__plan_wait(p, slot); }
    if (st == UMB_OK) { st = read_times(p, queues, start, end); }
    umb__plan_release_events(p);
    for (int q = 0; q < UMB_SCHEDULE_QUEUES; q++) {
        umb__queue_destroy(queues[q]);
    }
    return st;
}

enum umb_status umb__plan_trace(struct umb_plan *p, int slot)
{
    enum umb_status st = allocate(p);
    if (st == UMB_OK) { st = umb__plan_timed_run(p, slot, false, p->start_ns, p->end_ns); }
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        first = p->start_ns[i] < first ? p->start_ns[i] : first;
    }
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        p->start_ns[i] -= first;
        p->end_ns[i] -= first;
    }
    return st;
}
