/*
 * Which activations are computed twice. Of a draft on one queue the place is found where most is
 * alive. An activation that waits there for backward, used before and needed only behind, would not
 * be: that is what computing its maker again gains, less whatever must be kept longer for it. What
 * would be kept longer is made again as well, where it can be. Those that gain most for their time
 * are taken first; products (many operations a byte) only where nothing else is left.
 */
#include <limits.h>
#include <stdlib.h>

#include "fit.h"
#include "plan_internal.h"

#define CHEAP_FLOPS_PER_BYTE 2.0
#define MOST_TOGETHER 16 /* nodes that are made again for the sake of one */
#define PLACES 16        /* that are looked at for something to gain */

struct life {
    int first, last;     /* uses: places in the schedule */
    int forward, behind; /* the last in the forward pass, the first behind it; −1, INT_MAX: none */
};

struct offer {
    int node[MOST_TOGETHER], n;
    double gain, cost; /* bytes, ns */
    bool dear;
};

struct choosing {
    const struct umb_plan *p;
    const struct umb_recompute *r;
    struct umb_arena *arena;
    bool *again;
    struct life *life;          /* [ids] */
    double *live;               /* [steps] bytes alive, by place */
    double *ns, *flops, *bytes; /* [nodes of the draft's graph] */
    struct offer *offer;
    int n_offers;
    int *in; /* room for a node's inputs */
};

static int root_of(const struct choosing *c, int v)
{
    const struct umb_value *value = &c->p->graph->value[v];
    return value->base >= 0 ? value->base : v;
}

/* ---- what is alive when ---- */

static void use(struct life *l, int place, bool behind)
{
    if (l->first < 0) { l->first = place; }
    l->last = place;
    if (!behind) {
        l->forward = place;
    } else if (l->behind == INT_MAX) {
        l->behind = place;
    }
}

static void find_lives(struct choosing *c)
{
    const struct umb_plan *p = c->p;
    for (int id = 0; id < p->memory.n_ids; id++) {
        c->life[id] = (struct life){-1, -1, -1, INT_MAX};
    }
    for (int o = 0; o < p->schedule.n; o++) {
        const struct umb_step *s = &p->steps.step[p->schedule.order[o]];
        const enum umb_phase phase = p->graph->node[s->node].phase;
        const bool behind = phase == UMB_PHASE_BACKWARD || phase == UMB_PHASE_UPDATE;
        for (size_t k = 0; k < s->n_args; k++) {
            if (!umb__names_value(&s->args[k])) { continue; }
            use(&c->life[umb__extent(p->graph, &p->steps, s->args[k].value).root], o, behind);
        }
        c->ns[s->node] += p->cost_ns[p->schedule.order[o]];
        c->flops[s->node] += p->flops[p->schedule.order[o]];
        c->bytes[s->node] += p->bytes[p->schedule.order[o]];
    }
}

static void add_up(struct choosing *c)
{
    const struct umb_plan *p = c->p;
    for (int id = 0; id < p->memory.n_ids; id++) {
        if (!p->memory.bytes[id]) { continue; }
        c->live[c->life[id].first] += (double)p->memory.bytes[id];
        c->live[c->life[id].last + 1] -= (double)p->memory.bytes[id];
    }
    for (int o = 1; o < p->schedule.n; o++) {
        c->live[o] += c->live[o - 1];
    }
}

/* ---- what can be gained at a place ---- */

static bool holds(const struct offer *f, int node)
{
    for (int i = 0; i < f->n; i++) {
        if (f->node[i] == node) { return true; }
    }
    return false;
}

/* The maker of what lies in scratch memory, among the nodes that the graph was opened with; −1 for
 * everything else. */
static int maker_of(const struct choosing *c, int root)
{
    return umb__in_scratch(c->p->graph, root) ? umb__recompute_maker(c->r, root) : -1;
}

static void add_node(struct choosing *c, struct offer *f, int node)
{
    const int out = umb__recompute_node(c->r, node)->out[0];
    const int now = c->p->graph->value[out].producer; /* as the draft numbers it */
    f->node[f->n++] = node;
    f->cost += c->ns[now];
    if (c->flops[now] > CHEAP_FLOPS_PER_BYTE * c->bytes[now]) { f->dear = true; }
}

/* What the nodes of the offer read and would not be there any more: made again, or kept. Nodes that
 * are added here have their turn later in the same walk. */
static void keep_inputs(struct choosing *c, struct offer *f, int place, int reader)
{
    for (int i = 0; i < f->n; i++) {
        const int n_in = umb__recompute_inputs(c->r, f->node[i], c->in);
        for (int k = 0; k < n_in; k++) {
            const int root = root_of(c, c->in[k]), maker = maker_of(c, root);
            if (maker < 0 || c->life[root].last >= place || c->again[maker] || holds(f, maker)) {
                continue;
            }
            if (f->n < MOST_TOGETHER && umb__recompute_can(c->r, maker, reader)) {
                add_node(c, f, maker);
            } else {
                f->gain -= (double)c->p->memory.bytes[root];
            }
        }
    }
}

static void offer_node(struct choosing *c, int node, int place)
{
    struct offer f = {.n = 0};
    const int reader = umb__recompute_reader(c->r, node);
    if (c->again[node] || reader < 0 || !umb__recompute_can(c->r, node, reader)) { return; }
    for (int k = 0; k < umb__recompute_n_out(c->r, node); k++) {
        const int out = umb__recompute_node(c->r, node)->out[k];
        const struct life *l = &c->life[out];
        const bool waits =
            l->first >= 0 && l->forward < place && l->behind > place && l->behind != INT_MAX;
        if (waits) { f.gain += (double)c->p->memory.bytes[out]; }
    }
    if (f.gain <= 0) { return; }
    add_node(c, &f, node);
    keep_inputs(c, &f, place, reader);
    if (f.gain > 0) { c->offer[c->n_offers++] = f; }
}

static int by_worth(const void *x, const void *y)
{
    const struct offer *a = x, *b = y;
    if (a->dear != b->dear) { return a->dear ? 1 : -1; }
    const double left = a->gain * b->cost, right = b->gain * a->cost;
    if (left > right || left < right) { return left > right ? -1 : 1; }
    return (a->node[0] > b->node[0]) - (a->node[0] < b->node[0]);
}

/* Takes the best until `need` is gained. Dear ones wait until a draft without a cheap one. */
static int take(struct choosing *c, size_t need)
{
    double gained = 0;
    int n = 0;
    qsort(c->offer, (size_t)c->n_offers, sizeof *c->offer, by_worth);
    for (int i = 0; i < c->n_offers && gained < (double)need; i++) {
        const struct offer *f = &c->offer[i];
        if (n > 0 && f->dear && !c->offer[0].dear) { break; }
        for (int k = 0; k < f->n; k++) {
            n += !c->again[f->node[k]];
            c->again[f->node[k]] = true;
        }
        gained += f->gain;
    }
    return n;
}

/* At the place where most is alive; where the parts fit and only their places do not, at the next
 * ones. */
static int choose(struct choosing *c, size_t need, size_t allowed)
{
    for (int tries = 0; tries < PLACES; tries++) {
        int place = 0;
        for (int o = 1; o < c->p->schedule.n; o++) {
            if (c->live[o] > c->live[place]) { place = o; }
        }
        if (c->live[place] <= 0) { return 0; }
        c->n_offers = 0;
        for (int i = 0; i < umb__recompute_n_nodes(c->r); i++) {
            offer_node(c, i, place);
        }
        const int n = take(c, need);
        if (n > 0 || c->live[place] > (double)allowed) { return n; }
        c->live[place] = 0;
    }
    return 0;
}

static enum umb_status allocate(struct choosing *c)
{
    const size_t ids = (size_t)c->p->memory.n_ids + 1, steps = (size_t)c->p->schedule.n + 2;
    const size_t nodes = (size_t)c->p->graph->n_nodes + 1;
    size_t most = 1;
    for (int i = 0; i < umb__recompute_n_nodes(c->r); i++) {
        const struct umb_node *n = umb__recompute_node(c->r, i);
        if ((size_t)(n->n_in + n->n_out) > most) { most = (size_t)(n->n_in + n->n_out); }
    }
    c->life = umb__arena_calloc(c->arena, ids, sizeof *c->life);
    c->live = umb__arena_calloc(c->arena, steps, sizeof *c->live);
    c->ns = umb__arena_calloc(c->arena, nodes, sizeof *c->ns);
    c->flops = umb__arena_calloc(c->arena, nodes, sizeof *c->flops);
    c->bytes = umb__arena_calloc(c->arena, nodes, sizeof *c->bytes);
    c->offer = umb__arena_calloc(c->arena, nodes, sizeof *c->offer);
    c->in = umb__arena_calloc(c->arena, most, sizeof *c->in);
    const bool ok = c->life && c->live && c->ns && c->flops && c->bytes && c->offer && c->in;
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__recompute_choose(const struct umb_plan *draft, const struct umb_recompute *r,
                                      size_t need, size_t allowed, bool *again, int *ret_n)
{
    struct choosing c = {.p = draft, .r = r, .again = again};
    enum umb_status st = umb__arena_create(draft->ctx, &c.arena);
    if (st == UMB_OK) { st = allocate(&c); }
    if (st == UMB_OK) {
        find_lives(&c);
        add_up(&c);
        *ret_n = choose(&c, need, allowed);
    }
    umb__arena_destroy(c.arena);
    return st;
}
