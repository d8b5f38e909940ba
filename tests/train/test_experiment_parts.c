/*
 * train.freeze, rates and init in an experiment: whole small trainings with phases, which end with
 * the same bits wherever they were stopped; and mistakes, answered with line and key.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "loop.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "system.h"
#include "world.h"

#define FILE_NAME "parts.yaml"

/* 40 samples by 16: 3 steps an epoch. Line 13 holds the parts. */
static const char text[] =
    "name: parts\n"
    "data:\n"
    "  a: {format: shapes, count: 40}\n"
    "trunk:\n"
    "  - conv: {filters: 6, size: 3, stride: 2}\n"
    "  - batch_norm: {}\n"
    "  - conv: {filters: 6, size: 3, stride: 2, activation: relu, init: he_normal}\n"
    "  - flatten: {}\n"
    "tasks:\n"
    "  shape: {data: a, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"
    "train:\n"
    "  {epochs: 4, batch: 16, optimizer: {adam: {rate: 0.003}}, clip_norm: 1,\n"
    "   %s}\n";
/* Trunk, conv1 and norm, nothing, conv2. */
static const char phases[] =
    "freeze: [{pattern: trunk.*, until: 1}, {pattern: conv1.*, until: 2}, {pattern: batch_norm1.*, "
    "until: 2, statistics: running}, {pattern: conv2.*, from: 4}], rates: {trunk.*: 0.5, "
    "conv2.*: {rate: 0.25, weight_decay: 0.01}}";

static void write_experiment(const char *parts)
{
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fprintf(f, text, parts);
    assert_int_equal(fclose(f), 0);
}

/* ---- trainings ---- */

struct rig {
    struct umb_experiment *exp;
    struct umb_net *net;
    struct umb_trainer *trainer;
    struct umb_run *run;
    int64_t stop_behind;
    volatile sig_atomic_t stop;
};

static void open_rig(struct rig *r)
{
    *r = (struct rig){0};
    must(umb__experiment_read(world.ctx, FILE_NAME, NULL, 0, &r->exp));
    must(umb__experiment_open(r->exp));
    must(umb__experiment_net(r->exp, &r->net));
    struct umb_trainer_desc desc = {.device = world.device,
                                    .net = r->net,
                                    .batch = r->exp->train.batch,
                                    .optimizer = r->exp->train.optimizer,
                                    .optimizer_attrs = r->exp->train.optimizer_attrs,
                                    .clip_norm = r->exp->train.clip_norm,
                                    .seed = r->exp->train.seed};
    must(umb__exp_trainer_parts(r->exp, &desc));
    must(umb_trainer_create(world.ctx, &desc, &r->trainer));
}

static void close_rig(struct rig *r)
{
    umb__run_close(r->run);
    umb_trainer_destroy(r->trainer);
    umb_net_destroy(r->net);
    umb__experiment_destroy(r->exp);
}

static void listen(void *user, const struct umb_loop_report *report)
{
    struct rig *r = user;
    if (report->news == UMB_NEWS_STEP && r->stop_behind && report->step >= r->stop_behind) {
        r->stop = 1;
    }
}

static enum umb_status train(const char *path, bool resume, int64_t stop_behind)
{
    struct rig r;
    open_rig(&r);
    r.stop_behind = stop_behind;
    must(resume ? umb__run_open(world.ctx, path, NULL, true, &r.run)
                : umb__run_create(world.ctx, r.exp, path, &r.run));
    const struct umb_loop_desc desc = {.exp = r.exp,
                                       .trainer = r.trainer,
                                       .device_name = "a device",
                                       .run = r.run,
                                       .resume = resume,
                                       .stop = &r.stop,
                                       .listener = listen,
                                       .user = &r};
    const enum umb_status st = umb__loop_run(world.ctx, &desc);
    if (st != UMB_ERR_INTERRUPTED) { must(st); }
    close_rig(&r);
    return st;
}

static struct umb_safetensors *checkpoint(const char *run, const char *name)
{
    struct umb_safetensors *file = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/checkpoints/%s", run, name);
    must(umb__safetensors_read(world.ctx, path, &file));
    return file;
}

static bool same_tensor(const struct umb_safetensors *a, const struct umb_safetensors *b,
                        const char *name)
{
    const struct umb_safetensors_entry *x = umb__safetensors_find(a, name),
                                       *y = umb__safetensors_find(b, name);
    if (!x || !y) { fail_msg("%s is not in both", name); }
    return strcmp(x->dtype, "F32") != 0 ||
           memcmp(x->data, y->data, (size_t)umb__shape_count(&x->shape) * sizeof(float)) == 0;
}

static void assert_same_runs(const char *a, const char *b)
{
    struct umb_safetensors *x = checkpoint(a, "latest"), *y = checkpoint(b, "latest");
    for (size_t i = 0; i < umb__safetensors_count(x); i++) {
        const char *name = umb__safetensors_at(x, i)->name;
        if (!same_tensor(x, y, name)) { fail_msg("%s and %s: %s differs", a, b, name); }
    }
    umb__safetensors_destroy(x);
    umb__safetensors_destroy(y);
}

static void epochs_freeze_what_they_say(void **state)
{
    (void)state;
    write_experiment(phases);
    assert_int_equal(train("whole", false, 0), UMB_OK);
    struct umb_safetensors *three = checkpoint("whole", "epoch-3.safetensors"),
                           *four = checkpoint("whole", "epoch-4.safetensors");
    assert_true(same_tensor(three, four, "conv2.weight"));
    assert_true(same_tensor(three, four, "conv2.bias"));
    assert_false(same_tensor(three, four, "conv1.weight"));
    assert_false(same_tensor(three, four, "shape.dense1.weight"));
    assert_string_equal(umb__safetensors_text(four, "umbel.frozen"), "conv2.*\n");
    assert_null(umb__safetensors_text(three, "umbel.frozen"));
    assert_non_null(strstr(umb__safetensors_text(four, "umbel.updates"), "conv1.weight=6\n"));
    umb__safetensors_destroy(three);
    umb__safetensors_destroy(four);
    char *log = NULL;
    size_t size = 0;
    must(umb__file_read(world.ctx, "whole/log.txt", 1 << 20, &log, &size));
    assert_non_null(strstr(log, "epoch 1: frozen: trunk.*, conv1.*, batch_norm1.*; "));
    assert_non_null(strstr(log, "epoch 3: frozen: nothing; "));
    umb__free(log);
}

/* Behind steps within and at the end of every phase. */
static void a_stopped_run_goes_on_with_the_same_bits(void **state)
{
    static const int64_t stops[] = {1, 3, 4, 6, 8, 10};
    (void)state;
    write_experiment(phases);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        char path[32];
        snprintf(path, sizeof path, "stopped-%d", (int)stops[i]);
        assert_int_equal(train(path, false, stops[i]), UMB_ERR_INTERRUPTED);
        assert_int_equal(train(path, true, 0), UMB_OK);
        assert_same_runs("whole", path);
    }
}

/* A run's folder stands for its best checkpoint; the tree then has an absolute path. */
static void a_run_is_found(void **state)
{
    struct rig r;
    (void)state;
    write_experiment("init: {from: whole, skip: shape.*}");
    open_rig(&r);
    must(umb__exp_find_init(r.exp));
    const char *path = r.exp->train.init.desc.path;
    assert_non_null(strstr(path, "/whole/checkpoints/best.safetensors"));
    assert_int_equal(r.exp->train.init.from->text[0], '/');
    must(umb_trainer_init_from(r.trainer, &r.exp->train.init.desc));
    close_rig(&r);
    write_experiment("init: {from: nowhere}");
    open_rig(&r);
    assert_int_equal(umb__exp_find_init(r.exp), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), FILE_NAME
                           ":13: train.init.from: 'nowhere' is neither a file nor a run"));
    close_rig(&r);
}

/* ---- mistakes ---- */

static const struct mistake {
    const char *parts, *place, *expected;
} mistakes[] = {
    {"freeze: [conf1.*]", "freeze.0: ", "'conf1.*' fits no parameter"},
    {"freeze: conv3.weight", "freeze: ", "did you mean 'conv1.weight'?"},
    {"freeze: '*'", "freeze: ", "every parameter is frozen in epoch 1"},
    {"freeze: [trunk.*, {pattern: shape.*, from: 3}]", "freeze.1: ", "frozen in epoch 3"},
    {"freeze: [{until: 3}]", "freeze.0: ", "pattern: is missing"},
    {"freeze: [{pattern: conv1.*, untill: 3}]", "freeze.0.untill: ", "did you mean 'until'?"},
    {"freeze: [{pattern: conv1.*, from: 3, until: 2}]", "freeze.0.until: ", "from 3 to"},
    {"freeze: [{pattern: conv1.*, from: 0}]", "freeze.0.from: ", "from 1 to"},
    {"freeze: [{pattern: conv1.*, statistics: runing}]",
     "freeze.0.statistics: ", "did you mean 'running'?"},
    {"freeze: ['conv1 weight']", "freeze.0: ", "a blank or '='"},
    {"rates: 0.1", "rates: ", "expected a map"},
    {"rates: {conv9.*: 0.1}", "rates.conv9.*: ", "'conv9.*' fits no parameter"},
    {"rates: {conv1.*: 0}", "rates.conv1.*: ", "from 1e-09"},
    {"rates: {conv1.*: fast}", "rates.conv1.*: ", "'fast' does not fit"},
    {"rates: {conv1.*: {rate: 1, decay: 0}}", "rates.conv1.*.decay: ", "unknown key"},
    {"rates: {conv1.*: {weight_decay: -1}}", "rates.conv1.*.weight_decay: ", "from 0 to"},
    {"init: he_norml", "init: ", "did you mean 'he_normal'?"},
    {"init: {map: {a: b}}", "init: ", "from: is missing"},
    {"init: {from: x, mapp: {}}", "init.mapp: ", "did you mean 'map'?"},
    {"init: {from: x, map: {a.*: b}}", "init.map.a.*: ", "one * in both"},
    {"init: {from: x, map: [a]}", "init.map: ", "expected a map"},
    {"init: {from: x, strict: perhaps}", "init.strict: ", "'perhaps' does not fit"},
    {"init: {from: x, others: xavier}", "init.others: ", "'xavier'"},
};

static void mistakes_name_line_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const struct mistake *m = &mistakes[i];
        struct umb_experiment *exp = NULL;
        struct umb_net *net = NULL;
        char place[128];
        write_experiment(m->parts);
        snprintf(place, sizeof place, FILE_NAME ":13: train.%s", m->place);
        enum umb_status st = umb__experiment_read(world.ctx, FILE_NAME, NULL, 0, &exp);
        if (st == UMB_OK) { st = umb__experiment_open(exp); }
        if (st == UMB_OK) { st = umb__experiment_net(exp, &net); }
        const char *error = umb_context_error(world.ctx);
        if (st != UMB_ERR_INVALID || strncmp(error, place, strlen(place)) != 0 ||
            !strstr(error, m->expected)) {
            fail_msg("%s: %s: '%s'; expected '%s' and '%s'", m->parts, umb_status_name(st), error,
                     place, m->expected);
        }
        umb_net_destroy(net);
        umb__experiment_destroy(exp);
    }
}

/* ---- the program ---- */

static char folder[] = "/tmp/umbel-parts-XXXXXX";

static int enter(void **state)
{
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    return open_world(state);
}

static int drop(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
    (void)s;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int leave(void **state)
{
    const int code = close_world(state);
    nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    return code;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_freeze_what_they_say),
        cmocka_unit_test(a_stopped_run_goes_on_with_the_same_bits),
        cmocka_unit_test(a_run_is_found),
        cmocka_unit_test(mistakes_name_line_and_key),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
