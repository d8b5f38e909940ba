/*
 * test_tuning.c: the tuning database: what is written is read, what is damaged is not believed, and
 * processes that write at once lose nothing.
 */
#include "alloc.h"
#include "system.h"
#include "text.h"
#include "tuning.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char folder[512], path[768]; /* path: of the first device's file, once opened */
    struct umb_context *ctx;
    uint64_t live;
};

static const struct umb_device_caps caps = {
    .name = "a device", .vendor = "v", .platform = "p", .driver = "1.0", .compute_units = 2};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *build = getenv("UMBEL_TEST_BUILD");
    assert_non_null(w);
    snprintf(w->folder, sizeof w->folder, "%s/tuning-test-XXXXXX", build ? build : ".");
    assert_non_null(mkdtemp(w->folder));
    setenv("UMBEL_CACHE", w->folder, 1);
    unsetenv("UMBEL_KERNEL_DIR");
    w->live = umb__alloc_live();
    assert_int_equal(umb_context_create(NULL, &w->ctx), UMB_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char line[1024];
    umb__alloc_fail_at(0);
    umb_context_destroy(w->ctx);
    snprintf(line, sizeof line, "rm -rf '%s'", w->folder);
    assert_int_equal(system(line), 0);
    uint64_t left = umb__alloc_live() - w->live;
    free(w);
    if (left) { fail_msg("%" PRIu64 " allocations are still held", left); }
    return 0;
}

static struct umb_tuning *open_tuning(struct world *w)
{
    struct umb_tuning *t = NULL;
    if (umb__tuning_open(w->ctx, &caps, &t) != UMB_OK) {
        fail_msg("%s", umb_context_error(w->ctx));
    }
    snprintf(w->path, sizeof w->path, "%s", umb__tuning_path(t));
    return t;
}

static struct umb_tuned sample(const char *problem, uint64_t ns)
{
    return (struct umb_tuned){
        .problem = problem,
        .n = 4,
        .solver = {{UMB_VERDICT_ROUGH, 40 * ns, "naive", ""},
                   {UMB_VERDICT_RIGHT, ns, "direct", "two words"},
                   {UMB_VERDICT_WRONG, 0, "winograd", "output 0 at 3 is nan, expected 1"},
                   {UMB_VERDICT_FAILED, 0, "clblast", "CLBlast: status -2048"}}};
}

static void put(struct umb_tuning *t, const char *problem, uint64_t ns)
{
    const struct umb_tuned s = sample(problem, ns);
    assert_int_equal(umb__tuning_put(t, &s), UMB_OK);
}

static void save(struct world *w, struct umb_tuning *t)
{
    if (umb__tuning_save(t) != UMB_OK) { fail_msg("%s", umb_context_error(w->ctx)); }
}

static void expect_sample(const struct umb_tuning *t, const char *problem, uint64_t ns)
{
    const struct umb_tuned *is = umb__tuning_find(t, problem), should = sample(problem, ns);
    if (!is) { fail_msg("'%s' is not known", problem); }
    assert_int_equal(is->n, should.n);
    for (size_t i = 0; i < is->n; i++) {
        assert_int_equal(is->solver[i].verdict, should.solver[i].verdict);
        assert_int_equal(is->solver[i].ns, should.solver[i].ns);
        assert_string_equal(is->solver[i].name, should.solver[i].name);
        assert_string_equal(is->solver[i].note, should.solver[i].note);
    }
}

/* ---- the file ---- */

static void what_is_saved_is_read(void **state)
{
    struct world *w = *state;
    struct umb_tuning *t = open_tuning(w);
    assert_null(umb__tuning_find(t, "conv x"));
    assert_null(umb__tuning_trouble(t));
    assert_int_equal(umb__tuning_check(t), UMB_OK);
    put(t, "conv x", 1000);
    put(t, "conv x y", 2000);
    save(w, t);
    umb__tuning_close(t);
    t = open_tuning(w);
    assert_null(umb__tuning_trouble(t));
    assert_int_equal(umb__tuning_count(t), 2);
    expect_sample(t, "conv x", 1000);
    expect_sample(t, "conv x y", 2000);
    put(t, "conv x", 500);
    save(w, t);
    umb__tuning_close(t);
    t = open_tuning(w);
    assert_int_equal(umb__tuning_count(t), 2);
    expect_sample(t, "conv x", 500);
    umb__tuning_close(t);
}

/* Of a problem that it is the only solver of, there is nothing else to go by. */
static void a_solver_is_forgotten(void **state)
{
    struct world *w = *state;
    struct umb_tuning *t = open_tuning(w);
    const struct umb_tuned alone = {
        .problem = "alone", .n = 1, .solver = {{UMB_VERDICT_ALONE, 7, "clblast", ""}}};
    put(t, "conv x", 1000);
    assert_int_equal(umb__tuning_put(t, &alone), UMB_OK);
    save(w, t);
    assert_int_equal(umb__tuning_forget(t, "clblast"), UMB_OK);
    save(w, t);
    umb__tuning_close(t);
    t = open_tuning(w);
    const struct umb_tuned *left = umb__tuning_find(t, "conv x");
    assert_int_equal(left->n, 3);
    for (size_t i = 0; i < left->n; i++) {
        assert_string_not_equal(left->solver[i].name, "clblast");
    }
    assert_int_equal(umb__tuning_find(t, "alone")->n, 1);
    umb__tuning_close(t);
}

static void the_best_is_the_fastest_that_is_right(void **state)
{
    (void)state;
    struct umb_tuned s = sample("x", 1000);
    assert_string_equal(umb__tuned_best(&s)->name, "direct");
    s.solver[1] = (struct umb_tuned_solver){UMB_VERDICT_WRONG, 0, "direct", ""};
    assert_string_equal(umb__tuned_best(&s)->name, "naive");
    s.solver[0] = s.solver[1];
    assert_null(umb__tuned_best(&s));
}

static void notes_become_one_line_of_bounded_length(void **state)
{
    struct world *w = *state;
    struct umb_tuning *t = open_tuning(w);
    char note[3 * UMB_TUNED_TEXT];
    memset(note, 'x', sizeof note);
    note[sizeof note - 1] = 0;
    note[5] = '\n';
    note[7] = 27;
    struct umb_tuned s = {.problem = "p", .n = 1, .solver = {{UMB_VERDICT_RIGHT, 1, "a", note}}};
    assert_int_equal(umb__tuning_put(t, &s), UMB_OK);
    save(w, t);
    umb__tuning_close(t);
    t = open_tuning(w);
    assert_null(umb__tuning_trouble(t));
    const char *is = umb__tuning_find(t, "p")->solver[0].note;
    assert_int_equal(strlen(is), UMB_TUNED_TEXT);
    assert_int_equal(is[5], ' ');
    assert_int_equal(is[7], ' ');
    umb__tuning_close(t);
}

static void another_device_or_other_kernels_have_another_file(void **state)
{
    struct world *w = *state;
    struct umb_tuning *a = open_tuning(w), *b = NULL, *c = NULL;
    struct umb_device_caps other = caps;
    other.driver = "1.1";
    assert_int_equal(umb__tuning_open(w->ctx, &other, &b), UMB_OK);
    char file[800];
    snprintf(file, sizeof file, "%s/conv_naive.cl", w->folder);
    assert_int_equal(umb__file_write(w->ctx, file, "x", 1), UMB_OK);
    setenv("UMBEL_KERNEL_DIR", w->folder, 1);
    assert_int_equal(umb__tuning_open(w->ctx, &caps, &c), UMB_OK);
    unsetenv("UMBEL_KERNEL_DIR");
    assert_string_not_equal(umb__tuning_path(a), umb__tuning_path(b));
    assert_string_not_equal(umb__tuning_path(a), umb__tuning_path(c));
    umb__tuning_close(a);
    umb__tuning_close(b);
    umb__tuning_close(c);
}

/* ---- damage ---- */

/* Without the care of umb__file_write, which would take seconds over all cases. */
static void write_plainly(const char *path, const char *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* The file with these bytes must count as none, with a reason; saving then makes it sound. */
static void expect_refused(struct world *w, const char *data, size_t size, const char *part)
{
    write_plainly(w->path, data, size);
    struct umb_tuning *t = open_tuning(w);
    const char *trouble = umb__tuning_trouble(t);
    if (!trouble || !strstr(trouble, part) || !strstr(trouble, w->path) ||
        umb__tuning_count(t) != 0) {
        fail_msg("'%.300s': trouble '%s', %zu entries; expected '%s' and none", data,
                 trouble ? trouble : "none", umb__tuning_count(t), part);
    }
    umb__tuning_close(t);
}

static char *saved_file(struct world *w, size_t *ret_size)
{
    char *data = NULL;
    struct umb_tuning *t = open_tuning(w);
    put(t, "conv x", 1000);
    put(t, "dense y", 77);
    save(w, t);
    umb__tuning_close(t);
    assert_int_equal(umb__file_read(w->ctx, w->path, 1 << 20, &data, ret_size), UMB_OK);
    return data;
}

static void every_flipped_byte_is_noticed(void **state)
{
    struct world *w = *state;
    size_t size = 0;
    char *data = saved_file(w, &size);
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 1;
        expect_refused(w, data, size, "");
        data[i] ^= 1;
    }
    umb__free(data);
}

static void every_cut_is_noticed(void **state)
{
    struct world *w = *state;
    size_t size = 0;
    char *data = saved_file(w, &size);
    for (size_t n = 0; n < size; n++) {
        expect_refused(w, data, n, "");
    }
    umb__free(data);
}

static void a_damaged_file_is_replaced(void **state)
{
    struct world *w = *state;
    umb__tuning_close(open_tuning(w)); /* for the path */
    expect_refused(w, "nonsense", 8, "no tuning database");
    struct umb_tuning *t = open_tuning(w);
    put(t, "conv x", 1000);
    save(w, t);
    umb__tuning_close(t);
    t = open_tuning(w);
    assert_null(umb__tuning_trouble(t));
    expect_sample(t, "conv x", 1000);
    umb__tuning_close(t);
}

static void another_version_is_named(void **state)
{
    struct world *w = *state;
    umb__tuning_close(open_tuning(w));
    const char *newer = "umbel tuning 2\nwhatever comes\n";
    expect_refused(w, newer, strlen(newer), "another version");
}

#define LONG_NAME "a-name-that-is-longer-than-that-of-any-solver-will-ever-be-in-all-of-time"

/* Lines with a right checksum that are none of ours. */
static const char *const lies[] = {
    "right 1 direct x\n",                                      /* of no problem */
    "problem quick\n",                                         /* without a name */
    "problem fast conv x\nright 1 direct \n",                  /* neither quick nor full */
    "problem quick conv x\n",                                  /* without a solver */
    "problem quick conv x\nproblem quick y\nright 1 a \n",     /* the same, in the middle */
    "problem quick x\nright 1 a \nproblem full x\nright 2 a ", /* no newline at the end */
    "problem quick x\nright 1 a \nproblem full x\nright 2 a \n",
    "problem quick x\nright 0 direct \n",
    "problem quick x\nwrong 5 direct \n",
    "problem quick x\nright -1 direct \n",
    "problem quick x\nright 99999999999999999999 direct \n",
    "problem quick x\nright 1e3 direct \n",
    "problem quick x\nright 10 direct\n",
    "problem quick x\nright 10  \n",
    "problem quick x\nperfect 10 direct \n",
    "problem quick x\nright 10 " LONG_NAME " \n",
    "problem quick x\nright 10 direct \033[2J\n",
    "problem quick x\n\n",
};

static void lies_with_a_right_checksum_are_refused(void **state)
{
    struct world *w = *state;
    size_t size = 0;
    char *data = saved_file(w, &size), *head = strstr(data, "problem");
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct umb_text text = {0};
        umb__text_add_bytes(&text, data, (size_t)(head - data));
        umb__text_add(&text, lies[i]);
        umb__text_printf(&text, "end %08" PRIx32 "\n", umb__crc32(0, text.data, text.length));
        expect_refused(w, text.data, text.length, "damaged");
        umb__text_finish(&text);
    }
    umb__free(data);
}

static void too_many_solvers_are_refused(void **state)
{
    struct world *w = *state;
    size_t size = 0;
    char *data = saved_file(w, &size), *head = strstr(data, "problem");
    struct umb_text text = {0};
    umb__text_add_bytes(&text, data, (size_t)(head - data));
    umb__text_add(&text, "problem quick x\n");
    for (int i = 0; i <= UMB_TUNED_SOLVERS; i++) {
        umb__text_printf(&text, "right 10 a%d \n", i);
    }
    umb__text_printf(&text, "end %08" PRIx32 "\n", umb__crc32(0, text.data, text.length));
    expect_refused(w, text.data, text.length, "damaged");
    umb__text_finish(&text);
    umb__free(data);
}

static void the_file_of_another_device_is_refused(void **state)
{
    struct world *w = *state;
    struct umb_tuning *t = NULL;
    struct umb_device_caps other = caps;
    other.name = "another";
    assert_int_equal(umb__tuning_open(w->ctx, &other, &t), UMB_OK);
    put(t, "conv x", 1000);
    save(w, t);
    char *data = NULL;
    size_t size = 0;
    assert_int_equal(umb__file_read(w->ctx, umb__tuning_path(t), 1 << 20, &data, &size), UMB_OK);
    umb__tuning_close(t);
    umb__tuning_close(open_tuning(w));
    expect_refused(w, data, size, "another device");
    umb__free(data);
}

/* ---- places ---- */

static void expect_unsaved(struct world *w, struct umb_tuning *t, const char *part)
{
    put(t, "conv x", 1000);
    enum umb_status checked = umb__tuning_check(t), saved = umb__tuning_save(t);
    if (checked == UMB_OK || saved == UMB_OK || !strstr(umb_context_error(w->ctx), part)) {
        fail_msg("%s and %s, '%s'; expected '%s'", umb_status_name(checked), umb_status_name(saved),
                 umb_context_error(w->ctx), part);
    }
    expect_sample(t, "conv x", 1000); /* it still serves */
}

static void a_folder_that_cannot_be_made(void **state)
{
    struct world *w = *state;
    char below[800], file[800];
    snprintf(file, sizeof file, "%s/file", w->folder);
    snprintf(below, sizeof below, "%s/file/below", w->folder);
    assert_int_equal(umb__file_write(w->ctx, file, "x", 1), UMB_OK);
    setenv("UMBEL_CACHE", below, 1);
    struct umb_tuning *t = open_tuning(w);
    expect_unsaved(w, t, "cannot be made");
    umb__tuning_close(t);
}

static void a_folder_in_the_files_place(void **state)
{
    struct world *w = *state;
    struct umb_tuning *t = open_tuning(w);
    assert_int_equal(mkdir(w->path, 0777), 0);
    put(t, "conv x", 1000);
    assert_int_not_equal(umb__tuning_save(t), UMB_OK);
    umb__tuning_close(t);
}

static void without_a_home(void **state)
{
    struct world *w = *state;
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    struct umb_tuning *t = NULL;
    unsetenv("UMBEL_CACHE");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_int_equal(umb__tuning_open(w->ctx, &caps, &t), UMB_OK);
    assert_null(umb__tuning_path(t));
    expect_unsaved(w, t, "HOME");
    umb__tuning_close(t);
    if (home) { setenv("HOME", home, 1); }
    free(home);
}

/* ---- several ---- */

#define CHILDREN 6
#define EACH 12

static int write_as_child(struct world *w, int child)
{
    char problem[32];
    for (int i = 0; i < EACH; i++) {
        struct umb_tuning *t = open_tuning(w);
        snprintf(problem, sizeof problem, "conv %d-%d", child, i);
        put(t, problem, (uint64_t)(100 * child + i + 1));
        if (umb__tuning_save(t) != UMB_OK) { return 1; }
        umb__tuning_close(t);
    }
    return 0;
}

static void processes_at_once_lose_nothing(void **state)
{
    struct world *w = *state;
    pid_t pid[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        pid[i] = fork();
        if (pid[i] == 0) { _exit(write_as_child(w, i)); }
        assert_true(pid[i] > 0);
    }
    for (int i = 0, result; i < CHILDREN; i++) {
        assert_int_equal(waitpid(pid[i], &result, 0), pid[i]);
        assert_int_equal(result, 0);
    }
    struct umb_tuning *t = open_tuning(w);
    assert_null(umb__tuning_trouble(t));
    assert_int_equal(umb__tuning_count(t), CHILDREN * EACH);
    for (int i = 0; i < CHILDREN * EACH; i++) {
        char problem[32];
        snprintf(problem, sizeof problem, "conv %d-%d", i / EACH, i % EACH);
        expect_sample(t, problem, (uint64_t)(100 * (i / EACH) + i % EACH + 1));
    }
    umb__tuning_close(t);
}

static enum umb_status open_put_save(struct world *w)
{
    struct umb_tuning *t = NULL;
    const struct umb_tuned s = sample("conv z", 5);
    enum umb_status st = umb__tuning_open(w->ctx, &caps, &t);
    if (st == UMB_OK) { st = umb__tuning_put(t, &s); }
    if (st == UMB_OK) { st = umb__tuning_save(t); }
    umb__tuning_close(t);
    return st;
}

static void failed_allocations_are_survived(void **state)
{
    struct world *w = *state;
    struct umb_tuning *t = open_tuning(w);
    put(t, "conv x", 1000);
    save(w, t);
    umb__tuning_close(t);
    enum umb_status st = UMB_ERR_NO_MEMORY;
    for (uint64_t n = 1; st != UMB_OK; n++) {
        umb__alloc_fail_at(n);
        st = open_put_save(w);
        umb__alloc_fail_at(0);
        if ((st != UMB_OK && st != UMB_ERR_NO_MEMORY) || n > 500) {
            fail_msg("allocation %" PRIu64 ": %s, %s", n, umb_status_name(st),
                     umb_context_error(w->ctx));
        }
        t = open_tuning(w);
        assert_null(umb__tuning_trouble(t));
        expect_sample(t, "conv x", 1000);
        umb__tuning_close(t);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_saved_is_read),
        CASE(a_solver_is_forgotten),
        CASE(the_best_is_the_fastest_that_is_right),
        CASE(notes_become_one_line_of_bounded_length),
        CASE(another_device_or_other_kernels_have_another_file),
        CASE(every_flipped_byte_is_noticed),
        CASE(every_cut_is_noticed),
        CASE(a_damaged_file_is_replaced),
        CASE(another_version_is_named),
        CASE(lies_with_a_right_checksum_are_refused),
        CASE(too_many_solvers_are_refused),
        CASE(the_file_of_another_device_is_refused),
        CASE(a_folder_that_cannot_be_made),
        CASE(a_folder_in_the_files_place),
        CASE(without_a_home),
        CASE(processes_at_once_lose_nothing),
        CASE(failed_allocations_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
