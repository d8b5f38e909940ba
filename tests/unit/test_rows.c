/*
 * Gradients by rows: each task's, from forward nodes that are there once, must be those that
 * differentiating its loss alone gives; and with one gradient from a border on, all must be those
 * of the sum.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lab.h"
#include "nets.h"

#define TOLERANCE 1e-12

typedef struct umb_net *(*build_fn)(struct umb_context *ctx);

struct net_case {
    build_fn build;
    int64_t batch;
    int64_t rows; /* real samples of stream 0; 0: all */
};

/* Streams of their own, pairs of streams, and one image for two heads. */
static struct umb_net *three_streams(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int in[3], h = -1;
    const char *names[3] = {"a", "b", "c"};
    for (int s = 0; s < 3; s++) {
        in[s] = test_stream(ctx, net, names[s], 6, 6, 2);
    }
    struct umb_layer_desc join = {.op = "join", .in = in, .n_in = 3};
    assert_int_equal(umb_net_layer(net, &join, &h), UMB_OK);
    h = test_layer(ctx, net, "conv", "filters=4 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "batch_norm", NULL, h);
    h = test_layer(ctx, net, "max_pool", "size=2", h);
    int low = test_layer(ctx, net, "conv", "filters=3 size=2", test_rows(ctx, net, 0, 2, h));
    h = test_layer(ctx, net, "conv", "filters=3 size=2 activation=tanh", h);
    const int parts[5] = {test_rows(ctx, net, 0, 1, low), test_rows(ctx, net, 1, 1, low),
                          test_rows(ctx, net, 1, 1, h), test_rows(ctx, net, 2, 1, h),
                          test_rows(ctx, net, 2, 1, h)};
    for (int t = 0; t < 5; t++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", t);
        int flat = test_layer(ctx, net, "flatten", NULL, parts[t]);
        test_task(ctx, net, name, test_layer(ctx, net, "dense", "units=3", flat), "cross_entropy",
                  0.5 + t);
    }
    return net;
}

/* Features of two streams joined behind layers of their own, and a head on one of those. */
static struct umb_net *joined_late(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int a = test_stream(ctx, net, "a", 5, 5, 2), b = test_stream(ctx, net, "b", 5, 5, 2);
    a = test_layer(ctx, net, "conv", "filters=3 size=2 activation=tanh", a);
    b = test_layer(ctx, net, "conv", "filters=3 size=2 activation=sigmoid", b);
    int h = test_layer2(ctx, net, "join", NULL, a, b);
    h = test_layer(ctx, net, "dropout", "rate=0.3", h);
    h = test_layer(ctx, net, "conv", "filters=4 size=2", h);
    int early = test_layer(ctx, net, "flatten", NULL, a);
    test_task(ctx, net, "early", test_layer(ctx, net, "dense", "units=2", early), "mse", 0.5);
    int flat = test_layer(ctx, net, "flatten", NULL, h);
    for (int t = 0; t < 2; t++) {
        int y = test_layer(ctx, net, "dense", "units=3", test_rows(ctx, net, t, 1, flat));
        test_task(ctx, net, t ? "y" : "x", y, "cross_entropy", 1);
    }
    return net;
}

static void set_weights(struct lab *lab, int only)
{
    for (int t = 0; t < lab->n_tasks; t++) {
        const double w = umb__net_task(lab->net, t)->weight;
        lab->data[lab->dseed[t]][0] = only < 0 || only == t ? w : 0;
    }
}

/* d of a parameter in one lab (−1: zeros) against e in the other. */
static void compare(const struct lab *a, int d, const struct lab *b, int e, int param)
{
    for (int64_t i = 0; i < lab_count(a, param); i++) {
        const double x = d < 0 ? 0 : a->data[d][i], y = e < 0 ? 0 : b->data[e][i];
        if (!(fabs(x - y) <= TOLERANCE * (1 + fabs(x)))) {
            fail_msg("d(%s)[%lld]: %.15g, by rows %.15g", a->graph->value[param].name, (long long)i,
                     x, y);
        }
    }
}

/* How many parameters have gradients of several rows. */
static int compare_rows(const struct lab *plain, const struct lab *by_rows, int task)
{
    int n = 0;
    for (int v = 0; v < by_rows->n_row; v++) {
        if (by_rows->graph->value[v].kind != UMB_VALUE_PARAM) { continue; }
        const int p = umb__graph_find_value(plain->graph, by_rows->graph->value[v].name);
        const int e = by_rows->rows[task * by_rows->n_row + v];
        compare(plain, plain->gradient[p], by_rows, e, p);
        int has = 0;
        for (int t = 0; t < by_rows->n_tasks; t++) {
            has += by_rows->rows[t * by_rows->n_row + v] >= 0;
        }
        n += has > 1;
    }
    return n;
}

/* Rows up to a border, and one gradient from there on, are the gradient of all. How many parameters
 * lie before the border. */
static int compare_joined(const struct lab *plain, struct lab *joined)
{
    int n = 0;
    (void)lab_evaluate(joined);
    for (int v = 0; v < joined->n_row; v++) {
        if (joined->graph->value[v].kind != UMB_VALUE_PARAM) { continue; }
        const int p = umb__graph_find_value(plain->graph, joined->graph->value[v].name);
        for (int64_t i = 0; i < lab_count(plain, p); i++) {
            const double x = plain->gradient[p] < 0 ? 0 : plain->data[plain->gradient[p]][i];
            double y = joined->gradient[v] < 0 ? 0 : joined->data[joined->gradient[v]][i];
            for (int t = 0; t < joined->n_tasks; t++) {
                const int d = joined->rows[t * joined->n_row + v];
                y += d < 0 ? 0 : joined->data[d][i];
            }
            if (!(fabs(x - y) <= TOLERANCE * (1 + fabs(x)))) {
                fail_msg("d(%s)[%lld]: %.15g, joined %.15g", plain->graph->value[p].name,
                         (long long)i, x, y);
            }
        }
        n += joined->gradient[v] >= 0;
    }
    return n;
}

static void check(void **state)
{
    const struct net_case *c = *state;
    struct umb_context *ctx;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    struct umb_net *net = c->build(ctx);
    struct lab plain = lab_open(ctx, net, c->batch, true, 17),
               rows = lab_open_rows(ctx, net, c->batch, 17, 0),
               block = lab_open_rows(ctx, net, c->batch, 17, 1),
               heads = lab_open_rows(ctx, net, c->batch, 17, 2);
    if (c->rows) {
        lab_set_rows(&plain, 0, c->rows);
        lab_set_rows(&rows, 0, c->rows);
        lab_set_rows(&block, 0, c->rows);
        lab_set_rows(&heads, 0, c->rows);
    }
    (void)lab_evaluate(&rows);
    int n_shared = 0;
    for (int t = 0; t < plain.n_tasks; t++) {
        set_weights(&plain, t);
        (void)lab_evaluate(&plain);
        n_shared = compare_rows(&plain, &rows, t);
    }
    assert_true(n_shared > 0);
    set_weights(&plain, -1);
    (void)lab_evaluate(&plain);
    const int n_block = compare_joined(&plain, &block), n_heads = compare_joined(&plain, &heads);
    assert_true(n_heads > 0 && n_heads >= n_block && n_block < n_shared);
    lab_close(&plain);
    lab_close(&rows);
    lab_close(&block);
    lab_close(&heads);
    umb_net_destroy(net);
    umb_context_destroy(ctx);
}

static double flops_of(const struct lab *lab)
{
    double sum = 0;
    for (int i = 0; i < lab->graph->n_nodes; i++) {
        const struct umb_node *n = &lab->graph->node[i];
        struct umb_type in[16], out[UMB_OP_MAX_OUT];
        if (!n->op->flops || n->n_in > 16) { continue; }
        const struct umb_problem p = umb__graph_problem(lab->graph, n, NULL, in, out);
        sum += n->op->flops(&p);
    }
    return sum;
}

/* Tasks with a stream each: the rows cost what the gradient of all does. */
static void rows_of_streams_cost_nothing(void **state)
{
    (void)state;
    struct umb_context *ctx;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    struct umb_net *net = test_net_mnist_fashion(ctx);
    struct lab plain = lab_open(ctx, net, 2, true, 1), rows = lab_open_rows(ctx, net, 2, 1, 0);
    const double a = flops_of(&plain), b = flops_of(&rows);
    if (!(b <= 1.01 * a)) { fail_msg("%g flops, by rows %g", a, b); }
    lab_close(&plain);
    lab_close(&rows);
    umb_net_destroy(net);
    umb_context_destroy(ctx);
}

int main(void)
{
    static struct net_case cases[] = {{test_net_two_streams, 3, 0}, {test_net_two_streams, 3, 2},
                                      {three_streams, 2, 0},        {three_streams, 3, 2},
                                      {joined_late, 2, 0},          {test_net_two_residual, 3, 2},
                                      {test_net_mixed, 2, 0},       {test_net_undropped, 3, 2}};
    const struct CMUnitTest tests[] = {
        {"two streams through one trunk", check, NULL, NULL, &cases[0]},
        {"two streams, one with fewer samples", check, NULL, NULL, &cases[1]},
        {"three streams, five heads", check, NULL, NULL, &cases[2]},
        {"three streams, one with fewer samples", check, NULL, NULL, &cases[3]},
        {"streams joined behind layers", check, NULL, NULL, &cases[4]},
        {"residual blocks of two streams", check, NULL, NULL, &cases[5]},
        {"four heads on one stream, from two depths", check, NULL, NULL, &cases[6]},
        {"the same without dropout, fewer samples", check, NULL, NULL, &cases[7]},
        cmocka_unit_test(rows_of_streams_cost_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
