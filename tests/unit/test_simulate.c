/*
 * The simulator on schedules whose makespan is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "played.h"

static void expect_makespan(const struct made_up *g, int queues, double expected)
{
    struct played p = play(g, queues, (struct umb_simulation_desc){0});
    expect_ns(p.sim.makespan_ns, expected, "makespan");
    put_away(&p);
}

static void two_narrow_kernels_run_side_by_side(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 2);
    made_up_step(&g, 10, 1, NULL, 0);
    made_up_step(&g, 10, 1, NULL, 0);
    expect_makespan(&g, 1, 20);
    expect_makespan(&g, 2, 10);
    struct played p = play(&g, 1, (struct umb_simulation_desc){0});
    expect_ns(p.sim.idle[0], 0.5, "idle");
    put_away(&p);
}

/* Kernels that fill the device gain nothing, and lose nothing, on more queues. */
static void wide_kernels_take_the_sum(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 4);
    for (int i = 0; i < 6; i++) {
        made_up_step(&g, 10 + i, i % 2 ? 0 : 4 + i, NULL, 0);
    }
    for (int queues = 1; queues <= 8; queues *= 2) {
        expect_makespan(&g, queues, 75);
        struct played p = play(&g, queues, (struct umb_simulation_desc){0});
        expect_ns(p.sim.idle[0], 0, "idle");
        put_away(&p);
    }
}

/* The narrow one holds a unit for 10, the wide one has the other alone till then: 10 of its 20 unit
 * times; the rest goes at twice the speed. */
static void a_wide_kernel_takes_what_units_come_free(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 2);
    made_up_step(&g, 10.5, 1, NULL, 0); /* longer, so it is scheduled first */
    made_up_step(&g, 10, 8, NULL, 0);
    struct played p = play(&g, 2, (struct umb_simulation_desc){0});
    expect_ns(p.sim.end_ns[0], 10.5, "narrow");
    expect_ns(p.sim.end_ns[1], 10.5 + 9.5 / 2, "wide");
    expect_ns(p.sim.start_ns[1], 0, "wide's start");
    put_away(&p);
}

/* Two groups on three units beside two more: the second kernel's other group starts late and lasts
 * as long as the first; work is not shared within a group. */
static void groups_are_not_cut(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 3);
    made_up_step(&g, 11, 2, NULL, 0);
    made_up_step(&g, 10, 2, NULL, 0);
    struct played p = play(&g, 2, (struct umb_simulation_desc){0});
    expect_ns(p.sim.end_ns[0], 11, "first");
    expect_ns(p.sim.start_ns[1], 0, "second's start");
    expect_ns(p.sim.end_ns[1], 20, "second");
    put_away(&p);
}

/* Each keeps one and a half of two units busy. The second has a half till the first ends: 5 of its
 * 15 unit times; then it has all that it can use. */
static void what_a_kernel_leaves_idle_is_taken(void **state)
{
    (void)state;
    static const double busy[] = {1.5, 1.5};
    struct made_up g;
    made_up_start(&g, 2);
    made_up_step(&g, 10, 4, NULL, 0);
    made_up_step(&g, 10, 4, NULL, 0);
    g.steps.busy_units = busy;
    expect_makespan(&g, 1, 20);
    expect_makespan(&g, 2, 10 + 10 / 1.5);
}

/* The host enqueues every 3. The first kernel runs from 5, when a thread is awake, to 13; the
 * second begins at once, in the half unit that is idle. Every 20, each finds all asleep. */
static void a_busy_device_needs_no_waking(void **state)
{
    (void)state;
    static const double busy[] = {1.5, 1, 1};
    struct made_up g;
    made_up_start(&g, 2);
    made_up_step(&g, 8, 8, NULL, 0);
    made_up_step(&g, 1, 1, NULL, 0);
    made_up_step(&g, 1, 1, NULL, 0);
    g.steps.busy_units = busy;
    struct played p =
        play(&g, 3,
             (struct umb_simulation_desc){.launch_ns = 2, .launch_on_unit = true, .enqueue_ns = 3});
    expect_ns(p.sim.start_ns[0], 5, "first");
    expect_ns(p.sim.start_ns[1], 6, "second");
    put_away(&p);
    p = play(
        &g, 3,
        (struct umb_simulation_desc){.launch_ns = 2, .launch_on_unit = true, .enqueue_ns = 20});
    expect_ns(p.sim.start_ns[2], 62, "third, all by itself");
    put_away(&p);
}

static void few_groups_leave_more_idle(void **state)
{
    (void)state;
    expect_ns(umb__busy_units(0, 2, 1), 2, "any number of groups");
    expect_ns(umb__busy_units(1, 2, 1), 1, "one");
    expect_ns(umb__busy_units(3, 4, 1), 3, "fewer than units");
    expect_ns(umb__busy_units(4, 2, 1), 1.5, "four");
    expect_ns(umb__busy_units(40, 2, 1), 1.95, "forty");
    expect_ns(umb__busy_units(8, 4, 0.5), 3.25, "eight on four units");
    expect_ns(umb__busy_units(8, 1, 1), 1, "one unit");
    expect_ns(umb__busy_units(2, 2, 3), 1, "never less than one");
}

/* a → (b, c) → d on two queues: waits across queues are kept. */
static void a_diamond(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 2);
    made_up_step(&g, 5, 2, NULL, 0);
    made_up_step(&g, 7, 1, (int[]){0}, 1);
    made_up_step(&g, 4, 1, (int[]){0}, 1);
    made_up_step(&g, 3, 2, (int[]){1, 2}, 2);
    expect_makespan(&g, 1, 19);
    expect_makespan(&g, 2, 15);
    struct played p = play(&g, 2, (struct umb_simulation_desc){0});
    static const int chain[] = {0, 1, 3};
    assert_int_equal(p.sim.n_chain, 3);
    assert_memory_equal(p.sim.chain, chain, sizeof chain);
    put_away(&p);
}

/* What a step waits for may be a unit. */
static void the_chain_goes_through_units(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 1);
    made_up_step(&g, 5, 1, NULL, 0);
    made_up_step(&g, 4, 1, NULL, 0);
    struct played p = play(&g, 2, (struct umb_simulation_desc){0});
    static const int chain[] = {0, 1};
    assert_int_equal(p.sim.n_chain, 2);
    assert_memory_equal(p.sim.chain, chain, sizeof chain);
    put_away(&p);
}

static void launches_cost_time(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 2);
    made_up_step(&g, 10, 2, NULL, 0);
    made_up_step(&g, 10, 2, (int[]){0}, 1);
    struct umb_simulation_desc desc = {.launch_ns = 3};
    struct played p = play(&g, 1, desc);
    expect_ns(p.sim.makespan_ns, 26, "as a delay");
    put_away(&p);
    desc.launch_on_unit = true;
    p = play(&g, 1, desc);
    expect_ns(p.sim.makespan_ns, 26, "on a unit");
    expect_ns(p.sim.idle[0], 1 - 46.0 / 52, "idle");
    put_away(&p);
}

/* A delay is hidden behind another queue's kernel; and threads at work need not be woken up. */
static void launches_hide_behind_kernels(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 1);
    for (int i = 0; i < 4; i++) {
        made_up_step(&g, 10, 1, NULL, 0);
    }
    struct umb_simulation_desc desc = {.launch_ns = 3};
    struct played p = play(&g, 2, desc);
    expect_ns(p.sim.makespan_ns, 43, "delays");
    put_away(&p);
    desc.launch_on_unit = true;
    p = play(&g, 2, desc);
    expect_ns(p.sim.makespan_ns, 43, "on a unit");
    put_away(&p);
}

/* Ten commands of 1 each, enqueued one every 5. */
static void a_slow_host_is_waited_for(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 2);
    for (int i = 0; i < 10; i++) {
        made_up_step(&g, 1, 1, NULL, 0);
    }
    struct played p = play(&g, 2, (struct umb_simulation_desc){.enqueue_ns = 5});
    expect_ns(p.sim.makespan_ns, 51, "makespan");
    put_away(&p);
}

static void devices_run_beside_each_other(void **state)
{
    (void)state;
    static const int device[] = {0, 1, 1, 0};
    struct made_up g;
    made_up_start(&g, 2);
    g.units[1] = 1;
    g.steps.n_devices = 2;
    g.steps.device = device;
    made_up_step(&g, 10, 0, NULL, 0);
    made_up_step(&g, 8, 0, NULL, 0);
    made_up_step(&g, 7, 0, (int[]){0}, 1);
    made_up_step(&g, 2, 0, NULL, 0);
    struct played p = play(&g, 4, (struct umb_simulation_desc){0});
    expect_ns(p.sim.makespan_ns, 17, "makespan");
    expect_ns(p.sim.idle[0], 1 - 12.0 / 17, "idle of the first");
    expect_ns(p.sim.idle[1], 1 - 15.0 / 17, "idle of the second");
    put_away(&p);
}

/* Waits that go round in a circle are an error, not an endless loop. */
static void a_circle_of_waits_is_refused(void **state)
{
    (void)state;
    struct made_up g;
    struct umb_simulation sim;
    int order[] = {0, 1}, rank[] = {0, 1}, queue[] = {0, 1}, start[] = {0, 1, 2}, wait[] = {1, 0};
    struct umb_schedule s = {.n = 2,
                             .n_queues = 2,
                             .order = order,
                             .rank = rank,
                             .queue = queue,
                             .wait_start = start,
                             .wait = wait};
    made_up_start(&g, 2);
    made_up_step(&g, 1, 1, NULL, 0);
    made_up_step(&g, 1, 1, NULL, 0);
    struct umb_simulation_desc desc = {.steps = &g.steps, .schedule = &s};
    assert_int_equal(umb__simulate(ctx, &desc, &sim), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(ctx), "2 of 2 steps"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_narrow_kernels_run_side_by_side),
        cmocka_unit_test(wide_kernels_take_the_sum),
        cmocka_unit_test(a_wide_kernel_takes_what_units_come_free),
        cmocka_unit_test(groups_are_not_cut),
        cmocka_unit_test(what_a_kernel_leaves_idle_is_taken),
        cmocka_unit_test(a_busy_device_needs_no_waking),
        cmocka_unit_test(few_groups_leave_more_idle),
        cmocka_unit_test(a_diamond),
        cmocka_unit_test(the_chain_goes_through_units),
        cmocka_unit_test(launches_cost_time),
        cmocka_unit_test(launches_hide_behind_kernels),
        cmocka_unit_test(a_slow_host_is_waited_for),
        cmocka_unit_test(devices_run_beside_each_other),
        cmocka_unit_test(a_circle_of_waits_is_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
