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
    p->start_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->start_ns);
    return p->start_ns && p->end_ns && p->alone_ns ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* One run on profiling queues; every step's start and end, in the device's clock. */
static enum umb_status timed_run(struct umb_plan *p, int slot, bool one_queue, uint64_t *start,
                                 uint64_t *end)
{
    struct umb_queue *queues[UMB_MAX_QUEUES] = {0};
    enum umb_status st = UMB_OK;
    for (int q = 0; st == UMB_OK && q < (one_queue ? 1 : p->n_queues); q++) {
        st = umb__queue_create(p->device, true, &queues[q]);
    }
    if (st == UMB_OK) { st = umb__plan_enqueue(p, slot, queues, one_queue, true); }
    if (st == UMB_OK) { st = umb__plan_wait(p, slot); }
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        uint64_t queued;
        st = umb__event_times(p->device, p->event[i], &queued, &start[i], &end[i]);
    }
    umb__plan_release_events(p);
    for (int q = 0; q < UMB_MAX_QUEUES; q++) {
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
    double units = umb_device_get_caps(p->device)->compute_units, groups = 1;
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
    double longest = 0, work = 0;
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        for (int e = p->deps.start[i]; e < p->deps.start[i + 1]; e++) {
            double before = path[p->deps.pred[e]];
            path[i] = before > path[i] ? before : path[i];
        }
        path[i] += (double)p->alone_ns[i];
        longest = path[i] > longest ? path[i] : longest;
        work += (double)p->alone_ns[i] * busy_units(p, &p->steps.step[i]);
    }
    work /= umb_device_get_caps(p->device)->compute_units;
    if (st == UMB_OK) { *ret_bound_ns = (uint64_t)(longest > work ? longest : work); }
    umb__free(path);
    return st;
}
