/*
 * What must hold of the simulator for any schedule: random graphs on 1 to 64 queues and 1 to 64
 * units, on one device and on two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "played.h"

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

/* Kernels that leave units idle: the work that is done is less, and is all that is done. */
static void idle_ends_are_filled(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct made_up g;
        double busy[MADE_UP_STEPS], work = 0, sum = 0, path[MADE_UP_STEPS], longest = 0;
        const int units = 2 + (int)(seed % 4), queues = 1 + (int)(seed % 5);
        made_up_random(&g, seed, 60, units, 1000);
        for (int i = 0; i < g.deps.n; i++) {
            g.groups[i] = i % 3 ? g.groups[i] : 1 + i % 9;
            busy[i] = umb__busy_units(g.groups[i], units, (double)(seed % 7) / 4);
            work += g.alone[i] * busy[i];
            sum += g.alone[i];
            path[i] = 0;
            for (int e = g.deps.start[i]; e < g.deps.start[i + 1]; e++) {
                path[i] = fmax(path[i], path[g.deps.pred[e]]);
            }
            path[i] += g.alone[i];
            longest = fmax(longest, path[i]);
        }
        g.steps.busy_units = busy;
        struct played p = play(&g, queues, (struct umb_simulation_desc){0});
        struct played again = play(&g, queues, (struct umb_simulation_desc){0});
        const double least = fmax(longest, work / units), is = p.sim.makespan_ns;
        if (is < least * (1 - 1e-9) || is > sum * (1 + 1e-9) || (queues == 1 && is < sum * 0.999)) {
            fail_msg("seed %llu: %g, not between %g and %g", (unsigned long long)seed, is, least,
                     sum);
        }
        expect_ns(p.sim.idle[0], 1 - work / units / is, "idle");
        assert_memory_equal(p.sim.end_ns, again.sim.end_ns, (size_t)g.deps.n * sizeof(double));
        put_away(&p);
        put_away(&again);
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
    struct umb_timed_steps t = {
        .deps = &d, .alone_ns = alone, .groups = groups, .n_devices = 1, .units = &units};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_schedule_is_played_rightly),
        cmocka_unit_test(idle_ends_are_filled),
        cmocka_unit_test(one_queue_takes_the_sum),
        cmocka_unit_test(no_unit_is_idle_while_a_kernel_has_room),
        cmocka_unit_test(many_steps_are_played_soon),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
