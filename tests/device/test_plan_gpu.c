/*
 * Whole plans with the kernels of GPUs, on a device that is told that it is one: a step of
 * training ends with the numbers of the same step by the device's own kernels. One step: behind it
 * batch norm over a few numbers makes much of rounding.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device_internal.h"
#include "nets.h"
#include "rig.h"
#include "session.h"

#define RATE 0.01
#define TOLERANCE 2e-6

static struct umb_device_caps gpu_of(const struct umb_device_caps *own)
{
    struct umb_device_caps caps = *own;
    caps.type = UMB_DEVICE_GPU;
    caps.float_width = 1;
    caps.sub_group = 32;
    caps.registers = 128;
    caps.local_is_real = true;
    caps.local_bytes = caps.local_bytes < 65536 ? 65536 : caps.local_bytes;
    return caps;
}

struct outcome {
    float *parameters;
    char *used;
    size_t n;
    double losses[UMB_MAX_TASKS];
    bool by_gpu; /* some convolution or dense layer by a solver of GPUs */
};

static bool has_gpu_kernel(const struct umb_plan *plan)
{
    for (size_t i = 0; i < umb__plan_n_steps(plan); i++) {
        if (strncmp(umb__plan_step(plan, i).kernel, "gpu_", 4) == 0) { return true; }
    }
    return false;
}

static struct outcome train(struct umb_context *ctx, const struct umb_net *net, int64_t batch,
                            bool as_gpu)
{
    struct outcome out = {0};
    struct umb_device *device = rig_device(ctx);
    const struct umb_device_caps *own = device->caps, caps = gpu_of(own);
    if (as_gpu) { device->caps = &caps; }
    struct session s = session_open(ctx, &(struct session_desc){.device = device,
                                                                .net = net,
                                                                .batch = batch,
                                                                .optimizer = "sgd",
                                                                .queues = 2,
                                                                .seed = 5});
    session_fill(&s, 0);
    session_step(&s, RATE);
    memcpy(out.losses, s.losses, sizeof out.losses);
    out.parameters = session_buffer(&s, "parameters", &out.n);
    out.used = session_used(&s, out.n);
    out.by_gpu = has_gpu_kernel(umb__trainer_plan(s.tr, UMB_TRAINER_TRAIN));
    session_close(&s);
    device->caps = own;
    umb_device_close(device);
    return out;
}

static void outcome_finish(struct outcome *o)
{
    umb__free(o->parameters);
    umb__free(o->used);
}

/* Destroys the net. */
static void check_net(struct umb_context *ctx, struct umb_net *net, int64_t batch)
{
    struct outcome own = train(ctx, net, batch, false), gpu = train(ctx, net, batch, true);
    assert_false(own.by_gpu);
    assert_true(gpu.by_gpu);
    assert_int_equal(own.n, gpu.n);
    for (int t = 0; t < umb_net_n_tasks(net); t++) {
        if (!(fabs(own.losses[t] - gpu.losses[t]) <= TOLERANCE * (1 + fabs(own.losses[t])))) {
            fail_msg("loss %d: %.9g by GPU kernels, %.9g else", t, gpu.losses[t], own.losses[t]);
        }
    }
    for (size_t i = 0; i < own.n; i++) {
        const double a = (double)own.parameters[i], b = (double)gpu.parameters[i];
        if (own.used[i] && !(fabs(a - b) <= TOLERANCE * (1 + fabs(a)))) {
            fail_msg("parameter %zu: %.9g by GPU kernels, %.9g else", i, b, a);
        }
    }
    outcome_finish(&own);
    outcome_finish(&gpu);
    umb_net_destroy(net);
}

static int open_context(void **state)
{
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    *state = ctx;
    return 0;
}

static int close_context(void **state)
{
    umb_context_destroy(*state);
    return 0;
}

static void joined_streams_and_two_heads(void **state)
{
    check_net(*state, test_net_mnist_fashion(*state), 3);
}

static void residual_blocks_with_batch_norm(void **state)
{
    check_net(*state, test_net_resnet18(*state, 16, 16), 8);
}

static void odd_channels_and_every_loss(void **state)
{
    check_net(*state, test_net_undropped(*state), 3);
}

/* The losses of a step, with conv1 and dense1 by these solvers; the status of making the plan. */
static enum umb_status train_by(struct umb_context *ctx, const struct umb_net *net, bool mixed,
                                const char *choices, double *ret_losses)
{
    struct umb_device *device = rig_device(ctx);
    const struct umb_device_caps *own = device->caps;
    struct umb_device_caps caps = gpu_of(own);
    caps.fp16_storage = true;
    device->caps = &caps;
    struct session s = session_open(ctx, &(struct session_desc){.device = device,
                                                                .net = net,
                                                                .batch = 3,
                                                                .optimizer = "sgd",
                                                                .seed = 5,
                                                                .mixed_precision = mixed});
    s.tr->choices = umb__strdup(ctx, choices); /* as a resumed run's */
    umb__trainer_drop_side(&s.tr->side[UMB_TRAINER_TRAIN]);
    const enum umb_status st = umb__trainer_compile(s.tr, UMB_TRAINER_TRAIN);
    if (st == UMB_OK) {
        session_fill(&s, 0);
        session_step(&s, RATE);
        memcpy(ret_losses, s.losses, sizeof s.losses);
    }
    session_close(&s);
    device->caps = own;
    umb_device_close(device);
    return st;
}

static void mixed_precision_is_for_who_asks(void **state)
{
    const char *halves = "conv1=half_medium\n", *floats = "conv1=tile_medium\n";
    double exact[UMB_MAX_TASKS], mixed[UMB_MAX_TASKS], asked[UMB_MAX_TASKS];
    struct umb_net *net = test_net_mnist_fashion(*state);
    assert_int_equal(train_by(*state, net, false, halves, mixed), UMB_ERR_UNSUPPORTED);
    assert_int_equal(train_by(*state, net, false, floats, exact), UMB_OK);
    assert_int_equal(train_by(*state, net, true, floats, asked), UMB_OK);
    assert_int_equal(train_by(*state, net, true, halves, mixed), UMB_OK);
    for (int t = 0; t < umb_net_n_tasks(net); t++) {
        assert_memory_equal(&exact[t], &asked[t], sizeof exact[t]);
        assert_true(fabs(mixed[t] - exact[t]) <= 2e-3 * exact[t]);
        assert_memory_not_equal(&exact[t], &mixed[t], sizeof exact[t]);
    }
    umb_net_destroy(net);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joined_streams_and_two_heads, open_context, close_context),
        cmocka_unit_test_setup_teardown(residual_blocks_with_batch_norm, open_context,
                                        close_context),
        cmocka_unit_test_setup_teardown(odd_channels_and_every_loss, open_context, close_context),
        cmocka_unit_test_setup_teardown(mixed_precision_is_for_who_asks, open_context,
                                        close_context),
    };
    return cmocka_run_group_tests_name("plans with GPU kernels", tests, NULL, NULL);
}
