#include "lives.h"

#include <string.h>

struct finder {
    const struct umb_graph *g;
    const struct umb_steps *steps;
    const struct umb_schedule *s;
    struct umb_arena *arena;
    int *index; /* [ids] into life, + 1; 0: not met */
    struct umb_life *life;
    int n;
};

static enum umb_status begin(struct finder *f, int root, int o, struct umb_life **ret_life)
{
    const size_t nq = (size_t)f->s->n_queues;
    const size_t bytes = umb__root_bytes(f->g, f->steps, root);
    struct umb_life *l = &f->life[f->n];
    *l = (struct umb_life){.id = root, .first_use = o, .final = o};
    l->bytes = (bytes + UMB_MEMORY_ALIGN - 1) / UMB_MEMORY_ALIGN * UMB_MEMORY_ALIGN;
    l->last = umb__arena_calloc(f->arena, 2 * nq, sizeof *l->last);
    if (!l->last) { return UMB_ERR_NO_MEMORY; }
    l->known = l->last + nq;
    memcpy(l->known, &f->s->before[(size_t)f->s->order[o] * nq], nq * sizeof *l->known);
    f->index[root] = ++f->n;
    *ret_life = l;
    return UMB_OK;
}

/* The step at place o uses the root. */
static enum umb_status use(struct finder *f, int root, int o)
{
    const size_t nq = (size_t)f->s->n_queues;
    const int step = f->s->order[o], queue = f->s->queue[step];
    const uint32_t *before = &f->s->before[(size_t)step * nq];
    struct umb_life *l = f->index[root] ? &f->life[f->index[root] - 1] : NULL;
    const enum umb_status st = l ? UMB_OK : begin(f, root, o, &l);
    if (st != UMB_OK) { return st; }
    l->final = o;
    l->last[queue] = f->s->clock[(size_t)step * nq + (size_t)queue];
    for (size_t q = 0; q < nq; q++) {
        l->known[q] = before[q] < l->known[q] ? before[q] : l->known[q];
    }
    return UMB_OK;
}

enum umb_status umb__lives_find(const struct umb_graph *g, const struct umb_steps *steps,
                                const struct umb_schedule *s, int device, struct umb_arena *arena,
                                struct umb_life **ret_lives, int *ret_n)
{
    const size_t n_ids = (size_t)steps->temp_base + steps->n_temps + 1;
    struct finder f = {.g = g, .steps = steps, .s = s, .arena = arena};
    f.index = umb__arena_calloc(arena, n_ids, sizeof *f.index);
    f.life = umb__arena_calloc(arena, n_ids, sizeof *f.life);
    enum umb_status st = f.index && f.life ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int o = 0; o < s->n && st == UMB_OK; o++) {
        const struct umb_step *step = &steps->step[s->order[o]];
        for (size_t k = 0; k < step->n_args && st == UMB_OK; k++) {
            if (!umb__names_value(&step->args[k])) { continue; }
            const int root = umb__extent(g, steps, step->args[k].value).root;
            if (umb__in_scratch(g, root) && umb__root_device(g, steps, root) == device) {
                st = use(&f, root, o);
            }
        }
    }
    *ret_lives = f.life;
    *ret_n = f.n;
    return st;
}

bool umb__clocks_precede(const uint32_t *last, const uint32_t *known, int n_queues)
{
    for (int q = 0; q < n_queues; q++) {
        if (known[q] < last[q]) { return false; }
    }
    return true;
}
