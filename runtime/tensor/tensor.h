/*
 * tensor.h: types of values, views of memory, and the host layout of parameters.
 *
 * A umb_type is what inference computes for a value. A umb_view says where a value lies on a
 * device. umb_layout turns a parameter between the device's layout (K innermost) and that of files.
 */
#ifndef UMB_TENSOR_H
#define UMB_TENSOR_H

#include "buffer.h"
#include <stdbool.h>
#include <umbel/shape.h>

/*
 * n_segments: how many streams' rows lie one after another along N (all with N/n_segments rows; 0
 * for values without a batch axis: parameters, scalars), the first of them being stream `segment`.
 * folded: the [H,W,C] that a flatten folded into the last axis, zeros if none; a dense layer needs
 * it to keep its weights in C,H,W order in files.
 */
struct umb_type {
    enum umb_dtype dtype;
    struct umb_shape shape;
    int n_segments, segment;
    int64_t folded[3];
};

size_t umb__dtype_bytes(enum umb_dtype dtype);
/* Element i of an array on the host. */
double umb__number_at(enum umb_dtype dtype, const void *host, int64_t i);
int64_t umb__shape_count(const struct umb_shape *shape); /* product of the extents; 1 for rank 0 */
bool umb__shape_equal(const struct umb_shape *a, const struct umb_shape *b);
/* Elements of all axes but the last (rows), and of the last (channels; 1 for rank 0). */
int64_t umb__shape_rows(const struct umb_shape *shape);
int64_t umb__shape_channels(const struct umb_shape *shape);
size_t umb__type_bytes(const struct umb_type *type);
/* "[64,28,28,1]" into a caller's buffer; returns it. */
const char *umb__shape_text(const struct umb_shape *shape, char *buffer, size_t size);
#define UMB_SHAPE_TEXT 96

/* Checks an inferred shape: rank, extents ≥ 1, element count below 2³¹ (kernels index with int). */
UMB_MUST_USE enum umb_status umb__shape_check(struct umb_context *ctx,
                                              const struct umb_shape *shape);

/* Where a value lies: byte_offset is a multiple of its element size. */
struct umb_view {
    struct umb_buffer *buffer;
    size_t byte_offset;
};

/*
 * The layout of a parameter in files. The device's extents are `dim` (those of the type, or finer:
 * a dense layer behind a flatten has [H,W,C,K] for its [H·W·C, K]); axis i of the file is axis
 * perm[i] of dim. file_shape is what a file says, the same elements with some file axes merged.
 * Conv: dim [R,S,C,K], perm {3,2,0,1}, file [K,C,R,S]. Dense: dim [C,K], perm {1,0}, file [K,C].
 */
struct umb_layout {
    struct umb_shape dim;
    int perm[UMB_MAX_RANK];
    struct umb_shape file_shape;
};
struct umb_layout umb__layout_plain(const struct umb_shape *shape);
/* Reorders count elements of 4 bytes; src and dst do not overlap. */
void umb__layout_to_file(const struct umb_layout *layout, const void *device_order,
                         void *file_order);
void umb__layout_from_file(const struct umb_layout *layout, const void *file_order,
                           void *device_order);

#endif
