/* The harness must notice what is wrong: broken kernels, gradients and references. */
#include "harness.h"
#include "room.h"
#include "spread.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct umb_op_case row = {.in = "3,37"};

static struct umb_op copy_of(const char *name)
{
    return *umb__op_find(name);
}

static void assert_noticed(bool fine, struct umb_text *report, const char *expected)
{
    if (fine) { fail_msg("nothing was noticed"); }
    if (!strstr(umb__text_string(report), expected)) {
        fail_msg("the report lacks '%s': %s", expected, umb__text_string(report));
    }
    umb__text_finish(report);
}

static void assert_check_notices(const struct umb_op *op, const char *expected)
{
    struct umb_text report = {0};
    assert_noticed(harness_check(harness_device(), op, &row, 1, &report), &report, expected);
}

static void assert_gradient_notices(const struct umb_op *op, const char *expected)
{
    struct umb_text report = {0};
    assert_noticed(harness_gradient(harness_context(), op, &row, 1, &report), &report, expected);
}

static void right_op_passes(void **state)
{
    (void)state;
    struct umb_text report = {0};
    assert_true(harness_check(harness_device(), umb__op_find("tanh"), &row, 1, &report));
    assert_true(harness_gradient(harness_context(), umb__op_find("tanh"), &row, 1, &report));
    assert_string_equal(umb__text_string(&report), "");
}

/* Kernels. */

/* A folder with a copy of `file` in which `from` became `to`. */
static void write_broken(const char *folder, const char *file, const char *from, const char *to)
{
    size_t size = 0;
    const char *source = umb__program_source(file, &size);
    assert_non_null(source);
    const char *at = strstr(source, from);
    assert_non_null(at);
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%.*s%s%s", (int)(at - source), source, to, at + strlen(from));
    assert_int_equal(fclose(f), 0);
}

static void remove_broken(const char *folder, const char *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    unlink(path);
    rmdir(folder);
}

/* Checks `op` on a device of its own that takes kernels from the folder. */
static void check_broken(const char *op, const char *from, const char *to, const char *expected)
{
    char folder[] = "/tmp/umbel-harness-XXXXXX";
    assert_non_null(mkdtemp(folder));
    write_broken(folder, "activation.cl", from, to);
    assert_int_equal(setenv("UMBEL_KERNEL_DIR", folder, 1), 0);
    struct umb_context *ctx = NULL;
    struct umb_device *device = NULL;
    struct umb_text report = {0};
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb_device_open(ctx, NULL, &device), UMB_OK);
    const bool fine = harness_check(device, umb__op_find(op), &row, 1, &report);
    umb_device_close(device);
    umb_context_destroy(ctx);
    assert_int_equal(unsetenv("UMBEL_KERNEL_DIR"), 0);
    remove_broken(folder, "activation.cl");
    assert_noticed(fine, &report, expected);
}

static void kernel_with_a_small_error(void **state)
{
    (void)state;
    check_broken("relu", "x <= ZERO ? ZERO : x)", "x <= ZERO ? ZERO : x * 1.0001f)",
                 "relu by elementwise");
}

static void kernel_of_the_gradient(void **state)
{
    (void)state;
    check_broken("tanh", "dy * (ONE - y * y)", "dy * (ONE - y)", "tanh_backward by elementwise");
}

static void kernel_that_does_not_compile(void **state)
{
    (void)state;
    check_broken("relu", "FORWARD(relu, x", "FORWARD(relu, nonsense", "activation.cl");
}

static enum umb_status emit_nothing(struct umb_emit *e)
{
    (void)e;
    return UMB_OK;
}

static void output_that_nobody_writes(void **state)
{
    (void)state;
    static const struct umb_solver solvers[] = {{"lazy", umb__applies_always, emit_nothing}, {0}};
    struct umb_op op = copy_of("relu");
    op.solvers = solvers;
    assert_check_notices(&op, "relu by lazy");
}

static int applies_never(const struct umb_problem *p)
{
    (void)p;
    return 0;
}

static void problem_without_a_solver(void **state)
{
    (void)state;
    static const struct umb_solver solvers[] = {{"shy", applies_never, emit_nothing}, {0}};
    struct umb_op op = copy_of("relu");
    op.solvers = solvers;
    assert_check_notices(&op, "no solver");
}

/* References and gradients. */

static void off_by_a_little(const struct umb_reference *r)
{
    umb__op_find("tanh")->reference(r);
    r->out[0].data[36] += 1e-4;
}

static void reference_with_one_wrong_element(void **state)
{
    (void)state;
    struct umb_op op = copy_of("tanh");
    op.reference = off_by_a_little;
    assert_check_notices(&op, "at 36");
}

static enum umb_status pass_through(struct umb_grad *g)
{
    umb__grad_give(g, 0, umb__grad_dout(g, 0));
    return UMB_OK;
}

static void gradient_that_is_wrong(void **state)
{
    (void)state;
    struct umb_op op = copy_of("tanh");
    op.grad = pass_through;
    assert_gradient_notices(&op, "gradient of input 0");
}

static enum umb_status give_nothing(struct umb_grad *g)
{
    (void)g;
    return UMB_OK;
}

static void gradient_that_is_missing(void **state)
{
    (void)state;
    struct umb_op op = copy_of("tanh");
    op.grad = give_nothing;
    assert_gradient_notices(&op, "gradient of input 0");
}

static enum umb_status only_into_x(struct umb_grad *g)
{
    umb__grad_give(g, 0, umb__grad_dout(g, 0));
    return UMB_OK;
}

static void gradient_that_misses_a_parameter(void **state)
{
    (void)state;
    struct umb_op op = copy_of("bias");
    op.grad = only_into_x;
    assert_gradient_notices(&op, "gradient of input 1");
}

/* Rows. */

static void assert_row_refused(const struct umb_op_case *bad, const char *expected)
{
    struct umb_text report = {0};
    assert_noticed(harness_check(harness_device(), umb__op_find("max_pool"), bad, 1, &report),
                   &report, expected);
}

static void rows_that_cannot_be_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"3,x",         "0,3",     "3,5:nothing",
                                      "3,5@1",       "3,5@1-0", "3,5 4;5",
                                      "1,2,3,4,5,6", "3,",      "3,5:normal4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_row_refused(&(struct umb_op_case){.in = bad[i], .attrs = "size=2"},
                           "expected EXTENTS");
    }
}

static void rows_that_the_op_refuses(void **state)
{
    (void)state;
    assert_row_refused(&(struct umb_op_case){.in = "1,2,2,1", .attrs = "size=3"}, "do not fit");
    assert_row_refused(&(struct umb_op_case){.in = "1,2,2,1"}, "size: missing");
    assert_row_refused(&(struct umb_op_case){.in = "1,2,2,1", .attrs = "sise=3"},
                       "did you mean 'size'?");
}

/* Tables. */

/* What a child that asks for room in a table of 4 writes; true: it was aborted. */
static bool dies_asking(size_t n, char *said, size_t size)
{
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka has a handler of its own */
        dup2(ends[1], STDERR_FILENO);
        expect_room(n, 4, "a table");
        _exit(0);
    }
    close(ends[1]);
    const ssize_t length = read(ends[0], said, size - 1);
    said[length > 0 ? length : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void table_that_is_full(void **state)
{
    (void)state;
    char said[256];
    assert_false(dies_asking(3, said, sizeof said));
    assert_string_equal(said, "");
    assert_true(dies_asking(4, said, sizeof said));
    assert_string_equal(said, "a table: the table is full with 4; make it larger\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_op_passes),
        cmocka_unit_test(kernel_with_a_small_error),
        cmocka_unit_test(kernel_of_the_gradient),
        cmocka_unit_test(kernel_that_does_not_compile),
        cmocka_unit_test(output_that_nobody_writes),
        cmocka_unit_test(problem_without_a_solver),
        cmocka_unit_test(reference_with_one_wrong_element),
        cmocka_unit_test(gradient_that_is_wrong),
        cmocka_unit_test(gradient_that_is_missing),
        cmocka_unit_test(gradient_that_misses_a_parameter),
        cmocka_unit_test(rows_that_cannot_be_read),
        cmocka_unit_test(rows_that_the_op_refuses),
        cmocka_unit_test(table_that_is_full),
    };
    return harness_main(
        "harness", &(struct harness){.tests = tests, .n_tests = sizeof tests / sizeof tests[0]});
}
