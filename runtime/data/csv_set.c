/*
 * csv_set.c: the csv format: an image path and targets a row.
 *
 * Image paths, and those of masks, are seen from the folder of the CSV. Without split_column all
 * rows are training.
 */
#include "csv_targets.h"
#include "image_files.h"
#include "listing.h"
#include "system.h"
#include <string.h>

struct csv_set {
    struct umb_image_files *files;
    struct umb_csv_values *values; /* [n_targets] */
    size_t n_targets;
};

static enum umb_status read_splits(struct umb_dataset *ds, const struct umb_dataset_desc *desc,
                                   const struct umb_csv *csv)
{
    size_t column;
    if (desc->split_column == NULL) { return UMB_OK; }
    enum umb_status st = umb__csv_column(ds->ctx, desc->path, csv, desc->split_column, &column);
    for (size_t row = 0; row < csv->n_rows && st == UMB_OK; row++) {
        const char *cell = csv->cell[row * csv->n_columns + column];
        size_t i = 0;
        while (i < UMB_SPLIT_NAMES && strcmp(cell, umb__split_words[i].name) != 0) {
            i++;
        }
        if (i == UMB_SPLIT_NAMES) {
            st = umb__fail(ds->ctx, UMB_ERR_FORMAT,
                           "%s:%u: %s: '%.60s' is no split; expected train, validation or test",
                           desc->path, csv->line[row], desc->split_column, cell);
        } else {
            ds->split_of[row] = (uint8_t)umb__split_words[i].split;
        }
    }
    return st;
}

/* The paths of one plane, from its column. Only a mask may be missing. */
static enum umb_status read_paths(struct umb_dataset *ds, const char *csv_path,
                                  const struct umb_csv *csv, const char *column_name, size_t plane,
                                  struct umb_image_files *files)
{
    size_t column;
    enum umb_status st = umb__csv_column(ds->ctx, csv_path, csv, column_name, &column);
    for (size_t row = 0; row < csv->n_rows && st == UMB_OK; row++) {
        const char *cell = csv->cell[row * csv->n_columns + column];
        if (cell[0] == '\0' && plane > 0) { continue; }
        if (cell[0] == '\0') {
            return umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s:%u: %s: empty; expected an image's path",
                             csv_path, csv->line[row], column_name);
        }
        char *path = umb__path_beside(ds->ctx, csv_path, cell);
        const char *kept = path ? umb__arena_strdup(ds->arena, path) : NULL;
        umb__free(path);
        files->path[row * files->n_planes + plane] = kept;
        st = kept ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    return st;
}

/* The columns of image and masks, kept for messages, and their paths. */
static enum umb_status read_planes(struct umb_dataset *ds, const struct umb_dataset_desc *desc,
                                   const struct umb_csv *csv, struct csv_set *set)
{
    struct umb_image_files *files = set->files;
    const char **columns = umb__arena_calloc(ds->arena, files->n_planes, sizeof *columns);
    uint32_t *line = umb__arena_calloc(ds->arena, csv->n_rows, sizeof *line);
    if (columns == NULL || line == NULL) { return UMB_ERR_NO_MEMORY; }
    memcpy(line, csv->line, csv->n_rows * sizeof *line);
    files->list = umb__arena_strdup(ds->arena, desc->path);
    files->line = line;
    files->column = columns;
    columns[0] = umb__arena_strdup(ds->arena, desc->image_column ? desc->image_column : "path");
    if (files->list == NULL || columns[0] == NULL) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = read_paths(ds, desc->path, csv, columns[0], 0, files);
    for (size_t t = 0; t < set->n_targets && st == UMB_OK; t++) {
        size_t plane = set->values[t].plane;
        if (plane == 0) { continue; }
        columns[plane] = umb__arena_strdup(ds->arena, desc->targets[t].columns[0]);
        st = columns[plane] ? read_paths(ds, desc->path, csv, columns[plane], plane, files)
                            : UMB_ERR_NO_MEMORY;
    }
    return st;
}

static enum umb_status read_targets(struct umb_dataset *ds, const struct umb_dataset_desc *desc,
                                    const struct umb_csv *csv, struct csv_set *set)
{
    size_t n_planes = 1;
    enum umb_status st = umb__dataset_reserve_targets(ds, desc->n_targets);
    if (st != UMB_OK) { return st; }
    set->values = umb__calloc(ds->ctx, desc->n_targets, sizeof *set->values);
    if (set->values == NULL) { return UMB_ERR_NO_MEMORY; }
    set->n_targets = desc->n_targets;
    for (size_t t = 0; t < desc->n_targets && st == UMB_OK; t++) {
        if (desc->targets[t].kind == UMB_TARGET_PIXELS) { set->values[t].plane = n_planes++; }
        st = umb__csv_values_read(ds, desc->path, csv, &desc->targets[t], &ds->targets[t],
                                  &set->values[t]);
    }
    return st == UMB_OK ? umb__image_files_create(ds, csv->n_rows, n_planes, &set->files) : st;
}

static enum umb_status csv_open(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    struct umb_csv csv = {.text = NULL};
    struct csv_set *set = ds->set = umb__calloc(ds->ctx, 1, sizeof *set);
    enum umb_status st = set ? umb__csv_targets_check(ds->ctx, desc) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__csv_read(ds->ctx, desc->path, &csv); }
    if (st == UMB_OK) { st = umb__dataset_reserve(ds, csv.n_rows); }
    if (st == UMB_OK) { st = read_splits(ds, desc, &csv); }
    if (st == UMB_OK) { st = read_targets(ds, desc, &csv, set); }
    if (st == UMB_OK) { st = read_planes(ds, desc, &csv, set); }
    umb__csv_finish(&csv);
    if (st == UMB_OK) { st = umb__image_files_settle(set->files, ds, desc); }
    for (size_t t = 0; t < desc->n_targets && st == UMB_OK; t++) {
        st = umb__csv_points_settle(ds, &desc->targets[t], &ds->targets[t]);
    }
    return st;
}

static enum umb_status read_value(const struct csv_set *set, size_t t, uint32_t record, void *out)
{
    const struct umb_csv_values *values = &set->values[t];
    switch (values->kind) {
    case UMB_TARGET_CLASS:
        *(int32_t *)out = values->label[record];
        break;
    case UMB_TARGET_REAL:
        memcpy(out, values->value + record * values->n_values,
               values->n_values * sizeof *values->value);
        break;
    case UMB_TARGET_PIXELS:
        return umb__image_files_read_mask(
            set->files, record, values->plane,
            &(struct umb_mask_classes){values->n_classes, values->ignore}, out);
    }
    return UMB_OK;
}

static enum umb_status csv_read(struct umb_dataset *ds, uint32_t record, uint8_t *image,
                                void *const *targets)
{
    const struct csv_set *set = ds->set;
    enum umb_status st = image ? umb__image_files_read(set->files, record, 0, image) : UMB_OK;
    for (size_t t = 0; targets && t < set->n_targets && st == UMB_OK; t++) {
        if (targets[t]) { st = read_value(set, t, record, targets[t]); }
    }
    return st;
}

static void csv_close(struct umb_dataset *ds)
{
    struct csv_set *set = ds->set;
    if (set == NULL) { return; }
    for (size_t t = 0; t < set->n_targets; t++) {
        umb__csv_values_finish(&set->values[t]);
    }
    umb__free(set->values);
    umb__image_files_destroy(set->files);
    umb__free(set);
}

const struct umb_format umb__format_csv = {
    .name = "csv",
    .takes = UMB_TAKES_PATH | UMB_TAKES_TARGETS,
    .open = csv_open,
    .read = csv_read,
    .close = csv_close,
};
