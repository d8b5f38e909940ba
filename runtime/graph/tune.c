/* tune.c: the distinct problems of a graph, measured one after another. */
#include "tune.h"
#include "plan_internal.h"
#include "system.h"
#include "tune_internal.h"
#include <stdlib.h>
#include <string.h>

/* What a reference may count, so that a problem takes at most about a second. Its plain loops do
 * some 0.5 GFLOP/s. */
#define QUICK_FLOPS 1e8
#define FULL_FLOPS 1e9
#define QUICK_LIMIT_NS UINT64_C(60000000000)

struct posed {
    const char *text;
    struct umb_problem p;
    int node; /* the first */
    int n_nodes, capacity;
    const char **nodes;
    int n_solvers;
    struct umb_choice old;
    bool due;
    double work; /* of all its nodes; 0 where there is nothing to choose */
};

struct tuner {
    struct umb_context *ctx;
    const struct umb_tune_desc *desc;
    struct umb_arena *arena;
    struct posed *posed;
    int n;
    int n_todo, index; /* to be measured; the present one */
    const struct posed *now;
    struct umb_tune_summary sum;
};

/* The problems. */

static int count_solvers(const struct umb_problem *p)
{
    int n = 0;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        n += s->applicable(p) > 0;
    }
    return n;
}

static enum umb_status pose(struct tuner *t, int node, const struct umb_problem *p,
                            const char *text)
{
    struct posed *q = NULL;
    for (int i = 0; i < t->n && !q; i++) {
        if (strcmp(t->posed[i].text, text) == 0) { q = &t->posed[i]; }
    }
    if (!q) {
        q = &t->posed[t->n];
        *q = (struct posed){.p = *p, .node = node, .n_solvers = count_solvers(p)};
        q->text = umb__arena_strdup(t->arena, text);
        if (!q->text) { return UMB_ERR_NO_MEMORY; }
        t->n++;
    }
    if (q->n_nodes == q->capacity) {
        const int capacity = 2 * q->capacity + 4;
        const char **nodes = umb__arena_calloc(t->arena, (size_t)capacity, sizeof *nodes);
        if (!nodes) { return UMB_ERR_NO_MEMORY; }
        if (q->n_nodes) { memcpy(nodes, q->nodes, (size_t)q->n_nodes * sizeof *nodes); }
        q->nodes = nodes;
        q->capacity = capacity;
    }
    q->nodes[q->n_nodes++] = t->desc->graph->node[node].name;
    return UMB_OK;
}

static enum umb_status pose_node(struct tuner *t, int node)
{
    struct umb_problem p;
    struct umb_text text = {0};
    const struct umb_node *n = &t->desc->graph->node[node];
    /* what carries a value to another device is no kernel, so there is none to choose */
    if (!umb__node_has_steps(t->desc->graph, node) || n->device != t->desc->member ||
        (n->op->flags & UMB_OP_TRANSFER)) {
        return UMB_OK;
    }
    enum umb_status st =
        umb__node_problem(t->desc->graph, node, umb_device_get_caps(t->desc->device), t->arena, &p);
    if (st != UMB_OK) { return st; }
    const bool named = umb__problem_text(&p, &text);
    st = umb__text_status(t->ctx, &text);
    if (st == UMB_OK && named) { st = pose(t, node, &p, text.data); }
    umb__text_finish(&text);
    return st;
}

static enum umb_status pose_all(struct tuner *t)
{
    const struct umb_graph *g = t->desc->graph;
    t->posed = umb__arena_calloc(t->arena, (size_t)g->n_nodes + 1, sizeof *t->posed);
    if (!t->posed) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < g->n_nodes; i++) {
        const enum umb_status st = pose_node(t, i);
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

/* Measuring. */

/* Every solver that applies now was looked at, and as carefully as is asked. */
static bool is_known(const struct tuner *t, const struct umb_problem *p,
                     const struct umb_tuned *tuned)
{
    if (!tuned || (t->desc->full && !tuned->full)) { return false; }
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        bool there = s->applicable(p) <= 0;
        for (size_t i = 0; i < tuned->n && !there; i++) {
            there = strcmp(tuned->solver[i].name, s->name) == 0;
        }
        if (!there) { return false; }
    }
    return true;
}

/* Notes of every problem what a plan would take now, and whether it is to be measured. */
static enum umb_status find_due(struct tuner *t)
{
    for (int i = 0; i < t->n; i++) {
        struct posed *q = &t->posed[i];
        const enum umb_status st = umb__solver_pick(&q->p, t->desc->tuning, NULL, &q->old);
        if (st != UMB_OK) { return st; }
        q->due = q->n_solvers > 0 && (t->desc->again || !is_known(t, &q->p, q->old.tuned));
        t->n_todo += q->due;
        t->sum.n_known += !q->due;
        if (q->n_solvers > 1 && q->p.op->flops) { q->work = q->n_nodes * q->p.op->flops(&q->p); }
    }
    return UMB_OK;
}

/* Most work first; among equals the order of the graph. */
static int by_work(const void *left, const void *right)
{
    const struct posed *a = left, *b = right;
    if (a->work > b->work || a->work < b->work) { return a->work > b->work ? -1 : 1; }
    return (a->node > b->node) - (a->node < b->node);
}

static struct umb_tune_report report_of(const struct tuner *t, enum umb_tune_event event)
{
    return (struct umb_tune_report){.event = event,
                                    .index = t->index,
                                    .n_problems = t->n_todo,
                                    .p = &t->now->p,
                                    .text = t->now->text,
                                    .n_nodes = t->now->n_nodes,
                                    .nodes = t->now->nodes};
}

static void solver_begins(void *user, const char *solver)
{
    struct tuner *t = user;
    struct umb_tune_report r = report_of(t, UMB_TUNE_SOLVER);
    r.solver = solver;
    if (t->desc->listen) { t->desc->listen(t->desc->user, &r); }
}

static void count(struct tuner *t, const struct umb_tuned *tuned)
{
    bool hope = false;
    for (size_t i = 0; i < tuned->n; i++) {
        t->sum.n_wrong += tuned->solver[i].verdict == UMB_VERDICT_WRONG;
        t->sum.n_failed += tuned->solver[i].verdict == UMB_VERDICT_FAILED;
        hope = hope || tuned->solver[i].ns;
    }
    t->sum.n_hopeless += !hope;
    t->sum.n_measured++;
}

static enum umb_status measure(struct tuner *t, const struct posed *q)
{
    const struct umb_sample_desc desc = {.ctx = t->ctx,
                                         .graph = t->desc->graph,
                                         .node = q->node,
                                         .p = q->p,
                                         .checked = q->n_solvers > 1,
                                         .max_flops = t->desc->full ? FULL_FLOPS : QUICK_FLOPS};
    struct umb_contest contest = {
        .device = t->desc->device, .full = t->desc->full, .begins = solver_begins, .user = t};
    struct umb_text notes = {0};
    struct umb_tuned tuned;
    t->now = q;
    enum umb_status st = umb__sample_create(&desc, &contest.sample);
    if (st == UMB_OK) { st = umb__contest_run(&contest, &tuned, &notes); }
    if (st == UMB_OK) {
        tuned.problem = q->text;
        count(t, &tuned);
        struct umb_tune_report r = report_of(t, UMB_TUNE_PROBLEM);
        r.tuned = &tuned;
        r.old = &q->old;
        if (t->desc->listen) { t->desc->listen(t->desc->user, &r); }
        st = umb__tuning_put(t->desc->tuning, &tuned);
    }
    umb__sample_destroy(contest.sample);
    umb__text_finish(&notes);
    return st;
}

static enum umb_status measure_all(struct tuner *t)
{
    const uint64_t start = umb__clock_ns();
    enum umb_status st = find_due(t);
    qsort(t->posed, (size_t)t->n, sizeof *t->posed, by_work);
    for (int i = 0; i < t->n && st == UMB_OK; i++) {
        if (!t->posed[i].due) { continue; }
        if (!t->desc->full && umb__clock_ns() - start > QUICK_LIMIT_NS) {
            t->sum.n_left++;
        } else {
            st = measure(t, &t->posed[i]);
            t->index++;
        }
    }
    return st;
}

enum umb_status umb__tune_graph(struct umb_context *ctx, const struct umb_tune_desc *desc,
                                struct umb_tune_summary *ret_summary)
{
    struct tuner t = {.ctx = ctx, .desc = desc};
    enum umb_status st = umb__arena_create(ctx, &t.arena);
    if (st == UMB_OK) { st = pose_all(&t); }
    t.sum.n_problems = t.n;
    if (st == UMB_OK) { st = measure_all(&t); }
    umb__arena_destroy(t.arena);
    if (st == UMB_OK && desc->listen) {
        const struct umb_tune_report r = {.event = UMB_TUNE_END, .summary = &t.sum};
        desc->listen(desc->user, &r);
    }
    if (st == UMB_OK) { *ret_summary = t.sum; }
    return st;
}
