#include "conv.h"
#include "gemm_tile.h"
#include "harness.h"
#include "rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Infers "conv attrs" on one input; the status. */
static enum umb_status infer(const char *attrs, struct umb_type x, struct umb_infer *ret)
{
    static union {
        struct umb_conv_attrs attrs;
        char bytes[sizeof(struct umb_conv_attrs)];
    } space;
    static struct umb_type in;
    const struct umb_op *op = umb__op_find("conv");
    umb__attrs_default(op, &space);
    enum umb_status st = umb__attrs_parse(harness_context(), NULL, op, &space, attrs);
    if (st != UMB_OK) { return st; }
    in = x;
    *ret = (struct umb_infer){
        .ctx = harness_context(), .attrs = &space, .n_streams = 1, .n_in = 1, .in = &in};
    return op->infer(ret);
}

static struct umb_type image(int64_t n, int64_t h, int64_t w, int64_t c)
{
    return (struct umb_type){.dtype = UMB_F32, .shape = {4, {n, h, w, c}}, .n_segments = 1};
}

static void check_output(const char *attrs, struct umb_type x, int64_t p, int64_t q, int64_t k)
{
    struct umb_infer io;
    if (infer(attrs, x, &io) != UMB_OK) {
        fail_msg("conv %s: %s", attrs, umb_context_error(harness_context()));
    }
    const int64_t *dim = io.out[0].shape.dim;
    if (dim[0] != x.shape.dim[0] || dim[1] != p || dim[2] != q || dim[3] != k) {
        char text[UMB_SHAPE_TEXT];
        fail_msg("conv %s: %s; expected [.,%lld,%lld,%lld]", attrs,
                 umb__shape_text(&io.out[0].shape, text, sizeof text), (long long)p, (long long)q,
                 (long long)k);
    }
}

static void check_refused(const char *attrs, struct umb_type x, const char *message)
{
    struct umb_infer io;
    const enum umb_status st = infer(attrs, x, &io);
    const char *got = umb_context_error(harness_context());
    if (st != UMB_ERR_INVALID || !strstr(got, message)) {
        fail_msg("conv %s: status %d, '%s'; expected '%s'", attrs, (int)st, got, message);
    }
}

static void shapes(void **state)
{
    (void)state;
    check_output("filters=32 size=3", image(2, 28, 28, 1), 26, 26, 32);
    check_output("filters=4 size=3 padding=1", image(2, 28, 20, 3), 28, 20, 4);
    check_output("filters=4 size=3 padding=valid", image(2, 28, 20, 3), 26, 18, 4);
    check_output("filters=4 size=5,3 padding=2,0", image(1, 8, 8, 3), 8, 6, 4);
    check_output("filters=4 size=7 stride=2 padding=3", image(1, 64, 65, 3), 32, 33, 4);
    check_output("filters=4 size=3 dilation=2", image(1, 7, 9, 3), 3, 5, 4);
}

static void shapes_of_same(void **state)
{
    (void)state;
    check_output("filters=4 size=3 padding=same", image(1, 7, 8, 2), 7, 8, 4);
    check_output("filters=4 size=3 padding=same stride=2", image(1, 7, 8, 2), 4, 4, 4);
    check_output("filters=4 size=2 padding=same stride=3", image(1, 7, 9, 2), 3, 3, 4);
    check_output("filters=4 size=4 padding=same dilation=3", image(1, 5, 6, 2), 5, 6, 4);
    check_output("filters=4 size=9 padding=same", image(1, 2, 3, 2), 2, 3, 4);
}

/* Keras puts the odd row behind: of 6 rows with filter 3 and stride 2, one of padding is there, at
 * the end. */
static void same_pads_behind(void **state)
{
    struct umb_conv g;
    const struct umb_conv_attrs a = {.filters = 1,
                                     .size = {3, 4},
                                     .stride = {2, 1},
                                     .padding = {UMB_CONV_SAME, UMB_CONV_SAME},
                                     .dilation = {1, 1},
                                     .groups = 1};
    const struct umb_shape x = {4, {1, 6, 6, 1}};
    (void)state;
    assert_int_equal(umb__conv_geometry(harness_context(), &a, &x, &g), UMB_OK);
    assert_int_equal(g.padding[0], 0);
    assert_int_equal(g.padding[1], 1);
}

static void parameters(void **state)
{
    struct umb_infer io;
    (void)state;
    assert_int_equal(infer("filters=8 size=3,2 groups=2", image(2, 9, 9, 6), &io), UMB_OK);
    assert_int_equal(io.n_params, 2);
    const int64_t device[] = {3, 2, 3, 8}, file[] = {8, 3, 3, 2};
    assert_string_equal(io.params[0].name, "weight");
    assert_memory_equal(io.params[0].type.shape.dim, device, sizeof device);
    assert_memory_equal(io.params[0].layout.file_shape.dim, file, sizeof file);
    assert_int_equal(io.params[0].init, UMB_INIT_FAN_IN);
    assert_true(io.params[0].fan_in > 17.5 && io.params[0].fan_in < 18.5);
    assert_int_equal(io.params[1].type.shape.dim[0], 8);
    assert_int_equal(infer("filters=8 size=3 bias=no", image(2, 9, 9, 6), &io), UMB_OK);
    assert_int_equal(io.n_params, 1);
}

static void refusals(void **state)
{
    (void)state;
    check_refused("filters=30 size=3 groups=4", image(1, 9, 9, 8),
                  "filters 30 is not divisible by groups 4");
    check_refused("filters=8 size=3 groups=4", image(1, 9, 9, 6),
                  "6 input channels are not divisible by groups 4");
    check_refused("filters=8 size=5", image(1, 3, 3, 6), "a 5x5 filter does not fit 3x3 input");
    check_refused("filters=8 size=3,1 dilation=4 padding=1", image(1, 6, 3, 6),
                  "with padding 1,1 and dilation 4,4");
    check_refused("filters=8 size=1", (struct umb_type){.shape = {2, {4, 10}}},
                  "input [4,10] is no image; expected [N,H,W,C]");
    check_refused("filters=8 size=1",
                  (struct umb_type){.dtype = UMB_U8, .shape = {4, {1, 2, 3, 4}}},
                  "expected float32");
    check_refused("filters=1048576 size=4096", image(1, 4096, 4096, 1), "");
    check_refused("filters=8", image(1, 9, 9, 8), "size");
    check_refused("size=3", image(1, 9, 9, 8), "filters");
    check_refused("filters=0 size=3", image(1, 9, 9, 8), "filters");
    check_refused("filters=8 size=3 stride=0", image(1, 9, 9, 8), "stride");
    check_refused("filters=8 size=3 padding=-1", image(1, 9, 9, 8), "padding");
    check_refused("filters=8 size=3 padding=some", image(1, 9, 9, 8), "same, valid");
    check_refused("filters=8 size=3 padding=sam", image(1, 9, 9, 8), "did you mean 'same'?");
}

/* Runs problem `index` of a case as on a device of that many compute units and lanes; output 0. */
static float *run_as_on(struct umb_trial *t, int index, uint32_t units, uint32_t lanes,
                        int64_t *ret_n)
{
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    struct umb_problem p = *umb__trial_problem(t, index);
    float *arrays[4] = {0};
    caps.compute_units = units;
    caps.float_width = lanes;
    p.caps = &caps;
    assert_true(p.n_in + p.n_out <= 4);
    for (int i = 0; i < p.n_in + p.n_out; i++) {
        const struct umb_type *type = i < p.n_in ? &p.in[i] : &p.out[i - p.n_in];
        const int64_t n = umb__shape_count(&type->shape);
        arrays[i] = calloc((size_t)n, sizeof(float));
        assert_non_null(arrays[i]);
        for (int64_t k = 0; k < n; k++) {
            arrays[i][k] =
                2.0f * umb__random_unit(5, UMB_RNG_TEST, (uint32_t)i, (uint64_t)k) - 1.0f;
        }
    }
    float *out = arrays[p.n_in];
    const struct umb_op_run run = {.p = p,
                                   .solver = umb__solver_choose(&p, NULL),
                                   .in = (void *const *)arrays,
                                   .out = (void *const *)&out,
                                   .repeats = 1};
    if (umb__op_run(harness_device(), &run) != UMB_OK) {
        fail_msg("%s: %s", p.op->name, umb_context_error(harness_context()));
    }
    for (int i = 0; i < p.n_in; i++) {
        free(arrays[i]);
    }
    *ret_n = umb__shape_count(&p.out[0].shape);
    return out;
}

/* What is added to what must not depend on how many cores there are. */
static void same_bits_for_any_number_of_units(void **state)
{
    const struct umb_op_case row = {.attrs = "filters=40 size=3 padding=1",
                                    .in = harness_small() ? "5,3,2,20" : "9,15,14,20"};
    struct umb_trial *t = NULL;
    (void)state;
    assert_int_equal(umb__trial_create(harness_context(), umb__op_find("conv"), &row, 3, &t),
                     UMB_OK);
    for (int i = 0; i < 3; i++) {
        int64_t n;
        float *one = run_as_on(t, i, 1, 16, &n), *many = run_as_on(t, i, 64, 16, &n);
        for (int64_t k = 0; k < n; k++) {
            if (memcmp(&one[k], &many[k], sizeof *one) != 0) {
                fail_msg("%s, element %lld: %.9g with one unit, %.9g with 64",
                         umb__trial_problem(t, i)->op->name, (long long)k, (double)one[k],
                         (double)many[k]);
            }
        }
        free(one);
        free(many);
    }
    umb__trial_destroy(t);
}

/* The tiles of every vector width, whatever this machine's is. */
static void every_vector_width(void **state)
{
    const bool small = harness_small();
    const struct umb_op_case rows[] = {
        {.attrs = "filters=37 size=3 padding=1", .in = small ? "2,3,2,19" : "3,9,8,19"},
        {.attrs = "filters=37 size=3 stride=2 padding=same", .in = small ? "2,5,3,1" : "3,9,8,1"},
        {.attrs = "filters=19 size=3 padding=1 groups=19", .in = small ? "2,3,2,19" : "3,9,8,19"}};
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct umb_trial *t = NULL;
        assert_int_equal(
            umb__trial_create(harness_context(), umb__op_find("conv"), &rows[r], 3, &t), UMB_OK);
        for (int i = 0; i < 3; i++) {
            int64_t n;
            float *wide = run_as_on(t, i, 2, 16, &n);
            for (uint32_t lanes = 2; lanes < 16; lanes *= 2) {
                float *narrow = run_as_on(t, i, 2, lanes, &n);
                for (int64_t k = 0; k < n; k++) {
                    if (!(fabsf(wide[k] - narrow[k]) <= 2e-5f * (1.0f + fabsf(wide[k])))) {
                        fail_msg("%s, %s, element %lld: %.9g with 16 lanes, %.9g with %u",
                                 umb__trial_problem(t, i)->op->name, rows[r].attrs, (long long)k,
                                 (double)wide[k], (double)narrow[k], lanes);
                    }
                }
                free(narrow);
            }
            free(wide);
        }
        umb__trial_destroy(t);
    }
}

/* The solver for few channels, on a device of that many compute units and lanes; how many. */
static int check_narrow(struct umb_trial *t, int index, uint32_t units, uint32_t lanes)
{
    struct umb_problem *p = (struct umb_problem *)(uintptr_t)umb__trial_problem(t, index);
    const struct umb_device_caps *before = p->caps;
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    caps.compute_units = units;
    caps.float_width = lanes;
    p->caps = &caps;
    int n = 0;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        struct umb_trial_result r;
        if (strcmp(s->name, "narrow") != 0 || s->applicable(p) <= 0) { continue; }
        if (umb__trial_check(t, harness_device(), index, s, &r) != UMB_OK) {
            fail_msg("%s: %s", p->op->name, umb_context_error(harness_context()));
        }
        if (r.score > 1) {
            fail_msg("%s, %u units, %u lanes: element %lld: got %.9g, expected %.9g", p->op->name,
                     units, lanes, (long long)r.index, r.got, r.expected);
        }
        n++;
    }
    p->caps = before;
    return n;
}

/* One compute unit: an item makes several rows; 64: one. */
static void few_channels_by_every_width(void **state)
{
    const struct umb_op_case rows[] = {
        {.attrs = "filters=37 size=3", .in = "5,17,30,1"},
        {.attrs = "filters=2 size=3 padding=2", .in = "5,17,39,20"},
        {.attrs = "filters=20 size=5 stride=2 padding=1", .in = "5,17,23,3"},
        {.attrs = "filters=3 size=1 activation=relu", .in = "5,17,23,16"}};
    (void)state;
    if (!umb__tile_applies(umb_device_get_caps(harness_device()))) { skip(); }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct umb_trial *t = NULL;
        assert_int_equal(
            umb__trial_create(harness_context(), umb__op_find("conv"), &rows[r], 3, &t), UMB_OK);
        int n = 0;
        for (int i = 0; i < umb__trial_n_problems(t); i++) {
            for (uint32_t lanes = 4; lanes <= 16; lanes *= 2) {
                n += check_narrow(t, i, 1, lanes) + check_narrow(t, i, 64, lanes);
            }
        }
        assert_true(n >= 6);
        umb__trial_destroy(t);
    }
}

int main(void)
{
    static const char *const ops[] = {"conv", NULL};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(shapes_of_same),
        cmocka_unit_test(same_pads_behind),
        cmocka_unit_test(parameters),
        cmocka_unit_test(refusals),
        cmocka_unit_test(same_bits_for_any_number_of_units),
        cmocka_unit_test(every_vector_width),
        cmocka_unit_test(few_channels_by_every_width),
    };
    return harness_main(
        "conv",
        &(struct harness){.ops = ops, .tests = tests, .n_tests = sizeof tests / sizeof *tests});
}
