/*
 * test_merge.c: launches that do several's work (merge.c): the same bits as one by one, fewer
 * launches, and memory that is proven to be apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "session.h"
#include "world.h"

/* A trunk and n heads; unequal: no two of one size, some of another loss. */
static struct umb_net *net_of_heads(int n, bool unequal)
{
    struct umb_net *net = test_net(world.ctx);
    int h = test_stream(world.ctx, net, "images", 9, 9, 2);
    h = test_layer(world.ctx, net, "conv", "filters=8 size=3 activation=relu", h);
    h = test_layer(world.ctx, net, "flatten", NULL, h);
    for (int t = 0; t < n; t++) {
        char units[48], outputs[32], name[16];
        snprintf(units, sizeof units, "units=%d activation=relu", unequal ? 5 + 7 * t : 32);
        snprintf(outputs, sizeof outputs, "units=%d", unequal ? 2 + t % 4 : 6);
        snprintf(name, sizeof name, "t%d", t);
        const int hidden = test_layer(world.ctx, net, "dense", units, h);
        test_task(world.ctx, net, name, test_layer(world.ctx, net, "dense", outputs, hidden),
                  unequal && t % 3 == 1 ? "mse" : "cross_entropy", 1.0 / (t + 1));
    }
    return net;
}

static struct session open_session(const struct umb_net *net, int queues, bool merged)
{
    assert_int_equal(setenv("UMBEL_MERGE", merged ? "1" : "0", 1), 0);
    struct session s = session_open(
        world.ctx,
        &(struct session_desc){
            .device = world.device, .net = net, .batch = 7, .queues = queues, .seed = 3});
    unsetenv("UMBEL_MERGE");
    return s;
}

static const struct umb_plan *plan_of(const struct session *s)
{
    return umb__trainer_plan(s->tr, UMB_TRAINER_TRAIN);
}

/* Destroys the net. */
static void expect_same(struct umb_net *net)
{
    struct session apart = open_session(net, 1, false);
    const int n_tasks = umb_net_n_tasks(net);
    struct umb_task_result one[UMB_MAX_TASKS], other[UMB_MAX_TASKS];
    session_train(&apart, 0, 5);
    must(umb_trainer_results(apart.tr, one));
    for (int queues = 1; queues <= 3; queues += 2) {
        struct session merged = open_session(net, queues, true);
        session_train(&merged, 0, 5);
        assert_same_bits(&apart, &merged, "apart and merged");
        must(umb_trainer_results(merged.tr, other));
        for (int t = 0; t < n_tasks; t++) {
            assert_memory_equal(&one[t].loss, &other[t].loss, sizeof one[t].loss);
            for (int m = 0; m < one[t].n_metrics; m++) {
                assert_memory_equal(&one[t].metric[m].value, &other[t].metric[m].value,
                                    sizeof(double));
            }
        }
        assert_true(umb__plan_n_steps(plan_of(&merged)) < umb__plan_n_steps(plan_of(&apart)));
        must(umb__plan_verify(plan_of(&merged)));
        session_close(&merged);
    }
    session_close(&apart);
    umb_net_destroy(net);
}

static void equal_heads(void **state)
{
    (void)state;
    expect_same(net_of_heads(5, false));
}

static void unequal_heads(void **state)
{
    (void)state;
    expect_same(net_of_heads(7, true));
}

static void heads_of_two_streams(void **state)
{
    (void)state;
    expect_same(test_net_mnist_fashion(world.ctx));
}

static void a_mixed_net(void **state)
{
    (void)state;
    expect_same(test_net_mixed(world.ctx));
}

/* Sixteen heads take as many launches as four. */
static void more_heads_are_no_more_launches(void **state)
{
    (void)state;
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        struct umb_net *net = net_of_heads(i ? 16 : 4, false);
        struct session s = open_session(net, 1, true);
        n[i] = umb__plan_n_steps(plan_of(&s));
        session_close(&s);
        umb_net_destroy(net);
    }
    print_message("# %zu launches for 4 heads, %zu for 16\n", n[0], n[1]);
    assert_true(n[1] <= n[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_heads),
        cmocka_unit_test(unequal_heads),
        cmocka_unit_test(heads_of_two_streams),
        cmocka_unit_test(a_mixed_net),
        cmocka_unit_test(more_heads_are_no_more_launches),
    };
    return cmocka_run_group_tests_name("merged launches", tests, open_world, close_world);
}
