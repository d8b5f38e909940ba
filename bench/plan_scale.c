/*
 * plan_scale.c: how long planning takes, pass by pass, for made-up networks of many small layers.
 *
 *   plan_scale SHAPE NODES QUEUES
 *
 * SHAPE is chain (one trunk, dense layers one behind another), heads (a short trunk under as many
 * heads as it takes) or mix (a trunk as deep as it is wide in heads, which leave it everywhere).
 * NODES is how many nodes the training graph shall have before anything is fused. A small graph is
 * planned first, so that the kernels are compiled. Prints a line per pass: seconds, and the peak of
 * the process's memory above what it was before planning.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "optimizer.h"
#include "plan_internal.h"
#include "system.h"
#include <umbel/device.h>

#define BATCH 4
#define UNITS 8
#define CLASSES 4
#define LAYER_NODES 6 /* dense, relu, and what their gradients take */
#define HEAD_NODES 14 /* two layers, loss, counts, and what their gradients take */

struct bench {
    struct umb_context *ctx;
    struct umb_device *device;
    bool speaks;
    uint64_t began_ns, at_ns;
    double idle_mib;
    struct umb_graph *g;
    int *seed, *dseed, n_heads; /* losses and their weights */
    int n_layers;
    enum umb_status status; /* of the first that failed */
};

/* What ended here since the last mark. */
static void mark(struct bench *b, const char *pass)
{
    const uint64_t now = umb__clock_ns();
    if (b->speaks) {
        printf("  %-10s %8.3f s %9.1f MiB\n", pass, (double)(now - b->at_ns) * 1e-9,
               umb__peak_rss_mib() - b->idle_mib);
    }
    b->at_ns = umb__clock_ns();
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
    b->n_layers++;
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
    b->seed[b->n_heads++] = loss;
}

static void build_net(struct bench *b, const char *shape, int n_nodes)
{
    const bool chain = strcmp(shape, "chain") == 0, mix = strcmp(shape, "mix") == 0;
    const int each = mix ? LAYER_NODES + HEAD_NODES : chain ? LAYER_NODES : HEAD_NODES;
    int h = value(b, UMB_VALUE_INPUT, UMB_F32, 2, BATCH, UNITS);
    h = hidden_layer(b, h);
    for (int n = 0; n + each <= n_nodes && b->status == UMB_OK; n += each) {
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
    const int all = value(b, UMB_VALUE_STATE, UMB_I32, 1, b->n_heads * CLASSES * CLASSES, 1);
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
    const int all = value(b, UMB_VALUE_INPUT, UMB_F32, 1, b->n_heads, 1);
    for (int t = 0; t < b->n_heads && b->status == UMB_OK; t++) {
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
        .n_seeds = b->n_heads, .seeds = b->seed, .dseeds = b->dseed};
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
    const struct umb_graph_node_desc desc = {.op = umb__op_find("adam"),
                                             .name = "update",
                                             .phase = UMB_PHASE_UPDATE,
                                             .n_in = 5,
                                             .in = in};
    if (b->status == UMB_OK) { b->status = umb__graph_node_raw(b->g, &desc, out); }
}

/* The next pass, unless one before has failed. */
#define PASS(b, name, call)                                  \
    do {                                                     \
        if ((b)->status == UMB_OK) { (b)->status = (call); } \
        mark(b, name);                                       \
    } while (0)

static void make_graph(struct bench *b, const char *shape, int n_nodes)
{
    const struct umb_device_caps *caps = umb_device_get_caps(b->device);
    int *gradient = NULL, n_gradient = 0;
    build_net(b, shape, n_nodes);
    join_counts(b);
    mark(b, "graph");
    PASS(b, "fuse_norm", umb__graph_fuse_norm(b->g));
    PASS(b, "simplify", umb__graph_simplify(b->g));
    PASS(b, "fuse_pool", umb__graph_fuse_pool(b->g, caps));
    differentiate(b, &gradient, &n_gradient);
    const int n = b->g->n_nodes;
    add_update(b, gradient, n_gradient);
    PASS(b, "fuse", umb__graph_fuse(b->g, caps));
    PASS(b, "update", umb__graph_fuse_update(b->g, caps, UMB_LARGE_PARAM));
    PASS(b, "alias", umb__graph_alias(b->g));
    if (b->speaks) {
        printf("  %d nodes of %d layers and %d heads, %d behind fusing\n", n, b->n_layers,
               b->n_heads, b->g->n_nodes);
    }
}

static void make_plan(struct bench *b, struct umb_plan *p, const struct umb_plan_desc *desc)
{
    PASS(b, "lower", umb__plan_lower(p, desc));
    const size_t n = p->steps.n;
    PASS(b, "deps", umb__deps_build(p->graph, &p->steps, &p->deps));
    PASS(b, "merge", umb__plan_merge(p));
    PASS(b, "schedule",
         umb__schedule_build(p->ctx, &p->deps, p->cost_ns, p->n_queues, &p->schedule));
    PASS(b, "memory", umb__memory_build(p->graph, &p->steps, &p->schedule, &p->memory));
    PASS(b, "verify", umb__plan_verify(p));
    if (b->status == UMB_OK) { b->status = umb__queue_create(p->device, false, &p->upload); }
    PASS(b, "place", umb__plan_place_values(p));
    PASS(b, "bind", umb__plan_bind(p));
    if (b->speaks && b->status == UMB_OK) {
        printf("  %zu steps, %zu launches; scratch %zu bytes of %zu\n", n, p->steps.n,
               p->memory.total, p->memory.unshared);
    }
}

static void plan_graph(struct bench *b, int n_queues)
{
    struct umb_store *store = NULL;
    if (b->status == UMB_OK) { b->status = umb__store_create(b->device, &store); }
    const struct umb_plan_desc desc = {
        .device = b->device, .graph = b->g, .store = store, .n_queues = n_queues, .n_slots = 1};
    struct umb_plan *p = umb__calloc(b->ctx, 1, sizeof *p);
    if (!p) { b->status = UMB_ERR_NO_MEMORY; }
    if (p) {
        p->ctx = b->ctx;
        p->device = b->device;
        p->graph = b->g;
        p->store = store;
        p->n_queues = n_queues;
        p->n_slots = 1;
        p->merges = true;
    }
    if (b->status == UMB_OK) { b->status = umb__arena_create(b->ctx, &p->arena); }
    if (b->status == UMB_OK) { make_plan(b, p, &desc); }
    umb__plan_destroy(p);
    umb__store_destroy(store);
}

static enum umb_status measure(struct bench *b, const char *shape, int n_nodes, int n_queues)
{
    const size_t most = (size_t)n_nodes / HEAD_NODES + 2;
    b->idle_mib = umb__peak_rss_mib();
    b->n_heads = b->n_layers = 0;
    b->seed = umb__calloc(b->ctx, most, sizeof *b->seed);
    b->dseed = umb__calloc(b->ctx, most, sizeof *b->dseed);
    b->status = b->seed && b->dseed ? umb__graph_create(b->ctx, true, 1, &b->g) : UMB_ERR_NO_MEMORY;
    b->began_ns = b->at_ns = umb__clock_ns();
    if (b->status == UMB_OK) { make_graph(b, shape, n_nodes); }
    if (b->status == UMB_OK) { plan_graph(b, n_queues); }
    if (b->speaks && b->status == UMB_OK) {
        printf("%s %d on %d queues: %.3f s, %.1f MiB\n", shape, n_nodes, n_queues,
               (double)(b->at_ns - b->began_ns) * 1e-9, umb__peak_rss_mib() - b->idle_mib);
    }
    umb__graph_destroy(b->g);
    umb__free(b->seed);
    umb__free(b->dseed);
    b->g = NULL;
    return b->status;
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: plan_scale chain|heads|mix NODES QUEUES\n");
        return 2;
    }
    const int n_nodes = atoi(argv[2]), n_queues = atoi(argv[3]);
    enum umb_status st = umb_context_create(NULL, &b.ctx);
    if (st == UMB_OK) { st = umb_device_open(b.ctx, NULL, &b.device); }
    if (st == UMB_OK) { st = measure(&b, argv[1], 600, n_queues); }
    b.speaks = true;
    if (st == UMB_OK) { st = measure(&b, argv[1], n_nodes, n_queues); }
    if (st != UMB_OK) { fprintf(stderr, "plan_scale: %s\n", umb_context_error(b.ctx)); }
    umb_device_close(b.device);
    umb_context_destroy(b.ctx);
    return st == UMB_OK ? 0 : 1;
}
