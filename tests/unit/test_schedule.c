/*
 * The planner's parts on small made-up lists of steps whose answer is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "step_world.h"

/* a → b → c → d, each reading the last: two buffers are enough for equal sizes. */
static void chain(struct world *w, int n)
{
    world_open(w, n);
    w->cost = umb__calloc(w->ctx, (size_t)n, sizeof *w->cost);
    assert_non_null(w->cost);
    for (int v = 0; v < n; v++) {
        w->g->value[v].type.shape.dim[0] = 16;
        w->cost[v] = 1;
        int values[2] = {v - 1, v};
        add_step(w, v ? "rw" : "w", v ? values : &values[1]);
    }
}

static void a_chain_needs_two_buffers(void **state)
{
    (void)state;
    struct world w;
    struct umb_deps d;
    struct umb_schedule s;
    struct umb_memory m;
    chain(&w, 12);
    plan_world(&w, 1, &d, &s, &m);
    assert_int_equal(m.unshared, 12 * 64);
    assert_int_equal(m.total, 2 * 64);
    unplan(&d, &s, &m);
    world_close(&w);
}

static void a_chain_stays_on_one_queue(void **state)
{
    (void)state;
    struct world w;
    struct umb_deps d;
    struct umb_schedule s;
    struct umb_memory m;
    chain(&w, 12);
    plan_world(&w, 4, &d, &s, &m);
    for (int i = 0; i < 12; i++) {
        assert_false(s.signals[i]);
    }
    unplan(&d, &s, &m);
    world_close(&w);
}

static void independent_steps_spread_over_queues(void **state)
{
    (void)state;
    struct world w;
    struct umb_deps d;
    struct umb_schedule s;
    struct umb_memory m;
    world_open(&w, 8);
    w.cost = umb__calloc(w.ctx, 8, sizeof *w.cost);
    for (int v = 0; v < 8; v++) {
        w.cost[v] = 10;
        add_step(&w, "w", &v);
    }
    plan_world(&w, 4, &d, &s, &m);
    int on[4] = {0};
    for (int i = 0; i < 8; i++) {
        on[s.queue[i]]++;
    }
    for (int q = 0; q < 4; q++) {
        assert_int_equal(on[q], 2);
    }
    assert_int_equal(s.wait_start[8], 0);
    unplan(&d, &s, &m);
    world_close(&w);
}

/* One wait for the later of two steps of a queue implies the earlier. */
static void implied_waits_are_left_out(void **state)
{
    (void)state;
    struct world w;
    struct umb_deps d;
    struct umb_schedule s;
    struct umb_memory m;
    world_open(&w, 4);
    w.cost = umb__calloc(w.ctx, 4, sizeof *w.cost);
    add_step(&w, "w", (int[]){0});
    add_step(&w, "rw", (int[]){0, 1});
    add_step(&w, "w", (int[]){2});
    add_step(&w, "rrrw", (int[]){0, 1, 2, 3});
    double cost[4] = {10, 10, 25, 1};
    memcpy(w.cost, cost, sizeof cost);
    plan_world(&w, 2, &d, &s, &m);
    assert_int_equal(s.wait_start[4], 1);
    unplan(&d, &s, &m);
    world_close(&w);
}

static void verify_catches_a_missing_wait(void **state)
{
    (void)state;
    struct world w;
    struct umb_deps d;
    struct umb_schedule s;
    struct umb_memory m;
    chain(&w, 6);
    plan_world(&w, 1, &d, &s, &m);
    assert_int_equal(umb__memory_verify(w.g, &w.steps, &s, 0, &m), UMB_OK);
    s.n_queues = 2; /* as if every second step ran on a queue of its own, with no waits */
    for (int i = 1; i < 6; i += 2) {
        s.queue[i] = 1;
    }
    assert_int_equal(umb__memory_verify(w.g, &w.steps, &s, 0, &m), UMB_ERR_INVALID);
    s.n_queues = 1;
    unplan(&d, &s, &m);
    world_close(&w);
}

static void pieces_of_a_value_are_told_apart(void **state)
{
    (void)state;
    struct world w;
    struct umb_deps d;
    world_open(&w, 3);
    w.g->value[0].type.shape.dim[0] = 32;
    for (int v = 1; v < 3; v++) {
        w.g->value[v].type.shape.dim[0] = 16;
        w.g->value[v].base = 0;
        w.g->value[v].base_offset = (size_t)(v - 1) * 64;
    }
    add_step(&w, "w", (int[]){1});
    add_step(&w, "w", (int[]){2});
    add_step(&w, "r", (int[]){0});
    assert_int_equal(umb__deps_build(w.g, &w.steps, &d), UMB_OK);
    assert_int_equal(d.start[2] - d.start[1], 0);
    assert_int_equal(d.start[3] - d.start[2], 2);
    umb__deps_finish(&d);
    world_close(&w);
}

/* 0 → 1 (the gradient to the input) → 3 (to the first layer's weights), 0 → 2 (to the weights, the
 * longest): 1 goes before 2, though the path over 2 is longer. */
static void gradients_to_parameters_wait(void **state)
{
    (void)state;
    int start[] = {0, 0, 1, 2, 3}, pred[] = {0, 0, 1};
    const struct umb_deps deps = {.n = 4, .start = start, .pred = pred};
    const double cost[] = {1, 4, 9, 1};
    const bool waits[] = {false, false, true, true};
    struct umb_queues queues = {.n = 2};
    struct umb_context *ctx = NULL;
    struct umb_schedule s;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__schedule_build_on(ctx, &deps, cost, &queues, &s), UMB_OK);
    assert_true(s.rank[2] < s.rank[1]);
    umb__schedule_finish(&s);
    queues.waits = waits;
    assert_int_equal(umb__schedule_build_on(ctx, &deps, cost, &queues, &s), UMB_OK);
    assert_true(s.rank[1] < s.rank[2]);
    umb__schedule_finish(&s);
    umb_context_destroy(ctx);
}

/* Of two devices with two queues each every step stays behind those before it in the list, on its
 * device's first queue. */
static void an_order_is_kept(void **state)
{
    (void)state;
    int start[] = {0, 0, 0, 0, 1, 2}, pred[] = {0, 2};
    const struct umb_deps deps = {.n = 5, .start = start, .pred = pred};
    const double cost[] = {1, 1, 9, 1, 9};
    const int kind[] = {0, 0, 1, 1}, step_kind[] = {0, 1, 1, 1, 0};
    struct umb_queues queues = {.n = 4, .kind = kind, .step_kind = step_kind};
    struct umb_context *ctx = NULL;
    struct umb_schedule s;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__schedule_build_on(ctx, &deps, cost, &queues, &s), UMB_OK);
    assert_int_equal(s.order[0], 2);
    umb__schedule_finish(&s);
    queues.in_order = true;
    assert_int_equal(umb__schedule_build_on(ctx, &deps, cost, &queues, &s), UMB_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(s.order[i], i);
        assert_int_equal(s.queue[i], 2 * step_kind[i]);
    }
    umb__schedule_finish(&s);
    umb_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_needs_two_buffers),
        cmocka_unit_test(a_chain_stays_on_one_queue),
        cmocka_unit_test(independent_steps_spread_over_queues),
        cmocka_unit_test(implied_waits_are_left_out),
        cmocka_unit_test(verify_catches_a_missing_wait),
        cmocka_unit_test(pieces_of_a_value_are_told_apart),
        cmocka_unit_test(gradients_to_parameters_wait),
        cmocka_unit_test(an_order_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
