/*
 * Times of every step of one run, and the lower bound that a schedule is measured against:
 * max(critical path, Σ work ÷ units), where a step's work is the time it takes alone times the
 * units it can keep busy, min(work-groups, units).
 */
#include "plan_internal.h"
#include "system.h"

static enum umb_status allocate(struct umb_plan *p)
{
    if (p->start_ns) { return UMB_OK; }
    p->end_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->end_ns);
    p->alone_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->alone_ns);
    p->start_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->start_ns);
    return p->start_ns && p->end_ns && p->alone_ns ? UMB_OK : UMB_ERR_NO_MEMORY;
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

/* One run on profiling queues, or on one of each device; every step's start and end, in the
 * device's clock or, of several, in the host's. */
static enum umb_status timed_run(struct umb_plan *p, int slot, bool one_queue, uint64_t *start,
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
    if (st == UMB_OK) { st = timed_run(p, slot, false, p->start_ns, p->end_ns); }
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

/* Compute units that the step can keep busy. */
static double busy_units(const struct umb_plan *p, const struct umb_step *s)
{
    double units = umb_device_get_caps(p->side[s->device].device)->compute_units, groups = 1;
    if (!s->kernel || !s->local[0]) { return units; }
    for (unsigned d = 0; d < s->dimensions; d++) {
        groups *= (double)(s->global[d] / (s->local[d] ? s->local[d] : 1));
    }
    return groups < units ? groups : units;
}

/* The steps' times alone: the least of several runs, since whatever disturbs a run only adds. */
#define BOUND_RUNS 5
static enum umb_status time_alone(struct umb_plan *p, int slot)
{
    size_t n = p->steps.n + 1;
    uint64_t *start = umb__calloc(p->ctx, n, sizeof *start);
    uint64_t *end = umb__calloc(p->ctx, n, sizeof *end);
    enum umb_status st = start && end ? allocate(p) : UMB_ERR_NO_MEMORY;
    for (int run = 0; st == UMB_OK && run < BOUND_RUNS; run++) {
        st = timed_run(p, slot, true, start, end);
        for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
            uint64_t ns = end[i] - start[i];
            p->alone_ns[i] = run && p->alone_ns[i] < ns ? p->alone_ns[i] : ns;
        }
    }
    umb__free(start);
    umb__free(end);
    return st;
}

enum umb_status umb__plan_bound(struct umb_plan *p, int slot, uint64_t *ret_bound_ns)
{
    double *path = umb__calloc(p->ctx, p->steps.n + 1, sizeof *path);
    enum umb_status st = path ? time_alone(p, slot) : UMB_ERR_NO_MEMORY;
    double longest = 0, work[UMB_MAX_DEVICES] = {0};
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        for (int e = p->deps.start[i]; e < p->deps.start[i + 1]; e++) {
            double before = path[p->deps.pred[e]];
            path[i] = before > path[i] ? before : path[i];
        }
        path[i] += (double)p->alone_ns[i];
        longest = path[i] > longest ? path[i] : longest;
        if (!s->transfer) { work[s->device] += (double)p->alone_ns[i] * busy_units(p, s); }
    }
    for (int d = 0; d < p->n_devices; d++) {
        const double units = umb_device_get_caps(p->side[d].device)->compute_units;
        longest = work[d] / units > longest ? work[d] / units : longest;
    }
    if (st == UMB_OK) { *ret_bound_ns = (uint64_t)longest; }
    umb__free(path);
    return st;
}
