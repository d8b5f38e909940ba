/*
 * Winograd's transforms: how far from the exact sum they are, and where they are chosen. Their
 * cases are convolution's (test_conv.c).
 */
#include "harness.h"
#include <string.h>

#define LARGEST_ERROR 4e-6 /* of the largest number of the result */

static struct umb_trial *trial_of(const struct umb_op_case *row)
{
    struct umb_trial *t = NULL;
    if (umb__trial_create(harness_context(), umb__op_find("conv"), row, 7, &t) != UMB_OK) {
        fail_msg("%s: %s", row->in, umb_context_error(harness_context()));
    }
    return t;
}

static struct umb_problem problem_of(const struct umb_trial *t, int index)
{
    struct umb_problem p = *umb__trial_problem(t, index);
    p.caps = umb_device_get_caps(harness_device());
    return p;
}

static void check_error(struct umb_trial *t, int index, const char *solver)
{
    const struct umb_problem p = problem_of(t, index);
    const struct umb_solver *s = umb__solver_choose(&p, solver);
    struct umb_trial_result r;
    if (!s || s->applicable(&p) <= 0) { return; }
    if (umb__trial_check(t, harness_device(), index, s, &r) != UMB_OK) {
        fail_msg("%s: %s", p.op->name, umb_context_error(harness_context()));
    }
    if (!(r.error <= LARGEST_ERROR)) {
        fail_msg("%s by %s: error %.3g of the largest; expected at most %.3g", p.op->name, solver,
                 r.error, LARGEST_ERROR);
    }
}

static void error_of(const char *attrs, const char *in)
{
    const struct umb_op_case row = {.attrs = attrs, .in = in};
    if (harness_small()) { return; }
    struct umb_trial *t = trial_of(&row);
    for (int i = 0; i < umb__trial_n_problems(t); i++) {
        check_error(t, i, "winograd4");
        check_error(t, i, "winograd2");
    }
    umb__trial_destroy(t);
}

static void error_with_few_channels(void **state)
{
    (void)state;
    error_of("filters=16 size=3 padding=1", "4,9,9,16");
}

static void error_with_many_channels(void **state)
{
    (void)state;
    error_of("filters=128 size=3 padding=1", "1,8,8,256");
}

static void error_with_many_tiles(void **state)
{
    (void)state;
    error_of("filters=32 size=3", "8,30,29,32");
}

static void error_of_larger_filters(void **state)
{
    (void)state;
    error_of("filters=32 size=5 padding=2", "2,12,11,256");
    error_of("filters=32 size=5", "8,20,29,32");
}

/* Whether Winograd's tiles of 4×4, or another solver, are chosen on a CPU with 16 lanes. */
static void check_choice_of(const char *solver, const char *attrs, const char *in, int index,
                            bool expected)
{
    const struct umb_op_case row = {.attrs = attrs, .in = in, .flags = UMB_CASE_LARGE};
    struct umb_trial *t = trial_of(&row);
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    struct umb_problem p = *umb__trial_problem(t, index);
    caps.type = UMB_DEVICE_CPU;
    caps.software = false;
    caps.float_width = 16;
    p.caps = &caps;
    const struct umb_solver *s = umb__solver_choose(&p, NULL);
    const char *chosen = s->name, *name = p.op->name;
    umb__trial_destroy(t);
    if ((strcmp(chosen, solver) == 0) != expected) {
        fail_msg("%s of %s with %s: %s; expected %s: %d", name, in, attrs, chosen, solver,
                 expected);
    }
}

static void check_choice(const char *attrs, const char *in, int index, bool expected)
{
    check_choice_of("winograd4", attrs, in, index, expected);
}

static void choices(void **state)
{
    (void)state;
    check_choice("filters=64 size=3 padding=1", "2,20,20,1", 0, false);
    for (int pass = 0; pass < 3; pass++) {
        check_choice("filters=64 size=3 padding=1", "2,56,56,64", pass, true);
        check_choice("filters=64 size=3", "64,13,13,32", pass, true);
        check_choice("filters=256 size=3 padding=1", "32,14,14,256", pass, true);
        check_choice("filters=64 size=3 padding=1 stride=2", "2,20,20,64", pass, false);
        check_choice("filters=64 size=3 padding=1 dilation=2", "2,20,20,64", pass, false);
        check_choice_of("winograd2", "filters=64 size=5 padding=1", "2,20,20,64", pass, true);
        check_choice_of("winograd2", "filters=64 size=5 padding=2 stride=2", "2,20,20,64", pass,
                        false);
        check_choice("filters=64 size=7 padding=3", "2,20,20,64", pass, false);
        check_choice("filters=64 size=3 padding=1 groups=2", "2,20,20,64", pass, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_with_few_channels), cmocka_unit_test(error_with_many_channels),
        cmocka_unit_test(error_with_many_tiles), cmocka_unit_test(error_of_larger_filters),
        cmocka_unit_test(choices)};
    return harness_main("winograd",
                        &(struct harness){.tests = tests, .n_tests = sizeof tests / sizeof *tests});
}
