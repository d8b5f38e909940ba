/*
 * The planner's parts on made-up lists of steps: hundreds of random ones, and small ones whose
 * answer is known. No device is needed: steps are data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_schedule.h"
#include "rng.h"

#define MAX_ARGS 5

struct world {
    struct umb_context *ctx;
    struct umb_graph *g;
    struct umb_steps steps;
    double *cost;
};

static void world_open(struct world *w, int n_values)
{
    assert_int_equal(umb_context_create(NULL, &w->ctx), UMB_OK);
    assert_int_equal(umb__graph_create(w->ctx, true, 1, &w->g), UMB_OK);
    for (int v = 0; v < n_values; v++) {
        struct umb_type type = {.dtype = UMB_F32, .shape = {1, {16 * (1 + v % 7)}}};
        char name[32];
        snprintf(name, sizeof name, "v%d", v);
        assert_int_equal(umb__graph_value(w->g, name, UMB_VALUE_TEMP, &type), v);
    }
    w->g->node = umb__calloc(w->ctx, 1, sizeof *w->g->node); /* that all steps are of */
    assert_non_null(w->g->node);
    w->g->node->name = "made up";
    assert_int_equal(umb__steps_init(w->ctx, n_values, &w->steps), UMB_OK);
    w->cost = NULL;
}

static void world_close(struct world *w)
{
    umb__steps_finish(&w->steps);
    umb__graph_destroy(w->g);
    umb__free(w->cost);
    umb_context_destroy(w->ctx);
}

/* Appends a step by hand: kinds "rw…" and their values. */
static void add_step(struct world *w, const char *kinds, const int *values)
{
    size_t n = strlen(kinds);
    struct umb_step *grown =
        umb__grow(w->ctx, w->steps.step, w->steps.capacity, w->steps.n + 1, sizeof *grown);
    assert_non_null(grown);
    w->steps.step = grown;
    w->steps.capacity = w->steps.n + 1;
    struct umb_step *s = &w->steps.step[w->steps.n++];
    *s = (struct umb_step){.n_args = n, .node = 0};
    s->args = umb__arena_calloc(w->steps.arena, n + 1, sizeof *s->args);
    assert_non_null(s->args);
    for (size_t k = 0; k < n; k++) {
        s->args[k] =
            (struct umb_step_arg){.kind = kinds[k], .value = values[k], .element_bytes = 4};
    }
}

static uint32_t draw(uint64_t seed, uint64_t *at, uint32_t below)
{
    return umb__random_u32(seed, UMB_RNG_TEST, 0, (*at)++) % below;
}

/* A random list: every step reads a few written values and writes or updates one. */
static void random_world(struct world *w, uint64_t seed)
{
    uint64_t at = 0;
    int n_values = 3 + (int)draw(seed, &at, 40), n_steps = 1 + (int)draw(seed, &at, 90);
    world_open(w, n_values);
    bool written[64] = {false};
    w->cost = umb__calloc(w->ctx, (size_t)n_steps + 1, sizeof *w->cost);
    assert_non_null(w->cost);
    for (int i = 0; i < n_steps; i++) {
        char kinds[MAX_ARGS + 1] = "";
        int values[MAX_ARGS], n = 0;
        for (int k = (int)draw(seed, &at, MAX_ARGS - 1); k > 0; k--) {
            int v = (int)draw(seed, &at, (uint32_t)n_values);
            if (!written[v]) { continue; }
            kinds[n] = 'r';
            values[n++] = v;
        }
        int out = (int)draw(seed, &at, (uint32_t)n_values);
        kinds[n] = written[out] && draw(seed, &at, 2) ? 'm' : 'w';
        values[n++] = out;
        kinds[n] = 0;
        written[out] = true;
        add_step(w, kinds, values);
        w->cost[i] = 1 + draw(seed, &at, 1000);
    }
}

static bool touches(const struct umb_step *s, int value, bool write_only)
{
    for (size_t k = 0; k < s->n_args; k++) {
        if (s->args[k].value == value && (!write_only || s->args[k].kind != 'r')) { return true; }
    }
    return false;
}

/* Whether j must come after i by the meaning of the list: they share a value that one of them
 * writes. */
static bool conflict(const struct world *w, int i, int j)
{
    const struct umb_step *a = &w->steps.step[i], *b = &w->steps.step[j];
    for (int v = 0; v < w->g->n_values; v++) {
        if ((touches(a, v, true) && touches(b, v, false)) ||
            (touches(a, v, false) && touches(b, v, true))) {
            return true;
        }
    }
    return false;
}

/* earlier[j*n+i]: i is done before j begins, by queues and waits alone. */
static bool *event_order(const struct world *w, const struct umb_schedule *s)
{
    size_t n = (size_t)s->n;
    bool *earlier = umb__calloc(w->ctx, n * n + 1, sizeof *earlier);
    assert_non_null(earlier);
    int last[UMB_SCHEDULE_QUEUES];
    for (int q = 0; q < UMB_SCHEDULE_QUEUES; q++) {
        last[q] = -1;
    }
    for (int o = 0; o < s->n; o++) {
        size_t j = (size_t)s->order[o];
        int before[UMB_SCHEDULE_QUEUES + 1], n_before = 0;
        if (last[s->queue[j]] >= 0) { before[n_before++] = last[s->queue[j]]; }
        for (int e = s->wait_start[j]; e < s->wait_start[j + 1]; e++) {
            before[n_before++] = s->wait[e];
        }
        for (int k = 0; k < n_before; k++) {
            size_t i = (size_t)before[k];
            earlier[j * n + i] = true;
            for (size_t x = 0; x < n; x++) {
                earlier[j * n + x] = earlier[j * n + x] || earlier[i * n + x];
            }
        }
        last[s->queue[j]] = (int)j;
    }
    return earlier;
}

static void check_schedule(const struct world *w, const struct umb_schedule *s, uint64_t seed)
{
    bool *earlier = event_order(w, s);
    for (int j = 0; j < s->n; j++) {
        for (int i = 0; i < j; i++) {
            if (conflict(w, i, j) && !earlier[j * s->n + i]) {
                fail_msg("seed %llu, %d queues: step %d does not wait for step %d",
                         (unsigned long long)seed, s->n_queues, j, i);
            }
        }
        for (int e = s->wait_start[j]; e < s->wait_start[j + 1]; e++) {
            assert_true(s->signals[s->wait[e]]);
            assert_int_not_equal(s->queue[s->wait[e]], s->queue[j]);
        }
    }
    umb__free(earlier);
}

static void plan_world(struct world *w, int n_queues, struct umb_deps *d, struct umb_schedule *s,
                       struct umb_memory *m)
{
    assert_int_equal(umb__deps_build(w->g, &w->steps, d), UMB_OK);
    assert_int_equal(umb__schedule_build(w->ctx, d, w->cost, n_queues, s), UMB_OK);
    assert_int_equal(umb__memory_build(w->g, &w->steps, s, 0, m), UMB_OK);
}

static void unplan(struct umb_deps *d, struct umb_schedule *s, struct umb_memory *m)
{
    umb__memory_finish(m);
    umb__schedule_finish(s);
    umb__deps_finish(d);
}

static void random_lists_keep_their_meaning(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        static const int queues[] = {1, 2, 3, 4, 8};
        for (size_t q = 0; q < sizeof queues / sizeof *queues; q++) {
            struct world w;
            struct umb_deps d;
            struct umb_schedule s;
            struct umb_memory m;
            random_world(&w, seed);
            plan_world(&w, queues[q], &d, &s, &m);
            check_schedule(&w, &s, seed);
            assert_int_equal(umb__schedule_verify(w.g, &w.steps, &d, &s), UMB_OK);
            if (umb__memory_verify(w.g, &w.steps, &s, 0, &m) != UMB_OK) {
                fail_msg("seed %llu: %s", (unsigned long long)seed, umb_context_error(w.ctx));
            }
            assert_true(m.total <= m.unshared);
            unplan(&d, &s, &m);
            world_close(&w);
        }
    }
}

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

/* The proof is worth something only if it fails for a wrong plan. */
static void verify_catches_shared_memory(void **state)
{
    (void)state;
    int caught = 0, tried = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world w;
        struct umb_deps d;
        struct umb_schedule s;
        struct umb_memory m;
        random_world(&w, seed);
        plan_world(&w, 2, &d, &s, &m);
        for (int i = 0; i < s.n; i++) { /* a value and one it is made from, in one place */
            const struct umb_step *step = &w.steps.step[i];
            if (step->n_args < 2 || step->args[0].value == step->args[step->n_args - 1].value) {
                continue;
            }
            tried++;
            m.offset[step->args[0].value] = m.offset[step->args[step->n_args - 1].value];
            m.total += 4096;
            caught += umb__memory_verify(w.g, &w.steps, &s, 0, &m) == UMB_ERR_INVALID;
            break;
        }
        unplan(&d, &s, &m);
        world_close(&w);
    }
    assert_true(tried > 30);
    assert_int_equal(caught, tried);
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

/* Waits are only there where nothing else orders two steps: without any one of them there is a pair
 * that runs in any order. */
static void each_missing_wait_is_caught(void **state)
{
    (void)state;
    int tried = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world w;
        struct umb_deps d;
        struct umb_schedule s;
        struct umb_memory m;
        random_world(&w, seed);
        plan_world(&w, 2 + (int)(seed % 4), &d, &s, &m);
        assert_int_equal(umb__schedule_verify(w.g, &w.steps, &d, &s), UMB_OK);
        for (int e = 0; e < s.wait_start[s.n]; e++, tried++) {
            const int waited_for = s.wait[e];
            int waiting = 0;
            while (s.wait_start[waiting + 1] <= e) {
                waiting++;
            }
            s.wait[e] = waiting; /* for itself: for nothing */
            if (umb__schedule_verify(w.g, &w.steps, &d, &s) != UMB_ERR_INVALID) {
                fail_msg("seed %llu: step %d need not wait for %d", (unsigned long long)seed,
                         waiting, waited_for);
            }
            s.wait[e] = waited_for;
        }
        unplan(&d, &s, &m);
        world_close(&w);
    }
    assert_true(tried > 300);
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
        cmocka_unit_test(random_lists_keep_their_meaning),
        cmocka_unit_test(a_chain_needs_two_buffers),
        cmocka_unit_test(a_chain_stays_on_one_queue),
        cmocka_unit_test(independent_steps_spread_over_queues),
        cmocka_unit_test(implied_waits_are_left_out),
        cmocka_unit_test(verify_catches_shared_memory),
        cmocka_unit_test(verify_catches_a_missing_wait),
        cmocka_unit_test(each_missing_wait_is_caught),
        cmocka_unit_test(pieces_of_a_value_are_told_apart),
        cmocka_unit_test(gradients_to_parameters_wait),
        cmocka_unit_test(an_order_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
