#include "harness.h"
#include <math.h>

static const char *const ops[] = {"relu", "leaky_relu", "sigmoid", "tanh", "gelu", NULL};

/* Far out, around zero, and what is no number: forward and backward as the reference says. */
static void numbers_far_out(void **state)
{
    (void)state;
    const double x[16] = {-40, -12, -6, -3, -1, -1e-3, -1e-20, 0,
                          40,  12,  6,  3,  1,  1e-3,  1e-20,  NAN};
    const struct umb_op_case row = {.in = "1,16"};
    for (const char *const *name = ops; *name; name++) {
        struct umb_trial *t = NULL;
        assert_int_equal(umb__trial_create(harness_context(), umb__op_find(*name), &row, 1, &t),
                         UMB_OK);
        for (int i = 0; i < 16; i++) {
            umb__trial_data(t, 0)[i] = x[i];
        }
        (void)umb__trial_probe(t);
        for (int i = 0; i < umb__trial_n_problems(t); i++) {
            const struct umb_problem *p = umb__trial_problem(t, i);
            struct umb_trial_result r;
            assert_int_equal(umb__trial_check(t, harness_device(), i, p->op->solvers, &r), UMB_OK);
            if (r.score > 1) {
                fail_msg("%s of %g: got %.9g, expected %.9g", p->op->name, x[r.index], r.got,
                         r.expected);
            }
        }
        umb__trial_destroy(t);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_far_out)};
    return harness_main("activation", &(struct harness){.ops = ops, .tests = tests, .n_tests = 1});
}
