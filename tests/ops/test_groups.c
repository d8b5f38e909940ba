/*
 * Kernels whose groups have one item on CPUs and many on GPUs, on the present device, which is told
 * that it is a GPU: every op but products and convolutions, which test_gpu.c has, against the
 * reference, with sizes that groups and their spans do not divide.
 */
#include "harness.h"
#include "room.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 53
#define MOST_TESTS 1024
#define GROUP_ITEMS 128 /* runtime/ops/spread.c */

struct job {
    const struct umb_op *op;
    const struct umb_op_case *row;
    char name[256];
};

/* ---- right ---- */

static void run_job(void **state)
{
    const struct job *job = *state;
    struct umb_trial *t = NULL;
    if (harness_dies_of_groups()) { skip(); }
    const struct umb_device_caps caps = harness_made_up_gpu(NULL);
    assert_int_equal(umb__trial_create(harness_context(), job->op, job->row, SEED, &t), UMB_OK);
    for (int i = 0; i < umb__trial_n_problems(t); i++) {
        harness_check_solvers(t, i, &caps, "groups of many");
    }
    umb__trial_destroy(t);
}

/* ---- in groups ---- */

/* The largest group of the solver's launches; 0: the driver chooses, or there are none. */
static size_t largest_group(const struct umb_problem *problem, const struct umb_device_caps *caps,
                            const struct umb_solver *s)
{
    struct umb_steps steps;
    int ids[UMB_TRIAL_MAX_IN + UMB_OP_MAX_OUT];
    size_t largest = 0;
    const int n = problem->n_in + problem->n_out;
    for (int i = 0; i < n; i++) {
        ids[i] = i;
    }
    assert_int_equal(umb__steps_init(harness_context(), n, &steps), UMB_OK);
    struct umb_emit e = {
        .p = *problem, .in = ids, .out = ids + problem->n_in, .steps = &steps, .node = -1};
    e.p.caps = caps;
    assert_int_equal(s->emit(&e), UMB_OK);
    for (size_t i = 0; i < steps.n; i++) {
        const struct umb_step *step = &steps.step[i];
        size_t items = step->local[0];
        for (unsigned d = 1; d < step->dimensions; d++) {
            items *= step->local[d];
        }
        if (items > largest) { largest = items; }
    }
    umb__steps_finish(&steps);
    return largest;
}

static size_t group_of(const char *op, const struct umb_op_case *row,
                       const struct umb_device_caps *caps, const char *solver)
{
    struct umb_trial *t = NULL;
    size_t largest = 0;
    assert_int_equal(umb__trial_create(harness_context(), umb__op_find(op), row, SEED, &t), UMB_OK);
    const struct umb_problem *p = umb__trial_problem(t, 0);
    for (const struct umb_solver *s = p->op->solvers; s->name; s++) {
        if (strcmp(s->name, solver) == 0) { largest = largest_group(p, caps, s); }
    }
    umb__trial_destroy(t);
    return largest;
}

/* Otherwise these tests would try what a CPU runs anyway. */
static void groups_have_many_items(void **state)
{
    (void)state;
    static const struct {
        const char *op, *solver;
        struct umb_op_case row;
    } rows[] = {{"gram", "tiles", {NULL, "5,9001", 0, 0}},
                {"combine_rows", "flat", {NULL, "3,1003 3", 0, 0}},
                {"mix_rows", "flat", {NULL, "3,1003 3,1003 6", 0, 0}},
                {"excess", "chunks", {NULL, "3,1003:positive 3,1003", 0, 0}},
                {"drop_rows", "elements", {NULL, "3,1003 4:labels", 0, 0}},
                {"soft_share", "flat", {NULL, "5003 5003 2,2:mask", 0, 0}},
                {"softmax", "rows", {NULL, "9,4", 0, 0}}};
    const struct umb_device_caps gpu = harness_made_up_gpu(NULL);
    const struct umb_device_caps *own = umb_device_get_caps(harness_device());
    if (gpu.max_work_group < GROUP_ITEMS) { skip(); }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t many = group_of(rows[i].op, &rows[i].row, &gpu, rows[i].solver),
                     one = group_of(rows[i].op, &rows[i].row, own, rows[i].solver);
        if (many != GROUP_ITEMS) {
            fail_msg("%s: groups of %zu; expected %d", rows[i].op, many, GROUP_ITEMS);
        }
        if (own->type == UMB_DEVICE_CPU && one != 1) {
            fail_msg("%s: groups of %zu on a CPU; expected 1", rows[i].op, one);
        }
    }
}

/* ---- cases ---- */

/* Fifteen trunks make 132 sums of spans, more than a group has items. */
#define FIVE "24577 24577 24577 24577 24577 "

/* Around a group of 128 items, several spans of which the last is short, rows that tiles of four do
 * not divide, and many short sums beside each other. */
static const struct harness_row rows[] = {
    {"gram", {NULL, "1,127", 0, 0}},
    {"gram", {NULL, "4,128", 0, 0}},
    {"gram", {NULL, "6,129", 0, 0}},
    {"gram", {NULL, "7,16411", UMB_CASE_NO_GRAD, 0}},
    {"gram", {NULL, "17,4097", UMB_CASE_NO_GRAD, 0}},
    {"excess", {NULL, "2,127:positive 2,127", 0, 0}},
    {"excess", {NULL, "3,129:positive 3,129", 0, 0}},
    {"excess", {NULL, "7,6145:positive 7,6145", 0, 0}},
    {"drop_rows", {NULL, "3,511 4:labels", 0, 0}},
    {"drop_rows", {"leak=0.5", "5,513 4:labels", 0, 0}},
    {"drop_rows", {"leak=1", "2,8194 4:labels", 0, 0}},
    {"drop_rows", {NULL, "64,2051 4:labels", 0, 0}},
    {"combine_rows", {NULL, "6,127 6", 0, 0}},
    {"combine_rows", {"first=127 count=4999", "3,5200 3", 0, 0}},
    {"mix_rows", {NULL, "2,4225 2,4225 4", 0, 0}},
    {"soft_share", {NULL, "127 127 2,2:mask", 0, 0}},
    {"soft_share", {NULL, "129 129 129 3,3:mask", 0, 0}},
    {"soft_share", {NULL, "8193 8193 8193 3,3:mask", UMB_CASE_NO_GRAD, 0}},
    {"soft_share",
     {NULL, "4500 4500 4500 4500 4500 4500 4500 4500 4500 9,9:mask", UMB_CASE_NO_GRAD, 0}},
    {"soft_share", {NULL, FIVE FIVE FIVE "15,15:mask", UMB_CASE_NO_GRAD, 0}},
    {"soft_share_backward", {"trunk=2 adds=true", "257 257 257 3,3 1 257", 0, 0}},
    {"mixture", {NULL, "129,3 129,7 129,7 129,7", 0, 0}},
    {"mixture", {NULL, "3,2 3,2049 3,2049", 0, 0}},
    {"mixture", {NULL, "5,2 5,11,3,17 5,11,3,17", 0, 2}},
    {"cross_stitch", {"own=1", "3,129 3,129", 0, 0}},
    {"cross_stitch", {"own=0", "4,2049 4,2049 4,2049", 0, 0}},
    {"cross_stitch", {"own=0 per=channel", "65,129 65,129", 0, 0}},
    {"cross_stitch", {"own=1 per=channel", "3,13,11,7 3,13,11,7", 0, 0}},
    {"multiply", {NULL, "131,3,2,5 131,5", 0, 0}},
    {"multiply", {NULL, "3,9,9,129 3,129", 0, 0}},
    {"softmax", {NULL, "130,62", 0, 0}},
    {"select", {"share=0.37", "129,3 129:gaps 129:mask", 0, 0}},
    {"select", {"share=0.6 by=uncertainty", "300,4:ties 300:labels 300:positive", 0, 0}},
    {"select", {"of=l1 share=0.5", "257,2 257,2 257:mask", 0, 0}},
    {0}};

/* Ops with solvers of their own for GPUs, slow on CPUs, and what has no numbers of its own. */
static bool is_elsewhere(const char *op)
{
    static const char *const others[] = {"conv", "dense", "match", "graph_mix", NULL};
    for (const char *const *other = others; *other; other++) {
        if (strncmp(op, *other, strlen(*other)) == 0) { return true; }
    }
    return false;
}

static struct CMUnitTest tests[MOST_TESTS];
static struct job jobs[MOST_TESTS];
static size_t n_tests;

static void add(const struct umb_op *op, const struct umb_op_case *row)
{
    const bool large = harness_small() && umb__case_size(row) > 4096;
    if ((row->flags & UMB_CASE_LARGE) || large) { return; }
    expect_room(n_tests, MOST_TESTS, "test_groups");
    struct job *job = &jobs[n_tests];
    *job = (struct job){.op = op, .row = row};
    snprintf(job->name, sizeof job->name, "%s of %s with %s", op->name, row->in,
             row->attrs ? row->attrs : "nothing");
    tests[n_tests++] =
        (struct CMUnitTest){.name = job->name, .test_func = run_job, .initial_state = job};
}

static void add_cases(const struct umb_op *op)
{
    if (is_elsewhere(op->name) || !op->solvers) { return; }
    for (const struct umb_op_case *row = op->cases; row && row->in; row++) {
        add(op, row);
    }
}

int main(void)
{
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *op = *family; *op; op++) {
            add_cases(*op);
        }
    }
    for (const struct harness_row *r = rows; r->op; r++) {
        add(umb__op_find(r->op), &r->row);
    }
    expect_room(n_tests, MOST_TESTS, "test_groups");
    tests[n_tests++] =
        (struct CMUnitTest){"groups have many items", groups_have_many_items, NULL, NULL, NULL};
    return harness_main("groups of GPUs", &(struct harness){.tests = tests, .n_tests = n_tests});
}
