/*
 * Times of every step of one run, and the lower bound that a schedule is measured against:
 * max(critical path, Σ work ÷ units), where a step's work is the time it takes alone times the
 * units it can keep busy, min(work-groups, units).
 */
#include "plan_internal.h"

static enum umb_status allocate(struct umb_plan *p)
{
    if (p->start_ns) { return UMB_OK; }
    p->end_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->end_ns);
    p->alone_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->alone_ns);
    p->critical = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->critical);
    p->start_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->start_ns);
    return p->start_ns && p->end_ns && p->alone_ns && p->critical ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Queues that keep times, for one run: the plan's own do not, since drivers pay for it. */
struct profile {
    struct umb_queue *queue[UMB_MAX_QUEUES], *upload;
};

static void close_profile(struct umb_plan *p, struct profile *f)
{
    for (int q = 0; q < UMB_MAX_QUEUES; q++) {
        umb__queue_destroy(f->queue[q]);
    }
    if (f->upload) {
        umb__queue_destroy(p->upload);
        p->upload = f->upload;
    }
}

/* f->upload keeps the plan's own while the other is in its place. */
static enum umb_status open_profile(struct umb_plan *p, int n_queues, struct profile *f)
{
    struct umb_queue *upload = NULL;
    enum umb_status st = umb__queue_create(p->device, true, &upload);
    if (st != UMB_OK) { return st; }
    f->upload = p->upload;
    p->upload = upload;
    for (int q = 0; st == UMB_OK && q < n_queues; q++) {
        st = umb__queue_create(p->device, true, &f->queue[q]);
    }
    return st;
}

static void forget_upload(struct umb_plan *p)
{
    umb__event_release(p->uploaded);
    p->uploaded = NULL;
}

/* One run on profiling queues; every step's start and end, in the device's clock.
 * Afterwards the upload's event is to be forgotten. */
static enum umb_status timed_run(struct umb_plan *p, int slot, bool one_queue, uint64_t *start,
                                 uint64_t *end)
{
    struct profile f = {0};
    enum umb_status st = open_profile(p, one_queue ? 1 : p->n_queues, &f);
    if (st == UMB_OK) { st = umb__plan_enqueue(p, slot, f.queue, one_queue, true); }
    if (st == UMB_OK) { st = umb__plan_wait(p, slot); }
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        uint64_t queued;
        st = umb__event_times(p->device, p->event[i], &queued, &start[i], &end[i]);
    }
    umb__plan_release_events(p);
    close_profile(p, &f);
    return st;
}

/* Not every driver keeps the times of what is no kernel: then they stay unknown. */
static struct umb_plan_transfer transfer_of(const struct umb_plan *p, umb_event *event,
                                            size_t bytes, uint64_t first)
{
    uint64_t queued, start, end;
    if (!event || !bytes || umb__event_times(p->device, event, &queued, &start, &end) != UMB_OK ||
        end < start) {
        return (struct umb_plan_transfer){0};
    }
    return (struct umb_plan_transfer){true, bytes, (int64_t)(start - first),
                                      (int64_t)(end - first)};
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
    if (st == UMB_OK) {
        p->upload_time = transfer_of(p, p->uploaded, p->input_bytes, first);
        p->read_time = transfer_of(p, p->last_done, p->output_bytes, first);
    }
    forget_upload(p);
    return st;
}

/* Compute units that the step can keep busy. */
static double busy_units(const struct umb_plan *p, const struct umb_step *s)
{
    double units = umb_device_get_caps(p->device)->compute_units, groups = 1;
    if (!s->kernel || !s->local[0]) { return units; }
    for (unsigned d = 0; d < s->dimensions; d++) {
        groups *= (double)(s->global[d] / (s->local[d] ? s->local[d] : 1));
    }
    return groups < units ? groups : units;
}

enum umb_status umb__plan_time_alone(struct umb_plan *p, int slot)
{
    size_t n = p->steps.n + 1;
    uint64_t *start = umb__calloc(p->ctx, n, sizeof *start);
    uint64_t *end = umb__calloc(p->ctx, n, sizeof *end);
    enum umb_status st = start && end ? allocate(p) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = timed_run(p, slot, true, start, end); }
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        uint64_t ns = end[i] - start[i];
        p->alone_ns[i] = p->timed_alone && p->alone_ns[i] < ns ? p->alone_ns[i] : ns;
    }
    if (st == UMB_OK) { p->timed_alone = true; }
    forget_upload(p);
    umb__free(start);
    umb__free(end);
    return st;
}

/* From the last step of the longest path back to its first. */
static void mark_critical(struct umb_plan *p, const int *before, int last)
{
    for (size_t i = 0; i < p->steps.n; i++) {
        p->critical[i] = false;
    }
    for (int i = last; i >= 0; i = before[i]) {
        p->critical[i] = true;
    }
}

/* path[n] and before[n] are zeroed. */
static double bound_ns(struct umb_plan *p, double *path, int *before)
{
    double longest = 0, work = 0;
    int last = -1;
    for (int i = 0; i < p->deps.n; i++) {
        before[i] = -1;
        for (int e = p->deps.start[i]; e < p->deps.start[i + 1]; e++) {
            const int pred = p->deps.pred[e];
            if (before[i] >= 0 && path[pred] <= path[before[i]]) { continue; }
            before[i] = pred;
        }
        path[i] = (before[i] < 0 ? 0 : path[before[i]]) + (double)p->alone_ns[i];
        if (last < 0 || path[i] > longest) {
            longest = path[i];
            last = i;
        }
        work += (double)p->alone_ns[i] * busy_units(p, &p->steps.step[i]);
    }
    mark_critical(p, before, last);
    work /= umb_device_get_caps(p->device)->compute_units;
    return longest > work ? longest : work;
}

enum umb_status umb__plan_bound_of_alone(struct umb_plan *p, uint64_t *ret_bound_ns)
{
    double *path = umb__calloc(p->ctx, p->steps.n + 1, sizeof *path);
    int *before = umb__calloc(p->ctx, p->steps.n + 1, sizeof *before);
    enum umb_status st = path && before ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK && !p->timed_alone) {
        st = umb__fail(p->ctx, UMB_ERR_INVALID, "no step was timed alone yet");
    }
    if (st == UMB_OK) { *ret_bound_ns = (uint64_t)bound_ns(p, path, before); }
    umb__free(path);
    umb__free(before);
    return st;
}

enum umb_status umb__plan_bound(struct umb_plan *p, int slot, uint64_t *ret_bound_ns)
{
    enum umb_status st = UMB_OK;
    for (int run = 0; st == UMB_OK && run < UMB_ALONE_RUNS; run++) {
        st = umb__plan_time_alone(p, slot);
    }
    return st == UMB_OK ? umb__plan_bound_of_alone(p, ret_bound_ns) : st;
}
