/*
 * Places for values that live only within a run. Two of them may share memory if, in the event
 * graph, every use of one is done before any use of the other begins. Per value two clocks tell:
 * the last use of it on each queue, and what is known to be done before its first use. Values are
 * placed from the largest to the smallest, each in the smallest gap left by those it may not share
 * with.
 */
#include <stdlib.h>
#include <string.h>

#include "plan_schedule.h"

struct life {
    int id;
    size_t bytes;
    uint32_t *last;  /* [queues] position of its last use there, 0: none */
    uint32_t *known; /* [queues] least of its uses' `before` */
    int first;       /* lowest rank of a use: breaks ties */
};

bool umb__in_scratch(const struct umb_graph *g, int root)
{
    return root >= g->n_values || (g->value[root].kind == UMB_VALUE_TEMP && !g->value[root].output);
}

/* Fills one life per id that some step names; lives[ids] by id, last NULL where unused. */
static enum umb_status find_lives(const struct umb_graph *g, const struct umb_steps *steps,
                                  const struct umb_schedule *s, int device,
                                  struct umb_arena *arena, struct life *lives)
{
    size_t nq = (size_t)s->n_queues;
    for (int o = 0; o < s->n; o++) {
        int i = s->order[o];
        const struct umb_step *step = &steps->step[i];
        const uint32_t *before = &s->before[(size_t)i * nq], *clock = &s->clock[(size_t)i * nq];
        for (size_t k = 0; k < step->n_args; k++) {
            const struct umb_step_arg *a = &step->args[k];
            if (!umb__names_value(a)) { continue; }
            int root = umb__extent(g, steps, a->value).root;
            if (!umb__in_scratch(g, root) || umb__root_device(g, steps, root) != device) {
                continue;
            }
            struct life *l = &lives[root];
            if (!l->last) {
                l->id = root;
                l->first = o;
                l->last = umb__arena_calloc(arena, nq, sizeof *l->last);
                l->known = umb__arena_calloc(arena, nq, sizeof *l->known);
                if (!l->last || !l->known) { return UMB_ERR_NO_MEMORY; }
                memcpy(l->known, before, nq * sizeof *before);
            }
            l->last[s->queue[i]] = clock[s->queue[i]];
            for (size_t q = 0; q < nq; q++) {
                l->known[q] = before[q] < l->known[q] ? before[q] : l->known[q];
            }
        }
    }
    return UMB_OK;
}

/* Every use of a is done before any use of b begins. */
static bool precedes(const struct life *a, const struct life *b, int n_queues)
{
    for (int q = 0; q < n_queues; q++) {
        if (b->known[q] < a->last[q]) { return false; }
    }
    return true;
}

static int by_size(const void *x, const void *y)
{
    const struct life *a = *(struct life *const *)x, *b = *(struct life *const *)y;
    if (a->bytes != b->bytes) { return a->bytes > b->bytes ? -1 : 1; }
    return a->first < b->first ? -1 : a->first > b->first ? 1 : (a->id > b->id) - (a->id < b->id);
}

/* The smallest gap that holds `l` among the placed ones it may not share with; placed is sorted by
 * offset. */
static size_t find_gap(const struct life *l, struct life *const *placed, int n_placed,
                       const size_t *offset, int n_queues)
{
    size_t end = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (int i = 0; i < n_placed; i++) {
        const struct life *p = placed[i];
        if (precedes(p, l, n_queues) || precedes(l, p, n_queues)) { continue; }
        size_t gap = offset[p->id] > end ? offset[p->id] - end : 0;
        if (gap >= l->bytes && gap < best_size) {
            best = end;
            best_size = gap;
        }
        size_t p_end = offset[p->id] + p->bytes;
        if (p_end > end) { end = p_end; }
    }
    return best == SIZE_MAX ? end : best;
}

static void place_all(struct life **sorted, int n, int n_queues, struct life **placed,
                      struct umb_memory *m)
{
    for (int i = 0; i < n; i++) {
        struct life *l = sorted[i];
        size_t at = find_gap(l, placed, i, m->offset, n_queues);
        m->offset[l->id] = at;
        if (at + l->bytes > m->total) { m->total = at + l->bytes; }
        int k = i;
        for (; k > 0 && m->offset[placed[k - 1]->id] > at; k--) {
            placed[k] = placed[k - 1];
        }
        placed[k] = l;
    }
}

static enum umb_status build(const struct umb_graph *g, const struct umb_steps *steps,
                             const struct umb_schedule *s, int device, struct umb_arena *arena,
                             struct umb_memory *m)
{
    size_t n_ids = (size_t)m->n_ids;
    struct life *lives = umb__arena_calloc(arena, n_ids + 1, sizeof *lives);
    struct life **sorted = umb__arena_calloc(arena, n_ids + 1, sizeof *sorted);
    struct life **placed = umb__arena_calloc(arena, n_ids + 1, sizeof *placed);
    if (!lives || !sorted || !placed) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = find_lives(g, steps, s, device, arena, lives);
    if (st != UMB_OK) { return st; }
    int n = 0;
    for (size_t id = 0; id < n_ids; id++) {
        if (!lives[id].last) { continue; }
        size_t bytes = umb__root_bytes(g, steps, (int)id);
        lives[id].bytes = m->bytes[id] =
            (bytes + UMB_MEMORY_ALIGN - 1) / UMB_MEMORY_ALIGN * UMB_MEMORY_ALIGN;
        m->unshared += lives[id].bytes;
        sorted[n++] = &lives[id];
    }
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    place_all(sorted, n, s->n_queues, placed, m);
    return UMB_OK;
}

enum umb_status umb__memory_build(const struct umb_graph *g, const struct umb_steps *steps,
                                  const struct umb_schedule *schedule, int device,
                                  struct umb_memory *ret_memory)
{
    struct umb_memory m = {.n_ids = steps->temp_base + (int)steps->n_temps};
    struct umb_arena *arena = NULL;
    m.offset = umb__calloc(g->ctx, (size_t)m.n_ids + 1, sizeof *m.offset);
    m.bytes = umb__calloc(g->ctx, (size_t)m.n_ids + 1, sizeof *m.bytes);
    enum umb_status st =
        m.offset && m.bytes ? umb__arena_create(g->ctx, &arena) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = build(g, steps, schedule, device, arena, &m); }
    umb__arena_destroy(arena);
    if (st != UMB_OK) {
        umb__memory_finish(&m);
        return st;
    }
    *ret_memory = m;
    return UMB_OK;
}

void umb__memory_finish(struct umb_memory *m)
{
    umb__free(m->offset);
    umb__free(m->bytes);
    *m = (struct umb_memory){0};
}
