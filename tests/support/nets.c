#include "nets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

int test_layer(struct umb_context *ctx, struct umb_net *net, const char *op, const char *attrs,
               int in)
{
    int out = -1;
    struct umb_layer_desc desc = {.op = op, .attrs = attrs, .in = &in, .n_in = 1};
    if (umb_net_layer(net, &desc, &out) != UMB_OK) {
        fail_msg("%s %s: %s", op, attrs ? attrs : "", umb_context_error(ctx));
    }
    return out;
}

static int add_head(struct umb_context *ctx, struct umb_net *net, int trunk, int stream)
{
    char rows[32];
    snprintf(rows, sizeof rows, "first=%d count=1", stream);
    int h = test_layer(ctx, net, "rows", rows, trunk);
    h = test_layer(ctx, net, "dense", "units=64 activation=relu", h);
    return test_layer(ctx, net, "dense", "units=10", h);
}

static void add_task(struct umb_context *ctx, struct umb_net *net, const char *name, int output)
{
    static const char *const metrics[] = {"accuracy", "precision", "recall", "f1", NULL};
    struct umb_task_desc desc = {
        .name = name, .output = output, .loss = "cross_entropy", .weight = 0.5, .metrics = metrics};
    if (umb_net_task(net, &desc) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
}

struct umb_net *test_net_mnist_fashion(struct umb_context *ctx)
{
    static const double mean[2] = {0.1307, 0.2860}, std[2] = {0.3081, 0.3530};
    static const char *const names[2] = {"digits", "clothes"};
    struct umb_net *net;
    assert_int_equal(umb_net_create(ctx, &net), UMB_OK);
    int streams[2], trunk;
    for (int s = 0; s < 2; s++) {
        struct umb_stream_desc d = {.name = names[s],
                                    .height = 28,
                                    .width = 28,
                                    .channels = 1,
                                    .mean = &mean[s],
                                    .std = &std[s],
                                    .n_norm = 1};
        if (umb_net_stream(net, &d, &streams[s]) != UMB_OK) {
            fail_msg("%s", umb_context_error(ctx));
        }
    }
    struct umb_layer_desc join = {.op = "join", .in = streams, .n_in = 2};
    if (umb_net_layer(net, &join, &trunk) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    trunk = test_layer(ctx, net, "conv", "filters=32 size=3 activation=relu", trunk);
    trunk = test_layer(ctx, net, "max_pool", "size=2", trunk);
    trunk = test_layer(ctx, net, "conv", "filters=64 size=3 activation=relu", trunk);
    trunk = test_layer(ctx, net, "max_pool", "size=2", trunk);
    trunk = test_layer(ctx, net, "flatten", NULL, trunk);
    int head[2] = {add_head(ctx, net, trunk, 0), add_head(ctx, net, trunk, 1)};
    add_task(ctx, net, "digit", head[0]);
    add_task(ctx, net, "garment", head[1]);
    return net;
}
