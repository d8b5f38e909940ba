/*
 * batch_norm: PyTorch's values over two streams, partial batches, streams without a sample,
 * inference, offsets, layouts.
 */
#include "direct.h"
#include "gradient.h"
#define GOLDEN_BATCH_NORM
#include "golden_ops.h"
#include "rng.h"
#include <math.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
enum {
    STREAMS = 2,
    SAMPLES = 4,
    PIXELS = 6,
    CHANNELS = 5,
    N = STREAMS * SAMPLES * PIXELS * CHANNELS
};
enum { X, WEIGHT, BIAS, MEAN, VAR, ROWS };

static const struct umb_shape images = {4, {STREAMS * SAMPLES, 2, 3, CHANNELS}};
static const struct umb_shape channels = {1, {CHANNELS}};
static const struct umb_shape running = {2, {STREAMS, CHANNELS}};

static struct direct open_forward(const float *x, const int32_t *rows)
{
    const float ones[STREAMS * CHANNELS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct umb_shape streams = direct_shape(1, STREAMS, 0);
    struct direct d = direct_open("batch_norm", NULL);
    d.n_streams = STREAMS;
    direct_f32(&d, &images, x);
    direct_f32(&d, &channels, golden_norm_weight);
    direct_f32(&d, &channels, golden_norm_bias);
    direct_f32(&d, &running, NULL);
    direct_f32(&d, &running, ones);
    direct_i32(&d, &streams, rows);
    return d;
}

static struct direct open_backward(struct direct *forward, const float *dy)
{
    const struct umb_shape streams = direct_shape(1, STREAMS, 0);
    struct direct d = direct_open("batch_norm_backward", NULL);
    d.n_streams = STREAMS;
    direct_f32(&d, &images, direct_in(forward, X));
    direct_f32(&d, &images, dy);
    direct_f32(&d, &channels, golden_norm_weight);
    direct_f32(&d, &running, direct_out(forward, 1));
    direct_f32(&d, &running, direct_out(forward, 2));
    direct_i32(&d, &streams, forward->in[ROWS]);
    return d;
}

static void check_golden(void (*run)(struct direct *))
{
    struct direct d = open_forward(golden_norm_x, golden_norm_rows);
    run(&d);
    assert_close("y", direct_out(&d, 0), golden_norm_y, N, 2e-6);
    assert_close("running mean", direct_in(&d, MEAN), golden_norm_mean, STREAMS * CHANNELS, 1e-6);
    assert_close("running variance", direct_in(&d, VAR), golden_norm_var, STREAMS * CHANNELS, 1e-6);
    struct direct b = open_backward(&d, golden_norm_dy);
    run(&b);
    assert_close("dx", direct_out(&b, 0), golden_norm_dx, N, 5e-6);
    assert_close("dweight", direct_out(&b, 1), golden_norm_dweight, CHANNELS, 5e-6);
    assert_close("dbias", direct_out(&b, 2), golden_norm_dbias, CHANNELS, 5e-6);
    direct_close(&b);
    direct_close(&d);
}

static void golden_on_device(void **state)
{
    (void)state;
    check_golden(direct_device);
}

static void golden_by_reference(void **state)
{
    (void)state;
    check_golden(direct_reference);
}

/* Samples that are not real. */

/* The fourth sample of stream 1, which golden_norm_rows leaves out. */
static void spoil(float *x)
{
    for (int i = N - PIXELS * CHANNELS; i < N; i++) {
        x[i] = i % 2 ? NAN : INFINITY;
    }
}

static void a_sample_beyond_the_real_ones_changes_no_bit(void **state)
{
    (void)state;
    const size_t real = (N - PIXELS * CHANNELS) * sizeof(float);
    struct direct a = open_forward(golden_norm_x, golden_norm_rows);
    struct direct b = open_forward(golden_norm_x, golden_norm_rows);
    spoil(direct_in(&b, X));
    direct_device(&a);
    direct_device(&b);
    assert_memory_equal(direct_out(&a, 0), direct_out(&b, 0), real);
    for (int i = 1; i < 3; i++) {
        assert_memory_equal(direct_out(&a, i), direct_out(&b, i),
                            sizeof(float) * STREAMS * CHANNELS);
        assert_memory_equal(direct_in(&a, MEAN + i - 1), direct_in(&b, MEAN + i - 1),
                            sizeof(float) * STREAMS * CHANNELS);
    }
    struct direct c = open_backward(&a, golden_norm_dy), d = open_backward(&b, golden_norm_dy);
    spoil(direct_in(&d, 1));
    direct_device(&c);
    direct_device(&d);
    assert_memory_equal(direct_out(&c, 0), direct_out(&d, 0), N * sizeof(float));
    for (int i = N - PIXELS * CHANNELS; i < N; i++) {
        assert_true(direct_out(&d, 0)[i] == 0);
    }
    for (int i = 1; i < 3; i++) {
        assert_memory_equal(direct_out(&c, i), direct_out(&d, i), sizeof(float) * CHANNELS);
    }
    direct_close(&a);
    direct_close(&b);
    direct_close(&c);
    direct_close(&d);
}

/* A stream's samples do not matter to the other's. */
static void streams_are_separate(void **state)
{
    (void)state;
    struct direct a = open_forward(golden_norm_x, golden_norm_rows);
    struct direct b = open_forward(golden_norm_x, golden_norm_rows);
    for (int i = N / 2; i < N; i++) {
        direct_in(&b, X)[i] = (float)i;
    }
    direct_device(&a);
    direct_device(&b);
    assert_memory_equal(direct_out(&a, 0), direct_out(&b, 0), N / 2 * sizeof(float));
    assert_memory_equal(direct_in(&a, MEAN), direct_in(&b, MEAN), CHANNELS * sizeof(float));
    assert_memory_equal(direct_in(&a, VAR), direct_in(&b, VAR), CHANNELS * sizeof(float));
    direct_close(&a);
    direct_close(&b);
}

static void a_stream_without_samples_keeps_its_statistics(void **state)
{
    (void)state;
    const int32_t rows[STREAMS] = {0, SAMPLES};
    struct direct d = open_forward(golden_norm_x, rows);
    direct_device(&d);
    for (int c = 0; c < CHANNELS; c++) {
        assert_true(direct_in(&d, MEAN)[c] == 0);
        assert_true(direct_in(&d, VAR)[c] == 1);
        assert_true(direct_in(&d, MEAN)[CHANNELS + c] != 0);
    }
    for (int i = 0; i < N; i++) {
        assert_true(isfinite(direct_out(&d, 0)[i]));
    }
    struct direct b = open_backward(&d, golden_norm_dy);
    direct_device(&b);
    for (int i = 0; i < N; i++) {
        const float dx = direct_out(&b, 0)[i];
        assert_true(i < N / 2 ? dx == 0 : isfinite(dx));
    }
    direct_close(&b);
    direct_close(&d);
}

/* Row counts that no batch can have are cut to it: nothing is read out of bounds. */
static void impossible_row_counts_are_cut(void **state)
{
    (void)state;
    const int32_t lies[STREAMS] = {-7, INT32_MAX}, rows[STREAMS] = {0, SAMPLES};
    struct direct a = open_forward(golden_norm_x, lies), b = open_forward(golden_norm_x, rows);
    direct_device(&a);
    direct_device(&b);
    assert_memory_equal(direct_out(&a, 0), direct_out(&b, 0), N * sizeof(float));
    direct_close(&a);
    direct_close(&b);
}

static void one_value_has_no_variance(void **state)
{
    (void)state;
    const struct umb_shape x = direct_shape(2, 1, 2), c = direct_shape(1, 2, 0);
    const struct umb_shape stats = direct_shape(2, 1, 2), one = direct_shape(1, 1, 0);
    const float values[2] = {3, -5}, ones[2] = {1, 1}, bias[2] = {0.5f, 0.25f};
    const int32_t rows = 1;
    struct direct d = direct_open("batch_norm", NULL);
    direct_f32(&d, &x, values);
    direct_f32(&d, &c, ones);
    direct_f32(&d, &c, bias);
    direct_f32(&d, &stats, NULL);
    direct_f32(&d, &stats, ones);
    direct_i32(&d, &one, &rows);
    direct_device(&d);
    const float mean[2] = {0.3f, -0.5f};
    assert_close("y", direct_out(&d, 0), bias, 2, 1e-7);
    assert_close("running mean", direct_in(&d, MEAN), mean, 2, 1e-7);
    assert_close("running variance", direct_in(&d, VAR), ones, 2, 0);
    direct_close(&d);
}

/* Inference. */

static void check_inference(void (*run)(struct direct *))
{
    const int32_t rows[STREAMS] = {SAMPLES, 1};
    struct direct d = open_forward(golden_norm_x, rows);
    d.training = false;
    memcpy(d.in[MEAN], golden_norm_mean, sizeof golden_norm_mean);
    memcpy(d.in[VAR], golden_norm_var, sizeof golden_norm_var);
    run(&d);
    float expected[N];
    for (int i = 0; i < N; i++) {
        const int c = i % CHANNELS, at = i / (N / STREAMS) * CHANNELS + c;
        const double r = 1 / sqrt(golden_norm_var[at] + 1e-5);
        expected[i] =
            (float)((golden_norm_x[i] - golden_norm_mean[at]) * r * golden_norm_weight[c] +
                    golden_norm_bias[c]);
    }
    assert_close("y", direct_out(&d, 0), expected, N, 2e-6);
    assert_memory_equal(direct_in(&d, MEAN), golden_norm_mean, sizeof golden_norm_mean);
    assert_memory_equal(direct_in(&d, VAR), golden_norm_var, sizeof golden_norm_var);
    direct_close(&d);
}

static void inference_on_device(void **state)
{
    (void)state;
    check_inference(direct_device);
}

static void inference_by_reference(void **state)
{
    (void)state;
    check_inference(direct_reference);
}

/* Accuracy. */

/* Mean 10000, deviation 1, many chunks: a sum of squares would lose every digit of the variance. */
static void a_large_offset_costs_no_digits(void **state)
{
    (void)state;
    enum { ROWS_BIG = 6000, C = 3 };
    static float x[ROWS_BIG * C];
    const struct umb_shape shape = direct_shape(2, ROWS_BIG, C), c = direct_shape(1, C, 0);
    const struct umb_shape stats = direct_shape(2, 1, C), one = direct_shape(1, 1, 0);
    const float ones[C] = {1, 1, 1};
    const int32_t rows = ROWS_BIG - 100;
    for (int i = 0; i < ROWS_BIG * C; i++) {
        x[i] = 10000 + umb__random_unit(3, UMB_RNG_TEST, 0, (uint64_t)i);
    }
    struct direct d = direct_open("batch_norm", NULL), r = direct_open("batch_norm", NULL);
    struct direct *both[2] = {&d, &r};
    for (int i = 0; i < 2; i++) {
        direct_f32(both[i], &shape, x);
        direct_f32(both[i], &c, ones);
        direct_f32(both[i], &c, NULL);
        direct_f32(both[i], &stats, NULL);
        direct_f32(both[i], &stats, ones);
        direct_i32(both[i], &one, &rows);
    }
    direct_device(&d);
    direct_reference(&r);
    assert_close("inverse deviation", direct_out(&d, 2), direct_out(&r, 2), C, 1e-5);
    assert_close("y", direct_out(&d, 0), direct_out(&r, 0), ROWS_BIG * C, 5e-3);
    direct_close(&d);
    direct_close(&r);
}

/* Gradient of a partial batch. */

/* As in a network: what comes back for samples that are not real is zero. */
static void zero_cotangents(struct umb_trial *t)
{
    const struct umb_graph *g = umb__trial_graph(t);
    const struct umb_type *type = &g->value[g->node[0].in[0]].type;
    const double *rows = umb__trial_data(t, g->rows_value);
    double *cotangent = umb__trial_data(t, g->node[1].in[1]);
    const int64_t n = umb__shape_count(&type->shape), per = n / type->shape.dim[0];
    const int64_t samples = type->shape.dim[0] / type->n_segments;
    for (int64_t i = 0; i < n; i++) {
        const int64_t sample = i / per;
        const double real = rows[type->segment + sample / samples];
        if ((double)(sample % samples) >= real) { cotangent[i] = 0; }
    }
}

static void partial_gradient(void **state)
{
    static const struct umb_op_case rows[] = {
        {.in = "6,2,2,3", .flags = UMB_CASE_PARTIAL},
        {.in = "9,3,2,4", .n_streams = 3, .flags = UMB_CASE_PARTIAL},
        {.in = "8,1,3,5@1-2", .n_streams = 4, .flags = UMB_CASE_PARTIAL},
        {0}};
    (void)state;
    for (const struct umb_op_case *row = rows; row->in; row++) {
        struct umb_text report = {0};
        struct umb_trial *t = NULL;
        assert_int_equal(
            umb__trial_create(harness_context(), umb__op_find("batch_norm"), row, 5, &t), UMB_OK);
        const struct umb_graph *g = umb__trial_graph(t);
        double *data[64];
        assert_in_range(g->n_values, 1, COUNT(data));
        zero_cotangents(t);
        for (int v = 0; v < g->n_values; v++) {
            data[v] = umb__trial_data(t, v);
            if (g->value[v].kind == UMB_VALUE_TEMP) {
                const int64_t n = umb__shape_count(&g->value[v].type.shape);
                memset(data[v], 0, (size_t)n * sizeof(double));
            }
        }
        assert_int_equal(umb__graph_interpret(g, data), UMB_OK);
        if (!gradient_check(t, 24, &report)) { fail_msg("%s", umb__text_string(&report)); }
        umb__trial_destroy(t);
        umb__text_finish(&report);
    }
}

/* Parameters. */

static void statistics_have_a_row_for_each_stream(void **state)
{
    (void)state;
    for (int streams = 1; streams <= 3; streams++) {
        struct umb_type x = {.dtype = UMB_F32, .shape = {2, {6, 4}}, .n_segments = 1};
        const struct umb_op *op = umb__op_find("batch_norm");
        const double attrs[2] = {0.1, 1e-5};
        struct umb_infer io = {
            .ctx = harness_context(), .attrs = attrs, .n_streams = streams, .n_in = 1, .in = &x};
        assert_int_equal(op->infer(&io), UMB_OK);
        assert_int_equal(io.params[2].type.shape.dim[0], streams);
        assert_int_equal(io.params[2].layout.file_shape.rank, streams == 1 ? 1 : 2);
        assert_int_equal(io.params[2].kind, UMB_PARAM_STATE);
        assert_int_equal(io.params[3].init, UMB_INIT_ONES);
        assert_int_equal(io.out[1].shape.dim[0], 1);
    }
}

int main(void)
{
    static const char *const ops[] = {"batch_norm", "batch_norm_again", NULL};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_on_device),
        cmocka_unit_test(golden_by_reference),
        cmocka_unit_test(a_sample_beyond_the_real_ones_changes_no_bit),
        cmocka_unit_test(streams_are_separate),
        cmocka_unit_test(a_stream_without_samples_keeps_its_statistics),
        cmocka_unit_test(impossible_row_counts_are_cut),
        cmocka_unit_test(one_value_has_no_variance),
        cmocka_unit_test(inference_on_device),
        cmocka_unit_test(inference_by_reference),
        cmocka_unit_test(a_large_offset_costs_no_digits),
        cmocka_unit_test(partial_gradient),
        cmocka_unit_test(statistics_have_a_row_for_each_stream),
    };
    return harness_main("batch_norm",
                        &(struct harness){.ops = ops, .tests = tests, .n_tests = COUNT(tests)});
}
