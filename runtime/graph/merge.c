/*
 * Launches that are ready together and run the same kernel become one, whose work-groups do the
 * work of all: the heads of a network, each too small to fill a device, are launched as a whole,
 * and so are their losses, metrics and gradients. Each member computes what it would have alone, to
 * the bit (kernel_many.c).
 *
 * The list is walked in its order. A step that may merge takes along those behind it that are ready
 * too, run the same kernel for the same op in the same phase, and whose buffers will be the same:
 * so no step waits for more than for its kind. Steps so long that a launch does not matter stay
 * alone, and so does what is made again: earlier than just before its use it would not save memory.
 */
#include <string.h>

#include "heap.h"
#include "plan_internal.h"
#include "system.h"

/* A launch costs 10 to 15 µs until a second thread is awake: less than a twentieth of this. */
#define LONGEST_NS 300e3
#define MOST_MEMBERS 256

struct merge {
    struct umb_plan *p;
    struct umb_arena *arena;
    int n;
    int *missing; /* predecessors not yet taken */
    int *succ_start, *succ;
    bool *taken;
    bool *fits;                       /* may merge at all */
    int *kind;                        /* of those that fit: the first step that is alike */
    struct umb_heap *alike;           /* by kind: those that are ready and not taken */
    int *slots;                       /* of all kinds' heaps */
    const struct umb_kernel **kernel; /* those met so far, and whether they can be built so */
    bool *can;
    int *n_steps; /* of each */
    int n_kernels;
    struct umb_heap ready; /* taken ones too */
    struct umb_step *out;  /* the merged list */
    size_t n_out;
    double *flops, *bytes, *cost;
};

static int home_of(const struct umb_plan *p, int value)
{
    return umb__plan_home(p, umb__extent(p->graph, &p->steps, value).root);
}

static bool same_args(const struct umb_plan *p, const struct umb_step *a, const struct umb_step *b)
{
    for (size_t k = 0; k < a->n_args; k++) {
        const struct umb_step_arg *x = &a->args[k], *y = &b->args[k];
        if (x->kind == 'l' && x->u.local_bytes != y->u.local_bytes) { return false; }
        if (umb__names_value(x) && home_of(p, x->value) != home_of(p, y->value)) { return false; }
    }
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool alike(const struct umb_plan *p, const struct umb_step *a, const struct umb_step *b)
{
    const struct umb_node *x = &p->graph->node[a->node], *y = &p->graph->node[b->node];
    return a->device == b->device && a->kernel == b->kernel && x->op == y->op &&
           x->phase == y->phase && a->dimensions == b->dimensions &&
           memcmp(a->local, b->local, sizeof a->local) == 0 && same_text(a->options, b->options) &&
           same_args(p, a, b);
}

/* The place of a kernel among those met. */
static int find_kernel(struct merge *m, const struct umb_kernel *kernel)
{
    int k = 0;
    while (k < m->n_kernels && m->kernel[k] != kernel) {
        k++;
    }
    m->kernel[k] = kernel;
    if (k == m->n_kernels) { m->n_kernels++; }
    return k;
}

/* What may merge at all: groups whose size is known, of a kernel that stands there twice and can be
 * built so, for which its text is read. */
static enum umb_status find_fits(struct merge *m)
{
    const struct umb_plan *p = m->p;
    for (int i = 0; i < m->n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        m->fits[i] = s->kernel && s->local[0] && p->cost_ns[i] <= LONGEST_NS &&
                     !p->graph->node[s->node].again_of;
        if (m->fits[i]) { m->n_steps[find_kernel(m, s->kernel)]++; }
    }
    for (int k = 0; k < m->n_kernels; k++) {
        if (m->n_steps[k] < 2) { continue; }
        const enum umb_status st = umb__kernel_can_be_many(p->ctx, m->kernel[k], &m->can[k]);
        if (st != UMB_OK) { return st; }
    }
    for (int i = 0; i < m->n; i++) {
        m->fits[i] = m->fits[i] && m->can[find_kernel(m, p->steps.step[i].kernel)];
    }
    return UMB_OK;
}

/* ---- kinds ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return text ? umb__hash(hash, text, strlen(text)) : hash;
}

/* Equal for steps that are alike. */
static uint64_t hash_step(const struct umb_plan *p, const struct umb_step *s)
{
    const struct umb_node *n = &p->graph->node[s->node];
    uint64_t hash = umb__hash(UMB_HASH_START, &s->kernel, sizeof(struct umb_kernel *));
    hash = umb__hash(hash, &n->op, sizeof(struct umb_op *));
    hash = umb__hash(hash, &n->phase, sizeof n->phase);
    hash = umb__hash(hash, s->local, sizeof s->local);
    hash = hash_text(hash, s->options);
    for (size_t k = 0; k < s->n_args; k++) {
        if (!umb__names_value(&s->args[k])) { continue; }
        const int home = home_of(p, s->args[k].value);
        hash = umb__hash(hash, &home, sizeof home);
    }
    return hash;
}

/* A hash table, at most half full, of a step of each kind. */
static enum umb_status find_kinds(struct merge *m)
{
    const struct umb_plan *p = m->p;
    size_t capacity = 64;
    while (capacity < 2 * (size_t)m->n) {
        capacity *= 2;
    }
    int *first = umb__arena_calloc(m->arena, capacity, sizeof *first); /* 0: free, else step + 1 */
    if (!first) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < m->n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        m->kind[i] = -1;
        if (!m->fits[i]) { continue; }
        size_t at = (size_t)hash_step(p, s) & (capacity - 1);
        while (first[at] && !alike(p, &p->steps.step[first[at] - 1], s)) {
            at = (at + 1) & (capacity - 1);
        }
        if (!first[at]) { first[at] = i + 1; }
        m->kind[i] = first[at] - 1;
    }
    return UMB_OK;
}

/* Each kind's heap has as many slots as there are steps of it. */
static void lay_out_heaps(struct merge *m)
{
    int *slot = m->slots;
    for (int i = 0; i < m->n; i++) {
        if (m->kind[i] >= 0) { m->alike[m->kind[i]].n++; }
    }
    for (int k = 0; k < m->n; k++) {
        m->alike[k].step = slot;
        slot += m->alike[k].n;
        m->alike[k].n = 0;
    }
}

/* ---- what is ready ---- */

static void make_ready(struct merge *m, int step)
{
    umb__heap_push(&m->ready, step);
    if (m->kind[step] >= 0) { umb__heap_push(&m->alike[m->kind[step]], step); }
}

static enum umb_status allocate(struct merge *m)
{
    const struct umb_deps *d = &m->p->deps;
    const size_t n = (size_t)m->n + 1, edges = (size_t)d->start[m->n] + 1;
    m->missing = umb__arena_calloc(m->arena, n, sizeof *m->missing);
    m->succ_start = umb__arena_calloc(m->arena, n + 1, sizeof *m->succ_start);
    m->succ = umb__arena_calloc(m->arena, edges, sizeof *m->succ);
    m->taken = umb__arena_calloc(m->arena, n, sizeof *m->taken);
    m->fits = umb__arena_calloc(m->arena, n, sizeof *m->fits);
    m->kernel = umb__arena_calloc(m->arena, n, sizeof(struct umb_kernel *));
    m->can = umb__arena_calloc(m->arena, n, sizeof *m->can);
    m->n_steps = umb__arena_calloc(m->arena, n, sizeof *m->n_steps);
    m->kind = umb__arena_calloc(m->arena, n, sizeof *m->kind);
    m->alike = umb__arena_calloc(m->arena, n, sizeof *m->alike);
    m->slots = umb__arena_calloc(m->arena, n, sizeof *m->slots);
    m->ready.step = umb__arena_calloc(m->arena, n, sizeof *m->ready.step);
    m->out = umb__arena_calloc(m->arena, n, sizeof *m->out);
    m->flops = umb__arena_calloc(m->p->arena, n, sizeof *m->flops);
    m->bytes = umb__arena_calloc(m->p->arena, n, sizeof *m->bytes);
    m->cost = umb__arena_calloc(m->p->arena, n, sizeof *m->cost);
    const bool ok = m->missing && m->succ_start && m->succ && m->taken && m->fits && m->kernel &&
                    m->can && m->n_steps && m->kind && m->alike && m->slots && m->ready.step &&
                    m->out && m->flops && m->bytes && m->cost;
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static void find_successors(struct merge *m)
{
    umb__deps_turn(&m->p->deps, m->succ_start, m->succ, m->missing);
    for (int i = 0; i < m->n; i++) {
        if (m->missing[i] == 0) { make_ready(m, i); }
    }
}

/* The step, which is the first that is ready, and those beside it that are of its kind; how many.
 */
static int take_alike(struct merge *m, int first, int *member)
{
    int n = 0;
    if (m->kind[first] < 0) {
        member[n++] = first;
        return n;
    }
    struct umb_heap *alike = &m->alike[m->kind[first]];
    while (alike->n > 0 && n < MOST_MEMBERS) {
        member[n] = umb__heap_pop(alike); /* in the list's order */
        m->taken[member[n++]] = true;
    }
    return n;
}

/* In the order of their work. Small ones first on CPUs, where PoCL hands out half of a launch's
 * groups at once, then half of the rest, so that the large ones at the end even out; 64 unequal
 * heads the other way round took 1.3 to 1.4 times as long. GPUs begin groups one by one: large ones
 * first, and the small ones fill the end. */
static void sort_by_work(const struct umb_plan *p, int *member, int n)
{
    const bool is_cpu = p->side[p->steps.step[member[0]].device].is_processor;
    for (int i = 1; i < n; i++) {
        const int moved = member[i];
        int k = i;
        for (; k > 0; k--) {
            const double before = p->cost_ns[member[k - 1]], cost = p->cost_ns[moved];
            if (is_cpu ? before <= cost : before >= cost) { break; }
            member[k] = member[k - 1];
        }
        member[k] = moved;
    }
}

static enum umb_status append(struct merge *m, const int *member, int n)
{
    const struct umb_plan *p = m->p;
    const struct umb_step *step[MOST_MEMBERS];
    const size_t at = m->n_out++;
    for (int k = 0; k < n; k++) {
        step[k] = &p->steps.step[member[k]];
        m->flops[at] += p->flops[member[k]];
        m->bytes[at] += p->bytes[member[k]];
        m->cost[at] += p->cost_ns[member[k]];
    }
    m->out[at] = p->steps.step[member[0]];
    return n == 1 ? UMB_OK : umb__step_merge(&m->p->steps, step, (size_t)n, &m->out[at]);
}

static enum umb_status walk(struct merge *m)
{
    int member[MOST_MEMBERS];
    while (m->ready.n > 0) {
        const int first = umb__heap_pop(&m->ready);
        if (m->taken[first]) { continue; }
        const int n = take_alike(m, first, member);
        sort_by_work(m->p, member, n);
        const enum umb_status st = append(m, member, n);
        if (st != UMB_OK) { return st; }
        for (int k = 0; k < n; k++) {
            for (int e = m->succ_start[member[k]]; e < m->succ_start[member[k] + 1]; e++) {
                if (--m->missing[m->succ[e]] == 0) { make_ready(m, m->succ[e]); }
            }
        }
    }
    return UMB_OK;
}

/* The list and what is known of it, in place of the plan's; its dependencies anew. */
static enum umb_status replace(struct merge *m)
{
    struct umb_plan *p = m->p;
    memcpy(p->steps.step, m->out, m->n_out * sizeof *p->steps.step);
    p->steps.n = m->n_out;
    p->flops = m->flops;
    p->bytes = m->bytes;
    p->cost_ns = m->cost;
    umb__deps_finish(&p->deps);
    return umb__deps_build(p->graph, &p->steps, &p->deps);
}

enum umb_status umb__plan_merge(struct umb_plan *p)
{
    struct merge m = {.p = p, .n = (int)p->steps.n};
    enum umb_status st = umb__arena_create(p->ctx, &m.arena);
    if (st == UMB_OK) { st = allocate(&m); }
    if (st == UMB_OK) { st = find_fits(&m); }
    if (st == UMB_OK) { st = find_kinds(&m); }
    if (st == UMB_OK) {
        lay_out_heaps(&m);
        find_successors(&m);
        st = walk(&m);
    }
    if (st == UMB_OK && m.n_out < p->steps.n) { st = replace(&m); }
    umb__arena_destroy(m.arena);
    return st;
}
