/* Building, running and comparing a case with each of its allocations failing in turn. */
#include "alloc.h"
#include "harness.h"
#include <string.h>

static enum umb_status try_case(const struct umb_op *op, const struct umb_op_case *row)
{
    struct umb_trial *t = NULL;
    struct umb_trial_result result;
    struct umb_context *ctx = harness_context();
    enum umb_status st = umb__trial_create(ctx, op, row, 1, &t);
    for (int i = 0; st == UMB_OK && i < umb__trial_n_problems(t); i++) {
        const struct umb_problem *p = umb__trial_problem(t, i);
        const struct umb_solver *solver = umb__solver_choose(p, NULL);
        st = umb__trial_check(t, harness_device(), i, solver, &result);
    }
    umb__trial_destroy(t);
    return st;
}

/* Makes allocation 1, 2, 3 … fail until the case succeeds; nothing may stay allocated. */
static void fail_each(const char *name, const struct umb_op_case *row)
{
    const struct umb_op *op = umb__op_find(name);
    assert_int_equal(try_case(op, row), UMB_OK); /* programs are built now, and kept */
    const uint64_t before = umb__alloc_live();
    enum umb_status st = UMB_ERR_NO_MEMORY;
    for (uint64_t n = 1; st != UMB_OK; n++) {
        if (n > 5000) { fail_msg("%s: no end after 5000 failures", name); }
        umb__alloc_fail_at(n);
        st = try_case(op, row);
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) {
            fail_msg("%s: allocation %llu: %s: %s", name, (unsigned long long)n,
                     umb_status_name(st), umb_context_error(harness_context()));
        }
        if (umb__alloc_live() != before) {
            fail_msg("%s: allocation %llu: %llu held, expected %llu", name, (unsigned long long)n,
                     (unsigned long long)umb__alloc_live(), (unsigned long long)before);
        }
    }
}

static void of_max_pool(void **state)
{
    (void)state;
    fail_each("max_pool", &(struct umb_op_case){.in = "2,4,4,3", .attrs = "size=2"});
}

static void of_add(void **state)
{
    (void)state;
    fail_each("add", &(struct umb_op_case){.in = "2,3 2,3 2,3 2,3 2,3"});
}

static void of_normalize(void **state)
{
    (void)state;
    fail_each("normalize",
              &(struct umb_op_case){.in = "1,2,2,5:bytes", .attrs = "mean=0.1,0.2,0.3,0.4,0.5"});
}

static void of_bias(void **state)
{
    (void)state;
    fail_each("bias", &(struct umb_op_case){.in = "600,3"});
}

static void of_join(void **state)
{
    (void)state;
    fail_each("join", &(struct umb_op_case){.in = "2,3@0 2,3@1", .n_streams = 2});
}

static void of_a_mistake_in_the_attributes(void **state)
{
    (void)state;
    const struct umb_op_case row = {.in = "2,4,4,3", .attrs = "sise=2"};
    const uint64_t before = umb__alloc_live();
    for (uint64_t n = 1; n < 60; n++) {
        umb__alloc_fail_at(n);
        const enum umb_status st = try_case(umb__op_find("max_pool"), &row);
        umb__alloc_fail_at(0);
        assert_true(st == UMB_ERR_NO_MEMORY || st == UMB_ERR_INVALID);
        assert_int_equal(umb__alloc_live(), before);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_max_pool),  cmocka_unit_test(of_add),
        cmocka_unit_test(of_normalize), cmocka_unit_test(of_bias),
        cmocka_unit_test(of_join),      cmocka_unit_test(of_a_mistake_in_the_attributes)};
    return harness_main(
        "memory", &(struct harness){.tests = tests, .n_tests = sizeof tests / sizeof tests[0]});
}
