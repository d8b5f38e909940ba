/*
 * shape.h: the shape and element type of a value.
 *
 * Activations are NHWC: [N,H,W,C], or [N,C] behind a flatten. A shape never holds a zero or
 * negative extent once it was inferred.
 */
#ifndef UMBEL_SHAPE_H
#define UMBEL_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#define UMB_MAX_RANK 5

struct umb_shape {
    int rank;
    int64_t dim[UMB_MAX_RANK];
};

enum umb_dtype { UMB_F32, UMB_I32, UMB_U8 };

#endif
