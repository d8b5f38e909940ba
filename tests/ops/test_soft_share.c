/*
 * Soft sharing's op: its rows; and that what lies together is at distance 0 to the last bit.
 */
#include "direct.h"
#include "harness.h"
#include <math.h>
#include <string.h>

#define N 1003

/* T trunks of numbers around 1000 that differ by `apart`; all related. */
static struct direct open_near(const char *op, const char *attrs, int T, float apart)
{
    struct direct d = direct_open(op, attrs);
    const struct umb_shape shape = direct_shape(1, N, 0), square = direct_shape(2, T, T);
    static float w[N], pull[9];
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < N; i++) {
            w[i] = 1000.125f + (float)(i % 17) + apart * (float)t;
        }
        direct_f32(&d, &shape, w);
    }
    for (int i = 0; i < T * T; i++) {
        pull[i] = i % (T + 1) ? 0.1f : 0;
    }
    direct_f32(&d, &square, pull);
    return d;
}

/* A sum over W·B·Wᵀ would be off by some 1000²·2⁻²⁴ for each number. */
static void nearness_is_exact(void **state)
{
    (void)state;
    struct direct same = open_near("soft_share", NULL, 3, 0);
    struct direct near = open_near("soft_share", NULL, 3, 0.25f);
    direct_device(&same);
    direct_device(&near);
    assert_true(direct_out(&same, 0)[0] == 0);
    const float expected = 0.1f * 6 * 0.0625f * N; /* 1² + 1² + 2² */
    assert_true(fabsf(direct_out(&near, 0)[0] - expected) < 1e-5f * expected);
    direct_close(&same);
    direct_close(&near);
}

/* Where all agree, a gradient comes through as it was. */
static void nearness_leaves_gradients_alone(void **state)
{
    (void)state;
    struct direct d = open_near("soft_share_backward", "trunk=1 adds=true", 3, 0);
    const struct umb_shape one = direct_shape(1, 1, 0), shape = direct_shape(1, N, 0);
    static float g[N];
    for (int i = 0; i < N; i++) {
        g[i] = 0.1f * (float)i - 7;
    }
    direct_f32(&d, &one, &(float){1});
    direct_f32(&d, &shape, g);
    direct_device(&d);
    assert_memory_equal(direct_out(&d, 0), g, sizeof g);
    direct_close(&d);
}

static void expect_refusal(const char *op, const char *attrs, const char *in, const char *words)
{
    const struct umb_op_case row = {.attrs = attrs, .in = in};
    struct umb_trial *t;
    assert_int_equal(umb__trial_create(harness_context(), umb__op_find(op), &row, 1, &t),
                     UMB_ERR_INVALID);
    if (!strstr(umb_context_error(harness_context()), words)) {
        fail_msg("'%s'; expected '%s'", umb_context_error(harness_context()), words);
    }
}

static void unequal_shapes_are_refused(void **state)
{
    (void)state;
    expect_refusal("soft_share", NULL, "3,5 5,3 2,2", "input 0 has shape [3,5], input 1 has [5,3]");
    expect_refusal("soft_share", NULL, "3,5 3,5 3,3", "expected the pull [2,2]");
    expect_refusal("soft_share", NULL, "4:labels 4 2,2", "parameters (f32)");
    expect_refusal("soft_share_backward", "trunk=2", "4 4 2,2 1", "parameter 2 of 2");
    expect_refusal("soft_share_backward", "adds=true", "4 4 2,2 1 5", "another shape");
}

int main(void)
{
    static const char *const ops[] = {"soft_share", "soft_share_backward", NULL};
    static const struct CMUnitTest tests[] = {cmocka_unit_test(nearness_is_exact),
                                              cmocka_unit_test(nearness_leaves_gradients_alone),
                                              cmocka_unit_test(unequal_shapes_are_refused)};
    return harness_main(
        "soft_share",
        &(struct harness){.ops = ops, .tests = tests, .n_tests = sizeof tests / sizeof *tests});
}
