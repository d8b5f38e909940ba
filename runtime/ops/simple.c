#include "simple.h"
#include <string.h>

/* Elements a group at the least: a group costs PoCL under a microsecond to hand out, and this many
 * floats take a core some two to read and write. */
#define LEAST_ELEMENTS 4096
/* Groups at the most: enough for the tail to even out on any number of cores; a GPU's items take
 * one element each anyhow until there are more. */
#define MOST_CPU_GROUPS 256
#define MOST_GPU_GROUPS 65536

enum umb_status umb__infer_same(struct umb_infer *io)
{
    const enum umb_status st = umb__expect_f32(io, 0, 0, "numbers (f32)");
    if (st != UMB_OK) { return st; }
    io->n_out = 1;
    io->out[0] = io->in[0];
    return UMB_OK;
}

static bool same_rows(const struct umb_type *a, const struct umb_type *b)
{
    return umb__shape_equal(&a->shape, &b->shape) && a->n_segments == b->n_segments &&
           a->segment == b->segment;
}

enum umb_status umb__infer_equal(struct umb_infer *io, int first)
{
    const struct umb_type *a = &io->in[first];
    enum umb_status st = umb__expect_f32(io, first, 0, "numbers (f32)");
    io->n_out = 1;
    io->out[0] = *a;
    for (int i = first + 1; i < io->n_in && st == UMB_OK; i++) {
        const struct umb_type *b = &io->in[i];
        st = umb__expect_f32(io, i, 0, "numbers (f32)");
        if (st == UMB_OK && !same_rows(a, b)) {
            char x[UMB_SHAPE_TEXT], y[UMB_SHAPE_TEXT];
            st = umb__fail(io->ctx, UMB_ERR_INVALID,
                           "input %d has shape %s, input %d has %s; expected equal shapes of the "
                           "same streams",
                           first, umb__shape_text(&a->shape, x, sizeof x), i,
                           umb__shape_text(&b->shape, y, sizeof y));
        }
        if (memcmp(a->folded, b->folded, sizeof a->folded) != 0) {
            memset(io->out[0].folded, 0, sizeof io->out[0].folded);
        }
    }
    return st;
}

enum umb_status umb__expect_f32(const struct umb_infer *io, int index, int rank,
                                const char *expected)
{
    const struct umb_type *type = &io->in[index];
    if (type->dtype == UMB_F32 && (rank == 0 || type->shape.rank == rank)) { return UMB_OK; }
    char text[UMB_SHAPE_TEXT];
    return umb__fail(io->ctx, UMB_ERR_INVALID, "input %d has shape %s%s; expected %s", index,
                     umb__shape_text(&type->shape, text, sizeof text),
                     type->dtype == UMB_F32 ? "" : " of integers", expected);
}

static bool is_cpu(const struct umb_device_caps *caps)
{
    return caps->type == UMB_DEVICE_CPU;
}

struct umb_spread umb__spread_flat(const struct umb_device_caps *caps, int64_t n)
{
    return is_cpu(caps) ? umb__spread(caps, n, LEAST_ELEMENTS, MOST_CPU_GROUPS)
                        : umb__spread(caps, n, (int64_t)umb__spread_local(caps), MOST_GPU_GROUPS);
}

const char *umb__lanes_option(struct umb_emit *e, int lanes)
{
    return umb__emit_printf(e, "-DVW=%d", lanes);
}

int umb__channel_lanes(const struct umb_device_caps *caps, int64_t channels)
{
    int lanes = umb__spread_lanes(caps);
    if (channels >= 4 * lanes) { return lanes; }
    while (channels % lanes != 0) {
        lanes /= 2;
    }
    return lanes;
}

struct umb_pixel_walk umb__pixel_walk(struct umb_emit *e, int64_t pixels, int64_t channels,
                                      int64_t work, const char *defines)
{
    const struct umb_device_caps *caps = e->p.caps;
    const bool whole = is_cpu(caps);
    const int64_t unit = whole ? channels : 1;
    const int64_t n = pixels * (channels / unit);
    const int64_t local = (int64_t)umb__spread_local(caps);
    const int64_t most = whole ? MOST_CPU_GROUPS : MOST_GPU_GROUPS;
    int64_t least = whole ? LEAST_ELEMENTS / (unit * work) : local;
    least = least < 1 ? 1 : least;
    int64_t groups = n / least;
    groups = groups < 1 ? 1 : groups > most ? most : groups;
    const int64_t span = ((n + groups - 1) / groups + local - 1) / local * local;
    groups = (n + span - 1) / span;
    return (struct umb_pixel_walk){
        .launch = {.options = umb__emit_printf(e, "-DVW=%d%s", umb__channel_lanes(caps, channels),
                                               defines),
                   .dimensions = 1,
                   .global = {(size_t)(groups * local)},
                   .local = {(size_t)local}},
        .span = (int)span,
        .n_units = (int)n,
        .units_per_pixel = (int)(channels / unit),
        .unit_channels = (int)unit};
}

struct umb_nhwc umb__nhwc(const struct umb_type *type)
{
    const int64_t *d = type->shape.dim;
    return (struct umb_nhwc){(int)d[0], (int)d[1], (int)d[2], (int)d[3]};
}

const char *const umb__padding_words[] = {"same", "valid", NULL};

struct umb_window umb__window(int64_t extent, int64_t size, int64_t stride, int64_t padding)
{
    if (padding == UMB_PADDING_SAME) {
        const int64_t out = (extent + stride - 1) / stride;
        const int64_t total = (out - 1) * stride + size - extent;
        return (struct umb_window){(int)size, (int)stride, total > 0 ? (int)(total / 2) : 0,
                                   (int)out};
    }
    padding = padding < 0 ? 0 : padding; /* valid */
    const int64_t free_space = extent + 2 * padding - size;
    const int64_t out = free_space < 0 ? 0 : free_space / stride + 1;
    return (struct umb_window){(int)size, (int)stride, (int)padding, (int)out};
}

enum umb_status umb__expect_exactly(const struct umb_infer *io, int index, const char *what,
                                    enum umb_dtype dtype, const struct umb_shape *shape)
{
    const struct umb_type *t = &io->in[index];
    char got[UMB_SHAPE_TEXT], want[UMB_SHAPE_TEXT];
    if (t->dtype == dtype && umb__shape_equal(&t->shape, shape)) { return UMB_OK; }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "%s have shape %s; expected %s %s", what,
                     umb__shape_text(&t->shape, got, sizeof got),
                     dtype == UMB_I32 ? "int32" : "float32",
                     umb__shape_text(shape, want, sizeof want));
}
