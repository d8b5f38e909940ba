/*
 * Fusing: every net fused as far as references go, against the same net unfused, in double and on
 * the device; what is fused where; and that nothing is where no kernel is made for it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "batch_norm.h"
#include "conv.h"
#include "gemm_tile.h"
#include "nets.h"
#include "rig.h"
#include "session.h"
#include "world.h"

/* Nets. */

static struct umb_net *finish(struct umb_context *ctx, struct umb_net *net, int h)
{
    h = test_layer(ctx, net, "flatten", NULL, h);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=4", h), "cross_entropy", 1);
    return net;
}

/* Pools of both kinds, with a relu and without, over odd extents. */
static struct umb_net *pools(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "a", 19, 18, 3);
    h = test_layer(ctx, net, "conv", "filters=6 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "avg_pool", "size=2", h);
    h = test_layer(ctx, net, "conv", "filters=17 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "max_pool", "size=2 stride=2 padding=valid", h);
    h = test_layer(ctx, net, "conv", "filters=5 size=1 bias=false", h);
    h = test_layer(ctx, net, "max_pool", "size=2", h);
    return finish(ctx, net, h);
}

/* Pools that are not of 2×2 pixels side by side, and one whose input others read. */
static struct umb_net *other_pools(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "a", 17, 17, 3);
    h = test_layer(ctx, net, "conv", "filters=6 size=3", h);
    h = test_layer(ctx, net, "max_pool", "size=3 stride=2", h);
    h = test_layer(ctx, net, "conv", "filters=5 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "avg_pool", "size=2 padding=same", h);
    int a = test_layer(ctx, net, "conv", "filters=4 size=1", h);
    int b = test_layer(ctx, net, "max_pool", "size=2", a);
    int c = test_layer(ctx, net, "avg_pool", "size=2", a);
    return finish(ctx, net, test_layer2(ctx, net, "add", NULL, b, c));
}

static struct umb_net *chain(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "a", 9, 8, 3);
    h = test_layer(ctx, net, "conv", "filters=6 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "conv", "filters=7 size=3 stride=2 activation=relu", h);
    h = test_layer(ctx, net, "conv", "filters=5 size=1 activation=relu", h);
    return finish(ctx, net, h);
}

/* Two blocks without batch norm: sums of gradients behind a relu. */
static struct umb_net *residual(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "a", 6, 6, 3);
    h = test_layer(ctx, net, "conv", "filters=8 size=3 padding=1 activation=relu", h);
    for (int i = 0; i < 2; i++) {
        int x = test_layer(ctx, net, "conv", "filters=8 size=3 padding=1 activation=relu", h);
        x = test_layer(ctx, net, "conv", "filters=8 size=3 padding=1", x);
        h = test_layer(ctx, net, "relu", NULL, test_layer2(ctx, net, "add", NULL, x, h));
    }
    return finish(ctx, net, h);
}

/* Heads on a trunk that ends with a relu, their first layers of these units. */
static struct umb_net *with_heads(struct umb_context *ctx, const int *units, int n, bool relu)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "a", 6, 6, 3);
    h = test_layer(ctx, net, "conv", "filters=8 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    h = test_layer(ctx, net, "dense", relu ? "units=21 activation=relu" : "units=21", h);
    for (int i = 0; i < n; i++) {
        char attrs[48], name[16];
        snprintf(attrs, sizeof attrs, "units=%d activation=relu", units[i]);
        snprintf(name, sizeof name, "t%d", i);
        const int hidden = test_layer(ctx, net, "dense", attrs, h);
        test_task(ctx, net, name, test_layer(ctx, net, "dense", "units=3", hidden), "cross_entropy",
                  1);
    }
    return net;
}

static struct umb_net *equal_heads(struct umb_context *ctx)
{
    return with_heads(ctx, (const int[]){32, 32, 32, 32, 32}, 5, true);
}

/* No piece of whole vectors makes them up. */
static struct umb_net *odd_heads(struct umb_context *ctx)
{
    return with_heads(ctx, (const int[]){13, 13, 13}, 3, false);
}

static struct umb_net *unequal_heads(struct umb_context *ctx)
{
    return with_heads(ctx, (const int[]){16, 32, 16}, 3, true);
}

/* What is where. */

static int count_ops(const struct umb_graph *g, const char *op)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        n += strcmp(g->node[i].op->name, op) == 0;
    }
    return n;
}

static int count_pools(const struct umb_graph *g, int kind)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_conv_attrs *a = g->node[i].attrs;
        n += strcmp(g->node[i].op->name, "conv") == 0 && a->pool == kind;
    }
    return n;
}

static int count_norms(const struct umb_graph *g, bool residual)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_batch_norm_attrs *a = g->node[i].attrs;
        n += strcmp(g->node[i].op->name, "batch_norm") == 0 && a->relu && a->residual == residual;
    }
    return n;
}

struct fuse_case {
    struct umb_net *(*build)(struct umb_context *ctx);
    bool evaluation;
    int max_pools, avg_pools; /* taken in */
    int left;                 /* relu_backward nodes that remain */
    int norms, residuals;     /* batch norms with a relu, and with an addition before it */
    int sums;                 /* gradients of several dense layers as one product */
};

static void keeps_the_meaning(void **state)
{
    const struct fuse_case *c = *state;
    struct umb_net *net = c->build(world.ctx);
    struct lab a = lab_open(world.ctx, net, 2, true, 3);
    struct lab b = lab_open_fused(world.ctx, net, 2, true, 3);
    assert_int_equal(umb__graph_fuse(b.graph, NULL), UMB_OK);
    assert_int_equal(count_pools(b.graph, UMB_CONV_POOL_MAX), c->max_pools);
    assert_int_equal(count_pools(b.graph, UMB_CONV_POOL_AVG), c->avg_pools);
    assert_int_equal(count_norms(b.graph, false), c->norms);
    assert_int_equal(count_norms(b.graph, true), c->residuals);
    assert_int_equal(count_ops(b.graph, "relu_backward"), c->left);
    assert_int_equal(count_ops(b.graph, "bias_backward"), 0);
    assert_int_equal(count_ops(b.graph, "dense_backward_sum"), c->sums);
    lab_compare(&a, &b, 1e-12);
    lab_close(&a);
    lab_close(&b);
    umb_net_destroy(net);
}

static void runs_on_the_device(void **state)
{
    const struct fuse_case *c = *state;
    struct umb_net *net = c->build(world.ctx);
    struct lab lab = lab_open_fused(world.ctx, net, 3, !c->evaluation, 11);
    (void)lab_evaluate(&lab);
    const struct rig_desc desc = {.device = world.device, .queues = 2, .fuse_all = true};
    struct rig rig = rig_open(&lab, &desc);
    assert_int_equal(count_pools(lab.graph, UMB_CONV_POOL_MAX), c->max_pools);
    assert_int_equal(count_norms(lab.graph, true), c->residuals);
    assert_int_equal(umb__plan_verify(rig.plan), UMB_OK);
    rig_run(&rig, 0);
    print_message("# worst is %.2f of the tolerance\n", rig_compare(&rig, 0));
    rig_compare_states(&rig);
    rig_close(&rig);
    lab_close(&lab);
    umb_net_destroy(net);
}

/* Training. */

#define STEPS 5

static float *train(const struct umb_net *net, const char *fuses, size_t *ret_n)
{
    const struct session_desc desc = {.device = world.device, .net = net, .batch = 4, .seed = 4};
    assert_int_equal(setenv("UMBEL_FUSE", fuses, 1), 0);
    struct session s = session_open(world.ctx, &desc);
    assert_int_equal(unsetenv("UMBEL_FUSE"), 0);
    session_train(&s, 0, STEPS);
    float *parameters = session_buffer(&s, "parameters", ret_n);
    session_close(&s);
    return parameters;
}

/* Adam moves every parameter by about its rate a step, so a wrong gradient shows; a right one that
 * is nearly 0 may point the other way. */
static void trains_alike(void **state)
{
    const struct fuse_case *c = *state;
    struct umb_net *net = c->build(world.ctx);
    size_t n, m, off = 0;
    float *fused = train(net, "1", &n), *plain = train(net, "0", &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        off += !(fabsf(fused[i] - plain[i]) <= 1e-5f + 1e-4f * fabsf(plain[i]));
    }
    if (off * 200 > n) { fail_msg("%zu of %zu parameters differ after %d steps", off, n, STEPS); }
    umb__free(fused);
    umb__free(plain);
    umb_net_destroy(net);
}

/* Every large layer is updated by the node that makes its gradient, on a CPU's kernels. */
static void large_layers_have_updates(void **state)
{
    (void)state;
    struct umb_net *net = test_net_large(world.ctx);
    const struct session_desc desc = {.device = world.device, .net = net, .batch = 9, .seed = 4};
    struct session s = session_open(world.ctx, &desc);
    const struct umb_plan *plan = umb__trainer_plan(s.tr, UMB_TRAINER_TRAIN);
    const struct umb_graph *g = s.tr->side[UMB_TRAINER_TRAIN].graph;
    int joined = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        joined += umb__plan_is_joined(plan, i);
    }
    if (umb__tile_applies(umb_device_get_caps(world.device))) { assert_int_equal(joined, 4); }
    session_close(&s);
    umb_net_destroy(net);
}

/* Where it does not pay. */

static void only_for_real_kernels(void **state)
{
    (void)state;
    struct umb_device_caps caps = *umb_device_get_caps(world.device);
    caps.software = true; /* naive kernels only */
    struct umb_net *net = pools(world.ctx);
    struct lab a = lab_open_simplified(world.ctx, net, 2, true, 3);
    const int convs = count_ops(a.graph, "conv"), nodes = a.graph->n_nodes;
    assert_int_equal(umb__graph_fuse_pool(a.graph, &caps), UMB_OK);
    assert_int_equal(a.graph->n_nodes, nodes);
    assert_int_equal(count_pools(a.graph, UMB_CONV_POOL_NONE), convs);
    const int biases = count_ops(a.graph, "bias_backward");
    assert_int_equal(umb__graph_fuse(a.graph, &caps), UMB_OK);
    assert_int_equal(count_ops(a.graph, "bias_backward"), biases);
    lab_close(&a);
    umb_net_destroy(net);
}

/* A value that the host reads stays. */
static void outputs_stay(void **state)
{
    (void)state;
    struct umb_net *net = pools(world.ctx);
    struct lab a = lab_open_simplified(world.ctx, net, 2, false, 3);
    struct umb_graph *g = a.graph;
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].op->name, "conv") == 0) { g->value[g->node[i].out[0]].output = true; }
    }
    const int nodes = g->n_nodes;
    assert_int_equal(umb__graph_fuse_pool(g, NULL), UMB_OK);
    assert_int_equal(umb__graph_fuse(g, NULL), UMB_OK);
    assert_int_equal(g->n_nodes, nodes);
    lab_close(&a);
    umb_net_destroy(net);
}

int main(void)
{
    static struct fuse_case cases[] = {{pools, false, 2, 1, 0, 0, 0, 0},
                                       {other_pools, false, 0, 0, 1, 0, 0, 0},
                                       {chain, false, 0, 0, 0, 0, 0, 0},
                                       {residual, false, 0, 0, 0, 0, 0, 0},
                                       {test_net_two_streams, false, 0, 0, 0, 0, 0, 0},
                                       {test_net_mixed, false, 0, 0, 0, 1, 0, 1},
                                       {test_net_small_resnet18, false, 0, 0, 1, 9, 8, 0},
                                       {test_net_mnist_fashion, false, 2, 0, 0, 0, 0, 0},
                                       {test_net_two_residual, false, 0, 0, 1, 3, 3, 0},
                                       {pools, true, 2, 1, 0, 0, 0, 0},
                                       {test_net_mnist_fashion, true, 2, 0, 0, 0, 0, 0},
                                       {test_net_two_residual, true, 0, 0, 0, 3, 3, 0},
                                       {test_net_large, false, 0, 0, 0, 0, 0, 0},
                                       {equal_heads, false, 0, 0, 0, 0, 0, 1},
                                       {odd_heads, false, 0, 0, 0, 0, 0, 1},
                                       {unequal_heads, false, 0, 0, 0, 0, 0, 1}};
#define BOTH(name, i)                                                         \
    {name " keeps its meaning", keeps_the_meaning, NULL, NULL, &cases[i]},    \
    {                                                                         \
        name " runs on the device", runs_on_the_device, NULL, NULL, &cases[i] \
    }
    const struct CMUnitTest tests[] = {
        BOTH("pools", 0),
        BOTH("other pools", 1),
        BOTH("a chain", 2),
        BOTH("residual blocks", 3),
        BOTH("two streams", 4),
        BOTH("four heads", 5),
        BOTH("ResNet-18", 6),
        BOTH("mnist-fashion", 7),
        BOTH("residual blocks of two streams", 8),
        BOTH("equal heads", 13),
        BOTH("odd heads", 14),
        BOTH("unequal heads", 15),
        {"pools, evaluation", runs_on_the_device, NULL, NULL, &cases[9]},
        {"mnist-fashion, evaluation", runs_on_the_device, NULL, NULL, &cases[10]},
        {"residual blocks, evaluation", runs_on_the_device, NULL, NULL, &cases[11]},
        {"pools train alike", trains_alike, NULL, NULL, &cases[0]},
        {"a chain trains alike", trains_alike, NULL, NULL, &cases[2]},
        {"residual blocks train alike", trains_alike, NULL, NULL, &cases[3]},
        {"mnist-fashion trains alike", trains_alike, NULL, NULL, &cases[7]},
        {"residual blocks of two streams train alike", trains_alike, NULL, NULL, &cases[8]},
        {"large layers train alike", trains_alike, NULL, NULL, &cases[12]},
        {"equal heads train alike", trains_alike, NULL, NULL, &cases[13]},
        {"odd heads train alike", trains_alike, NULL, NULL, &cases[14]},
        cmocka_unit_test(large_layers_have_updates),
        cmocka_unit_test(only_for_real_kernels),
        cmocka_unit_test(outputs_stay)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}
