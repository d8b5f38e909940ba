/*
 * safetensors.c: a set of named tensors and texts, and writing it.
 *
 *   u64 header bytes | JSON header, padded with blanks to 8 | tensor | tensor | …
 *
 * Tensors lie in the order of their names, without gaps, so that equal sets make equal files.
 */
#include "safetensors_set.h"

#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum umb_status umb__safetensors_create(struct umb_context *ctx, struct umb_safetensors **ret_file)
{
    struct umb_safetensors *f = umb__calloc(ctx, 1, sizeof *f);
    if (!f) { return UMB_ERR_NO_MEMORY; }
    f->ctx = ctx;
    *ret_file = f;
    return UMB_OK;
}

void umb__safetensors_destroy(struct umb_safetensors *f)
{
    if (!f) { return; }
    for (size_t i = 0; i < f->n_entries; i++) {
        umb__free((void *)(uintptr_t)f->entry[i].name);
        umb__free((void *)(uintptr_t)f->entry[i].data);
    }
    for (size_t i = 0; i < f->n_texts; i++) {
        umb__free((void *)(uintptr_t)f->text[i].key);
        umb__free((void *)(uintptr_t)f->text[i].value);
    }
    umb__free(f->entry);
    umb__free(f->text);
    umb__free(f);
}

const char *umb__safetensors_dtype(const char *dtype, size_t *ret_bytes)
{
    static const struct {
        const char *name;
        size_t bytes;
    } known[] = {{"F32", 4}, {"I32", 4}, {"U8", 1}, {"I64", 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(dtype, known[i].name) == 0) {
            *ret_bytes = known[i].bytes;
            return known[i].name;
        }
    }
    return NULL;
}

bool umb__safetensors_bytes(const struct umb_shape *shape, size_t element, size_t *ret_bytes)
{
    if (shape->rank < 0 || shape->rank > UMB_MAX_RANK) { return false; }
    size_t bytes = element;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 1 || !umb__mul_size(bytes, (size_t)shape->dim[i], &bytes)) {
            return false;
        }
    }
    *ret_bytes = bytes;
    return true;
}

/* Room for one more element behind n. */
static enum umb_status make_room(struct umb_context *ctx, void **array, size_t n, size_t *capacity,
                                 size_t size)
{
    if (n < *capacity) { return UMB_OK; }
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = umb__grow(ctx, *array, *capacity, wanted, size);
    if (!grown) { return UMB_ERR_NO_MEMORY; }
    *array = grown;
    *capacity = wanted;
    return UMB_OK;
}

static enum umb_status check_new(struct umb_safetensors *f, const char *name)
{
    if (!*name || strcmp(name, UMB_SAFETENSORS_METADATA) == 0) {
        return umb__fail(f->ctx, UMB_ERR_INVALID, "tensor '%s': not a name for a tensor", name);
    }
    if (umb__safetensors_find(f, name)) {
        return umb__fail(f->ctx, UMB_ERR_INVALID, "tensor '%s': is there already", name);
    }
    return UMB_OK;
}

enum umb_status umb__safetensors_add(struct umb_safetensors *f, const char *name, const char *dtype,
                                     const struct umb_shape *shape, const void *data)
{
    enum umb_status st = check_new(f, name);
    if (st != UMB_OK) { return st; }
    size_t bytes = 0;
    const char *known = umb__safetensors_dtype(dtype, &bytes);
    if (!known || !umb__safetensors_bytes(shape, bytes, &bytes)) {
        return umb__fail(f->ctx, UMB_ERR_INVALID,
                         "tensor '%s': a dtype or shape that cannot be kept; expected F32, I32, U8 "
                         "or I64 and extents of at least 1",
                         name);
    }
    void *array = f->entry;
    st = make_room(f->ctx, &array, f->n_entries, &f->entry_capacity, sizeof *f->entry);
    f->entry = array;
    if (st != UMB_OK) { return st; }
    char *own_name = umb__strdup(f->ctx, name);
    void *own_data = own_name ? umb__calloc(f->ctx, bytes, 1) : NULL;
    if (!own_data) {
        umb__free(own_name);
        return UMB_ERR_NO_MEMORY;
    }
    memcpy(own_data, data, bytes);
    f->entry[f->n_entries++] = (struct umb_safetensors_entry){own_name, known, *shape, own_data};
    return UMB_OK;
}

enum umb_status umb__safetensors_add_text(struct umb_safetensors *f, const char *key,
                                          const char *value)
{
    if (umb__safetensors_text(f, key)) {
        return umb__fail(f->ctx, UMB_ERR_INVALID, "metadata '%s': is there already", key);
    }
    void *array = f->text;
    enum umb_status st = make_room(f->ctx, &array, f->n_texts, &f->text_capacity, sizeof *f->text);
    f->text = array;
    if (st != UMB_OK) { return st; }
    char *own_key = umb__strdup(f->ctx, key);
    char *own_value = own_key ? umb__strdup(f->ctx, value) : NULL;
    if (!own_value) {
        umb__free(own_key);
        return UMB_ERR_NO_MEMORY;
    }
    f->text[f->n_texts++] = (struct umb_safetensors_metadata){own_key, own_value};
    return UMB_OK;
}

size_t umb__safetensors_count(const struct umb_safetensors *f)
{
    return f->n_entries;
}

const struct umb_safetensors_entry *umb__safetensors_at(const struct umb_safetensors *f,
                                                        size_t index)
{
    return index < f->n_entries ? &f->entry[index] : NULL;
}

const struct umb_safetensors_entry *umb__safetensors_find(const struct umb_safetensors *f,
                                                          const char *name)
{
    for (size_t i = 0; i < f->n_entries; i++) {
        if (strcmp(f->entry[i].name, name) == 0) { return &f->entry[i]; }
    }
    return NULL;
}

const char *umb__safetensors_text(const struct umb_safetensors *f, const char *key)
{
    for (size_t i = 0; i < f->n_texts; i++) {
        if (strcmp(f->text[i].key, key) == 0) { return f->text[i].value; }
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct umb_safetensors_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static size_t entry_bytes(const struct umb_safetensors_entry *e)
{
    size_t bytes = 0;
    if (umb__safetensors_dtype(e->dtype, &bytes)) {
        (void)umb__safetensors_bytes(&e->shape, bytes, &bytes);
    }
    return bytes;
}

/* {"dtype":…,"shape":[…],"data_offsets":[begin,end]}; NULL on no memory. */
static json_t *entry_json(const struct umb_safetensors_entry *e, size_t begin, size_t end)
{
    json_t *shape = json_array();
    for (int i = 0; shape && i < e->shape.rank; i++) {
        json_array_append_new(shape, json_integer(e->shape.dim[i]));
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", e->dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

static json_t *texts_json(const struct umb_safetensors *f)
{
    json_t *texts = json_object();
    for (size_t i = 0; texts && i < f->n_texts; i++) {
        if (json_object_set_new(texts, f->text[i].key, json_string(f->text[i].value)) != 0) {
            json_decref(texts);
            return NULL;
        }
    }
    return texts;
}

/* The whole header as text (free with free()); names and texts that are not UTF-8 give NULL too. */
static char *header_text(const struct umb_safetensors *f)
{
    json_t *header = json_object();
    bool fine = header != NULL;
    if (fine && f->n_texts > 0) {
        fine = json_object_set_new(header, UMB_SAFETENSORS_METADATA, texts_json(f)) == 0;
    }
    size_t begin = 0;
    for (size_t i = 0; fine && i < f->n_entries; i++) {
        size_t end = begin + entry_bytes(&f->entry[i]);
        fine = json_object_set_new(header, f->entry[i].name,
                                   entry_json(&f->entry[i], begin, end)) == 0;
        begin = end;
    }
    char *text = fine ? json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(header);
    return text;
}

static enum umb_status add_header(struct umb_file_writer *w, const char *text)
{
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char size[8];
    for (size_t i = 0; i < 8; i++) {
        size[i] = (unsigned char)((uint64_t)padded >> (8 * i) & 255);
    }
    enum umb_status st = umb__file_writer_add(w, size, sizeof size);
    if (st == UMB_OK) { st = umb__file_writer_add(w, text, length); }
    if (st == UMB_OK) { st = umb__file_writer_add(w, "       ", padded - length); }
    return st;
}

enum umb_status umb__safetensors_write(struct umb_safetensors *f, const char *path)
{
    if (f->n_entries > 1) { qsort(f->entry, f->n_entries, sizeof *f->entry, by_name); }
    char *text = header_text(f);
    if (!text) {
        return umb__fail(f->ctx, UMB_ERR_INVALID,
                         "%s: no header can be made: a name or text is not UTF-8, or memory is "
                         "short",
                         path);
    }
    struct umb_file_writer *w = NULL;
    enum umb_status st = umb__file_writer_create(f->ctx, path, &w);
    if (st == UMB_OK) { st = add_header(w, text); }
    for (size_t i = 0; st == UMB_OK && i < f->n_entries; i++) {
        st = umb__file_writer_add(w, f->entry[i].data, entry_bytes(&f->entry[i]));
    }
    free(text);
    if (st != UMB_OK) {
        umb__file_writer_abort(w);
        return st;
    }
    return umb__file_writer_commit(w);
}
