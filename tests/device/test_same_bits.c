/*
 * test_same_bits.c: one plan gives the same bits on any number of queues, in any legal order, with
 * any delays, several steps in flight, merged or not, after any resume.
 *
 * Random nets (random_net.h) are trained by the plain plan, one queue and one step at a time, and
 * then in other ways; all that they leave is compared. UMBEL_TEST_NETS says how many, and
 * UMBEL_TEST_SEED which one alone: a failure prints it. That the comparison
 * would see a mistake is shown by test_wrong_plans.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nets.h"
#include "ways.h"
#include "world.h"

/* Returns whether the numbers stayed finite. */
static bool compare_ways(uint64_t seed)
{
    uint64_t at = 0;
    ways.seed = seed;
    const struct random_net net = random_net_draw(world.ctx, seed);
    struct way way[4] = {way_draw(&at, "list scheduling with delays", false),
                         way_draw(&at, "any order", true),
                         way_draw(&at, "any order, nothing merged", true),
                         way_draw(&at, "any order, stopped and resumed twice", true)};
    way[2].unmerged = true;
    struct way third = way_draw(&at, "", true), second = way_draw(&at, "", false);
    second.stop = 1 + way_pick(&at, WAY_STEPS - 1);
    second.resumed = &third;
    way[3].stop = 1 + way_pick(&at, second.stop);
    way[3].resumed = &second;
    struct record expected = way_run(&net, &way_plain);
    bool same = true;
    for (int i = 0; i < 4; i++) {
        same = way_agrees(&net, &expected, &way[i]) && same;
    }
    const bool finite = record_is_finite(&expected);
    record_finish(&expected);
    umb_net_destroy(net.net);
    if (!same) { fail_msg("other bits; UMBEL_TEST_SEED=%d runs that net alone", (int)seed); }
    ways.seed = 0;
    return finite;
}

static int from_environment(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

static void random_nets_in_random_ways(void **state)
{
    (void)state;
    const int only = from_environment("UMBEL_TEST_SEED", 0),
              n = from_environment("UMBEL_TEST_NETS", getenv("UMBEL_TEST_SMALL") ? 6 : 120);
    int n_finite = 0;
    if (only) {
        compare_ways((uint64_t)only);
        return;
    }
    for (int seed = 1; seed <= n; seed++) {
        n_finite += compare_ways((uint64_t)seed);
    }
    print_message("# %d nets, each in 5 ways: %zu steps, %zu of several launches, %zu waits; "
                  "%d stayed finite\n",
                  n, ways.n_steps, ways.n_merged, ways.n_waits, n_finite);
    assert_true(ways.n_merged > 0 && ways.n_waits > 0);
    assert_true(n_finite * 10 >= n * 9);
}

/* ---- resuming ---- */

/* A net with whatever has state: moments, running statistics, dropout. */
static void resumed_behind_each_step(void **state)
{
    (void)state;
    const struct random_net net = {.net = test_net_mixed(world.ctx),
                                   .batch = 4,
                                   .optimizer = "adam",
                                   .clip_norm = 0.5,
                                   .fused = true};
    ways.seed = 1;
    struct record expected = way_run(&net, &way_plain);
    for (int stop = 1; stop < WAY_STEPS; stop++) {
        static const int queues[] = {1, 2, 4, 8};
        for (size_t q = 0; q < sizeof queues / sizeof *queues; q++) {
            const struct way after = {.name = "", .queues = queues[q], .in_flight = 3};
            const struct way way = {.name = "resumed on other queues",
                                    .queues = queues[(q + (size_t)stop) % 4],
                                    .in_flight = 2,
                                    .stop = stop,
                                    .resumed = &after};
            if (!way_agrees(&net, &expected, &way)) { fail_msg("%d queues behind", queues[q]); }
        }
    }
    ways.seed = 0;
    record_finish(&expected);
    umb_net_destroy(net.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_nets_in_random_ways, ways_tell_seed),
        cmocka_unit_test_teardown(resumed_behind_each_step, ways_tell_seed)};
    return cmocka_run_group_tests_name("same bits", tests, ways_open, ways_close);
}
