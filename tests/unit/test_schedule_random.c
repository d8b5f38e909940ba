/*
 * Hundreds of random lists of steps: whatever the number of queues, every step waits for all that
 * it must, and memory is shared only where nothing is in use; and the proofs say where it is not
 * so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "step_world.h"

#define MAX_ARGS 5

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_lists_keep_their_meaning),
                                       cmocka_unit_test(verify_catches_shared_memory),
                                       cmocka_unit_test(each_missing_wait_is_caught)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
