/*
 * Attributes: from text into an op's struct by its descriptors, and back.
 *
 * Until it is set, a required attribute holds a value no text can give it (is_missing), so that
 * what is still absent can be told from the struct alone.
 */
#include "op.h"
#include "text.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const umb__activation_names[] = {"linear", "relu", "leaky_relu", "sigmoid",
                                             "tanh",   "gelu", "softmax",    NULL};

#define MAX_FLOATS 65536
#define MAX_KEYS 32
#define PIECE_BYTES 64

union value {
    int64_t i[2];
    double f;
    bool b;
    int choice;
    struct umb_floats floats;
};

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

static void put(const struct umb_attr_desc *d, void *attrs, const union value *v)
{
    memcpy((char *)attrs + d->offset, v, value_bytes(d->type));
}

static union value get(const struct umb_attr_desc *d, const void *attrs)
{
    union value v;
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

static enum umb_status read_value(struct umb_arena *arena, const struct umb_attr_desc *d,
                                  const char *const *texts, size_t n, union value *ret_value,
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

static union value missing_value(enum umb_attr_type type)
{
    union value v;
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

static bool is_missing(const struct umb_attr_desc *d, const void *attrs)
{
    const union value v = get(d, attrs);
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

static union value default_value(const struct umb_attr_desc *d)
{
    union value v = missing_value(d->type);
    if (d->fallback) {
        bool fine = false;
        const enum umb_status st = read_value(NULL, d, &d->fallback, 1, &v, &fine);
        assert(st == UMB_OK && fine);
        (void)st;
    }
    return v;
}

void umb__attrs_default(const struct umb_op *op, void *attrs)
{
    for (const struct umb_attr_desc *d = op->attrs; d && d->name; d++) {
        const union value v = default_value(d);
        put(d, attrs, &v);
    }
}

enum umb_status umb__attrs_check(struct umb_context *ctx, const struct umb_op *op,
                                 const void *attrs)
{
    for (const struct umb_attr_desc *d = op->attrs; d && d->name; d++) {
        if (d->required && is_missing(d, attrs)) {
            return umb__fail(ctx, UMB_ERR_INVALID, "%s: %s: missing; expected %s", op->name,
                             d->name, d->help);
        }
    }
    return UMB_OK;
}

/* Setting. */

static const struct umb_attr_desc *find(const struct umb_attr_desc *list, const char *key)
{
    for (const struct umb_attr_desc *d = list; d && d->name; d++) {
        if (strcmp(d->name, key) == 0) { return d; }
    }
    return NULL;
}

static enum umb_status unknown_key(struct umb_context *ctx, const struct umb_op *op,
                                   const char *key)
{
    const char *names[MAX_KEYS] = {0};
    size_t n = 0;
    for (const struct umb_attr_desc *d = op->attrs; d && d->name && n < MAX_KEYS; d++) {
        names[n++] = d->name;
    }
    const char *near = umb__nearest(key, names, n);
    if (near) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: %s: unknown key; did you mean '%s'?", op->name,
                         key, near);
    }
    if (n == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: %s: unknown key; %s takes none", op->name, key,
                         op->name);
    }
    struct umb_text list = {0};
    for (size_t i = 0; i < n; i++) {
        umb__text_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    umb__fail(ctx, UMB_ERR_INVALID, "%s: %s: unknown key; expected one of %s", op->name, key,
              umb__text_string(&list));
    umb__text_finish(&list);
    return UMB_ERR_INVALID;
}

static void list_choices(const struct umb_attr_desc *d, struct umb_text *t)
{
    for (int i = 0; d->choices[i]; i++) {
        umb__text_printf(t, "%s%s", i ? ", " : "", d->choices[i]);
    }
}

static void expected(const struct umb_attr_desc *d, struct umb_text *t)
{
    switch (d->type) {
    case UMB_ATTR_INT:
        umb__text_printf(t, "an integer of %.0f…%.0f", d->min, d->max);
        break;
    case UMB_ATTR_PAIR:
        umb__text_printf(t, "one integer or two (height, width), each of %.0f…%.0f", d->min,
                         d->max);
        if (d->choices) {
            umb__text_add(t, ", or one of ");
            list_choices(d, t);
        }
        break;
    case UMB_ATTR_FLOAT:
        umb__text_printf(t, "a number of %g…%g", d->min, d->max);
        break;
    case UMB_ATTR_FLOATS:
        umb__text_printf(t, "numbers of %g…%g", d->min, d->max);
        break;
    case UMB_ATTR_BOOL:
        umb__text_add(t, "true or false");
        break;
    case UMB_ATTR_CHOICE:
        umb__text_add(t, "one of ");
        list_choices(d, t);
        break;
    }
}

static enum umb_status wrong_value(struct umb_context *ctx, const struct umb_op *op,
                                   const struct umb_attr_desc *d, const char *const *texts,
                                   size_t n)
{
    struct umb_text t = {0};
    umb__text_add(&t, "'");
    for (size_t i = 0; i < n && i < 8; i++) {
        umb__text_printf(&t, "%s%.64s", i ? ", " : "", texts[i]);
    }
    umb__text_printf(&t, "'%s is wrong; expected ", n > 8 ? " …" : "");
    expected(d, &t);
    if (d->choices && n == 1) {
        size_t n_choices = 0;
        while (d->choices[n_choices]) {
            n_choices++;
        }
        const char *near = umb__nearest(texts[0], d->choices, n_choices);
        if (near) { umb__text_printf(&t, "; did you mean '%s'?", near); }
    }
    umb__fail(ctx, UMB_ERR_INVALID, "%s: %s: %s", op->name, d->name, umb__text_string(&t));
    umb__text_finish(&t);
    return UMB_ERR_INVALID;
}

static enum umb_status set(struct umb_context *ctx, struct umb_arena *arena,
                           const struct umb_op *op, const struct umb_attr_desc *d, void *attrs,
                           const char *const *texts, size_t n)
{
    union value v;
    bool fine = false;
    const enum umb_status st = read_value(arena, d, texts, n, &v, &fine);
    if (st != UMB_OK) { return st; }
    if (!fine) { return wrong_value(ctx, op, d, texts, n); }
    put(d, attrs, &v);
    return UMB_OK;
}

enum umb_status umb__attrs_set(struct umb_context *ctx, struct umb_arena *arena,
                               const struct umb_op *op, void *attrs, const char *key,
                               const char *const *texts, size_t n)
{
    const struct umb_attr_desc *d = find(op->attrs, key);
    return d ? set(ctx, arena, op, d, attrs, texts, n) : unknown_key(ctx, op, key);
}

/* Sets from one "key=value", which it cuts in two. */
static enum umb_status set_word(struct umb_context *ctx, struct umb_arena *arena,
                                const struct umb_op *op, bool inner, void *attrs, char *word)
{
    char *equals = strchr(word, '=');
    if (!equals) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: '%s': expected KEY=VALUE", op->name, word);
    }
    *equals = '\0';
    const char *text = equals + 1;
    const struct umb_attr_desc *d = inner ? find(op->inner, word) : NULL;
    return d ? set(ctx, arena, op, d, attrs, &text, 1)
             : umb__attrs_set(ctx, arena, op, attrs, word, &text, 1);
}

static enum umb_status parse(struct umb_context *ctx, struct umb_arena *arena,
                             const struct umb_op *op, bool inner, void *attrs, const char *text)
{
    char *words = umb__strdup(ctx, text ? text : "");
    if (!words) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = UMB_OK;
    char *rest = words;
    while (st == UMB_OK && *(rest += strspn(rest, " "))) {
        char *word = rest;
        rest += strcspn(rest, " ");
        if (*rest) { *rest++ = '\0'; }
        st = set_word(ctx, arena, op, inner, attrs, word);
    }
    umb__free(words);
    return st == UMB_OK ? umb__attrs_check(ctx, op, attrs) : st;
}

enum umb_status umb__attrs_parse(struct umb_context *ctx, struct umb_arena *arena,
                                 const struct umb_op *op, void *attrs, const char *text)
{
    return parse(ctx, arena, op, true, attrs, text);
}

/* Values to text. */

static bool same(const struct umb_attr_desc *d, const union value *a, const union value *b)
{
    switch (d->type) {
    case UMB_ATTR_INT:
        return a->i[0] == b->i[0];
    case UMB_ATTR_PAIR:
        return a->i[0] == b->i[0] && a->i[1] == b->i[1];
    case UMB_ATTR_FLOAT:
        return !(a->f < b->f || a->f > b->f);
    case UMB_ATTR_BOOL:
        return a->b == b->b;
    case UMB_ATTR_CHOICE:
        return a->choice == b->choice;
    case UMB_ATTR_FLOATS:
        return a->floats.n == 0;
    }
    return true;
}

static void print(const struct umb_attr_desc *d, const union value *v, struct umb_text *t)
{
    switch (d->type) {
    case UMB_ATTR_INT:
        umb__text_printf(t, "%lld", (long long)v->i[0]);
        break;
    case UMB_ATTR_PAIR:
        if (v->i[0] < 0) {
            umb__text_add(t, d->choices[-1 - v->i[0]]);
            break;
        }
        umb__text_printf(t, "%lld", (long long)v->i[0]);
        if (v->i[1] != v->i[0]) { umb__text_printf(t, ",%lld", (long long)v->i[1]); }
        break;
    case UMB_ATTR_FLOAT:
        umb__text_printf(t, "%.17g", v->f);
        break;
    case UMB_ATTR_BOOL:
        umb__text_add(t, v->b ? "true" : "false");
        break;
    case UMB_ATTR_CHOICE:
        umb__text_add(t, d->choices[v->choice]);
        break;
    case UMB_ATTR_FLOATS:
        for (size_t i = 0; i < v->floats.n; i++) {
            umb__text_printf(t, "%s%.17g", i ? "," : "", v->floats.value[i]);
        }
        break;
    }
}

static void print_all(const struct umb_attr_desc *list, const void *attrs, struct umb_text *t)
{
    for (const struct umb_attr_desc *d = list; d && d->name; d++) {
        const union value v = get(d, attrs), normal = default_value(d);
        if (is_missing(d, attrs) || same(d, &v, &normal)) { continue; }
        umb__text_printf(t, "%s%s=", t->length ? " " : "", d->name);
        print(d, &v, t);
    }
}

void umb__attrs_print(const struct umb_op *op, const void *attrs, struct umb_text *text)
{
    print_all(op->attrs, attrs, text);
    print_all(op->inner, attrs, text);
}

const char *umb__attrs_text(const struct umb_op *op, const void *attrs, char *buffer, size_t size)
{
    struct umb_text t = {0};
    umb__attrs_print(op, attrs, &t);
    snprintf(buffer, size, "%s", umb__text_string(&t));
    umb__text_finish(&t);
    return buffer;
}

enum umb_status umb__attrs_create(struct umb_context *ctx, struct umb_arena *arena,
                                  const struct umb_op *op, const char *text, void **ret_attrs)
{
    void *attrs = umb__arena_calloc(arena, 1, op->attrs_bytes ? op->attrs_bytes : 1);
    if (!attrs) { return UMB_ERR_NO_MEMORY; }
    umb__attrs_default(op, attrs);
    const enum umb_status st = parse(ctx, arena, op, false, attrs, text);
    if (st == UMB_OK) { *ret_attrs = attrs; }
    return st;
}
