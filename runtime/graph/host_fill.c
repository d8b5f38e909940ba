/*
 * While the host is asked (ops/host.h), what needs its answer waits: two threads are woken, one
 * after the other, for some 0.2 ms in all. A kernel that is ready before would run before the
 * question is even there, and leave nothing for that time. So some of what only updates wait for is
 * kept back: it stands behind the question in the list, and begins behind it on any queue.
 *
 * An answer at a run's end, which only the next run reads, holds up what reads it there, and not
 * that run's beginning.
 */
#include <string.h>

#include "plan_internal.h"

#define ENOUGH_NS 300e3 /* threads waking, and a rule's arithmetic */

struct fill {
    struct umb_plan *p;
    int n;
    int *keep;             /* [n] by step: the question that it waits for; −1: none */
    int *first_need;       /* [n] by step: the first step behind it that needs it; n: none */
    bool *earlier, *later; /* [n] what a question needs, and what its answer leads to */
    int *at;               /* [n] by step: its place in the new list */
    struct umb_step *step;
    double *known[3]; /* flops, bytes, costs in the new order */
};

static enum umb_status allocate(struct fill *f)
{
    struct umb_arena *arena = f->p->arena;
    const size_t n = (size_t)f->n + 1;
    bool ok = true;
    f->keep = umb__arena_calloc(arena, n, sizeof *f->keep);
    f->first_need = umb__arena_calloc(arena, n, sizeof *f->first_need);
    f->earlier = umb__arena_calloc(arena, n, sizeof *f->earlier);
    f->later = umb__arena_calloc(arena, n, sizeof *f->later);
    f->at = umb__arena_calloc(arena, n, sizeof *f->at);
    f->step = umb__arena_calloc(arena, n, sizeof *f->step);
    for (int k = 0; k < 3; k++) {
        f->known[k] = umb__arena_calloc(arena, n, sizeof *f->known[k]);
        ok = ok && f->known[k];
    }
    ok = ok && f->keep && f->first_need && f->earlier && f->later && f->at && f->step;
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* The step that sends the question to which step `answer` delivers the answer; −1: none. */
static int question_of(const struct umb_plan *p, int answer)
{
    for (int e = p->deps.start[answer]; e < p->deps.start[answer + 1]; e++) {
        const int before = p->deps.pred[e];
        const struct umb_step *s = &p->steps.step[before];
        if (s->transfer && s->node == p->steps.step[answer].node) { return before; }
    }
    return -1;
}

static void look_around(struct fill *f, int question, int answer)
{
    const struct umb_deps *d = &f->p->deps;
    memset(f->earlier, 0, (size_t)f->n * sizeof *f->earlier);
    memset(f->later, 0, (size_t)f->n * sizeof *f->later);
    f->earlier[question] = f->later[answer] = true;
    for (int i = question; i >= 0; i--) {
        for (int e = d->start[i]; e < d->start[i + 1]; e++) {
            f->earlier[d->pred[e]] = f->earlier[d->pred[e]] || f->earlier[i];
        }
    }
    for (int i = answer + 1; i < f->n; i++) {
        for (int e = d->start[i]; e < d->start[i + 1]; e++) {
            f->later[i] = f->later[i] || f->later[d->pred[e]];
        }
    }
}

/* The last of those that may wait, until they fill the time. */
static int keep_for(struct fill *f, int question)
{
    const struct umb_plan *p = f->p;
    double time = 0;
    int n = 0;
    for (int i = f->n - 1; i >= 0 && time < ENOUGH_NS; i--) {
        const struct umb_step *s = &p->steps.step[i];
        const bool may = umb__plan_is_for_updates(p, s) && !s->transfer &&
                         s->device == p->steps.step[question].device && f->keep[i] < 0;
        if (!may || f->earlier[i] || f->later[i] || f->first_need[i] <= question) { continue; }
        f->keep[i] = question;
        time += p->cost_ns[i];
        n++;
    }
    return n;
}

static void append(struct fill *f, int i, int *n)
{
    const struct umb_plan *p = f->p;
    f->step[*n] = p->steps.step[i];
    f->known[0][*n] = p->flops[i];
    f->known[1][*n] = p->bytes[i];
    f->known[2][*n] = p->cost_ns[i];
    f->at[i] = (*n)++;
}

/* The list with what is kept behind its question, and its dependencies anew. */
static enum umb_status reorder(struct fill *f)
{
    struct umb_plan *p = f->p;
    int n = 0;
    for (int i = 0; i < f->n; i++) {
        if (f->keep[i] > i) { continue; }
        append(f, i, &n);
        for (int k = 0; k < i && p->steps.step[i].transfer; k++) {
            if (f->keep[k] == i) { append(f, k, &n); }
        }
    }
    memcpy(p->steps.step, f->step, (size_t)f->n * sizeof *f->step);
    p->flops = f->known[0];
    p->bytes = f->known[1];
    p->cost_ns = f->known[2];
    umb__deps_finish(&p->deps);
    return umb__deps_build(p->graph, &p->steps, &p->deps);
}

/* What is kept depends on its question. */
static enum umb_status add_to_deps(struct fill *f, int n_kept)
{
    struct umb_deps *d = &f->p->deps;
    int n = 0, *of = f->first_need; /* by place */
    int *pred = umb__calloc(f->p->ctx, (size_t)(d->start[d->n] + n_kept) + 1, sizeof *pred);
    if (!pred) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < f->n; i++) {
        of[f->at[i]] = f->keep[i] >= 0 ? f->at[f->keep[i]] : -1;
    }
    for (int i = 0; i < d->n; i++) {
        const int begin = d->start[i], end = d->start[i + 1];
        bool known = of[i] < 0;
        d->start[i] = n;
        for (int e = begin; e < end; e++) {
            pred[n++] = d->pred[e];
            known = known || d->pred[e] == of[i];
        }
        if (!known) { pred[n++] = of[i]; }
    }
    d->start[d->n] = n;
    umb__free(d->pred);
    d->pred = pred;
    return UMB_OK;
}

static void find_needs(struct fill *f)
{
    const struct umb_deps *d = &f->p->deps;
    for (int i = f->n - 1; i >= 0; i--) {
        f->keep[i] = -1;
        f->first_need[i] = f->n;
    }
    for (int i = f->n - 1; i >= 0; i--) {
        for (int e = d->start[i]; e < d->start[i + 1]; e++) {
            f->first_need[d->pred[e]] = i;
        }
    }
}

enum umb_status umb__plan_fill_host(struct umb_plan *p)
{
    struct fill f = {.p = p, .n = p->deps.n};
    int n_kept = 0;
    bool asks = false;
    for (int i = 0; i < f.n; i++) {
        asks = asks || p->steps.step[i].host;
    }
    enum umb_status st = asks ? allocate(&f) : UMB_OK;
    if (!asks || st != UMB_OK) { return st; }
    find_needs(&f);
    for (int i = 0; i < f.n; i++) {
        const int question = p->steps.step[i].host ? question_of(p, i) : -1;
        if (question < 0) { continue; }
        look_around(&f, question, i);
        n_kept += keep_for(&f, question);
    }
    if (!n_kept) { return UMB_OK; }
    st = reorder(&f);
    return st == UMB_OK ? add_to_deps(&f, n_kept) : st;
}

/* ---- answers for the next run ---- */

static bool is_needed(const struct umb_deps *d, int step)
{
    for (int e = d->start[step + 1]; e < d->start[d->n]; e++) {
        if (d->pred[e] == step) { return true; }
    }
    return false;
}

static int root_of(const struct umb_plan *p, int value)
{
    return umb__extent(p->graph, &p->steps, value).root;
}

/* Of what a delivery writes (argument 1). */
static bool is_kept(const struct umb_plan *p, const struct umb_step *s)
{
    const int root = root_of(p, s->args[1].value);
    return root < p->steps.temp_base && p->graph->value[root].kind == UMB_VALUE_STATE;
}

static bool touches(const struct umb_plan *p, const struct umb_step *s, int root)
{
    for (size_t k = 0; k < s->n_args; k++) {
        if (umb__names_value(&s->args[k]) && root_of(p, s->args[k].value) == root) { return true; }
    }
    return false;
}

enum umb_status umb__plan_find_late(struct umb_plan *p)
{
    p->late = -1;
    p->behind_late = umb__arena_calloc(p->arena, p->steps.n + 1, sizeof *p->behind_late);
    if (!p->behind_late) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < (int)p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        if (s->host && is_kept(p, s) && !is_needed(&p->deps, i)) { p->late = i; }
    }
    if (p->late < 0) { return UMB_OK; }
    const struct umb_step *late = &p->steps.step[p->late];
    const int kept = root_of(p, late->args[1].value), question = question_of(p, p->late);
    for (int i = 0; i < (int)p->steps.n; i++) {
        p->behind_late[i] = i == question || i == p->late || touches(p, &p->steps.step[i], kept);
    }
    return UMB_OK;
}
