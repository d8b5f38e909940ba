/*
 * The lower bound of a step's time on made-up graphs: some whose least time is known, and random
 * ones whose least time a search over all schedules finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "made_up.h"

static struct umb_context *ctx;

static struct umb_bound bound_of(const struct made_up *g)
{
    struct umb_bound b;
    assert_int_equal(umb__bound(ctx, &g->steps, &b), UMB_OK);
    return b;
}

static void expect(const struct made_up *g, double path, double work)
{
    struct umb_bound b = bound_of(g);
    assert_true(fabs(b.path_ns - path) < 1e-9 && fabs(b.work_ns - work) < 1e-9);
    assert_true(b.ns >= b.path_ns && b.ns >= b.work_ns);
    assert_true(b.ns <= b.path_ns || b.ns <= b.work_ns);
}

static void a_chain_takes_the_sum(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 4);
    for (int i = 0; i < 5; i++) {
        made_up_step(&g, 10 + i, 1, i ? (int[]){i - 1} : NULL, i > 0);
    }
    expect(&g, 60, 60.0 / 4);
}

/* a → 6 of one group → z: the fork is limited by its work on 2 units, by its chain on 8. */
static void a_fork_and_join(void **state)
{
    (void)state;
    for (int units = 2; units <= 8; units += 6) {
        struct made_up g;
        int join[6];
        made_up_start(&g, units);
        made_up_step(&g, 5, 0, NULL, 0);
        for (int i = 0; i < 6; i++) {
            made_up_step(&g, 10, 1, (int[]){0}, 1);
            join[i] = i + 1;
        }
        made_up_step(&g, 5, 0, join, 6);
        expect(&g, 20, 10 + 60.0 / units);
    }
}

static void independent_steps_fill_the_units(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 4);
    for (int i = 0; i < 7; i++) {
        made_up_step(&g, 8, 1, NULL, 0);
    }
    expect(&g, 8, 14);
    made_up_step(&g, 3, 2, NULL, 0);
    expect(&g, 8, 15.5);
}

/* As many groups as units, or more, or who knows how many: nothing runs beside it. */
static void wide_steps_add_up(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 4);
    made_up_step(&g, 3, 4, NULL, 0);
    made_up_step(&g, 5, 4000, NULL, 0);
    made_up_step(&g, 7, 0, NULL, 0);
    expect(&g, 7, 15);
}

/* Work on one device is no work on the other; a path goes through both. */
static void two_devices_work_apart(void **state)
{
    (void)state;
    static const int device[] = {0, 1, 1, 0};
    struct made_up g;
    made_up_start(&g, 2);
    g.units[1] = 4;
    g.steps.n_devices = 2;
    g.steps.device = device;
    made_up_step(&g, 10, 0, NULL, 0);
    made_up_step(&g, 8, 0, NULL, 0);
    made_up_step(&g, 9, 1, (int[]){0}, 1);
    made_up_step(&g, 1, 0, NULL, 0);
    expect(&g, 19, 11);
}

static void nothing_takes_nothing(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 4);
    expect(&g, 0, 0);
    made_up_step(&g, 0, 1, NULL, 0);
    made_up_step(&g, 0, 0, (int[]){0}, 1);
    expect(&g, 0, 0);
    made_up_step(&g, 2, 1, (int[]){1}, 1);
    expect(&g, 2, 0.5);
}

/* The search: in a unit of time a step can have as many units as it has groups, in any mixture, and
 * be put aside again, which no queue could do better. A state is the work that is left. */

#define SEARCH_STEPS 5
#define SEARCH_STATES 32768

struct search {
    const struct made_up *g;
    int full[SEARCH_STEPS + 1]; /* number of amounts each step's work can have */
    unsigned char *least;       /* [states] time after which it can be reached, 255: not */
};

static int pack(const struct search *s, const int *left)
{
    int at = 0;
    for (int i = 0; i < s->g->deps.n; i++) {
        at = at * s->full[i] + left[i];
    }
    return at;
}

static void unpack(const struct search *s, int at, int *left)
{
    for (int i = s->g->deps.n - 1; i >= 0; i--) {
        left[i] = at % s->full[i];
        at /= s->full[i];
    }
}

/* A step of no work is done once those before it are. */
static bool is_done(const struct search *s, const int *left, int step)
{
    const struct umb_deps *d = &s->g->deps;
    bool done = left[step] == 0;
    for (int e = d->start[step]; done && s->full[step] == 1 && e < d->start[step + 1]; e++) {
        done = is_done(s, left, d->pred[e]);
    }
    return done;
}

static bool can_run(const struct search *s, const int *left, int step)
{
    const struct umb_deps *d = &s->g->deps;
    for (int e = d->start[step]; e < d->start[step + 1]; e++) {
        if (!is_done(s, left, d->pred[e])) { return false; }
    }
    return left[step] > 0;
}

/* Gives out units from step i on, in every way, and notes where that leads. `now` is the state when
 * the unit of time began. */
static void give(struct search *s, const int *now, int *left, int i, int *free_units, int after)
{
    if (i == s->g->deps.n) {
        const int at = pack(s, left);
        if (s->least[at] > after) { s->least[at] = (unsigned char)after; }
        return;
    }
    const int device = s->g->steps.device ? s->g->steps.device[i] : 0;
    const int width = (int)umb__step_width(&s->g->steps, i);
    for (int k = 0; k <= width && k <= free_units[device] && k <= now[i]; k++) {
        if (k && !can_run(s, now, i)) { break; }
        left[i] = now[i] - k;
        free_units[device] -= k;
        give(s, now, left, i + 1, free_units, after);
        free_units[device] += k;
    }
    left[i] = now[i];
}

/* States with less work are packed into smaller numbers, so one pass from the full one is enough.
 */
static int least_time(const struct made_up *g)
{
    struct search s = {.g = g, .least = malloc(SEARCH_STATES)};
    int left[SEARCH_STEPS], at, free_units[2] = {g->units[0], g->units[1]};
    assert_non_null(s.least);
    memset(s.least, 255, SEARCH_STATES);
    for (int i = 0; i < g->deps.n; i++) {
        left[i] = (int)(g->alone[i] * umb__step_width(&g->steps, i));
        s.full[i] = left[i] + 1;
    }
    at = pack(&s, left);
    assert_true(at < SEARCH_STATES);
    s.least[at] = 0;
    for (; at > 0; at--) {
        int now[SEARCH_STEPS];
        if (s.least[at] == 255) { continue; }
        unpack(&s, at, now);
        memcpy(left, now, sizeof left);
        give(&s, now, left, 0, free_units, s.least[at] + 1);
    }
    int least = s.least[0];
    free(s.least);
    return least;
}

static void no_schedule_beats_the_bound(void **state)
{
    (void)state;
    static const int device[] = {0, 1, 0, 1, 1};
    int reached = 0, tried = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct made_up g;
        made_up_random(&g, seed, SEARCH_STEPS, 2, 4);
        if (seed % 3 == 0) {
            g.units[1] = 1 + (int)(seed % 2);
            g.steps.n_devices = 2;
            g.steps.device = device;
        }
        const double bound = bound_of(&g).ns;
        const int least = least_time(&g);
        if (bound > least + 1e-9) {
            fail_msg("seed %llu: bound %g, but %d is possible", (unsigned long long)seed, bound,
                     least);
        }
        tried++;
        reached += least < bound + 1; /* time comes in whole units here */
    }
    /* a bound of 0 would pass the above; this one is reached nearly always */
    if (reached * 10 < tried * 8) { fail_msg("reached in %d of %d", reached, tried); }
}

static void the_search_finds_known_optima(void **state)
{
    (void)state;
    struct made_up g;
    made_up_start(&g, 2);
    for (int i = 0; i < 3; i++) {
        made_up_step(&g, 2, 1, NULL, 0);
    }
    assert_int_equal(least_time(&g), 3);
    made_up_step(&g, 2, 1, (int[]){0, 1, 2}, 3);
    assert_int_equal(least_time(&g), 5);
}

static void other_numbers_of_units(void **state)
{
    (void)state;
    assert_true(fabs(umb__alone_on_units(10, 1, 2, 64) - 10) < 1e-9);
    assert_true(fabs(umb__alone_on_units(10, 2, 2, 1) - 20) < 1e-9);
    assert_true(fabs(umb__alone_on_units(10, 3, 2, 3) - 5) < 1e-9);
    assert_true(fabs(umb__alone_on_units(12, 8, 2, 4) - 6) < 1e-9);
    assert_true(fabs(umb__alone_on_units(12, 8, 2, 64) - 3) < 1e-9);
    assert_true(fabs(umb__alone_on_units(12, 0, 2, 8) - 3) < 1e-9);
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
        cmocka_unit_test(a_chain_takes_the_sum),
        cmocka_unit_test(a_fork_and_join),
        cmocka_unit_test(independent_steps_fill_the_units),
        cmocka_unit_test(wide_steps_add_up),
        cmocka_unit_test(two_devices_work_apart),
        cmocka_unit_test(nothing_takes_nothing),
        cmocka_unit_test(no_schedule_beats_the_bound),
        cmocka_unit_test(the_search_finds_known_optima),
        cmocka_unit_test(other_numbers_of_units),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
