/*
 * The simulator on schedules whose makespan is known, and what must hold of it for any: random
 * graphs on 1 to 64 queues and 1 to 64 units, on one device and on two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "made_up.h"
#include "simulate.h"

static struct umb_context *ctx;

/* A schedule of the list scheduler's, played with these launches. */
struct played {
    struct umb_schedule schedule;
    struct umb_simulation sim;
};

static struct played play(const struct made_up *g, int queues, struct umb_simulation_desc desc)
{
    struct played p;
    assert_int_equal(umb__schedule_build(ctx, &g->deps, g->alone, queues, &p.schedule), UMB_OK);
    desc.steps = &g->steps;
    desc.schedule = &p.schedule;
    assert_int_equal(umb__simulate(ctx, &desc, &p.sim), UMB_OK);
    return p;
}

static void put_away(struct played *p)
{
    umb__simulation_finish(&p->sim);
    umb__schedule_finish(&p->schedule);
}

static void expect_ns(double is, double expected, const char *what)
{
    if (fabs(is - expected) > 1e-6 * (1 + expected)) {
        fail_msg("%s: %.9g, expected %.9g", what, is, expected);
    }
}

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

/* A delay is hidden behind another queue's kernel, a unit's time is not. */
static void delays_hide_and_work_does_not(void **state)
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
    expect_ns(p.sim.makespan_ns, 52, "work");
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

/* What must hold for any schedule. */

static void check_order(const struct made_up *g, const struct played *p, uint64_t seed)
{
    const struct umb_simulation *s = &p->sim;
    int last[UMB_SCHEDULE_QUEUES];
    memset(last, -1, sizeof last);
    for (int o = 0; o < s->n; o++) {
        const int i = p->schedule.order[o], before = last[p->schedule.queue[i]];
        bool well = s->end_ns[i] >= s->start_ns[i] && s->start_ns[i] >= 0;
        well = well && (before < 0 || s->start_ns[i] >= s->end_ns[before]);
        for (int e = g->deps.start[i]; e < g->deps.start[i + 1]; e++) {
            well = well && s->start_ns[i] >= s->end_ns[g->deps.pred[e]];
        }
        well = well && s->end_ns[i] <= s->makespan_ns;
        if (!well) {
            fail_msg("seed %llu, %d queues: step %d from %g to %g", (unsigned long long)seed,
                     p->schedule.n_queues, i, s->start_ns[i], s->end_ns[i]);
        }
        last[p->schedule.queue[i]] = i;
    }
}

static void check_chain(const struct played *p)
{
    const struct umb_simulation *s = &p->sim;
    assert_true(s->n_chain >= 1);
    expect_ns(s->end_ns[s->chain[s->n_chain - 1]], s->makespan_ns, "the chain's end");
    expect_ns(s->start_ns[s->chain[0]], 0, "the chain's begin");
    for (int k = 1; k < s->n_chain; k++) {
        assert_true(s->start_ns[s->chain[k - 1]] <= s->start_ns[s->chain[k]]);
    }
}

static void check_random(uint64_t seed, int queues, int units, bool two_devices)
{
    static int device[MADE_UP_STEPS];
    static struct made_up g;
    struct umb_bound bound;
    made_up_random(&g, seed, 1 + (int)(seed * 7 % 200), units, 1000);
    if (two_devices) {
        for (int i = 0; i < g.deps.n; i++) {
            device[i] = (int)(umb__random_u32(seed, UMB_RNG_TEST, 1, (uint64_t)i) % 2);
        }
        g.units[1] = 1 + (int)(seed % 5);
        g.steps.n_devices = 2;
        g.steps.device = device;
    }
    struct played p = play(&g, queues, (struct umb_simulation_desc){0});
    struct played again = play(&g, queues, (struct umb_simulation_desc){0});
    assert_int_equal(umb__bound(ctx, &g.steps, &bound), UMB_OK);
    if (p.sim.makespan_ns < bound.ns * (1 - 1e-9)) {
        fail_msg("seed %llu, %d queues, %d units: makespan %g, bound %g", (unsigned long long)seed,
                 queues, units, p.sim.makespan_ns, bound.ns);
    }
    check_order(&g, &p, seed);
    check_chain(&p);
    assert_memory_equal(p.sim.end_ns, again.sim.end_ns, (size_t)g.deps.n * sizeof(double));
    for (int k = 0; k < p.sim.n_devices; k++) {
        assert_true(p.sim.idle[k] >= 0 && p.sim.idle[k] <= 1);
    }
    put_away(&p);
    put_away(&again);
}

static void any_schedule_is_played_rightly(void **state)
{
    (void)state;
    static const int queues[] = {1, 2, 3, 8, 64}, units[] = {1, 2, 5, 64};
    for (uint64_t seed = 0; seed < 150; seed++) {
        for (size_t q = 0; q < sizeof queues / sizeof *queues; q++) {
            check_random(seed, queues[q], units[seed % 4], seed % 3 == 0);
        }
    }
}

/* One queue: one after another, whatever the kernels' widths. */
static void one_queue_takes_the_sum(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct made_up g;
        double sum = 0;
        made_up_random(&g, seed, 60, 1 + (int)(seed % 9), 1000);
        for (int i = 0; i < g.deps.n; i++) {
            sum += g.alone[i] + 2;
        }
        struct umb_simulation_desc desc = {.launch_ns = 2, .launch_on_unit = seed % 2};
        struct played p = play(&g, 1, desc);
        expect_ns(p.sim.makespan_ns, sum, "makespan");
        put_away(&p);
    }
}

/* With a queue each, independent kernels leave no unit idle before the last of them starts. */
static void no_unit_is_idle_while_a_kernel_has_room(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct made_up g;
        const int units = 2 + (int)(seed % 6);
        double work = 0, longest = 0;
        made_up_start(&g, units);
        for (int i = 0; i < 40; i++) {
            const double alone = umb__random_u32(seed, UMB_RNG_TEST, 2, (uint64_t)i) % 500;
            made_up_step(&g, alone, 1 + (i * 5 + (int)seed) % (units + 2), NULL, 0);
            work += alone * umb__step_width(&g.steps, i);
            longest = fmax(longest, alone);
        }
        struct played p = play(&g, 40, (struct umb_simulation_desc){0});
        /* list scheduling's own guarantee (Graham, 1966) */
        assert_true(p.sim.makespan_ns <= work / units + longest * (units - 1) / units + 1e-6);
        put_away(&p);
    }
}

/* Twice the steps take about twice the work: a hundred thousand, in layers of ten that each wait
 * for two of the layer before, are played in the time that a test has. */
static void many_steps_are_played_soon(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct umb_deps d = {.n = N};
    d.start = umb__calloc(ctx, N + 1, sizeof *d.start);
    d.pred = umb__calloc(ctx, 2 * N, sizeof *d.pred);
    double *alone = umb__calloc(ctx, N, sizeof *alone),
           *groups = umb__calloc(ctx, N, sizeof *groups);
    assert_true(d.start && d.pred && alone && groups);
    for (int i = 0; i < N; i++) {
        d.start[i + 1] = d.start[i];
        for (int k = 0; i >= 20 && k < 2; k++) {
            d.pred[d.start[i + 1]++] = i - 10 - (i + k * 3) % 10;
        }
        alone[i] = 100 + i % 37;
        groups[i] = 1 + i % 5;
    }
    const int units = 4;
    struct umb_timed_steps t = {&d, alone, groups, NULL, 1, &units};
    struct umb_simulation_desc desc = {.steps = &t, .launch_ns = 3, .launch_on_unit = true};
    struct umb_schedule s;
    struct umb_simulation sim;
    struct umb_bound bound;
    assert_int_equal(umb__schedule_build(ctx, &d, alone, 8, &s), UMB_OK);
    desc.schedule = &s;
    const clock_t began = clock();
    assert_int_equal(umb__simulate(ctx, &desc, &sim), UMB_OK);
    const double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    assert_int_equal(umb__bound(ctx, &t, &bound), UMB_OK);
    assert_true(sim.makespan_ns >= bound.ns);
    if (seconds > 5) { fail_msg("%d steps took %.1f s", N, seconds); } /* 0.05 s; sanitized 10× */
    umb__simulation_finish(&sim);
    umb__schedule_finish(&s);
    umb__free(d.start);
    umb__free(d.pred);
    umb__free(alone);
    umb__free(groups);
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

static int open_context(void **state)
{
    (void)state;
    return umb_context_create(NULL, &ctx) != UMB_OK;
}

static int close_context(void **state)
{
    (void)state;
    umb_context_destroy(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_narrow_kernels_run_side_by_side),
        cmocka_unit_test(wide_kernels_take_the_sum),
        cmocka_unit_test(a_wide_kernel_takes_what_units_come_free),
        cmocka_unit_test(groups_are_not_cut),
        cmocka_unit_test(a_diamond),
        cmocka_unit_test(the_chain_goes_through_units),
        cmocka_unit_test(launches_cost_time),
        cmocka_unit_test(delays_hide_and_work_does_not),
        cmocka_unit_test(a_slow_host_is_waited_for),
        cmocka_unit_test(devices_run_beside_each_other),
        cmocka_unit_test(any_schedule_is_played_rightly),
        cmocka_unit_test(one_queue_takes_the_sum),
        cmocka_unit_test(no_unit_is_idle_while_a_kernel_has_room),
        cmocka_unit_test(many_steps_are_played_soon),
        cmocka_unit_test(a_circle_of_waits_is_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
