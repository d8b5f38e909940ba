/*
 * The trainer through its public functions: it learns the four tasks of the generated shapes, its
 * results and predictions agree, evaluation changes nothing, optimizers do their formulas, weights
 * and masks weigh and mask; and what it refuses.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nets.h"
#include "rig.h"
#include "session.h"
#include "world.h"

static struct session open_session(const struct umb_net *net, int64_t batch, const char *optimizer,
                                   const char *attrs)
{
    struct session_desc desc = {.device = world.device,
                                .net = net,
                                .batch = batch,
                                .optimizer = optimizer,
                                .attrs = attrs,
                                .seed = 4};
    return session_open(world.ctx, &desc);
}

/* ---- learning ---- */

#define SIDE 32
#define BATCH 32

static struct umb_net *shapes_net(void)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int in = test_stream(ctx, net, "pictures", SIDE, SIDE, 3);
    int h = test_layer(ctx, net, "conv", "filters=8 size=3 padding=same activation=relu", in);
    h = test_layer(ctx, net, "max_pool", "size=2", h);
    int coarse = test_layer(ctx, net, "conv", "filters=16 size=3 padding=same activation=relu", h);
    h = test_layer(ctx, net, "max_pool", "size=2", coarse);
    h = test_layer(ctx, net, "conv", "filters=16 size=3 padding=same bias=false", h);
    h = test_layer(ctx, net, "batch_norm", NULL, h);
    h = test_layer(ctx, net, "relu", NULL, h);
    h = test_layer(ctx, net, "flatten", NULL, test_layer(ctx, net, "max_pool", "size=2", h));
    h = test_layer(ctx, net, "dense", "units=48 activation=relu", h);
    int mask = test_layer(ctx, net, "conv", "filters=8 size=1 activation=relu", coarse);
    mask = test_layer(ctx, net, "upsample", "factor=2 mode=bilinear", mask);
    mask = test_layer(ctx, net, "conv", "filters=2 size=3 padding=same", mask);
    test_task(ctx, net, "shape", test_layer(ctx, net, "dense", "units=4", h), "cross_entropy", 1);
    test_task(ctx, net, "colour", test_layer(ctx, net, "dense", "units=6", h), "cross_entropy", 1);
    test_task(ctx, net, "position", test_layer(ctx, net, "dense", "units=2", h), "mse", 5);
    test_task(ctx, net, "mask", mask, "cross_entropy", 2);
    return net;
}

static struct umb_dataset *shapes(void)
{
    struct umb_dataset_desc desc = {.format = "shapes", .count = 2048, .seed = 3};
    struct umb_dataset *ds;
    must(umb_dataset_open(world.ctx, &desc, &ds));
    return ds;
}

/* Samples index … index+BATCH−1 of a split (from the start again behind its end) into the session.
 */
static void read_shapes(struct session *s, struct umb_dataset *ds, enum umb_split split, int index)
{
    static const char *const names[] = {"shape", "colour", "position", "mask"};
    const size_t bytes[] = {4, 4, 8, SIDE * SIDE * 4};
    for (int i = 0; i < BATCH; i++) {
        void *targets[4];
        for (int t = 0; t < 4; t++) {
            int k = umb_dataset_find_target(ds, names[t]);
            assert_in_range(k, 0, 3);
            targets[k] = (char *)s->labels_of[t] + (size_t)i * bytes[t];
            s->mask_of[t][i] = 1;
        }
        must(umb_dataset_read(ds, split, (index + i) % umb_dataset_count(ds, split),
                              (uint8_t *)s->images_of[0] + (size_t)i * SIDE * SIDE * 3, targets));
    }
}

static void evaluate(struct session *s, struct umb_dataset *ds, struct umb_task_result *results)
{
    must(umb_trainer_results(s->tr, results)); /* what was before */
    for (int index = 0; index + BATCH <= umb_dataset_count(ds, UMB_SPLIT_TEST); index += BATCH) {
        read_shapes(s, ds, UMB_SPLIT_TEST, index);
        must(umb_trainer_evaluate(s->tr, s->batch, s->labels));
    }
    must(umb_trainer_results(s->tr, results));
}

static void four_tasks_are_learnt(void **state)
{
    (void)state;
    const int steps = 200;
    double first[4] = {0}, last[4] = {0};
    struct umb_task_result results[4];
    struct umb_net *net = shapes_net();
    struct umb_dataset *ds = shapes();
    struct session s = open_session(net, BATCH, "adam", NULL);
    for (int step = 0; step < steps; step++) {
        read_shapes(&s, ds, UMB_SPLIT_TRAIN, step * BATCH);
        session_step(&s, 0.004);
        for (int t = 0; t < 4; t++) {
            if (step < 5) { first[t] += s.losses[t] / 5; }
            if (step >= steps - 20) { last[t] += s.losses[t] / 20; }
        }
    }
    evaluate(&s, ds, results);
    static const double share[4] = {0.98, 0.3, 0.3, 0.3};
    for (int t = 0; t < 4; t++) {
        print_message("# %s: loss %.4f to %.4f, test %.4f, %s %.4f\n", umb__net_task(net, t)->name,
                      first[t], last[t], results[t].loss, results[t].metric[0].name,
                      results[t].metric[0].value);
        if (!(last[t] < share[t] * first[t])) {
            fail_msg("%s: loss %g at first, %g at last", umb__net_task(net, t)->name, first[t],
                     last[t]);
        }
    }
    assert_true(results[0].metric[0].value > 0.28); /* the hard one: chance is 0.25 */
    assert_true(results[1].metric[0].value > 0.9);
    assert_true(results[2].metric[0].value < 0.1);
    assert_true(results[3].metric[0].value > 0.97);
    session_close(&s);
    umb_dataset_close(ds);
    umb_net_destroy(net);
}

/* ---- evaluating and predicting ---- */

static void evaluation_changes_nothing(void **state)
{
    (void)state;
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session a = open_session(net, 4, "adam", NULL), b = open_session(net, 4, "adam", NULL);
    struct umb_task_result x[4], y[4];
    session_train(&a, 0, 3);
    session_train(&b, 0, 3);
    must(umb_trainer_results(a.tr, x));
    for (int i = 10; i < 13; i++) {
        session_fill(&b, i);
        must(umb_trainer_evaluate(b.tr, b.batch, b.labels));
    }
    must(umb_trainer_results(b.tr, y));
    assert_same_bits(&a, &b, "with and without evaluation");
    assert_int_equal(umb_trainer_n_steps(b.tr), 3);
    session_train(&a, 3, 3);
    session_train(&b, 3, 3);
    assert_same_bits(&a, &b, "later on");
    must(umb_trainer_results(a.tr, x));
    must(umb_trainer_results(b.tr, y));
    assert_memory_equal(&x[1].loss, &y[1].loss, sizeof x[1].loss);
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

/* Share of right answers among the labels of a task, from predictions. */
static double share_right(const float *answers, const int32_t *labels, int64_t n, int64_t classes)
{
    double right = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = 0;
        double sum = 0;
        for (int64_t c = 0; c < classes; c++) {
            if (answers[i * classes + c] > answers[i * classes + best]) { best = c; }
            sum += (double)answers[i * classes + c];
        }
        if (!(fabs(sum - 1) < 1e-5)) { fail_msg("row %lld sums to %g", (long long)i, sum); }
        right += best == labels[i];
    }
    return right / (double)n;
}

static void predictions_are_what_evaluation_counts(void **state)
{
    (void)state;
    enum { N = 4 };
    struct umb_net *net = test_net_mixed(world.ctx);
    struct session s = open_session(net, N, "adam", NULL);
    static float pixels[N * 64 * 3], kind[N * 5], place[N * 2], traits[N * 3];
    float *outputs[4] = {pixels, kind, place, traits};
    struct umb_task_result r[4];
    session_train(&s, 0, 20);
    must(umb_trainer_results(s.tr, r));
    session_fill(&s, 5);
    must(umb_trainer_evaluate(s.tr, s.batch, s.labels));
    must(umb_trainer_results(s.tr, r));
    must(umb_trainer_predict(s.tr, s.batch, outputs));
    double got[2] = {share_right(pixels, s.labels_of[0], N * 64, 3),
                     share_right(kind, s.labels_of[1], N, 5)};
    for (int t = 0; t < 2; t++) {
        if (!(fabs(got[t] - r[t].metric[0].value) < 1e-12)) {
            fail_msg("task %d: %g predicted, %g evaluated", t, got[t], r[t].metric[0].value);
        }
    }
    double error = 0, right = 0;
    for (int i = 0; i < N * 2; i++) {
        error += fabs((double)place[i] - (double)((float *)s.labels_of[2])[i]) / (N * 2);
    }
    for (int i = 0; i < N * 3; i++) {
        right += (traits[i] > 0.5f) == (((float *)s.labels_of[3])[i] > 0.5f);
        assert_true(traits[i] >= 0 && traits[i] <= 1);
    }
    assert_true(fabs(error - r[2].metric[0].value) < 1e-5);
    assert_true(fabs(right / (N * 3) - r[3].metric[0].value) < 1e-12);
    session_close(&s);
    umb_net_destroy(net);
}

/* Fewer samples than a batch, unwanted outputs, streams with none at all. */
static void predictions_of_few_samples(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session s = open_session(net, 4, "sgd", NULL);
    float all[2][16], some[2][16];
    session_fill(&s, 0);
    must(umb_trainer_predict(s.tr, s.batch, (float *[]){all[0], all[1]}));
    for (int i = 0; i < 16; i++) {
        some[0][i] = some[1][i] = 77;
    }
    s.batch[0].n = 2;
    s.batch[1] = (struct umb_batch){0, NULL};
    must(umb_trainer_predict(s.tr, s.batch, (float *[]){some[0], some[1]}));
    assert_memory_equal(all[0], some[0], 2 * 3 * sizeof(float));
    for (int i = 0; i < 16; i++) {
        assert_true(i < 6 || some[0][i] > 76);
        assert_true(some[1][i] > 76);
    }
    must(umb_trainer_predict(s.tr, s.batch, (float *[]){NULL, NULL}));
    session_close(&s);
    umb_net_destroy(net);
}

/* Results are means over samples, however they were cut into batches. */
static void results_do_not_depend_on_the_batches(void **state)
{
    (void)state;
    struct umb_net *net = test_net_undropped(world.ctx);
    struct session s = open_session(net, 6, "adam", NULL);
    struct umb_task_result whole[4], parts[4];
    session_fill(&s, 0);
    must(umb_trainer_evaluate(s.tr, s.batch, s.labels));
    must(umb_trainer_results(s.tr, whole));
    s.batch[0].n = 4;
    must(umb_trainer_evaluate(s.tr, s.batch, s.labels));
    memmove(s.images_of[0], (char *)s.images_of[0] + 4 * 192, 2 * 192);
    for (int t = 0; t < 4; t++) {
        size_t per = (size_t)umb__shape_count(&umb__net_task(net, t)->label.shape) * 4;
        memmove(s.labels_of[t], (char *)s.labels_of[t] + 4 * per, 2 * per);
    }
    s.batch[0].n = 2;
    must(umb_trainer_evaluate(s.tr, s.batch, s.labels));
    must(umb_trainer_results(s.tr, parts));
    for (int t = 0; t < 4; t++) {
        if (!(fabs(whole[t].loss - parts[t].loss) <= 1e-6 * whole[t].loss)) {
            fail_msg("task %d: loss %.9g, %.9g in parts", t, whole[t].loss, parts[t].loss);
        }
        double x = whole[t].metric[0].value, y = parts[t].metric[0].value;
        if (!(fabs(x - y) <= 1e-6)) { fail_msg("task %d: metric %.9g, %.9g in parts", t, x, y); }
    }
    must(umb_trainer_results(s.tr, parts));
    assert_true(isnan(parts[0].loss) && isnan(parts[0].metric[0].value));
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- optimizers ---- */

/* One step of each from the same start: what parameters become, by the formulas in double. */
static void check_update(const char *optimizer, const char *attrs, double clip, double decay,
                         bool adam, bool decoupled)
{
    struct umb_net *net = test_net_two_streams(world.ctx);
    struct session plain = open_session(net, 4, "sgd", NULL);
    struct session_desc desc = {.device = world.device,
                                .net = net,
                                .batch = 4,
                                .optimizer = optimizer,
                                .attrs = attrs,
                                .clip_norm = clip,
                                .seed = 4};
    struct session s = session_open(world.ctx, &desc);
    size_t n;
    double norm = 0, rate = 0.03;
    session_fill(&plain, 0);
    session_step(&plain, 0);
    float *before = session_buffer(&plain, "parameters", &n),
          *g = session_buffer(&plain, "gradients", &n);
    for (size_t i = 0; i < n; i++) {
        norm += (double)g[i] * (double)g[i];
    }
    norm = sqrt(norm);
    assert_true(norm > 1e-3);
    session_fill(&s, 0);
    session_step(&s, rate);
    float *after = session_buffer(&s, "parameters", &n);
    double scale = clip > 0 && norm > clip ? clip / (norm + 1e-6) : 1;
    for (size_t i = 0; i < n; i++) {
        double p = (double)before[i], d = scale * (double)g[i] + (decoupled ? 0 : decay * p);
        if (adam) { d = d / (fabs(d) + 1e-8); } /* at step 1 the moments are d and d² */
        double expected = p - rate * d - (decoupled ? rate * decay * p : 0);
        if (!(fabs((double)after[i] - expected) <= 2e-6 * (1 + fabs(expected)))) {
            fail_msg("%s %s, parameter %zu: %.9g, expected %.9g", optimizer, attrs ? attrs : "", i,
                     (double)after[i], expected);
        }
    }
    umb__free(before);
    umb__free(g);
    umb__free(after);
    session_close(&plain);
    session_close(&s);
    umb_net_destroy(net);
}

static void sgd_steps(void **state)
{
    (void)state;
    check_update("sgd", NULL, 0, 0, false, false);
    check_update("sgd", "momentum=0.9", 0, 0, false, false);
    check_update("sgd", "weight_decay=0.1", 0, 0.1, false, false);
}

static void adam_steps(void **state)
{
    (void)state;
    check_update("adam", NULL, 0, 0, true, false);
    check_update("adam", "weight_decay=0.1", 0, 0.1, true, false);
    check_update("adamw", NULL, 0, 0.01, true, true);
    check_update("adamw", "weight_decay=0.2", 0, 0.2, true, true);
}

static void clipped_steps(void **state)
{
    (void)state;
    check_update("sgd", NULL, 0.01, 0, false, false);
    check_update("sgd", NULL, 1e6, 0, false, false);
    check_update("sgd", "momentum=0.5", 0.01, 0, false, false);
}

/* ---- weights and labels ---- */

/* Parameters of the head and trunk of a task of weight 0 see nothing of it. */
static struct umb_net *weighted_net(double weight)
{
    struct umb_context *ctx = world.ctx;
    struct umb_net *net = test_net(ctx);
    int h = test_layer(ctx, net, "flatten", NULL, test_stream(ctx, net, "image", 4, 4, 2));
    h = test_layer(ctx, net, "dense", "units=6 activation=tanh", h);
    int x = test_layer(ctx, net, "dense", "units=3", h),
        y = test_layer(ctx, net, "dense", "units=2", h);
    test_task(ctx, net, "x", x, "cross_entropy", 1);
    test_task(ctx, net, "y", y, "mse", weight);
    return net;
}

static void a_task_of_no_weight_moves_nothing(void **state)
{
    (void)state;
    struct umb_net *net = weighted_net(0);
    struct session a = open_session(net, 4, "sgd", NULL), b = open_session(net, 4, "sgd", NULL);
    for (int step = 0; step < 3; step++) {
        session_fill(&a, step);
        session_fill(&b, step);
        for (int i = 0; i < 8; i++) {
            ((float *)b.labels_of[1])[i] += 100;
        }
        session_step(&a, 0.1);
        session_step(&b, 0.1);
        assert_true(b.losses[1] > a.losses[1] + 100);
    }
    assert_same_bits(&a, &b, "other labels of a task of no weight");
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

static void a_task_without_labels_is_left_out(void **state)
{
    (void)state;
    struct umb_net *with = weighted_net(1), *without = weighted_net(0);
    struct session a = open_session(with, 4, "sgd", NULL),
                   b = open_session(without, 4, "sgd", NULL);
    struct umb_task_result r[2];
    for (int step = 0; step < 4; step++) {
        session_fill(&a, step);
        session_fill(&b, step);
        memset(a.mask_of[1], 0, 4 * sizeof(float));
        session_step(&a, 0.1);
        session_step(&b, 0.1);
        assert_true(isnan(a.losses[1]));
        assert_true(isfinite(a.losses[0]));
    }
    assert_same_bits(&a, &b, "no labels, and no weight");
    must(umb_trainer_results(a.tr, r));
    assert_true(isnan(r[1].loss) && isnan(r[1].metric[0].value) && isfinite(r[0].loss));
    session_train(&a, 4, 1);
    assert_true(isfinite(a.losses[1]));
    session_close(&a);
    session_close(&b);
    umb_net_destroy(with);
    umb_net_destroy(without);
}

/* No sample at all, in any stream; and one stream without any. */
static void empty_batches_are_harmless(void **state)
{
    (void)state;
    struct umb_net *net = test_net_two_streams(world.ctx), *norm = test_net_mixed(world.ctx);
    struct session s = open_session(net, 4, "adam", NULL), m = open_session(norm, 4, "adam", NULL);
    session_train(&s, 0, 2);
    session_fill(&s, 2);
    s.batch[0] = (struct umb_batch){0, NULL};
    session_step(&s, 0.01);
    assert_true(isnan(s.losses[0]) && isfinite(s.losses[1]));
    s.batch[1] = (struct umb_batch){0, NULL};
    session_step(&s, 0.01);
    assert_true(isnan(s.losses[0]) && isnan(s.losses[1]));
    assert_same_bits(&s, &s, "finite");
    session_train(&m, 0, 2);
    m.batch[0] = (struct umb_batch){0, NULL};
    session_step(&m, 0.01);
    session_train(&m, 3, 2);
    assert_same_bits(&m, &m, "finite");
    assert_true(isfinite(m.losses[0]));
    session_close(&s);
    session_close(&m);
    umb_net_destroy(net);
    umb_net_destroy(norm);
}

/* ---- refusals ---- */

static void refused(struct umb_trainer_desc d, const char *words)
{
    struct umb_trainer *tr = NULL;
    assert_int_equal(umb_trainer_create(world.ctx, &d, &tr), UMB_ERR_INVALID);
    assert_null(tr);
    const char *said = umb_context_error(world.ctx);
    if (!strstr(said, words)) { fail_msg("said '%s', expected '%s'", said, words); }
}

static void wrong_trainers_are_refused(void **state)
{
    (void)state;
    struct umb_net *net = weighted_net(1), *empty = test_net(world.ctx);
    const struct umb_trainer_desc good = {
        .device = world.device, .net = net, .batch = 4, .optimizer = "adam", .queues = 1};
    struct umb_trainer_desc d = good;
    d.batch = 0;
    refused(d, "batch is 0");
    d.batch = INT64_MAX;
    refused(d, "batch is 9223372036854775807");
    d = good;
    d.net = empty;
    refused(d, "no task");
    d = good;
    d.queues = 9;
    refused(d, "queues is 9");
    d.queues = -1;
    refused(d, "queues is -1");
    d = good;
    d.clip_norm = (double)NAN;
    refused(d, "clip_norm");
    d = good;
    d.optimizer = "adan";
    refused(d, "did you mean 'adam'");
    d.optimizer = NULL;
    refused(d, "expected sgd, adam or adamw");
    d = good;
    d.optimizer_attrs = "beta1=1";
    refused(d, "beta1");
    d.optimizer_attrs = "momentum=0.9";
    refused(d, "momentum: unknown key");
    d.optimizer = "sgd";
    d.optimizer_attrs = "nesterov=true";
    refused(d, "nesterov");
    umb_net_destroy(net);
    umb_net_destroy(empty);
}

static void nonsense_in_umbel_queues_is_named(void **state)
{
    (void)state;
    static const char *const nonsense[] = {"0", "9", "two", "1.5", "-1"};
    struct umb_net *net = weighted_net(1);
    struct umb_trainer_desc d = {
        .device = world.device, .net = net, .batch = 4, .optimizer = "adam"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        assert_int_equal(setenv("UMBEL_QUEUES", nonsense[i], 1), 0);
        refused(d, "UMBEL_QUEUES");
    }
    assert_int_equal(setenv("UMBEL_QUEUES", "3", 1), 0);
    struct umb_trainer *tr;
    must(umb_trainer_create(world.ctx, &d, &tr));
    assert_int_equal(umb__plan_n_queues(umb__trainer_plan(tr, UMB_TRAINER_TRAIN)), 3);
    umb_trainer_destroy(tr);
    unsetenv("UMBEL_QUEUES");
    umb_net_destroy(net);
}

static void wrong_batches_are_refused(void **state)
{
    (void)state;
    struct umb_net *net = weighted_net(1);
    struct session s = open_session(net, 4, "adam", NULL);
    float *none[2] = {NULL, NULL};
    session_fill(&s, 0);
    for (int k = 0; k < 2; k++) {
        s.batch[0].n = k ? 5 : -1;
        assert_int_equal(umb_trainer_step(s.tr, s.batch, s.labels, 0.1, NULL), UMB_ERR_INVALID);
        assert_int_equal(umb_trainer_evaluate(s.tr, s.batch, s.labels), UMB_ERR_INVALID);
        assert_int_equal(umb_trainer_predict(s.tr, s.batch, none), UMB_ERR_INVALID);
        assert_non_null(strstr(umb_context_error(world.ctx), "expected 0 to 4"));
    }
    assert_int_equal(umb_trainer_n_steps(s.tr), 0);
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(four_tasks_are_learnt),
                                       cmocka_unit_test(evaluation_changes_nothing),
                                       cmocka_unit_test(predictions_are_what_evaluation_counts),
                                       cmocka_unit_test(predictions_of_few_samples),
                                       cmocka_unit_test(results_do_not_depend_on_the_batches),
                                       cmocka_unit_test(sgd_steps),
                                       cmocka_unit_test(adam_steps),
                                       cmocka_unit_test(clipped_steps),
                                       cmocka_unit_test(a_task_of_no_weight_moves_nothing),
                                       cmocka_unit_test(a_task_without_labels_is_left_out),
                                       cmocka_unit_test(empty_batches_are_harmless),
                                       cmocka_unit_test(wrong_trainers_are_refused),
                                       cmocka_unit_test(nonsense_in_umbel_queues_is_named),
                                       cmocka_unit_test(wrong_batches_are_refused)};
    return cmocka_run_group_tests(tests, open_world, close_world);
}
