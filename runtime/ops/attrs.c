/* Attributes: from text into an op's struct by its descriptors, and what is still missing there. */
#include "attrs_value.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

const char *const umb__activation_names[] = {"linear", "relu", "leaky_relu", "sigmoid",
                                             "tanh",   "gelu", "softmax",    NULL};

#define MAX_KEYS 32

void umb__attrs_default(const struct umb_op *op, void *attrs)
{
    for (const struct umb_attr_desc *d = op->attrs; d && d->name; d++) {
        const union umb_attr_value v = umb__attr_default(d);
        umb__attr_put(d, attrs, &v);
    }
}

enum umb_status umb__attrs_check(struct umb_context *ctx, const struct umb_op *op,
                                 const void *attrs)
{
    for (const struct umb_attr_desc *d = op->attrs; d && d->name; d++) {
        if (d->required && umb__attr_is_missing(d, attrs)) {
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
    union umb_attr_value v;
    bool fine = false;
    const enum umb_status st = umb__attr_read(arena, d, texts, n, &v, &fine);
    if (st != UMB_OK) { return st; }
    if (!fine) { return wrong_value(ctx, op, d, texts, n); }
    umb__attr_put(d, attrs, &v);
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
