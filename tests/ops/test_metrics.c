/*
 * Metric ops: cells by hand, labels that do not count, adding up over batches.
 */
#include "direct.h"
#include <math.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void expect_counts(const struct direct *d, const int32_t *expected, int n)
{
    const int32_t *got = d->in[3];
    for (int i = 0; i < n; i++) {
        if (got[i] != expected[i]) {
            fail_msg("cell %d: got %d, expected %d", i, (int)got[i], (int)expected[i]);
        }
    }
}

static void classes_by_hand(void **state)
{
    (void)state;
    const struct umb_shape logits = direct_shape(2, 8, 3), n = direct_shape(1, 8, 0);
    const struct umb_shape cells = direct_shape(2, 3, 3);
    const float x[24] = {1, 0, 0, 0, 2, 1, 5, 5, 5, 0,   1,   1,
                         1, 9, 0, 1, 9, 0, 1, 9, 0, NAN, NAN, 1};
    const int32_t labels[8] = {0, 2, 1, 1, -1, 3, 2, 0}, before[9] = {10};
    const float mask[8] = {1, 1, 1, 1, 1, 1, 0, 1};
    struct direct d = direct_open("class_counts", NULL);
    direct_f32(&d, &logits, x);
    direct_i32(&d, &n, labels);
    direct_f32(&d, &n, mask);
    direct_i32(&d, &cells, before);
    direct_device(&d);
    const int32_t expected[9] = {12, 0, 0, 1, 1, 0, 0, 1, 0};
    expect_counts(&d, expected, 9);
    direct_close(&d);
}

static void answers_by_hand(void **state)
{
    (void)state;
    const struct umb_shape shape = direct_shape(2, 6, 1), n = direct_shape(1, 6, 0);
    const struct umb_shape cells = direct_shape(2, 1, 4);
    const float x[6] = {1, -1, 2, -2, 0, 3}, y[6] = {1, 0, 0, 1, 0.5f, NAN};
    const float mask[6] = {1, 1, 1, 1, 1, 1};
    struct direct d = direct_open("binary_counts", NULL);
    direct_f32(&d, &shape, x);
    direct_f32(&d, &shape, y);
    direct_f32(&d, &n, mask);
    direct_i32(&d, &cells, NULL);
    direct_device(&d);
    const int32_t expected[4] = {2, 1, 1, 1};
    expect_counts(&d, expected, 4);
    direct_device(&d); /* a second batch is added */
    const int32_t twice[4] = {4, 2, 2, 2};
    expect_counts(&d, twice, 4);
    direct_close(&d);
}

static void errors_by_hand(void **state)
{
    (void)state;
    const struct umb_shape shape = direct_shape(2, 3, 2), n = direct_shape(1, 3, 0);
    const float x[6] = {1, 2, 3, 4, NAN, NAN}, y[6] = {0, 4, 5, NAN, 1, INFINITY};
    const float mask[3] = {1, 1, 0};
    struct direct d = direct_open("error_sums", NULL);
    direct_f32(&d, &shape, x);
    direct_f32(&d, &shape, y);
    direct_f32(&d, &n, mask);
    direct_device(&d);
    const float expected[10] = {2, 3, 5, 5, 25, 1, 2, 4, 4, 16};
    assert_close("sums", direct_out(&d, 0), expected, 10, 0);
    direct_close(&d);
}

/* 3-4-5 triangles: points 0 and 1 lie 5 apart. Sample 1 has no label, 2 is masked, in 3 the two
 * points are one; sample 4 is off by 10 and 0. */
static void landmarks_by_hand(void **state)
{
    (void)state;
    const struct umb_shape shape = direct_shape(2, 5, 4), n = direct_shape(1, 5, 0);
    const float x[20] = {3,      4, 3, 4, /**/ 0, 0, 0, 0, /**/ NAN, 0, 0, 0,
                         /**/ 0, 0, 0, 0, /**/ 8, 6, 3, 4};
    const float y[20] = {0,      0, 3, 4, /**/ NAN, 0, 3, 4, /**/ 0, 0, 3, 4,
                         /**/ 1, 1, 1, 1, /**/ 0,   0, 3, 4};
    const float mask[5] = {1, 1, 0, 1, 1};
    struct direct d = direct_open("error_sums", "points=xyxy between=0,1");
    direct_f32(&d, &shape, x);
    direct_f32(&d, &shape, y);
    direct_f32(&d, &n, mask);
    direct_device(&d);
    const float expected[5] = {2, 0.5f + 1, 0, 0, 0};
    assert_close("landmarks", (const float *)direct_out(&d, 0) + 20, expected, 5, 1e-6);
    direct_close(&d);
}

static void wrong_points_are_refused(void **state)
{
    (void)state;
    const struct umb_shape shape = direct_shape(2, 5, 4), n = direct_shape(1, 5, 0);
    struct direct d = direct_open("error_sums", "points=xxyy between=0,2");
    direct_f32(&d, &shape, NULL);
    direct_f32(&d, &shape, NULL);
    direct_f32(&d, &n, NULL);
    const char *got = direct_refusal(&d);
    if (!strstr(got, "points 0 and 2; expected two different ones of 0 … 1")) {
        fail_msg("got '%s'", got);
    }
    direct_close(&d);
}

static void wrong_counts_are_refused(void **state)
{
    (void)state;
    const struct umb_shape logits = direct_shape(2, 8, 3), n = direct_shape(1, 8, 0);
    struct direct d = direct_open("class_counts", NULL);
    direct_f32(&d, &logits, NULL);
    direct_i32(&d, &n, NULL);
    direct_f32(&d, &n, NULL);
    direct_i32(&d, &logits, NULL);
    const char *got = direct_refusal(&d);
    if (!strstr(got, "counts have shape [8,3]; expected int32 [3,3]")) {
        fail_msg("got '%s'", got);
    }
    direct_close(&d);
}

int main(void)
{
    static const char *const ops[] = {"class_counts", "binary_counts", "error_sums", NULL};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_by_hand),          cmocka_unit_test(answers_by_hand),
        cmocka_unit_test(errors_by_hand),           cmocka_unit_test(landmarks_by_hand),
        cmocka_unit_test(wrong_points_are_refused), cmocka_unit_test(wrong_counts_are_refused),
    };
    return harness_main("metrics",
                        &(struct harness){.ops = ops, .tests = tests, .n_tests = COUNT(tests)});
}
