/*
 * cifar10.c: CIFAR-10's binary version: records of one label byte and 3072 bytes of planar RGB.
 *
 * data_batch_1.bin, _2.bin … are one training set in the order of their numbers; test_batch.bin is
 * the test set.
 */
#include "memory_set.h"
#include "system.h"
#include "text.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 32
#define PLANE (SIDE * SIDE)
#define IMAGE_BYTES (3 * PLANE)
#define RECORD_BYTES (1 + IMAGE_BYTES)
#define N_CLASSES 10
#define MAX_BATCHES 1000
#define MAX_FILE_BYTES ((size_t)1 << 32)

static const char *const class_names[N_CLASSES] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

/* The number of data_batch_NUMBER.bin, 0 of data_batch.bin, −1 of any other name. */
static int64_t batch_number(const char *name)
{
    static const char head[] = "data_batch", tail[] = ".bin";
    size_t length = strlen(name);
    if (strncmp(name, head, sizeof head - 1) != 0 || length < sizeof head + sizeof tail - 2 ||
        strcmp(name + length - (sizeof tail - 1), tail) != 0) {
        return -1;
    }
    size_t digits = length - (sizeof head - 1) - (sizeof tail - 1);
    const char *middle = name + sizeof head - 1;
    char text[8];
    int64_t number;
    if (digits == 0) { return 0; }
    if (middle[0] != '_' || digits > sizeof text) { return -1; }
    memcpy(text, middle + 1, digits - 1);
    text[digits - 1] = '\0';
    return umb__parse_int(text, 0, 999999, &number) ? number : -1;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Files go by number, not by name: _10 comes after _9. */
struct batch {
    int64_t number; /* first: what is compared */
    const char *path;
};

static enum umb_status list_batches(struct umb_dataset *ds, const char *folder,
                                    struct batch *batches, size_t *ret_n)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return umb__fail(ds->ctx, UMB_ERR_IO, "path: %s cannot be read (%s)", folder,
                         strerror(errno));
    }
    enum umb_status st = UMB_OK;
    size_t n = 0;
    for (struct dirent *e = readdir(dir); e != NULL && st == UMB_OK; e = readdir(dir)) {
        int64_t number = batch_number(e->d_name);
        if (number < 0) { continue; }
        if (n == MAX_BATCHES) {
            st = umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s: more than %d files data_batch_N.bin",
                           folder, MAX_BATCHES);
            break;
        }
        batches[n].number = number;
        batches[n].path = umb__arena_printf(ds->arena, "%s/%s", folder, e->d_name);
        st = batches[n++].path ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    closedir(dir);
    if (st == UMB_OK && n == 0) {
        st = umb__fail(ds->ctx, UMB_ERR_IO, "%s: no file data_batch_1.bin, or with another number",
                       folder);
    }
    qsort(batches, n, sizeof *batches, compare_numbers);
    for (size_t i = 1; i < n && st == UMB_OK; i++) {
        if (batches[i].number != batches[i - 1].number) { continue; }
        st =
            umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s and %s have one number; expected different ones",
                      batches[i - 1].path, batches[i].path);
    }
    *ret_n = n;
    return st;
}

static void planar_to_interleaved(const uint8_t *planar, uint8_t *pixels)
{
    for (size_t i = 0; i < PLANE; i++) {
        for (size_t c = 0; c < 3; c++) {
            pixels[i * 3 + c] = planar[c * PLANE + i];
        }
    }
}

/* Appends the records of one file to the part. */
static enum umb_status append_records(struct umb_context *ctx, const char *path,
                                      const uint8_t *file, size_t size,
                                      struct umb_memory_part *part)
{
    size_t n = size / RECORD_BYTES, total = part->n + n;
    if (n == 0 || size % RECORD_BYTES != 0) {
        return umb__fail(ctx, UMB_ERR_FORMAT,
                         "%s: %zu bytes; expected a multiple of %d (a label, then 3·32·32 bytes)",
                         path, size, RECORD_BYTES);
    }
    uint8_t *labels = umb__grow(ctx, part->labels, part->n, total, 1);
    if (labels == NULL) { return UMB_ERR_NO_MEMORY; }
    part->labels_block = part->labels = labels;
    uint8_t *pixels = umb__grow(ctx, part->pixels, part->n, total, IMAGE_BYTES);
    if (pixels == NULL) { return UMB_ERR_NO_MEMORY; }
    part->pixels_block = part->pixels = pixels;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *record = file + i * RECORD_BYTES;
        if (record[0] >= N_CLASSES) {
            return umb__fail(ctx, UMB_ERR_FORMAT, "%s: sample %zu: label %d; expected 0 … 9", path,
                             i, record[0]);
        }
        labels[part->n + i] = record[0];
        planar_to_interleaved(record + 1, pixels + (part->n + i) * IMAGE_BYTES);
    }
    part->n = total;
    return UMB_OK;
}

static enum umb_status load_file(struct umb_context *ctx, const char *path,
                                 struct umb_memory_part *part)
{
    char *file;
    size_t size;
    enum umb_status st = umb__file_read(ctx, path, MAX_FILE_BYTES, &file, &size);
    if (st != UMB_OK) { return st; }
    st = append_records(ctx, path, (const uint8_t *)file, size, part);
    umb__free(file);
    return st;
}

static enum umb_status load_training(struct umb_dataset *ds, const char *folder,
                                     struct umb_memory_part *part)
{
    struct batch *batches = umb__calloc(ds->ctx, MAX_BATCHES, sizeof *batches);
    if (batches == NULL) { return UMB_ERR_NO_MEMORY; }
    size_t n = 0;
    enum umb_status st = list_batches(ds, folder, batches, &n);
    for (size_t i = 0; i < n && st == UMB_OK; i++) {
        st = load_file(ds->ctx, batches[i].path, part);
    }
    umb__free(batches);
    return st;
}

static enum umb_status cifar10_open(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    struct umb_memory_set *set;
    enum umb_status st = umb__memory_set_create(ds, &set);
    if (st != UMB_OK) { return st; }
    set->shape[0] = set->shape[1] = SIDE;
    set->shape[2] = 3;
    st = load_training(ds, desc->path, &set->part[0]);
    if (st == UMB_OK) {
        const char *path = umb__arena_printf(ds->arena, "%s/test_batch.bin", desc->path);
        st = path ? load_file(ds->ctx, path, &set->part[1]) : UMB_ERR_NO_MEMORY;
    }
    if (st == UMB_OK) { st = umb__memory_set_finish(ds, desc, N_CLASSES, class_names); }
    return st;
}

const struct umb_format umb__format_cifar10 = {
    .name = "cifar10",
    .takes = UMB_TAKES_PATH,
    .open = cifar10_open,
    .read = umb__memory_set_read,
    .close = umb__memory_set_close,
};
