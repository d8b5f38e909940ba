/*
 * test_loop.c: whole small trainings: what they write, and that one which was stopped and resumed
 * has the same bits as one that was not.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "loop.h"

#include "alloc.h"
#include "data_files.h"
#include "feed.h"
#include "report.h"
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

/* Two streams of unequal length, dropout, batch statistics, a partial last batch, every kind of
 * label, changed pictures, balanced classes: whatever has state. */
static const char text[] =
    "name: small\n"
    "data:\n"
    "  a: {format: shapes, count: 60, validation: 0.2, augment: {flip: 0.5, zoom: 0.2, rotate: "
    "10}}\n"
    "  b: {format: shapes, count: 40, seed: 2, augment: {flip: 0.5, shift: 0.1, contrast: 0.2}}\n"
    "trunk:\n"
    "  - conv: {filters: 6, size: 3, stride: 2, bias: false}\n"
    "  - batch_norm: {}\n"
    "  - relu: {}\n"
    "  - max_pool: {size: 2}\n"
    "  - flatten: {}\n"
    "  - dropout: {rate: 0.3}\n"
    "tasks:\n"
    "  shape: {data: a, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy, "
    "balance: weights}\n"
    "  round: {data: a, target: shape, map: {round: [0], angular: [1, 2]}, head: [{dense: {units: "
    "1}}], loss: binary_cross_entropy, metrics: [f1, accuracy], balance: sampler}\n"
    "  place: {data: b, target: position, head: [{dense: {units: 2}}], loss: mse, metrics: [mae], "
    "select: {loss: 0.7}}\n"
    "train: {epochs: 3, batch: 16, log_every: 1, optimizer: {adam: {rate: 0.003}}, clip_norm: 1}\n";

struct rig {
    struct umb_context *ctx;
    struct umb_experiment *exp;
    struct umb_net *net;
    struct umb_device *device;
    struct umb_trainer *trainer;
    struct umb_run *run;
    int64_t stop_behind; /* this step; 0: never */
    volatile sig_atomic_t stop;
    int64_t epochs_seen;
    bool stopped_early;
    double rate[4]; /* of every epoch, from 1 */
    bool first_is_slow;
};

static void check(struct rig *r, enum umb_status st, const char *what)
{
    if (st != UMB_OK) {
        fail_msg("%s: %s: %s", what, umb_status_name(st), umb_context_error(r->ctx));
    }
}

static void open_rig(struct rig *r, const char *const *sets, size_t n_sets)
{
    *r = (struct rig){0};
    assert_int_equal(umb_context_create(NULL, &r->ctx), UMB_OK);
    check(r, umb__experiment_read(r->ctx, "small.yaml", sets, n_sets, &r->exp), "read");
    check(r, umb__experiment_open(r->exp), "open");
    check(r, umb__experiment_net(r->exp, &r->net), "net");
    check(r, umb_device_open(r->ctx, NULL, &r->device), "device");
    const struct umb_exp_train *t = &r->exp->train;
    struct umb_trainer_desc desc = {.device = r->device,
                                    .net = r->net,
                                    .batch = t->batch,
                                    .optimizer = t->optimizer,
                                    .optimizer_attrs = t->optimizer_attrs,
                                    .clip_norm = t->clip_norm,
                                    .seed = t->seed};
    check(r, umb_trainer_create(r->ctx, &desc, &r->trainer), "trainer");
}

static void close_rig(struct rig *r)
{
    umb__run_close(r->run);
    umb_trainer_destroy(r->trainer);
    umb_device_close(r->device);
    umb_net_destroy(r->net);
    umb__experiment_destroy(r->exp);
    umb_context_destroy(r->ctx);
}

static void listen(void *user, const struct umb_loop_report *report)
{
    struct rig *r = user;
    if (report->news == UMB_NEWS_STEP && r->stop_behind && report->step >= r->stop_behind) {
        r->stop = 1;
    }
    if (report->news == UMB_NEWS_STEP && r->first_is_slow && report->epoch == 1) {
        umb__sleep_ns(300000000);
    }
    if (report->news == UMB_NEWS_EPOCH) {
        r->rate[++r->epochs_seen] = report->images_per_s;
        r->stopped_early = report->stopped_early;
    }
}

static enum umb_status run_loop(struct rig *r, const char *path, bool resume)
{
    check(r,
          resume ? umb__run_open(r->ctx, path, NULL, true, &r->run)
                 : umb__run_create(r->ctx, r->exp, path, &r->run),
          "run");
    struct umb_loop_desc desc = {.exp = r->exp,
                                 .trainer = r->trainer,
                                 .device_name = "a device",
                                 .run = r->run,
                                 .resume = resume,
                                 .stop = &r->stop,
                                 .listener = listen,
                                 .user = r};
    return umb__loop_run(r->ctx, &desc);
}

static enum umb_status train(const char *path, bool resume, int64_t stop_behind, const char *set)
{
    struct rig r;
    open_rig(&r, &set, set != NULL);
    r.stop_behind = stop_behind;
    enum umb_status st = run_loop(&r, path, resume);
    if (st != UMB_OK && st != UMB_ERR_INTERRUPTED) { check(&r, st, path); }
    close_rig(&r);
    return st;
}

/* Comparing. */

/* The lines that have no times in them, one after another. */
static char *epoch_rows(const char *path)
{
    char *all = read_text(path), *out = umb__calloc(NULL, strlen(all) + 1, 1);
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        if (strstr(line, "\"event\":\"epoch\"")) { strcat(strcat(out, line), "\n"); }
    }
    umb__free(all);
    return out;
}

static void assert_same_tensors(const char *a, const char *b)
{
    struct umb_context *ctx = NULL;
    struct umb_safetensors *x = NULL, *y = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__safetensors_read(ctx, a, &x), UMB_OK);
    assert_int_equal(umb__safetensors_read(ctx, b, &y), UMB_OK);
    assert_int_equal(umb__safetensors_count(x), umb__safetensors_count(y));
    for (size_t i = 0; i < umb__safetensors_count(x); i++) {
        const struct umb_safetensors_entry *e = umb__safetensors_at(x, i),
                                           *o = umb__safetensors_find(y, e->name);
        assert_non_null(o);
        size_t bytes = strcmp(e->dtype, "I64") == 0 ? 8 : 4;
        for (int d = 0; d < e->shape.rank; d++) {
            bytes *= (size_t)e->shape.dim[d];
        }
        if (memcmp(e->data, o->data, bytes) != 0) { fail_msg("%s differs", e->name); }
    }
    assert_string_equal(umb__safetensors_text(x, "umbel.step"),
                        umb__safetensors_text(y, "umbel.step"));
    umb__safetensors_destroy(x);
    umb__safetensors_destroy(y);
    umb_context_destroy(ctx);
}

static void assert_same_runs(const char *a, const char *b)
{
    char path[2][128];
    snprintf(path[0], sizeof path[0], "%s/metrics.jsonl", a);
    snprintf(path[1], sizeof path[1], "%s/metrics.jsonl", b);
    char *rows[2] = {epoch_rows(path[0]), epoch_rows(path[1])};
    assert_true(strlen(rows[0]) > 100);
    assert_string_equal(rows[0], rows[1]);
    umb__free(rows[0]);
    umb__free(rows[1]);
    snprintf(path[0], sizeof path[0], "%s/checkpoints/latest", a);
    snprintf(path[1], sizeof path[1], "%s/checkpoints/latest", b);
    assert_same_tensors(path[0], path[1]);
}

/* The cases. */

static void a_run_has_its_files(void **state)
{
    (void)state;
    static const char *const files[] = {"whole/experiment.yaml",
                                        "whole/metrics.jsonl",
                                        "whole/log.txt",
                                        "whole/trace.json",
                                        "whole/report.html",
                                        "whole/checkpoints/latest",
                                        "whole/checkpoints/epoch-3.safetensors",
                                        "whole/checkpoints/epoch-2.safetensors",
                                        "whole/checkpoints/best.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!umb__is_file(files[i])) { fail_msg("%s is not there", files[i]); }
    }
    assert_false(umb__is_file("whole/checkpoints/epoch-1.safetensors"));
    char target[64] = "";
    assert_true(readlink("whole/checkpoints/latest", target, sizeof target - 1) > 0);
    assert_string_equal(target, "epoch-3.safetensors");
}

static size_t count(const char *all, const char *what)
{
    size_t n = 0;
    for (const char *at = all; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    return n;
}

/* 3 epochs · (train 4 rows, validation 4 with nothing of b, test 4), 3 steps an epoch. */
static void metrics_have_every_row(void **state)
{
    (void)state;
    char *all = read_text("whole/metrics.jsonl");
    assert_int_equal(count(all, "\"event\":\"start\""), 1);
    assert_int_equal(count(all, "\"event\":\"step\""), 9);
    assert_int_equal(count(all, "\"event\":\"epoch\""), 36);
    assert_int_equal(count(all, "\"split\":\"validation\""), 12);
    assert_int_equal(count(all, "\"task\":\"*\""), 9);
    assert_int_equal(count(all, "\"event\":\"end\""), 1);
    assert_non_null(strstr(all, "\"task\":\"place\",\"loss\":null,\"mae\":null"));
    umb__free(all);
}

static void training_twice_gives_the_same_bits(void **state)
{
    (void)state;
    assert_int_equal(train("again", false, 0, NULL), UMB_OK);
    assert_same_runs("whole", "again");
}

/* Evaluation sees every sample once, whatever the split; training walks the longest stream. */
static void evaluation_reads_every_sample_once(void **state)
{
    (void)state;
    struct rig r;
    struct umb_split_results *results = umb__calloc(NULL, 1, sizeof *results);
    assert_non_null(results);
    open_rig(&r, NULL, 0);
    check(&r, umb__loop_evaluate(r.ctx, r.exp, r.trainer, UMB_SPLIT_TRAIN, results), "evaluate");
    assert_true(results->present);
    double once = results->task[2].loss;
    check(&r, umb__loop_evaluate(r.ctx, r.exp, r.trainer, UMB_SPLIT_TRAIN, results), "evaluate");
    assert_true(results->task[2].loss == once);
    struct umb_reader *reader = NULL;
    struct umb_feed *feed = NULL;
    struct umb_feed_batch batch;
    int64_t seen = 0;
    check(&r, umb__reader_create(r.ctx, 2, &reader), "reader");
    struct umb_feed_desc desc = {.exp = r.exp,
                                 .trainer = r.trainer,
                                 .reader = reader,
                                 .mode = UMB_TRAINER_EVALUATE,
                                 .split = UMB_SPLIT_TRAIN};
    check(&r, umb__feed_create(r.ctx, &desc, &feed), "feed");
    check(&r, umb__feed_start(feed, 0, umb__feed_batches(feed)), "start");
    for (int64_t i = 0; i < umb__feed_batches(feed); i++) {
        check(&r, umb__feed_next(feed, &batch), "next");
        seen += batch.images;
        umb__feed_done(feed);
        /* The feed goes on before this thread next takes the lock, as ThreadSanitizer needs it. */
        umb__sleep_ns(5000000);
    }
    assert_int_equal(seen, 48 + 40);
    umb__feed_destroy(feed);
    umb__reader_destroy(reader);
    umb__free(results);
    close_rig(&r);
}

static void another_seed_gives_other_bits(void **state)
{
    (void)state;
    assert_int_equal(train("other", false, 0, "train.seed=2"), UMB_OK);
    char *a = epoch_rows("whole/metrics.jsonl"), *b = epoch_rows("other/metrics.jsonl");
    assert_string_not_equal(a, b);
    umb__free(a);
    umb__free(b);
}

static void resuming_within_an_epoch_gives_the_same_bits(void **state)
{
    (void)state;
    assert_int_equal(train("within", false, 4, NULL), UMB_ERR_INTERRUPTED);
    assert_true(umb__is_file("within/checkpoints/step-5.safetensors"));
    assert_int_equal(train("within", true, 0, NULL), UMB_OK);
    assert_false(umb__is_file("within/checkpoints/step-5.safetensors"));
    assert_same_runs("whole", "within");
}

static void resuming_between_epochs_gives_the_same_bits(void **state)
{
    (void)state;
    assert_int_equal(train("between", false, 0, "train.epochs=1"), UMB_OK);
    assert_int_equal(train("between", true, 0, NULL), UMB_OK);
    assert_same_runs("whole", "between");
}

/* What a killed process wrote behind its last checkpoint is written again, not twice. */
static void rows_behind_the_checkpoint_are_cut(void **state)
{
    (void)state;
    assert_int_equal(train("cut", false, 0, "train.epochs=2"), UMB_OK);
    FILE *f = fopen("cut/metrics.jsonl", "a");
    assert_non_null(f);
    fputs("{\"event\":\"epoch\",\"epoch\":3,\"split\":\"train\",\"task\":\"*\"}\n{\"half", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(train("cut", true, 0, NULL), UMB_OK);
    assert_same_runs("whole", "cut");
}

/* Its end is cut off with what is behind the checkpoint, and written again. */
static void a_complete_run_is_left_alone(void **state)
{
    (void)state;
    char *before = read_text("again/metrics.jsonl");
    assert_int_equal(train("again", true, 0, NULL), UMB_OK);
    char *after = read_text("again/metrics.jsonl"), *end = strstr(before, "{\"event\":\"end\"");
    assert_non_null(end);
    assert_int_equal(strncmp(before, after, (size_t)(end - before)), 0);
    assert_int_equal(count(after, "\"event\":\"end\",\"epochs\":3,\"steps\":9"), 1);
    assert_int_equal(count(after, "\n"), count(before, "\n"));
    umb__free(before);
    umb__free(after);
}

static void early_stop_stops(void **state)
{
    (void)state;
    static const char *const sets[] = {"train.epochs=9",
                                       "train.early_stop={patience: 2, minimum_change: 5}"};
    struct rig r;
    open_rig(&r, sets, 2);
    check(&r, run_loop(&r, "early", false), "early");
    assert_int_equal(r.epochs_seen, 3);
    assert_true(r.stopped_early);
    close_rig(&r);
}

/* Were it the rate since the start, an epoch as long as the slow one before it at most doubled it.
 */
static void the_rate_is_the_epochs_own(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, &(const char *){"train.epochs=2"}, 1);
    r.first_is_slow = true;
    check(&r, run_loop(&r, "rate", false), "rate");
    close_rig(&r);
    if (r.rate[2] < 3 * r.rate[1]) { fail_msg("%g, then %g images/s", r.rate[1], r.rate[2]); }
}

static void a_loss_that_is_not_finite_ends_it(void **state)
{
    (void)state;
    static const char *const sets[] = {"train.optimizer={sgd: {rate: 100000}}", "train.clip_norm=0",
                                       "train.epochs=20"};
    struct rig r;
    open_rig(&r, sets, 3);
    enum umb_status st = run_loop(&r, "wild", false);
    const char *message = umb_context_error(r.ctx);
    if (st != UMB_ERR_INVALID || !strstr(message, "task '") || !strstr(message, "at step ")) {
        fail_msg("%s: %s", umb_status_name(st), message);
    }
    close_rig(&r);
}

static void another_experiment_is_not_resumed(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"train.batch=8", "--set: train.batch: the run has 16, the experiment 8"},
        {"tasks.shape.weight=2", "--set: tasks.shape.weight: the run has nothing"},
        {"train.optimizer=sgd", "--set: train.optimizer: the run has a map"}};
    struct rig r;
    open_rig(&r, NULL, 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct umb_experiment *now = NULL;
        check(&r, umb__experiment_read(r.ctx, "small.yaml", &changes[i][0], 1, &now), "read");
        assert_int_equal(umb__experiment_same(r.exp, now), UMB_ERR_INVALID);
        if (!strstr(umb_context_error(r.ctx), changes[i][1])) {
            fail_msg("'%s'; expected '%s'", umb_context_error(r.ctx), changes[i][1]);
        }
        umb__experiment_destroy(now);
    }
    close_rig(&r);
}

/* The checkpoint alone says what predict must know of the data. */
static void a_checkpoint_knows_the_shapes(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, NULL, 0);
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    char *shapes = NULL;
    check(&r, umb__experiment_shapes(r.exp, &shapes), "shapes");
    check(&r, umb__experiment_read(r.ctx, "small.yaml", NULL, 0, &exp), "read");
    check(&r, umb__experiment_bind(exp, shapes, "x"), "bind");
    check(&r, umb__experiment_net(exp, &net), "net");
    assert_int_equal(umb_net_n_tasks(net), 3);
    umb_net_destroy(net);
    umb__experiment_destroy(exp);
    check(&r, umb__experiment_read(r.ctx, "small.yaml", NULL, 0, &exp), "read");
    assert_int_equal(umb__experiment_bind(exp, "{\"a\":{\"shape\":[32,32]}}", "x"), UMB_ERR_FORMAT);
    umb__experiment_destroy(exp);
    umb__free(shapes);
    close_rig(&r);
}

static void a_report_escapes_and_refuses(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    struct umb_run *run = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__run_open(ctx, "other", NULL, true, &run), UMB_OK);
    assert_int_equal(
        umb__run_event(run, json_pack("{s:s, s:i, s:s, s:s, s:f}", "event", "epoch", "epoch", 4,
                                      "split", "test", "task", "<script>", "loss", 1.0)),
        UMB_OK);
    assert_int_equal(umb__report_run(ctx, run), UMB_OK);
    char *page = read_text("other/report.html");
    assert_null(strstr(page, "<script"));
    assert_non_null(strstr(page, "&lt;script&gt;"));
    umb__free(page);
    FILE *f = fopen("other/metrics.jsonl", "a");
    assert_non_null(f);
    fputs("nonsense\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(umb__report_run(ctx, run), UMB_ERR_FORMAT);
    assert_non_null(strstr(umb_context_error(ctx), "metrics.jsonl:"));
    umb__run_close(run);
    umb_context_destroy(ctx);
}

/* A folder of its own. */

static char folder[] = "/tmp/umbel-loop-XXXXXX";

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0) { return -1; }
    FILE *f = fopen("small.yaml", "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) { return -1; }
    return train("whole", false, 0, NULL) == UMB_OK ? 0 : -1;
}

static int drop(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static int leave(void **state)
{
    (void)state;
    return chdir("/") == 0 && nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_its_files),
        cmocka_unit_test(metrics_have_every_row),
        cmocka_unit_test(training_twice_gives_the_same_bits),
        cmocka_unit_test(evaluation_reads_every_sample_once),
        cmocka_unit_test(another_seed_gives_other_bits),
        cmocka_unit_test(resuming_within_an_epoch_gives_the_same_bits),
        cmocka_unit_test(resuming_between_epochs_gives_the_same_bits),
        cmocka_unit_test(rows_behind_the_checkpoint_are_cut),
        cmocka_unit_test(a_complete_run_is_left_alone),
        cmocka_unit_test(early_stop_stops),
        cmocka_unit_test(the_rate_is_the_epochs_own),
        cmocka_unit_test(a_loss_that_is_not_finite_ends_it),
        cmocka_unit_test(another_experiment_is_not_resumed),
        cmocka_unit_test(a_checkpoint_knows_the_shapes),
        cmocka_unit_test(a_report_escapes_and_refuses),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
