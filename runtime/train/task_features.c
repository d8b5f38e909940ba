/* task_features.c: see task_features.h. */
#include "task_features.h"

#include <math.h>
#include <string.h>

#include "alloc.h"
#include "relate.h"
#include "trainer_copy.h"
#include "trainer_internal.h"

struct feature {
    int value;      /* in the graph; −1: the task has no layer with weights */
    int64_t first;  /* row of the value at which the task's stream begins */
    int64_t length; /* numbers a sample */
    float *kept;    /* [most][length] */
};

struct umb_task_features {
    struct umb_trainer *tr;
    struct umb_arena *arena;
    struct umb_graph *graph;
    struct umb_store *store;
    struct umb_plan *plan;
    struct feature *feature; /* [T] */
    int T;
    int64_t most, kept[UMB_MAX_STREAMS]; /* samples */
    int order[UMB_MAX_STREAMS];          /* equal: the same samples */
};

/* ---- making one ---- */

static bool has_weights(const struct umb_graph *g, const struct umb_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        const struct umb_value *v = &g->value[n->in[k]];
        if (v->kind == UMB_VALUE_PARAM && v->type.shape.rank > 1) { return true; }
    }
    return false;
}

/* What the last node with weights before an output reads; −1: there is none. */
static int feature_of(const struct umb_graph *g, int output)
{
    int v = output;
    while (g->value[v].producer >= 0) {
        const struct umb_node *n = &g->node[g->value[v].producer];
        v = n->in[0];
        if (has_weights(g, n)) { return g->value[v].kind == UMB_VALUE_PARAM ? -1 : v; }
    }
    return -1;
}

static enum umb_status find_feature(struct umb_task_features *f, const struct umb_net_values *net,
                                    int t)
{
    struct feature *own = &f->feature[t];
    const struct umb_net_task *task = umb__net_task(f->tr->net, t);
    own->value = feature_of(f->graph, net->value[task->output]);
    if (own->value < 0) { return UMB_OK; }
    struct umb_value *v = &f->graph->value[own->value];
    if (v->type.n_segments < 1) {
        own->value = -1;
        return UMB_OK;
    }
    v->output = true;
    own->first = (task->stream - v->type.segment) * f->tr->batch;
    own->length = umb__shape_count(&v->type.shape) / v->type.shape.dim[0];
    own->kept = umb__arena_calloc(f->arena, (size_t)(f->most * own->length), sizeof *own->kept);
    return own->kept ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status build(struct umb_task_features *f)
{
    struct umb_trainer *tr = f->tr;
    struct umb_net_values net;
    int params[UMB_MAX_DEVICES];
    enum umb_status st = umb__trainer_copy_net(tr, false, &f->graph, &net);
    for (int t = 0; st == UMB_OK && t < f->T; t++) {
        st = find_feature(f, &net, t);
    }
    if (st == UMB_OK) { st = umb__trainer_copy_pack(tr, f->graph, params); }
    return st == UMB_OK ? umb__trainer_copy_plan(tr, f->graph, f->store, &f->plan) : st;
}

enum umb_status umb__task_features_create(struct umb_trainer *tr, int64_t most, const int *order,
                                          struct umb_task_features **ret_features)
{
    struct umb_task_features *f = umb__calloc(tr->ctx, 1, sizeof *f);
    if (!f) { return UMB_ERR_NO_MEMORY; }
    f->tr = tr;
    f->T = tr->n_tasks;
    f->most = most;
    for (int s = 0; s < tr->n_streams; s++) {
        f->order[s] = order ? order[s] : s;
    }
    enum umb_status st = umb__arena_create(tr->ctx, &f->arena);
    if (st == UMB_OK) {
        f->feature = umb__arena_calloc(f->arena, (size_t)f->T, sizeof *f->feature);
        st = f->feature ? umb__trainer_make_store(tr, &f->store) : UMB_ERR_NO_MEMORY;
    }
    if (st == UMB_OK) { st = build(f); }
    if (st != UMB_OK) {
        umb__task_features_destroy(f);
        return st;
    }
    *ret_features = f;
    return UMB_OK;
}

void umb__task_features_destroy(struct umb_task_features *f)
{
    if (!f) { return; }
    umb__plan_destroy(f->plan);
    umb__graph_destroy(f->graph);
    umb__store_destroy(f->store);
    umb__arena_destroy(f->arena);
    umb__free(f);
}

/* ---- samples ---- */

enum umb_status umb__task_features_follow(struct umb_task_features *f)
{
    memset(f->kept, 0, sizeof f->kept);
    return umb__trainer_copy_tensors(f->tr, f->graph, f->store);
}

/* New samples of a stream in the slot, as far as there is room. */
static int64_t n_new(const struct umb_task_features *f, int slot, int stream)
{
    const int64_t there = f->tr->side[UMB_TRAINER_TRAIN].rows[slot][stream],
                  room = f->most - f->kept[stream];
    return there < room ? there : room;
}

static void keep(const struct umb_task_features *f, int slot, int t)
{
    const struct feature *own = &f->feature[t];
    const int stream = umb__net_task(f->tr->net, t)->stream;
    if (own->value < 0) { return; }
    const float *from = umb__plan_output(f->plan, 0, own->value);
    memcpy(own->kept + f->kept[stream] * own->length, from + own->first * own->length,
           (size_t)(n_new(f, slot, stream) * own->length) * sizeof *from);
}

enum umb_status umb__task_features_look(struct umb_task_features *f, int slot)
{
    int64_t n = 0;
    for (int s = 0; s < f->tr->n_streams; s++) {
        n += n_new(f, slot, s);
    }
    if (n == 0) { return UMB_OK; }
    umb__trainer_copy_inputs(f->tr, slot, 0, f->graph, f->plan);
    enum umb_status st = umb__plan_submit(f->plan, 0);
    if (st == UMB_OK) { st = umb__plan_wait(f->plan, 0); }
    for (int t = 0; st == UMB_OK && t < f->T; t++) {
        keep(f, slot, t);
    }
    for (int s = 0; st == UMB_OK && s < f->tr->n_streams; s++) {
        f->kept[s] += n_new(f, slot, s);
    }
    return st;
}

/* ---- likeness ---- */

static bool are_alike(const struct umb_task_features *f, int s, int t)
{
    const int a = umb__net_task(f->tr->net, s)->stream, b = umb__net_task(f->tr->net, t)->stream;
    return f->order[a] == f->order[b];
}

bool umb__task_features_has_pairs(const struct umb_task_features *f)
{
    for (int s = 0; s < f->T; s++) {
        for (int t = 0; t < s; t++) {
            if (f->feature[s].value < 0 || f->feature[t].value < 0) { continue; }
            if (are_alike(f, s, t)) { return true; }
        }
    }
    return false;
}

int64_t umb__task_features_samples(const struct umb_task_features *f)
{
    int64_t most = 0;
    for (int s = 0; s < f->tr->n_streams; s++) {
        if (f->kept[s] > most) { most = f->kept[s]; }
    }
    return most;
}

const char *umb__task_features_apart(const struct umb_task_features *f, int s, int t)
{
    const int a = umb__net_task(f->tr->net, s)->stream, b = umb__net_task(f->tr->net, t)->stream;
    if (f->feature[s].value < 0 || f->feature[t].value < 0) {
        return "one has no layer with weights that reads samples";
    }
    if (!are_alike(f, s, t) || f->kept[a] != f->kept[b]) {
        return "their data are not the same samples";
    }
    return f->kept[a] < 4 ? "there are fewer than four samples" : NULL;
}

static enum umb_status compare(const struct umb_task_features *f, int s, int t, double *ret_cka)
{
    const struct feature *a = &f->feature[s], *b = &f->feature[t];
    *ret_cka = (double)NAN;
    if (umb__task_features_apart(f, s, t)) { return UMB_OK; }
    const int64_t n = f->kept[umb__net_task(f->tr->net, s)->stream];
    return umb__relate_cka(f->tr->ctx, (size_t)n, (size_t)a->length, a->kept, (size_t)b->length,
                           b->kept, true, ret_cka);
}

enum umb_status umb__task_features_cka(const struct umb_task_features *f, double *ret_cka)
{
    enum umb_status st = UMB_OK;
    for (int s = 0; st == UMB_OK && s < f->T; s++) {
        for (int t = 0; st == UMB_OK && t <= s; t++) {
            st = compare(f, s, t, &ret_cka[s * f->T + t]);
            ret_cka[t * f->T + s] = ret_cka[s * f->T + t];
        }
    }
    return st;
}
