/* test_data_csv.c: CSV files cut into cells, and where they go wrong. */
#include "alloc.h"
#include "csv.h"
#include "data_files.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct umb_csv csv;

static int tear_down(void **state)
{
    umb__csv_finish(&csv);
    return files_tear_down(state);
}

static void parse(const char *text)
{
    umb__csv_finish(&csv);
    put_text("a.csv", text);
    enum umb_status st = umb__csv_read(files_context(), in_folder("a.csv"), &csv);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(files_context())); }
}

static void refused_bytes(const void *data, size_t n, const char *where, const char *what)
{
    put_file("a.csv", data, n);
    uint64_t before = umb__alloc_live();
    assert_failed(umb__csv_read(files_context(), in_folder("a.csv"), &csv), UMB_ERR_FORMAT,
                  PIECES(where, what));
    assert_int_equal(umb__alloc_live(), before);
}

static void refused(const char *text, const char *where, const char *what)
{
    refused_bytes(text, strlen(text), where, what);
}

static void assert_cells(size_t n_rows, size_t n_columns, const char *const *cells)
{
    assert_int_equal(csv.n_columns, n_columns);
    assert_int_equal(csv.n_rows, n_rows);
    for (size_t i = 0; i < n_columns; i++) {
        assert_string_equal(csv.header[i], cells[i]);
    }
    for (size_t i = 0; i < n_rows * n_columns; i++) {
        assert_string_equal(csv.cell[i], cells[n_columns + i]);
    }
}

static void rows_are_cut(void **state)
{
    (void)state;
    parse("a,b\n1,2\n3,4\n");
    assert_cells(2, 2, PIECES("a", "b", "1", "2", "3", "4"));
    assert_int_equal(csv.line[0], 2);
    assert_int_equal(csv.line[1], 3);
}

static void the_last_line_may_lack_its_end(void **state)
{
    (void)state;
    parse("a,b\n1,2\n3,");
    assert_cells(2, 2, PIECES("a", "b", "1", "2", "3", ""));
    parse("a,b\n1,\"2\"");
    assert_cells(1, 2, PIECES("a", "b", "1", "2"));
}

static void windows_line_ends_and_marks_are_passed_over(void **state)
{
    (void)state;
    parse("\xef\xbb\xbf"
          "a,b\r\n1,2\r\n3,\"4\"\r\n");
    assert_cells(2, 2, PIECES("a", "b", "1", "2", "3", "4"));
    parse("\xef\xbb\xbf\"a\",b\n1,2\n");
    assert_cells(1, 2, PIECES("a", "b", "1", "2"));
}

static void quotes_hide_commas_lines_and_quotes(void **state)
{
    (void)state;
    parse("a,\"b,c\"\n\"1\n\n2\",\"say \"\"no\"\"\"\n\"\",\"\"\"\"\nlast,x\n");
    assert_cells(3, 2, PIECES("a", "b,c", "1\n\n2", "say \"no\"", "", "\"", "last", "x"));
    assert_int_equal(csv.line[0], 2);
    assert_int_equal(csv.line[1], 5);
    assert_int_equal(csv.line[2], 6);
}

static void blank_lines_count_but_are_no_rows(void **state)
{
    (void)state;
    parse("\n\r\na\n\n1\n\n\n2\n\n");
    assert_cells(2, 1, PIECES("a", "1", "2"));
    assert_int_equal(csv.header_line, 3);
    assert_int_equal(csv.line[0], 5);
    assert_int_equal(csv.line[1], 8);
}

static void spaces_belong_to_cells(void **state)
{
    (void)state;
    parse("a , b\n 1,2 \n");
    assert_cells(1, 2, PIECES("a ", " b", " 1", "2 "));
}

static void many_rows_are_kept(void **state)
{
    (void)state;
    const size_t n = 5000;
    char *text = calloc(n + 1, 16), *at = text;
    assert_non_null(text);
    at += sprintf(at, "a,b\n");
    for (size_t i = 0; i < n; i++) {
        at += sprintf(at, "%zu,x%zu\n", i, i);
    }
    parse(text);
    free(text);
    assert_int_equal(csv.n_rows, n);
    assert_string_equal(csv.cell[2 * 4999 + 1], "x4999");
    assert_int_equal(csv.line[4999], 5001);
}

static void columns_are_found_by_name(void **state)
{
    (void)state;
    size_t column = 9;
    parse("a,b,c\n1,2,3\n");
    assert_int_equal(umb__csv_column(files_context(), "f", &csv, "c", &column), UMB_OK);
    assert_int_equal(column, 2);
}

static void missing_columns_are_named_with_the_nearest(void **state)
{
    (void)state;
    size_t column = 9;
    parse("\npath,colour\n1,2\n");
    assert_failed(umb__csv_column(files_context(), "f.csv", &csv, "color", &column),
                  UMB_ERR_INVALID,
                  PIECES("f.csv:2:", "no column 'color'", "did you mean 'colour'?"));
    assert_int_equal(column, 9);
}

static void columns_there_twice_are_refused(void **state)
{
    (void)state;
    size_t column;
    parse("a,b,a\n1,2,3\n");
    assert_failed(umb__csv_column(files_context(), "f.csv", &csv, "a", &column), UMB_ERR_FORMAT,
                  PIECES("f.csv:1:", "'a' twice"));
    assert_int_equal(umb__csv_column(files_context(), "f", &csv, "b", &column), UMB_OK);
}

static void short_rows_are_refused(void **state)
{
    (void)state;
    refused("a,b,c\n1,2,3\n1,2\n", "a.csv:3: ", "2 cells; expected 3");
    refused("a,b\n\"x\ny\"\n1,2\n", "a.csv:2: ", "1 cells; expected 2");
}

static void long_rows_are_refused(void **state)
{
    (void)state;
    refused("a,b\n1,2\n1,2,3\n", "a.csv:3: ", "more than 2 cells; expected 2");
    refused("a\n1,\n", "a.csv:2: ", "more than 1 cells");
}

static void open_quotes_are_refused_where_they_begin(void **state)
{
    (void)state;
    refused("a,b\n1,2\n1,\"2\n3,4\n5,6\n", "a.csv:3: ", "never closed");
    refused("\"", "a.csv:1: ", "never closed");
    refused("a\n\"\"\"", "a.csv:2: ", "never closed");
}

static void text_behind_a_quote_is_refused(void **state)
{
    (void)state;
    refused("a,b\n\"1\"2,3\n", "a.csv:2: ", "behind a closing quote");
    refused("a,b\n\"1\" ,3\n", "a.csv:2: ", "behind a closing quote");
}

static void quotes_within_cells_are_refused(void **state)
{
    (void)state;
    refused("a,b\n1,x\"y\n", "a.csv:2: ", "quote within a cell");
    refused("a,b\n1, \"y\"\n", "a.csv:2: ", "quote within a cell");
}

static void lone_carriage_returns_are_refused(void **state)
{
    (void)state;
    refused("a,b\r1,2\r", "a.csv:1: ", "carriage return without a line feed");
    refused("a,b\n1,2\r", "a.csv:2: ", "carriage return without a line feed");
    refused("\r", "a.csv:1: ", "carriage return");
}

static void nul_bytes_are_refused(void **state)
{
    (void)state;
    refused_bytes("a,b\n1,2\n3\0,4\n", 13, "a.csv:3: ", "NUL byte");
    refused_bytes("\0", 1, "a.csv:1: ", "NUL byte");
    refused_bytes("a\n1\n\0", 5, "a.csv:3: ", "NUL byte");
}

static void empty_files_are_refused(void **state)
{
    (void)state;
    refused("", "a.csv: ", "empty; expected a header line");
    refused("\xef\xbb\xbf\n\r\n", "a.csv: ", "empty; expected a header line");
    refused("a,b\n", "a.csv: ", "a header but no rows");
}

static void missing_files_are_named(void **state)
{
    (void)state;
    assert_failed(umb__csv_read(files_context(), in_folder("b.csv"), &csv), UMB_ERR_IO,
                  PIECES("b.csv", "cannot be opened"));
    assert_failed(umb__csv_read(files_context(), in_folder(""), &csv), UMB_ERR_INVALID,
                  PIECES("is a folder"));
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    put_text("a.csv", "a,b\n1,2\n3,4\n");
    uint64_t before = umb__alloc_live(), n = 0;
    enum umb_status st;
    do {
        umb__alloc_fail_at(++n);
        st = umb__csv_read(files_context(), in_folder("a.csv"), &csv);
        umb__alloc_fail_at(0);
        if (st == UMB_OK) { umb__csv_finish(&csv); }
        assert_int_equal(umb__alloc_live(), before);
    } while (st == UMB_ERR_NO_MEMORY);
    assert_int_equal(st, UMB_OK);
    assert_in_range(n, 4, 20);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rows_are_cut),
        CASE(the_last_line_may_lack_its_end),
        CASE(windows_line_ends_and_marks_are_passed_over),
        CASE(quotes_hide_commas_lines_and_quotes),
        CASE(blank_lines_count_but_are_no_rows),
        CASE(spaces_belong_to_cells),
        CASE(many_rows_are_kept),
        CASE(columns_are_found_by_name),
        CASE(missing_columns_are_named_with_the_nearest),
        CASE(columns_there_twice_are_refused),
        CASE(short_rows_are_refused),
        CASE(long_rows_are_refused),
        CASE(open_quotes_are_refused_where_they_begin),
        CASE(text_behind_a_quote_is_refused),
        CASE(quotes_within_cells_are_refused),
        CASE(lone_carriage_returns_are_refused),
        CASE(nul_bytes_are_refused),
        CASE(empty_files_are_refused),
        CASE(missing_files_are_named),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
