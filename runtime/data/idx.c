/*
 * idx.c: MNIST's format: big-endian header, then bytes; plain or gzip.
 *
 *   0 0 T D   two zeros, element type (8: unsigned byte), number of dimensions
 *   u32 × D   extents; images [n,H,W], labels [n]
 *   bytes     row by row
 */
#include "idx.h"
#include "gzip.h"
#include "image.h"
#include "system.h"
#include <string.h>

#define TYPE_UBYTE 8
#define MAX_FILE_BYTES ((size_t)UINT32_MAX) /* unpacked too */

struct idx_array {
    uint32_t dim[3];
    uint8_t *data; /* within block */
    void *block;   /* from umb__calloc */
};

static uint32_t big_endian(const uint8_t b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Checks a header and computes how many bytes have to follow it. */
static enum umb_status read_header(struct umb_context *ctx, const char *path, const uint8_t *header,
                                   int n_dims, struct idx_array *array, size_t *ret_bytes)
{
    if (header[0] != 0 || header[1] != 0) {
        return umb__fail(ctx, UMB_ERR_FORMAT,
                         "%s: not an idx file: it begins %02x %02x; expected 00 00", path,
                         header[0], header[1]);
    }
    if (header[2] != TYPE_UBYTE) {
        return umb__fail(ctx, UMB_ERR_FORMAT,
                         "%s: element type 0x%02x; expected 0x08 (unsigned byte)", path, header[2]);
    }
    if (header[3] != n_dims) {
        return umb__fail(ctx, UMB_ERR_FORMAT, "%s: %d dimensions; expected %d", path, header[3],
                         n_dims);
    }
    size_t bytes = 1;
    for (int i = 0; i < n_dims; i++) {
        array->dim[i] = big_endian(header + 4 + 4 * i);
        if (array->dim[i] == 0) {
            return umb__fail(ctx, UMB_ERR_FORMAT, "%s: dimension %d is 0; expected at least 1",
                             path, i);
        }
        if (!umb__mul_size(bytes, array->dim[i], &bytes)) {
            return umb__fail(ctx, UMB_ERR_FORMAT, "%s: its dimensions overflow", path);
        }
    }
    *ret_bytes = bytes;
    return UMB_OK;
}

static enum umb_status load_plain(struct umb_context *ctx, const char *path, char *file,
                                  size_t size, int n_dims, struct idx_array *array)
{
    size_t header_bytes = 4 + 4 * (size_t)n_dims, bytes;
    array->block = file;
    if (size < header_bytes) {
        return umb__fail(ctx, UMB_ERR_FORMAT, "%s: %zu bytes; expected a header of %zu", path, size,
                         header_bytes);
    }
    enum umb_status st = read_header(ctx, path, (const uint8_t *)file, n_dims, array, &bytes);
    if (st != UMB_OK) { return st; }
    if (size - header_bytes != bytes) {
        return umb__fail(ctx, UMB_ERR_FORMAT,
                         "%s: %zu bytes behind the header, which announces %zu", path,
                         size - header_bytes, bytes);
    }
    array->data = (uint8_t *)file + header_bytes;
    return UMB_OK;
}

static enum umb_status load_gzip(struct umb_context *ctx, const char *path, const char *file,
                                 size_t size, int n_dims, struct idx_array *array)
{
    uint8_t header[16];
    size_t bytes = 0, header_bytes = 4 + 4 * (size_t)n_dims;
    struct umb_gzip gz;
    enum umb_status st = umb__gzip_init(ctx, path, file, size, &gz);
    if (st != UMB_OK) { return st; }
    st = umb__gzip_read(&gz, header, header_bytes);
    umb__gzip_finish(&gz);
    if (st == UMB_OK) { st = read_header(ctx, path, header, n_dims, array, &bytes); }
    if (st == UMB_OK && bytes > MAX_FILE_BYTES) {
        st = umb__fail(ctx, UMB_ERR_FORMAT,
                       "%s: its header announces %zu bytes; expected at most %zu", path, bytes,
                       MAX_FILE_BYTES);
    }
    if (st == UMB_OK && bytes > umb__gzip_most(size)) {
        st = umb__fail(ctx, UMB_ERR_FORMAT,
                       "%s: its header announces %zu bytes, more than %zu bytes of gzip can hold",
                       path, bytes, size);
    }
    if (st != UMB_OK) { return st; }
    array->block = umb__calloc(ctx, header_bytes + bytes, 1);
    if (!array->block) { return UMB_ERR_NO_MEMORY; }
    array->data = (uint8_t *)array->block + header_bytes;
    return umb__gzip_unpack(ctx, path, file, size, array->block, header_bytes + bytes);
}

/* On failure array->block may be set and is the caller's to free. */
static enum umb_status load_array(struct umb_context *ctx, const char *path, int n_dims,
                                  struct idx_array *array)
{
    char *file;
    size_t size;
    enum umb_status st = umb__file_read(ctx, path, MAX_FILE_BYTES, &file, &size);
    if (st != UMB_OK) { return st; }
    if (!umb__gzip_is(file, size)) { return load_plain(ctx, path, file, size, n_dims, array); }
    st = load_gzip(ctx, path, file, size, n_dims, array);
    umb__free(file);
    return st;
}

/* The path of NAME or NAME.gz in the folder, in the arena. */
static enum umb_status find_file(struct umb_dataset *ds, const char *folder, const char *name,
                                 const char **ret_path)
{
    const char *path = umb__arena_printf(ds->arena, "%s/%s", folder, name);
    const char *packed = umb__arena_printf(ds->arena, "%s/%s.gz", folder, name);
    if (path == NULL || packed == NULL) { return UMB_ERR_NO_MEMORY; }
    if (!umb__is_file(path) && !umb__is_file(packed)) {
        return umb__fail(ds->ctx, UMB_ERR_IO, "%s: no such file, nor with .gz behind", path);
    }
    *ret_path = umb__is_file(path) ? path : packed;
    return UMB_OK;
}

static enum umb_status check_part(struct umb_dataset *ds, const struct umb_memory_set *set,
                                  const char *images_path, const char *labels_path,
                                  const uint32_t dim[3], uint32_t n_labels)
{
    if (dim[0] != n_labels) {
        return umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s: %u labels for the %u images of %s",
                         labels_path, n_labels, dim[0], images_path);
    }
    if (set->shape[0] && (set->shape[0] != dim[1] || set->shape[1] != dim[2])) {
        return umb__fail(ds->ctx, UMB_ERR_FORMAT,
                         "%s: images of %u×%u; expected %lld×%lld, as those of training",
                         images_path, dim[1], dim[2], (long long)set->shape[0],
                         (long long)set->shape[1]);
    }
    return umb__image_check_size(ds->ctx, images_path, dim[1], dim[2], 1, UMB_ERR_FORMAT);
}

static enum umb_status load_part(struct umb_dataset *ds, struct umb_memory_set *set, int which,
                                 const char *folder)
{
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    struct umb_memory_part *part = &set->part[which];
    struct idx_array images = {.data = NULL}, labels = {.data = NULL};
    const char *images_path;
    enum umb_status st = find_file(ds, folder, names[which][0], &images_path);
    if (st == UMB_OK) { st = find_file(ds, folder, names[which][1], &part->labels_path); }
    if (st == UMB_OK) { st = load_array(ds->ctx, images_path, 3, &images); }
    if (st == UMB_OK) { st = load_array(ds->ctx, part->labels_path, 1, &labels); }
    part->pixels_block = images.block;
    part->labels_block = labels.block;
    if (st == UMB_OK) {
        st = check_part(ds, set, images_path, part->labels_path, images.dim, labels.dim[0]);
    }
    if (st != UMB_OK) { return st; }
    part->n = images.dim[0];
    part->pixels = images.data;
    part->labels = labels.data;
    set->shape[0] = images.dim[1];
    set->shape[1] = images.dim[2];
    set->shape[2] = 1;
    return UMB_OK;
}

enum umb_status umb__idx_load(struct umb_dataset *ds, const char *folder,
                              struct umb_memory_set *set)
{
    if (!umb__is_folder(folder)) {
        return umb__fail(ds->ctx, UMB_ERR_IO, "path: %s is no folder that can be read", folder);
    }
    enum umb_status st = UMB_OK;
    for (int i = 0; i < 2 && st == UMB_OK; i++) {
        st = load_part(ds, set, i, folder);
    }
    return st;
}

static enum umb_status idx_open(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    struct umb_memory_set *set;
    enum umb_status st = umb__memory_set_create(ds, &set);
    if (st == UMB_OK) { st = umb__idx_load(ds, desc->path, set); }
    if (st == UMB_OK) { st = umb__memory_set_finish(ds, desc, 0, NULL); }
    return st;
}

const struct umb_format umb__format_idx = {
    .name = "idx",
    .takes = UMB_TAKES_PATH,
    .open = idx_open,
    .read = umb__memory_set_read,
    .close = umb__memory_set_close,
};
