/*
 * Which steps must come after which: a step depends on the last one that wrote what it touches,
 * and, if it writes, on all that touched it since. Accesses are ranges of bytes, so that views and
 * packed parameters are told apart: each root is cut wherever some access begins or ends, and every
 * segment between two cuts knows who touched it. An access costs the segments that it covers, so
 * thousands of parameters in one buffer cost no more than as many buffers.
 */
#include <stdlib.h>
#include <string.h>

#include "plan_schedule.h"

struct touch { /* of a segment by a step */
    int step;
    int next; /* −1: last */
};

struct segment {
    int writers, readers; /* since the last write that no other stood beside; lists, newest first */
};

struct history {
    const struct umb_graph *g;
    const struct umb_steps *steps;
    int n_ids;
    size_t *cut_start, *cut; /* by root: where its segments begin and end, rising */
    struct segment *segment; /* by cut */
    struct touch *touch;
    int n, capacity, unused; /* unused: a list of touches that were forgotten */
    int *noted;              /* [steps]: the step after it that is known to depend on it */
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

/* ---- cuts ---- */

/* Every access's two ends, by root; with cut NULL only counts, into cut_start[root + 1]. */
static void list_cuts(struct history *h, size_t *fill)
{
    for (size_t i = 0; i < h->steps->n; i++) {
        const struct umb_step *s = &h->steps->step[i];
        for (size_t k = 0; k < s->n_args; k++) {
            if (!umb__names_value(&s->args[k])) { continue; }
            const struct umb_extent e = umb__extent(h->g, h->steps, s->args[k].value);
            if (!fill) {
                h->cut_start[e.root + 1] += 2;
                continue;
            }
            h->cut[fill[e.root]++] = e.low;
            h->cut[fill[e.root]++] = e.high;
        }
    }
}

static int compare_sizes(const void *x, const void *y)
{
    const size_t a = *(const size_t *)x, b = *(const size_t *)y;
    return (a > b) - (a < b);
}

/* Each root's cuts in order, every one once; cut_start then says how many are left. */
static void sort_cuts(struct history *h)
{
    size_t n = 0;
    for (int r = 0; r < h->n_ids; r++) {
        size_t *first = h->cut + h->cut_start[r], *end = h->cut + h->cut_start[r + 1];
        qsort(first, (size_t)(end - first), sizeof *first, compare_sizes);
        h->cut_start[r] = n;
        for (const size_t *c = first; c < end; c++) {
            if (n == h->cut_start[r] || h->cut[n - 1] != *c) { h->cut[n++] = *c; }
        }
    }
    h->cut_start[h->n_ids] = n;
}

static enum umb_status find_segments(struct history *h)
{
    struct umb_context *ctx = h->g->ctx;
    const size_t n_ids = (size_t)h->n_ids;
    h->cut_start = umb__calloc(ctx, n_ids + 1, sizeof *h->cut_start);
    size_t *fill = umb__calloc(ctx, n_ids + 1, sizeof *fill);
    bool ok = h->cut_start && fill;
    if (ok) {
        list_cuts(h, NULL);
        for (size_t r = 0; r < n_ids; r++) {
            h->cut_start[r + 1] += h->cut_start[r];
            fill[r + 1] = h->cut_start[r + 1];
        }
        h->cut = umb__calloc(ctx, h->cut_start[n_ids] + 1, sizeof *h->cut);
        ok = h->cut;
    }
    if (ok) {
        list_cuts(h, fill);
        sort_cuts(h);
        h->segment = umb__calloc(ctx, h->cut_start[n_ids] + 1, sizeof *h->segment);
        ok = h->segment;
    }
    umb__free(fill);
    for (size_t s = 0; ok && s < h->cut_start[n_ids]; s++) {
        h->segment[s] = (struct segment){-1, -1};
    }
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* The cut at which e begins; its segments go on until the cut that is e.high. */
static size_t first_cut(const struct history *h, struct umb_extent e)
{
    size_t low = h->cut_start[e.root], high = h->cut_start[e.root + 1];
    while (low + 1 < high) {
        const size_t middle = low + (high - low) / 2;
        if (h->cut[middle] <= e.low) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- following ---- */

static bool add_pred(struct history *h, int step, int before)
{
    if (h->noted[before] == step) { return true; }
    h->noted[before] = step;
    if (h->n_pred == h->pred_capacity) {
        const int grown = h->pred_capacity ? 2 * h->pred_capacity : 256;
        int *p = umb__grow(h->g->ctx, h->pred, (size_t)h->pred_capacity, (size_t)grown, sizeof *p);
        if (!p) { return false; }
        h->pred = p;
        h->pred_capacity = grown;
    }
    h->pred[h->n_pred++] = before;
    return true;
}

static bool follow_list(struct history *h, int step, int list)
{
    const int beside = h->steps->step[step].beside;
    for (int t = list; t >= 0; t = h->touch[t].next) {
        const int before = h->touch[t].step;
        if (beside && h->steps->step[before].beside == beside) { continue; }
        if (!add_pred(h, step, before)) { return false; }
    }
    return true;
}

static void forget(struct history *h, int *list)
{
    while (*list >= 0) {
        const int t = *list;
        *list = h->touch[t].next;
        h->touch[t].next = h->unused;
        h->unused = t;
    }
}

/* The step comes after those that touched the segments, and whoever follows a write follows them.
 * A step that others stand beside lets none be forgotten, for those must come after them too. */
static bool follow(struct history *h, struct umb_extent e, int step, bool write)
{
    for (size_t c = first_cut(h, e); h->cut[c] < e.high; c++) {
        struct segment *s = &h->segment[c];
        if (!follow_list(h, step, s->writers)) { return false; }
        if (!write) { continue; }
        if (!follow_list(h, step, s->readers)) { return false; }
        if (h->steps->step[step].beside) { continue; }
        forget(h, &s->writers);
        forget(h, &s->readers);
    }
    return true;
}

static bool add_touch(struct history *h, int *list, int step)
{
    int t = h->unused;
    if (*list >= 0 && h->touch[*list].step == step) { return true; }
    if (t >= 0) {
        h->unused = h->touch[t].next;
    } else if (h->n == h->capacity) {
        const int grown = h->capacity ? 2 * h->capacity : 256;
        struct touch *p =
            umb__grow(h->g->ctx, h->touch, (size_t)h->capacity, (size_t)grown, sizeof *p);
        if (!p) { return false; }
        h->touch = p;
        h->capacity = grown;
    }
    if (t < 0) { t = h->n++; }
    h->touch[t] = (struct touch){step, *list};
    *list = t;
    return true;
}

static bool record(struct history *h, struct umb_extent e, int step, bool write)
{
    for (size_t c = first_cut(h, e); h->cut[c] < e.high; c++) {
        struct segment *s = &h->segment[c];
        if (!add_touch(h, write ? &s->writers : &s->readers, step)) { return false; }
    }
    return true;
}

static bool visit_step(struct history *h, int i)
{
    const struct umb_step *s = &h->steps->step[i];
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < s->n_args; k++) {
            const struct umb_step_arg *a = &s->args[k];
            if (!umb__names_value(a)) { continue; }
            const struct umb_extent e = umb__extent(h->g, h->steps, a->value);
            const bool write = a->kind != 'r';
            if (!(pass == 0 ? follow(h, e, i, write) : record(h, e, i, write))) { return false; }
        }
    }
    return true;
}

enum umb_status umb__deps_build(const struct umb_graph *g, const struct umb_steps *steps,
                                struct umb_deps *ret_deps)
{
    const int n = (int)steps->n;
    struct history h = {
        .g = g, .steps = steps, .n_ids = steps->temp_base + (int)steps->n_temps, .unused = -1};
    struct umb_deps d = {.n = n};
    d.start = umb__calloc(g->ctx, (size_t)n + 1, sizeof *d.start);
    h.noted = umb__calloc(g->ctx, (size_t)n + 1, sizeof *h.noted);
    enum umb_status st = find_segments(&h);
    bool ok = d.start && h.noted && st == UMB_OK;
    for (int i = 0; ok && i < n; i++) {
        ok = visit_step(&h, i);
        d.start[i + 1] = h.n_pred;
    }
    umb__free(h.cut_start);
    umb__free(h.cut);
    umb__free(h.segment);
    umb__free(h.touch);
    umb__free(h.noted);
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
