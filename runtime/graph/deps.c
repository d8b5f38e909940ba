/*
 * Which steps must come after which: a step depends on the last one that wrote what it touches,
 * and, if it writes, on all that touched it since. Accesses are ranges of bytes, so that views and
 * packed parameters are told apart.
 */
#include <stdlib.h>
#include <string.h>

#include "plan_schedule.h"

struct access {
    int step;
    bool write;
    size_t low, high;
    int next;
};

struct history {
    struct umb_context *ctx;
    int *head; /* [ids]: newest access of each root */
    struct access *access;
    int n, capacity;
    int *pred;
    int n_pred, pred_capacity;
};

struct umb_extent umb__extent(const struct umb_graph *g, const struct umb_steps *steps, int value)
{
    if (value >= steps->temp_base) {
        return (struct umb_extent){value, 0, steps->temp_bytes[value - steps->temp_base]};
    }
    const struct umb_value *v = &g->value[value];
    size_t low = v->base >= 0 ? v->base_offset : 0;
    return (struct umb_extent){v->base >= 0 ? v->base : value, low,
                               low + umb__type_bytes(&v->type)};
}

size_t umb__root_bytes(const struct umb_graph *g, const struct umb_steps *steps, int root)
{
    return root >= steps->temp_base ? steps->temp_bytes[root - steps->temp_base]
                                    : umb__type_bytes(&g->value[root].type);
}

int umb__root_device(const struct umb_graph *g, const struct umb_steps *steps, int root)
{
    return root >= steps->temp_base ? steps->temp_device[root - steps->temp_base]
                                    : g->value[root].device;
}

static bool grow_ints(struct umb_context *ctx, int **array, int n, int *capacity)
{
    if (n < *capacity) { return true; }
    int grown = *capacity ? 2 * *capacity : 256;
    int *p = umb__grow(ctx, *array, (size_t)*capacity, (size_t)grown, sizeof *p);
    if (!p) { return false; }
    *array = p;
    *capacity = grown;
    return true;
}

static bool add_pred(struct history *h, int first, int step)
{
    for (int i = first; i < h->n_pred; i++) {
        if (h->pred[i] == step) { return true; }
    }
    if (!grow_ints(h->ctx, &h->pred, h->n_pred, &h->pred_capacity)) { return false; }
    h->pred[h->n_pred++] = step;
    return true;
}

/* Links the step to the earlier accesses it must follow; those that a write covers wholly are
 * forgotten. */
static bool follow(struct history *h, const struct umb_steps *steps, struct umb_extent e, int step,
                   bool write, int first_pred)
{
    const int beside = steps->step[step].beside;
    int *link = &h->head[e.root];
    while (*link >= 0) {
        struct access *a = &h->access[*link];
        bool overlap = a->low < e.high && e.low < a->high && a->step != step &&
                       !(beside && steps->step[a->step].beside == beside);
        if (overlap && (write || a->write) && !add_pred(h, first_pred, a->step)) { return false; }
        if (overlap && write && a->low >= e.low && a->high <= e.high) {
            *link = a->next;
        } else {
            link = &a->next;
        }
    }
    return true;
}

static bool record(struct history *h, struct umb_extent e, int step, bool write)
{
    if (h->n == h->capacity) {
        int grown = h->capacity ? 2 * h->capacity : 256;
        struct access *p =
            umb__grow(h->ctx, h->access, (size_t)h->capacity, (size_t)grown, sizeof *p);
        if (!p) { return false; }
        h->access = p;
        h->capacity = grown;
    }
    h->access[h->n] = (struct access){step, write, e.low, e.high, h->head[e.root]};
    h->head[e.root] = h->n++;
    return true;
}

static bool visit_step(struct history *h, const struct umb_graph *g, const struct umb_steps *steps,
                       int i)
{
    const struct umb_step *s = &steps->step[i];
    int first = h->n_pred;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < s->n_args; k++) {
            const struct umb_step_arg *a = &s->args[k];
            if (!umb__names_value(a)) { continue; }
            struct umb_extent e = umb__extent(g, steps, a->value);
            bool write = a->kind != 'r';
            if (!(pass == 0 ? follow(h, steps, e, i, write, first) : record(h, e, i, write))) {
                return false;
            }
        }
    }
    return true;
}

enum umb_status umb__deps_build(const struct umb_graph *g, const struct umb_steps *steps,
                                struct umb_deps *ret_deps)
{
    int n = (int)steps->n, n_ids = steps->temp_base + (int)steps->n_temps;
    struct history h = {.ctx = g->ctx};
    struct umb_deps d = {.n = n};
    d.start = umb__calloc(g->ctx, (size_t)n + 1, sizeof *d.start);
    h.head = umb__calloc(g->ctx, (size_t)n_ids + 1, sizeof *h.head);
    bool ok = d.start && h.head;
    for (int r = 0; ok && r < n_ids; r++) {
        h.head[r] = -1;
    }
    for (int i = 0; ok && i < n; i++) {
        ok = visit_step(&h, g, steps, i);
        d.start[i + 1] = h.n_pred;
    }
    umb__free(h.head);
    umb__free(h.access);
    d.pred = h.pred;
    if (!ok) {
        umb__deps_finish(&d);
        return UMB_ERR_NO_MEMORY;
    }
    *ret_deps = d;
    return UMB_OK;
}

void umb__deps_finish(struct umb_deps *d)
{
    umb__free(d->start);
    umb__free(d->pred);
    *d = (struct umb_deps){0};
}

void umb__deps_turn(const struct umb_deps *d, int *start, int *succ, int *missing)
{
    for (int e = 0; e < d->start[d->n]; e++) {
        start[d->pred[e] + 1]++;
    }
    for (int i = 0; i < d->n; i++) {
        start[i + 1] += start[i];
    }
    for (int i = 0; i < d->n; i++) {
        for (int e = d->start[i]; e < d->start[i + 1]; e++) {
            succ[start[d->pred[e]] + missing[d->pred[e]]++] = i; /* how many it has so far */
        }
    }
    for (int i = 0; i < d->n; i++) {
        missing[i] = d->start[i + 1] - d->start[i];
    }
}
