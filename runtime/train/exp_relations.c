/*
 * exp_relations.c: which trunks are related: pairs or a matrix, or combinations of all.
 */
#include "exp_share.h"

#include <ctype.h>
#include <string.h>

#include "fail.h"

#define MOST 1e6
#define MAX_COMBINATIONS 4096

static enum umb_status find_trunk(struct umb_experiment *exp, const struct umb_yaml *node,
                                  const char *name, size_t *ret_trunk)
{
    const char *names[UMB_SOFT_MAX_TRUNKS];
    for (size_t t = 0; t < exp->n_trunks; t++) {
        names[t] = exp->trunk[t].name;
        *ret_trunk = t;
        if (name && strcmp(names[t], name) == 0) { return UMB_OK; }
    }
    return umb__yaml_unknown(exp->ctx, node, "trunk", name ? name : "", names, exp->n_trunks);
}

/* A number at [row,column] of values [rows,columns]. */
static enum umb_status read_matrix(struct umb_experiment *exp, const struct umb_yaml *node,
                                   double least, int *ret_columns, double **ret_values)
{
    const size_t n = node->item[0]->n_items;
    if (node->n_items != exp->n_trunks || n < 1 || n > MAX_COMBINATIONS) {
        return umb__yaml_fail(exp->ctx, node,
                              "has %zu rows of %zu numbers; expected a row for each of %zu trunks",
                              node->n_items, n, exp->n_trunks);
    }
    double *values = umb__arena_calloc(exp->tree->arena, exp->n_trunks * n, sizeof *values);
    if (!values) { return UMB_ERR_NO_MEMORY; }
    for (size_t t = 0; t < exp->n_trunks; t++) {
        const struct umb_yaml *row = node->item[t];
        enum umb_status st = umb__yaml_want(exp->ctx, row, UMB_YAML_LIST);
        if (st == UMB_OK && row->n_items != n) {
            st = umb__yaml_fail(exp->ctx, row, "has %zu numbers; expected %zu as the first row",
                                row->n_items, n);
        }
        for (size_t s = 0; st == UMB_OK && s < n; s++) {
            st = umb__yaml_double(exp->ctx, row->item[s], least, MOST, &values[t * n + s]);
        }
        if (st != UMB_OK) { return st; }
    }
    *ret_columns = (int)n;
    *ret_values = values;
    return UMB_OK;
}

/* ---- relations ---- */

/* value NULL: 1. known [T,T]: which were said. */
struct relations {
    struct umb_experiment *exp;
    double *a;
    bool *known;
};

static enum umb_status relate(struct relations *r, const struct umb_yaml *node, const char *first,
                              const char *second, const struct umb_yaml *value)
{
    const size_t T = r->exp->n_trunks;
    size_t t = 0, s = 0;
    double a = 1;
    enum umb_status st = find_trunk(r->exp, node, first, &t);
    if (st == UMB_OK) { st = find_trunk(r->exp, node, second, &s); }
    if (st == UMB_OK && value) { st = umb__yaml_double(r->exp->ctx, value, 0, MOST, &a); }
    if (st != UMB_OK) { return st; }
    if (t == s) {
        return umb__yaml_fail(r->exp->ctx, node, "relates %s to itself; expected another trunk",
                              first);
    }
    if (r->known[t * T + s] && r->a[t * T + s] != a) {
        return umb__yaml_fail(r->exp->ctx, node,
                              "%s and %s are related by %g already; expected one number", first,
                              second, r->a[t * T + s]);
    }
    r->a[t * T + s] = r->a[s * T + t] = a;
    r->known[t * T + s] = r->known[s * T + t] = true;
    return UMB_OK;
}

/* {a: {b: 1, c: 0.5}} */
static enum umb_status read_map(struct relations *r, const struct umb_yaml *map)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < map->n_items; i++) {
        const struct umb_yaml *row = map->item[i];
        st = umb__yaml_want(r->exp->ctx, row, UMB_YAML_MAP);
        for (size_t k = 0; st == UMB_OK && k < row->n_items; k++) {
            st = relate(r, row->item[k], row->key, row->item[k]->key, row->item[k]);
        }
    }
    return st;
}

/* [[a, b], [a, c, 0.5]] */
static enum umb_status read_pairs(struct relations *r, const struct umb_yaml *list)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < list->n_items; i++) {
        const struct umb_yaml *p = list->item[i];
        st = umb__yaml_want(r->exp->ctx, p, UMB_YAML_LIST);
        if (st == UMB_OK && p->n_items != 2 && p->n_items != 3) {
            st = umb__yaml_fail(r->exp->ctx, p, "has %zu items; expected [TRUNK, TRUNK, NUMBER]",
                                p->n_items);
        }
        if (st != UMB_OK) { return st; }
        st = relate(r, p, p->item[0]->text, p->item[1]->text, p->n_items == 3 ? p->item[2] : NULL);
    }
    return st;
}

static bool is_matrix(const struct umb_yaml *list)
{
    const struct umb_yaml *row = list->n_items ? list->item[0] : NULL;
    const struct umb_yaml *first =
        row && row->kind == UMB_YAML_LIST && row->n_items ? row->item[0] : NULL;
    return first && first->kind == UMB_YAML_SCALAR && !isalpha((unsigned char)first->text[0]);
}

static enum umb_status check_symmetry(struct umb_experiment *exp, const struct umb_yaml *node,
                                      int columns, const double *a)
{
    const size_t T = exp->n_trunks;
    if ((size_t)columns != T) {
        return umb__yaml_fail(exp->ctx, node, "has rows of %d numbers; expected %zu, one a trunk",
                              columns, T);
    }
    for (size_t t = 0; t < T; t++) {
        for (size_t s = 0; s < t; s++) {
            if (a[t * T + s] == a[s * T + t]) { continue; }
            return umb__yaml_fail(exp->ctx, node->item[t]->item[s],
                                  "is %g, and %g the other way round; expected a symmetric matrix",
                                  a[t * T + s], a[s * T + t]);
        }
    }
    return UMB_OK;
}

enum umb_status umb__exp_read_relations(struct umb_experiment *exp, const struct umb_yaml *node)
{
    const size_t n = exp->n_trunks * exp->n_trunks;
    struct relations r = {.exp = exp};
    enum umb_status st = UMB_OK;
    int columns = 0;
    if (node->kind == UMB_YAML_LIST && is_matrix(node)) {
        st = read_matrix(exp, node, 0, &columns, &r.a);
        if (st == UMB_OK) { st = check_symmetry(exp, node, columns, r.a); }
    } else {
        r.a = umb__arena_calloc(exp->tree->arena, n, sizeof *r.a);
        r.known = umb__arena_calloc(exp->tree->arena, n, sizeof *r.known);
        if (!r.a || !r.known) { return UMB_ERR_NO_MEMORY; }
        if (node->kind == UMB_YAML_SCALAR) {
            return umb__yaml_fail(exp->ctx, node,
                                  "is no relation; expected {TRUNK: {TRUNK: NUMBER}}, a list of "
                                  "[TRUNK, TRUNK, NUMBER] or a matrix");
        }
        st = node->kind == UMB_YAML_MAP ? read_map(&r, node) : read_pairs(&r, node);
    }
    exp->share->relations = r.a;
    return st;
}

/* ---- combinations ---- */

/* I − 11ᵀ/T: every trunk against the mean of all. */
static enum umb_status relate_all(struct umb_experiment *exp)
{
    const size_t T = exp->n_trunks;
    double *r = umb__arena_calloc(exp->tree->arena, T * T, sizeof *r);
    if (!r) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < T * T; i++) {
        r[i] = (i % (T + 1) == 0 ? 1 : 0) - 1 / (double)T;
    }
    exp->share->combinations = r;
    exp->share->n_combinations = (int)T;
    return UMB_OK;
}

enum umb_status umb__exp_read_combinations(struct umb_experiment *exp, const struct umb_yaml *node)
{
    double *values = NULL;
    if (node->kind == UMB_YAML_SCALAR && strcmp(node->text, "all") == 0) { return relate_all(exp); }
    if (node->kind != UMB_YAML_LIST || !is_matrix(node)) {
        return umb__yaml_fail(exp->ctx, node,
                              "is no matrix; expected a row of numbers for each trunk, or all");
    }
    const enum umb_status st = read_matrix(exp, node, -MOST, &exp->share->n_combinations, &values);
    exp->share->combinations = values;
    return st;
}
