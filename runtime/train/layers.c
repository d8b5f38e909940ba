/*
 * layers.c: see layers.h.
 *
 *   - conv: {filters: 64, size: 3}            an op and its attributes
 *   - {add: {}, from: [a, b], name: c}        name and from stand beside the op or among its keys
 *   - residual: {body: […], shortcut: […]}    add(body(x), shortcut(x)), then the activation
 *   - repeat: {times: 3, body: […]}           the body three times, each with its own parameters
 *   - conv: {filters: 64, size: 3, share: c}  with the parameters of the earlier layer c
 */
#include "layers.h"

#include "fail.h"
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_INPUTS 64
#define MAX_TIMES 1000

/* One item of a list, taken apart. */
struct layer {
    const struct umb_yaml *node; /* the item */
    const struct umb_yaml *op_node;
    const char *op;
    const struct umb_yaml *attrs, *name, *from, *share; /* NULL: none */
};

static const char *const own_keys[] = {"name", "from", "share", "init", NULL};

void umb__walk_finish(struct umb_walk *w)
{
    umb__free(w->named);
    umb__free(w->count);
}

/* Names. */

int umb__walk_find(const struct umb_walk *w, const char *name)
{
    for (size_t i = w->n_named; i-- > 0;) {
        if (strcmp(w->named[i].name, name) == 0) { return w->named[i].value; }
    }
    return -1;
}

/* Before the layer is made: the net would only know its own name for it. */
static enum umb_status check_name(const struct umb_walk *w, const char *name,
                                  const struct umb_yaml *node)
{
    for (size_t i = 0; i < w->n_named; i++) {
        if (strcmp(w->named[i].name, name) != 0 || w->named[i].node == node) { continue; }
        return umb__yaml_fail(w->exp->ctx, node,
                              "'%s' is the name of an earlier layer; expected another", name);
    }
    return UMB_OK;
}

enum umb_status umb__walk_name(struct umb_walk *w, const char *name, const struct umb_yaml *node,
                               int value)
{
    for (size_t i = 0; i < w->n_named; i++) {
        if (strcmp(w->named[i].name, name) != 0) { continue; }
        w->named[i].value = value;
        return UMB_OK;
    }
    if (w->n_named == w->named_capacity) {
        size_t more = w->named_capacity ? 2 * w->named_capacity : 16;
        struct umb_named_layer *p =
            umb__grow(w->exp->ctx, w->named, w->named_capacity, more, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        w->named = p;
        w->named_capacity = more;
    }
    w->named[w->n_named++] = (struct umb_named_layer){name, node, value, NULL};
    return UMB_OK;
}

/* "conv" → 1, 2, 3 … in this walk; 0: no memory. */
static int count_up(struct umb_walk *w, const char *op)
{
    for (size_t i = 0; i < w->n_counts; i++) {
        if (strcmp(w->count[i].op, op) == 0) { return ++w->count[i].n; }
    }
    if (w->n_counts == w->count_capacity) {
        size_t more = w->count_capacity ? 2 * w->count_capacity : 16;
        struct umb_layer_count *p =
            umb__grow(w->exp->ctx, w->count, w->count_capacity, more, sizeof *p);
        if (!p) { return 0; }
        w->count = p;
        w->count_capacity = more;
    }
    w->count[w->n_counts++] = (struct umb_layer_count){op, 1};
    return 1;
}

static enum umb_status unknown_name(struct umb_walk *w, const struct umb_yaml *node,
                                    const char *name)
{
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < w->n_named && n < COUNT(names); i++) {
        names[n++] = w->named[i].name;
    }
    if (w->outer_names) { n += w->outer_names(w->outer_user, names + n, COUNT(names) - n); }
    return umb__yaml_unknown(w->exp->ctx, node, "layer", name, names, n);
}

static enum umb_status resolve(struct umb_walk *w, const struct umb_yaml *node, int *ret_value)
{
    const char *name = NULL;
    enum umb_status st = umb__yaml_text(w->exp->ctx, node, &name);
    if (st != UMB_OK) { return st; }
    *ret_value = umb__walk_find(w, name);
    bool found = *ret_value >= 0;
    if (!found && w->outer) { st = w->outer(w->outer_user, name, &found, ret_value); }
    if (st != UMB_OK) { return umb__yaml_fail_prefix(w->exp->ctx, node, st); }
    return found ? UMB_OK : unknown_name(w, node, name);
}

/* The layer's inputs: those of `from`, else the layer before. */
static enum umb_status read_inputs(struct umb_walk *w, const struct umb_yaml *from, int *in,
                                   int *ret_n)
{
    in[0] = w->at;
    *ret_n = 1;
    if (!from) { return UMB_OK; }
    if (from->kind != UMB_YAML_LIST) { return resolve(w, from, &in[0]); }
    if (from->n_items == 0 || from->n_items > MAX_INPUTS) {
        return umb__yaml_fail(w->exp->ctx, from, "has %zu names; expected 1 to %d", from->n_items,
                              MAX_INPUTS);
    }
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < from->n_items; i++) {
        st = resolve(w, from->item[i], &in[i]);
    }
    *ret_n = (int)from->n_items;
    return st;
}

/* One layer. */

static enum umb_status pick(struct umb_walk *w, struct layer *l, const char *key,
                            const struct umb_yaml **ret)
{
    const struct umb_yaml *beside = umb__yaml_get(l->node, key),
                          *within = umb__yaml_get(l->attrs, key);
    if (beside && within) {
        return umb__yaml_fail(w->exp->ctx, beside, "is there twice; expected it once");
    }
    *ret = beside ? beside : within;
    return UMB_OK;
}

static bool is_own_key(const char *key)
{
    size_t i = 0;
    while (own_keys[i] && strcmp(own_keys[i], key) != 0) {
        i++;
    }
    return own_keys[i] != NULL;
}

/* Behind several images there is no layer before the first. */
static enum umb_status check_from(const struct umb_walk *w, const struct layer *l)
{
    if (l->from || w->at >= 0) { return UMB_OK; }
    return umb__yaml_fail(w->exp->ctx, l->node,
                          "from: is missing, the samples have several images; expected the name of "
                          "one, or of a layer");
}

/* "conv", {conv: {…}} or {conv: {…}, name: …, from: …}. */
static enum umb_status take_apart(struct umb_walk *w, const struct umb_yaml *node, struct layer *l)
{
    *l = (struct layer){.node = node, .op_node = node};
    if (node->kind == UMB_YAML_SCALAR) {
        const enum umb_status st = umb__yaml_text(w->exp->ctx, node, &l->op);
        return st == UMB_OK ? check_from(w, l) : st;
    }
    enum umb_status st = umb__yaml_want(w->exp->ctx, node, UMB_YAML_MAP);
    if (st != UMB_OK) { return st; }
    size_t n_ops = 0;
    for (size_t i = 0; i < node->n_items; i++) {
        const char *key = node->item[i]->key;
        if (is_own_key(key)) { continue; }
        if (n_ops++ == 0) {
            l->op_node = node->item[i];
            l->op = key;
        } else {
            l->attrs = node->item[i]; /* the second, for the error below */
        }
    }
    if (n_ops != 1) {
        return umb__yaml_fail(w->exp->ctx, n_ops ? l->attrs : node,
                              "a layer has one op; expected {OP: {KEY: VALUE, …}}%s",
                              n_ops ? ", and the next one as an item of its own" : "");
    }
    l->attrs = umb__yaml_is_null(l->op_node) ? NULL : l->op_node;
    if (l->attrs) { st = umb__yaml_want(w->exp->ctx, l->attrs, UMB_YAML_MAP); }
    if (st == UMB_OK) { st = pick(w, l, "name", &l->name); }
    if (st == UMB_OK) { st = pick(w, l, "from", &l->from); }
    if (st == UMB_OK) { st = pick(w, l, "share", &l->share); }
    return st == UMB_OK ? check_from(w, l) : st;
}

static enum umb_status unknown_op(struct umb_walk *w, const struct layer *l)
{
    const char *names[UMB_MAX_OP_NAMES] = {"residual", "repeat"};
    size_t n = 2 + umb__exp_op_names(UMB_OP_LAYER, names + 2, UMB_MAX_OP_NAMES - 2);
    return umb__yaml_unknown(w->exp->ctx, l->op_node, "layer", l->op, names, n);
}

/* PREFIX name SUFFIX, and for a further walk of the same list @AGAIN. */
static enum umb_status full_name(struct umb_walk *w, const char *given, const char *op,
                                 const char **ret_name, const char **ret_share)
{
    struct umb_arena *arena = w->exp->tree->arena;
    int n = given ? 1 : count_up(w, op);
    const char *name = given ? umb__arena_printf(arena, "%s%s%s", w->prefix, given, w->suffix)
                             : umb__arena_printf(arena, "%s%s%d", w->prefix, op, n);
    if (!name || n == 0) { return UMB_ERR_NO_MEMORY; }
    *ret_name = name;
    *ret_share = NULL;
    if (!w->again) { return UMB_OK; }
    *ret_share = name;
    *ret_name = umb__arena_printf(arena, "%s@%s", name, w->again);
    return *ret_name ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Whose parameters the layer takes: a name given in this walk, or in that behind it, or, with the
 * task or trunk in front, elsewhere. */
static enum umb_status shared_layer(struct umb_walk *w, const struct umb_yaml *node,
                                    const char **ret_layer)
{
    const char *name = NULL;
    *ret_layer = NULL;
    if (!node || umb__yaml_is_null(node)) { return UMB_OK; }
    enum umb_status st = umb__yaml_text(w->exp->ctx, node, &name);
    if (st != UMB_OK) { return st; }
    if (strchr(name, '.')) {
        *ret_layer = name;
        return UMB_OK;
    }
    for (const struct umb_walk *at = w; at && !*ret_layer; at = at->behind) {
        for (size_t i = 0; i < at->n_named && !*ret_layer; i++) {
            if (strcmp(at->named[i].name, name) == 0) { *ret_layer = at->named[i].layer; }
        }
    }
    return *ret_layer ? UMB_OK : unknown_name(w, node, name);
}

/* Adds the op, with the net's complaint put to its line. In a further walk the layer shares with
 * its own first, which shares with whom it is to share. */
static enum umb_status add_op(struct umb_walk *w, const struct umb_yaml *node, const char *given,
                              const char *share, struct umb_layer_desc *desc)
{
    if (++w->n_layers > UMB_MAX_LAYERS) {
        return umb__yaml_fail(w->exp->ctx, node, "more than %d layers", UMB_MAX_LAYERS);
    }
    desc->device = w->device;
    enum umb_status st = full_name(w, given, desc->op, &desc->name, &desc->share);
    if (!desc->share) { desc->share = share; }
    desc->init = desc->share ? NULL : w->init;
    if (st == UMB_OK) { st = umb_net_layer(w->net, desc, &w->at); }
    if (st == UMB_OK) { w->made = desc->name; }
    if (st == UMB_OK || st == UMB_ERR_NO_MEMORY) { return st; }
    return umb__yaml_fail_prefix(w->exp->ctx, node, st);
}

static enum umb_status given_name(struct umb_walk *w, const struct layer *l, const char **ret_name)
{
    *ret_name = NULL;
    if (!l->name) { return UMB_OK; }
    enum umb_status st = umb__yaml_name(w->exp->ctx, l->name, ret_name);
    return st == UMB_OK ? check_name(w, *ret_name, l->name) : st;
}

static enum umb_status keep_name(struct umb_walk *w, const struct layer *l, const char *given)
{
    const enum umb_status st = given ? umb__walk_name(w, given, l->name, w->at) : UMB_OK;
    for (size_t i = 0; given && i < w->n_named; i++) {
        if (strcmp(w->named[i].name, given) == 0) { w->named[i].layer = w->made; }
    }
    return st;
}

/* The op's attributes, with what is counted or read of files in its place. */
static enum umb_status read_attrs(struct umb_experiment *exp, const struct umb_op *op,
                                  const struct umb_yaml *keys, const char **ret_attrs)
{
    const char *values = NULL;
    enum umb_status st = umb__exp_adjacency(exp, &keys);
    if (st == UMB_OK) { st = umb__exp_vectors(exp, op, keys, &values); }
    if (st == UMB_OK) {
        st = umb__exp_attrs(exp, op, keys, values ? umb__vectors_keys : own_keys, ret_attrs);
    }
    if (st != UMB_OK || !values || !*values) { return st; }
    *ret_attrs = umb__arena_printf(exp->tree->arena, "%s%s", *ret_attrs, values);
    return *ret_attrs ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status walk_op(struct umb_walk *w, const struct layer *l)
{
    const struct umb_op *op = umb__op_find(l->op);
    if (!op || !(op->flags & UMB_OP_LAYER)) { return unknown_op(w, l); }
    const char *attrs = NULL, *given = NULL, *share = NULL;
    int in[MAX_INPUTS], n_in = 0;
    const struct umb_yaml *keys = l->op_node == l->node ? NULL : l->op_node;
    enum umb_status st = read_attrs(w->exp, op, keys, &attrs);
    if (st == UMB_OK) { st = given_name(w, l, &given); }
    if (st == UMB_OK) { st = read_inputs(w, l->from, in, &n_in); }
    if (op->max_in == 0 && !l->from) { n_in = 0; }
    const struct umb_yaml *init = umb__yaml_get(l->attrs, "init");
    if (st == UMB_OK && init) { st = umb__yaml_text(w->exp->ctx, init, &w->init); }
    if (st == UMB_OK) { st = shared_layer(w, l->share, &share); }
    struct umb_layer_desc desc = {.op = l->op, .attrs = attrs, .in = in, .n_in = n_in};
    if (st == UMB_OK) { st = add_op(w, l->op_node, given, share, &desc); }
    w->init = NULL;
    return st == UMB_OK ? keep_name(w, l, given) : st;
}

/* Residual and repeat. */

static enum umb_status part(struct umb_walk *w, const struct layer *l, const char *key,
                            const struct umb_yaml **ret)
{
    *ret = umb__yaml_get(l->attrs, key);
    if (*ret) { return umb__yaml_want(w->exp->ctx, *ret, UMB_YAML_LIST); }
    return umb__yaml_fail(w->exp->ctx, l->op_node, "%s: is missing; expected a list of layers",
                          key);
}

static enum umb_status check_sum(struct umb_walk *w, const struct layer *l, const int in[2])
{
    struct umb_shape body = umb_net_shape(w->net, in[0]), other = umb_net_shape(w->net, in[1]);
    if (umb__shape_equal(&body, &other)) { return UMB_OK; }
    char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
    return umb__yaml_fail(
        w->exp->ctx, l->op_node, "the body ends in %s, the shortcut in %s; expected the same shape",
        umb__shape_text(&body, a, sizeof a), umb__shape_text(&other, b, sizeof b));
}

static enum umb_status add_activation(struct umb_walk *w, const struct umb_yaml *node,
                                      const char *given)
{
    const char *name = NULL;
    enum umb_status st = umb__yaml_text(w->exp->ctx, node, &name);
    size_t n = 0;
    while (umb__activation_names[n]) {
        n++;
    }
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        if (strcmp(umb__activation_names[i], name) != 0) { continue; }
        const int in = w->at;
        struct umb_layer_desc desc = {.op = name, .in = &in, .n_in = 1};
        return i == UMB_ACT_LINEAR ? UMB_OK : add_op(w, node, given, NULL, &desc);
    }
    if (st != UMB_OK) { return st; }
    return umb__yaml_unknown(w->exp->ctx, node, "activation", name, umb__activation_names, n);
}

static enum umb_status walk_residual(struct umb_walk *w, const struct layer *l)
{
    static const char *const keys[] = {"body", "shortcut", "activation", "name", "from"};
    const struct umb_yaml *body = NULL, *shortcut = umb__yaml_get(l->attrs, "shortcut"),
                          *activation = umb__yaml_get(l->attrs, "activation");
    const char *given = NULL;
    int in[MAX_INPUTS], n_in = 0, sum[2];
    enum umb_status st =
        l->attrs ? umb__yaml_keys(w->exp->ctx, l->attrs, keys, COUNT(keys)) : UMB_OK;
    if (st == UMB_OK) { st = part(w, l, "body", &body); }
    if (st == UMB_OK && shortcut) { st = umb__yaml_want(w->exp->ctx, shortcut, UMB_YAML_LIST); }
    if (st == UMB_OK) { st = given_name(w, l, &given); }
    if (st == UMB_OK) { st = read_inputs(w, l->from, in, &n_in); }
    if (st == UMB_OK && n_in != 1) {
        st = umb__yaml_fail(w->exp->ctx, l->from, "has %d names; expected one", n_in);
    }
    if (st != UMB_OK) { return st; }
    w->at = in[0];
    st = umb__walk_list(w, body);
    sum[0] = w->at;
    w->at = in[0];
    if (st == UMB_OK && shortcut) { st = umb__walk_list(w, shortcut); }
    sum[1] = w->at;
    if (st == UMB_OK) { st = check_sum(w, l, sum); }
    struct umb_layer_desc desc = {.op = "add", .in = sum, .n_in = 2};
    if (st == UMB_OK) { st = add_op(w, l->op_node, NULL, NULL, &desc); }
    if (st == UMB_OK && activation) { st = add_activation(w, activation, given); }
    return st == UMB_OK ? keep_name(w, l, given) : st;
}

static enum umb_status walk_repeat(struct umb_walk *w, const struct layer *l)
{
    static const char *const keys[] = {"times", "body", "name", "from"};
    const struct umb_yaml *body = NULL, *times = umb__yaml_get(l->attrs, "times");
    const char *given = NULL;
    int64_t n = 0;
    int in[MAX_INPUTS], n_in = 0;
    enum umb_status st =
        l->attrs ? umb__yaml_keys(w->exp->ctx, l->attrs, keys, COUNT(keys)) : UMB_OK;
    if (st == UMB_OK && !times) {
        st = umb__yaml_fail(w->exp->ctx, l->op_node, "times: is missing; expected how often");
    }
    if (st == UMB_OK) { st = umb__yaml_int(w->exp->ctx, times, 1, MAX_TIMES, &n); }
    if (st == UMB_OK) { st = part(w, l, "body", &body); }
    if (st == UMB_OK) { st = given_name(w, l, &given); }
    if (st == UMB_OK) { st = read_inputs(w, l->from, in, &n_in); }
    if (st == UMB_OK && n_in != 1) {
        st = umb__yaml_fail(w->exp->ctx, l->from, "has %d names; expected one", n_in);
    }
    if (st != UMB_OK) { return st; }
    size_t suffix = strlen(w->suffix);
    w->at = in[0];
    for (int64_t i = 0; st == UMB_OK && i < n; i++) {
        snprintf(w->suffix + suffix, sizeof w->suffix - suffix, "_%lld", (long long)i + 1);
        st = umb__walk_list(w, body);
    }
    w->suffix[suffix] = 0;
    return st == UMB_OK ? keep_name(w, l, given) : st;
}

enum umb_status umb__walk_list(struct umb_walk *w, const struct umb_yaml *list)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < list->n_items; i++) {
        struct layer l;
        st = take_apart(w, list->item[i], &l);
        if (st != UMB_OK) { break; }
        const bool group = strcmp(l.op, "residual") == 0 || strcmp(l.op, "repeat") == 0;
        if (group && l.share) {
            return umb__yaml_fail(w->exp->ctx, l.share,
                                  "%s is no layer; expected it on a layer of "
                                  "the body",
                                  l.op);
        }
        if (strcmp(l.op, "residual") == 0) {
            st = walk_residual(w, &l);
        } else if (strcmp(l.op, "repeat") == 0) {
            st = walk_repeat(w, &l);
        } else {
            st = walk_op(w, &l);
        }
    }
    return st;
}
