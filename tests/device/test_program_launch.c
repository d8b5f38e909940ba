/* test_program_launch.c: signatures, ranges, offsets, waits, and what a wrong launch is told. */
#include "program_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 12

static struct umb_buffer *make_buffer(struct fixture *f, size_t bytes, const void *data)
{
    struct umb_buffer *b = NULL;
    assert_int_equal(umb__buffer_create(f->device, bytes, &b), UMB_OK);
    if (data) { assert_int_equal(umb__queue_write_now(f->queue, b, 0, bytes, data), UMB_OK); }
    return b;
}

/* One int a work-item, from 1 argument: y[o + id] += a. */
#define ADD_TEXT                                                                             \
    "__kernel void add(__global int *y, ulong o, int a)\n{\n    y[o + get_global_id(0)] += " \
    "a;\n}\n"
static const struct umb_kernel add_row = {"add_row", "add.cl", "add", "mi"};

/* A good launch of add over N ints, for tests to spoil. */
struct add {
    int32_t data[N];
    struct umb_buffer *buffer;
    struct umb_launch_arg args[2];
    struct umb_launch_desc desc;
};

static void add_init(struct fixture *f, struct add *a)
{
    *a = (struct add){0};
    write_kernel(f, "add.cl", ADD_TEXT);
    for (int i = 0; i < N; i++) {
        a->data[i] = 100 * i;
    }
    a->buffer = make_buffer(f, sizeof a->data, a->data);
    a->args[0].buffer = a->buffer;
    a->args[1].u.i = 5;
    a->desc = (struct umb_launch_desc){
        .kernel = &add_row, .dimensions = 1, .global = {N}, .args = a->args, .n_args = 2};
}

static void add_run(struct fixture *f, struct add *a)
{
    struct umb_launch *launch = NULL;
    expect_launch(f, &a->desc, UMB_OK, "");
    assert_int_equal(umb__launch_create(f->device, &a->desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, a->buffer, 0, sizeof a->data, a->data), UMB_OK);
    umb__launch_destroy(launch);
}

static void expect_refusal(void **state, void (*spoil)(struct add *), enum umb_status expected,
                           const char *part)
{
    struct fixture *f = *state;
    struct add a;
    add_init(f, &a);
    spoil(&a);
    expect_launch(f, &a.desc, expected, part);
    umb__buffer_destroy(a.buffer);
}

static void a_good_launch(void **state)
{
    struct add a;
    add_init(*state, &a);
    add_run(*state, &a);
    for (int i = 0; i < N; i++) {
        assert_int_equal(a.data[i], 100 * i + 5);
    }
    umb__buffer_destroy(a.buffer);
}

static void an_offset_counts_elements(void **state)
{
    struct add a;
    add_init(*state, &a);
    a.args[0].offset = 7;
    a.desc.global[0] = 3;
    add_run(*state, &a);
    for (int i = 0; i < N; i++) {
        assert_int_equal(a.data[i], 100 * i + (i >= 7 && i < 10 ? 5 : 0));
    }
    umb__buffer_destroy(a.buffer);
}

static void every_letter_of_the_signature(void **state)
{
    struct fixture *f = *state;
    write_kernel(
        f, "all.cl",
        "__kernel void every(__global const float *x, ulong xo, __global float *y, ulong yo,\n"
        "    __global int *m, ulong mo, int i, float s, __local float *t)\n{\n"
        "    size_t g = get_global_id(0), l = get_local_id(0), n = get_local_size(0);\n"
        "    t[l] = x[xo + g];\n"
        "    barrier(CLK_LOCAL_MEM_FENCE);\n"
        "    y[yo + g] = s * t[n - 1 - l];\n"
        "    m[mo + g] = m[mo + g] * 2 + i;\n}\n");
    const struct umb_kernel row = {"every", "all.cl", "every", "rwmifl"};
    float x[N], y[N] = {0};
    int32_t m[N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)i + 0.5f;
        m[i] = 1000 + i;
    }
    struct umb_launch_arg args[6] = {{.buffer = make_buffer(f, sizeof x, x), .offset = 1},
                                     {.buffer = make_buffer(f, sizeof y, y), .offset = 2},
                                     {.buffer = make_buffer(f, sizeof m, m), .offset = 3},
                                     {.u.i = -7},
                                     {.u.f = 0.25f},
                                     {.u.local_bytes = 4 * sizeof(float)}};
    struct umb_launch_desc desc = {
        .kernel = &row, .dimensions = 1, .global = {8}, .local = {4}, .args = args, .n_args = 6};
    struct umb_launch *launch = NULL;
    expect_launch(f, &desc, UMB_OK, "");
    assert_int_equal(umb__launch_create(f->device, &desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, args[1].buffer, 0, sizeof y, y), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, args[2].buffer, 0, sizeof m, m), UMB_OK);
    for (int i = 0; i < N; i++) {
        int g = i - 2, mirrored = g / 4 * 4 + 3 - g % 4; /* within its group of 4 */
        float expected = g >= 0 && g < 8 ? 0.25f * x[1 + mirrored] : 0;
        if (y[i] != expected) {
            fail_msg("y[%d] = %g; expected %g", i, (double)y[i], (double)expected);
        }
        assert_int_equal(m[i], i >= 3 && i < 11 ? 2 * (1000 + i) - 7 : 1000 + i);
    }
    umb__launch_destroy(launch);
    for (int i = 0; i < 3; i++) {
        umb__buffer_destroy(args[i].buffer);
    }
}

static void as_many_arguments_as_there_may_be(void **state)
{
    struct fixture *f = *state;
    char text[2048] = "__kernel void many(__global int *y, ulong o", sum[512] = "";
    char signature[UMB_MAX_KERNEL_ARGS + 2] = "w";
    struct umb_launch_arg args[UMB_MAX_KERNEL_ARGS + 1] = {0};
    for (int i = 1; i < UMB_MAX_KERNEL_ARGS; i++) {
        sprintf(text + strlen(text), ", int a%d", i);
        sprintf(sum + strlen(sum), " + %d * a%d", i, i);
        strcat(signature, "i");
        args[i].u.i = i;
    }
    sprintf(text + strlen(text), ")\n{\n    y[o] = 0%s;\n}\n", sum);
    write_kernel(f, "many.cl", text);
    struct umb_kernel row = {"many", "many.cl", "many", signature};
    struct umb_launch_desc desc = {.kernel = &row,
                                   .dimensions = 1,
                                   .global = {1},
                                   .args = args,
                                   .n_args = UMB_MAX_KERNEL_ARGS};
    args[0].buffer = make_buffer(f, 4, NULL);
    struct umb_launch *launch = NULL;
    expect_launch(f, &desc, UMB_OK, "");
    assert_int_equal(umb__launch_create(f->device, &desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK);
    int32_t y = 0;
    assert_int_equal(umb__queue_read_now(f->queue, args[0].buffer, 0, 4, &y), UMB_OK);
    assert_int_equal(y, 31 * 32 * 63 / 6);
    umb__launch_destroy(launch);

    strcat(signature, "i");
    desc.n_args++;
    expect_launch(f, &desc, UMB_ERR_INVALID, "kernel many: signature");
    umb__buffer_destroy(args[0].buffer);
}

static void a_buffer_set_anew(void **state)
{
    struct fixture *f = *state;
    struct add a;
    add_init(f, &a);
    struct umb_buffer *other = make_buffer(f, sizeof a.data, a.data);
    struct umb_launch *launch = NULL;
    a.desc.global[0] = 2;
    assert_int_equal(umb__launch_create(f->device, &a.desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_set_buffer(launch, 0, other, 4), UMB_OK);
    assert_int_equal(umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK);
    int32_t first[N], second[N];
    assert_int_equal(umb__queue_read_now(f->queue, a.buffer, 0, sizeof first, first), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, other, 0, sizeof second, second), UMB_OK);
    assert_memory_equal(first, a.data, sizeof first);
    for (int i = 0; i < N; i++) {
        assert_int_equal(second[i], 100 * i + (i == 4 || i == 5 ? 5 : 0));
    }
    umb__launch_destroy(launch);
    umb__buffer_destroy(other);
    umb__buffer_destroy(a.buffer);
}

static void a_buffer_set_anew_is_checked(void **state)
{
    struct fixture *f = *state;
    struct add a;
    add_init(f, &a);
    struct umb_launch *launch = NULL;
    assert_int_equal(umb__launch_create(f->device, &a.desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_set_buffer(launch, 1, a.buffer, 0), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(f->ctx), "kernel add_row: argument 1 is no buffer"));
    assert_int_equal(umb__launch_set_buffer(launch, 2, a.buffer, 0), UMB_ERR_INVALID);
    assert_int_equal(umb__launch_set_buffer(launch, 0, NULL, 0), UMB_ERR_INVALID);
    assert_int_equal(umb__launch_set_buffer(launch, 0, a.buffer, sizeof a.data), UMB_ERR_INVALID);
    umb__launch_destroy(launch);
    umb__buffer_destroy(a.buffer);
}

static void too_few(struct add *a)
{
    a->desc.n_args = 1;
}
static void too_few_arguments(void **state)
{
    expect_refusal(state, too_few, UMB_ERR_INVALID, "kernel add_row: 1 arguments; expected 2");
}

static void too_many(struct add *a)
{
    a->desc.n_args = 3;
}
static void too_many_arguments(void **state)
{
    expect_refusal(state, too_many, UMB_ERR_INVALID, "3 arguments; expected 2");
}

static void bad_letter(struct add *a)
{
    static const struct umb_kernel row = {"bad", "add.cl", "add", "mx"};
    a->desc.kernel = &row;
}
static void a_letter_that_is_none(void **state)
{
    expect_refusal(state, bad_letter, UMB_ERR_INVALID, "kernel bad: signature \"mx\"");
}

static void other_signature(struct add *a)
{
    static const struct umb_kernel row = {"wrong", "add.cl", "add", "m"};
    a->desc.kernel = &row;
    a->desc.n_args = 1;
}
static void a_row_that_does_not_fit_its_kernel(void **state)
{
    expect_refusal(state, other_signature, UMB_ERR_BUILD,
                   "add.cl: add has 3 parameters; expected 2 for kernel wrong");
}

static void other_entry(struct add *a)
{
    static const struct umb_kernel row = {"lost", "add.cl", "subtract", "mi"};
    a->desc.kernel = &row;
}
static void an_entry_that_is_not_there(void **state)
{
    expect_refusal(state, other_entry, UMB_ERR_BUILD, "add.cl: no kernel subtract");
}

static void no_buffer(struct add *a)
{
    a->args[0].buffer = NULL;
}
static void an_argument_without_buffer(void **state)
{
    expect_refusal(state, no_buffer, UMB_ERR_INVALID, "kernel add_row: argument 0: no buffer");
}

static void far_offset(struct add *a)
{
    a->args[0].offset = UINT64_MAX;
}
static void an_offset_beyond_the_buffer(void **state)
{
    expect_refusal(state, far_offset, UMB_ERR_INVALID, "offset 18446744073709551615 in a buffer");
}

static void no_dimensions(struct add *a)
{
    a->desc.dimensions = 0;
}
static void four_dimensions(struct add *a)
{
    a->desc.dimensions = 4;
}
static void dimensions_out_of_range(void **state)
{
    expect_refusal(state, no_dimensions, UMB_ERR_INVALID, "0 dimensions; expected 1 to 3");
    expect_refusal(state, four_dimensions, UMB_ERR_INVALID, "4 dimensions");
}

static void no_global(struct add *a)
{
    a->desc.dimensions = 2; /* and global[1] is 0 */
}
static void a_global_size_of_zero(void **state)
{
    expect_refusal(state, no_global, UMB_ERR_INVALID, "global size 0 in dimension 1");
}

static void odd_local(struct add *a)
{
    a->desc.local[0] = 5;
}
static void a_local_size_that_does_not_divide(void **state)
{
    expect_refusal(state, odd_local, UMB_ERR_INVALID,
                   "kernel add_row: global size 12 in dimension 0; expected a multiple of the "
                   "local size 5");
}

static void half_local(struct add *a)
{
    a->desc.dimensions = 2;
    a->desc.global[1] = 2;
    a->desc.local[0] = 4;
}
static void a_local_size_for_some_dimensions_only(void **state)
{
    expect_refusal(state, half_local, UMB_ERR_INVALID, "in dimension 1; expected a multiple");
}

static void huge_local(struct add *a)
{
    a->desc.dimensions = 3;
    for (int i = 0; i < 3; i++) {
        a->desc.global[i] = a->desc.local[i] = (size_t)1 << 40;
    }
}
static void work_groups_too_large(void **state)
{
    expect_refusal(state, huge_local, UMB_ERR_UNSUPPORTED, "kernel add_row: work-groups of");
}

static void local_memory_out_of_range(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "l.cl",
                 "__kernel void l(__local int *t, __local int *u)\n{\n    t[0] = u[0];\n}\n");
    const struct umb_kernel row = {"l", "l.cl", "l", "ll"};
    struct umb_launch_arg args[2] = {{.u.local_bytes = 0}, {.u.local_bytes = 16}};
    struct umb_launch_desc desc = {
        .kernel = &row, .dimensions = 1, .global = {1}, .args = args, .n_args = 2};
    expect_launch(f, &desc, UMB_ERR_UNSUPPORTED, "kernel l: argument 0: 0 bytes of local memory");
    args[0].u.local_bytes = (size_t)umb_device_get_caps(f->device)->local_bytes;
    expect_launch(f, &desc, UMB_ERR_UNSUPPORTED, "kernel l: argument 1: 16 bytes of local memory");
    args[0].u.local_bytes = SIZE_MAX;
    expect_launch(f, &desc, UMB_ERR_UNSUPPORTED, "argument 0");
    args[0].u.local_bytes = 64;
    expect_launch(f, &desc, UMB_OK, "");
}

static void three_dimensions(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "d.cl",
                 "__kernel void d(__global int *y, ulong o)\n{\n"
                 "    size_t x = get_global_id(0), r = get_global_id(1), p = get_global_id(2);\n"
                 "    y[o + (p * 3 + r) * 4 + x] = (int)(100 * p + 10 * r + x);\n}\n");
    const struct umb_kernel row = {"d", "d.cl", "d", "w"};
    struct umb_launch_arg arg = {.buffer = make_buffer(f, 24 * 4, NULL)};
    struct umb_launch_desc desc = {.kernel = &row,
                                   .dimensions = 3,
                                   .global = {4, 3, 2},
                                   .local = {2, 3, 1},
                                   .args = &arg,
                                   .n_args = 1};
    struct umb_launch *launch = NULL;
    int32_t y[24];
    expect_launch(f, &desc, UMB_OK, "");
    assert_int_equal(umb__launch_create(f->device, &desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, arg.buffer, 0, sizeof y, y), UMB_OK);
    for (int i = 0; i < 24; i++) {
        assert_int_equal(y[i], 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
    }
    umb__launch_destroy(launch);
    umb__buffer_destroy(arg.buffer);
}

/* A chain of launches over two queues, each waiting for n events, of which some are NULL. */
static void chain(struct fixture *f, size_t n_waits)
{
    struct add a;
    add_init(f, &a);
    struct umb_queue *queues[2] = {f->queue, NULL};
    struct umb_launch *launch = NULL;
    umb_event *last = NULL, *waits[50] = {0};
    assert_int_equal(umb__queue_create(f->device, false, &queues[1]), UMB_OK);
    assert_int_equal(umb__launch_create(f->device, &a.desc, &launch), UMB_OK);
    for (int step = 0; step < 8; step++) {
        umb_event *event = NULL;
        for (size_t i = 0; i < n_waits; i++) {
            waits[i] = i % 3 == 1 ? NULL : last;
        }
        assert_int_equal(umb__launch_enqueue(launch, queues[step % 2], waits, n_waits, &event),
                         UMB_OK);
        assert_non_null(event);
        assert_int_equal(umb__queue_flush(queues[step % 2]), UMB_OK);
        umb__event_release(last);
        last = event;
    }
    assert_int_equal(umb__event_wait(f->device, last), UMB_OK);
    umb__event_release(last);
    assert_int_equal(umb__queue_read_now(f->queue, a.buffer, 0, sizeof a.data, a.data), UMB_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(a.data[i], 100 * i + 8 * 5);
    }
    umb__launch_destroy(launch);
    umb__queue_destroy(queues[1]);
    umb__buffer_destroy(a.buffer);
}

static void launches_wait_for_events(void **state)
{
    chain(*state, 1);
}

static void launches_wait_for_many_events(void **state)
{
    chain(*state, 50);
}

/* Allocation 1, 2, 3 … fails until the launch comes about. */
static void failed_allocations_are_survived(void **state)
{
    struct fixture *f = *state;
    struct add a;
    struct umb_launch *launch = NULL;
    enum umb_status st = UMB_ERR_NO_MEMORY;
    uint64_t n = 0;
    add_init(f, &a);
    write_kernel(f, "add.cl", "#include \"inner.cl\"\n" ADD_TEXT);
    write_kernel(f, "inner.cl", "#define INNER 1\n");
    while (st == UMB_ERR_NO_MEMORY) {
        umb__alloc_fail_at(++n);
        st = umb__launch_create(f->device, &a.desc, &launch);
        umb__alloc_fail_at(0);
    }
    if (st != UMB_OK || n < 8) {
        fail_msg("%s when allocation %d fails; expected no memory until more than 7",
                 umb_status_name(st), (int)n);
    }
    umb__launch_destroy(launch);
    umb__buffer_destroy(a.buffer);
}

static void a_device_that_built_nothing(void **state)
{
    struct fixture *f = *state;
    struct umb_program_stats stats = umb__program_stats(f->device), zeros = {0};
    assert_memory_equal(&stats, &zeros, sizeof zeros);
}

static void destroying_nothing(void **state)
{
    (void)state;
    umb__launch_destroy(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_good_launch),
        CASE(an_offset_counts_elements),
        CASE(every_letter_of_the_signature),
        CASE(as_many_arguments_as_there_may_be),
        CASE(a_buffer_set_anew),
        CASE(a_buffer_set_anew_is_checked),
        CASE(too_few_arguments),
        CASE(too_many_arguments),
        CASE(a_letter_that_is_none),
        CASE(a_row_that_does_not_fit_its_kernel),
        CASE(an_entry_that_is_not_there),
        CASE(an_argument_without_buffer),
        CASE(an_offset_beyond_the_buffer),
        CASE(dimensions_out_of_range),
        CASE(a_global_size_of_zero),
        CASE(a_local_size_that_does_not_divide),
        CASE(a_local_size_for_some_dimensions_only),
        CASE(work_groups_too_large),
        CASE(local_memory_out_of_range),
        CASE(three_dimensions),
        CASE(launches_wait_for_events),
        CASE(launches_wait_for_many_events),
        CASE(failed_allocations_are_survived),
        CASE(a_device_that_built_nothing),
        cmocka_unit_test(destroying_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
