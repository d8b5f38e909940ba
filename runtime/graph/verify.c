/*
 * The proof that a plan's memory is sound, from the finished plan alone: what is done before what
 * is worked out anew from the order, queues and waits, and all values that lie at one address must
 * be done with it one after another. Shares no code with the planner that it judges.
 *
 * A precedes B when every use of A is done before any use of B begins. As every value has a use,
 * this is transitive, and A is used first. So the addresses are walked from low to high with the
 * set of values that lie there, in the order of their first uses: if each precedes the next, each
 * precedes all that come later. Only a value that comes in has to be compared, with the two beside
 * it; where one goes, those beside it were in order through it.
 */
#include <stdlib.h>
#include <string.h>

#include "int_set.h"
#include "plan_schedule.h"

struct tenant {      /* a value and the memory it lies in */
    int id, first;   /* the place in the order of its first use */
    uint32_t *last;  /* [queues] steps of a queue that are done when it is not used any more */
    uint32_t *known; /* [queues] steps of a queue that are done before any use of it */
};

struct edge { /* of a tenant's memory */
    size_t at;
    int tenant;
    bool ends;
};

struct proof {
    struct umb_context *ctx;
    const struct umb_graph *g;
    const struct umb_steps *steps;
    const struct umb_schedule *s;
    const struct umb_memory *m;
    int device; /* whose memory it is */
    struct umb_arena *arena;
    uint32_t *done;        /* [n][queues]: steps of a queue that are done before step i begins */
    uint32_t *position;    /* [n] in its queue, from 1; 0: not enqueued yet */
    int *index;            /* [ids] into tenant, + 1; 0: none */
    struct tenant *tenant; /* by first use */
    int n;
};

static uint32_t *done_before(const struct proof *p, int step)
{
    return &p->done[(size_t)step * (size_t)p->s->n_queues];
}

static const char *name_of(const struct proof *p, int id)
{
    return id < p->g->n_values ? p->g->value[id].name : "a temporary";
}

/* ---- what is done before what ---- */

/* The step begins after the earlier one is done, and so after all that was done before that. */
static void comes_after(const struct proof *p, int step, int earlier)
{
    uint32_t *own = done_before(p, step);
    const uint32_t *other = done_before(p, earlier);
    const int q = p->s->queue[earlier];
    for (int k = 0; k < p->s->n_queues; k++) {
        if (other[k] > own[k]) { own[k] = other[k]; }
    }
    if (p->position[earlier] > own[q]) { own[q] = p->position[earlier]; }
}

static enum umb_status order_steps(const struct proof *p)
{
    const struct umb_schedule *s = p->s;
    int newest[UMB_SCHEDULE_QUEUES];
    memset(newest, -1, sizeof newest);
    for (int o = 0; o < s->n; o++) {
        const int i = s->order[o], before = newest[s->queue[i]];
        if (p->position[i]) {
            return umb__fail(p->ctx, UMB_ERR_INVALID, "plan: step %d is enqueued twice", i);
        }
        if (before >= 0) { comes_after(p, i, before); }
        for (int w = s->wait_start[i]; w < s->wait_start[i + 1]; w++) {
            if (!p->position[s->wait[w]]) {
                return umb__fail(p->ctx, UMB_ERR_INVALID,
                                 "plan: step %d waits for step %d, which is enqueued later", i,
                                 s->wait[w]);
            }
            comes_after(p, i, s->wait[w]);
        }
        p->position[i] = before >= 0 ? p->position[before] + 1 : 1;
        newest[s->queue[i]] = i;
    }
    return UMB_OK;
}

/* ---- tenants ---- */

static enum umb_status add_use(struct proof *p, int id, int step, int o)
{
    const size_t nq = (size_t)p->s->n_queues;
    const int queue = p->s->queue[step];
    if (!p->index[id]) {
        struct tenant *t = &p->tenant[p->n];
        *t = (struct tenant){.id = id, .first = o};
        t->last = umb__arena_calloc(p->arena, 2 * nq, sizeof *t->last);
        if (!t->last) { return UMB_ERR_NO_MEMORY; }
        t->known = t->last + nq;
        memcpy(t->known, done_before(p, step), nq * sizeof *t->known);
        p->index[id] = ++p->n;
    }
    struct tenant *t = &p->tenant[p->index[id] - 1];
    if (p->position[step] > t->last[queue]) { t->last[queue] = p->position[step]; }
    for (size_t q = 0; q < nq; q++) {
        if (done_before(p, step)[q] < t->known[q]) { t->known[q] = done_before(p, step)[q]; }
    }
    return UMB_OK;
}

/* It has a place big enough, inside the whole. */
static enum umb_status check_place(const struct proof *p, int id)
{
    const struct umb_memory *m = p->m;
    if (m->bytes[id] >= umb__root_bytes(p->g, p->steps, id) && m->bytes[id] <= m->total &&
        m->offset[id] <= m->total - m->bytes[id]) {
        return UMB_OK;
    }
    return umb__fail(p->ctx, UMB_ERR_INVALID, "plan: %s has no place of its size", name_of(p, id));
}

static enum umb_status find_tenants(struct proof *p)
{
    enum umb_status st = UMB_OK;
    for (int o = 0; o < p->s->n; o++) {
        const int i = p->s->order[o];
        for (size_t k = 0; k < p->steps->step[i].n_args && st == UMB_OK; k++) {
            const struct umb_step_arg *a = &p->steps->step[i].args[k];
            if (!umb__names_value(a)) { continue; }
            const int id = umb__extent(p->g, p->steps, a->value).root;
            if (!umb__in_scratch(p->g, id) || umb__root_device(p->g, p->steps, id) != p->device) {
                continue;
            }
            if (!p->index[id]) { st = check_place(p, id); }
            if (st == UMB_OK) { st = add_use(p, id, i, o); }
        }
    }
    return st;
}

/* ---- neighbours ---- */

static enum umb_status expect_order(const struct proof *p, int a, int b)
{
    const struct tenant *x = &p->tenant[a], *y = &p->tenant[b];
    bool apart = true;
    for (int q = 0; q < p->s->n_queues; q++) {
        apart = apart && x->last[q] <= y->known[q];
    }
    if (apart) { return UMB_OK; }
    const size_t at = p->m->offset[x->id], other = p->m->offset[y->id];
    return umb__fail(p->ctx, UMB_ERR_INVALID,
                     "plan: %s and %s share memory at %zu while both are in use", name_of(p, x->id),
                     name_of(p, y->id), at > other ? at : other);
}

/* By address; at one address, who leaves goes before who comes. */
static int by_address(const void *x, const void *y)
{
    const struct edge *a = x, *b = y;
    if (a->at != b->at) { return a->at < b->at ? -1 : 1; }
    return b->ends - a->ends;
}

static enum umb_status walk(const struct proof *p, const struct edge *edge, size_t n,
                            struct umb_int_set *here)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; i < n && st == UMB_OK; i++) {
        const int t = edge[i].tenant;
        if (edge[i].ends) {
            umb__int_set_remove(here, t);
            continue;
        }
        const int earlier = umb__int_set_below(here, t), later = umb__int_set_above(here, t);
        if (earlier >= 0) { st = expect_order(p, earlier, t); }
        if (later >= 0 && st == UMB_OK) { st = expect_order(p, t, later); }
        umb__int_set_add(here, t);
    }
    return st;
}

static enum umb_status compare_neighbours(const struct proof *p)
{
    struct umb_int_set here;
    size_t n = 0;
    struct edge *edge = umb__arena_calloc(p->arena, 2 * (size_t)p->n + 1, sizeof *edge);
    if (!edge) { return UMB_ERR_NO_MEMORY; }
    for (int t = 0; t < p->n; t++) {
        const size_t at = p->m->offset[p->tenant[t].id], bytes = p->m->bytes[p->tenant[t].id];
        if (bytes == 0) { continue; }
        edge[n++] = (struct edge){at, t, false};
        edge[n++] = (struct edge){at + bytes, t, true};
    }
    qsort(edge, n, sizeof *edge, by_address);
    enum umb_status st = umb__int_set_init(p->ctx, p->n, &here);
    if (st != UMB_OK) { return st; }
    st = walk(p, edge, n, &here);
    umb__int_set_finish(&here);
    return st;
}

enum umb_status umb__memory_verify(const struct umb_graph *g, const struct umb_steps *steps,
                                   const struct umb_schedule *schedule, int device,
                                   const struct umb_memory *memory)
{
    struct proof p = {
        .ctx = g->ctx, .g = g, .steps = steps, .s = schedule, .m = memory, .device = device};
    const size_t n = (size_t)schedule->n + 1, n_ids = (size_t)memory->n_ids + 1;
    enum umb_status st = umb__arena_create(g->ctx, &p.arena);
    if (st != UMB_OK) { return st; }
    p.done = umb__arena_calloc(p.arena, n * (size_t)schedule->n_queues, sizeof *p.done);
    p.position = umb__arena_calloc(p.arena, n, sizeof *p.position);
    p.index = umb__arena_calloc(p.arena, n_ids, sizeof *p.index);
    p.tenant = umb__arena_calloc(p.arena, n_ids, sizeof *p.tenant);
    st = p.done && p.position && p.index && p.tenant ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = order_steps(&p); }
    if (st == UMB_OK) { st = find_tenants(&p); }
    if (st == UMB_OK) { st = compare_neighbours(&p); }
    umb__arena_destroy(p.arena);
    return st;
}
