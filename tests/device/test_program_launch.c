/* test_program_launch.c: signatures, ranges, offsets, and waits. */
#include "program_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_run(struct fixture *f, struct add *a)
{
    struct umb_launch *launch = NULL;
    expect_launch(f, &a->desc, UMB_OK, "");
    assert_int_equal(umb__launch_create(f->device, &a->desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, a->buffer, 0, sizeof a->data, a->data), UMB_OK);
    umb__launch_destroy(launch);
}

static void a_good_launch(void **state)
{
    struct add a;
    add_init(*state, &a);
    add_run(*state, &a);
    for (int i = 0; i < ADD_ITEMS; i++) {
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
    for (int i = 0; i < ADD_ITEMS; i++) {
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
    float x[ADD_ITEMS], y[ADD_ITEMS] = {0};
    int32_t m[ADD_ITEMS];
    for (int i = 0; i < ADD_ITEMS; i++) {
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
    for (int i = 0; i < ADD_ITEMS; i++) {
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
    int32_t first[ADD_ITEMS], second[ADD_ITEMS];
    assert_int_equal(umb__queue_read_now(f->queue, a.buffer, 0, sizeof first, first), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, other, 0, sizeof second, second), UMB_OK);
    assert_memory_equal(first, a.data, sizeof first);
    for (int i = 0; i < ADD_ITEMS; i++) {
        assert_int_equal(second[i], 100 * i + (i == 4 || i == 5 ? 5 : 0));
    }
    umb__launch_destroy(launch);
    umb__buffer_destroy(other);
    umb__buffer_destroy(a.buffer);
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
    for (int i = 0; i < ADD_ITEMS; i++) {
        assert_int_equal(a.data[i], 100 * i + 8 * 5);
    }
    umb__launch_destroy(launch);
    umb__queue_destroy(queues[1]);
    umb__buffer_destroy(a.buffer);
}

static void a_launch_waits_for_a_slow_one(void **state)
{
    struct fixture *f = *state;
    write_kernel(
        f, "slow.cl",
        "__kernel void slow(__global uint *y, ulong o, int n)\n{\n"
        "    uint v = 1;\n"
        "    for (int i = 0; i < n; i++) { v = v * 1664525u + y[o + 1]; }\n"
        "    y[o] = v | 1u;\n}\n"
        "__kernel void copy(__global const uint *x, ulong xo, __global uint *y, ulong yo)\n"
        "{\n    y[yo] = x[xo];\n}\n");
    const struct umb_kernel slow_row = {"slow", "slow.cl", "slow", "mi"};
    const struct umb_kernel copy_row = {"copy", "slow.cl", "copy", "rw"};
    const uint32_t zeros[2] = {0};
    uint32_t copied = 0;
    struct umb_buffer *x = make_buffer(f, sizeof zeros, zeros), *y = make_buffer(f, 4, zeros);
    struct umb_launch_arg slow_args[2] = {{.buffer = x}, {.u.i = 50000000}};
    struct umb_launch_arg copy_args[2] = {{.buffer = x}, {.buffer = y}};
    struct umb_launch_desc desc = {
        .kernel = &slow_row, .dimensions = 1, .global = {1}, .args = slow_args, .n_args = 2};
    struct umb_launch *slow = NULL, *copy = NULL;
    struct umb_queue *other = NULL;
    umb_event *event = NULL, *waits[40] = {0};
    assert_int_equal(umb__launch_create(f->device, &desc, &slow), UMB_OK);
    desc.kernel = &copy_row;
    desc.args = copy_args;
    assert_int_equal(umb__launch_create(f->device, &desc, &copy), UMB_OK);
    assert_int_equal(umb__queue_create(f->device, false, &other), UMB_OK);
    assert_int_equal(umb__launch_enqueue(slow, f->queue, NULL, 0, &event), UMB_OK);
    assert_int_equal(umb__queue_flush(f->queue), UMB_OK);
    waits[39] = event;
    assert_int_equal(umb__launch_enqueue(copy, other, waits, 40, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(other, y, 0, 4, &copied), UMB_OK);
    if (!(copied & 1)) { fail_msg("%u was copied; expected an odd number", copied); }
    umb__event_release(event);
    umb__queue_destroy(other);
    umb__launch_destroy(copy);
    umb__launch_destroy(slow);
    umb__buffer_destroy(y);
    umb__buffer_destroy(x);
}

/* The second buffer of "rw" is the kernel's third and fourth parameter. */
static void a_later_buffer_set_anew(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "copy.cl",
                 "__kernel void copy(__global const int *x, ulong xo, __global int *y, ulong yo)\n"
                 "{\n    y[yo] = x[xo];\n}\n");
    const struct umb_kernel row = {"copy", "copy.cl", "copy", "rw"};
    const int32_t data[2] = {11, 22};
    int32_t first[2], second[2];
    struct umb_launch_arg args[2] = {{.buffer = make_buffer(f, 8, data), .offset = 1},
                                     {.buffer = make_buffer(f, 8, data)}};
    struct umb_buffer *other = make_buffer(f, 8, data);
    struct umb_launch_desc desc = {
        .kernel = &row, .dimensions = 1, .global = {1}, .args = args, .n_args = 2};
    struct umb_launch *launch = NULL;
    assert_int_equal(umb__launch_create(f->device, &desc, &launch), UMB_OK);
    assert_int_equal(umb__launch_set_buffer(launch, 1, other, 0), UMB_OK);
    assert_int_equal(umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, args[1].buffer, 0, 8, first), UMB_OK);
    assert_int_equal(umb__queue_read_now(f->queue, other, 0, 8, second), UMB_OK);
    assert_memory_equal(first, data, 8);
    assert_int_equal(second[0], 22);
    assert_int_equal(second[1], 22);
    umb__launch_destroy(launch);
    umb__buffer_destroy(other);
    umb__buffer_destroy(args[1].buffer);
    umb__buffer_destroy(args[0].buffer);
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
    write_kernel(f, "add.cl", "#include \"inner.cl\"\n" ADD_KERNEL);
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_good_launch),
        CASE(an_offset_counts_elements),
        CASE(every_letter_of_the_signature),
        CASE(as_many_arguments_as_there_may_be),
        CASE(a_buffer_set_anew),
        CASE(three_dimensions),
        CASE(a_later_buffer_set_anew),
        CASE(a_launch_waits_for_a_slow_one),
        CASE(launches_wait_for_events),
        CASE(launches_wait_for_many_events),
        CASE(failed_allocations_are_survived),
        CASE(a_device_that_built_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
