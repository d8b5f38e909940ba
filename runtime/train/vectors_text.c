/*
 * vectors_text.c: vectors of a text file (vectors.h).
 *
 * The first row says how all are written: with commas or blanks, for GloVe has "," as a word; with
 * names, where names are asked for or it begins with no number.
 */
#define _XOPEN_SOURCE 700 /* getc_unlocked */
#include "vectors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "fail.h"
#include "text.h"

#define LARGEST 1e6
#define BLANKS " \t"
#define MAX_LINE ((size_t)2 << 20)
#define HEAD_BYTES 64

struct reading {
    struct umb_context *ctx;
    const struct umb_vectors_desc *desc;
    FILE *file;
    char *line;     /* [MAX_LINE] the newest, without its end */
    int64_t number; /* the line's, from 1 */
    /* A first line of two whole numbers may be word2vec's, until the second says. */
    char head[HEAD_BYTES];
    bool has_head;
    int64_t said_rows, said_size;
    bool commas, named;
    int64_t n_seen;  /* rows */
    int64_t *found;  /* [n_names] the line that had it; 0: none yet */
    double *row;     /* [UMB_VECTORS_MOST] the newest */
    size_t capacity; /* of v->value */
    struct umb_vectors *v;
};

static enum umb_status fail_line(const struct reading *r, const char *what)
{
    return umb__fail(r->ctx, UMB_ERR_FORMAT, "%s:%lld: %s", r->desc->path, (long long)r->number,
                     what);
}

/* ---- lines and fields ---- */

/* UTF-8's, as some editors write it in front. */
static void strip_mark(char *line)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const size_t length = strlen(line), n = sizeof mark - 1;
    if (length >= n && memcmp(line, mark, n) == 0) { memmove(line, line + n, length - n + 1); }
}

/* The next line that is not blank. */
static enum umb_status next_line(struct reading *r, bool *ret_there)
{
    int c = 0;
    do {
        size_t n = 0;
        r->number++;
        while ((c = getc_unlocked(r->file)) != EOF && c != '\n') {
            if (c == 0 || n + 1 == MAX_LINE) {
                return fail_line(r, c == 0 ? "holds a byte 0; expected text"
                                           : "is longer than 2 MiB; expected a row of numbers");
            }
            r->line[n++] = (char)c;
        }
        if (n && r->line[n - 1] == '\r') { n--; }
        r->line[n] = '\0';
        if (r->number == 1) { strip_mark(r->line); }
    } while (c != EOF && !r->line[strspn(r->line, BLANKS)]);
    if (ferror(r->file)) {
        return umb__fail(r->ctx, UMB_ERR_IO, "%s: cannot be read: %s", r->desc->path,
                         strerror(errno));
    }
    *ret_there = r->line[strspn(r->line, BLANKS)] != '\0';
    return UMB_OK;
}

/* Cuts the next field off; NULL: there is none. *at is NULL behind the last. */
static char *cut(bool commas, char **at)
{
    char *field = *at;
    if (!field) { return NULL; }
    field += strspn(field, BLANKS);
    if (!commas && !*field) { return NULL; }
    char *end = field + strcspn(field, commas ? "," : BLANKS);
    *at = *end ? end + 1 : NULL;
    *end = '\0';
    while (end > field && strchr(BLANKS, end[-1])) {
        *--end = '\0';
    }
    return field;
}

static bool is_number(const char *text)
{
    double value;
    return umb__parse_double(text, -LARGEST, LARGEST, &value);
}

/* ---- rows ---- */

/* A row with commas has a number behind the last, or no blanks, as a line of titles. */
static bool has_commas(const char *line)
{
    const char *comma = strrchr(line, ',');
    char last[HEAD_BYTES];
    if (!comma || !strpbrk(line, BLANKS)) { return comma; }
    snprintf(last, sizeof last, "%s", comma + 1 + strspn(comma + 1, BLANKS));
    for (size_t n = strlen(last); n && strchr(BLANKS, last[n - 1]); n--) {
        last[n - 1] = '\0';
    }
    return is_number(last);
}

static void look_at_first(struct reading *r, const char *line)
{
    char first[HEAD_BYTES];
    r->commas = has_commas(line);
    line += strspn(line, BLANKS);
    snprintf(first, sizeof first, "%.*s", (int)strcspn(line, r->commas ? "," BLANKS : BLANKS),
             line);
    r->named = r->desc->n_names || !is_number(first);
}

static enum umb_status read_numbers(struct reading *r, char *at, int64_t *ret_n)
{
    char *field;
    *ret_n = 0;
    while ((field = cut(r->commas, &at)) != NULL) {
        if (*ret_n == UMB_VECTORS_MOST) { return fail_line(r, "has more than 65536 numbers"); }
        if (umb__parse_double(field, -LARGEST, LARGEST, &r->row[*ret_n])) {
            ++*ret_n;
            continue;
        }
        return umb__fail(r->ctx, UMB_ERR_FORMAT,
                         "%s:%lld: '%.40s' is no finite number of ±1e6; expected rows of numbers%s",
                         r->desc->path, (long long)r->number, field,
                         r->named ? " behind a name" : "");
    }
    return *ret_n ? UMB_OK : fail_line(r, "has no numbers behind its name; expected some");
}

/* Room for `rows` of them. */
static enum umb_status make_room(struct reading *r, int64_t rows)
{
    struct umb_vectors *v = r->v;
    const size_t wanted = (size_t)(rows * v->size);
    if (wanted > UMB_VECTORS_MOST) {
        return umb__fail(r->ctx, UMB_ERR_INVALID,
                         "%s:%lld: %lld rows of %lld numbers; expected at most %d numbers in "
                         "all%s",
                         r->desc->path, (long long)r->number, (long long)rows, (long long)v->size,
                         UMB_VECTORS_MOST,
                         r->desc->n_names ? "" : ", or names of the rows to take");
    }
    if (wanted <= r->capacity) { return UMB_OK; }
    const size_t more = wanted > 2 * r->capacity ? wanted : 2 * r->capacity;
    double *p = umb__grow(r->ctx, v->value, r->capacity, more, sizeof *p);
    if (!p) { return UMB_ERR_NO_MEMORY; }
    v->value = p;
    r->capacity = more;
    return UMB_OK;
}

static enum umb_status check_size(struct reading *r, int64_t n)
{
    struct umb_vectors *v = r->v;
    if (v->size == 0) { v->size = r->said_size ? r->said_size : n; }
    if (n == v->size) { return UMB_OK; }
    return umb__fail(r->ctx, UMB_ERR_FORMAT, "%s:%lld: has %lld numbers; expected %lld, as %s",
                     r->desc->path, (long long)r->number, (long long)n, (long long)v->size,
                     r->said_size ? "the first line says" : "the rows before");
}

static void place(struct reading *r, int64_t row)
{
    const size_t n = (size_t)r->v->size;
    memcpy(r->v->value + (size_t)row * n, r->row, n * sizeof *r->row);
}

/* A blank in a name that is asked for is `_` where blanks keep fields apart. */
static bool is_called(const struct reading *r, const char *asked, const char *name)
{
    for (; *asked && *name; asked++, name++) {
        if (*asked != *name && (r->commas || *asked != ' ' || *name != '_')) { return false; }
    }
    return *asked == *name;
}

/* Puts the row wherever its name is asked for. */
static enum umb_status take_named(struct reading *r, const char *name, char *numbers)
{
    enum umb_status st = UMB_OK;
    bool wanted = false;
    int64_t n = 0;
    for (size_t i = 0; st == UMB_OK && i < r->desc->n_names; i++) {
        if (!is_called(r, r->desc->names[i], name)) { continue; }
        if (r->found[i]) {
            return umb__fail(r->ctx, UMB_ERR_FORMAT,
                             "%s:%lld: '%.80s' is there again, line %lld has it; expected it once",
                             r->desc->path, (long long)r->number, name, (long long)r->found[i]);
        }
        if (!wanted) { st = read_numbers(r, numbers, &n); }
        if (st == UMB_OK && !wanted) { st = check_size(r, n); }
        if (st == UMB_OK) { st = make_room(r, (int64_t)r->desc->n_names); }
        if (st != UMB_OK) { return st; }
        place(r, (int64_t)i);
        wanted = true;
        r->found[i] = r->number;
    }
    return st;
}

static char *unquoted(char *name)
{
    const size_t n = strlen(name);
    if (n < 2 || name[0] != '"' || name[n - 1] != '"') { return name; }
    name[n - 1] = '\0';
    return name + 1;
}

static enum umb_status take_row(struct reading *r, char *line)
{
    if (r->n_seen++ == 0) { look_at_first(r, line); }
    char *at = line, *name = r->named ? cut(r->commas, &at) : NULL;
    if (r->desc->n_names) { return take_named(r, unquoted(name), at); }
    if (name && is_number(name)) {
        return fail_line(r, "begins with a number, the first row with a name; expected a name");
    }
    int64_t n = 0;
    enum umb_status st = read_numbers(r, at, &n);
    if (st == UMB_OK) { st = check_size(r, n); }
    if (st == UMB_OK) { st = make_room(r, r->v->rows + 1); }
    if (st == UMB_OK) { place(r, r->v->rows++); }
    return st;
}

/* ---- word2vec's first line ---- */

static bool may_be_head(struct reading *r)
{
    char text[HEAD_BYTES];
    if (strlen(r->line) >= sizeof text) { return false; }
    snprintf(text, sizeof text, "%s", r->line);
    snprintf(r->head, sizeof r->head, "%s", r->line);
    char *at = text, *rows = cut(false, &at), *size = cut(false, &at);
    return rows && size && !cut(false, &at) && umb__parse_int(rows, 1, INT64_MAX, &r->said_rows) &&
           umb__parse_int(size, 1, UMB_VECTORS_MOST, &r->said_size);
}

static int64_t count_fields(const char *line)
{
    int64_t n = 0;
    while (*(line += strspn(line, BLANKS))) {
        line += strcspn(line, BLANKS);
        n++;
    }
    return n;
}

/* It was one if the second line has a name and as many numbers as it says; else it is a row. */
static enum umb_status settle_head(struct reading *r, bool has_second)
{
    char field[HEAD_BYTES];
    const char *first = r->line + strspn(r->line, BLANKS);
    snprintf(field, sizeof field, "%.*s", (int)strcspn(first, BLANKS), first);
    r->has_head = false;
    if (has_second && count_fields(r->line) == r->said_size + 1 &&
        (r->desc->n_names || !is_number(field))) {
        return UMB_OK;
    }
    const int64_t number = r->number;
    r->said_rows = r->said_size = 0;
    r->number = 1;
    const enum umb_status st = take_row(r, r->head);
    r->number = number;
    return st;
}

/* ---- the whole ---- */

static enum umb_status check_whole(const struct reading *r)
{
    const char *missing = NULL;
    size_t n_missing = 0;
    if (r->said_rows && r->n_seen != r->said_rows) {
        return umb__fail(r->ctx, UMB_ERR_FORMAT,
                         "%s: has %lld rows, its first line says %lld; expected a whole file",
                         r->desc->path, (long long)r->n_seen, (long long)r->said_rows);
    }
    if (r->n_seen == 0) {
        return umb__fail(r->ctx, UMB_ERR_FORMAT, "%s: is empty; expected a row of numbers a line",
                         r->desc->path);
    }
    for (size_t i = 0; i < r->desc->n_names; i++) {
        if (r->found[i]) { continue; }
        if (!n_missing++) { missing = r->desc->names[i]; }
    }
    if (!missing) { return UMB_OK; }
    return umb__fail(r->ctx, UMB_ERR_INVALID,
                     "%s: none of its %lld rows is called '%.80s', and so of %zu of %zu names; "
                     "expected NAME NUMBER NUMBER … for each",
                     r->desc->path, (long long)r->n_seen, missing, n_missing, r->desc->n_names);
}

static enum umb_status read_all(struct reading *r)
{
    bool there = true;
    enum umb_status st = next_line(r, &there);
    if (st == UMB_OK && there && may_be_head(r)) {
        r->has_head = true;
        st = next_line(r, &there);
    } else {
        r->said_rows = r->said_size = 0;
    }
    if (st == UMB_OK && r->has_head) { st = settle_head(r, there); }
    while (st == UMB_OK && there) {
        st = take_row(r, r->line);
        if (st == UMB_OK) { st = next_line(r, &there); }
    }
    if (r->desc->n_names) { r->v->rows = (int64_t)r->desc->n_names; }
    return st == UMB_OK ? check_whole(r) : st;
}

enum umb_status umb__vectors_text(struct umb_context *ctx, const struct umb_vectors_desc *desc,
                                  struct umb_vectors *ret_vectors)
{
    struct reading r = {.ctx = ctx, .desc = desc, .v = ret_vectors};
    r.file = fopen(desc->path, "rb");
    if (!r.file) {
        return umb__fail(ctx, UMB_ERR_IO, "%s: cannot be opened: %s", desc->path, strerror(errno));
    }
    r.line = umb__calloc(ctx, MAX_LINE, 1);
    r.row = umb__calloc(ctx, UMB_VECTORS_MOST, sizeof *r.row);
    r.found = umb__calloc(ctx, desc->n_names + 1, sizeof *r.found);
    const enum umb_status st = r.line && r.row && r.found ? read_all(&r) : UMB_ERR_NO_MEMORY;
    umb__free(r.found);
    umb__free(r.row);
    umb__free(r.line);
    fclose(r.file);
    return st;
}
