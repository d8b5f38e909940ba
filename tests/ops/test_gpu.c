/*
 * The solvers of GPUs on the present device, which is told that it is one: their results are right
 * wherever their kernels run, only slow. The smallest tile computes all cases of the ops; the
 * others, which have the same source and are slow on a CPU, a few.
 */
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 31
#define MOST_TESTS 256

/* A row of an op, by the solvers whose names begin so. */
struct job {
    const struct umb_op *op;
    const struct umb_op_case *row;
    const char *solver;
    char name[192];
};

static struct umb_device_caps made_up_gpu(void)
{
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    caps.type = UMB_DEVICE_GPU;
    caps.software = false;
    caps.float_width = 1;
    caps.sub_group = 32;
    caps.registers = 255;
    caps.mma_tf32 = true; /* cl/mma.cl spells the instruction out */
    caps.local_is_real = true;
    caps.local_bytes = caps.local_bytes < 65536 ? 65536 : caps.local_bytes;
    return caps;
}

/* How many solvers of the problem were tried. */
static int check_problem(struct umb_trial *t, int index, const struct umb_device_caps *caps,
                         const char *solver)
{
    struct umb_problem *p = (struct umb_problem *)(uintptr_t)umb__trial_problem(t, index);
    int tried = 0;
    p->caps = caps;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        struct umb_trial_result r;
        if (strncmp(s->name, solver, strlen(solver)) != 0 || s->applicable(p) <= 0) { continue; }
        const enum umb_status st = umb__trial_check(t, harness_device(), index, s, &r);
        /* A kernel may run smaller groups than its device (on llvmpipe some do). */
        if (st == UMB_ERR_UNSUPPORTED && harness_small()) { continue; }
        tried++;
        if (st != UMB_OK) {
            fail_msg("%s by %s: %s", p->op->name, s->name, umb_context_error(harness_context()));
        }
        if (r.score > 1) {
            fail_msg("%s by %s, seed %d: tensor %d at %lld: got %.9g, expected %.9g within %.3g",
                     p->op->name, s->name, SEED, r.tensor, (long long)r.index, r.got, r.expected,
                     r.tolerance);
        }
    }
    return tried;
}

static void run_job(void **state)
{
    const struct job *job = *state;
    const struct umb_device_caps caps = made_up_gpu();
    struct umb_trial *t = NULL;
    int tried = 0;
    assert_int_equal(umb__trial_create(harness_context(), job->op, job->row, SEED, &t), UMB_OK);
    for (int i = 0; i < umb__trial_n_problems(t); i++) {
        tried += check_problem(t, i, &caps, job->solver);
    }
    umb__trial_destroy(t);
    if (tried == 0) { skip(); }
}

/* Other tiles, other cases. */

/* Around the edges of the larger tiles: both runs of four, neither, and a stride. */
static const struct harness_row few[] = {
    {"conv", {"filters=132 size=3 padding=1", "3,7,7,8", 0, 0}},
    {"conv", {"filters=65 size=3 stride=2 padding=1", "1,17,17,3", 0, 0}},
    {"dense", {"units=68 activation=relu", "130,36", 0, 0}},
    {0}};

/* More positions than a slab of the gradient to the weights sums, and more terms than a slice. */
static const struct harness_row slabs[] = {{"conv", {"filters=8 size=1", "3,16,16,4", 0, 0}},
                                           {"dense", {"units=5", "520,3", 0, 0}},
                                           {"dense", {"units=8 activation=relu", "5,260", 0, 0}},
                                           {"dense", {"units=3 bias=false", "4,195", 0, 0}},
                                           {0}};

/* Tiles of 4 and of 2 outputs that fit, and that hang over; all that is fused. */
static const struct harness_row winograd[] = {
    {"conv", {"filters=8 size=3 padding=1", "2,8,8,4", 0, 0}},
    {"conv", {"filters=4 size=3", "3,9,7,12", 0, 0}},
    {"conv", {"filters=36 size=3 padding=1 activation=relu", "1,5,6,40", UMB_CASE_NO_GRAD, 0}},
    {"conv", {"filters=8 size=3 padding=2 bias=false", "1,3,10,8", 0, 0}},
    {"conv", {"filters=12 size=3 padding=3", "1,4,5,4", 0, 0}},
    {"conv", {"filters=8 size=3 padding=1 activation=relu pool=max", "2,9,8,4", 0, 0}},
    {"conv", {"filters=8 size=3 padding=1 mask=true dbias=true", "2,6,7,8", 0, 0}},
    {"conv", {"filters=4 size=3 padding=1", "40,8,8,4", 0, 0}},
    {0}};

/* One channel a group: channels in fours and not, and slabs. */
static const struct harness_row depthwise[] = {
    {"conv", {"filters=6 size=3 groups=6 padding=1", "1,6,5,6", 0, 0}},
    {"conv", {"filters=21 size=3 groups=21 stride=2 padding=same", "2,6,7,21", 0, 0}},
    {"conv", {"filters=21 size=3 groups=21 activation=relu pool=max", "2,6,5,21", 0, 0}},
    {"conv", {"filters=8 size=3 padding=1 groups=8", "2,9,6,8", 0, 0}},
    {"conv",
     {"filters=12 size=5,3 stride=2,1 dilation=1,2 padding=2 groups=12", "3,11,9,12", 0, 0}},
    {"conv", {"filters=4 size=3 groups=4 activation=relu pool=avg", "1,9,9,4", 0, 0}},
    {"conv", {"filters=4 size=2 stride=3 groups=4 mask=true dbias=true", "2,8,7,4", 0, 0}},
    {"conv", {"filters=1 size=3 padding=1", "300,4,3,1", UMB_CASE_NO_GRAD, 0}},
    {0}};

/* For simulators and rasterizers. */
static const struct harness_row tiny[] = {
    {"conv", {"filters=4 size=3 padding=1", "1,3,2,4", UMB_CASE_NO_GRAD, 0}},
    {"conv", {"filters=3 size=2 groups=3", "1,3,3,3", UMB_CASE_NO_GRAD, 0}},
    {"dense", {"units=3", "2,5", UMB_CASE_NO_GRAD, 0}},
    {0}};

static struct CMUnitTest tests[MOST_TESTS];
static struct job jobs[MOST_TESTS];
static size_t n_tests;

static void add(const char *op, const struct umb_op_case *row, const char *solver)
{
    if ((row->flags & UMB_CASE_LARGE) || n_tests == MOST_TESTS) { return; }
    struct job *job = &jobs[n_tests];
    job->op = umb__op_find(op);
    job->row = row;
    job->solver = solver;
    snprintf(job->name, sizeof job->name, "%s of %s with %s by %s", op, row->in, row->attrs,
             solver);
    tests[n_tests++] =
        (struct CMUnitTest){.name = job->name, .test_func = run_job, .initial_state = job};
}

static void add_rows(const struct harness_row *rows, const char *solver)
{
    for (const struct harness_row *r = rows; r->op; r++) {
        add(r->op, &r->row, solver);
    }
}

static void add_cases(const char *op, const char *solver)
{
    for (const struct umb_op_case *row = umb__op_find(op)->cases; row->in; row++) {
        add(op, row, solver);
    }
}

int main(void)
{
    if (harness_small()) {
        add_rows(tiny, "tile_small");
        add("conv", &tiny[0].row, "gpu_");
        add("conv", &tiny[1].row, "gpu_");
        return harness_main("solvers of GPUs",
                            &(struct harness){.tests = tests, .n_tests = n_tests});
    }
    add_cases("conv", "tile_small");
    add_cases("dense", "tile_small");
    add_rows(slabs, "tile_small");
    add_rows(winograd, "gpu_winograd4");
    add_rows(winograd, "gpu_winograd2");
    add_rows(depthwise, "gpu_depthwise");
    add_rows(few, "tile_medium");
    add_rows(few, "tile_large");
    add_rows(few, "mma_");
    add_rows(slabs, "mma_medium");
    return harness_main("solvers of GPUs", &(struct harness){.tests = tests, .n_tests = n_tests});
}
