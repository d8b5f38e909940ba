/*
 * test_builder.c: kernels built by other processes. This program is its own builder. Whatever a
 * builder does or fails to do, launches must work, and nothing of it may stay behind.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "alloc.h"
#include "kernel_source.h"
#include "program.h"
#include "system.h"
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define N 8

static const char source[] = "#ifndef BY\n"
                             "#define BY 1\n"
                             "#endif\n"
                             "__kernel void add(__global float *x, ulong x_at)\n"
                             "{\n"
                             "    x[x_at + get_global_id(0)] += BY;\n"
                             "}\n"
                             "\n"
                             "__kernel void twice(__global float *x, ulong x_at)\n"
                             "{\n"
                             "    x[x_at + get_global_id(0)] *= 2;\n"
                             "}\n";

static const struct umb_kernel add = {"add", "main.cl", "add", "m"},
                               twice = {"twice", "main.cl", "twice", "m"};

struct world {
    char folder[32];
    struct umb_context *ctx;
    struct umb_device *device;
    struct umb_queue *queue;
    struct umb_buffer *buffer;
};

static char own_path[4096];

static void check(const struct world *w, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(w->ctx)); }
}

static struct world open_world(const char *builder)
{
    struct world w = {.folder = "/tmp/umbel-builder-XXXXXX"};
    char path[64];
    assert_non_null(mkdtemp(w.folder));
    snprintf(path, sizeof path, "%s/main.cl", w.folder);
    assert_int_equal(umb__file_write(NULL, path, source, sizeof source - 1), UMB_OK);
    setenv("UMBEL_KERNEL_DIR", w.folder, 1);
    snprintf(path, sizeof path, "%s/cache", w.folder);
    setenv("UMBEL_CACHE", path, 1);
    const struct umb_context_desc desc = {.builder = builder};
    assert_int_equal(umb_context_create(&desc, &w.ctx), UMB_OK);
    check(&w, umb_device_open(w.ctx, NULL, &w.device));
    check(&w, umb__queue_create(w.device, false, &w.queue));
    check(&w, umb__buffer_create(w.device, N * sizeof(float), &w.buffer));
    return w;
}

static int drop(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void close_world(struct world *w)
{
    umb__buffer_destroy(w->buffer);
    umb__queue_destroy(w->queue);
    umb_device_close(w->device);
    umb_context_destroy(w->ctx);
    assert_int_equal(nftw(w->folder, drop, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static bool is_pocl(const struct world *w)
{
    return strstr(umb_device_get_caps(w->device)->platform, "Portable") != NULL;
}

static size_t files_in(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        n += e->d_name[0] != '.';
    }
    if (d) { closedir(d); }
    return n;
}

static size_t entries(const struct world *w)
{
    char path[64];
    snprintf(path, sizeof path, "%s/cache", w->folder);
    return files_in(path);
}

/* add with BY, twice, add with BY, as a plan would: ahead first, then one by one. */
static void run_all(struct world *w)
{
    const struct umb_launch_arg arg = {.buffer = w->buffer};
    const struct umb_launch_desc descs[] = {
        {&add, "-DBY=3", 1, {N}, {1}, &arg, 1},
        {&twice, NULL, 1, {N}, {1}, &arg, 1},
        {&add, "-DBY=3", 1, {N}, {1}, &arg, 1},
    };
    float x[N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)i;
    }
    check(w, umb__queue_write_now(w->queue, w->buffer, 0, sizeof x, x));
    umb__build_ahead(w->device, descs, 3);
    for (int i = 0; i < 3; i++) {
        struct umb_launch *launch = NULL;
        check(w, umb__launch_create(w->device, &descs[i], &launch));
        check(w, umb__launch_enqueue(launch, w->queue, NULL, 0, NULL));
        check(w, umb__queue_finish(w->queue));
        umb__launch_destroy(launch);
    }
    check(w, umb__queue_read_now(w->queue, w->buffer, 0, sizeof x, x));
    for (int i = 0; i < N; i++) {
        float expected = 2 * ((float)i + 3) + 3;
        if (x[i] != expected) {
            fail_msg("[%d]: %g, expected %g", i, (double)x[i], (double)expected);
        }
    }
}

static void expect_no_children(void)
{
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid != -1 || errno != ECHILD) { fail_msg("child %d is left", (int)pid); }
}

static void kernels_are_built_and_kept(void **state)
{
    (void)state;
    struct world w = open_world(own_path);
    run_all(&w);
    struct umb_program_stats s = umb__program_stats(w.device);
    if (is_pocl(&w)) {
        assert_int_equal(entries(&w), 2);
        assert_int_equal(s.builds, 0);
        assert_int_equal(s.cache_hits, 2);
    } else {
        assert_int_equal(s.builds, 2);
    }
    expect_no_children();
    close_world(&w);
}

/* Were somebody asked, it would be the program that is not there, and the launches would build. */
static void once_they_are_there_nobody_is_asked(void **state)
{
    (void)state;
    struct world w = open_world(own_path);
    run_all(&w);
    struct world second = w;
    const struct umb_context_desc desc = {.builder = "/nonexistent/umbel"};
    assert_int_equal(umb_context_create(&desc, &second.ctx), UMB_OK);
    check(&second, umb_device_open(second.ctx, NULL, &second.device));
    check(&second, umb__queue_create(second.device, false, &second.queue));
    check(&second, umb__buffer_create(second.device, N * sizeof(float), &second.buffer));
    run_all(&second);
    /* Where our cache is on for a driver without a builder, they come from there, too. */
    struct umb_program_stats s = umb__program_stats(second.device);
    assert_int_equal(s.builds + s.cache_hits, 2);
    if (is_pocl(&w)) { assert_int_equal(s.builds, 0); }
    umb__buffer_destroy(second.buffer);
    umb__queue_destroy(second.queue);
    umb_device_close(second.device);
    umb_context_destroy(second.ctx);
    close_world(&w);
}

static void files_are_closed(void **state)
{
    (void)state;
    struct world w = open_world(own_path);
    run_all(&w);
    size_t before = files_in("/proc/self/fd");
    const struct umb_launch_arg arg = {.buffer = w.buffer};
    const struct umb_launch_desc other = {&twice, "-DBY=7", 1, {N}, {1}, &arg, 1};
    umb__build_ahead(w.device, &other, 1);
    size_t behind = files_in("/proc/self/fd");
    assert_int_equal(behind, before);
    close_world(&w);
}

/* Builders that are none: the launches build by themselves. */
static void survives(const char *builder)
{
    struct world w = open_world(builder);
    run_all(&w);
    assert_int_equal(entries(&w), is_pocl(&w) ? 0 : entries(&w));
    assert_int_equal(umb__program_stats(w.device).builds, 2);
    expect_no_children();
    close_world(&w);
}

static void a_builder_that_is_not_there(void **state)
{
    (void)state;
    survives("/nonexistent/umbel");
}

static void a_builder_that_ends_at_once(void **state)
{
    (void)state;
    survives("/bin/true");
}

static void a_builder_that_is_another_program(void **state)
{
    (void)state;
    survives("/bin/cat");
}

static void none_are_wanted(void **state)
{
    (void)state;
    setenv("UMBEL_BUILDERS", "0", 1);
    struct world w = open_world(own_path);
    run_all(&w);
    assert_int_equal(umb__program_stats(w.device).builds, 2);
    unsetenv("UMBEL_BUILDERS");
    close_world(&w);
}

/* One kernel's text out of several. */

static void expect_kept(const char *text, const char *entry, const char *expected)
{
    struct umb_text t = {0};
    umb__text_add(&t, text);
    umb__kernel_source_keep_only(&t, entry);
    assert_string_equal(umb__text_string(&t), expected);
    umb__text_finish(&t);
}

static void other_kernels_are_blanked(void **state)
{
    (void)state;
    const char *text = "int f(int x);\n__kernel void a(int x)\n{\n    f(x);\n}\n"
                       "__kernel ONE void b(\n    int x)\n{\n}\nint g;\n";
    expect_kept(text, "a",
                "int f(int x);\n__kernel void a(int x)\n{\n    f(x);\n}\n"
                "                    \n          \n \n \nint g;\n");
    expect_kept(text, "b",
                "int f(int x);\n                      \n \n         \n \n"
                "__kernel ONE void b(\n    int x)\n{\n}\nint g;\n");
}

static void a_name_within_a_name_is_another(void **state)
{
    (void)state;
    expect_kept("__kernel void ab(int x)\n{\n}\n__kernel void a(int x)\n{\n}\n", "a",
                "                       \n \n \n__kernel void a(int x)\n{\n}\n");
}

static void macros_make_kernels_too(void **state)
{
    (void)state;
    expect_kept("#define F(name, e) \\\n    __kernel void name##_f(int x) { e; }\n"
                "#define G(x) x\nF(up, x++)\nF(down, (x,\n  x--))\nG(1)\n",
                "up_f",
                "#define F(name, e) \\\n    __kernel void name##_f(int x) { e; }\n"
                "#define G(x) x\nF(up, x++)\n           \n       \nG(1)\n");
}

static void what_is_not_found_stays(void **state)
{
    (void)state;
    const char *texts[] = {"",
                           "\n",
                           "__kernel void a(int x)\n{\n",
                           "__kernel void",
                           "}\n}\n",
                           "__kernel void a(int x)\n{\n}\n",
                           "F(",
                           "#define F(\nF(b, 1)\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i][0]) { expect_kept(texts[i], "b", texts[i]); }
    }
}

/* A kernel's body apart from it. */

static void expect_parted(const char *text, const char *expected)
{
    struct umb_text t = {0};
    umb__text_add(&t, text);
    umb__kernel_source_part_bodies(&t);
    assert_string_equal(umb__text_string(&t), expected);
    umb__text_finish(&t);
}

static void bodies_are_parted(void **state)
{
    (void)state;
    expect_parted(
        "int g;\n__kernel ONE_ITEM void a(__global float *restrict x,\n    ulong x_at)\n{\n"
        "    x[get_group_id(1)] = get_num_groups(0) + get_local_id(0);\n}\nint h;\n"
        "__kernel ONE_ITEM void b(int n)\n{\n}\n",
        "int g;\nstatic UMB_ONCE void a_body(__global float *restrict x,\n"
        "    ulong x_at, UMB_PLACE)\n{\n"
        "    x[umb_group_id(1)] = umb_num_groups(0) + get_local_id(0);\n}"
        " __kernel ONE_ITEM void a(__global float *restrict x,     ulong x_at ) "
        "{ a_body(x, x_at, UMB_HERE); }\nint h;\n"
        "static UMB_ONCE void b_body(int n, UMB_PLACE)\n{\n}"
        " __kernel ONE_ITEM void b(int n ) { b_body(n, UMB_HERE); }\n");
}

static void what_cannot_be_parted_stays(void **state)
{
    (void)state;
    const char *texts[] = {"",
                           "\n",
                           "\n__kernel ONE_ITEM void ",
                           "\n__kernel ONE_ITEM void a(",
                           "\n__kernel ONE_ITEM void a()\n{\n}\n",
                           "\n__kernel ONE_ITEM void a(int x)\n{\n",
                           "\n__kernel ONE_ITEM void a(int x) {}\n",
                           "\n__kernel ONE_ITEM void a(int x,\n#ifdef Y\nint y)\n{\n}\n",
                           "\n__kernel ONE_ITEM void a(int x /* why */)\n{\n}\n",
                           "\n__kernel void a(int x)\n{\n}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expect_parted(texts[i], texts[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], UMB_BUILD_COMMAND) == 0) { _exit(umb__build_serve()); }
    ssize_t n = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
    if (n <= 0) { return 1; }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_built_and_kept),
        cmocka_unit_test(once_they_are_there_nobody_is_asked),
        cmocka_unit_test(files_are_closed),
        cmocka_unit_test(a_builder_that_is_not_there),
        cmocka_unit_test(a_builder_that_ends_at_once),
        cmocka_unit_test(a_builder_that_is_another_program),
        cmocka_unit_test(none_are_wanted),
        cmocka_unit_test(other_kernels_are_blanked),
        cmocka_unit_test(a_name_within_a_name_is_another),
        cmocka_unit_test(macros_make_kernels_too),
        cmocka_unit_test(what_is_not_found_stays),
        cmocka_unit_test(bodies_are_parted),
        cmocka_unit_test(what_cannot_be_parted_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
