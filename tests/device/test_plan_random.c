/*
 * Random nets: the same bits on any number of queues, and what the interpreter makes of them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nets.h"
#include "rig.h"
#include "rng.h"
#include "session.h"
#include "world.h"

static struct session open_session(const struct umb_net *net, int64_t batch, int queues)
{
    struct session_desc desc = {
        .device = world.device, .net = net, .batch = batch, .queues = queues, .seed = 9};
    return session_open(world.ctx, &desc);
}

static uint32_t pick(uint64_t seed, uint32_t *draw, uint32_t n)
{
    return umb__random_u32(seed, UMB_RNG_TEST, 77, (*draw)++) % n;
}

/* Three streams, joined; layers of one shape [.,3,3,4] added, concatenated, taken apart at will; a
 * few heads. Few shapes, so that kernels are built once. */
static struct umb_net *random_net(uint64_t seed)
{
    static const char *const maps[] = {"relu", "tanh", "sigmoid", "gelu"};
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    uint32_t draw = 0;
    int in[3], joined = -1;
    const char *const names[3] = {"a", "b", "c"};
    for (int s = 0; s < 3; s++) {
        in[s] = test_stream(ctx, net, names[s], 3, 3, 4);
    }
    struct umb_layer_desc join = {.op = "join", .in = in, .n_in = 3};
    assert_int_equal(umb_net_layer(net, &join, &joined), UMB_OK);
    int pool[24], n = 0;
    pool[n++] = joined;
    while (n < 6 + (int)pick(seed, &draw, 18)) {
        int a = pool[pick(seed, &draw, (uint32_t)n)], b = pool[pick(seed, &draw, (uint32_t)n)];
        switch (pick(seed, &draw, 4)) {
        case 0:
            pool[n++] = test_layer2(ctx, net, "add", NULL, a, b);
            break;
        case 1:
            pool[n++] = test_layer(ctx, net, "dense", "units=4 activation=relu", a);
            break;
        case 2:
            a = test_layer2(ctx, net, "concat", NULL, a, b);
            pool[n++] = test_layer(ctx, net, "dense", "units=4", a);
            break;
        default:
            pool[n++] = test_layer(ctx, net, maps[pick(seed, &draw, 4)], NULL, a);
        }
    }
    int n_tasks = 1 + (int)pick(seed, &draw, 5);
    for (int t = 0; t < n_tasks; t++) {
        char name[8];
        int h = pool[n - 1 - (int)pick(seed, &draw, 4)];
        int stream = (int)pick(seed, &draw, 3), first = stream > 0 ? 1 : 0;
        h = test_rows(ctx, net, first, 2, h);
        h = test_layer(ctx, net, "dense", "units=4", h);
        h = test_layer(ctx, net, "flatten", NULL, test_rows(ctx, net, stream - first, 1, h));
        snprintf(name, sizeof name, "t%d", t);
        test_task(ctx, net, name, h, "cross_entropy", 1);
    }
    return net;
}

static uint64_t n_random_nets(void)
{
    return getenv("UMBEL_TEST_SMALL") ? 12 : 200;
}

static void random_nets(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= n_random_nets(); seed++) {
        char what[64];
        struct umb_net *net = random_net(seed);
        struct session one = open_session(net, 3, 1);
        session_train(&one, 0, 2);
        int queues = 2 + (int)(seed % 7);
        struct session many = open_session(net, 3, queues);
        assert_int_equal(umb__plan_verify(umb__trainer_plan(many.tr, UMB_TRAINER_TRAIN)), UMB_OK);
        session_train(&many, 0, 2);
        snprintf(what, sizeof what, "random net %d, 1 and %d queues", (int)seed, queues);
        assert_same_bits(&one, &many, what);
        session_close(&one);
        session_close(&many);
        umb_net_destroy(net);
    }
}

/* The interpreter agrees with them, too. */
static void random_nets_are_right(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= n_random_nets() / 4; seed++) {
        struct umb_net *net = random_net(seed);
        struct lab lab = lab_open(world.ctx, net, 2, true, seed);
        (void)lab_evaluate(&lab);
        struct rig_desc desc = {.device = world.device, .queues = 1 + (int)(seed % 4)};
        struct rig rig = rig_open(&lab, &desc);
        rig_run(&rig, 0);
        rig_compare_loosely(&rig, 1e-4);
        rig_close(&rig);
        lab_close(&lab);
        umb_net_destroy(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_nets),
                                       cmocka_unit_test(random_nets_are_right)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}
