/* Times of every step of one run. */
#include "plan_internal.h"

static enum umb_status allocate(struct umb_plan *p)
{
    if (p->start_ns) { return UMB_OK; }
    p->end_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->end_ns);
    p->start_ns = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->start_ns);
    return p->start_ns && p->end_ns ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__plan_timed_run(struct umb_plan *p, int slot, bool one_queue, uint64_t *start,
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
