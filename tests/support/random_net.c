#include "random_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "nets.h"
#include "rng.h"

#define MOST_MAPS 32
#define STREAM 78
/* Weights of a layer whose update stands for itself (fuse_update.c), and a little more. */
#define LARGE_WEIGHTS 294912

/* Images of streams first … first+count−1, side by side along N. */
struct map {
    int value, first, count;
};
struct sketch {
    struct umb_context *ctx;
    struct umb_net *net;
    uint64_t seed, at;
    struct map map[MOST_MAPS];
    int n_maps, n_streams;
    bool alike, large; /* heads of one size; one with LARGE_WEIGHTS */
};

uint32_t random_pick(uint64_t seed, uint32_t stream, uint64_t *at, uint32_t below)
{
    return umb__random_u32(seed, UMB_RNG_TEST, stream, (*at)++) % below;
}

static int pick(struct sketch *k, int below)
{
    return (int)random_pick(k->seed, STREAM, &k->at, (uint32_t)below);
}

static int height_of(const struct sketch *k, int value)
{
    return (int)umb_net_shape(k->net, value).dim[1];
}

static int channels_of(const struct sketch *k, int value)
{
    return (int)umb_net_shape(k->net, value).dim[3];
}

static int layer(const struct sketch *k, const char *op, const char *attrs, int in)
{
    return test_layer(k->ctx, k->net, op, attrs, in);
}

static int layer2(const struct sketch *k, const char *op, int a, int b)
{
    return test_layer2(k->ctx, k->net, op, NULL, a, b);
}

static int convolve(struct sketch *k, int size, int stride, int in)
{
    static const char *const after[] = {"linear", "relu", "tanh"};
    char text[120];
    snprintf(text, sizeof text, "filters=%d size=%d padding=%d stride=%d bias=%s activation=%s",
             pick(k, 2) ? 4 : 8, size, size / 2, stride, pick(k, 2) ? "true" : "false",
             after[pick(k, 3)]);
    return layer(k, "conv", text, in);
}

static int convolve_each_channel(const struct sketch *k, int in)
{
    char text[80];
    snprintf(text, sizeof text, "filters=%d groups=%d size=3 padding=1", channels_of(k, in),
             channels_of(k, in));
    return layer(k, "conv", text, in);
}

/* Maps are 6×6 or 3×3. */
static int change_size(struct sketch *k, int in)
{
    if (height_of(k, in) == 3) { return layer(k, "upsample", "factor=2", in); }
    if (pick(k, 3) == 0) { return convolve(k, 3, 2, in); }
    return layer(k, pick(k, 2) ? "max_pool" : "avg_pool", "size=2", in);
}

static int apply(struct sketch *k, int in)
{
    static const char *const maps[] = {"relu", "leaky_relu", "sigmoid", "tanh", "gelu"};
    return layer(k, maps[pick(k, 5)], NULL, in);
}

static int dense(struct sketch *k, int in)
{
    return layer(k, "dense", pick(k, 2) ? "units=4" : "units=8 activation=relu", in);
}

/* Adds a map of the same streams and size, or puts one beside it; the map itself where it is alone
 * of its kind. */
static int combine(struct sketch *k, const struct map *m)
{
    const bool adds = pick(k, 2);
    int other = m->value;
    for (int tries = 0; tries < 8; tries++) {
        const struct map *o = &k->map[pick(k, k->n_maps)];
        if (o->first == m->first && o->count == m->count &&
            height_of(k, o->value) == height_of(k, m->value) &&
            (!adds || channels_of(k, o->value) == channels_of(k, m->value))) {
            other = o->value;
        }
    }
    if (!adds) { return convolve(k, 1, 1, layer2(k, "concat", m->value, other)); }
    const int sum = layer2(k, "add", m->value, other);
    return layer(k, pick(k, 2) ? "batch_norm" : "tanh", NULL, sum); /* sums of sums stay small */
}

static int grow(struct sketch *k, const struct map *m)
{
    switch (pick(k, 11)) {
    case 0:
    case 1:
        return convolve(k, 3, 1, m->value);
    case 2:
        return convolve(k, 1, 1, m->value);
    case 3:
        return convolve_each_channel(k, m->value);
    case 4:
        return change_size(k, m->value);
    case 5:
        return layer(k, "relu", NULL, layer(k, "batch_norm", NULL, m->value));
    case 6:
        return layer(k, "dropout", "rate=0.25", m->value);
    case 7:
        return dense(k, m->value);
    case 8:
        return test_block(k->ctx, k->net, 4, 1, m->value);
    case 9:
        return combine(k, m);
    default:
        return apply(k, m->value);
    }
}

static void draw_streams(struct sketch *k)
{
    static const char *const names[3] = {"a", "b", "c"};
    int in[3], joined = -1;
    k->n_streams = 1 + pick(k, 3);
    for (int s = 0; s < k->n_streams; s++) {
        in[s] = test_stream(k->ctx, k->net, names[s], 6, 6, 3);
    }
    if (k->n_streams == 1 || pick(k, 4) == 0) {
        for (int s = 0; s < k->n_streams; s++) {
            k->map[k->n_maps++] = (struct map){in[s], s, 1};
        }
        return;
    }
    struct umb_layer_desc join = {.op = "join", .in = in, .n_in = k->n_streams};
    assert_int_equal(umb_net_layer(k->net, &join, &joined), UMB_OK);
    k->map[k->n_maps++] = (struct map){joined, 0, k->n_streams};
}

/* Mostly on top of what came last, so that nets are deep as well as wide. */
static void draw_trunk(struct sketch *k)
{
    const int n = k->n_maps + 4 + pick(k, 14);
    while (k->n_maps < n) {
        const int back = pick(k, 3) ? pick(k, k->n_maps < 3 ? k->n_maps : 3) : pick(k, k->n_maps);
        const struct map from = k->map[k->n_maps - 1 - back];
        k->map[k->n_maps++] = (struct map){grow(k, &from), from.first, from.count};
    }
}

static int hidden_layer(struct sketch *k, int in)
{
    const struct umb_shape shape = umb_net_shape(k->net, in);
    char text[48];
    int units = k->alike || pick(k, 2) ? 8 : 5;
    if (k->large) { units = LARGE_WEIGHTS / (int)shape.dim[1] + 1; }
    k->large = false;
    snprintf(text, sizeof text, "units=%d activation=relu", units);
    return layer(k, "dense", text, in);
}

/* One answer a sample, or a class a pixel. */
static int draw_head(struct sketch *k, int in, const char **ret_loss)
{
    static const char *const losses[] = {"cross_entropy", "mse", "l1", "huber",
                                         "binary_cross_entropy"};
    const int kind = k->alike ? 1 : pick(k, 5);
    *ret_loss = losses[k->alike || kind == 0 ? 0 : pick(k, 5)];
    if (kind == 0) { return layer(k, "conv", "filters=3 size=1", in); }
    if (kind < 3) {
        in = hidden_layer(k, layer(k, "flatten", NULL, in));
    } else {
        in = layer(k, "global_avg_pool", NULL, in);
    }
    return layer(k, "dense", k->alike || pick(k, 2) ? "units=4" : "units=3", in);
}

static void draw_tasks(struct sketch *k)
{
    const int n = 1 + pick(k, 6);
    for (int t = 0; t < n; t++) {
        const struct map *m = &k->map[k->n_maps - 1 - pick(k, k->n_maps < 4 ? k->n_maps : 4)];
        const char *loss;
        char name[8];
        int in = m->value, stream = pick(k, m->count);
        if (m->count > 1) { in = test_rows(k->ctx, k->net, stream, 1, in); }
        snprintf(name, sizeof name, "t%d", t);
        in = draw_head(k, in, &loss);
        test_task(k->ctx, k->net, name, in, loss, 0.25 * (1 + pick(k, 4)));
    }
}

struct random_net random_net_draw(struct umb_context *ctx, uint64_t seed)
{
    static const char *const optimizers[][2] = {{"sgd", NULL},
                                                {"sgd", "momentum=0.9"},
                                                {"sgd", "momentum=0.9 nesterov=true"},
                                                {"adam", NULL},
                                                {"adamw", "weight_decay=0.1"}};
    struct sketch k = {.ctx = ctx, .net = test_net(ctx), .seed = seed};
    k.alike = pick(&k, 3) == 0;
    k.large = pick(&k, 8) == 0;
    const int optimizer = pick(&k, 5);
    struct random_net drawn = {.net = k.net,
                               .batch = 2 + pick(&k, 3),
                               .optimizer = optimizers[optimizer][0],
                               .attrs = optimizers[optimizer][1],
                               .clip_norm = pick(&k, 3) ? 0 : 0.5,
                               .fused = pick(&k, 4) != 0};
    draw_streams(&k);
    draw_trunk(&k);
    draw_tasks(&k);
    return drawn;
}
