/*
 * A small training with relations that are learned: the penalty among the losses, a row of
 * relations an epoch, a picture in the report; and the same rows where it was stopped and resumed.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "loop.h"

#include "alloc.h"
#include "data_files.h"
#include "system.h"
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

#define STEPS 4 /* an epoch */

static const char text[] =
    "data: {pictures: {format: shapes, count: 64}}\n"
    "trunks:\n"
    "  what: &layers\n"
    "    - conv: {filters: 4, size: 5, stride: 3, activation: relu}\n"
    "    - flatten\n"
    "    - dense: {units: 8, activation: relu}\n"
    "  hue: *layers\n"
    "share: {start: equal, mtrl: {lambda2: 0.01, every: 3, epsilon: 0.01}}\n"
    "tasks:\n"
    "  shape: {trunk: what, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"
    "  colour: {trunk: hue, target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n"
    "train: {epochs: 2, batch: 16, log_every: 1, seed: 3}\n";

static void stop_at(void *user, const struct umb_loop_report *report)
{
    volatile sig_atomic_t *stop = user;
    if (report->news == UMB_NEWS_STEP && report->step >= STEPS + 1) { *stop = 1; }
}

/* Stopped within the second epoch, if so asked. */
static enum umb_status train(const char *path, bool resume, bool stops)
{
    struct umb_context *ctx = NULL;
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    struct umb_device *device = NULL;
    struct umb_trainer *tr = NULL;
    struct umb_run *run = NULL;
    volatile sig_atomic_t stop = 0;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    enum umb_status st = umb__experiment_read(ctx, "soft.yaml", NULL, 0, &exp);
    if (st == UMB_OK) { st = umb__experiment_open(exp); }
    if (st == UMB_OK) { st = umb__experiment_net(exp, &net); }
    if (st == UMB_OK) { st = umb_device_open(ctx, NULL, &device); }
    const struct umb_trainer_desc desc = {.device = device,
                                          .net = net,
                                          .batch = 16,
                                          .optimizer = "adam",
                                          .seed = 3,
                                          .soft = exp ? exp->share : NULL};
    if (st == UMB_OK) { st = umb_trainer_create(ctx, &desc, &tr); }
    if (st == UMB_OK) {
        st = resume ? umb__run_open(ctx, path, NULL, true, &run)
                    : umb__run_create(ctx, exp, path, &run);
    }
    const struct umb_loop_desc loop = {.exp = exp,
                                       .trainer = tr,
                                       .device_name = "a device",
                                       .run = run,
                                       .resume = resume,
                                       .stop = &stop,
                                       .listener = stops ? stop_at : NULL,
                                       .user = (void *)(uintptr_t)&stop};
    if (st == UMB_OK) { st = umb__loop_run(ctx, &loop); }
    if (st != UMB_OK && st != UMB_ERR_INTERRUPTED) { fail_msg("%s", umb_context_error(ctx)); }
    umb__run_close(run);
    umb_trainer_destroy(tr);
    umb_device_close(device);
    umb_net_destroy(net);
    umb__experiment_destroy(exp);
    umb_context_destroy(ctx);
    return st;
}

static char *contents(const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_text(path);
}

/* The rows of an event, without what is a time. */
static json_t *rows_of(const char *folder, const char *event)
{
    char *data = contents(folder, "metrics.jsonl");
    json_t *rows = json_array();
    for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *row = json_loads(line, 0, NULL);
        if (strcmp(json_string_value(json_object_get(row, "event")), event) == 0) {
            json_object_del(row, "ms");
            json_array_append(rows, row);
        }
        json_decref(row);
    }
    umb__free(data);
    return rows;
}

static double at(const json_t *row, const char *key, size_t t, size_t s)
{
    return json_number_value(json_array_get(json_array_get(json_object_get(row, key), t), s));
}

static void losses_have_the_penalty(const char *folder)
{
    json_t *steps = rows_of(folder, "step");
    double most = 0;
    assert_int_equal(json_array_size(steps), 2 * STEPS);
    for (size_t i = 0; i < 2 * STEPS; i++) {
        const json_t *losses = json_object_get(json_array_get(steps, i), "losses");
        const json_t *share = json_object_get(losses, "share");
        assert_true(json_object_size(losses) == 3 && json_is_real(share));
        most = fmax(most, json_number_value(share));
    }
    assert_true(most > 0);
    json_decref(steps);
}

static void epochs_have_their_relations(const char *folder)
{
    json_t *rows = rows_of(folder, "relations");
    assert_int_equal(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i), *names = json_object_get(row, "trunks");
        assert_int_equal(json_integer_value(json_object_get(row, "step")), (int)(i + 1) * STEPS);
        assert_string_equal(json_string_value(json_array_get(names, 1)), "hue");
        const double trace = at(row, "omega", 0, 0) + at(row, "omega", 1, 1);
        assert_true(fabs(trace - 1.02) < 1e-6);
        const double expected =
            at(row, "omega", 0, 1) / sqrt(at(row, "omega", 0, 0) * at(row, "omega", 1, 1));
        assert_true(fabs(at(row, "correlations", 1, 0) - expected) < 1e-6);
        assert_true(expected > 0.5); /* they began as one */
    }
    json_decref(rows);
}

static void a_run_tells_what_it_shares(void **state)
{
    (void)state;
    assert_int_equal(train("whole", false, false), UMB_OK);
    losses_have_the_penalty("whole");
    epochs_have_their_relations("whole");
    char *log = contents("whole", "log.txt"), *report = contents("whole", "report.html");
    assert_non_null(strstr(log, "soft sharing: conv1.weight, conv1.bias, dense1.weight, "
                                "dense1.bias ("));
    const char *picture = strstr(report, "correlations of Ω at step 8");
    assert_non_null(picture);
    assert_non_null(strstr(picture, ">hue</text>"));
    assert_non_null(strstr(picture, "fill=\"#b2182b\"")); /* the diagonal's 1 */
    assert_non_null(strstr(report, "soft sharing: penalty by step"));
    umb__free(log);
    umb__free(report);
}

static void a_resumed_run_tells_the_same(void **state)
{
    (void)state;
    static const char *const events[] = {"step", "epoch", "relations"};
    assert_int_equal(train("stopped", false, true), UMB_ERR_INTERRUPTED);
    assert_int_equal(train("stopped", true, false), UMB_OK);
    for (size_t i = 0; i < 3; i++) {
        json_t *a = rows_of("whole", events[i]), *b = rows_of("stopped", events[i]);
        assert_true(json_array_size(a) > 0 && json_equal(a, b));
        json_decref(a);
        json_decref(b);
    }
}

static char folder[] = "/tmp/umbel-soft-loop-XXXXXX";

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0) { return -1; }
    return umb__file_write(NULL, "soft.yaml", text, sizeof text - 1) == UMB_OK ? 0 : -1;
}

static int drop(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s;
    (void)kind;
    (void)where;
    return remove(path);
}

static int leave(void **state)
{
    (void)state;
    return chdir("/") == 0 ? nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_run_tells_what_it_shares),
                                       cmocka_unit_test(a_resumed_run_tells_the_same)};
    return cmocka_run_group_tests_name("soft loop", tests, enter, leave);
}
