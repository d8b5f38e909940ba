/*
 * Sums that the items of a GPU's group make together (cl/team.cl, group_sum of cl/lanes.cl), on the
 * present device, which is told that it is a GPU: right, and the same to the last bit whether the
 * items of a sub-group hand each other numbers or all goes through local memory.
 */
#include "harness.h"
#include "room.h"
#include "team.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 47
#define MOST_TESTS 128
#define MOST_TENSORS 24

struct job {
    const struct umb_op *op;
    const struct umb_op_case *row;
    char name[160];
};

/* What the probe found for the present device; NULL: nothing. The texts are constants. */
static const char *find_shuffle(void)
{
    const char *own = umb_device_get_caps(harness_device())->selector, *found = NULL;
    struct umb_device_list *list = NULL;
    assert_int_equal(umb_device_list_create(harness_context(), own, true, &list), UMB_OK);
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->caps[i].selector, own) == 0) { found = list->caps[i].shuffle; }
    }
    umb_device_list_destroy(list);
    return found;
}

static const char *shuffle(void)
{
    static bool known;
    static const char *found;
    if (!known) { found = find_shuffle(); }
    known = true;
    return found;
}

/* Every solver that applies is right. */
static void check_problem(struct umb_trial *t, int index, const char *shuffle_by)
{
    const struct umb_device_caps caps = harness_made_up_gpu(shuffle_by);
    char what[48];
    snprintf(what, sizeof what, "shuffles by %s", shuffle_by ? shuffle_by : "nothing");
    harness_check_solvers(t, index, &caps, what);
}

static void *numbers(const struct umb_type *type, uint32_t stream)
{
    const int64_t n = umb__shape_count(&type->shape);
    double *exact = calloc((size_t)n, sizeof *exact);
    void *host = calloc(1, umb__type_bytes(type));
    assert_non_null(exact);
    assert_non_null(host);
    umb__case_fill(UMB_FILL_POSITIVE, 0, SEED, stream, exact, n);
    for (int64_t i = 0; i < n; i++) {
        if (type->dtype == UMB_F32) { ((float *)host)[i] = (float)exact[i]; }
        if (type->dtype == UMB_I32) { ((int32_t *)host)[i] = (int32_t)(3 * exact[i]); }
    }
    free(exact);
    return host;
}

/* The outputs of one run, malloc'd. */
static void run(const struct umb_problem *problem, const struct umb_solver *s,
                const char *shuffle_by, void **ret_out)
{
    const struct umb_device_caps caps = harness_made_up_gpu(shuffle_by);
    void *in[MOST_TENSORS];
    struct umb_op_run r = {.p = *problem, .solver = s, .in = in, .out = ret_out, .repeats = 1};
    r.p.caps = &caps;
    for (int i = 0; i < problem->n_in; i++) {
        in[i] = numbers(&problem->in[i], (uint32_t)i);
    }
    for (int i = 0; i < problem->n_out; i++) {
        ret_out[i] = calloc(1, umb__type_bytes(&problem->out[i]));
        assert_non_null(ret_out[i]);
    }
    if (umb__op_run(harness_device(), &r) != UMB_OK) {
        fail_msg("%s by %s: %s", problem->op->name, s->name, umb_context_error(harness_context()));
    }
    for (int i = 0; i < problem->n_in; i++) {
        free(in[i]);
    }
}

static void compare_bits(const struct umb_problem *p, const struct umb_solver *s)
{
    void *with[UMB_OP_MAX_OUT], *without[UMB_OP_MAX_OUT];
    run(p, s, shuffle(), with);
    run(p, s, NULL, without);
    for (int i = 0; i < p->n_out; i++) {
        const size_t bytes = umb__type_bytes(&p->out[i]);
        for (size_t at = 0; at + 4 <= bytes; at += 4) {
            uint32_t a, b;
            memcpy(&a, (char *)with[i] + at, 4);
            memcpy(&b, (char *)without[i] + at, 4);
            if (a != b) {
                fail_msg("%s by %s: output %d at %zu: bits %08x with shuffles by %s, %08x without",
                         p->op->name, s->name, i, at / 4, a, shuffle(), b);
            }
        }
        free(with[i]);
        free(without[i]);
    }
}

static void run_job(void **state)
{
    const struct job *job = *state;
    struct umb_trial *t = NULL;
    if (harness_dies_of_groups()) { skip(); }
    assert_int_equal(umb__trial_create(harness_context(), job->op, job->row, SEED, &t), UMB_OK);
    for (int i = 0; i < umb__trial_n_problems(t); i++) {
        check_problem(t, i, NULL);
        if (!shuffle()) { continue; }
        check_problem(t, i, shuffle());
        const struct umb_problem *p = umb__trial_problem(t, i);
        const struct umb_device_caps caps = harness_made_up_gpu(NULL);
        struct umb_problem asked = *p;
        asked.caps = &caps;
        for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
            if (s->applicable(&asked) > 0) { compare_bits(p, s); }
        }
    }
    umb__trial_destroy(t);
}

/* Chunks of batch norm for several rounds of a team, of which some have no real row; a last chunk
 * that is short; streams. */
static const struct harness_row rows[] = {
    {"batch_norm", {"", "40,9,9,3", UMB_CASE_NO_GRAD, 0}},
    {"batch_norm", {"relu=true", "36,8,9,5", UMB_CASE_PARTIAL | UMB_CASE_NO_GRAD, 2}},
    {"batch_norm", {"", "67,7,5,1", UMB_CASE_NO_GRAD | UMB_CASE_TRAINING, 0}},
    {"softmax", {"", "9,129", 0, 0}},
    {"gram", {NULL, "7,12289", 0, 0}},
    {"excess", {NULL, "3,8195:positive 3,8195", 0, 0}},
    {"soft_share", {NULL, "8197 8197 8197 3,3:mask", UMB_CASE_NO_GRAD, 0}},
    {0}};

static const char *const ops[] = {"softmax",       "batch_norm", "clip_scale",
                                  "cross_entropy", "mse",        "gram",
                                  "excess",        "soft_share", NULL};

static struct CMUnitTest tests[MOST_TESTS];
static struct job jobs[MOST_TESTS];
static size_t n_tests;

static void add(const char *op, const struct umb_op_case *row)
{
    const bool large = harness_small() && umb__case_size(row) > 4096;
    if ((row->flags & UMB_CASE_LARGE) || large) { return; }
    expect_room(n_tests, MOST_TESTS, "test_teams");
    struct job *job = &jobs[n_tests];
    *job = (struct job){.op = umb__op_find(op), .row = row};
    snprintf(job->name, sizeof job->name, "%s of %s with %s", op, row->in,
             row->attrs ? row->attrs : "nothing");
    tests[n_tests++] =
        (struct CMUnitTest){.name = job->name, .test_func = run_job, .initial_state = job};
}

int main(void)
{
    for (const char *const *op = ops; *op; op++) {
        for (const struct umb_op_case *row = umb__op_find(*op)->cases; row->in; row++) {
            add(*op, row);
        }
    }
    for (const struct harness_row *r = rows; r->op; r++) {
        add(r->op, &r->row);
    }
    return harness_main("teams of GPUs", &(struct harness){.tests = tests, .n_tests = n_tests});
}
