/*
 * List scheduling by critical path over in-order queues. A step's priority is the longest chain of
 * costs from it to the end, gradients to parameters not counted: those to activations go first. Of
 * the steps whose predecessors are placed, the one with the highest
 * priority goes to the queue that can begin it first. Ties go to the lower step and the lower
 * queue, so the result depends on nothing but its arguments. One queue keeps the list's own order.
 */
#include <string.h>

#include "heap.h"
#include "plan_schedule.h"

struct build {
    const struct umb_deps *deps;
    const double *cost;
    double *priority, *finish; /* [n] */
    const struct umb_queues *queues;
    double *free_at;        /* [n_queues] */
    int *succ_start, *succ; /* successors */
    int *missing;           /* [n] predecessors not yet placed */
    struct umb_heap ready;  /* by priority */
};

static void find_successors(struct build *b)
{
    const struct umb_deps *d = b->deps;
    umb__deps_turn(d, b->succ_start, b->succ, b->missing);
    for (int i = d->n - 1; i >= 0; i--) {
        double longest = 0;
        for (int e = b->succ_start[i]; e < b->succ_start[i + 1]; e++) {
            if (b->priority[b->succ[e]] > longest) { longest = b->priority[b->succ[e]]; }
        }
        const bool waits = b->queues->waits && b->queues->waits[i];
        b->priority[i] = longest + (waits ? 0 : b->cost[i]);
    }
}

/* When the step's predecessors are expected to be done. */
static double ready_at(const struct build *b, int step)
{
    double at = 0;
    for (int e = b->deps->start[step]; e < b->deps->start[step + 1]; e++) {
        if (b->finish[b->deps->pred[e]] > at) { at = b->finish[b->deps->pred[e]]; }
    }
    return at;
}

static void place_in_parallel(struct build *b, struct umb_schedule *s)
{
    for (int i = 0; i < s->n; i++) {
        if (!b->missing[i]) { umb__heap_push(&b->ready, i); }
    }
    for (int n = 0; n < s->n; n++) {
        int step = umb__heap_pop(&b->ready), best = -1;
        double ready = ready_at(b, step), begin = 0;
        for (int q = 0; q < s->n_queues; q++) {
            if (b->queues->kind && b->queues->kind[q] != b->queues->step_kind[step]) { continue; }
            double at = b->free_at[q] > ready ? b->free_at[q] : ready;
            if (best < 0 || at < begin) {
                begin = at;
                best = q;
            }
        }
        s->order[n] = step;
        s->queue[step] = best;
        b->finish[step] = b->free_at[best] = begin + b->cost[step];
        for (int e = b->succ_start[step]; e < b->succ_start[step + 1]; e++) {
            if (--b->missing[b->succ[e]] == 0) { umb__heap_push(&b->ready, b->succ[e]); }
        }
    }
}

static void place_in_order(const struct umb_queues *queues, struct umb_schedule *s)
{
    for (int i = 0; i < s->n; i++) {
        int q = 0;
        while (queues->kind && queues->kind[q] != queues->step_kind[i]) {
            q++;
        }
        s->order[i] = i;
        s->queue[i] = q;
    }
}

/* Clocks, and the waits that the order of queues and earlier waits do not already imply. */
static void synchronise(const struct umb_deps *d, struct umb_schedule *s)
{
    int nq = s->n_queues, n_waits = 0;
    int last[UMB_SCHEDULE_QUEUES];
    uint32_t position[UMB_SCHEDULE_QUEUES] = {0};
    for (int q = 0; q < nq; q++) {
        last[q] = -1;
    }
    for (int o = 0; o < s->n; o++) {
        int i = s->order[o], q = s->queue[i];
        s->rank[i] = o;
        uint32_t *before = &s->before[(size_t)i * (size_t)nq],
                 *clock = &s->clock[(size_t)i * (size_t)nq];
        if (last[q] >= 0) {
            memcpy(before, &s->clock[(size_t)last[q] * (size_t)nq], (size_t)nq * sizeof *before);
        }
        s->wait_start[i] = n_waits;
        /* Latest predecessors first: one wait then often implies the others, and there is one a
         * queue at most. */
        for (;;) {
            int best = -1;
            for (int e = d->start[i]; e < d->start[i + 1]; e++) {
                int p = d->pred[e];
                if (s->clock[(size_t)p * (size_t)nq + (size_t)s->queue[p]] <= before[s->queue[p]]) {
                    continue;
                }
                if (best < 0 || s->rank[p] > s->rank[best]) { best = p; }
            }
            if (best < 0) { break; }
            s->wait[n_waits++] = best;
            s->signals[best] = true;
            for (int k = 0; k < nq; k++) {
                uint32_t c = s->clock[(size_t)best * (size_t)nq + (size_t)k];
                if (c > before[k]) { before[k] = c; }
            }
        }
        memcpy(clock, before, (size_t)nq * sizeof *clock);
        clock[q] = ++position[q];
        last[q] = i;
    }
    s->wait_start[s->n] = n_waits;
}

/* wait_start was filled in enqueue order; turns it into begin and end by step. */
static enum umb_status index_waits(struct umb_context *ctx, struct umb_schedule *s)
{
    int *begin = s->wait_start, *wait = s->wait;
    int *start = umb__calloc(ctx, (size_t)s->n + 1, sizeof *start);
    int *sorted = umb__calloc(ctx, (size_t)s->n * (size_t)s->n_queues + 1, sizeof *sorted);
    int *count = umb__calloc(ctx, (size_t)s->n + 1, sizeof *count);
    if (!start || !sorted || !count) {
        umb__free(start);
        umb__free(sorted);
        umb__free(count);
        return UMB_ERR_NO_MEMORY;
    }
    for (int o = 0; o < s->n; o++) {
        int end = o + 1 < s->n ? begin[s->order[o + 1]] : begin[s->n];
        count[s->order[o]] = end - begin[s->order[o]];
    }
    for (int i = 0; i < s->n; i++) {
        start[i + 1] = start[i] + count[i];
        memcpy(&sorted[start[i]], &wait[begin[i]], (size_t)count[i] * sizeof *sorted);
    }
    umb__free(begin);
    umb__free(wait);
    umb__free(count);
    s->wait_start = start;
    s->wait = sorted;
    return UMB_OK;
}

static enum umb_status allocate(struct umb_context *ctx, int n, int n_queues,
                                struct umb_schedule *s)
{
    size_t rows = (size_t)n + 1, cells = rows * (size_t)n_queues;
    *s = (struct umb_schedule){.n = n, .n_queues = n_queues};
    s->order = umb__calloc(ctx, rows, sizeof *s->order);
    s->rank = umb__calloc(ctx, rows, sizeof *s->rank);
    s->queue = umb__calloc(ctx, rows, sizeof *s->queue);
    s->clock = umb__calloc(ctx, cells, sizeof *s->clock);
    s->before = umb__calloc(ctx, cells, sizeof *s->before);
    s->wait_start = umb__calloc(ctx, rows, sizeof *s->wait_start);
    s->wait = umb__calloc(ctx, cells, sizeof *s->wait); /* at most one a queue */
    s->signals = umb__calloc(ctx, rows, sizeof *s->signals);
    bool ok = s->order && s->rank && s->queue && s->clock && s->before && s->wait_start &&
              s->wait && s->signals;
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status place(struct umb_context *ctx, struct build *b, struct umb_schedule *s)
{
    size_t n = (size_t)s->n + 1, edges = (size_t)b->deps->start[b->deps->n] + 1;
    b->priority = umb__calloc(ctx, n, sizeof *b->priority);
    b->finish = umb__calloc(ctx, n, sizeof *b->finish);
    b->free_at = umb__calloc(ctx, (size_t)s->n_queues, sizeof *b->free_at);
    b->succ_start = umb__calloc(ctx, n, sizeof *b->succ_start);
    b->succ = umb__calloc(ctx, edges, sizeof *b->succ);
    b->missing = umb__calloc(ctx, n, sizeof *b->missing);
    b->ready = (struct umb_heap){umb__calloc(ctx, n, sizeof(int)), 0, b->priority};
    bool ok = b->priority && b->finish && b->free_at && b->succ_start && b->succ && b->missing &&
              b->ready.step;
    if (ok) {
        find_successors(b);
        place_in_parallel(b, s);
    }
    umb__free(b->priority);
    umb__free(b->finish);
    umb__free(b->free_at);
    umb__free(b->succ_start);
    umb__free(b->succ);
    umb__free(b->missing);
    umb__free(b->ready.step);
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Waits and clocks of a schedule whose order and queues are there, unless st says that they are
 * not; then it is given up. */
static enum umb_status complete(struct umb_context *ctx, const struct umb_deps *deps,
                                enum umb_status st, struct umb_schedule *s,
                                struct umb_schedule *ret_schedule)
{
    if (st == UMB_OK) {
        synchronise(deps, s);
        st = index_waits(ctx, s);
    }
    if (st != UMB_OK) {
        umb__schedule_finish(s);
        return st;
    }
    *ret_schedule = *s;
    return UMB_OK;
}

enum umb_status umb__schedule_build(struct umb_context *ctx, const struct umb_deps *deps,
                                    const double *cost_ns, int n_queues,
                                    struct umb_schedule *ret_schedule)
{
    const struct umb_queues queues = {.n = n_queues};
    return umb__schedule_build_on(ctx, deps, cost_ns, &queues, ret_schedule);
}

enum umb_status umb__schedule_build_on(struct umb_context *ctx, const struct umb_deps *deps,
                                       const double *cost_ns, const struct umb_queues *queues,
                                       struct umb_schedule *ret_schedule)
{
    struct umb_schedule s;
    enum umb_status st = allocate(ctx, deps->n, queues->n, &s);
    if (st == UMB_OK && queues->n > 1 && !queues->in_order) {
        st = place(ctx, &(struct build){.deps = deps, .cost = cost_ns, .queues = queues}, &s);
    } else if (st == UMB_OK) {
        place_in_order(queues, &s);
    }
    return complete(ctx, deps, st, &s, ret_schedule);
}

enum umb_status umb__schedule_arrange(struct umb_context *ctx, const struct umb_deps *deps,
                                      const int *order, const int *queue, int n_queues,
                                      struct umb_schedule *ret_schedule)
{
    struct umb_schedule s;
    enum umb_status st = allocate(ctx, deps->n, n_queues, &s);
    if (st == UMB_OK) {
        memcpy(s.order, order, (size_t)deps->n * sizeof *order);
        memcpy(s.queue, queue, (size_t)deps->n * sizeof *queue);
    }
    return complete(ctx, deps, st, &s, ret_schedule);
}

void umb__schedule_finish(struct umb_schedule *s)
{
    umb__free(s->order);
    umb__free(s->rank);
    umb__free(s->queue);
    umb__free(s->clock);
    umb__free(s->before);
    umb__free(s->wait_start);
    umb__free(s->wait);
    umb__free(s->signals);
    *s = (struct umb_schedule){0};
}
