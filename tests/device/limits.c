#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "text.h"

struct umb_net *limit_net_branches(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    const int in = test_stream(ctx, net, "images", 16, 16, 3);
    for (int t = 0; t < 4; t++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", t);
        int h = test_layer(ctx, net, "conv", "filters=16 size=3 padding=1", in);
        h = test_layer(ctx, net, "tanh", NULL, h);
        h = test_layer(ctx, net, "conv", "filters=16 size=3 padding=1", h);
        h = test_layer(ctx, net, "tanh", NULL, h);
        h = test_layer(ctx, net, "global_avg_pool", NULL, h);
        test_task(ctx, net, name, test_layer(ctx, net, "dense", "units=3", h), "cross_entropy", 1);
    }
    return net;
}

struct umb_net *limit_net_chain(struct umb_context *ctx)
{
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "images", 12, 12, 2);
    for (int i = 0; i < 4; i++) {
        h = test_layer(ctx, net, "conv", "filters=8 size=3 padding=1", h);
        h = test_layer(ctx, net, "upsample", i < 2 ? "factor=2" : "factor=1", h);
        h = test_layer(ctx, net, "sigmoid", NULL, h);
        h = test_layer(ctx, net, "dropout", "rate=0.2", h);
    }
    h = test_layer(ctx, net, "global_avg_pool", NULL, h);
    test_task(ctx, net, "x", test_layer(ctx, net, "dense", "units=3", h), "cross_entropy", 1);
    return net;
}

struct umb_net *limit_net_resnet18(struct umb_context *ctx)
{
    return test_net_resnet18(ctx, 16, 8);
}

struct umb_net *limit_net_large_images(struct umb_context *ctx)
{
    return test_net_resnet18(ctx, 32, 4);
}

struct umb_net *spread_net(const struct spread *how)
{
    struct umb_net *net = how->make(world.ctx);
    several_put(net, how->seed, 1 + how->n_more);
    return net;
}

struct session open_within(const struct spread *how, const struct umb_net *net, int queues,
                           uint64_t memory)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = LIMIT_BATCH,
                                      .queues = queues,
                                      .seed = 5,
                                      .memory = memory,
                                      .more = more,
                                      .n_more = how->n_more,
                                      .shares = how->shares};
    return session_open(world.ctx, &desc);
}

struct umb_plan *plan_of(const struct session *s)
{
    return umb__trainer_plan(s->tr, UMB_TRAINER_TRAIN);
}

struct umb_fit fit_of(const struct session *s)
{
    return umb__trainer_fit(s->tr, UMB_TRAINER_TRAIN);
}

bool opens(const struct spread *how, const struct umb_net *net, int queues, uint64_t memory)
{
    struct umb_trainer *tr = NULL;
    const struct umb_trainer_desc desc = {.device = world.device,
                                          .net = net,
                                          .batch = LIMIT_BATCH,
                                          .optimizer = "adam",
                                          .queues = queues,
                                          .memory = memory,
                                          .more = more,
                                          .n_more = how->n_more,
                                          .shares = how->shares};
    const enum umb_status st = umb_trainer_create(world.ctx, &desc, &tr);
    if (st != UMB_OK) {
        const char *says = how->n_more ? " is too low for device " : " is too low: ";
        assert_null(tr);
        assert_int_equal(st, UMB_ERR_INVALID);
        assert_non_null(strstr(umb_context_error(world.ctx), says));
    }
    umb_trainer_destroy(tr);
    return st == UMB_OK;
}

/* The number behind "needs " in the latest message. */
static uint64_t said_to_be_needed(void)
{
    char size[UMB_BYTES_TEXT];
    uint64_t bytes = 0;
    const char *at = strstr(umb_context_error(world.ctx), "a step needs ");
    assert_non_null(at);
    snprintf(size, sizeof size, "%.*s", (int)strcspn(at + 13, ","), at + 13);
    assert_true(umb__parse_bytes(size, &bytes));
    return bytes;
}

uint64_t lowest(const struct spread *how, const struct umb_net *net)
{
    assert_false(opens(how, net, 1, 1));
    const uint64_t least = said_to_be_needed();
    assert_true(opens(how, net, 1, least));
    assert_false(opens(how, net, 1, least * 9 / 10));
    return least;
}

void assert_same_training(struct session *a, struct session *b, const char *what)
{
    assert_same_checkpoints(a, b, what);
    assert_memory_equal(a->losses, b->losses, (size_t)a->tr->n_tasks * sizeof *a->losses);
}

static int device_of_node(const struct umb_graph *g, const char *name)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].name, name) == 0) { return g->node[i].device; }
    }
    fail_msg("no node is called %s", name);
    return -1;
}

static void assert_is_on(const struct umb_graph *g, int value, int device)
{
    const struct umb_value *v = &g->value[value];
    if (v->kind == UMB_VALUE_INPUT || v->kind == UMB_VALUE_CONSTANT) { return; }
    if (v->device != device) { fail_msg("%s is not on device %d", v->name, device); }
}

int assert_copies_stay(const struct umb_graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct umb_node *node = &g->node[i];
        if (!node->again_of) { continue; }
        assert_int_equal(node->op->flags & UMB_OP_TRANSFER, 0);
        assert_int_equal(node->device, device_of_node(g, node->again_of));
        for (int k = 0; k < node->n_in; k++) {
            assert_is_on(g, node->in[k], node->device);
        }
        for (int k = 0; k < node->n_out; k++) {
            assert_is_on(g, node->out[k], node->device);
        }
        n++;
    }
    return n;
}
