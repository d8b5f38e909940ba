/*
 * The mnist-fashion net against PyTorch, both in float64: each loss of 200 steps of Adam within
 * 1e-6, relative. Two images of each set a step, for the plain references in C are what computes;
 * the golden file is written by tests/golden/make_mnist_fashion.py.
 *
 * This holds the mathematics of forward, backward and update over a whole run, which float32
 * cannot: there differences of the last bit double every seven steps (test_golden.c).
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

#include "data_files.h"
#include "lab.h"
#include "nets.h"
#include "optimizer.h"
#include "rng.h"
#include "safetensors.h"
#include <umbel/data.h>

#define STEPS 200
#define BATCH 2
#define PIXELS 784
#define RATE 1e-3
#define SEED 1

static void must(struct umb_context *ctx, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
}

/* Every trained parameter, and its moments. */
struct update {
    struct lab *lab;
    double **moment[2]; /* [n_values] */
};

static double *zeros(const struct lab *lab, int64_t n)
{
    double *p = umb__calloc(lab->ctx, (size_t)n, sizeof *p);
    assert_non_null(p);
    return p;
}

/* Umbel's own first parameters: U(−b,b), b = 1/√fan_in, drawn in the order of files. */
static void draw_parameter(struct lab *lab, int v)
{
    const struct umb_value *value = &lab->graph->value[v];
    const struct umb_param_spec *spec = &lab->graph->spec[value->spec];
    const int64_t n = lab_count(lab, v);
    const double bound = 1 / sqrt(spec->fan_in);
    float *file = calloc((size_t)n, sizeof *file), *device = calloc((size_t)n, sizeof *device);
    assert_true(file && device);
    for (int64_t i = 0; i < n; i++) {
        double unit =
            (double)umb__random_unit(SEED, UMB_RNG_INIT, (uint32_t)value->spec, (uint64_t)i);
        file[i] = (float)(bound * (2 * unit - 1));
    }
    umb__layout_from_file(&spec->layout, file, device);
    for (int64_t i = 0; i < n; i++) {
        lab->data[v][i] = (double)device[i];
    }
    free(file);
    free(device);
}

static bool is_trained(const struct lab *lab, int v)
{
    return lab->graph->value[v].kind == UMB_VALUE_PARAM;
}

static struct update start(struct lab *lab)
{
    struct update u = {.lab = lab};
    for (int m = 0; m < 2; m++) {
        u.moment[m] = umb__calloc(lab->ctx, (size_t)lab->n_values, sizeof *u.moment[m]);
        assert_non_null(u.moment[m]);
    }
    for (int v = 0; v < lab->n_values; v++) {
        if (!is_trained(lab, v)) { continue; }
        draw_parameter(lab, v);
        u.moment[0][v] = zeros(lab, lab_count(lab, v));
        u.moment[1][v] = zeros(lab, lab_count(lab, v));
    }
    return u;
}

static void finish(struct update *u)
{
    for (int m = 0; m < 2; m++) {
        for (int v = 0; v < u->lab->n_values; v++) {
            umb__free(u->moment[m][v]);
        }
        umb__free(u->moment[m]);
    }
}

static void set_batch(struct lab *lab, struct umb_dataset *const *data, int step)
{
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < BATCH; i++) {
            uint8_t image[PIXELS];
            int32_t label;
            void *target = &label;
            must(lab->ctx,
                 umb_dataset_read(data[s], UMB_SPLIT_TRAIN, step * BATCH + i, image, &target));
            for (int p = 0; p < PIXELS; p++) {
                lab->data[lab->values.image[s]][i * PIXELS + p] = image[p];
            }
            lab->data[lab->task[s].labels][i] = label;
        }
    }
}

/* Step t, counted from 1, of the op's own reference. */
static void apply_adam(struct update *u, int t)
{
    const struct lab *lab = u->lab;
    const struct umb_op *adam = umb__op_find("adam");
    struct umb_arena *arena;
    void *attrs;
    must(lab->ctx, umb__arena_create(lab->ctx, &arena));
    must(lab->ctx, umb__attrs_create(lab->ctx, arena, adam, NULL, &attrs));
    double hyper[UMB_HYPER_COUNT] = {[UMB_HYPER_RATE] = RATE,
                                     [UMB_HYPER_CORRECTION1] = 1 - pow(0.9, t),
                                     [UMB_HYPER_CORRECTION2] = 1 - pow(0.999, t),
                                     [UMB_HYPER_ONE] = 1};
    const struct umb_type hyper_type = {.dtype = UMB_F32, .shape = {1, {UMB_HYPER_COUNT}}};
    for (int v = 0; v < lab->n_values; v++) {
        if (!is_trained(lab, v)) { continue; }
        const struct umb_type *type = &lab->graph->value[v].type;
        assert_true(lab->gradient[v] >= 0);
        const struct umb_ref_tensor in[] = {{type, lab->data[v]},
                                            {type, lab->data[lab->gradient[v]]},
                                            {type, u->moment[0][v]},
                                            {type, u->moment[1][v]},
                                            {&hyper_type, hyper}};
        adam->reference(
            &(struct umb_reference){.attrs = attrs, .training = true, .n_in = 5, .in = in});
    }
    umb__arena_destroy(arena);
}

static void run_steps(struct lab *lab, struct umb_dataset *const *data, const float *golden)
{
    struct update u = start(lab);
    double worst = 0;
    for (int step = 0; step < STEPS; step++) {
        set_batch(lab, data, step);
        lab_evaluate(lab);
        for (int t = 0; t < 2; t++) {
            const double ours = lab_loss(lab, t), theirs = (double)golden[2 * step + t];
            const double off = fabs(ours - theirs) / theirs;
            worst = fmax(worst, off);
            if (!(off <= 1e-6)) {
                fail_msg("step %d, task %d: loss %.10g, PyTorch's %.10g", step, t, ours, theirs);
            }
        }
        apply_adam(&u, step + 1);
    }
    print_message("# losses off by %.1e over %d steps\n", worst, STEPS);
    finish(&u);
}

static void losses_are_pytorchs(void **state)
{
    (void)state;
    char path[4096];
    struct umb_context *ctx;
    struct umb_safetensors *golden;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    struct umb_dataset *data[2] = {open_real_data(ctx, "mnist", STEPS * BATCH),
                                   open_real_data(ctx, "fashion-mnist", STEPS * BATCH)};
    if (!data[0] || !data[1]) { skip(); }
    snprintf(path, sizeof path, "%s/tests/golden/mnist_fashion.safetensors",
             getenv("UMBEL_TEST_SOURCE"));
    must(ctx, umb__safetensors_read(ctx, path, &golden));
    const struct umb_safetensors_entry *e = umb__safetensors_find(golden, "exact.losses");
    assert_non_null(e);
    assert_int_equal(e->shape.dim[0], STEPS);
    struct umb_net *net = test_net_mnist_fashion(ctx);
    struct lab lab = lab_open(ctx, net, BATCH, true, SEED);
    run_steps(&lab, data, e->data);
    lab_close(&lab);
    umb_net_destroy(net);
    umb__safetensors_destroy(golden);
    umb_dataset_close(data[0]);
    umb_dataset_close(data[1]);
    umb_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(losses_are_pytorchs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
