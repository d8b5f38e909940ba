/*
 * test_feature_streams.c: likeness of features (CKA) between tasks of one stream and of several:
 * the same samples in the same order, against the net and the measure in double; and which data
 * sets have the same samples.
 */
#include "gradient_survey.h"

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

#include "alloc.h"
#include "safetensors.h"
#include "sampler.h"
#include "small_run.h"

#define N 50 /* samples; batches of 16 do not divide them */
#define UNITS 5
#define CHANNELS 3
#define PIXELS (32 * 32 * CHANNELS)

/* A net for each of two tasks: the mean of each channel, then a dense layer. */
#define NETS(a, b, share)                                                                    \
    "data:\n"                                                                                \
    "  a: {format: shapes, count: 50" a "}\n"                                                \
    "  b: {format: shapes, count: 50" b "}\n"                                                \
    "trunks:\n"                                                                              \
    "  one: [{global_avg_pool: {}}, {dense: {units: 5, activation: tanh, name: d}}]\n"       \
    "  two: [{global_avg_pool: {}}, {dense: {units: 5, activation: tanh, name: d}}]\n" share \
    "tasks:\n"                                                                               \
    "  x: {data: a, trunk: one, target: shape, head: [{dense: {units: 4}}], loss: "          \
    "cross_entropy}\n"                                                                       \
    "  y: {data: b, trunk: two, target: colour, head: [{dense: {units: 6}}], loss: "         \
    "cross_entropy}\n"                                                                       \
    "train: {batch: 16, seed: 7}\n"
#define EQUAL "share: {penalty: 0, start: equal}\n"

/* ---- looking ---- */

struct looked {
    double cka[4];
    struct umb_gradient_summary seen;
};

static struct looked look(struct small_run *r)
{
    struct looked l;
    const char *tasks[] = {"x", "y"};
    struct umb_gradient_survey *survey = NULL;
    struct umb_relations *relations = NULL;
    const struct umb_gradient_survey_desc desc = {
        .exp = r->exp, .trainer = r->trainer, .rate = 0.1, .features = true};
    enum umb_status st = umb__gradient_survey_create(r->ctx, &desc, &survey);
    if (st == UMB_OK) { st = umb__gradient_survey_look(survey, 2); }
    if (st == UMB_OK) { st = umb__relations_create(r->ctx, 2, tasks, &relations); }
    if (st == UMB_OK) { st = umb__gradient_survey_relations(survey, relations); }
    if (st == UMB_OK) { st = umb__gradient_survey_summary(survey, &l.seen); }
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(r->ctx)); }
    memcpy(l.cka, umb__relations_find(relations, "cka", NULL), sizeof l.cka);
    umb__relations_destroy(relations);
    umb__gradient_survey_destroy(survey);
    return l;
}

static struct small_run open_nets(const char *text)
{
    struct small_run r = small_run_open_text(text, NULL);
    assert_int_equal(umb_device_open(r.ctx, NULL, &r.device), UMB_OK);
    const struct umb_trainer_desc desc = {.device = r.device,
                                          .net = r.net,
                                          .batch = r.exp->train.batch,
                                          .optimizer = "sgd",
                                          .seed = r.exp->train.seed,
                                          .soft = r.exp->share};
    if (umb_trainer_create(r.ctx, &desc, &r.trainer) != UMB_OK) {
        fail_msg("%s", umb_context_error(r.ctx));
    }
    return r;
}

/* ---- the same in double ---- */

/* tanh(W·mean + b) of N samples, in the order of the first stream's. */
static void features_of(struct small_run *r, int task, double x[N][UNITS])
{
    const struct umb_exp_data *d = &r->exp->data[r->exp->task[task].data];
    struct umb_sampler *sampler = NULL;
    struct umb_safetensors *file = NULL;
    uint8_t *image = malloc(PIXELS);
    uint32_t index[16];
    const struct umb_sampler_desc desc = {.dataset = d->dataset,
                                          .split = UMB_SPLIT_TRAIN,
                                          .batch = 16,
                                          .seed = r->exp->train.seed,
                                          .shuffle = true};
    assert_int_equal(umb_trainer_save(r->trainer, "streams.safetensors"), UMB_OK);
    assert_int_equal(umb__safetensors_read(r->ctx, "streams.safetensors", &file), UMB_OK);
    unlink("streams.safetensors");
    const float *W = umb__safetensors_find(file, task ? "two.d.weight" : "one.d.weight")->data;
    const float *b = umb__safetensors_find(file, task ? "two.d.bias" : "one.d.bias")->data;
    assert_int_equal(umb__sampler_create(r->ctx, &desc, &sampler), UMB_OK);
    for (int64_t i = 0, n = 0; i < N; i++) {
        if (i % 16 == 0) {
            assert_int_equal(umb__sampler_batch(sampler, i / 16, index, &n), UMB_OK);
        }
        double mean[CHANNELS] = {0};
        const int64_t pixels = d->shape[0] * d->shape[1];
        assert_int_equal(umb_dataset_read(d->dataset, UMB_SPLIT_TRAIN, index[i % 16], image, NULL),
                         UMB_OK);
        for (int64_t k = 0; k < pixels * CHANNELS; k++) {
            mean[k % CHANNELS] += image[k] / 255.0 / (double)pixels;
        }
        for (int u = 0; u < UNITS; u++) {
            double sum = (double)b[u];
            for (int c = 0; c < CHANNELS; c++) {
                const double at = d->n_norm ? (mean[c] - d->mean[0]) / d->std[0] : mean[c];
                sum += (double)W[u * CHANNELS + c] * at;
            }
            x[i][u] = tanh(sum);
        }
    }
    umb__sampler_destroy(sampler);
    umb__safetensors_destroy(file);
    free(image);
}

/* Song et al., eq. 5, as it is written there: K and L without their diagonals. */
static double hsic(double K[N][N], double L[N][N])
{
    double trace = 0, sum_k = 0, sum_l = 0, through = 0;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            trace += K[i][j] * L[j][i];
            sum_k += K[i][j];
            sum_l += L[i][j];
            for (int k = 0; k < N; k++) {
                through += K[i][k] * L[k][j];
            }
        }
    }
    return (trace + sum_k * sum_l / ((N - 1.0) * (N - 2.0)) - 2 * through / (N - 2.0)) /
           (N * (N - 3.0));
}

static void kernel(double x[N][UNITS], double K[N][N])
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            K[i][j] = 0;
            for (int u = 0; u < UNITS && i != j; u++) {
                K[i][j] += x[i][u] * x[j][u];
            }
        }
    }
}

static double expected_cka(struct small_run *r)
{
    static double x[N][UNITS], y[N][UNITS], K[N][N], L[N][N];
    features_of(r, 0, x);
    features_of(r, 1, y);
    kernel(x, K);
    kernel(y, L);
    return hsic(K, L) / sqrt(hsic(K, K) * hsic(L, L));
}

/* ---- cases ---- */

static void assert_close(const char *what, double is, double expected, double within)
{
    if (!(fabs(is - expected) <= within)) { fail_msg("%s: %.12g, not %.12g", what, is, expected); }
}

static void a_copy_of_a_net_is_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {NETS("", "", EQUAL),
                                        NETS("", ", augment: {flip: 0.5, zoom: 0.3}", EQUAL)};
    for (int i = 0; i < 2; i++) {
        struct small_run r = open_nets(texts[i]);
        assert_int_equal(r.exp->n_streams, 2);
        const struct looked l = look(&r);
        assert_close("a copy", l.cka[1], 1, 1e-12);
        assert_int_equal(l.seen.samples, N);
        assert_false(l.seen.gradients);
        assert_string_equal(l.seen.apart, "");
        small_run_close(&r);
    }
}

static void nets_are_compared_on_the_same_samples(void **state)
{
    (void)state;
    static const char *const texts[] = {
        NETS("", "", ""), NETS("", ", size: 16, normalize: {mean: 0.4, std: 0.3}", ""),
        NETS(", normalize: {mean: 0.5, std: 0.2}", ", augment: {flip: 0.5, shift: 0.2}", "")};
    for (int i = 0; i < 3; i++) {
        struct small_run r = open_nets(texts[i]);
        const struct looked l = look(&r);
        const double expected = expected_cka(&r);
        assert_close(texts[i], l.cka[1], expected, 2e-5);
        assert_close("symmetry", l.cka[2], l.cka[1], 0);
        assert_true(expected < 0.999); /* or any order would do */
        small_run_close(&r);
    }
}

static void one_stream_is_compared_as_two_are(void **state)
{
    (void)state;
    const char *const two = NETS("", "", "");
    char one[sizeof NETS("", "", "")];
    strcpy(one, two);
    *strstr(strstr(one, "y: {data: "), "b,") = 'a';
    char *line = strstr(one, "  b: {");
    memset(line, ' ', strcspn(line, "\n"));
    struct small_run r = open_nets(two), s = open_nets(one);
    assert_int_equal(r.exp->n_streams, 2);
    assert_int_equal(s.exp->n_streams, 1);
    const struct looked a = look(&r), b = look(&s);
    assert_close("one stream", b.cka[1], a.cka[1], 1e-9);
    small_run_close(&r);
    small_run_close(&s);
}

#define JOINED(b)                                                                        \
    "data:\n"                                                                            \
    "  a: {format: shapes, count: 50}\n"                                                 \
    "  b: {format: shapes, count: 50" b "}\n"                                            \
    "trunk: [{global_avg_pool: {}}, {dense: {units: 5, activation: tanh, name: d}}]\n"   \
    "tasks:\n"                                                                           \
    "  x: {data: a, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"  \
    "  y: {data: b, target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n" \
    "train: {batch: 16, seed: 7}\n"

static void other_samples_are_not_compared(void **state)
{
    (void)state;
    struct small_run r = open_nets(JOINED(", seed: 3")), s = open_nets(JOINED(""));
    const struct looked other = look(&r), same = look(&s);
    assert_true(isnan(other.cka[1]) && isnan(other.cka[2]) && !isnan(other.cka[0]));
    assert_true(other.seen.gradients && other.seen.batches == 2);
    assert_string_equal(other.seen.apart,
                        "none for 1 of 1 pairs, as x and y: their data are not the same samples");
    assert_close("one trunk", same.cka[1], 1, 1e-12);
    small_run_close(&r);
    small_run_close(&s);
}

static void nothing_in_common_is_refused(void **state)
{
    (void)state;
    struct small_run r = open_nets(NETS("", ", seed: 3", ""));
    struct umb_gradient_survey *survey = NULL;
    const struct umb_gradient_survey_desc desc = {
        .exp = r.exp, .trainer = r.trainer, .rate = 0.1, .features = true};
    assert_int_equal(umb__gradient_survey_create(r.ctx, &desc, &survey), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(r.ctx), "share no parameter that is trained, nor"));
    assert_null(survey);
    small_run_close(&r);
}

static void data_sets_may_have_the_same_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool same;
    } rows[] = {
        {NETS("", "", ""), true},
        {NETS("", ", size: 8, channels: 1", ""), true},
        {NETS(", augment: {flip: 1}", ", normalize: {mean: 0.1}", ""), true},
        {NETS("", ", seed: 2", ""), false},
        {NETS("", ", limit: 40", ""), false},
        {NETS("", ", validation: 0.2", ""), false},
        {NETS(", validation: 0.2", ", validation: 0.2", ""), true},
        {NETS(", validation: 0.2, seed: 4", ", validation: 0.2", ""), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct small_run r = small_run_open_text(rows[i].text, NULL);
        if (umb__exp_same_rows(&r.exp->data[0], &r.exp->data[1]) != rows[i].same) {
            fail_msg("%s: expected %d", rows[i].text, rows[i].same);
        }
        assert_int_equal(umb__exp_first_alike(r.exp, 1), rows[i].same ? 0 : 1);
        small_run_close(&r);
    }
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    struct small_run r = open_nets(NETS("", "", ""));
    (void)look(&r); /* kernels are built and kept */
    const struct umb_gradient_survey_desc desc = {
        .exp = r.exp, .trainer = r.trainer, .rate = 0.1, .features = true};
    const uint64_t live = umb__alloc_live();
    enum umb_status st = UMB_ERR_NO_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; st != UMB_OK; n += 3, failures++) {
        struct umb_gradient_survey *survey = NULL;
        umb__alloc_fail_at(n);
        st = umb__gradient_survey_create(r.ctx, &desc, &survey);
        if (st == UMB_OK) { st = umb__gradient_survey_look(survey, 1); }
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) {
            fail_msg("allocation %d: %s", (int)n, umb_context_error(r.ctx));
        }
        umb__gradient_survey_destroy(survey);
        if (umb__alloc_live() != live) { fail_msg("allocation %d leaves memory", (int)n); }
    }
    assert_true(failures > 10);
    small_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_of_a_net_is_the_same),
        cmocka_unit_test(nets_are_compared_on_the_same_samples),
        cmocka_unit_test(one_stream_is_compared_as_two_are),
        cmocka_unit_test(other_samples_are_not_compared),
        cmocka_unit_test(nothing_in_common_is_refused),
        cmocka_unit_test(data_sets_may_have_the_same_rows),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests_name("feature_streams", tests, NULL, NULL);
}
