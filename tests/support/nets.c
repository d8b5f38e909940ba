#include "nets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int layer(struct umb_context *ctx, struct umb_net *net, const char *op, const char *attrs,
                 const int *in, int n_in)
{
    int out = -1;
    struct umb_layer_desc desc = {.op = op, .attrs = attrs, .in = in, .n_in = n_in};
    if (umb_net_layer(net, &desc, &out) != UMB_OK) {
        fail_msg("%s %s: %s", op, attrs ? attrs : "", umb_context_error(ctx));
    }
    return out;
}

int test_layer(struct umb_context *ctx, struct umb_net *net, const char *op, const char *attrs,
               int in)
{
    return layer(ctx, net, op, attrs, &in, 1);
}

int test_layer2(struct umb_context *ctx, struct umb_net *net, const char *op, const char *attrs,
                int a, int b)
{
    const int in[2] = {a, b};
    return layer(ctx, net, op, attrs, in, 2);
}

int test_rows(struct umb_context *ctx, struct umb_net *net, int first, int count, int in)
{
    char text[48];
    snprintf(text, sizeof text, "first=%d count=%d", first, count);
    return test_layer(ctx, net, "rows", text, in);
}

struct umb_net *test_net(struct umb_context *ctx)
{
    struct umb_net *net;
    if (umb_net_create(ctx, &net) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    return net;
}

int test_stream(struct umb_context *ctx, struct umb_net *net, const char *name, int height,
                int width, int channels)
{
    static const double half = 0.5;
    struct umb_stream_desc d = {.name = name,
                                .height = height,
                                .width = width,
                                .channels = channels,
                                .mean = &half,
                                .std = &half,
                                .n_norm = 1};
    int value = -1;
    if (umb_net_stream(net, &d, &value) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    return value;
}

void test_task(struct umb_context *ctx, struct umb_net *net, const char *name, int output,
               const char *loss, double weight)
{
    struct umb_task_desc desc = {.name = name, .output = output, .loss = loss, .weight = weight};
    if (umb_net_task(net, &desc) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
}

int test_block(struct umb_context *ctx, struct umb_net *net, int filters, int stride, int in)
{
    char first[96], second[96], straight[96];
    struct umb_shape shape = umb_net_shape(net, in);
    snprintf(first, sizeof first, "filters=%d size=3 padding=1 bias=false stride=%d", filters,
             stride);
    snprintf(second, sizeof second, "filters=%d size=3 padding=1 bias=false", filters);
    snprintf(straight, sizeof straight, "filters=%d size=1 bias=false stride=%d", filters, stride);
    int h = test_layer(ctx, net, "conv", first, in);
    h = test_layer(ctx, net, "batch_norm", NULL, h);
    h = test_layer(ctx, net, "relu", NULL, h);
    h = test_layer(ctx, net, "conv", second, h);
    h = test_layer(ctx, net, "batch_norm", NULL, h);
    if (stride != 1 || shape.dim[3] != filters) {
        in = test_layer(ctx, net, "conv", straight, in);
        in = test_layer(ctx, net, "batch_norm", NULL, in);
    }
    return test_layer(ctx, net, "relu", NULL, test_layer2(ctx, net, "add", NULL, h, in));
}

struct umb_net *test_net_two_streams(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int a = test_stream(ctx, net, "a", 7, 7, 2), b = test_stream(ctx, net, "b", 7, 7, 2);
    int h = test_layer2(ctx, net, "join", NULL, a, b);
    h = test_layer(ctx, net, "conv", "filters=5 size=3 activation=tanh", h);
    h = test_layer(ctx, net, "max_pool", "size=2", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    h = test_layer(ctx, net, "dense", "units=7 activation=gelu", h);
    int x = test_layer(ctx, net, "dense", "units=3", test_rows(ctx, net, 0, 1, h));
    int y = test_layer(ctx, net, "dense", "units=4", test_rows(ctx, net, 1, 1, h));
    test_task(ctx, net, "first", x, "cross_entropy", 0.75);
    test_task(ctx, net, "second", y, "mse", 0.5);
    return net;
}

struct umb_net *test_net_two_residual(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int a = test_stream(ctx, net, "a", 8, 8, 3), b = test_stream(ctx, net, "b", 8, 8, 3);
    int h = test_layer2(ctx, net, "join", NULL, a, b);
    h = test_block(ctx, net, 5, 1, h);
    h = test_block(ctx, net, 7, 2, h);
    h = test_block(ctx, net, 7, 1, h);
    h = test_layer(ctx, net, "global_avg_pool", NULL, h);
    int x = test_layer(ctx, net, "dense", "units=3", test_rows(ctx, net, 0, 1, h));
    int y = test_layer(ctx, net, "dense", "units=4", test_rows(ctx, net, 1, 1, h));
    test_task(ctx, net, "x", x, "cross_entropy", 1);
    test_task(ctx, net, "y", y, "huber", 0.5);
    return net;
}

static struct umb_net *mixed(struct umb_context *ctx, bool drops)
{
    struct umb_net *net = test_net(ctx);
    int in = test_stream(ctx, net, "image", 8, 8, 3);
    int a = test_layer(ctx, net, "conv", "filters=6 size=3 padding=same activation=relu", in);
    int low = test_layer(ctx, net, "max_pool", "size=2", a);
    low = test_layer(ctx, net, "conv", "filters=9 size=3 padding=1 bias=false", low);
    low = test_layer(ctx, net, "batch_norm", NULL, low);
    low = test_layer(ctx, net, "relu", NULL, low);
    int mid = drops ? test_layer(ctx, net, "dropout", "rate=0.25", low) : low;
    int up = test_layer(ctx, net, "upsample", "factor=2", mid);
    int both = test_layer2(ctx, net, "concat", NULL, a, up);
    both = test_layer(ctx, net, "conv", "filters=7 size=3 padding=1 activation=relu", both);
    int pixels = test_layer(ctx, net, "conv", "filters=3 size=1", both);
    int pooled = test_layer(ctx, net, "global_avg_pool", NULL, mid);
    int flat = test_layer(ctx, net, "flatten", NULL, mid);
    int kind = test_layer(ctx, net, "dense", "units=5", pooled);
    int place = test_layer(ctx, net, "dense", "units=2 activation=sigmoid", flat);
    int traits = test_layer(ctx, net, "dense", "units=3", flat);
    test_task(ctx, net, "pixels", pixels, "cross_entropy", 1);
    test_task(ctx, net, "kind", kind, "cross_entropy", 0.5);
    test_task(ctx, net, "place", place, "mse", 2);
    test_task(ctx, net, "traits", traits, "binary_cross_entropy", 0.25);
    return net;
}

struct umb_net *test_net_mixed(struct umb_context *ctx)
{
    return mixed(ctx, true);
}

struct umb_net *test_net_undropped(struct umb_context *ctx)
{
    return mixed(ctx, false);
}

static int named(struct umb_context *ctx, struct umb_net *net, const char *name, const char *op,
                 const char *attrs, int in)
{
    const struct umb_layer_desc desc = {
        .op = op, .attrs = attrs, .name = name, .in = &in, .n_in = 1};
    int out = -1;
    if (umb_net_layer(net, &desc, &out) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    return out;
}

struct umb_net *test_net_named(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "image", 14, 14, 2);
    h = named(ctx, net, "conv1", "conv", "filters=6 size=3", h);
    h = named(ctx, net, "batch_norm1", "batch_norm", NULL, h);
    h = named(ctx, net, "relu1", "relu", NULL, h);
    h = named(ctx, net, "max_pool1", "max_pool", "size=2", h);
    h = named(ctx, net, "conv2", "conv", "filters=9 size=3 activation=relu", h);
    h = named(ctx, net, "flatten1", "flatten", NULL, h);
    h = named(ctx, net, "dense1", "dense", "units=17 activation=relu", h);
    const int kind = named(ctx, net, "kind.dense1", "dense", "units=5", h);
    const int place = named(ctx, net, "place.dense1", "dense", "units=2", h);
    test_task(ctx, net, "kind", kind, "cross_entropy", 1);
    test_task(ctx, net, "place", place, "mse", 0.5);
    return net;
}

struct umb_net *test_net_large(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "image", 12, 12, 3);
    h = test_layer(ctx, net, "conv", "filters=172 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "conv", "filters=172 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "conv", "filters=172 size=3 stride=2 activation=relu", h);
    h = test_layer(ctx, net, "conv", "filters=172 size=3 stride=3 activation=relu", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    h = test_layer(ctx, net, "dense", "units=3100 activation=relu", h);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=4", h), "cross_entropy", 1);
    return net;
}

struct umb_net *test_net_resnet18(struct umb_context *ctx, int height, int width)
{
    struct umb_net *net = test_net(ctx);
    char first[64];
    snprintf(first, sizeof first, "filters=%d size=3 padding=1 bias=false", width);
    int h = test_stream(ctx, net, "image", height, height, 3);
    h = test_layer(ctx, net, "conv", first, h);
    h = test_layer(ctx, net, "batch_norm", NULL, h);
    h = test_layer(ctx, net, "relu", NULL, h);
    for (int stage = 0; stage < 4; stage++) {
        h = test_block(ctx, net, width << stage, stage ? 2 : 1, h);
        h = test_block(ctx, net, width << stage, 1, h);
    }
    h = test_layer(ctx, net, "global_avg_pool", NULL, h);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=4", h), "cross_entropy", 1);
    return net;
}

struct umb_net *test_net_small_resnet18(struct umb_context *ctx)
{
    return test_net_resnet18(ctx, 16, 6);
}

static int add_head(struct umb_context *ctx, struct umb_net *net, int trunk, int stream)
{
    int h = test_rows(ctx, net, stream, 1, trunk);
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
    trunk = test_layer2(ctx, net, "join", NULL, streams[0], streams[1]);
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
