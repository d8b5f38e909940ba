/*
 * test_wrong_plans.c: plans with a mistake, which verify refuses, and whose bits show it: what
 * test_same_bits.c compares would not be the same by luck.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_internal.h"
#include "shuffle.h"
#include "ways.h"
#include "world.h"

#define HELD_NS UINT64_C(15000000)

static bool writes(const struct umb_step_arg *a)
{
    return umb__names_value(a) && a->kind != 'r';
}

/* Whether step i reads what step p makes. */
static bool reads_from(const struct umb_plan *plan, int i, int p)
{
    const struct umb_step *reader = &plan->steps.step[i], *writer = &plan->steps.step[p];
    for (size_t k = 0; k < reader->n_args; k++) {
        for (size_t j = 0; j < writer->n_args; j++) {
            if (!umb__names_value(&reader->args[k]) || reader->args[k].kind != 'r' ||
                !writes(&writer->args[j])) {
                continue;
            }
            const struct umb_extent x =
                umb__extent(plan->graph, &plan->steps, reader->args[k].value);
            const struct umb_extent y =
                umb__extent(plan->graph, &plan->steps, writer->args[j].value);
            if (x.root == y.root && x.low < y.high && y.low < x.high) { return true; }
        }
    }
    return false;
}

static int waiting_at(const struct umb_schedule *s, int e)
{
    int i = 0;
    while (s->wait_start[i + 1] <= e) {
        i++;
    }
    return i;
}

static void drop_wait(struct umb_schedule *s, int e)
{
    const int n = s->wait_start[s->n];
    memmove(&s->wait[e], &s->wait[e + 1], (size_t)(n - e - 1) * sizeof *s->wait);
    for (int i = 0; i <= s->n; i++) {
        s->wait_start[i] -= s->wait_start[i] > e;
    }
}

/* A wait for a result, the first at or behind a random one; −1: there is none. */
static int choose_wait(const struct umb_plan *plan, uint64_t *at)
{
    const struct umb_schedule *s = &plan->schedule;
    const int n = s->wait_start[s->n], from = n ? way_pick(at, n) : 0;
    for (int k = 0; k < n; k++) {
        const int e = (from + k) % n;
        if (reads_from(plan, waiting_at(s, e), s->wait[e])) { return e; }
    }
    return -1;
}

/* Takes a wait from the plan, which verify refuses, and runs it all the same, with the step that
 * should have been waited for held back. Returns 1 where that is seen in the bits, 0 where not,
 * −1 where there was no such wait. */
static int run_without_a_wait(uint64_t seed)
{
    uint64_t at = 0;
    ways.seed = seed;
    const struct random_net net = random_net_draw(world.ctx, seed);
    struct way way = way_draw(&at, "a wait less", true);
    way.queues = 3;
    way.delays = 0;
    struct record expected = way_run(&net, &way_plain), r = {0};
    struct session s = way_session(&net, &way, seed);
    struct umb_plan *plan = umb__trainer_plan(s.tr, UMB_TRAINER_TRAIN);
    const int e = choose_wait(plan, &at);
    char where[160];
    int seen = -1;
    if (e >= 0) {
        const int held = plan->schedule.wait[e];
        must(umb__plan_verify(plan));
        drop_wait(&plan->schedule, e);
        assert_int_equal(umb__plan_verify(plan), UMB_ERR_INVALID);
        assert_non_null(strstr(umb_context_error(world.ctx), "does not wait for"));
        shuffle_hold(plan->bound[held], HELD_NS);
        way_train(&s, &way, &r, 0, WAY_STEPS);
        shuffle_hold(NULL, 0);
        record_end(&r, &s);
        seen = !record_same(&expected, &r, where, sizeof where);
    }
    record_finish(&r);
    record_finish(&expected);
    session_close(&s);
    umb_net_destroy(net.net);
    ways.seed = 0;
    return seen;
}

static void a_wait_less_is_refused_and_seen(void **state)
{
    (void)state;
    int n_seen = 0, n = 0;
    for (uint64_t seed = 1; n < 16 && seed <= 64; seed++) {
        const int seen = run_without_a_wait(seed);
        n += seen >= 0;
        n_seen += seen > 0;
    }
    print_message("# %d of %d plans without one of their waits gave other bits\n", n_seen, n);
    assert_int_equal(n, 16);
    assert_true(n_seen >= 8);
}

/* Two values that are in use at once, moved to one place. */
static void memory_shared_wrongly_is_refused(void **state)
{
    (void)state;
    int n_refused = 0, n = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t at = 0;
        ways.seed = seed;
        const struct random_net net = random_net_draw(world.ctx, seed);
        const struct way way = way_draw(&at, "", true);
        struct session s = way_session(&net, &way, seed);
        struct umb_plan *plan = umb__trainer_plan(s.tr, UMB_TRAINER_TRAIN);
        struct umb_memory *m = &plan->side[0].memory;
        for (int tries = 0; tries < 200; tries++) {
            const int a = way_pick(&at, m->n_ids), b = way_pick(&at, m->n_ids);
            if (a == b || !m->bytes[a] || !m->bytes[b]) { continue; }
            const size_t kept = m->offset[a];
            m->offset[a] = m->offset[b];
            n++;
            n_refused += umb__plan_verify(plan) == UMB_ERR_INVALID;
            m->offset[a] = kept;
        }
        must(umb__plan_verify(plan));
        session_close(&s);
        umb_net_destroy(net.net);
    }
    ways.seed = 0;
    print_message("# %d of %d moves refused; the others were to places that were free\n", n_refused,
                  n);
    assert_true(n_refused * 2 > n && n_refused < n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_wait_less_is_refused_and_seen, ways_tell_seed),
        cmocka_unit_test_teardown(memory_shared_wrongly_is_refused, ways_tell_seed)};
    return cmocka_run_group_tests_name("wrong plans", tests, ways_open, ways_close);
}
