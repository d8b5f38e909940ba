/*
 * tune_clblast.c: which parameters CLBlast is fastest with on a device, for a graph's products.
 *
 *   CLBlast's own, then each set: every product, is it right, and how long? the sum counts
 *
 * Each set costs CLBlast a compilation, so that sets do not take turns. What was measured of
 * CLBlast beside other solvers by an earlier set is dropped.
 */
#include "alloc.h"
#include "clblast.h"
#include "fail.h"
#include "plan_internal.h"
#include "tune_internal.h"
#include <stdio.h>
#include <string.h>

#define MOST_PRODUCTS 3
/* The most that a product's whole reference may count. */
#define REFERENCE_FLOPS 1e8
/* Runs of a product, behind one that warms up. */
#define QUICK_RUNS 3
#define FULL_RUNS 10

struct product {
    struct umb_problem p;
    int node;
    double flops;
    struct umb_sample *sample;
    const struct umb_solver *solver;
};

struct search {
    struct umb_context *ctx;
    const struct umb_tune_desc *desc;
    struct umb_arena *arena;
    struct product product[MOST_PRODUCTS + 1]; /* one of them to push out */
    int n;
    struct umb_tuned tuned;
    char note[UMB_TUNED_SOLVERS][UMB_TUNE_NOTE + 64];
};

/* Products. */

static const struct umb_solver *clblast_of(const struct umb_problem *p)
{
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        if (strcmp(s->name, UMB_CLBLAST_SOLVER) == 0 && s->applicable(p) > 0) { return s; }
    }
    return NULL;
}

/* Equal in all that decides about the time. */
static bool is_there(const struct search *s, const struct umb_problem *p)
{
    for (int i = 0; i < s->n; i++) {
        const struct umb_problem *q = &s->product[i].p;
        bool same = q->op == p->op && q->n_in == p->n_in;
        for (int k = 0; k < p->n_in && same; k++) {
            same = umb__shape_equal(&p->in[k].shape, &q->in[k].shape);
        }
        if (same) { return true; }
    }
    return false;
}

/* Those with most work, the largest first. */
static enum umb_status find_products(struct search *s)
{
    const struct umb_graph *g = s->desc->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        struct product new = {.node = i};
        if (!umb__node_has_steps(g, i)) { continue; }
        const enum umb_status st =
            umb__node_problem(g, i, umb_device_get_caps(s->desc->device), s->arena, &new.p);
        if (st != UMB_OK) { return st; }
        new.solver = clblast_of(&new.p);
        if (!new.solver || is_there(s, &new.p)) { continue; }
        new.flops = new.p.op->flops(&new.p);
        int at = s->n;
        for (; at > 0 && s->product[at - 1].flops < new.flops; at--) {
            s->product[at] = s->product[at - 1];
        }
        s->product[at] = new;
        if (s->n < MOST_PRODUCTS) { s->n++; }
    }
    return UMB_OK;
}

static enum umb_status make_samples(struct search *s)
{
    enum umb_status st = UMB_OK;
    for (int i = 0; i < s->n && st == UMB_OK; i++) {
        const struct umb_sample_desc desc = {.ctx = s->ctx,
                                             .graph = s->desc->graph,
                                             .node = s->product[i].node,
                                             .p = s->product[i].p,
                                             .checked = true,
                                             .max_flops = REFERENCE_FLOPS};
        st = umb__sample_create(&desc, &s->product[i].sample);
    }
    return st;
}

/* Sets. */

static void say(const struct search *s, enum umb_tune_event event, const char *set)
{
    const char *nodes[MOST_PRODUCTS];
    struct umb_tune_report r = {.event = event,
                                .index = (int)s->tuned.n,
                                .p = &s->product[0].p,
                                .n_nodes = s->n,
                                .nodes = nodes,
                                .solver = set,
                                .tuned = &s->tuned};
    for (r.n_problems = 1; umb__clblast_sets[r.n_problems - 1]; r.n_problems++) {}
    for (int i = 0; i < s->n; i++) {
        nodes[i] = s->desc->graph->node[s->product[i].node].name;
        r.flops += s->product[i].flops;
    }
    if (s->desc->listen) { s->desc->listen(s->desc->user, &r); }
}

/* The products' least times together into *entry, or why the set is out into note. */
static void time_products(struct search *s, struct umb_tuned_solver *entry, char *note, size_t size)
{
    uint64_t ns[FULL_RUNS + 1];
    const int runs = 1 + (s->desc->full ? FULL_RUNS : QUICK_RUNS);
    entry->verdict = UMB_VERDICT_RIGHT;
    for (int i = 0; i < s->n; i++) {
        char wrong[UMB_TUNE_NOTE] = "";
        const struct product *p = &s->product[i];
        const char *node = s->desc->graph->node[p->node].name;
        const enum umb_status st =
            umb__sample_run(p->sample, s->desc->device, p->solver, runs, ns, wrong);
        if (st != UMB_OK || wrong[0]) {
            entry->verdict = st == UMB_OK ? UMB_VERDICT_WRONG : UMB_VERDICT_FAILED;
            entry->ns = 0;
            snprintf(note, size, "%.60s: %.250s", node,
                     st == UMB_OK ? wrong : umb_context_error(s->ctx));
            return;
        }
        uint64_t least = ns[1];
        for (int r = 2; r < runs; r++) {
            least = ns[r] < least ? ns[r] : least;
        }
        entry->ns += least ? least : 1;
    }
}

static void try_set(struct search *s, const char *set)
{
    const size_t i = s->tuned.n;
    struct umb_tuned_solver *entry = &s->tuned.solver[i];
    if (i == UMB_TUNED_SOLVERS) { return; }
    *entry = (struct umb_tuned_solver){.name = set, .note = s->note[i]};
    say(s, UMB_TUNE_SOLVER, set);
    s->note[i][0] = 0;
    if (umb__clblast_try(s->desc->device, set) == UMB_OK) {
        time_products(s, entry, s->note[i], sizeof s->note[i]);
    } else {
        entry->verdict = UMB_VERDICT_FAILED;
        snprintf(s->note[i], sizeof s->note[i], "%.300s", umb_context_error(s->ctx));
    }
    s->tuned.n++;
}

const char *umb__tuned_clblast(const struct umb_tuning *tuning)
{
    const struct umb_tuned *known = umb__tuning_find(tuning, UMB_CLBLAST_SOLVER);
    const struct umb_tuned_solver *best = known ? umb__tuned_best(known) : NULL;
    for (const char *const *set = umb__clblast_sets; *set && best; set++) {
        if (strcmp(*set, best->name) == 0) { return *set; }
    }
    return UMB_CLBLAST_OWN;
}

static enum umb_status keep(struct search *s)
{
    struct umb_tuning *tuning = s->desc->tuning;
    const char *before = umb__tuned_clblast(tuning);
    enum umb_status st = umb__tuning_put(tuning, &s->tuned);
    if (st != UMB_OK || strcmp(before, umb__tuned_clblast(tuning)) == 0) { return st; }
    return umb__tuning_forget(tuning, UMB_CLBLAST_SOLVER);
}

enum umb_status umb__tune_clblast(struct umb_context *ctx, const struct umb_tune_desc *desc)
{
    struct search s = {.ctx = ctx, .desc = desc};
    s.tuned = (struct umb_tuned){.problem = UMB_CLBLAST_SOLVER, .full = desc->full};
    enum umb_status st = umb__arena_create(ctx, &s.arena);
    if (st == UMB_OK) { st = find_products(&s); }
    if (st == UMB_OK && s.n == 0) {
        st = umb__fail(ctx, UMB_ERR_UNSUPPORTED,
                       "CLBlast: it computes nothing of this experiment, expected a build with "
                       "CLBlast, and a dense layer or a 1×1 convolution");
    }
    if (st == UMB_OK) { st = make_samples(&s); }
    if (st == UMB_OK) {
        try_set(&s, UMB_CLBLAST_OWN);
        for (const char *const *set = umb__clblast_sets; *set; set++) {
            try_set(&s, *set);
        }
        say(&s, UMB_TUNE_CLBLAST, NULL);
        st = keep(&s);
    }
    for (int i = 0; i < s.n; i++) {
        umb__sample_destroy(s.product[i].sample);
    }
    umb__arena_destroy(s.arena);
    return st;
}
