#include "harness.h"
#include <math.h>

/* Puts special numbers into x, checks forward and backward, and returns y of the reference. */
static void check_special(const char *in, const char *attrs, const double *x, int n,
                          struct umb_trial **ret_trial)
{
    const struct umb_op_case row = {.in = in, .attrs = attrs};
    struct umb_trial *t = NULL;
    assert_int_equal(umb__trial_create(harness_context(), umb__op_find("max_pool"), &row, 1, &t),
                     UMB_OK);
    for (int i = 0; i < n; i++) {
        umb__trial_data(t, 0)[i] = x[i];
    }
    (void)umb__trial_probe(t);
    for (int i = 0; i < umb__trial_n_problems(t); i++) {
        const struct umb_solver *solver = umb__trial_problem(t, i)->op->solvers;
        struct umb_trial_result r;
        assert_int_equal(umb__trial_check(t, harness_device(), i, solver, &r), UMB_OK);
        if (r.score > 1) {
            fail_msg("problem %d at %lld: got %g, expected %g", i, (long long)r.index, r.got,
                     r.expected);
        }
    }
    *ret_trial = t;
}

/* Output 0 or 1 of the forward node. */
static const double *output(struct umb_trial *t, int index)
{
    return umb__trial_data(t, umb__trial_graph(t)->node[0].out[index]);
}

static void nan_goes_through(void **state)
{
    (void)state;
    struct umb_trial *t;
    const double x[8] = {1, NAN, 5, 2, 3, 4, 6, 7};
    check_special("1,2,4,1", "size=2", x, 8, &t);
    assert_true(isnan(output(t, 0)[0]));
    assert_int_equal((int)output(t, 1)[0], 1);
    assert_int_equal((int)output(t, 0)[1], 7);
    umb__trial_destroy(t);
}

static void minus_infinity_wins_among_its_like(void **state)
{
    (void)state;
    struct umb_trial *t;
    const double x[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    check_special("1,2,2,1", "size=2", x, 4, &t);
    assert_true(isinf(output(t, 0)[0]));
    assert_int_equal((int)output(t, 1)[0], 0);
    umb__trial_destroy(t);
}

static void of_equals_the_first_wins(void **state)
{
    (void)state;
    struct umb_trial *t;
    const double x[4] = {1, 3, 3, 3};
    check_special("1,2,2,1", "size=2", x, 4, &t);
    assert_int_equal((int)output(t, 1)[0], 1);
    umb__trial_destroy(t);
}

/* Extents by the rules of PyTorch (numbers) and Keras (same). */
static void output_extents(void **state)
{
    (void)state;
    static const struct {
        const char *attrs;
        int64_t h, w;
    } rows[] = {{"size=2", 3, 4},
                {"size=2 stride=1", 6, 8},
                {"size=3 stride=2 padding=1", 4, 5},
                {"size=3 stride=2 padding=same", 4, 5},
                {"size=2 stride=2 padding=same", 4, 5},
                {"size=3,1 stride=2 padding=valid", 3, 5},
                {"size=7,9 stride=1", 1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct umb_op_case row = {.in = "1,7,9,1", .attrs = rows[i].attrs};
        struct umb_trial *t = NULL;
        assert_int_equal(
            umb__trial_create(harness_context(), umb__op_find("avg_pool"), &row, 1, &t), UMB_OK);
        const int64_t *d = umb__trial_problem(t, 0)->out[0].shape.dim;
        if (d[1] != rows[i].h || d[2] != rows[i].w) {
            fail_msg("%s: got %lldx%lld, expected %lldx%lld", rows[i].attrs, (long long)d[1],
                     (long long)d[2], (long long)rows[i].h, (long long)rows[i].w);
        }
        umb__trial_destroy(t);
    }
}

int main(void)
{
    static const char *const ops[] = {"max_pool", "avg_pool", "global_avg_pool", NULL};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nan_goes_through), cmocka_unit_test(minus_infinity_wins_among_its_like),
        cmocka_unit_test(of_equals_the_first_wins), cmocka_unit_test(output_extents)};
    return harness_main(
        "pool",
        &(struct harness){.ops = ops, .tests = tests, .n_tests = sizeof tests / sizeof tests[0]});
}
