/* csv_targets.c: see csv_targets.h. */
#include "csv_targets.h"
#include "text.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct reading {
    struct umb_dataset *ds;
    const char *path;
    const struct umb_csv *csv;
    const struct umb_csv_target *target;
    size_t column;
};

static const char *cell_at(const struct reading *r, size_t row)
{
    return r->csv->cell[row * r->csv->n_columns + r->column];
}

/* FILE:LINE: COLUMN: 'CELL' WHAT */
static enum umb_status fail_cell(const struct reading *r, size_t row, const char *what)
{
    return umb__fail(r->ds->ctx, UMB_ERR_FORMAT, "%s:%u: %s: '%.60s' %s", r->path,
                     r->csv->line[row], r->csv->header[r->column], cell_at(r, row), what);
}

static enum umb_status check_counts(struct umb_context *ctx, const struct umb_csv_target *t)
{
    if (t->kind != UMB_TARGET_CLASS && t->kind != UMB_TARGET_REAL && t->kind != UMB_TARGET_PIXELS) {
        return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s: unknown kind %d", t->name,
                         (int)t->kind);
    }
    if (t->columns == NULL || t->n_columns == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s: no column; expected at least one",
                         t->name);
    }
    if (t->kind != UMB_TARGET_REAL && t->n_columns != 1) {
        return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s: %zu columns; expected one", t->name,
                         t->n_columns);
    }
    if (t->n_classes > UMB_MAX_CLASSES) {
        return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s: %zu classes; expected at most %d",
                         t->name, t->n_classes, UMB_MAX_CLASSES);
    }
    if (t->kind == UMB_TARGET_PIXELS && (t->n_classes == 0 || t->n_classes > 256)) {
        return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s: %zu classes a pixel; expected 1 … 256",
                         t->name, t->n_classes);
    }
    if (t->kind == UMB_TARGET_PIXELS && (t->ignore < -1 || t->ignore > 255)) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "targets: %s: ignore %lld; expected 0 … 255, or -1 for none", t->name,
                         (long long)t->ignore);
    }
    return UMB_OK;
}

static enum umb_status check_texts(struct umb_context *ctx, const struct umb_csv_target *t)
{
    if (!isfinite(t->scale) || !isfinite(t->offset)) {
        return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s: scale %g, offset %g; expected finite",
                         t->name, t->scale, t->offset);
    }
    for (size_t i = 0; t->classes && i < t->n_classes; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(t->classes[i], t->classes[k]) != 0) { continue; }
            return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s: the class '%s' is there twice",
                             t->name, t->classes[i]);
        }
    }
    return UMB_OK;
}

enum umb_status umb__csv_targets_check(struct umb_context *ctx, const struct umb_dataset_desc *desc)
{
    if (desc->n_targets == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "targets: missing; the format csv needs at least one");
    }
    for (size_t i = 0; i < desc->n_targets; i++) {
        const struct umb_csv_target *t = &desc->targets[i];
        if (t->name == NULL || t->name[0] == '\0') {
            return umb__fail(ctx, UMB_ERR_INVALID, "targets: target %zu has no name", i);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(desc->targets[k].name, t->name) == 0) {
                return umb__fail(ctx, UMB_ERR_INVALID, "targets: %s is there twice", t->name);
            }
        }
        enum umb_status st = check_counts(ctx, t);
        if (st == UMB_OK) { st = check_texts(ctx, t); }
        if (st == UMB_OK) { st = umb__csv_points_check(ctx, t, desc->height != 0, t->n_classes); }
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

/* An empty list of texts is none. */
static bool has_texts(const struct umb_csv_target *t)
{
    return t->classes != NULL && t->n_classes > 0;
}

/* The class a cell names, by its text or as an integer. */
static enum umb_status read_class(const struct reading *r, size_t row, int32_t *ret_label)
{
    const struct umb_csv_target *t = r->target;
    const char *cell = cell_at(r, row);
    int64_t value;
    if (!has_texts(t)) {
        int64_t n = t->n_classes ? (int64_t)t->n_classes : UMB_MAX_CLASSES;
        if (!umb__parse_int(cell, 0, n - 1, &value)) {
            char what[128];
            snprintf(what, sizeof what,
                     "is no class; expected a whole number 0 … %lld, or nothing for no label",
                     (long long)n - 1);
            return fail_cell(r, row, what);
        }
        *ret_label = (int32_t)value;
        return UMB_OK;
    }
    for (size_t i = 0; i < t->n_classes; i++) {
        if (strcmp(cell, t->classes[i]) == 0) {
            *ret_label = (int32_t)i;
            return UMB_OK;
        }
    }
    const char *near = umb__nearest(cell, t->classes, t->n_classes);
    char what[160];
    snprintf(what, sizeof what, "is none of the %zu classes of %.40s%s%.40s%s", t->n_classes,
             t->name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return fail_cell(r, row, what);
}

/* Where the desc names no classes, those of the training rows are all there are. */
static enum umb_status count_classes(const struct reading *r, const int32_t *label, int64_t *ret_n)
{
    uint8_t *seen = umb__calloc(r->ds->ctx, UMB_MAX_CLASSES, 1);
    if (seen == NULL) { return UMB_ERR_NO_MEMORY; }
    int64_t n = 0;
    for (size_t row = 0; row < r->csv->n_rows; row++) {
        if (r->ds->split_of[row] != UMB_SPLIT_TRAIN || label[row] < 0) { continue; }
        seen[label[row]] = 1;
        if (label[row] >= n) { n = label[row] + 1; }
    }
    enum umb_status st = UMB_OK;
    for (size_t row = 0; row < r->csv->n_rows && st == UMB_OK; row++) {
        if (label[row] < 0 || seen[label[row]]) { continue; }
        st = fail_cell(r, row,
                       "is a class that no training row has; expected one of theirs, or "
                       "'classes' that lists them all");
    }
    umb__free(seen);
    if (st == UMB_OK && n == 0) {
        st = umb__fail(r->ds->ctx, UMB_ERR_FORMAT, "%s: %s: no training row has a class", r->path,
                       r->csv->header[r->column]);
    }
    *ret_n = n;
    return st;
}

static enum umb_status read_classes(struct reading *r, struct umb_csv_values *values)
{
    values->label = umb__calloc(r->ds->ctx, r->csv->n_rows, sizeof *values->label);
    enum umb_status st = values->label ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t row = 0; row < r->csv->n_rows && st == UMB_OK; row++) {
        values->label[row] = -1;
        if (cell_at(r, row)[0] != '\0') { st = read_class(r, row, &values->label[row]); }
    }
    values->n_classes = (int64_t)r->target->n_classes;
    if (st == UMB_OK && values->n_classes == 0) {
        st = count_classes(r, values->label, &values->n_classes);
    }
    return st;
}

static enum umb_status read_number(const struct reading *r, size_t row, float *ret_value)
{
    const char *cell = cell_at(r, row);
    double value, scale = r->target->scale != 0.0 ? r->target->scale : 1.0;
    if (cell[0] == '\0') {
        *ret_value = NAN;
        return UMB_OK;
    }
    if (!umb__parse_double(cell, -DBL_MAX, DBL_MAX, &value)) {
        return fail_cell(r, row, "is no number; expected one, or nothing for no label");
    }
    value = value * scale + r->target->offset;
    if (!(fabs(value) <= (double)FLT_MAX)) {
        return fail_cell(r, row, "is too great for a 32-bit float");
    }
    *ret_value = (float)value;
    return UMB_OK;
}

/* A row with a hole has no label: its first value, which says so, becomes NaN. */
static void mark_holes(struct umb_csv_values *values, size_t n_rows)
{
    for (size_t row = 0; row < n_rows; row++) {
        float *value = values->value + row * values->n_values;
        for (size_t i = 1; i < values->n_values; i++) {
            if (isnan(value[i])) { value[0] = NAN; }
        }
    }
}

static enum umb_status read_numbers(struct reading *r, struct umb_csv_values *values)
{
    size_t n = values->n_values = r->target->n_columns;
    values->value = umb__calloc(r->ds->ctx, r->csv->n_rows, n * sizeof *values->value);
    enum umb_status st = values->value ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; i < n && st == UMB_OK; i++) {
        st = umb__csv_column(r->ds->ctx, r->path, r->csv, r->target->columns[i], &r->column);
        for (size_t row = 0; row < r->csv->n_rows && st == UMB_OK; row++) {
            st = read_number(r, row, &values->value[row * n + i]);
        }
    }
    if (st == UMB_OK) { mark_holes(values, r->csv->n_rows); }
    return st;
}

static enum umb_status copy_names(struct umb_dataset *ds, const struct umb_csv_target *t,
                                  struct umb_target_info *info)
{
    info->name = umb__arena_strdup(ds->arena, t->name);
    if (info->name == NULL) { return UMB_ERR_NO_MEMORY; }
    if (!has_texts(t) || t->kind == UMB_TARGET_REAL) { return UMB_OK; }
    const char **names = umb__arena_calloc(ds->arena, t->n_classes, sizeof *names);
    if (names == NULL) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < t->n_classes; i++) {
        names[i] = umb__arena_strdup(ds->arena, t->classes[i]);
        if (names[i] == NULL) { return UMB_ERR_NO_MEMORY; }
    }
    info->class_names = names;
    return UMB_OK;
}

enum umb_status umb__csv_values_read(struct umb_dataset *ds, const char *path,
                                     const struct umb_csv *csv, const struct umb_csv_target *target,
                                     struct umb_target_info *info, struct umb_csv_values *values)
{
    struct reading r = {.ds = ds, .path = path, .csv = csv, .target = target};
    values->kind = target->kind;
    enum umb_status st = umb__csv_column(ds->ctx, path, csv, target->columns[0], &r.column);
    if (st != UMB_OK) { return st; }
    switch (target->kind) {
    case UMB_TARGET_CLASS:
        st = read_classes(&r, values);
        break;
    case UMB_TARGET_REAL:
        st = read_numbers(&r, values);
        break;
    case UMB_TARGET_PIXELS:
        values->n_classes = (int64_t)target->n_classes;
        values->ignore = target->ignore;
        break;
    }
    if (st != UMB_OK) { return st; }
    info->kind = target->kind;
    info->n_classes = values->n_classes;
    info->n_values = (int64_t)values->n_values;
    st = umb__csv_points_check(ds->ctx, target, false, (size_t)values->n_classes);
    return st == UMB_OK ? copy_names(ds, target, info) : st;
}

void umb__csv_values_finish(struct umb_csv_values *values)
{
    umb__free(values->label);
    umb__free(values->value);
}
