/* image_files.c: see image_files.h. */
#include "image_files.h"
#include "image.h"
#include "system.h"
#include <string.h>

/* The most memory that decoded images are kept in. */
#define CACHE_BYTES ((size_t)1 << 30)

/* A plane in the cache: claimed by the thread that fills it, then ready for all. */
enum plane_state { PLANE_EMPTY, PLANE_CLAIMED, PLANE_READY };

enum umb_status umb__image_files_create(struct umb_dataset *ds, size_t n_records, size_t n_planes,
                                        struct umb_image_files **ret_files)
{
    struct umb_image_files *files = umb__calloc(ds->ctx, 1, sizeof *files);
    if (files == NULL) { return UMB_ERR_NO_MEMORY; }
    files->ctx = ds->ctx;
    files->n_records = n_records;
    files->n_planes = n_planes;
    files->path = umb__calloc(ds->ctx, n_records, n_planes * sizeof *files->path);
    if (files->path == NULL) {
        umb__image_files_destroy(files);
        return UMB_ERR_NO_MEMORY;
    }
    *ret_files = files;
    return UMB_OK;
}

void umb__image_files_destroy(struct umb_image_files *files)
{
    if (files == NULL) { return; }
    umb__free(files->path);
    umb__free(files->cache);
    umb__free(files->state);
    umb__free(files);
}

enum umb_status umb__image_files_blame(const struct umb_image_files *files, size_t record,
                                       size_t plane, enum umb_status status)
{
    if (files->list == NULL) { return status; }
    return umb__fail_prefix(files->ctx, status, "%s:%u: %s", files->list, files->line[record],
                            files->column[plane]);
}

static enum umb_status probe(const struct umb_image_files *files, size_t record, size_t plane,
                             struct umb_image *ret_image)
{
    const char *path = files->path[record * files->n_planes + plane];
    enum umb_status st = umb__image_open(files->ctx, path, UMB_DECODE_HEADER, ret_image);
    return st == UMB_OK ? st : umb__image_files_blame(files, record, plane, st);
}

static enum umb_status check_exists(const struct umb_image_files *files, size_t record,
                                    size_t plane)
{
    const char *path = files->path[record * files->n_planes + plane];
    if (umb__is_file(path)) { return UMB_OK; }
    enum umb_status st =
        umb__fail(files->ctx, UMB_ERR_IO, "%s: no such file, or none that can be read", path);
    return umb__image_files_blame(files, record, plane, st);
}

static enum umb_status check_same_size(const struct umb_image_files *files, size_t record,
                                       size_t plane, const struct umb_image *first,
                                       const char *first_path)
{
    struct umb_image image;
    enum umb_status st = probe(files, record, plane, &image);
    if (st != UMB_OK || (image.height == first->height && image.width == first->width)) {
        return st;
    }
    st = umb__fail(files->ctx, UMB_ERR_FORMAT,
                   "%s: %lld×%lld (height × width), but %s is %lld×%lld; set height and width to "
                   "scale all images to one size",
                   files->path[record * files->n_planes + plane], (long long)image.height,
                   (long long)image.width, first_path, (long long)first->height,
                   (long long)first->width);
    return umb__image_files_blame(files, record, plane, st);
}

static enum umb_status check_files(const struct umb_image_files *files,
                                   const struct umb_image *first, const char *first_path)
{
    enum umb_status st = UMB_OK;
    for (size_t r = 0; r < files->n_records && st == UMB_OK; r++) {
        for (size_t p = 0; p < files->n_planes && st == UMB_OK; p++) {
            if (files->path[r * files->n_planes + p] == NULL) { continue; }
            st = files->as_is ? check_same_size(files, r, p, first, first_path)
                              : check_exists(files, r, p);
        }
    }
    return st;
}

/* Memory for decoded planes, if all of them fit. */
static enum umb_status create_cache(struct umb_image_files *files)
{
    size_t area = (size_t)(files->shape[0] * files->shape[1]), total;
    files->record_bytes = area * ((size_t)files->shape[2] + files->n_planes - 1);
    if (!umb__mul_size(files->record_bytes, files->n_records, &total) || total > CACHE_BYTES) {
        return UMB_OK;
    }
    files->cache = umb__calloc(files->ctx, total, 1);
    files->state =
        umb__calloc(files->ctx, files->n_records, files->n_planes * sizeof *files->state);
    return files->cache && files->state ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__image_files_settle(struct umb_image_files *files, struct umb_dataset *ds,
                                        const struct umb_dataset_desc *desc)
{
    size_t first = 0;
    while (first < files->n_records && ds->split_of[first] != UMB_SPLIT_TRAIN) {
        first++;
    }
    if (first == files->n_records) {
        return umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s: no training samples", desc->path);
    }
    struct umb_image image;
    enum umb_status st = probe(files, first, 0, &image);
    if (st != UMB_OK) { return st; }
    files->as_is = desc->height == 0;
    umb__dataset_set_shape(ds, desc, image.height, image.width, image.channels);
    memcpy(files->shape, ds->shape, sizeof files->shape);
    st = check_files(files, &image, files->path[first * files->n_planes]);
    return st == UMB_OK ? create_cache(files) : st;
}

static enum umb_status fit_plane(const struct umb_image_files *files, size_t plane,
                                 const char *path, const struct umb_image *image,
                                 uint8_t *ret_pixels)
{
    if (files->as_is && (image->height != files->shape[0] || image->width != files->shape[1])) {
        return umb__fail(files->ctx, UMB_ERR_FORMAT,
                         "%s: %lld×%lld; it was %lld×%lld when the data set was opened", path,
                         (long long)image->height, (long long)image->width,
                         (long long)files->shape[0], (long long)files->shape[1]);
    }
    if (plane == 0) { return umb__image_fit(files->ctx, image, files->shape, ret_pixels); }
    umb__scale_nearest(image, files->shape[0], files->shape[1], ret_pixels);
    return UMB_OK;
}

static enum umb_status load_plane(const struct umb_image_files *files, size_t record, size_t plane,
                                  uint8_t *ret_pixels)
{
    const char *path = files->path[record * files->n_planes + plane];
    struct umb_image image = {.pixels = NULL};
    enum umb_status st = umb__image_open(
        files->ctx, path, plane == 0 ? UMB_DECODE_IMAGE : UMB_DECODE_INDICES, &image);
    if (st == UMB_OK) { st = fit_plane(files, plane, path, &image, ret_pixels); }
    umb_image_free(&image);
    return st == UMB_OK ? st : umb__image_files_blame(files, record, plane, st);
}

enum umb_status umb__image_files_read(struct umb_image_files *files, size_t record, size_t plane,
                                      uint8_t *ret_pixels)
{
    if (files->cache == NULL) { return load_plane(files, record, plane, ret_pixels); }
    size_t area = (size_t)(files->shape[0] * files->shape[1]);
    size_t image_bytes = area * (size_t)files->shape[2];
    size_t bytes = plane == 0 ? image_bytes : area;
    uint8_t *kept = files->cache + record * files->record_bytes +
                    (plane == 0 ? 0 : image_bytes + (plane - 1) * area);
    atomic_uchar *state = &files->state[record * files->n_planes + plane];
    if (atomic_load_explicit(state, memory_order_acquire) == PLANE_READY) {
        memcpy(ret_pixels, kept, bytes);
        return UMB_OK;
    }
    enum umb_status st = load_plane(files, record, plane, ret_pixels);
    if (st != UMB_OK) { return st; }
    unsigned char expected = PLANE_EMPTY;
    if (atomic_compare_exchange_strong(state, &expected, PLANE_CLAIMED)) {
        memcpy(kept, ret_pixels, bytes);
        atomic_store_explicit(state, PLANE_READY, memory_order_release);
    }
    return UMB_OK;
}

/* Indices become classes; the ignored one becomes −1, any other beyond the classes is an error. */
static enum umb_status to_classes(const struct umb_image_files *files, size_t record, size_t plane,
                                  const struct umb_mask_classes *classes, const uint8_t *index,
                                  int32_t *ret_class)
{
    int64_t area = files->shape[0] * files->shape[1];
    for (int64_t i = 0; i < area; i++) {
        ret_class[i] = index[i] == classes->ignore ? -1 : index[i];
        if (ret_class[i] < classes->n) { continue; }
        enum umb_status st = umb__fail(
            files->ctx, UMB_ERR_FORMAT, "%s: class %d at x %lld, y %lld; expected 0 … %lld%s",
            files->path[record * files->n_planes + plane], index[i],
            (long long)(i % files->shape[1]), (long long)(i / files->shape[1]),
            (long long)classes->n - 1, classes->ignore < 0 ? "" : " or the ignored index");
        return umb__image_files_blame(files, record, plane, st);
    }
    return UMB_OK;
}

enum umb_status umb__image_files_read_mask(struct umb_image_files *files, size_t record,
                                           size_t plane, const struct umb_mask_classes *classes,
                                           int32_t *ret_class)
{
    size_t area = (size_t)(files->shape[0] * files->shape[1]);
    if (files->path[record * files->n_planes + plane] == NULL) {
        for (size_t i = 0; i < area; i++) {
            ret_class[i] = -1;
        }
        return UMB_OK;
    }
    uint8_t *index = umb__calloc(files->ctx, area, 1);
    if (index == NULL) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = umb__image_files_read(files, record, plane, index);
    if (st == UMB_OK) { st = to_classes(files, record, plane, classes, index, ret_class); }
    umb__free(index);
    return st;
}
