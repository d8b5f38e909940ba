/* csv.c: see csv.h. */
#include "csv.h"
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include "text.h"
#include <string.h>

#define MAX_FILE_BYTES ((size_t)256 << 20)

struct parser {
    struct umb_context *ctx;
    const char *path;
    char *at, *end; /* *end is NUL */
    uint32_t line;  /* of `at` */
    bool row_ended; /* the cell just read was its row's last */
};

static enum umb_status fail_line(const struct parser *p, uint32_t line, const char *what)
{
    return umb__fail(p->ctx, UMB_ERR_FORMAT, "%s:%u: %s", p->path, line, what);
}

/* Steps over a comma or a line's end and puts a NUL at `tail`, where the cell ends. */
static enum umb_status end_cell(struct parser *p, char *tail)
{
    p->row_ended = true;
    if (p->at == p->end) {
        *tail = '\0';
        return UMB_OK;
    }
    if (p->at[0] == '\r' && p->at[1] != '\n') {
        return fail_line(p, p->line, "a carriage return without a line feed; expected CRLF or LF");
    }
    p->row_ended = p->at[0] != ',';
    p->line += p->row_ended;
    p->at += p->at[0] == '\r' ? 2 : 1;
    *tail = '\0';
    return UMB_OK;
}

/* "…" with doubled quotes inside; the text moves to the front as quotes are dropped. */
static enum umb_status read_quoted(struct parser *p, const char **ret_cell)
{
    uint32_t begun = p->line;
    char *out = p->at++;
    *ret_cell = out;
    for (;; p->at++) {
        if (p->at == p->end) { return fail_line(p, begun, "a quote is opened and never closed"); }
        if (p->at[0] == '"' && p->at[1] != '"') { break; }
        p->at += p->at[0] == '"';
        p->line += p->at[0] == '\n';
        *out++ = p->at[0];
    }
    p->at++;
    if (p->at != p->end && strchr(",\r\n", p->at[0]) == NULL) {
        return fail_line(p, p->line, "text behind a closing quote; expected a comma or a new line");
    }
    return end_cell(p, out);
}

static enum umb_status read_cell(struct parser *p, const char **ret_cell)
{
    if (p->at[0] == '"') { return read_quoted(p, ret_cell); }
    *ret_cell = p->at;
    p->at += strcspn(p->at, ",\r\n\"");
    if (p->at[0] == '"') {
        return fail_line(p, p->line,
                         "a quote within a cell; expected the whole cell in quotes, with quotes "
                         "inside it doubled");
    }
    return end_cell(p, p->at);
}

static void skip_blank_lines(struct parser *p)
{
    for (;;) {
        size_t n = p->at[0] == '\n' ? 1 : p->at[0] == '\r' && p->at[1] == '\n' ? 2 : 0;
        if (n == 0) { return; }
        p->at += n;
        p->line++;
    }
}

/* Room for `n` elements, doubling. */
static enum umb_status make_room(struct umb_context *ctx, void *array, size_t n, size_t size,
                                 size_t *capacity, void **ret_array)
{
    *ret_array = array;
    if (n <= *capacity) { return UMB_OK; }
    size_t grown = 2 * n + 64;
    void *p = umb__grow(ctx, array, *capacity, grown, size);
    if (p == NULL) { return UMB_ERR_NO_MEMORY; }
    *ret_array = p;
    *capacity = grown;
    return UMB_OK;
}

static enum umb_status add_cell(struct parser *p, struct umb_csv *csv, size_t n)
{
    void *grown;
    enum umb_status st =
        make_room(p->ctx, csv->cell, n + 1, sizeof *csv->cell, &csv->cell_capacity, &grown);
    csv->cell = grown;
    return st == UMB_OK ? read_cell(p, &csv->cell[n]) : st;
}

/* The cells of the first row become the header; those of the rows get an array of their own. */
static enum umb_status read_header(struct parser *p, struct umb_csv *csv)
{
    enum umb_status st = UMB_OK;
    csv->header_line = p->line;
    do {
        st = add_cell(p, csv, csv->n_columns);
        csv->n_columns++;
    } while (st == UMB_OK && !p->row_ended);
    if (st != UMB_OK) { return st; }
    csv->header = csv->cell;
    csv->cell = NULL;
    csv->cell_capacity = 0;
    return UMB_OK;
}

static enum umb_status read_row(struct parser *p, struct umb_csv *csv)
{
    uint32_t begun = p->line;
    size_t n = 0;
    void *grown;
    enum umb_status st = make_room(p->ctx, csv->line, csv->n_rows + 1, sizeof *csv->line,
                                   &csv->line_capacity, &grown);
    csv->line = grown;
    if (st != UMB_OK) { return st; }
    csv->line[csv->n_rows] = begun;
    do {
        st = add_cell(p, csv, csv->n_rows * csv->n_columns + n++);
    } while (st == UMB_OK && !p->row_ended && n < csv->n_columns);
    if (st != UMB_OK) { return st; }
    if (n < csv->n_columns || !p->row_ended) {
        return umb__fail(p->ctx, UMB_ERR_FORMAT,
                         "%s:%u: %s%zu cells; expected %zu, as in the header", p->path, begun,
                         p->row_ended ? "" : "more than ", n, csv->n_columns);
    }
    csv->n_rows++;
    return UMB_OK;
}

static enum umb_status check_bytes(struct parser *p, size_t size)
{
    const char *nul = memchr(p->at, '\0', size);
    if (nul == NULL) { return UMB_OK; }
    uint32_t line = 1;
    for (const char *c = p->at; c < nul; c++) {
        line += *c == '\n';
    }
    return fail_line(p, line, "a NUL byte; expected text");
}

static enum umb_status parse(struct parser *p, struct umb_csv *csv)
{
    static const char mark[] = "\xef\xbb\xbf";
    enum umb_status st = check_bytes(p, (size_t)(p->end - p->at));
    if (st != UMB_OK) { return st; }
    if (strncmp(p->at, mark, sizeof mark - 1) == 0) { p->at += sizeof mark - 1; }
    skip_blank_lines(p);
    if (p->at == p->end) {
        return umb__fail(p->ctx, UMB_ERR_FORMAT, "%s: empty; expected a header line", p->path);
    }
    st = read_header(p, csv);
    for (skip_blank_lines(p); st == UMB_OK && p->at != p->end; skip_blank_lines(p)) {
        st = read_row(p, csv);
    }
    if (st == UMB_OK && csv->n_rows == 0) {
        st = umb__fail(p->ctx, UMB_ERR_FORMAT, "%s: a header but no rows", p->path);
    }
    return st;
}

enum umb_status umb__csv_read(struct umb_context *ctx, const char *path, struct umb_csv *ret_csv)
{
    struct umb_csv csv = {.text = NULL};
    size_t size;
    enum umb_status st = umb__file_read(ctx, path, MAX_FILE_BYTES, &csv.text, &size);
    if (st != UMB_OK) { return st; }
    struct parser p = {.ctx = ctx, .path = path, .at = csv.text, .end = csv.text + size, .line = 1};
    st = parse(&p, &csv);
    if (st != UMB_OK) {
        umb__csv_finish(&csv);
        return st;
    }
    *ret_csv = csv;
    return UMB_OK;
}

void umb__csv_finish(struct umb_csv *csv)
{
    umb__free(csv->header);
    umb__free(csv->cell);
    umb__free(csv->line);
    umb__free(csv->text);
    *csv = (struct umb_csv){.text = NULL};
}

enum umb_status umb__csv_column(struct umb_context *ctx, const char *path,
                                const struct umb_csv *csv, const char *name, size_t *ret_column)
{
    size_t found = csv->n_columns;
    for (size_t i = 0; i < csv->n_columns; i++) {
        if (strcmp(csv->header[i], name) != 0) { continue; }
        if (found < csv->n_columns) {
            return umb__fail(ctx, UMB_ERR_FORMAT,
                             "%s:%u: the header has the column '%s' twice; expected it once", path,
                             csv->header_line, name);
        }
        found = i;
    }
    if (found == csv->n_columns) {
        const char *near = umb__nearest(name, csv->header, csv->n_columns);
        return umb__fail(ctx, UMB_ERR_INVALID, "%s:%u: the header has no column '%s'%s%s%s", path,
                         csv->header_line, name, near ? "; did you mean '" : "", near ? near : "",
                         near ? "'?" : "");
    }
    *ret_column = found;
    return UMB_OK;
}
