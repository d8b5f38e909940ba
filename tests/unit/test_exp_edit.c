/*
 * test_exp_edit.c: the experiments that a comparison trains: a task alone, a balancer set, and
 * sections that are wrong and so are left to the reader.
 */
#include "comparison_rig.h"
#include "exp_edit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static enum umb_status keep_one(const void *task, struct umb_yaml_tree *tree)
{
    umb__exp_keep_tasks(tree, (const char *const *)task, 1);
    return UMB_OK;
}

static void a_task_alone_has_its_own_data_and_trunk(void **state)
{
    (void)state;
    struct rig r;
    const char *task = "shape";
    struct umb_experiment *alone = NULL;
    open_rig(&r, 1);
    check(&r, umb__experiment_read_edited(r.ctx, "small.yaml", NULL, 0, keep_one, &task, &alone),
          "alone");
    assert_int_equal(alone->n_tasks, 1);
    assert_int_equal(alone->n_data, 1);
    assert_int_equal(alone->n_trunks, 1);
    assert_string_equal(alone->task[0].name, "shape");
    assert_string_equal(alone->data[0].name, "a");
    assert_string_equal(alone->trunk[0].name, "one");
    assert_null(alone->train.early_stop.task); /* place is gone: the score is watched */
    assert_int_equal(alone->train.early_stop.patience, 2);
    umb__experiment_destroy(alone);
    task = "place";
    check(&r, umb__experiment_read_edited(r.ctx, "small.yaml", NULL, 0, keep_one, &task, &alone),
          "alone");
    assert_string_equal(alone->train.early_stop.task, "place");
    assert_string_equal(alone->trunk[0].name, "two");
    umb__experiment_destroy(alone);
    close_rig(&r);
}

/* A tree before and behind an edit: n tasks kept where there are some, a balancer set. */
static void expect_kept(const char *before, const char *const *tasks, size_t n,
                        const char *balancer, const char *expected)
{
    struct umb_context *ctx = NULL;
    struct umb_yaml_tree *tree = NULL;
    char *after = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__yaml_parse(ctx, "x", before, strlen(before), &tree), UMB_OK);
    if (n) { umb__exp_keep_tasks(tree, tasks, n); }
    if (balancer) { assert_int_equal(umb__exp_set_balancer(tree, balancer, "x"), UMB_OK); }
    assert_int_equal(umb__yaml_write(tree, &after), UMB_OK);
    assert_string_equal(after, expected);
    umb__free(after);
    umb__yaml_destroy(tree);
    umb_context_destroy(ctx);
}

static void expect_edit(const char *before, const char *task, const char *balancer,
                        const char *expected)
{
    expect_kept(before, &task, task != NULL, balancer, expected);
}

/* Whatever the sections are, the reader is to say what is wrong with them. */
static void edits_pass_over_what_is_wrong(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}\n",
        "tasks: 1\n",
        "tasks: [1, 2]\n",
        "tasks: {a: 1}\ndata: x\ntrunks: [1]\n",
        "tasks: {a: {data: [1]}}\ndata: {x: 1}\ntrain: 3\n",
        "tasks: {a: 1}\ntrain: {early_stop: 1, freeze: {pattern: [1]}, rates: [1]}\n",
        "tasks: {a: {}}\ntrain: {early_stop: {metric: [1]}, freeze: 3}\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        expect_edit(texts[i], "a", "equal", texts[i]);
    }
}

static void what_is_said_of_others_goes(void **state)
{
    (void)state;
    expect_edit("tasks: {a: {data: x}, b: {data: y}}\ndata: {x: 1, y: 2}\nshare: 1\n"
                "train: {freeze: [a.*, b.*, {pattern: b.dense1.*, from: 2}], rates: {b.*: 2, ab.*: "
                "3}, balancer: mgda}\n",
                "a", NULL,
                "tasks: {a: {data: x}}\ndata: {x: 1}\n"
                "train: {freeze: [a.*], rates: {ab.*: 3}}\n");
    expect_edit("tasks: {a: {trunk: x}, b: {trunk: y}}\ntrunks: {x: 1, y: 2}\n"
                "train: {freeze: y.*, seed: 1}\n",
                "a", NULL, "tasks: {a: {trunk: x}}\ntrunks: {x: 1}\ntrain: {seed: 1}\n");
}

/* Of a group's balancer and sharing stays what is said of its own tasks and trunks. */
static void groups_keep_their_part(void **state)
{
    (void)state;
    static const char *const ac[] = {"a", "c"}, *const ab[] = {"a", "b"};
#define TASKS "tasks: {a: {trunk: x}, b: {trunk: x}, c: {trunk: z}, d: {trunk: y}}\n"
#define TRUNKS "trunks: {x: 1, y: 2, z: 3}\n"
#define A_AND_C "tasks: {a: {trunk: x}, c: {trunk: z}}\ntrunks: {x: 1, z: 3}\n"
    static const struct {
        const char *before, *after;
    } rows[] = {
        {"train: {balancer: {fixed: {weights: [1, 2, 3, 4], heads: weighted}}}\n",
         "train: {balancer: {fixed: {weights: [1, 3], heads: weighted}}}\n"},
        {"train: {balancer: {fixed: {weights: [1, 2, 3]}}}\n",
         "train: {balancer: {fixed: {weights: [1, 2, 3]}}}\n"},
        {"share: {penalty: 1, relations: {x: {y: 1, z: 0.5}, y: {z: 2}}}\n",
         "share: {penalty: 1, relations: {x: {z: 0.5}}}\n"},
        {"share: {penalty: 1, relations: [[x, y], [y, z, 2], [z, x, 0.5]]}\n",
         "share: {penalty: 1, relations: [[z, x, 0.5]]}\n"},
        {"share: {penalty: 1, relations: [[0, 1, 0.5], [1, 0, 2], [0.5, 2, 0]]}\n",
         "share: {penalty: 1, relations: [[0, 0.5], [0.5, 0]]}\n"},
        {"share: {penalty: 1, combinations: [[1, -1], [2, -2], [3, -3]]}\n",
         "share: {penalty: 1, combinations: [[1, -1], [3, -3]]}\n"},
        {"share: {penalty: 1, combinations: all}\n", "share: {penalty: 1, combinations: all}\n"},
        {"share: {penalty: 1, relations: [[0, 1], x]}\n",
         "share: {penalty: 1, relations: [[0, 1], x]}\n"},
    };
    char before[512], after[512];
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(before, sizeof before, TASKS TRUNKS "%s", rows[i].before);
        snprintf(after, sizeof after, A_AND_C "%s", rows[i].after);
        expect_kept(before, ac, 2, NULL, after);
    }
    /* one trunk has nobody to share with */
    expect_kept(TASKS TRUNKS "share: {mtrl: {}}\n", ab, 2, NULL,
                "tasks: {a: {trunk: x}, b: {trunk: x}}\ntrunks: {x: 1}\n");
}

static void balancers_are_set(void **state)
{
    (void)state;
    expect_edit("train: {epochs: 3}\n", NULL, "mgda", "train: {epochs: 3, balancer: mgda}\n");
    expect_edit("train: {balancer: dwa}\n", NULL, "mgda", "train: {balancer: mgda}\n");
    expect_edit("train: {balancer: dwa, seed: 2}\n", NULL, "equal", "train: {seed: 2}\n");
    expect_edit("train: {balancer: {cagrad: {c: 0.2}}}\n", NULL, "cagrad",
                "train: {balancer: {cagrad: {c: 0.2}}}\n");
    expect_edit("train: {balancer: {cagrad: {c: 0.2}}}\n", NULL, "mgda",
                "train: {balancer: mgda}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_alone_has_its_own_data_and_trunk),
        cmocka_unit_test(edits_pass_over_what_is_wrong),
        cmocka_unit_test(what_is_said_of_others_goes),
        cmocka_unit_test(groups_keep_their_part),
        cmocka_unit_test(balancers_are_set),
    };
    return cmocka_run_group_tests(tests, enter_comparisons, leave_comparisons);
}
