/* dataset.c: opening a data set by its format's row, and reading by split and index. */
#include "dataset.h"
#include "image.h"
#include "text.h"
#include <math.h>
#include <string.h>

static const struct umb_format *const formats[] = {
    &umb__format_idx,    &umb__format_cifar10,     &umb__format_folder, &umb__format_csv,
    &umb__format_shapes, &umb__format_multi_mnist, &umb__format_masks};
#define N_FORMATS (sizeof formats / sizeof formats[0])

static enum umb_status find_format(struct umb_context *ctx, const char *name,
                                   const struct umb_format **ret_format)
{
    const char *names[N_FORMATS];
    for (size_t i = 0; i < N_FORMATS; i++) {
        names[i] = formats[i]->name;
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *ret_format = formats[i];
            return UMB_OK;
        }
    }
    if (name == NULL) {
        return umb__fail(
            ctx, UMB_ERR_INVALID,
            "format: missing; expected idx, cifar10, folder, csv, masks, shapes or multi_mnist");
    }
    const char *near = umb__nearest(name, names, N_FORMATS);
    return umb__fail(ctx, UMB_ERR_INVALID,
                     "format: unknown format '%s'; expected idx, cifar10, folder, csv, masks, "
                     "shapes or multi_mnist%s%s%s",
                     name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static enum umb_status check_shape(struct umb_context *ctx, const struct umb_dataset_desc *d)
{
    const int64_t side[2] = {d->height, d->width};
    const char *const key[2] = {"height", "width"};
    for (int i = 0; i < 2; i++) {
        if (side[i] < 0 || side[i] > UMB_IMAGE_MAX_SIDE) {
            return umb__fail(ctx, UMB_ERR_INVALID, "%s: %lld is out of range; expected 0 … %d",
                             key[i], (long long)side[i], UMB_IMAGE_MAX_SIDE);
        }
        if (side[i] == 0 && side[1 - i] != 0) {
            return umb__fail(ctx, UMB_ERR_INVALID,
                             "%s: missing beside %s %lld; expected both, or neither", key[i],
                             key[1 - i], (long long)side[1 - i]);
        }
    }
    if (d->channels != 0 && d->channels != 1 && d->channels != 3) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "channels: %lld; expected 1 (grey), 3 (colour) or 0 (as the images are)",
                         (long long)d->channels);
    }
    return umb__image_check_size(ctx, "height and width", d->height, d->width, 3, UMB_ERR_INVALID);
}

static enum umb_status check_share(struct umb_context *ctx, const char *key, double share)
{
    if (share >= 0.0 && share < 1.0) { return UMB_OK; } /* false for a NaN */
    return umb__fail(ctx, UMB_ERR_INVALID, "%s: %g is no share; expected 0 ≤ share < 1", key,
                     share);
}

static enum umb_status check_range(struct umb_context *ctx, const char *key, int64_t value)
{
    if (value >= 0 && (uint64_t)value <= UMB_MAX_RECORDS) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_INVALID, "%s: %lld is out of range; expected 0 … %zu", key,
                     (long long)value, UMB_MAX_RECORDS);
}

/* A key that the format has no use for is a mistake, not something to pass over. */
static enum umb_status check_keys(struct umb_context *ctx, const struct umb_format *format,
                                  const struct umb_dataset_desc *d)
{
    const char *stray = NULL;
    if (!(format->takes & UMB_TAKES_PATH) && d->path) { stray = "path"; }
    if (!(format->takes & UMB_TAKES_TARGETS)) {
        if (d->image_column) { stray = "image_column"; }
        if (d->split_column) { stray = "split_column"; }
    }
    if (!(format->takes & (UMB_TAKES_TARGETS | UMB_TAKES_CLASSES)) && d->n_targets > 0) {
        stray = "targets";
    }
    if (!(format->takes & UMB_TAKES_COUNT) && d->count != 0) { stray = "count"; }
    if (stray) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: the format %s has no such key", stray,
                         format->name);
    }
    if ((format->takes & UMB_TAKES_PATH) && (d->path == NULL || d->path[0] == '\0')) {
        return umb__fail(ctx, UMB_ERR_INVALID, "path: missing; the format %s needs one",
                         format->name);
    }
    return UMB_OK;
}

static enum umb_status check_desc(struct umb_context *ctx, const struct umb_format *format,
                                  const struct umb_dataset_desc *d)
{
    enum umb_status st = check_keys(ctx, format, d);
    if (st == UMB_OK) { st = check_shape(ctx, d); }
    if (st == UMB_OK) { st = check_share(ctx, "validation", d->validation); }
    if (st == UMB_OK) { st = check_share(ctx, "test", d->test); }
    if (st == UMB_OK) { st = check_range(ctx, "limit", d->limit); }
    if (st == UMB_OK) { st = check_range(ctx, "count", d->count); }
    return st;
}

enum umb_status umb__dataset_reserve(struct umb_dataset *ds, size_t n_records)
{
    if (n_records > UMB_MAX_RECORDS) {
        return umb__fail(ds->ctx, UMB_ERR_INVALID, "%zu samples; expected at most %zu", n_records,
                         UMB_MAX_RECORDS);
    }
    ds->split_of = umb__calloc(ds->ctx, n_records, sizeof *ds->split_of);
    if (ds->split_of == NULL) { return UMB_ERR_NO_MEMORY; }
    ds->n_records = n_records;
    return UMB_OK;
}

enum umb_status umb__dataset_reserve_targets(struct umb_dataset *ds, size_t n)
{
    ds->targets = umb__arena_calloc(ds->arena, n, sizeof *ds->targets);
    if (ds->targets == NULL) { return UMB_ERR_NO_MEMORY; }
    ds->n_targets = n;
    return UMB_OK;
}

void umb__dataset_set_shape(struct umb_dataset *ds, const struct umb_dataset_desc *desc,
                            int64_t height, int64_t width, int64_t channels)
{
    ds->shape[0] = desc->height ? desc->height : height;
    ds->shape[1] = desc->width ? desc->width : width;
    ds->shape[2] = desc->channels ? desc->channels : channels;
    for (size_t i = 0; i < ds->n_targets; i++) {
        if (ds->targets[i].kind != UMB_TARGET_PIXELS) { continue; }
        ds->targets[i].height = ds->shape[0];
        ds->targets[i].width = ds->shape[1];
    }
}

enum umb_status umb_dataset_open(struct umb_context *ctx, const struct umb_dataset_desc *desc,
                                 struct umb_dataset **ret_dataset)
{
    const struct umb_format *format = NULL;
    enum umb_status st = find_format(ctx, desc->format, &format);
    if (st == UMB_OK) { st = check_desc(ctx, format, desc); }
    if (st != UMB_OK) { return st; }
    struct umb_dataset *ds = umb__calloc(ctx, 1, sizeof *ds);
    if (ds == NULL) { return UMB_ERR_NO_MEMORY; }
    ds->ctx = ctx;
    ds->format = format;
    st = umb__arena_create(ctx, &ds->arena);
    if (st == UMB_OK) { st = format->open(ds, desc); }
    if (st == UMB_OK) { st = umb__dataset_split(ds, desc); }
    if (st != UMB_OK) {
        umb_dataset_close(ds);
        return st;
    }
    *ret_dataset = ds;
    return UMB_OK;
}

void umb_dataset_close(struct umb_dataset *ds)
{
    if (ds == NULL) { return; }
    ds->format->close(ds);
    for (int s = 0; s < UMB_SPLIT_COUNT; s++) {
        umb__free(ds->records[s]);
    }
    umb__free(ds->split_of);
    umb__arena_destroy(ds->arena);
    umb__free(ds);
}

int64_t umb_dataset_count(const struct umb_dataset *ds, enum umb_split split)
{
    return (int64_t)ds->count[split];
}

void umb_dataset_image_shape(const struct umb_dataset *ds, int64_t ret_hwc[3])
{
    memcpy(ret_hwc, ds->shape, sizeof ds->shape);
}

size_t umb_dataset_n_targets(const struct umb_dataset *ds)
{
    return ds->n_targets;
}

const struct umb_target_info *umb_dataset_target(const struct umb_dataset *ds, size_t index)
{
    return index < ds->n_targets ? &ds->targets[index] : NULL;
}

int umb_dataset_find_target(const struct umb_dataset *ds, const char *name)
{
    for (size_t i = 0; i < ds->n_targets; i++) {
        if (strcmp(ds->targets[i].name, name) == 0) { return (int)i; }
    }
    return -1;
}

enum umb_status umb_dataset_read(struct umb_dataset *ds, enum umb_split split, int64_t index,
                                 uint8_t *image, void *const *targets)
{
    if (split >= UMB_SPLIT_COUNT || index < 0 || (uint64_t)index >= ds->count[split]) {
        return umb__fail(
            ds->ctx, UMB_ERR_INVALID, "sample %lld of split %d: out of range; the split has %zu",
            (long long)index, (int)split, split < UMB_SPLIT_COUNT ? ds->count[split] : 0);
    }
    return ds->format->read(ds, ds->records[split][index], image, targets);
}
