/*
 * exp_attrs.c: attributes of ops (layers, losses, optimizers) out of an experiment.
 *
 * Every key is tried against the op's own table, so that adding an op needs no line here.
 */
#include "experiment.h"

#include "fail.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

#define MAX_VALUES 65536 /* of one attribute, as ops take: relations of 256 classes */

size_t umb__exp_op_names(unsigned flags, const char **names, size_t max)
{
    size_t n = 0;
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *op = *family; *op; op++) {
            if (((*op)->flags & flags) == flags && n < max) { names[n++] = (*op)->name; }
        }
    }
    return n;
}

static bool contains(const char *const *list, const char *name)
{
    for (; list && *list; list++) {
        if (strcmp(*list, name) == 0) { return true; }
    }
    return false;
}

/* The texts of a value: itself, or those of a list. */
static enum umb_status value_texts(struct umb_experiment *exp, const struct umb_yaml *value,
                                   const char ***ret_texts, size_t *ret_n)
{
    if (value->kind == UMB_YAML_MAP || value->n_items > MAX_VALUES) {
        return umb__yaml_fail(exp->ctx, value, "is %s; expected a value or a short list",
                              value->kind == UMB_YAML_MAP ? "a map" : "too long");
    }
    size_t n = value->kind == UMB_YAML_LIST ? value->n_items : 1;
    const char **texts = umb__arena_calloc(exp->tree->arena, n + 1, sizeof *texts);
    if (!texts) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < n; i++) {
        const struct umb_yaml *item = value->kind == UMB_YAML_LIST ? value->item[i] : value;
        if (item->kind != UMB_YAML_SCALAR || !*item->text || strpbrk(item->text, " ,=\t\n")) {
            return umb__yaml_fail(exp->ctx, item,
                                  "is no simple value; expected a number or a word");
        }
        texts[i] = item->text;
    }
    *ret_texts = texts;
    *ret_n = n;
    return UMB_OK;
}

/* The op's message begins "OP: KEY: "; the path of the node says that already. */
static enum umb_status refuse(struct umb_experiment *exp, const struct umb_op *op,
                              const struct umb_yaml *node, const char *key)
{
    char prefix[160], message[1024];
    snprintf(prefix, sizeof prefix, "%s: %s%s", op->name, key, *key ? ": " : "");
    const char *whole = umb_context_error(exp->ctx);
    size_t n = strlen(prefix);
    snprintf(message, sizeof message, "%s", strncmp(whole, prefix, n) == 0 ? whole + n : whole);
    return umb__yaml_fail(exp->ctx, node, "%s", message);
}

static enum umb_status add_attr(struct umb_experiment *exp, const struct umb_op *op, void *attrs,
                                const struct umb_yaml *value, struct umb_text *out)
{
    const char **texts = NULL;
    size_t n = 0;
    enum umb_status st = value_texts(exp, value, &texts, &n);
    if (st != UMB_OK) { return st; }
    st = umb__attrs_set(exp->ctx, exp->tree->arena, op, attrs, value->key, texts, n);
    if (st == UMB_ERR_INVALID) { return refuse(exp, op, value, value->key); }
    umb__text_printf(out, "%s%s=", out->length ? " " : "", value->key);
    for (size_t i = 0; i < n; i++) {
        umb__text_printf(out, "%s%s", i ? "," : "", texts[i]);
    }
    return st;
}

enum umb_status umb__exp_attrs(struct umb_experiment *exp, const struct umb_op *op,
                               const struct umb_yaml *node, const char *const *skip,
                               const char **ret_text)
{
    bool none = !node || umb__yaml_is_null(node);
    enum umb_status st = none ? UMB_OK : umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    void *attrs = umb__arena_calloc(exp->tree->arena, 1, op->attrs_bytes + 1);
    if (st == UMB_OK && !attrs) { st = UMB_ERR_NO_MEMORY; }
    if (st != UMB_OK) { return st; }
    umb__attrs_default(op, attrs);
    struct umb_text text = {0};
    for (size_t i = 0; st == UMB_OK && !none && i < node->n_items; i++) {
        if (contains(skip, node->item[i]->key)) { continue; }
        st = add_attr(exp, op, attrs, node->item[i], &text);
    }
    if (st == UMB_OK) { st = umb__text_status(exp->ctx, &text); }
    if (st == UMB_OK && umb__attrs_check(exp->ctx, op, attrs) != UMB_OK) {
        st = node ? refuse(exp, op, node, "") : UMB_ERR_INVALID;
    }
    if (st == UMB_OK) {
        *ret_text = umb__arena_strdup(exp->tree->arena, umb__text_string(&text));
        st = *ret_text ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    umb__text_finish(&text);
    return st;
}

enum umb_status umb__exp_choice(struct umb_context *ctx, const struct umb_yaml *node,
                                const char *what, const char **ret_name,
                                const struct umb_yaml **ret_attrs)
{
    *ret_attrs = NULL;
    if (node->kind == UMB_YAML_SCALAR) { return umb__yaml_text(ctx, node, ret_name); }
    if (node->kind == UMB_YAML_MAP && node->n_items == 1) {
        *ret_name = node->item[0]->key;
        *ret_attrs = node->item[0];
        return UMB_OK;
    }
    return umb__yaml_fail(ctx, node, "is no %s; expected NAME or {NAME: {KEY: VALUE, …}}", what);
}
