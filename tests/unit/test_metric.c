/* Metrics from counts and sums, against values worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tasks.h"

static double metric(enum umb_judge judge, const char *name, const struct umb_tally *t, int64_t n)
{
    const struct umb_metric *m = umb__metric_find(name, judge);
    if (!m) { fail_msg("no metric %s", name); }
    return m->compute(t, n);
}

static void expect(enum umb_judge judge, const char *name, const struct umb_tally *t, int64_t n,
                   double expected)
{
    double got = metric(judge, name, t, n);
    if (!(fabs(got - expected) <= 1e-12) && !(isnan(got) && isnan(expected))) {
        fail_msg("%s is %.15g, expected %.15g", name, got, expected);
    }
}

/* ---- classes: rows are the truth, columns the answers ---- */

static void three_classes(void **state)
{
    (void)state;
    int64_t counts[9] = {5, 1, 0, /**/ 2, 6, 2, /**/ 0, 3, 1};
    struct umb_tally t = {.n_counts = 9, .counts = counts};
    expect(UMB_JUDGE_CLASSES, "accuracy", &t, 3, 12.0 / 20);
    expect(UMB_JUDGE_CLASSES, "precision", &t, 3, (5.0 / 7 + 6.0 / 10 + 1.0 / 3) / 3);
    expect(UMB_JUDGE_CLASSES, "recall", &t, 3, (5.0 / 6 + 6.0 / 10 + 1.0 / 4) / 3);
    expect(UMB_JUDGE_CLASSES, "f1", &t, 3, (10.0 / 13 + 12.0 / 20 + 2.0 / 7) / 3);
    expect(UMB_JUDGE_CLASSES, "iou", &t, 3, (5.0 / 8 + 6.0 / 14 + 1.0 / 6) / 3);
}

static void all_right(void **state)
{
    (void)state;
    int64_t counts[4] = {3, 0, 0, 9};
    struct umb_tally t = {.n_counts = 4, .counts = counts};
    const char *names[] = {"accuracy", "precision", "recall", "f1", "iou"};
    for (size_t i = 0; i < 5; i++) {
        expect(UMB_JUDGE_CLASSES, names[i], &t, 2, 1);
    }
}

/* Class 2 is neither among the labels nor among the answers. */
static void a_class_that_never_occurs_counts_for_nothing(void **state)
{
    (void)state;
    int64_t counts[9] = {4, 1, 0, /**/ 0, 3, 0, /**/ 0, 0, 0};
    struct umb_tally t = {.n_counts = 9, .counts = counts};
    expect(UMB_JUDGE_CLASSES, "precision", &t, 3, (4.0 / 4 + 3.0 / 4) / 2);
    expect(UMB_JUDGE_CLASSES, "recall", &t, 3, (4.0 / 5 + 3.0 / 3) / 2);
    expect(UMB_JUDGE_CLASSES, "f1", &t, 3, (8.0 / 9 + 6.0 / 7) / 2);
    expect(UMB_JUDGE_CLASSES, "iou", &t, 3, (4.0 / 5 + 3.0 / 4) / 2);
}

/* Class 1 occurs and is never answered; class 2 is answered and never occurs. */
static void missed_and_invented_classes_are_zero(void **state)
{
    (void)state;
    int64_t counts[9] = {2, 0, 2, /**/ 4, 0, 0, /**/ 0, 0, 0};
    struct umb_tally t = {.n_counts = 9, .counts = counts};
    expect(UMB_JUDGE_CLASSES, "accuracy", &t, 3, 2.0 / 8);
    expect(UMB_JUDGE_CLASSES, "precision", &t, 3, (2.0 / 6 + 0 + 0) / 3);
    expect(UMB_JUDGE_CLASSES, "recall", &t, 3, (2.0 / 4 + 0 + 0) / 3);
    expect(UMB_JUDGE_CLASSES, "f1", &t, 3, (4.0 / 10 + 0 + 0) / 3);
    expect(UMB_JUDGE_CLASSES, "iou", &t, 3, (2.0 / 8 + 0 + 0) / 3);
}

static void nothing_seen_is_nan(void **state)
{
    (void)state;
    int64_t counts[8] = {0};
    double errors[10] = {0};
    struct umb_tally t = {.n_counts = 4, .counts = counts, .n_values = 10, .errors = errors};
    const char *classes[] = {"accuracy", "precision", "recall", "f1", "iou"};
    for (size_t i = 0; i < 5; i++) {
        expect(UMB_JUDGE_CLASSES, classes[i], &t, 2, NAN);
    }
    expect(UMB_JUDGE_BINARY, "accuracy", &t, 2, NAN);
    const char *numbers[] = {"mae", "mse", "rmse", "r2"};
    for (size_t i = 0; i < 4; i++) {
        expect(UMB_JUDGE_ERRORS, numbers[i], &t, 2, NAN);
    }
}

/* Counts beyond what 32 bits hold. */
static void large_counts(void **state)
{
    (void)state;
    const int64_t k = INT64_C(5000000000);
    int64_t counts[4] = {3 * k, k, k, 5 * k};
    struct umb_tally t = {.n_counts = 4, .counts = counts};
    expect(UMB_JUDGE_CLASSES, "accuracy", &t, 2, 0.8);
    expect(UMB_JUDGE_CLASSES, "iou", &t, 2, (3.0 / 5 + 5.0 / 7) / 2);
}

/* ---- yes or no: tn fp fn tp of each output ---- */

static void two_yes_or_no_outputs(void **state)
{
    (void)state;
    int64_t counts[8] = {10, 2, 3, 5, /**/ 8, 0, 4, 8};
    struct umb_tally t = {.n_counts = 8, .counts = counts};
    expect(UMB_JUDGE_BINARY, "accuracy", &t, 2, 31.0 / 40);
    expect(UMB_JUDGE_BINARY, "precision", &t, 2, (5.0 / 7 + 8.0 / 8) / 2);
    expect(UMB_JUDGE_BINARY, "recall", &t, 2, (5.0 / 8 + 8.0 / 12) / 2);
    expect(UMB_JUDGE_BINARY, "f1", &t, 2, (10.0 / 15 + 16.0 / 20) / 2);
}

static void yes_never_said_is_zero(void **state)
{
    (void)state;
    int64_t counts[4] = {6, 0, 4, 0};
    struct umb_tally t = {.n_counts = 4, .counts = counts};
    expect(UMB_JUDGE_BINARY, "accuracy", &t, 1, 0.6);
    expect(UMB_JUDGE_BINARY, "precision", &t, 1, 0);
    expect(UMB_JUDGE_BINARY, "recall", &t, 1, 0);
    expect(UMB_JUDGE_BINARY, "f1", &t, 1, 0);
}

/* ---- numbers: count, Σ|e|, Σe², Σy, Σy² of each output ---- */

/* Two outputs, and behind them 4 faces with errors of 0.1, 0.2, 0.2 and 0.3. */
static void landmarks_of_all_batches(void **state)
{
    (void)state;
    double errors[15] = {4, 3, 5, 10, 30, /**/ 4, 1, 1, 2, 4, /**/ 4, 0.8, 0, 0, 0};
    struct umb_tally t = {.n_values = 15, .errors = errors};
    expect(UMB_JUDGE_ERRORS, "landmark_error", &t, 2, 0.8 / 4);
    expect(UMB_JUDGE_ERRORS, "mae", &t, 2, 4.0 / 8);
    errors[10] = 0; /* none whose unit was more than 0 */
    expect(UMB_JUDGE_ERRORS, "landmark_error", &t, 2, NAN);
    assert_true(umb__metric_landmarks()->lower_is_better);
}

/* Output 0: labels 1 2 3 4, answers 1 3 3 2. Output 1: labels 0 2 of two samples, answers 1 2. */
static void two_numbers(void **state)
{
    (void)state;
    double errors[10] = {4, 3, 5, 10, 30, /**/ 2, 1, 1, 2, 4};
    struct umb_tally t = {.n_values = 10, .errors = errors};
    expect(UMB_JUDGE_ERRORS, "mae", &t, 2, 4.0 / 6);
    expect(UMB_JUDGE_ERRORS, "mse", &t, 2, 6.0 / 6);
    expect(UMB_JUDGE_ERRORS, "rmse", &t, 2, 1);
    expect(UMB_JUDGE_ERRORS, "r2", &t, 2, ((1 - 5.0 / 5) + (1 - 1.0 / 2)) / 2);
}

/* Labels that do not vary have no share to explain. */
static void r2_of_equal_labels(void **state)
{
    (void)state;
    double errors[10] = {3, 1, 1, 6, 12, /**/ 2, 2, 2, 4, 10};
    struct umb_tally t = {.n_values = 10, .errors = errors};
    expect(UMB_JUDGE_ERRORS, "r2", &t, 2, 1 - 2.0 / 2);
    expect(UMB_JUDGE_ERRORS, "r2", &t, 1, NAN);
}

/* ---- the table ---- */

static void names_belong_to_a_judge(void **state)
{
    (void)state;
    assert_null(umb__metric_find("mae", UMB_JUDGE_CLASSES));
    assert_null(umb__metric_find("accuracy", UMB_JUDGE_ERRORS));
    assert_null(umb__metric_find("iou", UMB_JUDGE_BINARY));
    assert_null(umb__metric_find("", UMB_JUDGE_CLASSES));
    const char *names[UMB_TASK_METRICS + 1] = {0};
    umb__metric_names(UMB_JUDGE_ERRORS, names, UMB_TASK_METRICS);
    assert_string_equal(names[0], "mae");
    assert_string_equal(names[4], "landmark_error");
    assert_null(names[5]);
    const char *one[2] = {0};
    umb__metric_names(UMB_JUDGE_CLASSES, one, 1);
    assert_string_equal(one[0], "accuracy");
    assert_null(one[1]);
}

static void scores_are_better_when_higher(void **state)
{
    (void)state;
    const struct umb_metric *mae = umb__metric_find("mae", UMB_JUDGE_ERRORS),
                            *r2 = umb__metric_find("r2", UMB_JUDGE_ERRORS);
    assert_true(fabs(umb__metric_score(mae, 3) - 0.25) < 1e-15);
    assert_true(fabs(umb__metric_score(mae, 0) - 1) < 1e-15);
    assert_true(fabs(umb__metric_score(r2, -2) + 2) < 1e-15);
    assert_true(isnan(umb__metric_score(mae, NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_classes),
        cmocka_unit_test(all_right),
        cmocka_unit_test(a_class_that_never_occurs_counts_for_nothing),
        cmocka_unit_test(missed_and_invented_classes_are_zero),
        cmocka_unit_test(nothing_seen_is_nan),
        cmocka_unit_test(large_counts),
        cmocka_unit_test(two_yes_or_no_outputs),
        cmocka_unit_test(yes_never_said_is_zero),
        cmocka_unit_test(landmarks_of_all_batches),
        cmocka_unit_test(two_numbers),
        cmocka_unit_test(r2_of_equal_labels),
        cmocka_unit_test(names_belong_to_a_judge),
        cmocka_unit_test(scores_are_better_when_higher)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
