/* A net of trunks that are drawn together. */
#include "soft_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const trunks[T] = {"a", "b", "c"};

static int named(struct umb_net *net, const char *trunk, const char *layer, const char *attrs,
                 int in)
{
    char name[32];
    int out = -1;
    snprintf(name, sizeof name, "%s.%s1", trunk, layer);
    const struct umb_layer_desc d = {
        .op = layer, .attrs = attrs, .name = name, .in = &in, .n_in = 1};
    must(umb_net_layer(net, &d, &out));
    return out;
}

static struct umb_net *build(const char *filters, const char *units)
{
    static const char *const heads[T] = {"units=4", "units=2", "units=1"};
    static const char *const losses[T] = {"cross_entropy", "mse", "binary_cross_entropy"};
    struct umb_net *net = test_net(world.ctx);
    const int in = test_stream(world.ctx, net, "image", 8, 8, 3);
    for (int t = 0; t < T; t++) {
        int h = named(net, trunks[t], "conv", filters, in);
        h = test_layer(world.ctx, net, "flatten", NULL, h);
        h = named(net, trunks[t], "dense", units, h);
        h = test_layer(world.ctx, net, "dense", heads[t], h);
        test_task(world.ctx, net, losses[t], h, losses[t], 1);
    }
    return net;
}

struct umb_net *soft_net(void)
{
    return build("filters=5 size=3 activation=tanh", "units=7 activation=tanh");
}

struct umb_net *soft_large_net(void)
{
    return build("filters=32 size=3 activation=relu", "units=256 activation=relu");
}

const double some_relations[T * T] = {0, 1, 0, 1, 0, 0.5, 0, 0.5, 0};
static const double combinations[T * 2] = {1, 0.5, -2, 0.25, 0.5, -1};
static const char *const conv_only[] = {"conv1", NULL};

struct umb_soft_sharing soft_sharing(enum way way)
{
    struct umb_soft_sharing s = {.n_trunks = T, .trunk = trunks, .alpha = 0.25};
    s.relations = way == SOME ? some_relations : NULL;
    s.layer = way == CONV ? conv_only : NULL;
    s.without_biases = way == CONV;
    if (way == COMBINED) {
        s.combinations = combinations;
        s.n_combinations = 2;
    }
    if (way == LEARNED) {
        s.every = 2;
        s.lambda1 = 0.125;
        s.lambda2 = 0.25;
        s.epsilon = 0.25;
    }
    return s;
}

struct session soft_open(const struct umb_net *net, const char *optimizer,
                         const struct umb_soft_sharing *soft)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = 4,
                                      .optimizer = optimizer,
                                      .seed = 7,
                                      .soft = soft};
    return session_open(world.ctx, &desc);
}

struct session soft_trained(const struct umb_net *net, const struct umb_soft_sharing *soft,
                            int queues)
{
    const struct session_desc desc = {
        .device = world.device, .net = net, .batch = 4, .queues = queues, .seed = 7, .soft = soft};
    struct session s = session_open(world.ctx, &desc);
    session_train(&s, 0, 5);
    return s;
}

const struct umb_value *soft_parameter(const struct session *s, int t, const char *name)
{
    char full[64];
    const struct umb_graph *g = s->tr->side[UMB_TRAINER_TRAIN].graph;
    snprintf(full, sizeof full, "%s.%s", trunks[t], name);
    const int v = umb__graph_find_value(g, full);
    assert_true(v >= 0);
    return &g->value[v];
}
