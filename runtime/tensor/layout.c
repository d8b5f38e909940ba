/* layout.c: parameters between the device's order and that of files. */
#include "tensor.h"

struct umb_layout umb__layout_plain(const struct umb_shape *shape)
{
    struct umb_layout layout = {.dim = *shape, .file_shape = *shape};
    for (int i = 0; i < UMB_MAX_RANK; i++) {
        layout.perm[i] = i;
    }
    return layout;
}

/* stride[i]: how far apart, in the device's order, two neighbours along the file's axis i lie. */
static void file_strides(const struct umb_layout *layout, int64_t stride[UMB_MAX_RANK])
{
    int64_t device_stride[UMB_MAX_RANK], n = 1;
    for (int i = layout->dim.rank - 1; i >= 0; i--) {
        device_stride[i] = n;
        n *= layout->dim.dim[i];
    }
    for (int i = 0; i < layout->dim.rank; i++) {
        stride[i] = device_stride[layout->perm[i]];
    }
}

/* Walks the file's order and keeps the device's place beside it, like the wheels of a counter. */
static void reorder(const struct umb_layout *layout, const uint32_t *src, uint32_t *dst,
                    bool to_file)
{
    int64_t stride[UMB_MAX_RANK], index[UMB_MAX_RANK] = {0};
    int64_t count = umb__shape_count(&layout->dim), place = 0;
    file_strides(layout, stride);
    for (int64_t i = 0; i < count; i++) {
        if (to_file) {
            dst[i] = src[place];
        } else {
            dst[place] = src[i];
        }
        for (int axis = layout->dim.rank - 1; axis >= 0; axis--) {
            place += stride[axis];
            if (++index[axis] < layout->dim.dim[layout->perm[axis]]) { break; }
            place -= index[axis] * stride[axis];
            index[axis] = 0;
        }
    }
}

void umb__layout_to_file(const struct umb_layout *layout, const void *device_order,
                         void *file_order)
{
    reorder(layout, device_order, file_order, true);
}

void umb__layout_from_file(const struct umb_layout *layout, const void *file_order,
                           void *device_order)
{
    reorder(layout, file_order, device_order, false);
}
