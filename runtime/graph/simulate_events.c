/* simulate_events.c: see simulate_events.h; a binary heap. */
#include "simulate_events.h"

#include "alloc.h"
#include <stdbool.h>

static bool earlier(const struct umb_sim_event *a, const struct umb_sim_event *b)
{
    if (a->at_ns < b->at_ns) { return true; }
    return a->at_ns <= b->at_ns && a->number < b->number;
}

enum umb_status umb__sim_events_add(struct umb_context *ctx, struct umb_sim_events *v,
                                    struct umb_sim_event e, uint64_t *ret_number)
{
    if (v->n == v->capacity) {
        size_t grown = v->capacity ? 2 * v->capacity : 256;
        struct umb_sim_event *p = umb__grow(ctx, v->heap, v->capacity, grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        v->heap = p;
        v->capacity = grown;
    }
    e.number = v->made++;
    size_t i = v->n++;
    for (; i > 0 && earlier(&e, &v->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        v->heap[i] = v->heap[(i - 1) / 2];
    }
    v->heap[i] = e;
    if (ret_number) { *ret_number = e.number; }
    return UMB_OK;
}

struct umb_sim_event umb__sim_events_next(struct umb_sim_events *v)
{
    struct umb_sim_event top = v->heap[0], last = v->heap[--v->n];
    size_t i = 0;
    for (size_t child = 1; child < v->n; child = 2 * i + 1) {
        if (child + 1 < v->n && earlier(&v->heap[child + 1], &v->heap[child])) { child++; }
        if (!earlier(&v->heap[child], &last)) { break; }
        v->heap[i] = v->heap[child];
        i = child;
    }
    v->heap[i] = last;
    return top;
}

void umb__sim_events_finish(struct umb_sim_events *v)
{
    umb__free(v->heap);
    *v = (struct umb_sim_events){0};
}
