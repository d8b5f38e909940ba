/*
 * The solvers of GPUs on the present device, which is told that it is one: their results are right
 * wherever their kernels run, only slow. The smallest tile computes all cases of the ops; the
 * others, which have the same source and are slow on a CPU, a few.
 */
#include "alloc.h"
#include "harness.h"
#include "rng.h"
#include "room.h"
#include <math.h>
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
    caps.mma_fp16 = caps.fp16_storage = true;
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
    p->mixed = true;
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

/* Mixed precision. */

/* More than a tile of the larger ones, and odd. */
#define ROWS 131
#define TERMS 52
#define UNITS 131

/* To 11 binary digits, to even: what float16 does to numbers of usual size. */
static float rounded(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & 0xffffe000u;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void draw(float *to, size_t n, uint32_t purpose)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t word = umb__random_u32(SEED, UMB_RNG_TEST, purpose, i);
        to[i] = (0.01f + (float)(word >> 8) * 0x1p-24f) * (word & 1 ? 1.0f : -1.0f);
    }
}

static void expect_rounded(const char *solver, const float *x, const float *w, const float *y)
{
    for (int r = 0; r < ROWS; r++) {
        for (int u = 0; u < UNITS; u++) {
            double sum = 0, size = 0;
            for (int t = 0; t < TERMS; t++) {
                const double a = (double)rounded(x[r * TERMS + t]),
                             term = a * (double)rounded(w[t * UNITS + u]);
                sum += term;
                size += fabs(term);
            }
            if (!(fabs((double)y[r * UNITS + u] - sum) <= 1e-6 * size)) {
                fail_msg("%s: [%d,%d] is %.9g, expected %.9g", solver, r, u,
                         (double)y[r * UNITS + u], sum);
            }
        }
    }
}

/* Operands rounded to the nearest, nothing else: sums are as exact as float32's. */
static void halves_are_rounded_once(void **state)
{
    (void)state;
    static float x[ROWS * TERMS], w[TERMS * UNITS], y[ROWS * UNITS];
    const struct umb_device_caps caps = made_up_gpu();
    const struct umb_type in[] = {{.shape = {2, {ROWS, TERMS}}, .n_segments = 1},
                                  {.shape = {2, {TERMS, UNITS}}}},
                          out = {.shape = {2, {ROWS, UNITS}}, .n_segments = 1};
    struct umb_arena *arena = NULL;
    void *attrs = NULL;
    const struct umb_op *dense = umb__op_find("dense");
    assert_int_equal(umb__arena_create(harness_context(), &arena), UMB_OK);
    assert_int_equal(
        umb__attrs_create(harness_context(), arena, dense, "units=131 bias=false", &attrs), UMB_OK);
    struct umb_op_run run = {.p = {.ctx = harness_context(),
                                   .op = dense,
                                   .attrs = attrs,
                                   .mixed = true,
                                   .caps = &caps,
                                   .n_in = 2,
                                   .n_out = 1,
                                   .in = in,
                                   .out = &out},
                             .in = (void *const[]){x, w},
                             .out = (void *const[]){y},
                             .repeats = 1};
    int n = 0;
    draw(x, ROWS * TERMS, 0);
    draw(w, TERMS * UNITS, 1);
    for (const struct umb_solver *s = dense->solvers; s->name; s++) {
        if (strncmp(s->name, "half_", 5) != 0) { continue; }
        run.p.mixed = false;
        assert_int_equal(s->applicable(&run.p), 0);
        run.p.mixed = true;
        assert_true(s->applicable(&run.p) > 0);
        run.solver = s;
        memset(y, 0xff, sizeof y);
        if (umb__op_run(harness_device(), &run) != UMB_OK) {
            fail_msg("%s: %s", s->name, umb_context_error(harness_context()));
        }
        expect_rounded(s->name, x, w, y);
        n++;
    }
    assert_int_equal(n, 4);
    umb__arena_destroy(arena);
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

/* Both again, for a product that has no float16 kernels. */
static const struct harness_row products[] = {
    {"match", {NULL, "130,36 68,36@-", 0, 0}}, {"match", {NULL, "4,260 8,260@-", 0, 0}}, {0}};

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
    {"match", {NULL, "2,5 3,5@-", UMB_CASE_NO_GRAD, 0}},
    {0}};

static struct CMUnitTest tests[MOST_TESTS];
static struct job jobs[MOST_TESTS];
static size_t n_tests;

static void add(const char *op, const struct umb_op_case *row, const char *solver)
{
    if (row->flags & UMB_CASE_LARGE) { return; }
    expect_room(n_tests, MOST_TESTS, "test_gpu");
    struct job *job = &jobs[n_tests];
    job->op = umb__op_find(op);
    job->row = row;
    job->solver = solver;
    snprintf(job->name, sizeof job->name, "%s of %s%s%s by %s", op, row->in,
             row->attrs ? " with " : "", row->attrs ? row->attrs : "", solver);
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
    add_cases("match", "tile_small");
    add_rows(slabs, "tile_small");
    add_rows(winograd, "gpu_winograd4");
    add_rows(winograd, "gpu_winograd2");
    add_rows(depthwise, "gpu_depthwise");
    add_rows(few, "tile_medium");
    add_rows(few, "tile_large");
    add_rows(few, "mma_");
    add_rows(products, "tile_");
    add_rows(products, "mma_");
    add_rows(slabs, "mma_medium");
    expect_room(n_tests, MOST_TESTS, "test_gpu");
    tests[n_tests++] =
        (struct CMUnitTest){"halves are rounded once", halves_are_rounded_once, NULL, NULL, NULL};
    add_rows(few, "half_");
    add_rows(slabs, "half_medium");
    add_rows(slabs, "half_mma_medium");
    return harness_main("solvers of GPUs", &(struct harness){.tests = tests, .n_tests = n_tests});
}
