/*
 * test_vectors.c: tables out of files: every way to write them, rows by name, and files that are no
 * such table, each refused with its path and line.
 */
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "data_files.h"
#include "safetensors.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MOST 8

static void expect_table(const struct umb_vectors_desc *desc, int64_t rows, int64_t size,
                         const double *expected)
{
    struct umb_vectors v = {0};
    if (umb__vectors_read(files_context(), desc, &v) != UMB_OK) {
        fail_msg("%s", umb_context_error(files_context()));
    }
    assert_int_equal(v.rows, rows);
    assert_int_equal(v.size, size);
    for (int64_t i = 0; i < rows * size; i++) {
        if (v.value[i] == expected[i]) { continue; }
        fail_msg("number %d is %g, expected %g", (int)i, v.value[i], expected[i]);
    }
    umb__free(v.value);
}

static void expect_refused(const struct umb_vectors_desc *desc, const char *message)
{
    struct umb_vectors v = {0};
    assert_int_not_equal(umb__vectors_read(files_context(), desc, &v), UMB_OK);
    assert_null(v.value);
    const char *is = umb_context_error(files_context());
    if (!strstr(is, message) || !strstr(is, desc->path)) {
        fail_msg("'%s', expected '%s'", is, message);
    }
}

/* ---- text ---- */

static void rows_are_read_however_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t rows, size;
        double value[MOST];
    } files[] = {
        {"1 2\n3 4\n", 2, 2, {1, 2, 3, 4}},
        {"1,2\n3,4\n5,6", 3, 2, {1, 2, 3, 4, 5, 6}},
        {"1, -2e-1 ,3\r\n\r\n+4,.5,6.\r\n", 2, 3, {1, -0.2, 3, 4, 0.5, 6}},
        {"cat 1 2\ndog 3 4\n", 2, 2, {1, 2, 3, 4}},
        {"cat,1,2\n\"big dog\",3,4\n", 2, 2, {1, 2, 3, 4}},
        {"\xEF\xBB\xBF  cat\t1  2 \n\n \t\n dog 3 4", 2, 2, {1, 2, 3, 4}},
        {"2 3\ncat 1 2 3\ndog 4 5 6\n", 2, 3, {1, 2, 3, 4, 5, 6}}, /* word2vec's first line */
        {"3 1\n5 7\n", 2, 2, {3, 1, 5, 7}},                        /* and what looks like it */
        {"2 2\n", 1, 2, {2, 2}},
        {"7", 1, 1, {7}},
        {", 1 2\n. 3 4\n", 2, 2, {1, 2, 3, 4}}, /* GloVe has such words */
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        put_text("table.txt", files[i].text);
        const struct umb_vectors_desc desc = {.path = in_folder("table.txt")};
        expect_table(&desc, files[i].rows, files[i].size, files[i].value);
    }
}

static void rows_are_taken_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"dog", "traffic light", "7", "dog"};
    const struct umb_vectors_desc desc = {
        .path = in_folder("words.txt"), .names = names, .n_names = COUNT(names)};
    static const double expected[] = {3, 4, 5, 6, 7, 8, 3, 4};
    put_text("words.txt", "the 9 9\n7 7 8\ntraffic_light 5 6\nother this is no row\ndog 3 4\n");
    expect_table(&desc, 4, 2, expected);
    put_text("words.txt", "4 2\n7 7 8\ntraffic_light 5 6\ncat 0 0\ndog 3 4\n");
    expect_table(&desc, 4, 2, expected);
    put_text("words.txt", "word,x,y\n\"traffic light\",5,6\n7,7,8\ndog,3,4\n");
    expect_table(&desc, 4, 2, expected);
}

/* What is not asked for takes no room: more numbers than a table may have. */
static void a_large_file_is_searched(void **state)
{
    (void)state;
    static const char *const names[] = {"w49999", "w3"};
    const double expected[] = {49999, 49999.5, 3, 3.5};
    struct umb_vectors_desc desc = {
        .path = in_folder("large.txt"), .names = names, .n_names = COUNT(names)};
    FILE *f = fopen(desc.path, "w");
    assert_non_null(f);
    for (int i = 0; i < 50000; i++) {
        fprintf(f, "w%d %d %d.5\n", i, i, i);
    }
    assert_int_equal(fclose(f), 0);
    expect_table(&desc, 2, 2, expected);
    desc.n_names = 0;
    expect_refused(&desc, "large.txt:32769: 32769 rows of 2 numbers; expected at most 65536");
}

static void wrong_texts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } files[] = {
        {"", "is empty"},
        {"\n  \n\t\r\n", "is empty"},
        {"1 2\n3 4 5\n", ":2: has 3 numbers; expected 2, as the rows before"},
        {"1 2\n\n3\n", ":3: has 1 numbers; expected 2"},
        {"cat 1 2\ndog 3 x\n", ":2: 'x' is no finite number"},
        {"1 2\n3 nan\n", ":2: 'nan' is no finite number"},
        {"1 2\n3 inf\n", ":2: 'inf' is no finite number"},
        {"1 2\n3 1e999\n", ":2: '1e999' is no finite number"},
        {"1 2\n3 2e6\n", ":2: '2e6' is no finite number"},
        {"1 2\n3 0x10\n", ":2: '0x10' is no finite number"},
        {"1,2\n3,,4\n", ":2: '' is no finite number"},
        {"1,2\n3,4,\n", ":2: '' is no finite number"},
        {"cat 1 2\n3 4\n", ":2: begins with a number, the first row with a name"},
        {"cat\n", ":1: has no numbers behind its name"},
        {"2 2\ncat 1 2\ndog 3\n", ":3: has 1 numbers; expected 2, as the first line says"},
        {"3 2\ncat 1 2\ndog 3 4\n", "has 2 rows, its first line says 3"},
        {"1 2\n3 4\x01\n", ":2: '4\\x01' is"},
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        put_text("wrong.txt", files[i].text);
        const struct umb_vectors_desc desc = {.path = in_folder("wrong.txt")};
        const bool shown = !strchr(files[i].message, '\\');
        expect_refused(&desc, shown ? files[i].message : ":2: '4");
    }
    put_file("wrong.txt", "1 2\n3 \0004\n", 10);
    expect_refused(&(struct umb_vectors_desc){.path = in_folder("wrong.txt")},
                   ":2: holds a byte 0");
    expect_refused(&(struct umb_vectors_desc){.path = in_folder("nowhere.txt")},
                   "cannot be opened");
    expect_refused(&(struct umb_vectors_desc){.path = in_folder("")}, "cannot be read");
}

static void lines_have_an_end(void **state)
{
    (void)state;
    const struct umb_vectors_desc desc = {.path = in_folder("long.txt")};
    FILE *f = fopen(desc.path, "w");
    assert_non_null(f);
    for (int i = 0; i < 70000; i++) {
        fputs("1 ", f);
    }
    assert_int_equal(fclose(f), 0);
    expect_refused(&desc, "long.txt:1: has more than 65536 numbers");
    f = fopen(desc.path, "a");
    assert_non_null(f);
    for (int i = 0; i < 1 << 20; i++) {
        fputs("1 ", f);
    }
    assert_int_equal(fclose(f), 0);
    expect_refused(&desc, "long.txt:1: is longer than 2 MiB");
}

static void names_must_be_there_once(void **state)
{
    (void)state;
    static const char *const names[] = {"cat", "dog", "cow"};
    struct umb_vectors_desc desc = {
        .path = in_folder("words.txt"), .names = names, .n_names = COUNT(names)};
    put_text("words.txt", "cat 1 2\nCow 3 4\n");
    expect_refused(&desc, "none of its 2 rows is called 'dog', and so of 2 of 3 names");
    put_text("words.txt", "cat 1 2\ndog 3 4\ncow 1 2\ndog 0 0\n");
    expect_refused(&desc, "words.txt:4: 'dog' is there again, line 2 has it");
    put_text("words.txt", "cat 1 2\ndog 3 4 5\ncow 1 2\n");
    expect_refused(&desc, "words.txt:2: has 3 numbers; expected 2");
    put_text("words.txt", "");
    expect_refused(&desc, "is empty");
    static const char *many[33000];
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i] = "cat";
    }
    desc.names = many;
    desc.n_names = COUNT(many);
    put_text("words.txt", "cat 1 2\n");
    expect_refused(&desc, "words.txt:1: 33000 rows of 2 numbers; expected at most 65536");
}

/* ---- safetensors ---- */

static void put_tensors(const char *name, bool two)
{
    struct umb_safetensors *file = NULL;
    static const float words[] = {1, 2, 3, 4, 5, 6}, bad[] = {1, NAN}, one[] = {1, 2};
    const struct umb_shape table = {2, {3, 2}}, row = {2, {1, 2}}, flat = {1, {2}};
    assert_int_equal(umb__safetensors_create(files_context(), &file), UMB_OK);
    assert_int_equal(umb__safetensors_add(file, "words", "F32", &table, words), UMB_OK);
    assert_int_equal(umb__safetensors_add(file, "flat", "F32", &flat, one), UMB_OK);
    if (two) {
        assert_int_equal(umb__safetensors_add(file, "bad", "F32", &row, bad), UMB_OK);
        assert_int_equal(umb__safetensors_add(file, "whole", "I32", &row, one), UMB_OK);
    }
    assert_int_equal(umb__safetensors_write(file, in_folder(name)), UMB_OK);
    umb__safetensors_destroy(file);
}

static void tensors_are_read(void **state)
{
    (void)state;
    const double expected[] = {1, 2, 3, 4, 5, 6};
    put_tensors("one.safetensors", false);
    put_tensors("two.safetensors", true);
    struct umb_vectors_desc desc = {.path = in_folder("one.safetensors")};
    expect_table(&desc, 3, 2, expected);
    desc.tensor = "words";
    expect_table(&desc, 3, 2, expected);
    desc.tensor = "flat";
    expect_refused(&desc, "flat is F32 [2]; expected numbers [rows,size]");
    desc.tensor = "word";
    expect_refused(&desc, "has no tensor 'word'; expected one of its own, as flat");
    desc.path = in_folder("two.safetensors");
    desc.tensor = "words";
    expect_table(&desc, 3, 2, expected);
    desc.tensor = NULL;
    expect_refused(&desc, "has 3 tensors of two dimensions; expected one, or `tensor`");
    desc.tensor = "bad";
    expect_refused(&desc, "bad has nan at number 1");
    desc.tensor = "whole";
    expect_refused(&desc, "whole is I32 [1,2]");
    put_text("three.safetensors", "nonsense");
    desc.path = in_folder("three.safetensors");
    expect_refused(&desc, "three.safetensors");
}

/* ---- memory ---- */

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    static const char *const names[] = {"dog", "cat"};
    put_tensors("one.safetensors", false);
    put_text("words.txt", "cat 1 2\ndog 3 4\ncow 5 6\n");
    const struct umb_vectors_desc descs[] = {
        {.path = in_folder("one.safetensors")},
        {.path = in_folder("words.txt")},
        {.path = in_folder("words.txt"), .names = names, .n_names = COUNT(names)}};
    for (size_t d = 0; d < COUNT(descs); d++) {
        enum umb_status st = UMB_ERR_NO_MEMORY;
        int n = 0;
        while (st != UMB_OK) {
            struct umb_vectors v = {0};
            const uint64_t live = umb__alloc_live();
            umb__alloc_fail_at((uint64_t)++n);
            st = umb__vectors_read(files_context(), &descs[d], &v);
            umb__alloc_fail_at(0);
            if (st != UMB_OK) { assert_int_equal(st, UMB_ERR_NO_MEMORY); }
            umb__free(v.value);
            assert_int_equal(umb__alloc_live(), live);
        }
        assert_true(n > 3);
    }
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(rows_are_read_however_they_are_written),
        IN_FOLDER(rows_are_taken_by_name),
        IN_FOLDER(a_large_file_is_searched),
        IN_FOLDER(wrong_texts_are_refused),
        IN_FOLDER(lines_have_an_end),
        IN_FOLDER(names_must_be_there_once),
        IN_FOLDER(tensors_are_read),
        IN_FOLDER(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
