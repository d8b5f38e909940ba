/*
 * Kernels that are cut differently on other kinds of device (spread.h), on the present one: groups
 * of many items as on a GPU, and narrow vectors.
 */
#include "harness.h"
#include "spread.h"

#include <string.h>

static const char *const ops[] = {"cross_entropy",
                                  "binary_cross_entropy",
                                  "mse",
                                  "l1",
                                  "huber",
                                  "batch_norm",
                                  "sgd",
                                  "adam",
                                  "clip_scale",
                                  "gram",
                                  "combine_rows",
                                  "mix_rows",
                                  "excess",
                                  "drop_rows",
                                  "loss_weights",
                                  "soft_share",
                                  "soft_share_backward",
                                  "class_counts",
                                  "binary_counts",
                                  "error_sums",
                                  "multiply",
                                  "mixture",
                                  "cross_stitch",
                                  "graph_mix",
                                  "match",
                                  "pick",
                                  "select",
                                  NULL};

/* A kernel may run smaller groups than its device (on llvmpipe some do): then with smaller ones. */
static enum umb_status check_problem(struct umb_trial *t, int index,
                                     const struct umb_device_caps *caps, struct umb_trial_result *r)
{
    struct umb_problem *p = (struct umb_problem *)(uintptr_t)umb__trial_problem(t, index);
    struct umb_device_caps narrow = *caps;
    enum umb_status st;
    p->caps = &narrow;
    do {
        st = umb__trial_check(t, harness_device(), index, umb__solver_choose(p, NULL), r);
        narrow.max_work_group /= 2;
    } while (st == UMB_ERR_UNSUPPORTED && narrow.max_work_group > 1);
    p->caps = caps;
    return st;
}

/* The last problem's report; true: right. */
static bool check_case(const struct umb_op *op, const struct umb_op_case *row,
                       const struct umb_device_caps *caps)
{
    struct umb_trial *t = NULL;
    bool fine = true;
    assert_int_equal(umb__trial_create(harness_context(), op, row, 11, &t), UMB_OK);
    for (int i = 0; i < umb__trial_n_problems(t); i++) {
        const struct umb_problem *p = umb__trial_problem(t, i);
        struct umb_trial_result r;
        if (check_problem(t, i, caps, &r) != UMB_OK) {
            fail_msg("%s of %s: %s", p->op->name, row->in, umb_context_error(harness_context()));
        }
        if (r.score > 1) {
            print_error("%s of %s, seed 11: tensor %d at %lld: got %.9g, expected %.9g\n",
                        p->op->name, row->in, r.tensor, (long long)r.index, r.got, r.expected);
            fine = false;
        }
    }
    umb__trial_destroy(t);
    return fine;
}

/* With wide vectors these fetch ahead; Oclgrind's compiler knows no prefetch. Its own capabilities
 * lead to other kernels. */
static bool is_left_out(const char *op, const struct umb_device_caps *caps)
{
    const bool fetches =
        strcmp(op, "graph_mix") == 0 || strcmp(op, "match") == 0 || strcmp(op, "gram") == 0;
    return fetches && caps->type == UMB_DEVICE_CPU && strstr(caps->platform, "Oclgrind") != NULL;
}

static void check_kind(const struct umb_device_caps *caps)
{
    bool fine = true;
    for (const char *const *name = ops; *name; name++) {
        const struct umb_op *op = umb__op_find(*name);
        assert_non_null(op);
        if (is_left_out(*name, caps)) { continue; }
        for (const struct umb_op_case *row = op->cases; row->in; row++) {
            if (!(row->flags & UMB_CASE_LARGE)) { fine = check_case(op, row, caps) && fine; }
        }
    }
    assert_true(fine);
}

static void groups_of_many_items(void **state)
{
    (void)state;
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    caps.type = UMB_DEVICE_GPU;
    caps.float_width = 1;
    check_kind(&caps);
}

static void vectors_of_four(void **state)
{
    (void)state;
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    caps.type = UMB_DEVICE_CPU;
    caps.float_width = 4;
    check_kind(&caps);
}

/* Every element is in one group, no group is empty, and what lanes.cl takes for granted holds. */
static void check_spread(const struct umb_device_caps *caps, int64_t n, int64_t least, size_t most)
{
    const struct umb_spread s = umb__spread(caps, n, least, most);
    assert_in_range(s.groups, 1, most);
    assert_true((int64_t)(s.groups - 1) * s.span < n && (int64_t)s.groups * s.span >= n);
    assert_int_equal(s.span % (s.lanes * (int)s.local), 0);
    assert_int_equal(s.local & (s.local - 1), 0);
    assert_true(s.local <= caps->max_work_group);
    assert_true(s.lanes == 1 || s.local == 1);
    assert_true(s.lanes == 1 || (uint32_t)s.lanes <= caps->float_width);
}

static void spreads_cover_everything_once(void **state)
{
    static const int64_t sizes[] = {1,   2,   15,   16,   17,      127,
                                    128, 129, 4095, 4097, 1000003, 2147483000};
    (void)state;
    for (uint32_t width = 1; width <= 32; width = 2 * width + width / 3) {
        for (size_t group = 1; group <= 1024; group = 3 * group + 1) {
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                struct umb_device_caps caps = {
                    .type = UMB_DEVICE_CPU, .float_width = width, .max_work_group = group};
                check_spread(&caps, sizes[i], 2048, 64);
                check_spread(&caps, sizes[i], 1, 1000);
                caps.type = UMB_DEVICE_GPU;
                check_spread(&caps, sizes[i], 2048, 64);
                check_spread(&caps, sizes[i], 1, 1000);
            }
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_many_items),
        cmocka_unit_test(vectors_of_four),
        cmocka_unit_test(spreads_cover_everything_once),
    };
    return harness_main("other kinds of device",
                        &(struct harness){.tests = tests, .n_tests = sizeof tests / sizeof *tests});
}
