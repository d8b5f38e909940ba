/* shape.c: counting, comparing, printing and checking shapes. */
#include "fail.h"
#include "tensor.h"
#include <inttypes.h>
#include <stdio.h>

#define MAX_COUNT INT64_C(0x7fffffff) /* kernels index elements with int */

size_t umb__dtype_bytes(enum umb_dtype dtype)
{
    static const size_t bytes[] = {[UMB_F32] = 4, [UMB_I32] = 4, [UMB_U8] = 1};
    return bytes[dtype];
}

double umb__number_at(enum umb_dtype dtype, const void *host, int64_t i)
{
    switch (dtype) {
    case UMB_F32:
        return ((const float *)host)[i];
    case UMB_I32:
        return ((const int32_t *)host)[i];
    case UMB_U8:
        return ((const uint8_t *)host)[i];
    }
    return 0;
}

/* Saturates, so that the product of extents nobody has checked yet is never a small lie. */
static int64_t product(const struct umb_shape *shape, int end)
{
    int64_t n = 1;
    for (int i = 0; i < end; i++) {
        if (__builtin_mul_overflow(n, shape->dim[i], &n)) { return INT64_MAX; }
    }
    return n;
}

int64_t umb__shape_count(const struct umb_shape *shape)
{
    return product(shape, shape->rank);
}

bool umb__shape_equal(const struct umb_shape *a, const struct umb_shape *b)
{
    if (a->rank != b->rank) { return false; }
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) { return false; }
    }
    return true;
}

int64_t umb__shape_rows(const struct umb_shape *shape)
{
    return product(shape, shape->rank - 1);
}

int64_t umb__shape_channels(const struct umb_shape *shape)
{
    return shape->rank > 0 ? shape->dim[shape->rank - 1] : 1;
}

size_t umb__type_bytes(const struct umb_type *type)
{
    return (size_t)umb__shape_count(&type->shape) * umb__dtype_bytes(type->dtype);
}

const char *umb__shape_text(const struct umb_shape *shape, char *buffer, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < shape->rank && i < UMB_MAX_RANK && used < size; i++) {
        int n =
            snprintf(buffer + used, size - used, "%c%" PRId64, i == 0 ? '[' : ',', shape->dim[i]);
        used += (size_t)n;
    }
    if (used < size) { snprintf(buffer + used, size - used, used > 0 ? "]" : "[]"); }
    return buffer;
}

enum umb_status umb__shape_check(struct umb_context *ctx, const struct umb_shape *shape)
{
    char text[UMB_SHAPE_TEXT];
    if (shape->rank < 0 || shape->rank > UMB_MAX_RANK) {
        return umb__fail(ctx, UMB_ERR_INVALID, "a shape of rank %d; expected 0 to %d", shape->rank,
                         UMB_MAX_RANK);
    }
    umb__shape_text(shape, text, sizeof text);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 1) {
            return umb__fail(ctx, UMB_ERR_INVALID,
                             "shape %s: extent %" PRId64 " of axis %d; expected at least 1", text,
                             shape->dim[i], i);
        }
    }
    if (umb__shape_count(shape) > MAX_COUNT) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "shape %s: too many elements; expected at most %" PRId64, text, MAX_COUNT);
    }
    return UMB_OK;
}
