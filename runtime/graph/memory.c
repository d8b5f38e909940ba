/*
 * Places for values that live only within a run. Two of them may share memory if, in the event
 * graph, every use of one is done before any use of the other begins (lives.h). Values are placed
 * from the largest to the smallest, each in the smallest gap left by those it may not share with,
 * which looks at every pair: beyond MOST_PAIRED values they are placed in one walk instead
 * (memory_scan.c).
 */
#include <stdlib.h>
#include <string.h>

#include "lives.h"

/* At this many the pairs take a fiftieth of a second. Placed in one walk, made-up nets of 6,000 to
 * 20,000 values took up to 3 % more memory in all, some with equal heads 16 % (2026-11-30). */
#define MOST_PAIRED 4096

bool umb__in_scratch(const struct umb_graph *g, int root)
{
    return root >= g->n_values || (g->value[root].kind == UMB_VALUE_TEMP && !g->value[root].output);
}

static int by_size(const void *x, const void *y)
{
    const struct umb_life *a = *(const struct umb_life *const *)x,
                          *b = *(const struct umb_life *const *)y;
    if (a->bytes != b->bytes) { return a->bytes > b->bytes ? -1 : 1; }
    if (a->first_use != b->first_use) { return a->first_use < b->first_use ? -1 : 1; }
    return (a->id > b->id) - (a->id < b->id);
}

/* The smallest gap that holds `l` among the placed ones it may not share with; placed is sorted by
 * offset. */
static size_t find_gap(const struct umb_life *l, const struct umb_life *const *placed, int n_placed,
                       const size_t *offset, int n_queues)
{
    size_t end = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (int i = 0; i < n_placed; i++) {
        const struct umb_life *p = placed[i];
        if (umb__clocks_precede(p->last, l->known, n_queues) ||
            umb__clocks_precede(l->last, p->known, n_queues)) {
            continue;
        }
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

static void fit(const struct umb_life **sorted, int n, int n_queues, const struct umb_life **placed,
                struct umb_memory *m)
{
    for (int i = 0; i < n; i++) {
        const struct umb_life *l = sorted[i];
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

static enum umb_status fit_all(const struct umb_life *lives, int n, int n_queues,
                               struct umb_arena *arena, struct umb_memory *m)
{
    const struct umb_life **sorted = umb__arena_calloc(arena, (size_t)n + 1, sizeof *sorted);
    const struct umb_life **placed = umb__arena_calloc(arena, (size_t)n + 1, sizeof *placed);
    if (!sorted || !placed) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < n; i++) {
        sorted[i] = &lives[i];
    }
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    fit(sorted, n, n_queues, placed, m);
    return UMB_OK;
}

static enum umb_status build(const struct umb_graph *g, const struct umb_steps *steps,
                             const struct umb_schedule *s, int device, struct umb_arena *arena,
                             struct umb_memory *m)
{
    struct umb_life *lives = NULL;
    int n = 0;
    const enum umb_status st = umb__lives_find(g, steps, s, device, arena, &lives, &n);
    if (st != UMB_OK) { return st; }
    for (int i = 0; i < n; i++) {
        m->bytes[lives[i].id] = lives[i].bytes;
        m->unshared += lives[i].bytes;
    }
    return (n > MOST_PAIRED ? umb__memory_scan : fit_all)(lives, n, s->n_queues, arena, m);
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
