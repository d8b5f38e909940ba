/*
 * safetensors_read.c: reading a safetensors file that nobody vouches for.
 *
 * The header is checked against the file before a tensor is copied: every offset lies inside, every
 * size agrees with dtype and shape, and the tensors cover the data exactly once.
 */
#include "safetensors_set.h"

#include "alloc.h"
#include "fail.h"
#include "safetensors_float.h"
#include "system.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)16 << 30)
#define MAX_HEADER_BYTES ((uint64_t)100 << 20)
#define PREFIX_BYTES ((size_t)8)
#define MAX_NAMES ((size_t)65536) /* names are found by walking: keeps a lying file cheap */

struct reader {
    struct umb_context *ctx;
    const char *path;
    const char *data; /* the file's tensors … */
    size_t n_data;    /* … and their bytes */
    struct umb_safetensors *set;
    struct span {
        size_t begin, end;
        const char *name;
    } * spans; /* [tensors] */
    size_t n_spans;
};

#define REFUSE(r, ...) \
    umb__fail_prefix((r)->ctx, umb__fail((r)->ctx, UMB_ERR_FORMAT, __VA_ARGS__), "%s", (r)->path)

static enum umb_status read_shape(struct reader *r, const char *name, const json_t *value,
                                  struct umb_shape *ret_shape)
{
    size_t rank = json_array_size(value);
    if (!json_is_array(value) || rank > UMB_MAX_RANK) {
        return REFUSE(r, "tensor '%s': shape is not a list; expected one of at most %d numbers",
                      name, UMB_MAX_RANK);
    }
    struct umb_shape shape = {.rank = (int)rank};
    for (size_t i = 0; i < rank; i++) {
        const json_t *extent = json_array_get(value, i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 1) {
            return REFUSE(r, "tensor '%s': shape[%zu] is not a whole number of at least 1", name,
                          i);
        }
        shape.dim[i] = json_integer_value(extent);
    }
    *ret_shape = shape;
    return UMB_OK;
}

static enum umb_status read_span(struct reader *r, const char *name, const json_t *value,
                                 struct span *ret_span)
{
    const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(begin) || !json_is_integer(end)) {
        return REFUSE(r, "tensor '%s': data_offsets is not [begin, end]", name);
    }
    json_int_t first = json_integer_value(begin), last = json_integer_value(end);
    if (first < 0 || last < first || (uint64_t)last > r->n_data) {
        return REFUSE(r,
                      "tensor '%s': data_offsets [%lld, %lld] lie outside the file's %zu bytes of "
                      "data",
                      name, (long long)first, (long long)last, r->n_data);
    }
    *ret_span = (struct span){(size_t)first, (size_t)last, name};
    return UMB_OK;
}

static enum umb_status read_dtype(struct reader *r, const char *name, const json_t *value,
                                  const char **ret_dtype, size_t *ret_bytes)
{
    const char *text = json_string_value(value);
    *ret_dtype = text ? umb__safetensors_dtype(text, ret_bytes) : NULL;
    if (*ret_dtype) { return UMB_OK; }
    if (text && umb__float_is_other(text, ret_bytes)) {
        *ret_dtype = text;
        return UMB_OK;
    }
    return REFUSE(r, "tensor '%s': dtype is '%s'; expected F32, F16, BF16, F64, I32, U8 or I64",
                  name, text ? text : "no text");
}

/* Floats of other sizes are kept as F32. */
static enum umb_status keep_tensor(struct reader *r, const char *name, const char *dtype,
                                   const struct umb_shape *shape, const struct span *span)
{
    size_t bytes = 0;
    const char *data = r->data + span->begin;
    if (!umb__float_is_other(dtype, &bytes)) {
        return umb__safetensors_add(r->set, name, dtype, shape, data);
    }
    float *converted = umb__float_to_f32(r->ctx, dtype, data, (span->end - span->begin) / bytes);
    if (!converted) { return UMB_ERR_NO_MEMORY; }
    const enum umb_status st = umb__safetensors_add(r->set, name, "F32", shape, converted);
    umb__free(converted);
    return st;
}

static enum umb_status read_tensor(struct reader *r, const char *name, const json_t *row)
{
    if (!json_is_object(row)) {
        return REFUSE(r, "tensor '%s': is no object with dtype, shape and data_offsets", name);
    }
    struct umb_shape shape = {0};
    struct span span = {0};
    const char *dtype = NULL;
    size_t bytes = 0;
    enum umb_status st = read_dtype(r, name, json_object_get(row, "dtype"), &dtype, &bytes);
    if (st == UMB_OK) { st = read_shape(r, name, json_object_get(row, "shape"), &shape); }
    if (st == UMB_OK) { st = read_span(r, name, json_object_get(row, "data_offsets"), &span); }
    if (st != UMB_OK) { return st; }
    if (!umb__safetensors_bytes(&shape, bytes, &bytes) || bytes != span.end - span.begin) {
        return REFUSE(r, "tensor '%s': its offsets span %zu bytes, its dtype and shape say other",
                      name, span.end - span.begin);
    }
    r->spans[r->n_spans++] = span;
    st = keep_tensor(r, name, dtype, &shape, &span);
    return st == UMB_ERR_INVALID ? umb__fail_prefix(r->ctx, UMB_ERR_FORMAT, "%s", r->path) : st;
}

static enum umb_status read_texts(struct reader *r, const json_t *texts)
{
    if (!json_is_object(texts) || json_object_size(texts) > MAX_NAMES) {
        return REFUSE(r, "__metadata__ is no object of at most %zu texts", MAX_NAMES);
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)texts, key, value)
    {
        if (!json_is_string(value)) { return REFUSE(r, "__metadata__: '%s' is not a text", key); }
        enum umb_status st = umb__safetensors_add_text(r->set, key, json_string_value(value));
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Sorted by place, each tensor begins where the one before it ends, and the last ends the file. */
static enum umb_status check_cover(struct reader *r)
{
    if (r->n_spans > 1) { qsort(r->spans, r->n_spans, sizeof *r->spans, by_begin); }
    size_t at = 0;
    for (size_t i = 0; i < r->n_spans; i++) {
        if (r->spans[i].begin != at) {
            return REFUSE(r, "tensor '%s': begins at byte %zu, which %s; expected %zu",
                          r->spans[i].name, r->spans[i].begin,
                          r->spans[i].begin < at ? "overlaps the one before" : "leaves a hole", at);
        }
        at = r->spans[i].end;
    }
    if (at == r->n_data) { return UMB_OK; }
    return REFUSE(r, "%zu bytes behind the last tensor; expected none", r->n_data - at);
}

static enum umb_status read_header(struct reader *r, const json_t *header)
{
    if (!json_is_object(header) || json_object_size(header) > MAX_NAMES) {
        return REFUSE(r, "the header is no JSON object of at most %zu tensors", MAX_NAMES);
    }
    r->spans = umb__calloc(r->ctx, json_object_size(header), sizeof *r->spans);
    if (!r->spans) { return UMB_ERR_NO_MEMORY; }
    const char *name;
    json_t *row;
    json_object_foreach((json_t *)(uintptr_t)header, name, row)
    {
        bool texts = strcmp(name, UMB_SAFETENSORS_METADATA) == 0;
        enum umb_status st = texts ? read_texts(r, row) : read_tensor(r, name, row);
        if (st != UMB_OK) { return st; }
    }
    return check_cover(r);
}

/* Splits the file into header and data, and parses the header. */
static enum umb_status open_header(struct reader *r, const char *file, size_t size,
                                   json_t **ret_header)
{
    if (size < PREFIX_BYTES) {
        return REFUSE(r,
                      "%zu bytes; expected a safetensors file, which begins with 8 for the "
                      "header's size",
                      size);
    }
    uint64_t length = 0;
    for (size_t i = 0; i < PREFIX_BYTES; i++) {
        length |= (uint64_t)(unsigned char)file[i] << (8 * i);
    }
    if (length > MAX_HEADER_BYTES || length > size - PREFIX_BYTES) {
        return REFUSE(r, "says its header has %llu bytes, the file has %zu",
                      (unsigned long long)length, size);
    }
    json_error_t problem;
    *ret_header = json_loadb(file + PREFIX_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &problem);
    if (!*ret_header) { return REFUSE(r, "the header is not JSON: %s", problem.text); }
    r->data = file + PREFIX_BYTES + length;
    r->n_data = size - PREFIX_BYTES - (size_t)length;
    return UMB_OK;
}

enum umb_status umb__safetensors_read(struct umb_context *ctx, const char *path,
                                      struct umb_safetensors **ret_file)
{
    struct reader r = {.ctx = ctx, .path = path};
    char *file = NULL;
    size_t size = 0;
    json_t *header = NULL;
    enum umb_status st = umb__file_read(ctx, path, MAX_FILE_BYTES, &file, &size);
    if (st == UMB_OK) { st = umb__safetensors_create(ctx, &r.set); }
    if (st == UMB_OK) { st = open_header(&r, file, size, &header); }
    if (st == UMB_OK) { st = read_header(&r, header); }
    json_decref(header);
    umb__free(r.spans);
    umb__free(file);
    if (st != UMB_OK) {
        umb__safetensors_destroy(r.set);
        return st;
    }
    *ret_file = r.set;
    return UMB_OK;
}
