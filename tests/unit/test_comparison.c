/*
 * test_comparison.c: what a comparison makes of runs: which epoch and which split count, means,
 * intervals, gains and tests against values worked out by SciPy or by hand.
 */
#include "comparison_rig.h"
#include "system.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void folders_have_names(void **state)
{
    (void)state;
    struct rig r;
    char folder[UMB_COMPARISON_FOLDER];
    open_rig(&r, 2);
    assert_int_equal(r.c->n_runs, 4);
    assert_string_equal(umb__comparison_folder(r.c, 0, 0, folder), "single-shape-seed7");
    assert_string_equal(umb__comparison_folder(r.c, 1, 1, folder), "single-place-seed8");
    assert_string_equal(umb__comparison_folder(r.c, 3, 1, folder), "mgda-seed8");
    close_rig(&r);
}

static void figures_are_right(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, 5);
    fill(&r, true);
    assert_int_equal(r.c->n_rows, 3); /* accuracy, f1, mae */
    const struct umb_comparison_figure single = umb__comparison_figure(r.c, 0, 0),
                                       equal = umb__comparison_figure(r.c, 0, 1),
                                       mgda = umb__comparison_figure(r.c, 0, 2);
    near(single.value.mean, 0.9877, "single's accuracy");
    assert_true(isnan(single.gain) && isnan(single.p_single));
    near(mgda.value.mean, 0.989, "mgda's accuracy");
    near(mgda.value.half, 0.001992474196174453, "its interval");
    near(mgda.gain, 0.0013 / 0.9877, "its gain");
    near(mgda.gain_half, (0.0024346118805580793 - 0.0001653881194419451) / 2 / 0.9877,
         "the gain's interval");
    near(mgda.p_single, 0.03349811202646656, "p against single");
    near(equal.gain, -0.01 / 0.9877, "equal's gain");
    assert_true(isnan(equal.p_first));
    assert_true(mgda.p_first < 1e-3);
    close_rig(&r);
}

/* Of a distance less is better. Δm is the mean over tasks; all rows of place differ by 0.01. */
static void delta_m_is_the_mean_of_gains(void **state)
{
    (void)state;
    struct rig r;
    struct umb_comparison_figure f;
    open_rig(&r, 5);
    fill(&r, true);
    near(umb__comparison_figure(r.c, 2, 2).gain, 0.05, "a shorter distance");
    near(umb__comparison_figure(r.c, 2, 1).gain, -0.02, "a longer distance");
    check(&r, umb__comparison_all(r.c, 2, &f), "all");
    near(f.gain, (0.0013 / 0.9877 + 0.05) / 2, "mgda's Δm");
    near(f.gain_half, (0.0024346118805580793 - 0.0001653881194419451) / 4 / 0.9877, "its interval");
    assert_true(f.p_single < 1e-3 && f.p_first < 1e-3);
    check(&r, umb__comparison_all(r.c, 1, &f), "all");
    near(f.gain, (-0.01 / 0.9877 - 0.02) / 2, "equal's Δm");
    close_rig(&r);
}

/* All together for shape; place by itself: runs that there are anyway. */
static void groups_are_a_way(void **state)
{
    (void)state;
    struct rig r;
    char folder[UMB_COMPARISON_FOLDER];
    const struct umb_grouping groups = {
        .n_groups = 2, .group = {3, 2}, .served_by = {0, 1}, .mean = 0.25, .bound = 0.5};
    const double affinity[4] = {1, 0.5, -0.25, 1};
    open_rig(&r, 5);
    fill(&r, true);
    check(&r, umb__comparison_add_groups(r.c, &groups, affinity), "groups");
    assert_int_equal(r.c->n_runs, 6);
    assert_int_equal(r.c->n_ways, 4);
    assert_string_equal(r.c->way[3], "groups");
    assert_null(umb__comparison_method(r.c, 4));
    assert_string_equal(umb__comparison_method(r.c, 3), "mgda");
    assert_true(umb__comparison_group(r.c, 3) == 0 && umb__comparison_group(r.c, 4) == 3);
    near(umb__comparison_figure(r.c, 0, 2).value.mean, 0.989, "mgda's accuracy, as before");
    assert_true(isnan(umb__comparison_figure(r.c, 0, 3).value.mean));
    for (size_t s = 0; s < 5; s++) {
        umb__comparison_folder(r.c, 4, s, folder);
        assert_int_equal(strncmp(folder, "equal-seed", 10), 0);
        assert_true(take(&r, 4, s, folder, 2));
        umb__comparison_folder(r.c, 5, s, folder);
        assert_int_equal(strncmp(folder, "single-place-seed", 17), 0);
        assert_true(take(&r, 5, s, folder, 2));
    }
    near(umb__comparison_figure(r.c, 0, 3).value.mean, 0.9777, "accuracy of all together");
    near(umb__comparison_figure(r.c, 2, 3).gain, 0, "the distance alone");
    assert_true(says(&r, "Group 1: shape, place (helps).\nGroup 2: place.\n"));
    assert_true(says(&r, "is 0.25, the best found; no cover has more than 0.5."));
    json_t *all = umb__comparison_json(r.c);
    double there = 0;
    const char *served = NULL;
    assert_int_equal(json_unpack(all, "{s:{s:[[f,F],[f,f]], s:[{s:[s,s], s:[s]}, {}]}}", "groups",
                                 "affinity", &(double){0}, &there, &(double){0}, &(double){0},
                                 "groups", "tasks", &(const char *){0}, &(const char *){0},
                                 "serves", &served),
                     0);
    near(there, 0.5, "affinity of shape for place");
    assert_string_equal(served, "shape");
    json_decref(all);
    close_rig(&r);
}

/* Accuracy is worse in every seed; the distance by 0, 0.002 … 0.008: 0.004 ± 0.0039. */
static void negative_transfer_is_named(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, 5);
    fill(&r, true);
    assert_true(umb__comparison_is_worse(r.c, 0, 1));
    assert_true(umb__comparison_is_worse(r.c, 2, 1));
    assert_false(umb__comparison_is_worse(r.c, 0, 2));
    assert_false(umb__comparison_is_worse(r.c, 1, 1)); /* f1 was not measured, and is no first */
    assert_true(says(&r, "Negative transfer: shape by equal, Δ -1.01 ± 0.00 %"));
    assert_true(says(&r, "Negative transfer: place by equal, Δ -2.00 ± 1.96 %"));
    assert_true(says(&r, "place alone was trained for 20 steps, by equal for 30"));
    assert_true(says(&r, "the epoch counts that its validation data chose.\n"));
    close_rig(&r);
}

static void without_validation_the_last_epoch_counts(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, 2);
    fill(&r, false);
    near(r.c->row[0].value[0], 0.9860 - 0.01, "the last epoch's accuracy");
    assert_true(says(&r, "There is no validation data: of each run the last epoch counts"));
    close_rig(&r);
}

static void one_seed_has_no_interval(void **state)
{
    (void)state;
    struct rig r;
    struct umb_comparison_figure f;
    open_rig(&r, 1);
    fill(&r, true);
    f = umb__comparison_figure(r.c, 0, 1);
    near(f.gain, -0.01 / 0.9860, "a gain");
    assert_true(isnan(f.gain_half) && isnan(f.p_single) && isnan(f.value.half));
    check(&r, umb__comparison_all(r.c, 1, &f), "all");
    assert_true(isfinite(f.gain) && isnan(f.gain_half));
    assert_false(umb__comparison_is_worse(r.c, 0, 1));
    assert_true(says(&r, "there are no intervals and no tests"));
    close_rig(&r);
}

static void what_has_not_ended_is_missing(void **state)
{
    (void)state;
    struct rig r;
    struct umb_run *run = NULL;
    struct umb_comparison_figure f;
    bool done = true;
    open_rig(&r, 2);
    fill(&r, true);
    /* Seen as a run of three epochs it has not ended; as one of a single epoch it has too many. */
    assert_false(take(&r, 2, 0, "equal-seed7", 3));
    check(&r, umb__run_open(r.ctx, "equal-seed7", NULL, false, &run), "open");
    assert_int_equal(umb__comparison_take(r.c, 2, 0, run, 1, &done), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(r.ctx), "equal-seed7: has 2 epochs"));
    umb__run_close(run);
    struct umb_comparison *whole = r.c;
    static const char *const methods[] = {"equal", "mgda"};
    check(&r, umb__comparison_create(r.exp, methods, 2, 2, &r.c), "create");
    assert_true(take(&r, 2, 0, "equal-seed7", 2));
    f = umb__comparison_figure(r.c, 0, 1);
    assert_true(isnan(f.value.mean) && isnan(f.gain));
    check(&r, umb__comparison_all(r.c, 1, &f), "all");
    assert_true(isnan(f.gain));
    assert_true(says(&r, "7 of 8 runs have not ended"));
    umb__comparison_destroy(whole);
    close_rig(&r);
}

/* Alone it is never right: no share of that can be given, and this is said. */
static void a_base_of_zero_is_said(void **state)
{
    (void)state;
    struct rig r;
    struct umb_comparison_figure f;
    open_rig(&r, 2);
    fill(&r, true);
    r.c->row[0].value[0] = r.c->row[0].value[1] = 0;
    assert_true(isnan(umb__comparison_figure(r.c, 0, 1).gain));
    check(&r, umb__comparison_all(r.c, 1, &f), "all");
    assert_true(isnan(f.gain));
    assert_true(says(&r, "shape: accuracy is 0 alone, so no Δ can be given"));
    close_rig(&r);
}

/* Forms. */

static double real_at(const json_t *json, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json = json_object_get(json, keys[i]);
    }
    return json_is_number(json) ? json_number_value(json) : (double)NAN;
}

static void json_and_page_hold_the_numbers(void **state)
{
    (void)state;
    struct rig r;
    static const char *const mean[] = {"tasks", "shape", "metrics", "accuracy", "mgda", "mean"},
                             *const delta[] = {"delta_m", "equal", "delta"},
                             *const p[] = {"tasks", "place", "metrics", "mae", "equal", "p_first"};
    open_rig(&r, 5);
    fill(&r, true);
    json_t *all = umb__comparison_json(r.c);
    assert_non_null(all);
    near(real_at(all, mean, COUNT(mean)), 0.989, "the mean");
    near(real_at(all, delta, COUNT(delta)), (-0.01 / 0.9877 - 0.02) / 2, "Δm");
    assert_true(isnan(real_at(all, p, COUNT(p))));
    assert_int_equal(json_array_size(json_object_get(all, "negative_transfer")), 2);
    assert_int_equal(json_array_size(json_object_get(all, "runs")), 20);
    json_decref(all);
    check(&r, umb__comparison_page(r.c, "page.html"), "page");
    char *page = NULL;
    size_t size = 0;
    check(&r, umb__file_read(r.ctx, "page.html", 1 << 20, &page, &size), "read");
    assert_non_null(strstr(page, ">-1.51 %</td>"));
    assert_non_null(strstr(page, ">-1.51 ± "));
    assert_non_null(strstr(page, "<li>Negative transfer: shape by equal"));
    assert_non_null(strstr(page, "href=\"mgda-seed11/report.html\""));
    umb__free(page);
    close_rig(&r);
}

/* Every allocation fails once, until all is well. */

static enum umb_status whole(struct rig *r, const struct umb_run *run)
{
    static const char *const methods[] = {"equal"};
    /* enough that their notes outgrow their first memory within a line */
    const struct umb_grouping groups = {.n_groups = 3, .group = {3, 2, 3}, .served_by = {0, 1}};
    const double affinity[4] = {1, 0.5, -0.25, 1};
    struct umb_comparison *c = NULL;
    bool done = false;
    enum umb_status st = umb__comparison_create(r->exp, methods, 1, 2, &c);
    if (st == UMB_OK) { st = umb__comparison_take(c, 2, 0, run, 2, &done); }
    if (st == UMB_OK) { st = umb__comparison_add_groups(c, &groups, affinity); }
    if (st == UMB_OK) { st = umb__comparison_page(c, "page.html"); }
    umb__comparison_destroy(c);
    return st;
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    struct rig r;
    enum umb_status st = UMB_ERR_NO_MEMORY;
    open_rig(&r, 2);
    fill(&r, true);
    struct umb_run *run = NULL;
    check(&r, umb__run_open(r.ctx, "equal-seed7", NULL, false, &run), "open");
    uint64_t n = 0;
    const uint64_t live = umb__alloc_live();
    while (st == UMB_ERR_NO_MEMORY) {
        umb__alloc_fail_at(++n);
        st = whole(&r, run);
        umb__alloc_fail_at(0);
        assert_int_equal(umb__alloc_live(), live);
    }
    check(&r, st, "whole");
    assert_true(n > 20);
    umb__run_close(run);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_have_names),
        cmocka_unit_test(figures_are_right),
        cmocka_unit_test(delta_m_is_the_mean_of_gains),
        cmocka_unit_test(groups_are_a_way),
        cmocka_unit_test(negative_transfer_is_named),
        cmocka_unit_test(without_validation_the_last_epoch_counts),
        cmocka_unit_test(one_seed_has_no_interval),
        cmocka_unit_test(what_has_not_ended_is_missing),
        cmocka_unit_test(a_base_of_zero_is_said),
        cmocka_unit_test(json_and_page_hold_the_numbers),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, enter_comparisons, leave_comparisons);
}
