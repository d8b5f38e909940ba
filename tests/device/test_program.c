/* test_program.c: from kernel files to built programs: includes, options, folders, wrong kernels,
 * and several threads at once. */
#include "kernel_build.h"
#include "program_fixture.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One kernel that writes an expression everywhere. */
#define KERNEL(head, expression)                                                             \
    head "\n__kernel void fill(__global int *y, ulong o)\n{\n    y[o + get_global_id(0)] = " \
         "(int)(" expression ");\n}\n"

static void expect_filled(struct fixture *f, const char *options, int32_t expected)
{
    int32_t out[3] = {0};
    run_ints(f, "main.cl", "fill", options, 3, out);
    for (int i = 0; i < 3; i++) {
        if (out[i] != expected) { fail_msg("item %d: %d; expected %d", i, out[i], expected); }
    }
}

static void a_kernel_runs(void **state)
{
    write_kernel(*state, "main.cl", KERNEL("", "42"));
    expect_filled(*state, NULL, 42);
}

static void a_syntax_error_names_file_and_line(void **state)
{
    write_kernel(*state, "main.cl",
                 "__kernel void fill(__global int *y, ulong o)\n{\n    y[0] = ;\n}\n");
    expect_prepare(*state, "main.cl", NULL, UMB_ERR_BUILD, "main.cl:3:");
}

static void a_build_error_names_the_options(void **state)
{
    write_kernel(*state, "main.cl", "WRONG\n");
    expect_prepare(*state, "main.cl", "-DWRONG=whatever", UMB_ERR_BUILD,
                   "main.cl, built with \"-cl-std=CL1.2 -DWRONG=whatever\"");
}

static void an_error_in_an_include_names_it(void **state)
{
    write_kernel(*state, "inner.cl", "\n\nnonsense here;\n");
    write_kernel(*state, "main.cl", KERNEL("#include \"inner.cl\"", "1"));
    expect_prepare(*state, "main.cl", NULL, UMB_ERR_BUILD, "inner.cl:3:");
}

static void lines_behind_an_include_keep_their_numbers(void **state)
{
    write_kernel(*state, "inner.cl", "#define A 1\n#define B 2\n#define C 3\n");
    write_kernel(*state, "main.cl", "\n\n#include \"inner.cl\"\n\nnonsense here;\n");
    expect_prepare(*state, "main.cl", NULL, UMB_ERR_BUILD, "main.cl:5:");
}

static void a_long_log_is_cut(void **state)
{
    struct fixture *f = *state;
    char text[8192] = "";
    for (int i = 0; i < 300; i++) {
        strcat(text, "nonsense here;\n");
    }
    write_kernel(f, "main.cl", text);
    expect_prepare(f, "main.cl", NULL, UMB_ERR_BUILD, "main.cl:1:");
    assert_in_range(strlen(umb_context_error(f->ctx)), 20, 1600);
}

static void includes_of_includes(void **state)
{
    write_kernel(*state, "c.cl", "#define C 5\n");
    write_kernel(*state, "b.cl", "  #  include \"c.cl\"  \n#define B (C * 10)\n");
    write_kernel(*state, "main.cl", KERNEL("#include \"b.cl\"", "B + C"));
    expect_filled(*state, NULL, 55);
}

static void an_include_with_windows_line_ends(void **state)
{
    write_kernel(*state, "b.cl", "#define B 6\r\n");
    write_kernel(*state, "main.cl", KERNEL("#include \"b.cl\"\r\n", "B"));
    expect_filled(*state, NULL, 6);
}

static void a_last_line_without_an_end(void **state)
{
    write_kernel(*state, "b.cl", "#define B 8");
    write_kernel(*state, "main.cl", KERNEL("#include \"b.cl\"", "B"));
    expect_filled(*state, NULL, 8);
}

static void includes_in_comments_stay_comments(void **state)
{
    write_kernel(*state, "main.cl",
                 KERNEL("/* a /* \"\n#include \"nowhere.cl\"\n*/ // /*\n"
                        "#define TEXT \"/*\" // \"\n#define B 3",
                        "B"));
    expect_filled(*state, NULL, 3);
}

static void a_comment_behind_an_include(void **state)
{
    write_kernel(*state, "b.cl", "#define B 4\n");
    write_kernel(*state, "main.cl", KERNEL("#include \"b.cl\" /* opens\nand closes */", "B"));
    expect_filled(*state, NULL, 4);
}

static void a_file_may_be_included_twice(void **state)
{
    write_kernel(*state, "b.cl", "N(1)\n#undef N\n");
    write_kernel(*state, "main.cl",
                 KERNEL("#define N(x) constant int a = x;\n#include \"b.cl\"\n"
                        "#define N(x) constant int b = x + 6;\n#include \"b.cl\"",
                        "10 * a + b"));
    expect_filled(*state, NULL, 17);
}

static void a_missing_include_names_its_line(void **state)
{
    write_kernel(*state, "main.cl", "\n#include \"nope.cl\"\n");
    expect_prepare(*state, "main.cl", NULL, UMB_ERR_BUILD,
                   "main.cl:2: include of \"nope.cl\": no such kernel file");
}

static void a_file_that_includes_itself(void **state)
{
    write_kernel(*state, "main.cl", "#include \"main.cl\"\n");
    expect_prepare(*state, "main.cl", NULL, UMB_ERR_BUILD, "main.cl:1: include of \"main.cl\"");
}

static void files_that_include_each_other(void **state)
{
    write_kernel(*state, "b.cl", "\n\n#include \"main.cl\"\n");
    write_kernel(*state, "main.cl", "#include \"b.cl\"\n");
    expect_prepare(*state, "main.cl", NULL, UMB_ERR_BUILD,
                   "b.cl:3: include of \"main.cl\": the file includes itself");
}

static void includes_nested_too_deep(void **state)
{
    for (int i = 0; i < 40; i++) {
        char name[32], text[64];
        snprintf(name, sizeof name, "d%d.cl", i);
        snprintf(text, sizeof text, "#include \"d%d.cl\"\n", i + 1);
        write_kernel(*state, name, text);
    }
    expect_prepare(*state, "d0.cl", NULL, UMB_ERR_BUILD, "nested too deep");
}

static void includes_that_explode(void **state)
{
    for (int i = 0; i < 12; i++) {
        char name[32], line[64], text[1024] = "";
        snprintf(name, sizeof name, "e%d.cl", i);
        snprintf(line, sizeof line, "#include \"e%d.cl\"\n", i + 1);
        for (int k = 0; k < 10; k++) {
            strcat(text, line);
        }
        write_kernel(*state, name, text);
    }
    write_kernel(*state, "e12.cl", "typedef int same;\n");
    expect_prepare(*state, "e0.cl", NULL, UMB_ERR_BUILD, "bytes with its includes");
}

static void includes_stay_in_their_folder(void **state)
{
    struct fixture *f = *state;
    write_file(path_in(f, "outside.cl"), "", 0);
    write_kernel(f, "main.cl", "#include \"../outside.cl\"\n");
    expect_prepare(f, "main.cl", NULL, UMB_ERR_BUILD, "expected the plain name");
    expect_prepare(f, "../outside.cl", NULL, UMB_ERR_BUILD, "expected the plain name");
    expect_prepare(f, "", NULL, UMB_ERR_BUILD, "expected the plain name");
}

static void an_unknown_file(void **state)
{
    expect_prepare(*state, "unknown.cl", NULL, UMB_ERR_BUILD, "unknown.cl: no such kernel file");
}

static void a_file_with_a_nul(void **state)
{
    struct fixture *f = *state;
    write_file(path_in(f, "kernels/main.cl"), "int a;\0int b;", 13);
    expect_prepare(f, "main.cl", NULL, UMB_ERR_BUILD, "main.cl: a NUL byte");
}

static void an_empty_file_builds_or_says_so(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "main.cl", "");
    enum umb_status st = umb__program_prepare(f->device, "main.cl", NULL);
    assert_true(st == UMB_OK || st == UMB_ERR_BUILD);
}

static void options_reach_the_kernel(void **state)
{
    write_kernel(*state, "main.cl", KERNEL("", "VALUE"));
    expect_filled(*state, "-DVALUE=7", 7);
    expect_filled(*state, "-DVALUE=8", 8);
}

static void wrong_options_fail(void **state)
{
    write_kernel(*state, "main.cl", KERNEL("", "1"));
    expect_prepare(*state, "main.cl", "-this-is-no-option", UMB_ERR_BUILD, "-this-is-no-option");
}

static void the_standard_is_always_asked_for(void **state)
{
    write_kernel(*state, "main.cl", KERNEL("", "__OPENCL_C_VERSION__"));
    expect_filled(*state, NULL, 120);
    expect_filled(*state, "-DX", 120);
}

static void each_program_is_built_once(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "main.cl", KERNEL("", "1"));
    write_kernel(f, "other.cl", KERNEL("", "2"));
    assert_int_equal(umb__program_stats(f->device).builds, 0);
    for (int i = 0; i < 3; i++) {
        expect_prepare(f, "main.cl", NULL, UMB_OK, "");
        expect_prepare(f, "main.cl", "", UMB_OK, "");
        expect_prepare(f, "main.cl", "-DA", UMB_OK, "");
        expect_prepare(f, "other.cl", NULL, UMB_OK, "");
    }
    struct umb_program_stats stats = umb__program_stats(f->device);
    assert_int_equal(stats.builds, 3);
    assert_true(stats.build_ns > 0);
    expect_filled(f, NULL, 1);
    assert_int_equal(umb__program_stats(f->device).builds, 3);
}

static void a_mended_kernel_builds(void **state)
{
    write_kernel(*state, "main.cl", "nonsense\n");
    expect_prepare(*state, "main.cl", NULL, UMB_ERR_BUILD, "main.cl:1:");
    write_kernel(*state, "main.cl", KERNEL("", "9"));
    expect_filled(*state, NULL, 9);
}

static void a_kernel_folder_that_is_missing(void **state)
{
    struct fixture *f = *state;
    setenv("UMBEL_KERNEL_DIR", path_in(f, "nowhere"), 1);
    expect_prepare(f, "main.cl", NULL, UMB_ERR_INVALID, "UMBEL_KERNEL_DIR: ");
    write_file(path_in(f, "file"), "x", 1);
    setenv("UMBEL_KERNEL_DIR", path_in(f, "file"), 1);
    expect_prepare(f, "main.cl", NULL, UMB_ERR_INVALID, "is no folder");
}

static void a_file_in_the_folder_replaces_the_embedded_one(void **state)
{
    write_kernel(*state, "random.cl", "#define MINE 77\n");
    write_kernel(*state, "main.cl", KERNEL("#include \"random.cl\"", "MINE"));
    expect_filled(*state, NULL, 77);
}

static void embedded_files_stand_behind_the_folder(void **state)
{
    write_kernel(
        *state, "main.cl",
        KERNEL("#include \"random.cl\"", "umb_philox((uint2)(0), (uint4)(0)).x == 0x6627e8d5u"));
    expect_filled(*state, NULL, 1);
}

static void embedded_sources_are_text(void **state)
{
    (void)state;
    size_t size = 0;
    const char *text = umb__program_source("random.cl", &size);
    assert_non_null(text);
    assert_int_equal(strlen(text), size);
    assert_non_null(strstr(text, "umb_philox"));
    assert_null(umb__program_source("nowhere.cl", &size));
    assert_null(umb__program_source("", NULL));
}

static void note_header(void *user, enum umb_log_level level, const char *line)
{
    (void)level;
    if (strstr(line, "needs OpenCL's header")) {
        fprintf(stderr, "# %s\n", line);
        ++*(int *)user;
    }
}

/* PoCL builds every kernel file with what builtins.cl declares. A kernel that calls another of
 * OpenCL's functions works all the same, but is built twice: declare it there. */
static void declared_builtins_are_enough(void **state)
{
    static const char *const files[] = {
        "activation.cl",  "batch_norm.cl", "bias.cl",         "dropout.cl",
        "loss.cl",        "metric.cl",     "normalize.cl",    "optimizer.cl",
        "pool.cl",        "shape.cl",      "softmax.cl",      "upsample.cl",
        "conv_direct.cl", "conv_thin.cl",  "conv_weights.cl", "gemm_packed.cl"};
    int n_headers = 0;
    struct umb_context_desc desc = {
        .log = note_header, .log_user = &n_headers, .log_level = UMB_LOG_DEBUG};
    struct umb_context *ctx = NULL;
    struct umb_device *device = NULL;
    (void)state;
    assert_int_equal(umb_context_create(&desc, &ctx), UMB_OK);
    assert_int_equal(umb_device_open(ctx, NULL, &device), UMB_OK);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(umb__program_prepare(device, files[i], "-DVW=4"), UMB_OK);
    }
    umb_device_close(device);
    umb_context_destroy(ctx);
    assert_int_equal(n_headers, 0);
}

struct worker {
    pthread_t thread;
    struct umb_device *device;
    char options[32];
    enum umb_status status;
};

static void *work(void *data)
{
    struct worker *w = data;
    w->status = umb__program_prepare(w->device, "main.cl", w->options);
    return NULL;
}

/* n threads ask at once, for `distinct` different programs in turn. */
static void race(struct fixture *f, size_t n, size_t distinct, enum umb_status expected)
{
    struct worker workers[16] = {0};
    for (size_t i = 0; i < n; i++) {
        workers[i].device = f->device;
        snprintf(workers[i].options, sizeof workers[i].options, "-DVALUE=%zu", i % distinct);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].status, expected);
    }
}

static void threads_share_one_build(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "main.cl", KERNEL("", "VALUE"));
    race(f, 16, 1, UMB_OK);
    assert_int_equal(umb__program_stats(f->device).builds, 1);
}

static void threads_build_different_programs(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "main.cl", KERNEL("", "VALUE"));
    race(f, 12, 4, UMB_OK);
    assert_int_equal(umb__program_stats(f->device).builds, 4);
}

static void threads_fail_together(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "main.cl", "nonsense\n");
    race(f, 8, 1, UMB_ERR_BUILD);
    assert_non_null(strstr(umb_context_error(f->ctx), "main.cl:1:"));
}

static void log_lines(void **state)
{
    (void)state;
    char line[64];
    umb__build_log_line("warning: a\n x.cl:1:2: error: b  \n  int c;\r\n    ~~^~\n\n2 errors\n",
                        line, sizeof line);
    assert_string_equal(line, "x.cl:1:2: error: b | int c; | 2 errors");
    umb__build_log_line("it broke\n", line, sizeof line);
    assert_string_equal(line, "it broke");
    umb__build_log_line("", line, sizeof line);
    assert_string_equal(line, "");
    umb__build_log_line("\n \n\t\n", line, sizeof line);
    assert_string_equal(line, "");
}

static void log_lines_are_cut_between_characters(void **state)
{
    (void)state;
    char line[8];
    umb__build_log_line("error \xc3\xa9\xc3\xa9", line, sizeof line);
    assert_string_equal(line, "error ");
    umb__build_log_line("errors\nmore of them", line, sizeof line);
    assert_string_equal(line, "errors ");
    umb__build_log_line("errors\nmore\n\n and more", line, 1);
    assert_string_equal(line, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_kernel_runs),
        CASE(a_syntax_error_names_file_and_line),
        CASE(a_build_error_names_the_options),
        CASE(an_error_in_an_include_names_it),
        CASE(lines_behind_an_include_keep_their_numbers),
        CASE(a_long_log_is_cut),
        CASE(includes_of_includes),
        CASE(an_include_with_windows_line_ends),
        CASE(a_last_line_without_an_end),
        CASE(includes_in_comments_stay_comments),
        CASE(a_comment_behind_an_include),
        CASE(a_file_may_be_included_twice),
        CASE(a_missing_include_names_its_line),
        CASE(a_file_that_includes_itself),
        CASE(files_that_include_each_other),
        CASE(includes_nested_too_deep),
        CASE(includes_that_explode),
        CASE(includes_stay_in_their_folder),
        CASE(an_unknown_file),
        CASE(a_file_with_a_nul),
        CASE(an_empty_file_builds_or_says_so),
        CASE(options_reach_the_kernel),
        CASE(wrong_options_fail),
        CASE(the_standard_is_always_asked_for),
        CASE(each_program_is_built_once),
        CASE(a_mended_kernel_builds),
        CASE(a_kernel_folder_that_is_missing),
        CASE(a_file_in_the_folder_replaces_the_embedded_one),
        CASE(embedded_files_stand_behind_the_folder),
        CASE(threads_share_one_build),
        CASE(threads_build_different_programs),
        CASE(threads_fail_together),
        cmocka_unit_test(embedded_sources_are_text),
        cmocka_unit_test(declared_builtins_are_enough),
        cmocka_unit_test(log_lines),
        cmocka_unit_test(log_lines_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
