/*
 * Groups of tasks: against every cover there is for up to seven tasks, on real and on awkward
 * affinities, with its limits and its bound.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "group.h"
#include "rng.h"

#define MOST 64
static double Z[MOST * MOST];

/* ---- affinities ---- */

enum kind { SIGNED, POSITIVE, NEGATIVE, COARSE, BLOCKS, EQUAL, N_KINDS };

static double draw(uint64_t seed, size_t i)
{
    return (double)umb__random_unit(seed, UMB_RNG_TEST, 0, i);
}

static double made(enum kind kind, uint64_t seed, size_t i, size_t j, size_t T)
{
    const double u = draw(seed, i * T + j);
    switch (kind) {
    case SIGNED:
        return 2 * u - 1;
    case POSITIVE:
        return u;
    case NEGATIVE:
        return -u;
    case COARSE:
        return floor(5 * u) - 2; /* many covers are as good */
    case BLOCKS:
        return (i / 3 == j / 3) - 0.5 + 0.2 * u;
    default:
        return 0.25;
    }
}

static void fill(enum kind kind, uint64_t seed, size_t T)
{
    for (size_t i = 0; i < T * T; i++) {
        Z[i] = i / T == i % T ? (double)NAN : made(kind, seed, i / T, i % T, T);
    }
}

static struct umb_grouping group(size_t T, size_t K, uint64_t most_nodes)
{
    struct umb_grouping g;
    const struct umb_grouping_desc desc = {.T = T, .affinity = Z, .K = K, .most_nodes = most_nodes};
    assert_int_equal(umb__group_tasks(NULL, &desc, &g), UMB_OK);
    return g;
}

/* What an answer says of itself holds, whatever is in it. */
static void assert_holds(const struct umb_grouping *g, size_t T, size_t K)
{
    double sum = 0;
    uint64_t all = 0;
    assert_in_range(g->n_groups, 1, K);
    for (size_t k = 0; k < g->n_groups; k++) {
        all |= g->group[k];
    }
    assert_int_equal(all, T == 64 ? UINT64_MAX : (UINT64_C(1) << T) - 1);
    for (size_t t = 0; t < T; t++) {
        const size_t by = g->served_by[t];
        assert_true(by < g->n_groups && (g->group[by] >> t & 1));
        assert_true(fabs(g->gain[t] - umb__group_gain(T, Z, g->group[by], t)) < 1e-12);
        for (size_t k = 0; k < g->n_groups; k++) {
            if (!(g->group[k] >> t & 1)) { continue; }
            assert_true(umb__group_gain(T, Z, g->group[k], t) <= g->gain[t] + 1e-12);
        }
        sum += g->gain[t];
    }
    assert_true(fabs(g->mean - sum / (double)T) < 1e-12);
    assert_true(g->bound >= g->mean - 1e-12);
    assert_int_equal(g->exact, g->bound <= g->mean);
}

/* ---- every cover ---- */

struct every {
    size_t T, K;
    double gain[128][7]; /* by group, of each task; −∞: not in it */
    double best;
};

static void try_groups(struct every *e, size_t chosen, uint64_t first, const double *gain)
{
    double sum = 0, now[7];
    for (size_t t = 0; t < e->T; t++) {
        sum += gain[t];
    }
    e->best = fmax(e->best, sum / (double)e->T); /* −∞ while a task is left out */
    for (uint64_t g = first; chosen < e->K && g < (UINT64_C(1) << e->T); g++) {
        for (size_t t = 0; t < e->T; t++) {
            now[t] = fmax(gain[t], e->gain[g][t]);
        }
        try_groups(e, chosen + 1, g + 1, now);
    }
}

static double best_of_all(size_t T, size_t K)
{
    static struct every e;
    double none[7];
    e = (struct every){.T = T, .K = K, .best = -INFINITY};
    for (uint64_t g = 1; g < (UINT64_C(1) << T); g++) {
        for (size_t t = 0; t < T; t++) {
            e.gain[g][t] = g >> t & 1 ? umb__group_gain(T, Z, g, t) : -INFINITY;
        }
    }
    for (size_t t = 0; t < T; t++) {
        none[t] = -INFINITY;
    }
    try_groups(&e, 0, 1, none);
    return e.best;
}

static void compare(size_t T, size_t K, uint64_t n_seeds)
{
    for (enum kind kind = 0; kind < N_KINDS; kind++) {
        for (uint64_t seed = 1; seed <= n_seeds; seed++) {
            fill(kind, seed, T);
            const struct umb_grouping g = group(T, K, 0);
            const double best = best_of_all(T, K);
            assert_holds(&g, T, K);
            if (!g.exact || fabs(g.mean - best) > 1e-12) {
                fail_msg("T %zu, K %zu, kind %d, seed %d: %.15g%s, the best of all is %.15g", T, K,
                         (int)kind, (int)seed, g.mean, g.exact ? "" : " (not proved)", best);
            }
        }
    }
}

/* 127 groups of 7 tasks: all choices of up to three of them, and of more where tasks are fewer. */
static void no_cover_is_better(void **state)
{
    (void)state;
    for (size_t T = 1; T <= 7; T++) {
        for (size_t K = 1; K <= (T < 5 ? 5 : T < 6 ? 4 : 3); K++) {
            compare(T, K, T < 7 ? 8 : 3);
        }
    }
}

/* ---- what is known beforehand ---- */

static void one_task_stands_alone(void **state)
{
    (void)state;
    fill(SIGNED, 1, 1);
    const struct umb_grouping g = group(1, 3, 0);
    assert_holds(&g, 1, 3);
    assert_int_equal(g.group[0], 1);
    assert_true(g.exact && g.mean == 0);
}

/* Tasks that only harm each other, with a group for each; and without. */
static void who_harms_is_left_alone(void **state)
{
    (void)state;
    fill(NEGATIVE, 5, 6);
    struct umb_grouping g = group(6, 6, 0);
    assert_int_equal(g.n_groups, 6);
    assert_true(g.mean == 0);
    g = group(6, 1, 0);
    assert_int_equal(g.n_groups, 1);
    assert_true(g.mean < 0);
}

/* 3, 4 and 5 belong together, as do the three before: two groups are enough, a third is not used.
 */
static void blocks_are_found(void **state)
{
    (void)state;
    fill(BLOCKS, 7, 6);
    struct umb_grouping g = group(6, 2, 0);
    assert_int_equal(g.n_groups, 2);
    assert_int_equal(g.group[0], 7);
    assert_int_equal(g.group[1], 56);
    fill(EQUAL, 1, 6);
    g = group(6, 4, 0);
    assert_int_equal(g.n_groups, 1);
    assert_true(fabs(g.mean - 0.25) < 1e-15);
}

/* Task 0 helps 1 and 2, which harm it and each other: it is a helper in both their groups. */
static void a_task_may_help_in_several_groups(void **state)
{
    (void)state;
    const double rows[9] = {0, 1, 1, /**/ -1, 0, -1, /**/ -1, -1, 0};
    memcpy(Z, rows, sizeof rows);
    const struct umb_grouping g = group(3, 3, 0);
    assert_holds(&g, 3, 3);
    assert_true(fabs(g.mean - 2.0 / 3) < 1e-15);
    assert_int_equal(g.group[g.served_by[0]], 1);
    assert_int_equal(g.group[g.served_by[1]], 3);
    assert_int_equal(g.group[g.served_by[2]], 5);
}

/* Affinities that were not measured are refused, by their place. */
static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    struct umb_context *ctx;
    struct umb_grouping g = {.n_groups = 77};
    struct umb_grouping_desc desc = {.T = 4, .affinity = Z, .K = 2};
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    fill(SIGNED, 1, 4);
    Z[1 * 4 + 2] = (double)NAN;
    assert_int_equal(umb__group_tasks(ctx, &desc, &g), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(ctx), "of task 1 to task 2 is nan"));
    fill(SIGNED, 1, 4);
    desc.K = 0;
    assert_int_equal(umb__group_tasks(ctx, &desc, &g), UMB_ERR_INVALID);
    desc = (struct umb_grouping_desc){.T = 65, .affinity = Z, .K = 2};
    assert_int_equal(umb__group_tasks(ctx, &desc, &g), UMB_ERR_INVALID);
    assert_int_equal(g.n_groups, 77);
    umb_context_destroy(ctx);
}

static void no_memory_is_said(void **state)
{
    (void)state;
    const struct umb_grouping_desc desc = {.T = 6, .affinity = Z, .K = 2};
    const uint64_t live = umb__alloc_live();
    fill(SIGNED, 1, 6);
    for (uint64_t k = 1; k <= 2; k++) {
        struct umb_grouping g = {.n_groups = 77};
        umb__alloc_fail_at(k);
        assert_int_equal(umb__group_tasks(NULL, &desc, &g), UMB_ERR_NO_MEMORY);
        umb__alloc_fail_at(0);
        assert_int_equal(g.n_groups, 77);
        assert_int_equal(umb__alloc_live(), live);
    }
}

/* ---- size ---- */

/* Every K, and affinities among which the search has to look longest: a small part of its work. */
static void twelve_tasks_are_exact(void **state)
{
    (void)state;
    uint64_t most = 0;
    for (enum kind kind = 0; kind < N_KINDS; kind++) {
        for (size_t K = 1; K <= 12; K++) {
            fill(kind, 3, 12);
            const struct umb_grouping g = group(12, K, 0);
            assert_holds(&g, 12, K);
            assert_true(g.exact);
            most = g.nodes > most ? g.nodes : most;
        }
    }
    assert_in_range(most, 1000, UMB_GROUP_NODES / 4);
}

/* With hardly any work, the bound holds still, and the answer is the same twice. */
static void the_gap_is_told(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < N_KINDS; kind++) {
        fill(kind, 9, 12);
        const struct umb_grouping exact = group(12, 4, 0), g = group(12, 4, 50);
        assert_holds(&g, 12, 4);
        assert_true(g.nodes <= 50);
        assert_true(g.mean <= exact.mean + 1e-12 && exact.mean <= g.bound + 1e-12);
        const struct umb_grouping again = group(12, 4, 50);
        assert_memory_equal(&g, &again, sizeof g);
    }
}

static void many_tasks(void **state)
{
    (void)state;
    for (size_t T = 20; T <= MOST; T += 22) {
        fill(SIGNED, 4, T);
        const struct umb_grouping g = group(T, 8, 20000);
        assert_holds(&g, T, 8);
        assert_true(g.mean > 0.2); /* chance is 0, one helper of choice about 1 */
        assert_true(g.bound < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_cover_is_better),
        cmocka_unit_test(one_task_stands_alone),
        cmocka_unit_test(who_harms_is_left_alone),
        cmocka_unit_test(blocks_are_found),
        cmocka_unit_test(a_task_may_help_in_several_groups),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(twelve_tasks_are_exact),
        cmocka_unit_test(the_gap_is_told),
        cmocka_unit_test(many_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
