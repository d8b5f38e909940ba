/*
 * test_show.c: what a plan says of its schedule: expected times and lower bound of made-up plans
 * whose answer is known, and the parts of nets. Only the number of compute units is a device's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "plan_internal.h"
#include "session.h"
#include "timeline.h"
#include "world.h"

/*
 * Four steps of one work-group each:
 *
 *     a (3) → b (5) → d (2)
 *        ╲         ╱
 *          c (1) ─
 */
enum { A, B, C, D, N };
static int deps_start[N + 1] = {0, 0, 1, 2, 4}, deps_pred[] = {A, A, B, C};
static double costs[N] = {3, 5, 1, 2};
static const struct umb_kernel one_group = {.name = "one_group"};

static struct umb_plan made_up(struct umb_step *step, int n_queues)
{
    struct umb_plan p = {.ctx = world.ctx,
                         .n_devices = 1,
                         .side[0].device = world.device,
                         .cost_ns = costs,
                         .n_queues = n_queues,
                         .deps = {N, deps_start, deps_pred},
                         .steps = {.ctx = world.ctx, .step = step, .n = N}};
    for (int i = 0; i < N; i++) {
        step[i] = (struct umb_step){
            .kernel = &one_group, .dimensions = 1, .global = {1, 1, 1}, .local = {1, 1, 1}};
    }
    must(umb__schedule_build(world.ctx, &p.deps, costs, n_queues, &p.schedule));
    return p;
}

static void expected_times_follow_the_schedule(void **state)
{
    (void)state;
    static const double one_end[N] = {3, 8, 9, 11}, two_end[N] = {3, 8, 4, 10};
    for (int queues = 1; queues <= 2; queues++) {
        struct umb_step step[N];
        struct umb_plan p = made_up(step, queues);
        double start[N], end[N];
        umb__plan_expected(&p, start, end);
        for (int o = 0; o < N; o++) {
            const int i = p.schedule.order[o];
            const double expected = (queues == 1 ? one_end : two_end)[i];
            if (end[o] < expected || end[o] > expected || end[o] - start[o] > costs[i]) {
                fail_msg("%d queues: step %d ends at %g, expected %g", queues, i, end[o], expected);
            }
        }
        umb__schedule_finish(&p.schedule);
    }
}

static void waits_are_given_in_the_order_of_steps(void **state)
{
    (void)state;
    struct umb_step step[N];
    struct umb_plan p = made_up(step, 2);
    size_t n_waits = 0;
    for (size_t i = 0; i < N; i++) {
        const int s = p.schedule.order[i];
        const int n = p.schedule.wait_start[s + 1] - p.schedule.wait_start[s];
        for (int w = 0; w < n; w++) {
            const size_t before = umb__plan_step_wait(&p, i, w);
            assert_true(before < i);
            assert_int_not_equal(p.schedule.queue[p.schedule.order[before]], p.schedule.queue[s]);
            n_waits++;
        }
    }
    assert_int_equal(n_waits, 2); /* c for a, d for c */
    umb__schedule_finish(&p.schedule);
}

/* max(3 + 5 + 2, (3 + 5 + 1 + 2) ÷ units), for steps of one work-group. */
static void the_bound_of_a_made_up_plan_is_known(void **state)
{
    (void)state;
    struct umb_step step[N];
    struct umb_plan p = made_up(step, 2);
    double alone[N] = {3000, 5000, 1000, 2000}, groups[N] = {1, 1, 1, 1};
    uint64_t bound = 0;
    bool critical[N] = {false, false, true, false};
    const unsigned units = umb_device_get_caps(world.device)->compute_units;
    p.alone_ns = alone;
    p.critical = critical;
    p.groups = groups;
    assert_int_equal(umb__plan_bound(&p, &bound), UMB_ERR_INVALID);
    p.n_alone = 1;
    must(umb__plan_bound(&p, &bound));
    assert_int_equal(bound, units == 1 ? 11000 : 10000);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(umb__plan_step_times(&p, i).critical, p.schedule.order[i] != C);
    }
    /* Wide enough for all units: nothing can run beside anything. */
    for (int i = 0; i < N; i++) {
        groups[i] = 1000;
    }
    must(umb__plan_bound(&p, &bound));
    assert_int_equal(bound, 11000);
    umb__schedule_finish(&p.schedule);
}

/* Parts. */

static int named_layer(struct umb_net *net, const char *op, const char *attrs, const char *name,
                       int in)
{
    int value = -1;
    const struct umb_layer_desc d = {.op = op, .attrs = attrs, .name = name, .in = &in, .n_in = 1};
    must(umb_net_layer(net, &d, &value));
    return value;
}

/* A trunk of two convolutions; task far reads the second, near the first. */
static struct umb_net *net_of_two(bool named)
{
    struct umb_net *net = test_net(world.ctx);
    const int in = test_stream(world.ctx, net, "near", 8, 8, 2); /* called as a task is */
    const int low = named_layer(net, "conv", "filters=4 size=3 activation=relu", "low", in);
    const int high = named_layer(net, "conv", "filters=4 size=3 activation=relu", "high", low);
    const int a = named_layer(net, "flatten", NULL, NULL, high);
    const int b = named_layer(net, "flatten", NULL, NULL, low);
    test_task(world.ctx, net, "far",
              named_layer(net, "dense", "units=5", named ? "far.out" : "one", a), "mse", 1);
    test_task(world.ctx, net, "near",
              named_layer(net, "dense", "units=3", named ? "near.out" : "two", b), "cross_entropy",
              1);
    return net;
}

static void expect_part(const struct umb_graph *g, const int *part, const char *node, int expected)
{
    bool found = false;
    for (int i = 0; i < g->n_nodes; i++) {
        if (strncmp(g->node[i].name, node, strlen(node)) != 0) { continue; }
        found = true;
        if (part[i] != expected) {
            fail_msg("%s: part %d, expected %d", g->node[i].name, part[i], expected);
        }
    }
    if (!found) { fail_msg("no node begins with '%s'", node); }
}

static void expect_parts(bool named)
{
    enum { FAR, NEAR };
    struct umb_net *net = net_of_two(named);
    struct session s = session_open(
        world.ctx, &(struct session_desc){.device = world.device, .net = net, .batch = 4});
    const struct umb_graph *g = umb__trainer_graph(s.tr, UMB_TRAINER_TRAIN);
    int part[256];
    assert_true(g->n_nodes <= 256);
    must(umb__trainer_parts(s.tr, UMB_TRAINER_TRAIN, part));
    expect_part(g, part, "low", UMB_PART_TRUNK); /* with its gradients */
    expect_part(g, part, "near.normalize", UMB_PART_TRUNK);
    expect_part(g, part, named ? "far.out" : "one", FAR);
    expect_part(g, part, named ? "near.out" : "two", NEAR);
    expect_part(g, part, "far.loss", FAR);
    expect_part(g, part, "near.loss", NEAR);
    expect_part(g, part, "near.count", NEAR);
    expect_part(g, part, "update", UMB_PART_TRUNK);
    /* Where heads have names, what is not so named is trunk, though one task alone reads it. */
    expect_part(g, part, "high", named ? UMB_PART_TRUNK : FAR);
    session_close(&s);
    umb_net_destroy(net);
}

static void named_heads_are_parts(void **state)
{
    (void)state;
    expect_parts(true);
}

static void unnamed_heads_are_what_leads_to_one_loss(void **state)
{
    (void)state;
    expect_parts(false);
}

/* Runs that are timed. */

/* Four steps with a batch that stays in slot 0; timed: by runs that are traced and timed alone. */
static void train_four(struct session *s, bool timed)
{
    double losses[UMB_MAX_TASKS];
    session_train(s, 0, 1);
    for (int i = 0; i < 3; i++) {
        must(!timed   ? umb__trainer_submit(s->tr, UMB_TRAINER_TRAIN, 0, 0.01)
             : i == 0 ? umb__trainer_trace(s->tr, 0, 0.01)
                      : umb__trainer_time_alone(s->tr, 0, 0.01));
        must(umb__trainer_wait(s->tr, UMB_TRAINER_TRAIN, 0, losses));
    }
}

static void timed_steps_change_no_bit(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    const struct session_desc d = {
        .device = world.device, .net = net, .batch = 5, .queues = 3, .seed = 4};
    struct session plain = session_open(world.ctx, &d), timed = session_open(world.ctx, &d);
    uint64_t bound = 0;
    train_four(&plain, false);
    train_four(&timed, true);
    assert_same_bits(&plain, &timed, "plain and timed");
    must(umb__plan_bound(umb__trainer_plan(timed.tr, UMB_TRAINER_TRAIN), &bound));
    assert_true(bound > 0);
    session_close(&plain);
    session_close(&timed);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expected_times_follow_the_schedule),
        cmocka_unit_test(waits_are_given_in_the_order_of_steps),
        cmocka_unit_test(the_bound_of_a_made_up_plan_is_known),
        cmocka_unit_test(named_heads_are_parts),
        cmocka_unit_test(unnamed_heads_are_what_leads_to_one_loss),
        cmocka_unit_test(timed_steps_change_no_bit),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
