/*
 * Selection of samples: what is chosen by hand, ties, samples that do not count, refusals.
 */
#include "direct.h"
#include <math.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void expect_chosen(struct direct *d, const char *what, const float *expected, int64_t n)
{
    direct_device(d);
    assert_close(what, direct_out(d, 0), expected, n, 0);
    direct_reference(d);
    assert_close(what, direct_out(d, 0), expected, n, 0);
}

/* Losses fall from sample to sample, but 1 is masked, 4 is ignored and 6 is no number. */
static void the_highest_losses_by_hand(void **state)
{
    (void)state;
    const struct umb_shape logits = direct_shape(2, 7, 2), n = direct_shape(1, 7, 0);
    const float x[14] = {-5, 0, -9, 0, -3, 0, -2, 0, -7, 0, -1, 0, NAN, 0};
    const int32_t labels[7] = {0, 0, 0, 0, -1, 0, 0};
    const float mask[7] = {1, 0, 1, 1, 1, 1, 1};
    const float three[7] = {1, 0, 1, 0, 0, 0, 1}, one[7] = {0, 0, 0, 0, 0, 0, 1};
    struct direct d = direct_open("select", "share=0.5"); /* of 5, rounded up */
    direct_f32(&d, &logits, x);
    direct_i32(&d, &n, labels);
    direct_f32(&d, &n, mask);
    expect_chosen(&d, "half of five", three, 7);
    direct_close(&d);
    d = direct_open("select", "share=0.0001");
    direct_f32(&d, &logits, x);
    direct_i32(&d, &n, labels);
    direct_f32(&d, &n, mask);
    expect_chosen(&d, "at least one", one, 7);
    direct_close(&d);
}

/* 0.5 is the most uncertain, then what lies nearest to it, whatever the label. */
static void the_most_uncertain_by_hand(void **state)
{
    (void)state;
    const struct umb_shape column = direct_shape(2, 5, 1), n = direct_shape(1, 5, 0);
    const float x[5] = {3, -0.5f, 0, -4, 0.7f}, y[5] = {0, 0, 1, 1, NAN};
    const float mask[5] = {1, 1, 1, 1, 1}, expected[5] = {0, 1, 1, 0, 0};
    struct direct d = direct_open("select", "of=binary_cross_entropy by=uncertainty share=0.5");
    direct_f32(&d, &column, x);
    direct_f32(&d, &column, y);
    direct_f32(&d, &n, mask);
    expect_chosen(&d, "uncertain", expected, 5);
    direct_close(&d);
}

static void of_equals_the_first_are_taken(void **state)
{
    (void)state;
    const struct umb_shape shape = direct_shape(2, 6, 2), n = direct_shape(1, 6, 0);
    const float x[12] = {1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1}, y[12] = {0};
    const float mask[6] = {1, 1, 1, 1, 0, 1}, expected[6] = {1, 1, 1, 0, 0, 0};
    struct direct d = direct_open("select", "of=mse share=0.6");
    direct_f32(&d, &shape, x);
    direct_f32(&d, &shape, y);
    direct_f32(&d, &n, mask);
    expect_chosen(&d, "ties", expected, 6);
    direct_close(&d);
}

static void where_nothing_counts_nothing_is_chosen(void **state)
{
    (void)state;
    const struct umb_shape shape = direct_shape(2, 3, 1), n = direct_shape(1, 3, 0);
    const float x[3] = {NAN, INFINITY, 1}, y[3] = {1, 1, NAN}, mask[3] = {0, 0, 1};
    const float none[3] = {0};
    struct direct d = direct_open("select", "of=huber");
    direct_f32(&d, &shape, x);
    direct_f32(&d, &shape, y);
    direct_f32(&d, &n, mask);
    expect_chosen(&d, "none", none, 3);
    direct_close(&d);
}

static void refuse(const char *attrs, int64_t rows, const char *expected)
{
    const struct umb_shape shape = direct_shape(2, 3, 2), n = direct_shape(1, rows, 0);
    struct direct d = direct_open("select", attrs);
    direct_f32(&d, &shape, NULL);
    direct_f32(&d, &shape, NULL);
    direct_f32(&d, &n, NULL);
    const char *got = direct_refusal(&d);
    if (!strstr(got, expected)) { fail_msg("got '%s', expected '%s'", got, expected); }
    direct_close(&d);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    refuse("of=mse", 4, "masks have shape [4]; expected float32 [3]");
    refuse("of=cross_entropy", 3, "labels have shape [3,2]; expected int32 [3]");
    refuse("of=l1 by=uncertainty", 3, "answers to l1 have no uncertainty");
}

int main(void)
{
    static const char *const ops[] = {"select", NULL};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_losses_by_hand),
        cmocka_unit_test(the_most_uncertain_by_hand),
        cmocka_unit_test(of_equals_the_first_are_taken),
        cmocka_unit_test(where_nothing_counts_nothing_is_chosen),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return harness_main("select",
                        &(struct harness){.ops = ops, .tests = tests, .n_tests = COUNT(tests)});
}
