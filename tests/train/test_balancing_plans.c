/*
 * What else has to fit a balancer's training plan: evaluation and prediction by the same
 * parameters, parts that are frozen and unfrozen, layers that heads share beyond the trunk, and
 * little memory.
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

#include "balance_nets.h"
#include "nets.h"
#include "several.h"
#include "twin.h"

#define BATCH 4
#define OUTPUTS 64 /* at least a batch's of a task */

static struct session open_session(const struct umb_net *net, const struct umb_balancing *b,
                                   const struct umb_trainer_desc *parts)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = BATCH,
                                      .optimizer = "sgd",
                                      .seed = 6,
                                      .parts = parts,
                                      .balancing = b};
    return session_open(world.ctx, &desc);
}

/* ---- evaluating ---- */

/* A head is there before the layers that others share are, and one of those is large. */
static struct umb_net *unordered_net(void)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "image", 8, 8, 2);
    h = test_layer(ctx, net, "conv", "filters=8 size=3 padding=1 activation=relu", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    test_task(ctx, net, "early", test_layer(ctx, net, "dense", "units=3", h), "cross_entropy", 1);
    h = test_layer(ctx, net, "dense", "units=520 activation=relu", h); /* 266 240 weights */
    h = test_layer(ctx, net, "dense", "units=5 activation=tanh", h);
    test_task(ctx, net, "place", test_layer(ctx, net, "dense", "units=2", h), "mse", 1);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=4", h), "cross_entropy", 1);
    return net;
}

static void predict(struct session *s, float (*out)[OUTPUTS])
{
    float *outputs[UMB_MAX_TASKS];
    for (int t = 0; t < s->tr->n_tasks; t++) {
        outputs[t] = out[t];
    }
    must(umb_trainer_predict(s->tr, s->batch, outputs));
}

static void evaluation_finds_the_parameters(void **state)
{
    (void)state;
    static const struct umb_balancing ways[] = {
        {.name = "cagrad"},
        {.name = "cagrad", .gradients = UMB_GRADIENTS_REPRESENTATION, .every = 2},
        {.name = "graddrop"},
        {.name = "gls", .heads = UMB_HEADS_UNWEIGHTED}};
    struct umb_net *net = unordered_net();
    static float expected[3][OUTPUTS], got[3][OUTPUTS];
    struct umb_task_result x[3], y[3];
    struct session plain = open_session(net, NULL, NULL);
    session_fill(&plain, 0);
    predict(&plain, expected);
    must(umb_trainer_evaluate(plain.tr, plain.batch, plain.labels));
    must(umb_trainer_results(plain.tr, x));
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct session s = open_session(net, &ways[k], NULL);
        session_fill(&s, 0);
        session_step(&s, 0); /* its parameters are as they began */
        must(umb_trainer_results(s.tr, y));
        predict(&s, got);
        assert_memory_equal(got, expected, sizeof got);
        must(umb_trainer_evaluate(s.tr, s.batch, s.labels));
        must(umb_trainer_results(s.tr, y));
        for (int t = 0; t < 3; t++) {
            assert_true(isfinite(x[t].loss) && x[t].loss == y[t].loss);
        }
        session_close(&s);
    }
    session_close(&plain);
    umb_net_destroy(net);
}

/* Large parameters lie apart where they are not shared. */
static void large_shared_layers_are_exact(void **state)
{
    (void)state;
    static const struct umb_balancing ways[] = {{.name = "cagrad"},
                                                {.name = "graddrop"},
                                                {.name = "db_mtl"},
                                                {.name = "gls", .heads = UMB_HEADS_UNWEIGHTED}};
    struct umb_net *net = unordered_net();
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        const struct twin_desc desc = {.balancing = &ways[k]};
        struct session s = open_session(net, &ways[k], NULL);
        struct twin t = twin_open(&s, &desc);
        for (int step = 0; step < 2; step++) {
            session_fill(&s, step);
            session_step(&s, 0.1);
            twin_step(&t, 0.1);
            twin_compare(&t, 5e-4, ways[k].name);
        }
        twin_close(&t);
        session_close(&s);
    }
    umb_net_destroy(net);
}

/* ---- layers that heads share ---- */

/* Behind the trunk, two heads have a layer with the same parameters. */
static struct umb_net *tied_net(void)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "image", 7, 7, 2), out[3];
    h = test_layer(ctx, net, "conv", "filters=4 size=3 activation=tanh", h);
    h = test_layer(ctx, net, "flatten", NULL, h);
    const int middle[2] = {test_layer(ctx, net, "dense", "units=6 activation=tanh", h),
                           test_layer(ctx, net, "dense", "units=6 activation=tanh", h)};
    for (int t = 0; t < 2; t++) {
        const struct umb_layer_desc desc = {.op = "dense",
                                            .attrs = "units=3",
                                            .name = t ? "other" : "tied",
                                            .share = t ? "tied" : NULL,
                                            .in = &middle[t],
                                            .n_in = 1};
        must(umb_net_layer(net, &desc, &out[t]));
    }
    out[2] = test_layer(ctx, net, "dense", "units=2", h);
    test_task(ctx, net, "x", out[0], "cross_entropy", 1);
    test_task(ctx, net, "y", out[1], "mse", 1);
    test_task(ctx, net, "z", out[2], "mse", 2);
    return net;
}

static void heads_may_share_a_layer(void **state)
{
    (void)state;
    static const struct umb_balancing ways[] = {
        {.name = "cagrad"},   {.name = "pcgrad", .every = 3}, {.name = "moco"},
        {.name = "graddrop"}, {.name = "uncertainty"},        {.name = "excessmtl"}};
    struct umb_net *net = tied_net();
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        const struct twin_desc desc = {.balancing = &ways[k]};
        struct session s = open_session(net, &ways[k], NULL);
        struct twin t = twin_open(&s, &desc);
        for (int step = 0; step < 5; step++) {
            session_fill(&s, step);
            session_step(&s, 0.1);
            twin_step(&t, 0.1);
            twin_compare(&t, 2e-4, ways[k].name);
        }
        twin_close(&t);
        session_close(&s);
    }
    umb_net_destroy(net);
}

/* ---- freezing ---- */

/* Trains on, beside a trainer that begins with what the other has now. */
static void train_beside_a_fresh_one(struct session *s, const struct umb_net *net,
                                     const struct umb_balancing *b,
                                     const struct umb_trainer_desc *parts, int first)
{
    struct umb_safetensors *file = session_collect(s);
    struct session fresh = open_session(net, b, parts);
    must(umb__trainer_restore(fresh.tr, file, "another"));
    umb__safetensors_destroy(file);
    session_train(s, first, 2);
    session_train(&fresh, first, 2);
    assert_same_bits(s, &fresh, b->name);
    session_close(&fresh);
}

static void frozen_parts_come_and_go(void **state)
{
    (void)state;
    static const struct umb_frozen conv[] = {{"conv.*", false}};
    static const struct umb_balancing ways[] = {
        {.name = "cagrad"},
        {.name = "cagrad", .gradients = UMB_GRADIENTS_LAST_BLOCK, .every = 2},
        {.name = "cagrad", .gradients = UMB_GRADIENTS_REPRESENTATION},
        {.name = "db_mtl"},
        {.name = "excessmtl"},
        {.name = "graddrop"},
        {.name = "dwa", .heads = UMB_HEADS_UNWEIGHTED}};
    const struct umb_trainer_desc free_parts = {.refreezes = true};
    const struct umb_trainer_desc conv_frozen = {.refreezes = true, .frozen = conv, .n_frozen = 1};
    struct balance_net n = balance_net(world.ctx, 0);
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct session s = open_session(n.net, &ways[k], &free_parts);
        session_train(&s, 0, 2);
        must(umb_trainer_freeze(s.tr, conv, 1));
        train_beside_a_fresh_one(&s, n.net, &ways[k], &conv_frozen, 2);
        must(umb_trainer_freeze(s.tr, NULL, 0));
        train_beside_a_fresh_one(&s, n.net, &ways[k], &free_parts, 4);
        session_close(&s);
    }
    umb_net_destroy(n.net);
}

/* ---- memory ---- */

/* Activations that wait for backward while others are made. */
static struct umb_net *long_net(void)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int h = test_stream(ctx, net, "image", 12, 12, 2);
    for (int i = 0; i < 4; i++) {
        h = test_layer(ctx, net, "conv", "filters=6 size=3 padding=1", h);
        h = test_layer(ctx, net, "tanh", NULL, h);
    }
    h = test_layer(ctx, net, "global_avg_pool", NULL, h);
    test_task(ctx, net, "kind", test_layer(ctx, net, "dense", "units=3", h), "cross_entropy", 1);
    test_task(ctx, net, "place", test_layer(ctx, net, "dense", "units=2", h), "mse", 2);
    return net;
}

static struct session open_limited(const struct umb_net *net, const struct umb_balancing *b,
                                   uint64_t memory)
{
    const struct session_desc desc = {.device = world.device,
                                      .net = net,
                                      .batch = BATCH,
                                      .queues = 1,
                                      .seed = 6,
                                      .memory = memory,
                                      .balancing = b};
    return session_open(world.ctx, &desc);
}

static void less_memory_changes_no_bit(void **state)
{
    (void)state;
    static const struct umb_balancing ways[] = {
        {.name = "cagrad"},
        {.name = "cagrad", .gradients = UMB_GRADIENTS_REPRESENTATION, .every = 2},
        {.name = "moco"},
        {.name = "graddrop"},
        {.name = "gls"},
        {.name = "imtl_l", .heads = UMB_HEADS_UNWEIGHTED}};
    struct umb_net *net = long_net();
    int n_again = 0; /* another order of nodes is enough for some */
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct session a = open_limited(net, &ways[k], 0);
        const uint64_t needs = umb__trainer_fit(a.tr, UMB_TRAINER_TRAIN).needs.total;
        struct session b = open_limited(net, &ways[k], needs * 19 / 20);
        assert_true(umb__trainer_fit(b.tr, UMB_TRAINER_TRAIN).needs.total <= needs * 19 / 20);
        n_again += umb__trainer_fit(b.tr, UMB_TRAINER_TRAIN).n_again;
        session_train(&a, 0, 4);
        session_train(&b, 0, 4);
        assert_same_bits(&a, &b, ways[k].name);
        session_close(&a);
        session_close(&b);
    }
    assert_true(n_again > 0);
    umb_net_destroy(net);
}

/* A frozen layer between others that are trained: whether it will ever be unfrozen changes nothing.
 */
static void a_frozen_layer_may_stand_between(void **state)
{
    (void)state;
    static const struct umb_frozen middle[] = {{"conv2.*", false}};
    static const struct umb_balancing ways[] = {{.name = "graddrop"}, {.name = "cagrad"}};
    const struct umb_trainer_desc for_good = {.frozen = middle, .n_frozen = 1},
                                  for_now = {.refreezes = true, .frozen = middle, .n_frozen = 1};
    struct umb_net *net = long_net();
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct session a = open_session(net, &ways[k], &for_good),
                       b = open_session(net, &ways[k], &for_now);
        session_train(&a, 0, 3);
        session_train(&b, 0, 3);
        assert_same_bits(&a, &b, ways[k].name);
        session_close(&a);
        session_close(&b);
    }
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluation_finds_the_parameters),
        cmocka_unit_test(large_shared_layers_are_exact),
        cmocka_unit_test(heads_may_share_a_layer),
        cmocka_unit_test(a_frozen_layer_may_stand_between),
        cmocka_unit_test(frozen_parts_come_and_go),
        cmocka_unit_test(less_memory_changes_no_bit),
    };
    return cmocka_run_group_tests_name("balancing_plans", tests, open_devices, close_devices);
}
