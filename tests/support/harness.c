#include "harness.h"
#include "gradient.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20260101u
#define SAMPLES 24
#define SMALL_NUMBERS 4096
#define DIFFERENCES_FLOPS 2e6 /* a case above is too slow to evaluate 2·SAMPLES times an input */

static struct umb_context *context;
static struct umb_device *device;

struct umb_context *harness_context(void)
{
    if (!context && umb_context_create(NULL, &context) != UMB_OK) { abort(); }
    return context;
}

struct umb_device *harness_device(void)
{
    if (!device && umb_device_open(harness_context(), NULL, &device) != UMB_OK) {
        fail_msg("no device: %s", umb_context_error(context));
    }
    return device;
}

void harness_check_solvers(struct umb_trial *t, int index, const struct umb_device_caps *caps,
                           const char *what)
{
    struct umb_problem *p = (struct umb_problem *)(uintptr_t)umb__trial_problem(t, index);
    p->caps = caps;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        struct umb_trial_result r;
        if (s->applicable(p) <= 0) { continue; }
        if (umb__trial_check(t, harness_device(), index, s, &r) != UMB_OK) {
            fail_msg("%s by %s: %s", p->op->name, s->name, umb_context_error(harness_context()));
        }
        if (r.score > 1) {
            fail_msg("%s by %s, %s: tensor %d at %lld: got %.9g, expected %.9g within %.3g",
                     p->op->name, s->name, what, r.tensor, (long long)r.index, r.got, r.expected,
                     r.tolerance);
        }
    }
}

struct umb_device_caps harness_made_up_gpu(const char *shuffle)
{
    struct umb_device_caps caps = *umb_device_get_caps(harness_device());
    caps.type = UMB_DEVICE_GPU;
    caps.software = false;
    caps.float_width = 1;
    caps.shuffle = shuffle;
    return caps;
}

bool harness_dies_of_groups(void)
{
    return strstr(umb_device_get_caps(harness_device())->name, "llvmpipe");
}

bool harness_small(void)
{
    const char *small = getenv("UMBEL_TEST_SMALL");
    return small && strcmp(small, "1") == 0;
}

/* The two ways. */

static void describe(const struct umb_problem *p, const struct umb_solver *solver,
                     const struct umb_trial_result *r, uint64_t seed, struct umb_text *report)
{
    char text[UMB_SHAPE_TEXT];
    const struct umb_type *type = r->input ? &p->in[r->tensor] : &p->out[r->tensor];
    umb__text_printf(report,
                     "%s by %s, seed %llu: %s %d of shape %s at %lld: got %.9g, expected %.9g "
                     "within %.3g\n",
                     p->op->name, solver ? solver->name : "view", (unsigned long long)seed,
                     r->input ? "input" : "output", r->tensor,
                     umb__shape_text(&type->shape, text, sizeof text), (long long)r->index, r->got,
                     r->expected, r->tolerance);
}

static bool check_solver(struct umb_trial *t, struct umb_device *d, int index,
                         const struct umb_solver *solver, uint64_t seed, struct umb_text *report)
{
    const struct umb_problem *p = umb__trial_problem(t, index);
    struct umb_trial_result r;
    if (umb__trial_check(t, d, index, solver, &r) != UMB_OK) {
        umb__text_printf(report, "%s by %s: %s\n", p->op->name, solver ? solver->name : "view",
                         umb_context_error(p->ctx));
        return false;
    }
    if (r.score <= 1) { return true; }
    describe(p, solver, &r, seed, report);
    return false;
}

/* Every solver that can; a problem that none can is a failure. */
static bool check_problem(struct umb_trial *t, struct umb_device *d, int index, uint64_t seed,
                          struct umb_text *report)
{
    struct umb_problem p = *umb__trial_problem(t, index);
    p.caps = umb_device_get_caps(d);
    if (p.op->flags & UMB_OP_VIEW) { return check_solver(t, d, index, NULL, seed, report); }
    bool fine = true;
    int tried = 0;
    for (const struct umb_solver *s = p.op->solvers; s && s->name; s++) {
        if (s->applicable(&p) <= 0) { continue; }
        fine = check_solver(t, d, index, s, seed, report) && fine;
        tried++;
    }
    if (tried == 0) { umb__text_printf(report, "%s: no solver can compute it\n", p.op->name); }
    return fine && tried > 0;
}

static struct umb_trial *create(struct umb_context *ctx, const struct umb_op *op,
                                const struct umb_op_case *row, uint64_t seed,
                                struct umb_text *report)
{
    struct umb_trial *t = NULL;
    if (umb__trial_create(ctx, op, row, seed, &t) != UMB_OK) {
        umb__text_printf(report, "%s cannot be built: %s\n", op->name, umb_context_error(ctx));
    }
    return t;
}

bool harness_check(struct umb_device *d, const struct umb_op *op, const struct umb_op_case *row,
                   uint64_t seed, struct umb_text *report)
{
    struct umb_trial *t = create(umb__device_context(d), op, row, seed, report);
    bool fine = t != NULL;
    for (int i = 0; t && i < umb__trial_n_problems(t); i++) {
        fine = check_problem(t, d, i, seed, report) && fine;
    }
    umb__trial_destroy(t);
    return fine;
}

bool harness_gradient(struct umb_context *ctx, const struct umb_op *op,
                      const struct umb_op_case *row, uint64_t seed, struct umb_text *report)
{
    struct umb_trial *t = create(ctx, op, row, seed, report);
    if (!t) { return false; }
    const struct umb_problem *p = umb__trial_problem(t, 0);
    const bool quick = !op->flops || op->flops(p) <= DIFFERENCES_FLOPS;
    const bool fine = !quick || gradient_check(t, SAMPLES, report);
    umb__trial_destroy(t);
    return fine;
}

/* As a program. */

struct job {
    const struct umb_op *op;
    struct umb_op_case row;
};

struct jobs {
    struct CMUnitTest *tests;
    size_t n, capacity;
};

static void run_check(void **state)
{
    const struct job *job = *state;
    struct umb_text report = {0};
    if (!harness_check(harness_device(), job->op, &job->row, SEED, &report)) {
        fail_msg("%s", umb__text_string(&report));
    }
    umb__text_finish(&report);
}

static void run_gradient(void **state)
{
    const struct job *job = *state;
    struct umb_text report = {0};
    if (!harness_gradient(harness_context(), job->op, &job->row, SEED, &report)) {
        fail_msg("seed %u: %s", SEED, umb__text_string(&report));
    }
    umb__text_finish(&report);
}

static void *checked(void *p)
{
    if (!p) { abort(); }
    return p;
}

static void add_test(struct jobs *jobs, const struct CMUnitTest *test)
{
    if (jobs->n == jobs->capacity) {
        jobs->capacity = jobs->capacity ? 2 * jobs->capacity : 64;
        jobs->tests = checked(realloc(jobs->tests, jobs->capacity * sizeof *jobs->tests));
    }
    jobs->tests[jobs->n++] = *test;
}

static void add_case(struct jobs *jobs, const struct umb_op *op, const struct umb_op_case *row,
                     const char *way, CMUnitTestFunction function)
{
    struct job *job = checked(calloc(1, sizeof *job));
    *job = (struct job){op, *row};
    char *name = checked(calloc(1, 512));
    snprintf(name, 512, "%s %s of %s%s%s%s", op->name, way, row->in, row->attrs ? " with " : "",
             row->attrs ? row->attrs : "", row->flags & UMB_CASE_PARTIAL ? ", partly filled" : "");
    add_test(jobs, &(struct CMUnitTest){.name = name, .test_func = function, .initial_state = job});
}

static void add_row(struct jobs *jobs, const struct umb_op *op, const struct umb_op_case *row)
{
    if (row->flags & UMB_CASE_LARGE) { return; }
    if (harness_small() && umb__case_size(row) > SMALL_NUMBERS) { return; }
    add_case(jobs, op, row, "check", run_check);
    if (op->grad && !(row->flags & UMB_CASE_NO_GRAD)) {
        add_case(jobs, op, row, "gradient", run_gradient);
    }
}

static const struct umb_op *find(const char *name)
{
    const struct umb_op *op = umb__op_find(name);
    if (!op) {
        fprintf(stderr, "no op %s\n", name);
        exit(1);
    }
    return op;
}

int harness_main(const char *group, const struct harness *h)
{
    struct jobs jobs = {0};
    for (const char *const *name = h->ops; name && *name; name++) {
        const struct umb_op *op = find(*name);
        for (const struct umb_op_case *row = op->cases; row && row->in; row++) {
            add_row(&jobs, op, row);
        }
    }
    for (const struct harness_row *r = h->rows; r && r->op; r++) {
        add_row(&jobs, find(r->op), &r->row);
    }
    for (size_t i = 0; i < h->n_tests; i++) {
        add_test(&jobs, &h->tests[i]);
    }
    const int failed = _cmocka_run_group_tests(group, jobs.tests, jobs.n, NULL, NULL);
    for (size_t i = 0; i < jobs.n; i++) {
        if (jobs.tests[i].test_func == run_check || jobs.tests[i].test_func == run_gradient) {
            free(jobs.tests[i].initial_state);
            free((void *)(uintptr_t)jobs.tests[i].name);
        }
    }
    free(jobs.tests);
    umb_device_close(device);
    umb_context_destroy(context);
    const uint64_t live = umb__alloc_live();
    if (live) { fprintf(stderr, "%llu allocations are still held\n", (unsigned long long)live); }
    return failed + (live != 0);
}
