/*
 * Optimizers: PyTorch's parameters after five steps, clipping, refusals.
 */
#include "direct.h"
#define GOLDEN_OPTIMIZERS
#include "golden_ops.h"
#include "optimizer.h"
#include <math.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct umb_shape params = {1, {GOLDEN_PARAMS}}, hypers = {1, {UMB_HYPER_COUNT}},
                              scalar = {1, {1}};

/* What PyTorch computes. */

static float clip(const float *grad, void (*run)(struct direct *))
{
    struct direct d = direct_open("clip_scale", "max_norm=" GOLDEN_MAX_NORM);
    direct_f32(&d, &params, grad);
    run(&d);
    const float scale = direct_out(&d, 0)[0];
    direct_close(&d);
    return scale;
}

/* The betas as the row's text has them. */
static void fill_hyper(const char *attrs, int step, float *hyper)
{
    const bool other = strstr(attrs, "beta1=0.8 beta2=0.95") != NULL;
    memset(hyper, 0, UMB_HYPER_COUNT * sizeof *hyper);
    hyper[UMB_HYPER_RATE] = (float)GOLDEN_RATE;
    hyper[UMB_HYPER_CORRECTION1] = (float)(1 - pow(other ? 0.8 : 0.9, step));
    hyper[UMB_HYPER_CORRECTION2] = (float)(1 - pow(other ? 0.95 : 0.999, step));
    hyper[UMB_HYPER_FIRST] = step == 1;
    hyper[UMB_HYPER_ONE] = 1;
}

static void check_golden(const struct golden_optimizer *g, void (*run)(struct direct *))
{
    struct direct d = direct_open(g->op, g->attrs);
    const int hyper = 2 + g->n_moments;
    direct_f32(&d, &params, golden_param);
    direct_f32(&d, &params, NULL);
    for (int i = 0; i < g->n_moments; i++) {
        direct_f32(&d, &params, NULL);
    }
    direct_f32(&d, &hypers, NULL);
    if (g->clip) { direct_f32(&d, &scalar, NULL); }
    for (int step = 1; step <= GOLDEN_STEPS; step++) {
        const float *grad = golden_grads + (step - 1) * GOLDEN_PARAMS;
        memcpy(d.in[1], grad, GOLDEN_PARAMS * sizeof *grad);
        fill_hyper(g->attrs, step, direct_in(&d, hyper));
        if (g->clip) { direct_in(&d, hyper + 1)[0] = clip(grad, run); }
        run(&d);
    }
    assert_close(g->attrs, direct_in(&d, 0), g->param, GOLDEN_PARAMS, 2e-6);
    direct_close(&d);
}

static void golden_on_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden_optimizers); i++) {
        check_golden(&golden_optimizers[i], direct_device);
    }
}

static void golden_by_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden_optimizers); i++) {
        check_golden(&golden_optimizers[i], direct_reference);
    }
}

/* Clipping. */

static void short_gradients_are_left_alone(void **state)
{
    (void)state;
    const float grad[GOLDEN_PARAMS] = {0.1f, -0.1f};
    assert_true(clip(grad, direct_device) == 1);
}

static void infinite_gradients_are_scaled_to_nothing(void **state)
{
    (void)state;
    const float grad[GOLDEN_PARAMS] = {1, INFINITY}, large[GOLDEN_PARAMS] = {3e38f, 3e38f};
    assert_true(clip(grad, direct_device) == 0);
    assert_true(clip(large, direct_device) == 0); /* the sum of squares overflows */
}

static void a_nan_gradient_gives_nan(void **state)
{
    (void)state;
    const float grad[GOLDEN_PARAMS] = {1, NAN};
    assert_true(isnan(clip(grad, direct_device)));
}

/* Refusals. */

static void check_refusal(struct direct *d, const char *expected)
{
    const char *got = direct_refusal(d);
    if (!strstr(got, expected)) { fail_msg("got '%s', expected '%s'", got, expected); }
    direct_close(d);
}

static void nesterov_needs_momentum(void **state)
{
    (void)state;
    struct direct d = direct_open("sgd", "nesterov=true");
    direct_f32(&d, &params, NULL);
    direct_f32(&d, &params, NULL);
    direct_f32(&d, &hypers, NULL);
    check_refusal(&d, "expected a momentum and no dampening");
}

static void missing_inputs_are_refused(void **state)
{
    (void)state;
    struct direct d = direct_open("sgd", "momentum=0.9");
    direct_f32(&d, &params, NULL);
    direct_f32(&d, &params, NULL);
    direct_f32(&d, &hypers, NULL);
    check_refusal(&d, "3 inputs; expected 4, or 5 with a scale");
    d = direct_open("adam", NULL);
    for (int i = 0; i < 5; i++) {
        direct_f32(&d, i == 1 ? &scalar : &params, NULL);
    }
    check_refusal(&d, "input 1 has shape [1]; expected float32 [7]");
}

int main(void)
{
    static const char *const ops[] = {"sgd", "adam", "clip_scale", NULL};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_on_device),
        cmocka_unit_test(golden_by_reference),
        cmocka_unit_test(short_gradients_are_left_alone),
        cmocka_unit_test(infinite_gradients_are_scaled_to_nothing),
        cmocka_unit_test(a_nan_gradient_gives_nan),
        cmocka_unit_test(nesterov_needs_momentum),
        cmocka_unit_test(missing_inputs_are_refused),
    };
    return harness_main("optimizers",
                        &(struct harness){.ops = ops, .tests = tests, .n_tests = COUNT(tests)});
}
