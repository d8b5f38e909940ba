/*
 * test_passes.c: what passes do to graphs whose branches are written side by side, so that a node
 * and the one that reads it do not stand together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab.h"
#include "nets.h"
#include "readers.h"

#define BRANCHES 3

/* Branches conv → relu → max_pool → max_pool, written layer by layer, and their sum in a head. */
static struct umb_net *net_of_branches(struct umb_context *ctx)
{
    static const char *const op[] = {"conv", "relu", "max_pool", "max_pool"};
    static const char *const attrs[] = {"filters=4 size=3 padding=1", NULL, "size=2", "size=2"};
    struct umb_net *net = test_net(ctx);
    int h[BRANCHES];
    h[0] = h[1] = h[2] = test_stream(ctx, net, "images", 8, 8, 2);
    for (size_t l = 0; l < sizeof op / sizeof *op; l++) {
        for (int b = 0; b < BRANCHES; b++) {
            h[b] = test_layer(ctx, net, op[l], attrs[l], h[b]);
        }
    }
    int sum = test_layer2(ctx, net, "add", NULL, h[0], h[1]);
    sum = test_layer2(ctx, net, "add", NULL, sum, h[2]);
    sum = test_layer(ctx, net, "flatten", NULL, sum);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=3", sum), "cross_entropy", 1);
    return net;
}

static int node_that_makes(const struct umb_graph *g, int v, const char *op)
{
    const int node = g->value[v].producer;
    return node >= 0 && strcmp(g->node[node].op->name, op) == 0 ? node : -1;
}

static void relus_pass_poolings_of_their_own_branch(void **state)
{
    (void)state;
    struct umb_context *ctx;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    struct umb_net *net = net_of_branches(ctx);
    struct lab plain = lab_open(ctx, net, 3, true, 5);
    struct lab moved = lab_open_simplified(ctx, net, 3, true, 5);
    lab_compare(&plain, &moved, 1e-12);
    const struct umb_graph *g = moved.graph;
    assert_int_equal(umb__graph_verify(g), UMB_OK);
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].op->name, "relu") != 0) { continue; }
        const int pool = node_that_makes(g, g->node[i].in[0], "max_pool");
        assert_true(pool >= 0 && pool == i - 1);
        assert_true(node_that_makes(g, g->node[pool].in[0], "max_pool") >= 0);
        n++;
    }
    assert_int_equal(n, BRANCHES);
    lab_close(&plain);
    lab_close(&moved);
    umb_net_destroy(net);
    umb_context_destroy(ctx);
}

/* ---- readers ---- */

/* The one reader by asking every node. */
static int only_reader(const struct umb_graph *g, int v)
{
    int reader = -1, n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        for (int k = 0; g->node[i].op && k < g->node[i].n_in; k++) {
            if (g->node[i].in[k] != v) { continue; }
            reader = i;
            n++;
        }
    }
    return n == 1 && !g->value[v].output ? reader : -1;
}

static void expect_readers(const struct umb_readers *r)
{
    for (int v = 0; v < r->g->n_values; v++) {
        assert_int_equal(umb__readers_only(r, v), only_reader(r->g, v));
    }
}

static void readers_follow_changes(void **state)
{
    (void)state;
    struct umb_context *ctx;
    struct umb_readers r;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    struct umb_net *net = net_of_branches(ctx);
    struct lab lab = lab_open(ctx, net, 3, true, 5);
    struct umb_graph *g = lab.graph;
    assert_int_equal(umb__readers_init(&r, g), UMB_OK);
    expect_readers(&r);
    const struct umb_type type = g->value[0].type;
    const int late = umb__graph_value(g, "late", UMB_VALUE_TEMP, &type);
    for (int i = 0; i < g->n_nodes; i++) { /* in turn: gone, reads another, reads what is new */
        struct umb_node *n = &g->node[i];
        if (i % 3 == 0) {
            n->op = NULL;
        } else if (n->n_in > 0) {
            n->in[0] = i % 3 == 1 ? (n->in[0] + 1) % late : late;
            assert_int_equal(umb__readers_note(&r, i), UMB_OK); /* what it read before, twice */
        }
        expect_readers(&r);
    }
    umb__readers_finish(&r);
    for (int i = 0; i < g->n_nodes; i += 3) {
        g->node[i].op = umb__op_find("relu"); /* something for those who close the lab */
    }
    lab_close(&lab);
    umb_net_destroy(net);
    umb_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relus_pass_poolings_of_their_own_branch),
        cmocka_unit_test(readers_follow_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
