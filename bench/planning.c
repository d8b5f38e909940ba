/* planning.c: the networks are dense layers of UNITS units and heads of two layers, batch BATCH. */
#include "planning.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "graph.h"
#include "optimizer.h"
#include "plan_internal.h"
#include "tasks.h"

#define BATCH 4
#define UNITS 8
#define CLASSES 4
#define LAYER_NODES 6 /* dense, relu, and what their gradients take */
#define HEAD_NODES 13 /* two layers, loss, counts, and what their gradients take */

const char *const planning_shape_names[PLANNING_SHAPES] = {"chain", "heads", "mix"};

struct bench {
    struct umb_context *ctx;
    const struct planning_desc *desc;
    uint64_t at_ns;
    struct umb_graph *g;
    int *seed, *dseed; /* losses and their weights */
    struct planning_counts counts;
    enum umb_status status; /* of the first that failed */
};

/* The processor's time of this thread, which does all the planning: other programs do not count. */
static uint64_t spent_ns(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* What ended here since the last mark. */
static void mark(struct bench *b, const char *pass)
{
    const double seconds = (double)(spent_ns() - b->at_ns) * 1e-9;
    b->counts.seconds += seconds;
    if (b->desc->passed) { b->desc->passed(b->desc->user, pass, seconds); }
    b->at_ns = spent_ns();
}

/* ---- the network ---- */

static int value(struct bench *b, enum umb_value_kind kind, enum umb_dtype dtype, int rank,
                 int64_t rows, int64_t columns)
{
    struct umb_type type = {
        .dtype = dtype, .shape = {rank, {rows, columns}}, .n_segments = rank > 0 && rows == BATCH};
    char name[32];
    snprintf(name, sizeof name, "value%d", b->g->n_values);
    const int v = umb__graph_value(b->g, name, kind, &type);
    if (v < 0) { b->status = UMB_ERR_NO_MEMORY; }
    return v;
}

static int node(struct bench *b, const char *op, const void *attrs, enum umb_phase phase, int n_in,
                const int *in)
{
    int out[UMB_OP_MAX_OUT] = {0};
    char name[32];
    snprintf(name, sizeof name, "%s%d", op, b->g->n_nodes);
    const struct umb_graph_node_desc desc = {.op = umb__op_find(op),
                                             .attrs = attrs,
                                             .name = name,
                                             .phase = phase,
                                             .n_in = n_in,
                                             .in = in};
    if (b->status == UMB_OK) { b->status = umb__graph_node(b->g, &desc, out); }
    return out[0];
}

static int layer(struct bench *b, int in, int units)
{
    void *attrs = NULL;
    char text[32];
    snprintf(text, sizeof text, "units=%d", units);
    if (b->status == UMB_OK) {
        b->status = umb__attrs_create(b->ctx, b->g->arena, umb__op_find("dense"), text, &attrs);
    }
    b->counts.n_layers++;
    return node(b, "dense", attrs, UMB_PHASE_FORWARD, 1, &in);
}

static int hidden_layer(struct bench *b, int in)
{
    const int linear = layer(b, in, UNITS);
    return node(b, "relu", NULL, UMB_PHASE_FORWARD, 1, &linear);
}

static void head(struct bench *b, int in)
{
    const int logits = layer(b, hidden_layer(b, in), CLASSES);
    const int labels = value(b, UMB_VALUE_INPUT, UMB_I32, 1, BATCH, 1);
    const int mask = value(b, UMB_VALUE_INPUT, UMB_F32, 1, BATCH, 1);
    const int counts = value(b, UMB_VALUE_STATE, UMB_I32, 2, CLASSES, CLASSES);
    if (b->status != UMB_OK) { return; }
    const int judged[] = {logits, labels, mask, counts};
    const int loss = node(b, "cross_entropy", NULL, UMB_PHASE_LOSS, 3, judged);
    node(b, "class_counts", NULL, UMB_PHASE_LOSS, 4, judged);
    if (b->status != UMB_OK) { return; }
    b->g->value[loss].output = true;
    b->seed[b->counts.n_heads++] = loss;
}

static void build_net(struct bench *b)
{
    const bool chain = b->desc->shape == PLANNING_CHAIN, mix = b->desc->shape == PLANNING_MIX;
    const int each = mix     ? LAYER_NODES + HEAD_NODES + 1 /* a sum */
                     : chain ? LAYER_NODES
                             : HEAD_NODES;
    int h = value(b, UMB_VALUE_INPUT, UMB_F32, 2, BATCH, UNITS);
    h = hidden_layer(b, h);
    for (int n = 0; n + each <= b->desc->n_nodes && b->status == UMB_OK; n += each) {
        if (chain || mix) { h = hidden_layer(b, h); }
        if (!chain) { head(b, h); }
    }
    if (chain) { head(b, h); }
}

/* All heads' counters side by side, as a net's are (tasks.c). */
static void join_counts(struct bench *b)
{
    struct umb_graph *g = b->g;
    const int n = g->n_values;
    const int all = value(b, UMB_VALUE_STATE, UMB_I32, 1, b->counts.n_heads * CLASSES * CLASSES, 1);
    size_t at = 0;
    for (int v = 0; v < n && b->status == UMB_OK; v++) {
        if (g->value[v].kind != UMB_VALUE_STATE) { continue; }
        g->value[v].base = all;
        g->value[v].base_offset = at;
        at += umb__type_bytes(&g->value[v].type);
    }
}

static void add_weights(struct bench *b)
{
    const int all = value(b, UMB_VALUE_INPUT, UMB_F32, 1, b->counts.n_heads, 1);
    for (int t = 0; t < b->counts.n_heads && b->status == UMB_OK; t++) {
        b->dseed[t] = value(b, UMB_VALUE_INPUT, UMB_F32, 1, 1, 1);
        if (b->status != UMB_OK) { return; }
        b->g->value[b->dseed[t]].base = all;
        b->g->value[b->dseed[t]].base_offset = (size_t)t * sizeof(float);
    }
}

/* ---- the passes, as the trainer and the plan go through them ---- */

static void differentiate(struct bench *b, int **ret_gradient, int *ret_n)
{
    struct umb_graph *g = b->g;
    add_weights(b);
    *ret_n = g->n_values;
    *ret_gradient = umb__arena_calloc(g->arena, (size_t)g->n_values, sizeof **ret_gradient);
    if (!*ret_gradient) { b->status = UMB_ERR_NO_MEMORY; }
    const struct umb_autodiff_desc desc = {
        .n_seeds = b->counts.n_heads, .seeds = b->seed, .dseeds = b->dseed};
    if (b->status == UMB_OK) { b->status = umb__graph_autodiff(g, &desc, *ret_gradient); }
    mark(b, "autodiff");
}

static void add_update(struct bench *b, const int *gradient, int n_gradient)
{
    int in[5] = {0}, out[UMB_OP_MAX_OUT];
    if (b->status == UMB_OK) {
        b->status = umb__graph_pack(b->g, gradient, n_gradient, &in[0], &in[1]);
    }
    mark(b, "pack");
    if (b->status != UMB_OK) { return; }
    const int64_t n = umb__shape_count(&b->g->value[in[0]].type.shape);
    in[2] = value(b, UMB_VALUE_STATE, UMB_F32, 1, n, 1);
    in[3] = value(b, UMB_VALUE_STATE, UMB_F32, 1, n, 1);
    in[4] = value(b, UMB_VALUE_INPUT, UMB_F32, 1, UMB_HYPER_COUNT, 1);
    if (b->status == UMB_OK) {
        b->status = umb__graph_add(b->g, UMB_PHASE_UPDATE, "adam", NULL, "update", 5, in, out);
    }
}

/* The next pass, unless one before has failed. */
#define PASS(b, name, call)                                  \
    do {                                                     \
        if ((b)->status == UMB_OK) { (b)->status = (call); } \
        mark(b, name);                                       \
    } while (0)

static void make_graph(struct bench *b)
{
    const struct umb_device_caps *caps = umb_device_get_caps(b->desc->device);
    int *gradient = NULL, n_gradient = 0;
    build_net(b);
    join_counts(b);
    mark(b, "graph");
    PASS(b, "fuse_norm", umb__graph_fuse_norm(b->g));
    PASS(b, "simplify", umb__graph_simplify(b->g));
    PASS(b, "fuse_pool", umb__graph_fuse_pool(b->g, caps));
    differentiate(b, &gradient, &n_gradient);
    b->counts.n_nodes = b->g->n_nodes;
    add_update(b, gradient, n_gradient);
    PASS(b, "fuse", umb__graph_fuse(b->g, caps));
    PASS(b, "update", umb__graph_fuse_update(b->g, caps, umb__graph_large_param(b->g)));
    PASS(b, "alias", umb__graph_alias(b->g));
    b->counts.n_fused = b->g->n_nodes;
}

static void make_plan(struct bench *b, struct umb_plan *p, const struct umb_plan_desc *desc)
{
    PASS(b, "lower", umb__plan_lower(p, desc));
    b->counts.n_steps = p->steps.n;
    PASS(b, "deps", umb__deps_build(p->graph, &p->steps, &p->deps));
    PASS(b, "merge", umb__plan_merge(p));
    PASS(b, "schedule",
         umb__schedule_build(p->ctx, &p->deps, p->cost_ns, p->n_queues, &p->schedule));
    PASS(b, "memory", umb__memory_build(p->graph, &p->steps, &p->schedule, 0, &p->side[0].memory));
    PASS(b, "verify", umb__plan_verify(p));
    b->counts.n_launches = p->steps.n;
    b->counts.scratch_bytes = p->side[0].memory.total;
    b->counts.unshared_bytes = p->side[0].memory.unshared;
    if (!b->desc->binds) { return; }
    if (b->status == UMB_OK) {
        b->status = umb__queue_create(p->side[0].device, false, &p->side[0].upload);
    }
    PASS(b, "place", umb__plan_place_values(p));
    PASS(b, "bind", umb__plan_bind(p));
}

static void plan_graph(struct bench *b)
{
    struct umb_store *store = NULL;
    struct umb_plan *p = umb__calloc(b->ctx, 1, sizeof *p);
    b->status = p ? umb__store_create(b->desc->device, &store) : UMB_ERR_NO_MEMORY;
    const struct umb_plan_desc desc = {.device = b->desc->device,
                                       .graph = b->g,
                                       .store = store,
                                       .n_queues = b->desc->n_queues,
                                       .n_slots = 1};
    if (b->status == UMB_OK) {
        p->ctx = b->ctx;
        p->n_devices = 1;
        p->side[0].device = desc.device;
        p->graph = b->g;
        p->store = store;
        p->n_queues = desc.n_queues;
        p->n_slots = desc.n_slots;
        p->merges = true;
        b->status = umb__arena_create(b->ctx, &p->arena);
    }
    if (b->status == UMB_OK) { make_plan(b, p, &desc); }
    umb__plan_destroy(p);
    umb__store_destroy(store);
}

enum umb_status planning_run(struct umb_context *ctx, const struct planning_desc *desc,
                             struct planning_counts *ret_counts)
{
    const size_t most = (size_t)desc->n_nodes / HEAD_NODES + 2; /* heads */
    struct bench b = {.ctx = ctx, .desc = desc};
    b.seed = umb__calloc(ctx, most, sizeof *b.seed);
    b.dseed = umb__calloc(ctx, most, sizeof *b.dseed);
    b.status = b.seed && b.dseed ? umb__graph_create(ctx, true, 1, &b.g) : UMB_ERR_NO_MEMORY;
    b.at_ns = spent_ns();
    if (b.status == UMB_OK) { make_graph(&b); }
    if (b.status == UMB_OK) { plan_graph(&b); }
    umb__graph_destroy(b.g);
    umb__free(b.seed);
    umb__free(b.dseed);
    *ret_counts = b.counts;
    return b.status;
}

/* ---- nets ---- */

static enum umb_status describe_net(struct umb_net *net, int n_layers)
{
    const struct umb_stream_desc stream = {
        .name = "images", .height = 1, .width = 1, .channels = UNITS};
    int h = -1;
    enum umb_status st = umb_net_stream(net, &stream, &h);
    for (int i = 0; i < n_layers && st == UMB_OK; i++) {
        const struct umb_layer_desc flat = {.op = "flatten", .in = &h, .n_in = 1};
        const struct umb_layer_desc dense = {
            .op = "dense", .attrs = "units=8 activation=relu", .in = &h, .n_in = 1};
        st = umb_net_layer(net, i ? &dense : &flat, &h);
    }
    return st;
}

enum umb_status planning_net(struct umb_context *ctx, int n_layers, double *ret_seconds)
{
    struct umb_net *net = NULL;
    struct umb_graph *g = NULL;
    struct umb_net_values values;
    const uint64_t began = spent_ns();
    enum umb_status st = umb_net_create(ctx, &net);
    if (st == UMB_OK) { st = describe_net(net, n_layers); }
    if (st == UMB_OK) { st = umb__graph_create(ctx, true, 1, &g); }
    if (st == UMB_OK) { st = umb__net_build(net, g, BATCH, &values); }
    *ret_seconds = (double)(spent_ns() - began) * 1e-9;
    umb__graph_destroy(g);
    umb_net_destroy(net);
    return st;
}
