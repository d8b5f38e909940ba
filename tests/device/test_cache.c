/*
 * test_cache.c: the kernel cache on disk, forced, through whole builds: hits, damage, lies, several
 * processes, places that cannot be written, and the variables.
 *
 * `test_cache build N` is a child of its own test: it builds N programs in the environment it gets.
 */
#include "kernel_cache.h"
#include "program_fixture.h"
#include "system.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAIN \
    "__kernel void fill(__global int *y, ulong o)\n{\n    y[o + get_global_id(0)] = VALUE;\n}\n"

static int forced_setup(void **state)
{
    if (fixture_setup(state) != 0) { return -1; }
    setenv("UMBEL_CACHE_FORCE", "1", 1);
    write_kernel(*state, "main.cl", MAIN);
    return 0;
}

/* Builds, runs, and compares what the program's table counted with the expectation. */
static void expect_build(struct fixture *f, int value, struct umb_program_stats expected)
{
    int32_t out[2] = {0};
    char options[32];
    snprintf(options, sizeof options, "-DVALUE=%d", value);
    run_ints(f, "main.cl", "fill", options, 2, out);
    assert_int_equal(out[0], value);
    assert_int_equal(out[1], value);
    struct umb_program_stats s = umb__program_stats(f->device);
    s.build_ns = 0;
    if (memcmp(&s, &expected, sizeof s) != 0) {
        fail_msg("builds %d, hits %d, misses %d, damaged %d, writes %d; expected %d %d %d %d %d",
                 (int)s.builds, (int)s.cache_hits, (int)s.cache_misses, (int)s.cache_damaged,
                 (int)s.cache_writes, (int)expected.builds, (int)expected.cache_hits,
                 (int)expected.cache_misses, (int)expected.cache_damaged,
                 (int)expected.cache_writes);
    }
}
#define FRESH ((struct umb_program_stats){.builds = 1, .cache_misses = 1, .cache_writes = 1})
#define HIT ((struct umb_program_stats){.cache_hits = 1})
#define REBUILT ((struct umb_program_stats){.builds = 1, .cache_damaged = 1, .cache_writes = 1})
#define UNCACHED ((struct umb_program_stats){.builds = 1})
#define UNWRITTEN ((struct umb_program_stats){.builds = 1, .cache_misses = 1})

/* The number of files in a folder; the path of the last one in path[1024]. */
static int files_in(const char *folder, char *path)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
        if (d->d_name[0] == '.') { continue; }
        if (path) { snprintf(path, 1024, "%s/%s", folder, d->d_name); }
        n++;
    }
    if (dir) { closedir(dir); }
    return n;
}

static void the_second_process_hits(void **state)
{
    struct fixture *f = *state;
    expect_build(f, 7, FRESH);
    assert_int_equal(files_in(path_in(f, "cache"), NULL), 1);
    fixture_reopen(f);
    expect_build(f, 7, HIT);
    assert_int_equal(f->n_warnings, 0);
}

static void other_options_miss(void **state)
{
    struct fixture *f = *state;
    expect_build(f, 7, FRESH);
    fixture_reopen(f);
    expect_build(f, 8, FRESH);
    assert_int_equal(files_in(path_in(f, "cache"), NULL), 2);
}

static void another_text_misses(void **state)
{
    struct fixture *f = *state;
    expect_build(f, 7, FRESH);
    fixture_reopen(f);
    write_kernel(f, "main.cl", MAIN "\n");
    expect_build(f, 7, FRESH);
}

static void an_included_text_counts(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "inner.cl", "#define ONE 1\n");
    write_kernel(f, "main.cl", "#include \"inner.cl\"\n" MAIN);
    expect_build(f, 7, FRESH);
    fixture_reopen(f);
    write_kernel(f, "inner.cl", "#define ONE 2\n");
    expect_build(f, 7, FRESH);
    fixture_reopen(f);
    expect_build(f, 7, HIT);
}

static void a_failed_build_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    write_kernel(f, "main.cl", "nonsense\n");
    expect_prepare(f, "main.cl", NULL, UMB_ERR_BUILD, "main.cl:1:");
    assert_int_equal(files_in(path_in(f, "cache"), NULL), 0);
    assert_int_equal(umb__program_stats(f->device).cache_writes, 0);
}

/* Writes the entry anew with these bytes; the next process must build, rewrite, and warn. */
static void expect_rebuilt(struct fixture *f, const char *path, const void *data, size_t size,
                           const char *what)
{
    write_file(path, data, size);
    fixture_reopen(f);
    expect_build(f, 7, REBUILT);
    if (f->n_warnings != 1 || !strstr(f->warning, path)) {
        fail_msg("%s: %u warnings, the last \"%s\"; expected one that names %s", what,
                 f->n_warnings, f->warning, path);
    }
}

/* The one entry of a first build; *ret_data is freed with free. */
static void first_entry(struct fixture *f, char path[1024], unsigned char **ret_data,
                        size_t *ret_size)
{
    expect_build(f, 7, FRESH);
    assert_int_equal(files_in(path_in(f, "cache"), path), 1);
    *ret_data = read_file(path, ret_size);
}

static size_t key_size(const unsigned char *entry)
{
    return entry[16] | (size_t)entry[17] << 8 | (size_t)entry[18] << 16;
}

static void damaged_entries_are_rebuilt(void **state)
{
    struct fixture *f = *state;
    char path[1024], what[64];
    unsigned char *data = NULL;
    size_t size = 0;
    first_entry(f, path, &data, &size);
    size_t key = UMB_CACHE_HEADER_BYTES, binary = key + key_size(data);
    const size_t places[] = {0,   8,          12,     16,           23,       24,      31,
                             key, binary - 1, binary, binary + 100, size / 2, size - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(what, sizeof what, "byte %zu", places[i]);
        data[places[i]] ^= 0x40;
        expect_rebuilt(f, path, data, size, what);
        data[places[i]] ^= 0x40;
    }
    free(data);
    fixture_reopen(f);
    expect_build(f, 7, HIT);
}

static void truncated_entries_are_rebuilt(void **state)
{
    struct fixture *f = *state;
    char path[1024], what[64];
    unsigned char *data = NULL;
    size_t size = 0;
    first_entry(f, path, &data, &size);
    size_t key = UMB_CACHE_HEADER_BYTES, binary = key + key_size(data);
    const size_t lengths[] = {0,       1,          8,      key - 1,    key,
                              key + 1, binary - 1, binary, binary + 1, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        snprintf(what, sizeof what, "%zu bytes", lengths[i]);
        expect_rebuilt(f, path, data, lengths[i], what);
    }
    unsigned char *longer = calloc(1, size + 1);
    memcpy(longer, data, size);
    expect_rebuilt(f, path, longer, size + 1, "one byte more");
    free(longer);
    free(data);
}

/* Entries that are right in every field but hold something else. */
static void write_lie(const char *path, struct umb_bytes key, struct umb_bytes binary)
{
    unsigned char *lie = NULL;
    size_t size = 0;
    assert_int_equal(umb__cache_entry_encode(NULL, key, binary, &lie, &size), UMB_OK);
    write_file(path, lie, size);
    umb__free(lie);
}

static void a_binary_that_the_driver_rejects(void **state)
{
    struct fixture *f = *state;
    char path[1024];
    unsigned char *data = NULL;
    size_t size = 0;
    /* Mesa 22.3's rusticl ends the process instead of rejecting */
    if (strcmp(umb_device_get_caps(f->device)->platform, "rusticl") == 0) { skip(); }
    first_entry(f, path, &data, &size);
    struct umb_bytes key = {data + UMB_CACHE_HEADER_BYTES, key_size(data)};
    write_lie(path, key, (struct umb_bytes){"no program at all", 17});
    fixture_reopen(f);
    expect_build(f, 7, REBUILT);
    fixture_reopen(f);
    expect_build(f, 7, HIT);
    free(data);
}

static void an_entry_of_another_program(void **state)
{
    struct fixture *f = *state;
    char path[1024];
    unsigned char *data = NULL;
    size_t size = 0;
    first_entry(f, path, &data, &size);
    size_t key = key_size(data);
    const unsigned char *binary = data + UMB_CACHE_HEADER_BYTES + key;
    write_lie(path, (struct umb_bytes){"another key", 11},
              (struct umb_bytes){binary, size - UMB_CACHE_HEADER_BYTES - key});
    fixture_reopen(f);
    expect_build(f, 7, REBUILT);
    free(data);
}

static void a_folder_in_an_entrys_place(void **state)
{
    struct fixture *f = *state;
    char path[1024];
    unsigned char *data = NULL;
    size_t size = 0;
    first_entry(f, path, &data, &size);
    free(data);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    fixture_reopen(f);
    expect_build(f, 7, UNWRITTEN);
    assert_int_equal(f->n_warnings, 1);
}

static void a_hit_renews_the_entrys_time(void **state)
{
    struct fixture *f = *state;
    char path[1024];
    struct stat info;
    const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    expect_build(f, 7, FRESH);
    assert_int_equal(files_in(path_in(f, "cache"), path), 1);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    fixture_reopen(f);
    expect_build(f, 7, HIT);
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_mtim.tv_sec > 1000000);
}

static void the_folder_stays_below_its_size(void **state)
{
    struct fixture *f = *state;
    char path[1024];
    const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    setenv("UMBEL_CACHE_MIB", "1", 1);
    fixture_reopen(f);
    assert_int_equal(mkdir(path_in(f, "cache"), 0777), 0);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%032d.umbk", path_in(f, "cache"), i);
        int fd = open(path, O_WRONLY | O_CREAT, 0666);
        assert_int_equal(ftruncate(fd, 400 << 10), 0);
        assert_int_equal(futimens(fd, old), 0);
        close(fd);
    }
    expect_build(f, 7, FRESH);
    int left = files_in(path_in(f, "cache"), NULL);
    assert_in_range(left, 2, 3); /* the new one, and as many old ones as there is room for */
    fixture_reopen(f);
    expect_build(f, 7, HIT);
}

/* Whichever allocation fails: a build that succeeds or says so, and never a wrong kernel. */
static void failed_allocations_are_survived(void **state)
{
    struct fixture *f = *state;
    expect_build(f, 7, FRESH);
    for (uint64_t n = 1; n <= 30; n++) {
        char options[32];
        snprintf(options, sizeof options, "-DVALUE=%d", n % 2 ? 7 : 1000 + (int)n);
        if (n % 2) { fixture_reopen(f); } /* odd: a hit is disturbed; even: a miss */
        umb__alloc_fail_at(n / 2 + 1);
        enum umb_status st = umb__program_prepare(f->device, "main.cl", options);
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) {
            fail_msg("allocation %d: %s", (int)n, umb_context_error(f->ctx));
        }
    }
    fixture_reopen(f);
    expect_build(f, 7, HIT);
}

static pid_t start_child(const char *n_programs)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test_cache", "build", n_programs, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* What a child does: its folder and cache come from the environment. */
static int build_as_child(int n_programs)
{
    struct umb_context *ctx = NULL;
    struct umb_device *device = NULL;
    enum umb_status st = umb_context_create(NULL, &ctx);
    if (st == UMB_OK) { st = umb_device_open(ctx, NULL, &device); }
    for (int i = 0; i < n_programs && st == UMB_OK; i++) {
        char options[32];
        snprintf(options, sizeof options, "-DVALUE=%d", i);
        st = umb__program_prepare(device, "main.cl", options);
    }
    umb_device_close(device);
    umb_context_destroy(ctx);
    return (int)st;
}

static void processes_write_the_same_entries(void **state)
{
    struct fixture *f = *state;
    pid_t pids[4];
    int result = 0;
    for (int i = 0; i < 4; i++) {
        pids[i] = start_child("2");
        assert_true(pids[i] > 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(waitpid(pids[i], &result, 0), pids[i]);
        if (!WIFEXITED(result) || WEXITSTATUS(result) != 0) {
            fail_msg("child %d ended with %x; expected 0", i, (unsigned)result);
        }
    }
    /* two whole entries and no temporary */
    assert_int_equal(files_in(path_in(f, "cache"), NULL), 2);
    expect_build(f, 0, HIT);
    expect_build(f, 1, (struct umb_program_stats){.cache_hits = 2});
    assert_int_equal(f->n_warnings, 0);
}

static void a_folder_that_cannot_be_made(void **state)
{
    struct fixture *f = *state;
    write_file(path_in(f, "file"), "x", 1);
    setenv("UMBEL_CACHE", path_in(f, "file/below"), 1);
    expect_build(f, 7, UNWRITTEN);
    assert_int_equal(f->n_warnings, 1);
    if (!strstr(f->warning, "kernel cache") || !strstr(f->warning, "file")) {
        fail_msg("warning \"%s\"; expected the cache and its path", f->warning);
    }
    /* the next program is built too, and the log keeps quiet */
    expect_build(f, 8, (struct umb_program_stats){.builds = 2, .cache_misses = 2});
    assert_int_equal(f->n_warnings, 1);
}

static void a_cache_that_is_a_file(void **state)
{
    struct fixture *f = *state;
    write_file(path_in(f, "file"), "x", 1);
    setenv("UMBEL_CACHE", path_in(f, "file"), 1);
    expect_prepare(f, "main.cl", "-DVALUE=1", UMB_ERR_INVALID, "UMBEL_CACHE: ");
    /* nonsense is nonsense, whether the cache is used or not */
    unsetenv("UMBEL_CACHE_FORCE");
    expect_prepare(f, "main.cl", "-DVALUE=1", UMB_ERR_INVALID, "is no folder");
    setenv("UMBEL_CACHE", path_in(f, "cache"), 1);
    expect_prepare(f, "main.cl", "-DVALUE=1", UMB_OK, "");
}

static void variables_of_nonsense(void **state)
{
    const char *const nonsense[] = {"yes", "2", "-1", "1 ", "1x", "0x1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        setenv("UMBEL_CACHE_FORCE", nonsense[i], 1);
        expect_prepare(*state, "main.cl", "-DVALUE=1", UMB_ERR_INVALID, "UMBEL_CACHE_FORCE: ");
    }
    unsetenv("UMBEL_CACHE_FORCE");
    const char *const sizes[] = {"0", "-5", "1.5", "many", "99999999"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        setenv("UMBEL_CACHE_MIB", sizes[i], 1);
        expect_prepare(*state, "main.cl", "-DVALUE=1", UMB_ERR_INVALID, "UMBEL_CACHE_MIB: ");
    }
}

static void a_driver_with_a_cache_of_its_own_has_no_other(void **state)
{
    struct fixture *f = *state;
    setenv("UMBEL_CACHE_FORCE", "0", 1);
    bool own = umb_device_get_caps(f->device)->caches_binaries;
    expect_build(f, 7, own ? UNCACHED : FRESH);
    assert_int_equal(files_in(path_in(f, "cache"), NULL), own ? 0 : 1);
}

/* HOME and XDG_CACHE_HOME as given (NULL: unset), for one build. */
static void build_at_home(struct fixture *f, const char *home, const char *xdg,
                          struct umb_program_stats expected)
{
    char *old_home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    char *old_xdg = getenv("XDG_CACHE_HOME") ? strdup(getenv("XDG_CACHE_HOME")) : NULL;
    unsetenv("UMBEL_CACHE");
    (void)(home ? setenv("HOME", home, 1) : unsetenv("HOME"));
    (void)(xdg ? setenv("XDG_CACHE_HOME", xdg, 1) : unsetenv("XDG_CACHE_HOME"));
    expect_build(f, 7, expected);
    (void)(old_home ? setenv("HOME", old_home, 1) : unsetenv("HOME"));
    (void)(old_xdg ? setenv("XDG_CACHE_HOME", old_xdg, 1) : unsetenv("XDG_CACHE_HOME"));
    free(old_home);
    free(old_xdg);
}

static void the_cache_lies_below_xdg(void **state)
{
    struct fixture *f = *state;
    build_at_home(f, path_in(f, "home"), path_in(f, "xdg"), FRESH);
    assert_int_equal(files_in(path_in(f, "xdg/umbel"), NULL), 1);
}

static void or_below_home(void **state)
{
    struct fixture *f = *state;
    build_at_home(f, path_in(f, "home"), NULL, FRESH);
    assert_int_equal(files_in(path_in(f, "home/.cache/umbel"), NULL), 1);
}

static void a_relative_xdg_does_not_count(void **state)
{
    struct fixture *f = *state;
    build_at_home(f, path_in(f, "home"), "relative", FRESH);
    assert_int_equal(files_in(path_in(f, "home/.cache/umbel"), NULL), 1);
}

static void without_a_home_there_is_no_cache(void **state)
{
    build_at_home(*state, NULL, NULL, UNCACHED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, forced_setup, fixture_teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "build") == 0) { return build_as_child(atoi(argv[2])); }
    const struct CMUnitTest tests[] = {
        CASE(the_second_process_hits),
        CASE(other_options_miss),
        CASE(another_text_misses),
        CASE(an_included_text_counts),
        CASE(a_failed_build_leaves_nothing),
        CASE(damaged_entries_are_rebuilt),
        CASE(truncated_entries_are_rebuilt),
        CASE(a_binary_that_the_driver_rejects),
        CASE(an_entry_of_another_program),
        CASE(a_folder_in_an_entrys_place),
        CASE(a_hit_renews_the_entrys_time),
        CASE(the_folder_stays_below_its_size),
        CASE(failed_allocations_are_survived),
        CASE(processes_write_the_same_entries),
        CASE(a_folder_that_cannot_be_made),
        CASE(a_cache_that_is_a_file),
        CASE(variables_of_nonsense),
        CASE(a_driver_with_a_cache_of_its_own_has_no_other),
        CASE(the_cache_lies_below_xdg),
        CASE(or_below_home),
        CASE(a_relative_xdg_does_not_count),
        CASE(without_a_home_there_is_no_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
