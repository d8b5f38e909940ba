#include "program_fixture.h"
#include "fail.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void keep_warning(void *user, enum umb_log_level level, const char *line)
{
    struct fixture *f = user;
    if (level > UMB_LOG_WARN || strncmp(line, "kernel cache", 12) != 0) { return; }
    f->n_warnings++;
    snprintf(f->warning, sizeof f->warning, "%s", line);
}

static void unset_all(void)
{
    const char *const names[] = {"UMBEL_KERNEL_DIR", "UMBEL_CACHE", "UMBEL_CACHE_FORCE",
                                 "UMBEL_CACHE_MIB"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsetenv(names[i]);
    }
}

static void open_all(struct fixture *f)
{
    struct umb_context_desc desc = {.log = keep_warning, .log_user = f, .log_level = UMB_LOG_TRACE};
    f->n_warnings = 0;
    f->warning[0] = '\0';
    assert_int_equal(umb_context_create(&desc, &f->ctx), UMB_OK);
    if (umb_device_open(f->ctx, NULL, &f->device) != UMB_OK) {
        fail_msg("no device: %s", umb_context_error(f->ctx));
    }
    assert_int_equal(umb__queue_create(f->device, false, &f->queue), UMB_OK);
}

static void close_all(struct fixture *f)
{
    umb__queue_destroy(f->queue);
    umb_device_close(f->device);
    umb_context_destroy(f->ctx);
}

void fixture_reopen(struct fixture *f)
{
    close_all(f);
    open_all(f);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char here[400] = "";
    const char *build = getenv("UMBEL_TEST_BUILD"); /* absolute, as XDG_CACHE_HOME must be */
    unset_all();
    assert_non_null(getcwd(here, sizeof here));
    snprintf(f->folder, sizeof f->folder, "%s/program-test-XXXXXX", build ? build : here);
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(mkdir(path_in(f, "kernels"), 0777), 0);
    setenv("UMBEL_KERNEL_DIR", path_in(f, "kernels"), 1);
    setenv("UMBEL_CACHE", path_in(f, "cache"), 1);
    f->live = umb__alloc_live();
    open_all(f);
    *state = f;
    return 0;
}

static void remove_tree(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0) { return; }
    if (!S_ISDIR(info.st_mode)) {
        unlink(path);
        return;
    }
    DIR *dir = opendir(path);
    for (struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
        char inner[1024];
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) { continue; }
        if (snprintf(inner, sizeof inner, "%s/%s", path, d->d_name) < (int)sizeof inner) {
            remove_tree(inner);
        }
    }
    if (dir) { closedir(dir); }
    rmdir(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    umb__alloc_fail_at(0);
    close_all(f);
    unset_all();
    remove_tree(f->folder);
    uint64_t leaked = umb__alloc_live() - f->live;
    free(f);
    if (leaked > 0) { fail_msg("%llu allocations are still held", (unsigned long long)leaked); }
    return 0;
}

void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file) { fail_msg("%s: cannot be written", path); }
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void *read_file(const char *path, size_t *ret_size)
{
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &info) != 0) { fail_msg("%s: cannot be read", path); }
    char *data = calloc(1, (size_t)info.st_size + 1);
    assert_int_equal(fread(data, 1, (size_t)info.st_size, file), info.st_size);
    fclose(file);
    *ret_size = (size_t)info.st_size;
    return data;
}

const char *path_in(const struct fixture *f, const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", f->folder, name);
    return path;
}

void write_kernel(const struct fixture *f, const char *name, const char *text)
{
    char inner[128];
    snprintf(inner, sizeof inner, "kernels/%s", name);
    write_file(path_in(f, inner), text, strlen(text));
}

static void expect_message(struct fixture *f, enum umb_status st, enum umb_status expected,
                           const char *part)
{
    const char *message = st == UMB_OK ? "" : umb_context_error(f->ctx);
    if (st != expected || !strstr(message, part) || strchr(message, '\n')) {
        fail_msg("%s, \"%s\"; expected %s with \"%s\" in one line", umb_status_name(st), message,
                 umb_status_name(expected), part);
    }
}

void expect_prepare(struct fixture *f, const char *file, const char *options,
                    enum umb_status expected, const char *part)
{
    expect_message(f, umb__program_prepare(f->device, file, options), expected, part);
}

void expect_launch(struct fixture *f, const struct umb_launch_desc *desc, enum umb_status expected,
                   const char *part)
{
    struct umb_launch *launch = NULL;
    enum umb_status st = umb__launch_create(f->device, desc, &launch);
    umb__launch_destroy(launch);
    expect_message(f, st, expected, part);
}

void run_ints(struct fixture *f, const char *file, const char *entry, const char *options, size_t n,
              int32_t *out)
{
    struct umb_kernel row = {entry, file, entry, "w"};
    struct umb_buffer *buffer = NULL;
    struct umb_launch *launch = NULL;
    assert_int_equal(umb__buffer_create(f->device, n * sizeof *out, &buffer), UMB_OK);
    struct umb_launch_arg arg = {.buffer = buffer};
    struct umb_launch_desc desc = {.kernel = &row,
                                   .options = options,
                                   .dimensions = 1,
                                   .global = {n},
                                   .args = &arg,
                                   .n_args = 1};
    expect_message(f, umb__launch_create(f->device, &desc, &launch), UMB_OK, "");
    expect_message(f, umb__launch_enqueue(launch, f->queue, NULL, 0, NULL), UMB_OK, "");
    expect_message(f, umb__queue_read_now(f->queue, buffer, 0, n * sizeof *out, out), UMB_OK, "");
    umb__launch_destroy(launch);
    umb__buffer_destroy(buffer);
}

struct umb_buffer *make_buffer(struct fixture *f, size_t bytes, const void *data)
{
    struct umb_buffer *b = NULL;
    assert_int_equal(umb__buffer_create(f->device, bytes, &b), UMB_OK);
    if (data) { assert_int_equal(umb__queue_write_now(f->queue, b, 0, bytes, data), UMB_OK); }
    return b;
}

static const struct umb_kernel add_row = {"add_row", "add.cl", "add", "mi"};

void add_init(struct fixture *f, struct add *a)
{
    *a = (struct add){0};
    write_kernel(f, "add.cl", ADD_KERNEL);
    for (int i = 0; i < ADD_ITEMS; i++) {
        a->data[i] = 100 * i;
    }
    a->buffer = make_buffer(f, sizeof a->data, a->data);
    a->args[0].buffer = a->buffer;
    a->args[1].u.i = 5;
    a->desc = (struct umb_launch_desc){
        .kernel = &add_row, .dimensions = 1, .global = {ADD_ITEMS}, .args = a->args, .n_args = 2};
}
