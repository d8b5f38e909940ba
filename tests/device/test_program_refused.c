/* test_program_refused.c: what a launch that is wrong is told, before OpenCL sees it. */
#include "program_fixture.h"
#include <string.h>

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

static void destroying_nothing(void **state)
{
    (void)state;
    umb__launch_destroy(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(destroying_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
