/*
 * Which activations are computed again, and from where on. Of a draft that is in order on one queue
 * the place is found where most is alive on the device that is looked at. A value that waits there,
 * used before and needed only behind, need not be there if its maker is run again for the next
 * reader: that gains its bytes, less whatever must be kept longer for it. What would be kept longer
 * is made again as well, where it can be. Those that gain most for their time are taken first;
 * products (many operations a byte) only where nothing else is left.
 */
#include <stdlib.h>

#include "fit.h"
#include "plan_internal.h"

#define CHEAP_FLOPS_PER_BYTE 2.0
#define MOST_TOGETHER 16 /* nodes that are made again for the sake of one */
#define PLACES 16        /* that are looked at for something to gain */

/* Places in the schedule, −1: none. */
struct life {
    int first, last;
    int before, behind; /* the nearest uses on either side of the place that is looked at */
    bool there;         /* used at it */
};

/* From which place to which a step has what it uses. */
struct reach {
    int from, to;
};

struct offer {
    int node[MOST_TOGETHER], n;
    int at;            /* all of them for this reader */
    double gain, cost; /* bytes, ns */
    bool dear;
};

struct choosing {
    const struct umb_plan *p;
    const struct umb_recompute *r;
    int device;
    struct umb_arena *arena;
    struct umb_cuts *cuts;
    struct life *life;          /* [ids] */
    struct reach *reach;        /* [steps] by place */
    double *live;               /* [steps] bytes alive, by place */
    double *ns, *flops, *bytes; /* [nodes of the draft's graph] */
    struct offer *offer;
    int n_offers;
    int *in; /* room for a node's inputs */
};

/* Of the device: the other devices' values have no bytes there. */
static const struct umb_memory *memory(const struct choosing *c)
{
    return &c->p->side[c->device].memory;
}

static int root_of(const struct choosing *c, int v)
{
    const struct umb_value *value = &c->p->graph->value[v];
    return value->base >= 0 ? value->base : v;
}

/* ---- what is alive when ---- */

/* The device's kernels, for which values are kept, in the schedule's order. */
static bool is_kernel_at(const struct choosing *c, int o)
{
    const struct umb_step *s = &c->p->steps.step[c->p->schedule.order[o]];
    return s->device == c->device && !s->transfer;
}

/* The kernel at place o begins when the step at `other` is known to be done. */
static bool knows(const struct choosing *c, int o, int other)
{
    const struct umb_schedule *s = &c->p->schedule;
    const size_t n = (size_t)s->n_queues, step = (size_t)s->order[other];
    const size_t queue = (size_t)s->queue[step];
    return s->before[(size_t)s->order[o] * n + queue] >= s->clock[step * n + queue];
}

/* A transfer goes on beside the device's kernels: what it fetches is there until a kernel knows
 * that it is done, what it delivers from the first kernel on that it does not know to be done. */
static void find_reach(struct choosing *c)
{
    const int n = c->p->schedule.n;
    for (int o = 0; o < n; o++) {
        const struct umb_step *s = &c->p->steps.step[c->p->schedule.order[o]];
        int from = o, to = o;
        const bool beside = s->device == c->device && s->transfer;
        while (beside && to + 1 < n && !(is_kernel_at(c, to + 1) && knows(c, to + 1, o))) {
            to++;
        }
        while (beside && from > 0 && !(is_kernel_at(c, from - 1) && knows(c, o, from - 1))) {
            from--;
        }
        c->reach[o] = (struct reach){from, to};
    }
}

/* Calls each(life of what it uses, place, reach) for every use in the schedule's order. */
static void for_uses(struct choosing *c,
                     void (*each)(struct life *l, int o, struct reach reach, int place), int place)
{
    const struct umb_plan *p = c->p;
    for (int o = 0; o < p->schedule.n; o++) {
        const struct umb_step *s = &p->steps.step[p->schedule.order[o]];
        for (size_t k = 0; k < s->n_args; k++) {
            if (!umb__names_value(&s->args[k])) { continue; }
            each(&c->life[umb__extent(p->graph, &p->steps, s->args[k].value).root], o, c->reach[o],
                 place);
        }
    }
}

static void extend(struct life *l, int o, struct reach reach, int place)
{
    (void)o;
    (void)place;
    if (l->first < 0 || reach.from < l->first) { l->first = reach.from; }
    if (reach.to > l->last) { l->last = reach.to; }
}

static void look(struct life *l, int o, struct reach reach, int place)
{
    if (reach.to < place) { l->before = o; }
    if (reach.from > place && l->behind < 0) { l->behind = o; }
    l->there |= reach.from <= place && place <= reach.to;
}

static void look_at(struct choosing *c, int place)
{
    for (int id = 0; id < memory(c)->n_ids; id++) {
        c->life[id].before = c->life[id].behind = -1;
        c->life[id].there = false;
    }
    for_uses(c, look, place);
}

static void find_lives(struct choosing *c)
{
    const struct umb_plan *p = c->p;
    for (int id = 0; id < memory(c)->n_ids; id++) {
        c->life[id].first = c->life[id].last = -1;
    }
    for_uses(c, extend, 0);
    for (size_t i = 0; i < p->steps.n; i++) {
        const int node = p->steps.step[i].node;
        c->ns[node] += p->cost_ns[i];
        c->flops[node] += p->flops[i];
        c->bytes[node] += p->bytes[i];
    }
}

static void add_up(struct choosing *c)
{
    const struct umb_plan *p = c->p;
    for (int id = 0; id < memory(c)->n_ids; id++) {
        if (!memory(c)->bytes[id]) { continue; }
        c->live[c->life[id].first] += (double)memory(c)->bytes[id];
        c->live[c->life[id].last + 1] -= (double)memory(c)->bytes[id];
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

static void add_node(struct choosing *c, struct offer *f, int node)
{
    const int out = umb__recompute_node(c->r, node)->out[0];
    const int now = c->p->graph->value[out].producer; /* as the draft numbers it */
    f->node[f->n++] = node;
    f->cost += c->ns[now];
    if (c->flops[now] > CHEAP_FLOPS_PER_BYTE * c->bytes[now]) { f->dear = true; }
}

/* Input v of a copy for the offer's reader: made again too, or kept, if nothing else keeps it. */
static void keep_input(struct choosing *c, struct offer *f, int v, int place)
{
    const int now = umb__recompute_value(c->r, v, f->at), root = now < 0 ? -1 : root_of(c, now);
    if (root < 0 || !umb__in_scratch(c->p->graph, root) || c->life[root].last >= place) { return; }
    const int maker = umb__recompute_maker(c->r, root_of(c, v));
    if (maker < 0 || holds(f, maker)) { return; }
    if (f->n < MOST_TOGETHER && umb__recompute_can(c->r, maker, f->at)) {
        add_node(c, f, maker);
    } else {
        f->gain -= (double)memory(c)->bytes[root];
    }
}

/* Nodes that are added here have their turn later in the same walk. */
static void keep_inputs(struct choosing *c, struct offer *f, int place)
{
    for (int i = 0; i < f->n; i++) {
        const int n_in = umb__recompute_inputs(c->r, f->node[i], c->in);
        for (int k = 0; k < n_in; k++) {
            keep_input(c, f, c->in[k], place);
        }
    }
}

/* The reader that a use in the schedule belongs to. */
static int reader_at(const struct choosing *c, int o)
{
    const int step = c->p->schedule.order[o];
    return umb__recompute_stands_for(c->r, c->p->steps.step[step].node);
}

/* A version of what the node makes that waits at the place, as the reader behind it has it. */
static void offer_version(struct choosing *c, int node, int place)
{
    struct offer f = {.n = 0, .at = -1};
    const struct umb_node *n = umb__recompute_node(c->r, node);
    const int here = reader_at(c, place);
    for (int k = 0; k < umb__recompute_n_out(c->r, node); k++) {
        const int now = umb__recompute_value(c->r, n->out[k], here);
        const struct life *l = now < 0 ? NULL : &c->life[now];
        if (!l || l->before < 0 || l->behind < 0 || l->there) { continue; }
        const int at = reader_at(c, l->behind);
        if (at <= here || umb__recompute_node(c->r, at)->phase < UMB_PHASE_BACKWARD) { continue; }
        if (f.at < 0 || at < f.at) { f.at = at; }
        f.gain += (double)memory(c)->bytes[now];
    }
    if (f.gain <= 0 || !umb__recompute_can(c->r, node, f.at)) { return; }
    add_node(c, &f, node);
    keep_inputs(c, &f, place);
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

static bool is_cut(const struct umb_cuts *cuts, struct umb_cut cut)
{
    for (int i = 0; i < cuts->n; i++) {
        if (cuts->cut[i].node == cut.node && cuts->cut[i].at == cut.at) { return true; }
    }
    return false;
}

static enum umb_status add_cut(const struct choosing *c, struct umb_cut cut, int *n)
{
    struct umb_cuts *cuts = c->cuts;
    if (is_cut(cuts, cut)) { return UMB_OK; }
    if (cuts->n == cuts->capacity) {
        const int grown = cuts->capacity ? 2 * cuts->capacity : 64;
        struct umb_cut *p =
            umb__grow(c->p->ctx, cuts->cut, (size_t)cuts->capacity, (size_t)grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        cuts->cut = p;
        cuts->capacity = grown;
    }
    cuts->cut[cuts->n++] = cut;
    ++*n;
    return UMB_OK;
}

/* Takes the best until `need` is gained. Dear ones wait until a draft without a cheap one. */
static enum umb_status take(struct choosing *c, size_t need, int *ret_n)
{
    double gained = 0;
    enum umb_status st = UMB_OK;
    *ret_n = 0;
    qsort(c->offer, (size_t)c->n_offers, sizeof *c->offer, by_worth);
    for (int i = 0; st == UMB_OK && i < c->n_offers && gained < (double)need; i++) {
        const struct offer *f = &c->offer[i];
        if (*ret_n > 0 && f->dear && !c->offer[0].dear) { break; }
        for (int k = 0; st == UMB_OK && k < f->n; k++) {
            st = add_cut(c, (struct umb_cut){f->node[k], f->at}, ret_n);
        }
        gained += f->gain;
    }
    return st;
}

/* At the place where most is alive; where the parts fit and only their places do not, at the next
 * ones. */
static enum umb_status choose(struct choosing *c, size_t need, size_t allowed, int *ret_n)
{
    *ret_n = 0;
    for (int tries = 0; tries < PLACES; tries++) {
        int place = 0;
        for (int o = 1; o < c->p->schedule.n; o++) {
            if (c->live[o] > c->live[place]) { place = o; }
        }
        if (c->live[place] <= 0) { return UMB_OK; }
        look_at(c, place);
        c->n_offers = 0;
        for (int i = 0; i < umb__recompute_n_nodes(c->r); i++) {
            offer_version(c, i, place);
        }
        const enum umb_status st = take(c, need, ret_n);
        if (st != UMB_OK || *ret_n > 0 || c->live[place] > (double)allowed) { return st; }
        c->live[place] = 0;
    }
    return UMB_OK;
}

static enum umb_status allocate(struct choosing *c)
{
    const size_t ids = (size_t)memory(c)->n_ids + 1, steps = (size_t)c->p->schedule.n + 2;
    const size_t nodes = (size_t)c->p->graph->n_nodes + 1;
    size_t most = 1;
    for (int i = 0; i < umb__recompute_n_nodes(c->r); i++) {
        const struct umb_node *n = umb__recompute_node(c->r, i);
        if ((size_t)(n->n_in + n->n_out) > most) { most = (size_t)(n->n_in + n->n_out); }
    }
    c->life = umb__arena_calloc(c->arena, ids, sizeof *c->life);
    c->live = umb__arena_calloc(c->arena, steps, sizeof *c->live);
    c->reach = umb__arena_calloc(c->arena, steps, sizeof *c->reach);
    c->ns = umb__arena_calloc(c->arena, nodes, sizeof *c->ns);
    c->flops = umb__arena_calloc(c->arena, nodes, sizeof *c->flops);
    c->bytes = umb__arena_calloc(c->arena, nodes, sizeof *c->bytes);
    c->offer = umb__arena_calloc(c->arena, nodes, sizeof *c->offer);
    c->in = umb__arena_calloc(c->arena, most, sizeof *c->in);
    const bool ok =
        c->life && c->live && c->reach && c->ns && c->flops && c->bytes && c->offer && c->in;
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__recompute_choose(const struct umb_plan *draft, const struct umb_recompute *r,
                                      int device, size_t need, size_t allowed,
                                      struct umb_cuts *cuts, int *ret_n)
{
    struct choosing c = {.p = draft, .r = r, .device = device, .cuts = cuts};
    enum umb_status st = umb__arena_create(draft->ctx, &c.arena);
    if (st == UMB_OK) { st = allocate(&c); }
    if (st == UMB_OK) {
        find_reach(&c);
        find_lives(&c);
        add_up(&c);
        st = choose(&c, need, allowed, ret_n);
    }
    umb__arena_destroy(c.arena);
    return st;
}
