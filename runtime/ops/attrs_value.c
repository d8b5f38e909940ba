/*
 * One attribute's value: read from texts by its descriptor, its default, and whether it is there.
 *
 * Until it is set, a required attribute holds a value no text can give it, so that what is still
 * absent can be told from the struct alone.
 */
#include "attrs_value.h"
#include "text.h"
#include <assert.h>
#include <math.h>
#include <string.h>

#define MAX_FLOATS 65536
#define PIECE_BYTES 64

static size_t value_bytes(enum umb_attr_type type)
{
    switch (type) {
    case UMB_ATTR_INT:
        return sizeof(int64_t);
    case UMB_ATTR_FLOAT:
        return sizeof(double);
    case UMB_ATTR_BOOL:
        return sizeof(bool);
    case UMB_ATTR_CHOICE:
        return sizeof(int);
    case UMB_ATTR_PAIR:
        return 2 * sizeof(int64_t);
    case UMB_ATTR_FLOATS:
        return sizeof(struct umb_floats);
    }
    return 0;
}

void umb__attr_put(const struct umb_attr_desc *d, void *attrs, const union umb_attr_value *v)
{
    memcpy((char *)attrs + d->offset, v, value_bytes(d->type));
}

union umb_attr_value umb__attr_get(const struct umb_attr_desc *d, const void *attrs)
{
    union umb_attr_value v;
    memset(&v, 0, sizeof v);
    memcpy(&v, (const char *)attrs + d->offset, value_bytes(d->type));
    return v;
}

/* Texts to values. */

/* The comma-separated pieces of several texts, one after another. */
struct pieces {
    const char *const *texts;
    size_t n, text;
    const char *at; /* NULL: begin texts[text] */
};

/* Copies the next piece without surrounding blanks; false when there is none. One that is too long
 * for any number becomes "?". */
static bool next_piece(struct pieces *p, char ret_piece[PIECE_BYTES])
{
    if (p->text == p->n) { return false; }
    const char *begin = p->at ? p->at : p->texts[p->text];
    const size_t length = strcspn(begin, ",");
    p->at = begin[length] == ',' ? begin + length + 1 : NULL;
    if (!p->at) { p->text++; }
    const char *end = begin + length;
    while (begin < end && *begin == ' ') {
        begin++;
    }
    while (end > begin && end[-1] == ' ') {
        end--;
    }
    const size_t n = (size_t)(end - begin);
    if (n >= PIECE_BYTES) {
        memcpy(ret_piece, "?", 2);
    } else {
        memcpy(ret_piece, begin, n);
        ret_piece[n] = '\0';
    }
    return true;
}

static bool read_integers(const struct umb_attr_desc *d, struct pieces p, int64_t ret_i[2])
{
    const int64_t min = (int64_t)d->min, max = (int64_t)d->max;
    char piece[PIECE_BYTES];
    if (!next_piece(&p, piece) || !umb__parse_int(piece, min, max, &ret_i[0])) { return false; }
    ret_i[1] = ret_i[0];
    if (!next_piece(&p, piece)) { return true; }
    if (d->type != UMB_ATTR_PAIR || !umb__parse_int(piece, min, max, &ret_i[1])) { return false; }
    return !next_piece(&p, piece);
}

static bool read_choice(const struct umb_attr_desc *d, const char *text, int *ret_choice)
{
    for (int i = 0; d->choices[i]; i++) {
        if (strcmp(d->choices[i], text) == 0) {
            *ret_choice = i;
            return true;
        }
    }
    return false;
}

/* A pair may be a word instead: choice i is −1 − i, twice. */
static bool read_pair(const struct umb_attr_desc *d, struct pieces p, int64_t ret_i[2])
{
    int choice;
    if (d->choices && p.n == 1 && read_choice(d, p.texts[0], &choice)) {
        ret_i[0] = ret_i[1] = -1 - choice;
        return true;
    }
    return read_integers(d, p, ret_i);
}

/* *ret_fine false with UMB_OK: a text is not a number in range. */
static enum umb_status read_floats(struct umb_arena *arena, const struct umb_attr_desc *d,
                                   struct pieces all, struct umb_floats *ret_floats, bool *ret_fine)
{
    char piece[PIECE_BYTES];
    struct pieces p = all;
    size_t n = 0;
    while (n <= MAX_FLOATS && next_piece(&p, piece)) {
        n++;
    }
    *ret_fine = false;
    if (n > MAX_FLOATS) { return UMB_OK; }
    double *value = umb__arena_calloc(arena, n, sizeof *value);
    if (!value) { return UMB_ERR_NO_MEMORY; }
    p = all;
    for (size_t i = 0; i < n; i++) {
        if (!next_piece(&p, piece) || !umb__parse_double(piece, d->min, d->max, &value[i])) {
            return UMB_OK;
        }
    }
    *ret_fine = true;
    *ret_floats = (struct umb_floats){value, n};
    return UMB_OK;
}

enum umb_status umb__attr_read(struct umb_arena *arena, const struct umb_attr_desc *d,
                               const char *const *texts, size_t n, union umb_attr_value *ret_value,
                               bool *ret_fine)
{
    const struct pieces p = {.texts = texts, .n = n};
    memset(ret_value, 0, sizeof *ret_value);
    switch (d->type) {
    case UMB_ATTR_INT:
        *ret_fine = read_integers(d, p, ret_value->i);
        break;
    case UMB_ATTR_PAIR:
        *ret_fine = read_pair(d, p, ret_value->i);
        break;
    case UMB_ATTR_FLOAT:
        *ret_fine = n == 1 && umb__parse_double(texts[0], d->min, d->max, &ret_value->f);
        break;
    case UMB_ATTR_BOOL:
        *ret_fine = n == 1 && umb__parse_bool(texts[0], &ret_value->b);
        break;
    case UMB_ATTR_CHOICE:
        *ret_fine = n == 1 && read_choice(d, texts[0], &ret_value->choice);
        break;
    case UMB_ATTR_FLOATS:
        return read_floats(arena, d, p, &ret_value->floats, ret_fine);
    }
    return UMB_OK;
}

/* Defaults and what is missing. */

static union umb_attr_value missing_value(enum umb_attr_type type)
{
    union umb_attr_value v;
    memset(&v, 0, sizeof v);
    switch (type) {
    case UMB_ATTR_INT:
    case UMB_ATTR_PAIR:
        v.i[0] = v.i[1] = INT64_MIN;
        break;
    case UMB_ATTR_FLOAT:
        v.f = NAN;
        break;
    case UMB_ATTR_CHOICE:
        v.choice = -1;
        break;
    case UMB_ATTR_BOOL:
    case UMB_ATTR_FLOATS:
        break;
    }
    return v;
}

bool umb__attr_is_missing(const struct umb_attr_desc *d, const void *attrs)
{
    const union umb_attr_value v = umb__attr_get(d, attrs);
    switch (d->type) {
    case UMB_ATTR_INT:
    case UMB_ATTR_PAIR:
        return v.i[0] == INT64_MIN;
    case UMB_ATTR_FLOAT:
        return isnan(v.f);
    case UMB_ATTR_CHOICE:
        return v.choice < 0;
    case UMB_ATTR_FLOATS:
        return v.floats.n == 0;
    case UMB_ATTR_BOOL:
        break;
    }
    return false;
}

union umb_attr_value umb__attr_default(const struct umb_attr_desc *d)
{
    union umb_attr_value v = missing_value(d->type);
    if (d->fallback) {
        bool fine = false;
        const enum umb_status st = umb__attr_read(NULL, d, &d->fallback, 1, &v, &fine);
        assert(st == UMB_OK && fine);
        (void)st;
    }
    return v;
}
