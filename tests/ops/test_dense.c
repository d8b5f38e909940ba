#include "dense.h"
#include "harness.h"
#include <stdio.h>
#include <string.h>

static enum umb_status infer(const char *attrs, struct umb_type x, struct umb_infer *ret)
{
    static struct umb_dense_attrs space;
    static struct umb_type in;
    const struct umb_op *op = umb__op_find("dense");
    umb__attrs_default(op, &space);
    enum umb_status st = umb__attrs_parse(harness_context(), NULL, op, &space, attrs);
    if (st != UMB_OK) { return st; }
    in = x;
    *ret = (struct umb_infer){
        .ctx = harness_context(), .attrs = &space, .n_streams = 1, .n_in = 1, .in = &in};
    return op->infer(ret);
}

static void parameters(void **state)
{
    struct umb_infer io;
    (void)state;
    const struct umb_type x = {.shape = {2, {64, 50}}, .n_segments = 2};
    assert_int_equal(infer("units=10", x, &io), UMB_OK);
    const int64_t device[] = {50, 10}, file[] = {10, 50};
    assert_int_equal(io.n_params, 2);
    assert_memory_equal(io.params[0].type.shape.dim, device, sizeof device);
    assert_memory_equal(io.params[0].layout.file_shape.dim, file, sizeof file);
    assert_true(io.params[1].fan_in > 49.5 && io.params[1].fan_in < 50.5);
    assert_int_equal(io.out[0].shape.dim[0], 64);
    assert_int_equal(io.out[0].shape.dim[1], 10);
    assert_int_equal(io.out[0].n_segments, 2);
}

/* Behind a flatten of [2,3,4] files hold the inputs in the order C,H,W. */
static void files_keep_channels_first(void **state)
{
    struct umb_infer io;
    float device[24 * 2], file[24 * 2];
    (void)state;
    const struct umb_type x = {.shape = {2, {5, 24}}, .folded = {2, 3, 4}};
    assert_int_equal(infer("units=2", x, &io), UMB_OK);
    for (int i = 0; i < 48; i++) {
        device[i] = (float)i;
    }
    umb__layout_to_file(&io.params[0].layout, device, file);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 24; i++) {
            const int c = i / 6, h = i / 3 % 2, w = i % 3;
            assert_int_equal((int)file[k * 24 + i], ((h * 3 + w) * 4 + c) * 2 + k);
        }
    }
    assert_int_equal(io.params[0].layout.file_shape.dim[0], 2);
    assert_int_equal(io.params[0].layout.file_shape.dim[1], 24);
    assert_int_equal(io.out[0].folded[0], 0);
}

static void works_on_the_last_axis(void **state)
{
    struct umb_infer io;
    (void)state;
    const struct umb_type x = {.shape = {4, {2, 5, 6, 7}}};
    assert_int_equal(infer("units=3", x, &io), UMB_OK);
    const int64_t out[] = {2, 5, 6, 3}, weight[] = {7, 3};
    assert_memory_equal(io.out[0].shape.dim, out, sizeof out);
    assert_memory_equal(io.params[0].type.shape.dim, weight, sizeof weight);
}

static void refusals(void **state)
{
    struct umb_infer io;
    (void)state;
    assert_int_equal(
        infer("units=3", (struct umb_type){.dtype = UMB_I32, .shape = {2, {3, 4}}}, &io),
        UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(harness_context()), "[3,4] of integers"));
    assert_int_equal(infer("units=3", (struct umb_type){.shape = {1, {3}}}, &io), UMB_ERR_INVALID);
    assert_int_equal(infer("units=16777216", (struct umb_type){.shape = {2, {1, 4096}}}, &io),
                     UMB_ERR_INVALID);
    assert_int_equal(infer("", (struct umb_type){.shape = {2, {1, 4}}}, &io), UMB_ERR_INVALID);
}

/* Every solver of a problem is right on a device of that many lanes and compute units. */
static void check_lanes(struct umb_trial *t, int index, uint32_t lanes, uint32_t units)
{
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    char what[48];
    caps.float_width = lanes;
    caps.compute_units = units;
    snprintf(what, sizeof what, "%u lanes, %u units", lanes, units);
    harness_check_solvers(t, index, &caps, what);
}

/* The tiles of every vector width, whatever this machine's is. */
static void every_vector_width(void **state)
{
    const struct umb_op_case rows[] = {
        {.attrs = "units=96 activation=relu", .in = harness_small() ? "9,20" : "27,300"},
        {.attrs = "units=32 mask=true dbias=true", .in = harness_small() ? "17,9" : "67,290"}};
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct umb_trial *t = NULL;
        assert_int_equal(
            umb__trial_create(harness_context(), umb__op_find("dense"), &rows[r], 3, &t), UMB_OK);
        for (int i = 0; i < umb__trial_n_problems(t); i++) {
            for (uint32_t lanes = 4; lanes <= 16; lanes *= 2) {
                check_lanes(t, i, lanes, 1);
                check_lanes(t, i, lanes, 64);
            }
        }
        umb__trial_destroy(t);
    }
}

int main(void)
{
    static const char *const ops[] = {"dense", "dense_backward_sum", NULL};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),
        cmocka_unit_test(files_keep_channels_first),
        cmocka_unit_test(works_on_the_last_axis),
        cmocka_unit_test(refusals),
        cmocka_unit_test(every_vector_width),
    };
    return harness_main(
        "dense",
        &(struct harness){.ops = ops, .tests = tests, .n_tests = sizeof tests / sizeof *tests});
}
