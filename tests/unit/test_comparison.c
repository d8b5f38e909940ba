/*
 * test_comparison.c: what a comparison makes of runs: which epoch and which split count, means,
 * intervals, gains and tests against values worked out by SciPy or by hand; and the experiments
 * that it trains.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "comparison.h"

#include "exp_edit.h"
#include "system.h"
#include "text.h"
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Two streams, two trunks, an early stop that watches one task. */
static const char text[] =
    "name: small\n"
    "data:\n"
    "  a: {format: shapes, count: 60, validation: 0.2}\n"
    "  b: {format: shapes, count: 40, seed: 2}\n"
    "trunks:\n"
    "  one: [{flatten: {}}]\n"
    "  two: [{flatten: {}}]\n"
    "tasks:\n"
    "  shape: {data: a, trunk: one, target: shape, head: [{dense: {units: 4}}], loss: "
    "cross_entropy, metrics: [accuracy, f1]}\n"
    "  place: {data: b, trunk: two, target: position, head: [{dense: {units: 2}}], loss: mse}\n"
    "train: {epochs: 3, seed: 7, early_stop: {patience: 2, metric: place.mae}}\n";

/* A folder of its own. */
static char home[] = "/tmp/umbel-comparison-XXXXXX";

static int drop(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    const bool keep = place->level == 0 || strcmp(path + place->base, "small.yaml") == 0;
    return keep ? 0 : remove(path);
}

static void drop_runs(void)
{
    assert_int_equal(nftw(home, drop, 16, FTW_DEPTH | FTW_PHYS), 0);
}

struct rig {
    struct umb_context *ctx;
    struct umb_experiment *exp;
    struct umb_comparison *c;
};

static void check(const struct rig *r, enum umb_status st, const char *what)
{
    if (st != UMB_OK) {
        fail_msg("%s: %s: %s", what, umb_status_name(st), umb_context_error(r->ctx));
    }
}

static void open_rig(struct rig *r, size_t n_seeds)
{
    static const char *const methods[] = {"equal", "mgda"};
    *r = (struct rig){0};
    drop_runs();
    assert_int_equal(umb_context_create(NULL, &r->ctx), UMB_OK);
    check(r, umb__experiment_read(r->ctx, "small.yaml", NULL, 0, &r->exp), "read");
    check(r, umb__comparison_create(r->exp, methods, 2, n_seeds, &r->c), "create");
}

static void close_rig(struct rig *r)
{
    umb__comparison_destroy(r->c);
    umb__experiment_destroy(r->exp);
    umb_context_destroy(r->ctx);
}

static void near(double got, double expected, const char *what)
{
    if (fabs(got - expected) <= 1e-9 * fmax(1, fabs(expected))) { return; }
    fail_msg("%s is %.15g, expected %.15g", what, got, expected);
}

/* The experiments that are trained. */

static enum umb_status keep_one(const void *task, struct umb_yaml_tree *tree)
{
    umb__exp_keep_tasks(tree, (const char *const *)task, 1);
    return UMB_OK;
}

static void a_task_alone_has_its_own_data_and_trunk(void **state)
{
    (void)state;
    struct rig r;
    const char *task = "shape";
    struct umb_experiment *alone = NULL;
    open_rig(&r, 1);
    check(&r, umb__experiment_read_edited(r.ctx, "small.yaml", NULL, 0, keep_one, &task, &alone),
          "alone");
    assert_int_equal(alone->n_tasks, 1);
    assert_int_equal(alone->n_data, 1);
    assert_int_equal(alone->n_trunks, 1);
    assert_string_equal(alone->task[0].name, "shape");
    assert_string_equal(alone->data[0].name, "a");
    assert_string_equal(alone->trunk[0].name, "one");
    assert_null(alone->train.early_stop.task); /* place is gone: the score is watched */
    assert_int_equal(alone->train.early_stop.patience, 2);
    umb__experiment_destroy(alone);
    task = "place";
    check(&r, umb__experiment_read_edited(r.ctx, "small.yaml", NULL, 0, keep_one, &task, &alone),
          "alone");
    assert_string_equal(alone->train.early_stop.task, "place");
    assert_string_equal(alone->trunk[0].name, "two");
    umb__experiment_destroy(alone);
    close_rig(&r);
}

/* A tree before and behind an edit. */
static void expect_edit(const char *before, const char *task, const char *balancer,
                        const char *expected)
{
    struct umb_context *ctx = NULL;
    struct umb_yaml_tree *tree = NULL;
    char *after = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__yaml_parse(ctx, "x", before, strlen(before), &tree), UMB_OK);
    if (task) { umb__exp_keep_tasks(tree, &task, 1); }
    if (balancer) { assert_int_equal(umb__exp_set_balancer(tree, balancer, "x"), UMB_OK); }
    assert_int_equal(umb__yaml_write(tree, &after), UMB_OK);
    assert_string_equal(after, expected);
    umb__free(after);
    umb__yaml_destroy(tree);
    umb_context_destroy(ctx);
}

/* Whatever the sections are, the reader is to say what is wrong with them. */
static void edits_pass_over_what_is_wrong(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}\n",
        "tasks: 1\n",
        "tasks: [1, 2]\n",
        "tasks: {a: 1}\ndata: x\ntrunks: [1]\n",
        "tasks: {a: {data: [1]}}\ndata: {x: 1}\ntrain: 3\n",
        "tasks: {a: 1}\ntrain: {early_stop: 1, freeze: {pattern: [1]}, rates: [1]}\n",
        "tasks: {a: {}}\ntrain: {early_stop: {metric: [1]}, freeze: 3}\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        expect_edit(texts[i], "a", "equal", texts[i]);
    }
}

static void what_is_said_of_others_goes(void **state)
{
    (void)state;
    expect_edit("tasks: {a: {data: x}, b: {data: y}}\ndata: {x: 1, y: 2}\nshare: 1\n"
                "train: {freeze: [a.*, b.*, {pattern: b.dense1.*, from: 2}], rates: {b.*: 2, ab.*: "
                "3}, balancer: mgda}\n",
                "a", NULL,
                "tasks: {a: {data: x}}\ndata: {x: 1}\n"
                "train: {freeze: [a.*], rates: {ab.*: 3}}\n");
    expect_edit("tasks: {a: {trunk: x}, b: {trunk: y}}\ntrunks: {x: 1, y: 2}\n"
                "train: {freeze: y.*, seed: 1}\n",
                "a", NULL, "tasks: {a: {trunk: x}}\ntrunks: {x: 1}\ntrain: {seed: 1}\n");
}

static void balancers_are_set(void **state)
{
    (void)state;
    expect_edit("train: {epochs: 3}\n", NULL, "mgda", "train: {epochs: 3, balancer: mgda}\n");
    expect_edit("train: {balancer: dwa}\n", NULL, "mgda", "train: {balancer: mgda}\n");
    expect_edit("train: {balancer: dwa, seed: 2}\n", NULL, "equal", "train: {seed: 2}\n");
    expect_edit("train: {balancer: {cagrad: {c: 0.2}}}\n", NULL, "cagrad",
                "train: {balancer: {cagrad: {c: 0.2}}}\n");
    expect_edit("train: {balancer: {cagrad: {c: 0.2}}}\n", NULL, "mgda",
                "train: {balancer: mgda}\n");
}

/* Runs. */

static void add_row(struct umb_run *run, int64_t epoch, const char *split, const char *task,
                    const char *metric, double value)
{
    json_t *row =
        json_pack("{s:s, s:I, s:s, s:s, s:f}", "event", "epoch", "epoch", (json_int_t)epoch,
                  "split", split, "task", task, strcmp(task, "*") == 0 ? "score" : "loss", value);
    if (metric) { json_object_set_new(row, metric, json_real(value)); }
    assert_int_equal(umb__run_event(run, row), UMB_OK);
}

/* Two epochs; validation liked the first, whose test values are the ones given. value 0: a task
 * that the run does not train. */
static void write_run(struct rig *r, const char *folder, double shape, double place,
                      bool validation, int64_t steps)
{
    struct umb_run *run = NULL;
    check(r, umb__run_create(r->ctx, r->exp, folder, &run), folder);
    for (int64_t epoch = 1; epoch <= 2; epoch++) {
        const double worse = epoch == 1 ? 0 : 0.01;
        if (shape > 0) { add_row(run, epoch, "test", "shape", "accuracy", shape - worse); }
        if (place > 0) { add_row(run, epoch, "test", "place", "mae", place + worse); }
        if (validation) { add_row(run, epoch, "validation", "*", NULL, 0.9 - worse); }
    }
    assert_int_equal(
        umb__run_event(run, json_pack("{s:s, s:i, s:i, s:I, s:f}", "event", "end", "epochs", 2,
                                      "best_epoch", 1, "steps", (json_int_t)steps, "seconds", 1.5)),
        UMB_OK);
    umb__run_close(run);
}

static bool take(struct rig *r, size_t run_index, size_t seed, const char *folder, int64_t epochs)
{
    struct umb_run *run = NULL;
    bool done = false;
    check(r, umb__run_open(r->ctx, folder, NULL, false, &run), folder);
    check(r, umb__comparison_take(r->c, run_index, seed, run, epochs, &done), folder);
    umb__run_close(run);
    return done;
}

/* Accuracies as in test_statistics.c: mgda is better than single by 0.0013, equal worse by 0.01 in
 * every seed. The distance's single mean is 0.2. */
static const double shape_single[] = {0.9860, 0.9881, 0.9890, 0.9861, 0.9893};
static const double shape_mgda[] = {0.9871, 0.9902, 0.9888, 0.9879, 0.9910};
static const double place_single[] = {0.19, 0.20, 0.21, 0.20, 0.20};
static const double place_mgda[] = {0.18, 0.19, 0.20, 0.19, 0.19};

static void fill(struct rig *r, bool validation)
{
    char folder[UMB_COMPARISON_FOLDER];
    for (size_t s = 0; s < r->c->n_seeds; s++) {
        const double shape[] = {shape_single[s], 0, shape_single[s] - 0.01, shape_mgda[s]};
        const double place[] = {0, place_single[s], place_single[s] + 0.002 * (double)s,
                                place_mgda[s]};
        for (size_t i = 0; i < r->c->n_runs; i++) {
            umb__comparison_folder(r->c, i, s, folder);
            write_run(r, folder, shape[i], place[i], validation, i == 1 ? 20 : 30);
            assert_true(take(r, i, s, folder, 2));
        }
    }
}

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

static bool says(struct rig *r, const char *expected);

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

static bool says(struct rig *r, const char *expected)
{
    struct umb_text notes = {0};
    umb__comparison_notes(r->c, &notes);
    const bool found = strstr(umb__text_string(&notes), expected) != NULL;
    if (!found) { print_message("# '%s'\n", umb__text_string(&notes)); }
    umb__text_finish(&notes);
    return found;
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
    struct umb_comparison *c = NULL;
    bool done = false;
    enum umb_status st = umb__comparison_create(r->exp, methods, 1, 2, &c);
    if (st == UMB_OK) { st = umb__comparison_take(c, 2, 0, run, 2, &done); }
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

/* Before and behind all of them. */

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(home) || chdir(home) != 0) { return -1; }
    FILE *f = fopen("small.yaml", "w");
    return f && fputs(text, f) >= 0 && fclose(f) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    drop_runs();
    return remove("small.yaml") == 0 && chdir("/") == 0 && rmdir(home) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_alone_has_its_own_data_and_trunk),
        cmocka_unit_test(edits_pass_over_what_is_wrong),
        cmocka_unit_test(what_is_said_of_others_goes),
        cmocka_unit_test(balancers_are_set),
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
    return cmocka_run_group_tests(tests, enter, leave);
}
