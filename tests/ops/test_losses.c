/*
 * Losses: PyTorch's values, samples that do not count, deterministic sums, refusals.
 */
#include "direct.h"
#define GOLDEN_LOSSES
#include "golden_ops.h"
#include "rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* What PyTorch computes. */

static struct umb_shape label_shape(const struct golden_loss *g)
{
    struct umb_shape s = g->shape;
    if (g->classes) { s.rank--; }
    return s;
}

static void add_batch(struct direct *d, const struct golden_loss *g)
{
    const struct umb_shape labels = label_shape(g), mask = direct_shape(1, g->shape.dim[0], 0);
    direct_f32(d, &g->shape, g->x);
    if (g->classes) {
        direct_i32(d, &labels, g->classes);
    } else {
        direct_f32(d, &labels, g->numbers);
    }
    direct_f32(d, &mask, g->mask);
}

static struct direct open_backward(const struct golden_loss *g, float total, float dloss)
{
    char name[64];
    const struct umb_shape scalar = direct_shape(1, 1, 0);
    snprintf(name, sizeof name, "%s_backward", g->op);
    struct direct d = direct_open(name, g->attrs);
    add_batch(&d, g);
    direct_f32(&d, &scalar, &total);
    direct_f32(&d, &scalar, &dloss);
    return d;
}

static void check_golden(const struct golden_loss *g, void (*run)(struct direct *))
{
    struct direct d = direct_open(g->op, g->attrs);
    add_batch(&d, g);
    run(&d);
    assert_close(g->op, direct_out(&d, 0), &g->loss, 1, 1e-6);
    assert_close("total", direct_out(&d, 1), &g->total, 1, 1e-6);
    struct direct b = open_backward(g, direct_out(&d, 1)[0], GOLDEN_DLOSS);
    run(&b);
    assert_close(g->attrs, direct_out(&b, 0), g->dx, umb__shape_count(&g->shape), 1e-6);
    direct_close(&b);
    direct_close(&d);
}

static void golden_on_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden_losses); i++) {
        check_golden(&golden_losses[i], direct_device);
    }
}

static void golden_by_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden_losses); i++) {
        check_golden(&golden_losses[i], direct_reference);
    }
}

/* What does not count. */

/* Row 1 of a golden batch of six that has its mask 0 there; every loss has one. */
static const struct golden_loss *masked_row(const char *op)
{
    for (size_t i = 0; i < COUNT(golden_losses); i++) {
        const struct golden_loss *g = &golden_losses[i];
        if (strcmp(g->op, op) == 0 && g->mask[1] == 0) { return g; }
    }
    fail_msg("no golden %s with a masked sample", op);
    return NULL;
}

static void spoil(struct direct *d, const struct golden_loss *g, int64_t sample)
{
    static const float garbage[] = {NAN, INFINITY, -INFINITY, 3e38f};
    const int64_t per = umb__shape_count(&g->shape) / g->shape.dim[0];
    for (int64_t i = sample * per; i < (sample + 1) * per; i++) {
        direct_in(d, 0)[i] = garbage[i % 4];
        if (g->numbers) { direct_in(d, 1)[i] = garbage[(i + 1) % 4]; }
    }
    if (g->classes) { ((int32_t *)d->in[1])[sample] = INT32_MAX; }
}

static void check_masked(const char *op)
{
    const struct golden_loss *g = masked_row(op);
    const int64_t n = umb__shape_count(&g->shape), per = n / g->shape.dim[0];
    struct direct clean = direct_open(g->op, g->attrs), spoilt = direct_open(g->op, g->attrs);
    add_batch(&clean, g);
    add_batch(&spoilt, g);
    spoil(&spoilt, g, 1);
    direct_device(&clean);
    direct_device(&spoilt);
    assert_memory_equal(direct_out(&clean, 0), direct_out(&spoilt, 0), sizeof(float));
    assert_memory_equal(direct_out(&clean, 1), direct_out(&spoilt, 1), sizeof(float));
    struct direct a = open_backward(g, direct_out(&clean, 1)[0], 1);
    struct direct b = open_backward(g, direct_out(&clean, 1)[0], 1);
    spoil(&b, g, 1);
    direct_device(&a);
    direct_device(&b);
    assert_memory_equal(direct_out(&a, 0), direct_out(&b, 0), (size_t)n * sizeof(float));
    for (int64_t i = per; i < 2 * per; i++) {
        assert_true(direct_out(&b, 0)[i] == 0);
    }
    direct_close(&a);
    direct_close(&b);
    direct_close(&clean);
    direct_close(&spoilt);
}

static void a_masked_sample_changes_no_bit(void **state)
{
    check_masked(*state);
}

/* Nothing counts, everything is NaN, and so is dloss. */
static void nothing_counts(void **state)
{
    const struct golden_loss *g = masked_row(*state);
    const int64_t n = umb__shape_count(&g->shape);
    struct direct d = direct_open(g->op, g->attrs), b = open_backward(g, 0, NAN);
    add_batch(&d, g);
    for (int64_t i = 0; i < g->shape.dim[0]; i++) {
        spoil(&d, g, i);
        spoil(&b, g, i);
        direct_in(&d, 2)[i] = 0;
        direct_in(&b, 2)[i] = 0;
    }
    direct_device(&d);
    direct_device(&b);
    assert_true(direct_out(&d, 0)[0] == 0 && direct_out(&d, 1)[0] == 0);
    for (int64_t i = 0; i < n; i++) {
        assert_true(direct_out(&b, 0)[i] == 0);
    }
    direct_close(&d);
    direct_close(&b);
}

static void ignored_labels_count_nothing(void **state)
{
    (void)state;
    const struct golden_loss *g = masked_row("cross_entropy");
    struct direct d = direct_open("cross_entropy", "ignore_index=3");
    add_batch(&d, g);
    const int32_t labels[6] = {3, 3, -1, 4, 99, 3};
    memcpy(d.in[1], labels, sizeof labels);
    direct_device(&d);
    assert_true(direct_out(&d, 0)[0] == 0 && direct_out(&d, 1)[0] == 0);
    direct_close(&d);
}

/* Numbers at the edge. */

static float one_loss(const char *op, const char *attrs, int n, const float *x, float label)
{
    const struct umb_shape shape = direct_shape(2, 1, n), one = direct_shape(1, 1, 0);
    const float mask = 1;
    const int32_t class = (int32_t)label;
    struct direct d = direct_open(op, attrs);
    direct_f32(&d, &shape, x);
    if (strcmp(op, "cross_entropy") == 0) {
        direct_i32(&d, &one, &class);
    } else {
        direct_f32(&d, &shape, &label);
    }
    direct_f32(&d, &one, &mask);
    direct_device(&d);
    const float loss = direct_out(&d, 0)[0];
    direct_close(&d);
    return loss;
}

static void large_logits_do_not_overflow(void **state)
{
    (void)state;
    const float high[3] = {1000, 0, -1000}, two[3] = {500, 500, -2000};
    const float expected[4] = {0, 2000, 0.693147181f, 1000};
    const float got[4] = {one_loss("cross_entropy", NULL, 3, high, 0),
                          one_loss("cross_entropy", NULL, 3, high, 2),
                          one_loss("cross_entropy", NULL, 3, two, 1),
                          one_loss("binary_cross_entropy", NULL, 1, high, 0)};
    assert_close("loss", got, expected, 4, 1e-6);
    assert_true(one_loss("binary_cross_entropy", NULL, 1, high, 1) == 0);
}

static void an_impossible_class_is_left_alone(void **state)
{
    (void)state;
    const float x[3] = {1, -INFINITY, 1}, expected = 0.693147181f;
    const float got = one_loss("cross_entropy", NULL, 3, x, 2);
    assert_close("loss", &got, &expected, 1, 1e-6);
}

static void nan_of_a_counted_sample_shows(void **state)
{
    (void)state;
    const float x[2] = {NAN, 1};
    assert_true(isnan(one_loss("cross_entropy", NULL, 2, x, 1)));
    assert_true(isnan(one_loss("binary_cross_entropy", NULL, 1, x, 1)));
    assert_true(isnan(one_loss("mse", NULL, 1, x, 1)));
}

/* Large enough for many groups: the same bits on every run. */
static void sums_are_deterministic(void **state)
{
    (void)state;
    enum { ROWS = 40000, CLASSES = 3 };
    static float x[ROWS * CLASSES], mask[ROWS];
    static int32_t labels[ROWS];
    for (int i = 0; i < ROWS * CLASSES; i++) {
        x[i] = 10 * umb__random_unit(5, UMB_RNG_TEST, 0, (uint64_t)i);
        mask[i / CLASSES] = i % 11 != 0;
        labels[i / CLASSES] = i % CLASSES;
    }
    const struct umb_shape shape = direct_shape(2, ROWS, CLASSES), rows = direct_shape(1, ROWS, 0);
    float first[2] = {0};
    for (int run = 0; run < 6; run++) {
        struct direct d = direct_open("cross_entropy", NULL);
        direct_f32(&d, &shape, x);
        direct_i32(&d, &rows, labels);
        direct_f32(&d, &rows, mask);
        direct_device(&d);
        const float got[2] = {direct_out(&d, 0)[0], direct_out(&d, 1)[0]};
        if (run == 0) { memcpy(first, got, sizeof first); }
        assert_memory_equal(got, first, sizeof first);
        direct_close(&d);
    }
    assert_true(first[0] > 0.1f);
}

/* More weights than any line of options was made for. */
static void a_thousand_class_weights(void **state)
{
    (void)state;
    static char attrs[16000] = "class_weights=";
    static float x[1000];
    size_t at = strlen(attrs);
    for (int i = 0; i < 1000; i++) {
        at += (size_t)snprintf(attrs + at, sizeof attrs - at, "%s0.%04d", i ? "," : "", i + 1);
        x[i] = (float)(i % 7);
    }
    const struct umb_shape shape = direct_shape(2, 1, 1000), one = direct_shape(1, 1, 0);
    const float mask = 1, weight = 0.1f;
    const int32_t label = 999;
    struct direct d = direct_open("cross_entropy", attrs);
    direct_f32(&d, &shape, x);
    direct_i32(&d, &one, &label);
    direct_f32(&d, &one, &mask);
    direct_device(&d);
    assert_close("total", direct_out(&d, 1), &weight, 1, 1e-6);
    direct_close(&d);
}

/* Refusals. */

static void check_refusal(struct direct *d, const char *expected)
{
    const char *got = direct_refusal(d);
    if (!strstr(got, expected)) { fail_msg("got '%s', expected '%s'", got, expected); }
    direct_close(d);
}

static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    const struct golden_loss *g = masked_row("cross_entropy");
    const struct umb_shape four = direct_shape(1, 4, 0), six = direct_shape(1, 6, 0);
    struct direct d = direct_open("cross_entropy", NULL);
    direct_f32(&d, &g->shape, g->x);
    direct_i32(&d, &four, NULL);
    direct_f32(&d, &six, NULL);
    check_refusal(&d, "labels have shape [4]; expected [6]");
    d = direct_open("cross_entropy", NULL);
    direct_f32(&d, &g->shape, g->x);
    direct_f32(&d, &six, NULL);
    direct_f32(&d, &six, NULL);
    check_refusal(&d, "labels are of the wrong type; expected int32 classes");
    d = direct_open("mse", NULL);
    direct_f32(&d, &g->shape, g->x);
    direct_f32(&d, &g->shape, NULL);
    direct_f32(&d, &four, NULL);
    check_refusal(&d, "masks have shape [4]; expected [6]");
    d = direct_open("mse", NULL);
    direct_f32(&d, &six, NULL);
    direct_f32(&d, &six, NULL);
    direct_f32(&d, &six, NULL);
    check_refusal(&d, "predictions have shape [6]; expected float32 [N,…,C]");
}

static void wrong_numbers_of_weights_are_refused(void **state)
{
    (void)state;
    struct direct d = direct_open("cross_entropy", "class_weights=1,2,3");
    add_batch(&d, masked_row("cross_entropy"));
    check_refusal(&d, "class_weights has 3 numbers; expected one for each of 4 classes");
    d = direct_open("binary_cross_entropy", "pos_weight=1,2");
    add_batch(&d, masked_row("binary_cross_entropy"));
    check_refusal(&d, "pos_weight has 2 numbers; expected one, or one for each of 3 columns");
}

#define FOR_OP(test, op)                                                  \
    {                                                                     \
        .name = #test " (" op ")", .test_func = test, .initial_state = op \
    }

int main(void)
{
    static const char *const ops[] = {
        "cross_entropy", "binary_cross_entropy", "mse", "l1", "huber", NULL};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_on_device),
        cmocka_unit_test(golden_by_reference),
        FOR_OP(a_masked_sample_changes_no_bit, "cross_entropy"),
        FOR_OP(a_masked_sample_changes_no_bit, "binary_cross_entropy"),
        FOR_OP(a_masked_sample_changes_no_bit, "mse"),
        FOR_OP(a_masked_sample_changes_no_bit, "l1"),
        FOR_OP(a_masked_sample_changes_no_bit, "huber"),
        FOR_OP(nothing_counts, "cross_entropy"),
        FOR_OP(nothing_counts, "binary_cross_entropy"),
        FOR_OP(nothing_counts, "mse"),
        FOR_OP(nothing_counts, "l1"),
        FOR_OP(nothing_counts, "huber"),
        cmocka_unit_test(ignored_labels_count_nothing),
        cmocka_unit_test(large_logits_do_not_overflow),
        cmocka_unit_test(an_impossible_class_is_left_alone),
        cmocka_unit_test(nan_of_a_counted_sample_shows),
        cmocka_unit_test(sums_are_deterministic),
        cmocka_unit_test(a_thousand_class_weights),
        cmocka_unit_test(wrong_shapes_are_refused),
        cmocka_unit_test(wrong_numbers_of_weights_are_refused),
    };
    return harness_main("losses",
                        &(struct harness){.ops = ops, .tests = tests, .n_tests = COUNT(tests)});
}
