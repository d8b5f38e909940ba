/* A comparison of a small experiment, and runs as if they had been trained. */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "comparison_rig.h"

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

void check(const struct rig *r, enum umb_status st, const char *what)
{
    if (st != UMB_OK) {
        fail_msg("%s: %s: %s", what, umb_status_name(st), umb_context_error(r->ctx));
    }
}

void open_rig(struct rig *r, size_t n_seeds)
{
    static const char *const methods[] = {"equal", "mgda"};
    *r = (struct rig){0};
    drop_runs();
    assert_int_equal(umb_context_create(NULL, &r->ctx), UMB_OK);
    check(r, umb__experiment_read(r->ctx, "small.yaml", NULL, 0, &r->exp), "read");
    check(r, umb__comparison_create(r->exp, methods, 2, n_seeds, &r->c), "create");
}

void close_rig(struct rig *r)
{
    umb__comparison_destroy(r->c);
    umb__experiment_destroy(r->exp);
    umb_context_destroy(r->ctx);
}

void near(double got, double expected, const char *what)
{
    if (fabs(got - expected) <= 1e-9 * fmax(1, fabs(expected))) { return; }
    fail_msg("%s is %.15g, expected %.15g", what, got, expected);
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

bool take(struct rig *r, size_t run_index, size_t seed, const char *folder, int64_t epochs)
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

void fill(struct rig *r, bool validation)
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

bool says(struct rig *r, const char *expected)
{
    struct umb_text notes = {0};
    umb__comparison_notes(r->c, &notes);
    const bool found = strstr(umb__text_string(&notes), expected) != NULL;
    if (!found) { print_message("# '%s'\n", umb__text_string(&notes)); }
    umb__text_finish(&notes);
    return found;
}

/* Before and behind all of them. */

int enter_comparisons(void **state)
{
    (void)state;
    if (!mkdtemp(home) || chdir(home) != 0) { return -1; }
    FILE *f = fopen("small.yaml", "w");
    return f && fputs(text, f) >= 0 && fclose(f) == 0 ? 0 : -1;
}

int leave_comparisons(void **state)
{
    (void)state;
    drop_runs();
    return remove("small.yaml") == 0 && chdir("/") == 0 && rmdir(home) == 0 ? 0 : -1;
}
