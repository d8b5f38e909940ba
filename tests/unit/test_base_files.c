/* test_base_files.c: reading and writing files, in good folders and bad. */
#include "alloc.h"
#include "system.h"
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct umb_context *ctx;
static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "test_base_files-XXXXXX");
    return mkdtemp(folder) && umb_context_create(NULL, &ctx) == UMB_OK ? 0 : -1;
}

/* Removes what a case left; a file that cannot be removed fails the case. */
static int tear_down(void **state)
{
    (void)state;
    umb_context_destroy(ctx);
    chmod(folder, 0700);
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (unlink(path) != 0) { rmdir(path); }
    }
    if (d) { closedir(d); }
    return rmdir(folder);
}

static const char *in_folder(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int files_in_folder(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n - 2; /* . and .. */
}

static void assert_content(const char *path, const char *want, size_t size)
{
    char *data = NULL;
    size_t got = 0;
    assert_int_equal(umb__file_read(ctx, path, 1 << 24, &data, &got), UMB_OK);
    assert_int_equal(got, size);
    assert_memory_equal(data, want, size);
    assert_int_equal(data[got], 0);
    umb__free(data);
}

static void assert_error(enum umb_status st, enum umb_status want, const char *piece)
{
    assert_string_equal(umb_status_name(st), umb_status_name(want));
    if (!strstr(umb_context_error(ctx), piece)) {
        fail_msg("'%s' lacks '%s'", umb_context_error(ctx), piece);
    }
}

static void written_is_read(void **state)
{
    (void)state;
    const char *path = in_folder("a");
    assert_int_equal(umb__file_write(ctx, path, "one\0two", 7), UMB_OK);
    assert_content(path, "one\0two", 7);
    assert_int_equal(umb__file_write(ctx, path, "", 0), UMB_OK);
    assert_content(path, "", 0);
    assert_int_equal(files_in_folder(), 1);
}

static void pieces_of_every_size(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 65535, 65536, 65537, 0, 200000, 3, 65530};
    static char data[600000];
    size_t n = 0;
    struct umb_file_writer *w = NULL;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 7919 >> 3);
    }
    assert_int_equal(umb__file_writer_create(ctx, in_folder("b"), &w), UMB_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(umb__file_writer_add(w, data + n, sizes[i]), UMB_OK);
        n += sizes[i];
    }
    assert_int_equal(umb__file_writer_commit(w), UMB_OK);
    assert_content(in_folder("b"), data, n);
}

static void an_aborted_file_leaves_the_old_one(void **state)
{
    (void)state;
    struct umb_file_writer *w = NULL;
    assert_int_equal(umb__file_write(ctx, in_folder("c"), "old", 3), UMB_OK);
    assert_int_equal(umb__file_writer_create(ctx, in_folder("c"), &w), UMB_OK);
    assert_int_equal(umb__file_writer_add(w, "new", 3), UMB_OK);
    assert_content(in_folder("c"), "old", 3);
    umb__file_writer_abort(w);
    umb__file_writer_abort(NULL);
    assert_content(in_folder("c"), "old", 3);
    assert_int_equal(files_in_folder(), 1);
}

static void two_writers_of_one_path_do_not_mix(void **state)
{
    (void)state;
    struct umb_file_writer *a = NULL, *b = NULL;
    assert_int_equal(umb__file_writer_create(ctx, in_folder("d"), &a), UMB_OK);
    assert_int_equal(umb__file_writer_create(ctx, in_folder("d"), &b), UMB_OK);
    assert_int_equal(umb__file_writer_add(a, "aaaa", 4), UMB_OK);
    assert_int_equal(umb__file_writer_add(b, "bb", 2), UMB_OK);
    assert_int_equal(umb__file_writer_commit(a), UMB_OK);
    assert_content(in_folder("d"), "aaaa", 4);
    assert_int_equal(umb__file_writer_commit(b), UMB_OK);
    assert_content(in_folder("d"), "bb", 2);
    assert_int_equal(files_in_folder(), 1);
}

static void new_files_follow_the_umask(void **state)
{
    (void)state;
    struct stat info;
    mode_t old = umask(027);
    assert_int_equal(umb__file_write(ctx, in_folder("e"), "x", 1), UMB_OK);
    umask(old);
    assert_int_equal(stat(in_folder("e"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

/* A limit on the file's size answers a write as a full disk does: with an error in the middle. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    static char data[300000];
    struct rlimit old, small;
    assert_int_equal(umb__file_write(ctx, in_folder("f"), "old", 3), UMB_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum umb_status large = umb__file_write(ctx, in_folder("f"), data, sizeof data);
    struct umb_file_writer *w = NULL;
    enum umb_status st = umb__file_writer_create(ctx, in_folder("f"), &w);
    for (int i = 0; i < 5 && st == UMB_OK; i++) {
        st = umb__file_writer_add(w, data, 30000);
    }
    enum umb_status small_pieces = st == UMB_OK ? umb__file_writer_commit(w) : st;
    if (st != UMB_OK) { umb__file_writer_abort(w); }
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_error(large, UMB_ERR_IO, "cannot be written");
    assert_error(small_pieces, UMB_ERR_IO, in_folder("f"));
    assert_content(in_folder("f"), "old", 3);
    assert_int_equal(files_in_folder(), 1);
}

/* A pipe of our own, for a machine's device would be lost if the check were. */
static void pipes_and_devices_are_not_replaced(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_error(umb__file_write(ctx, in_folder("pipe"), "x", 1), UMB_ERR_INVALID, "pipe");
    assert_int_equal(stat(in_folder("pipe"), &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(files_in_folder(), 1);
}

static void folders_are_not_replaced(void **state)
{
    (void)state;
    assert_error(umb__file_write(ctx, folder, "x", 1), UMB_ERR_INVALID, "is a folder");
    assert_int_equal(files_in_folder(), 0);
}

static void missing_folders_are_named(void **state)
{
    (void)state;
    assert_error(umb__file_write(ctx, in_folder("no/such/file"), "x", 1), UMB_ERR_IO,
                 "no/such/file: cannot be written");
}

static void unwritable_folders_are_named(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        /* Root may write anywhere but here. */
        assert_error(umb__file_write(ctx, "/proc/umbel-test", "x", 1), UMB_ERR_IO,
                     "/proc/umbel-test");
        return;
    }
    chmod(folder, 0500);
    assert_error(umb__file_write(ctx, in_folder("g"), "x", 1), UMB_ERR_IO, "Permission denied");
}

static void reading_refuses_what_is_no_file(void **state)
{
    (void)state;
    char *data = NULL;
    size_t size = 0;
    assert_error(umb__file_read(ctx, in_folder("none"), 10, &data, &size), UMB_ERR_IO,
                 "none: cannot be opened: No such file");
    assert_error(umb__file_read(ctx, folder, 10, &data, &size), UMB_ERR_INVALID, "is a folder");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_error(umb__file_read(ctx, in_folder("pipe"), 10, &data, &size), UMB_ERR_INVALID,
                 "device or pipe");
    assert_error(umb__file_read(ctx, "/dev/zero", 10, &data, &size), UMB_ERR_INVALID, "/dev/zero");
    assert_error(umb__file_read(ctx, "", 10, &data, &size), UMB_ERR_IO, "cannot be opened");
    assert_null(data);
}

static void reading_refuses_what_is_too_large(void **state)
{
    (void)state;
    char *data = NULL;
    size_t size = 0;
    assert_int_equal(umb__file_write(ctx, in_folder("h"), "12345", 5), UMB_OK);
    assert_error(umb__file_read(ctx, in_folder("h"), 4, &data, &size), UMB_ERR_INVALID,
                 "has 5 bytes; expected at most 4");
    assert_int_equal(umb__file_read(ctx, in_folder("h"), 5, &data, &size), UMB_OK);
    umb__free(data);
    /* A sparse file may claim any size. */
    assert_int_equal(truncate(in_folder("h"), (off_t)1 << 40), 0);
    data = NULL;
    assert_error(umb__file_read(ctx, in_folder("h"), 1 << 20, &data, &size), UMB_ERR_INVALID,
                 "at most 1048576");
    assert_null(data);
}

static enum umb_status write_and_read(void)
{
    char *data = NULL;
    size_t size;
    enum umb_status st = umb__file_write(ctx, in_folder("i"), "abc", 3);
    if (st == UMB_OK) { st = umb__file_read(ctx, in_folder("i"), 10, &data, &size); }
    umb__free(data);
    return st;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live(), n = 0;
    enum umb_status st;
    do {
        umb__alloc_fail_at(++n);
        st = write_and_read();
        umb__alloc_fail_at(0);
        assert_int_equal(umb__alloc_live(), before);
        assert_in_range(files_in_folder(), 0, 1);
        assert_true(st == UMB_OK || st == UMB_ERR_NO_MEMORY);
    } while (st != UMB_OK);
    assert_in_range(n, 4, 20);
}

static void folders_are_made(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof path, "%s/x//y/z/", folder);
    assert_int_equal(umb__make_folders(ctx, path), UMB_OK);
    assert_true(umb__is_folder(path));
    assert_false(umb__is_file(path));
    assert_int_equal(umb__make_folders(ctx, path), UMB_OK);
    for (const char *const *p = (const char *const[]){"x/y/z", "x/y", "x", NULL}; *p; p++) {
        assert_int_equal(rmdir(in_folder(*p)), 0);
    }
    assert_error(umb__make_folders(ctx, ""), UMB_ERR_INVALID, "empty");
}

static void folders_do_not_grow_on_files(void **state)
{
    (void)state;
    assert_int_equal(umb__file_write(ctx, in_folder("j"), "x", 1), UMB_OK);
    assert_true(umb__is_file(in_folder("j")));
    assert_error(umb__make_folders(ctx, in_folder("j")), UMB_ERR_IO, "a file of that name");
    assert_error(umb__make_folders(ctx, in_folder("j/k")), UMB_ERR_IO, "/j");
}

static void assert_path(char *got, const char *want)
{
    assert_non_null(got);
    assert_string_equal(got, want);
    umb__free(got);
}

static void paths_are_joined(void **state)
{
    (void)state;
    assert_path(umb__path_join(ctx, "runs", "a"), "runs/a");
    assert_path(umb__path_join(ctx, "runs/", "a"), "runs/a");
    assert_path(umb__path_join(ctx, "/", "a"), "/a");
    assert_path(umb__path_join(ctx, "", "a"), "a");
    assert_path(umb__path_beside(ctx, "ex/a.yaml", "mnist"), "ex/mnist");
    assert_path(umb__path_beside(ctx, "a.yaml", "mnist"), "mnist");
    assert_path(umb__path_beside(ctx, "/a.yaml", "mnist"), "/mnist");
    assert_path(umb__path_beside(ctx, "ex/a.yaml", "/data/mnist"), "/data/mnist");
    umb__alloc_fail_at(1);
    assert_null(umb__path_join(ctx, "a", "b"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(written_is_read),
        CASE(pieces_of_every_size),
        CASE(an_aborted_file_leaves_the_old_one),
        CASE(two_writers_of_one_path_do_not_mix),
        CASE(new_files_follow_the_umask),
        CASE(a_full_disk_leaves_the_old_file),
        CASE(pipes_and_devices_are_not_replaced),
        CASE(folders_are_not_replaced),
        CASE(missing_folders_are_named),
        CASE(unwritable_folders_are_named),
        CASE(reading_refuses_what_is_no_file),
        CASE(reading_refuses_what_is_too_large),
        CASE(failing_allocations_leave_nothing),
        CASE(folders_are_made),
        CASE(folders_do_not_grow_on_files),
        CASE(paths_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
