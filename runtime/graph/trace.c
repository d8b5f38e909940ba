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

/* Queues that keep times, for one run: the plan's own do not, since drivers pay for it. */
struct profile {
    struct umb_queue *queue[UMB_SCHEDULE_QUEUES];
    struct umb_queue *upload[UMB_MAX_DEVICES]; /* the plan's own, while others are in their place */
};

static void close_profile(struct umb_plan *p, struct profile *f)
{
    for (int q = 0; q < p->lanes.n; q++) {
        umb__queue_destroy(f->queue[q]);
    }
    for (int d = 0; d < p->n_devices; d++) {
        if (!f->upload[d]) { continue; }
        umb__queue_destroy(p->side[d].upload);
        p->side[d].upload = f->upload[d];
    }
}

static enum umb_status open_profile(struct umb_plan *p, bool one_queue, struct profile *f)
{
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        struct umb_queue *upload = NULL;
        st = umb__queue_create(p->side[d].device, true, &upload);
        if (st != UMB_OK) { break; }
        f->upload[d] = p->side[d].upload;
        p->side[d].upload = upload;
    }
    for (int q = 0; st == UMB_OK && q < p->lanes.n; q++) {
        const int d = umb__plan_lane_device(p, q);
        if (one_queue && q != d * p->n_queues) { continue; }
        st = umb__queue_create(p->side[d].device, true, &f->queue[q]);
    }
    return st;
}

static void forget_upload(struct umb_plan *p)
{
    umb__event_release(p->uploaded);
    p->uploaded = NULL;
}

enum umb_status umb__plan_timed_run(struct umb_plan *p, int slot, bool one_queue, uint64_t *start,
                                    uint64_t *end)
{
    struct profile f = {0};
    enum umb_status st = open_profile(p, one_queue, &f);
    if (st == UMB_OK) { st = umb__plan_enqueue(p, slot, f.queue, one_queue, true); }
    if (st == UMB_OK) { st = umb__plan_wait(p, slot); }
    if (st == UMB_OK) { st = read_times(p, f.queue, start, end); }
    umb__plan_release_events(p);
    close_profile(p, &f);
    if (one_queue) { forget_upload(p); }
    return st;
}

/* Not every driver keeps the times of what is no kernel: then they stay unknown. */
static struct umb_plan_transfer transfer_of(const struct umb_plan *p, umb_event *event,
                                            size_t bytes, uint64_t first)
{
    uint64_t queued, start, end;
    if (!event || !bytes ||
        umb__event_times(p->side[0].device, event, &queued, &start, &end) != UMB_OK ||
        end < start) {
        return (struct umb_plan_transfer){0};
    }
    return (struct umb_plan_transfer){true, bytes, (int64_t)(start - first),
                                      (int64_t)(end - first)};
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
    /* of several devices, times are the host's: theirs alone would mean nothing beside them */
    if (st == UMB_OK && p->n_devices == 1) {
        p->upload_time = transfer_of(p, p->uploaded, p->input_bytes, first);
        p->read_time = transfer_of(p, p->side[0].last_done, p->output_bytes, first);
    }
    forget_upload(p);
    return st;
}
