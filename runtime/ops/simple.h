/*
 * simple.h: what the files of plain ops share: types that go through unchanged, and kernels that
 * walk pixels with the channels as lanes.
 */
#ifndef UMB_SIMPLE_H
#define UMB_SIMPLE_H

#include "spread.h"

/* One output of input 0's type, which must be f32. */
UMB_MUST_USE enum umb_status umb__infer_same(struct umb_infer *io);
/* One output of the type that inputs first, first + 1 … share; UMB_ERR_INVALID names two that do
 * not. Where the inputs were flattened from different extents, that is forgotten. */
UMB_MUST_USE enum umb_status umb__infer_equal(struct umb_infer *io, int first);
/* UMB_ERR_INVALID unless input `index` is f32 and, with rank > 0, of that rank. The message names
 * the shape and says what was `expected` ("a feature map [N,H,W,C]"). */
UMB_MUST_USE enum umb_status umb__expect_f32(const struct umb_infer *io, int index, int rank,
                                             const char *expected);

/* UMB_ERR_INVALID unless input `index` is of that type and shape; `what` ("labels") begins the
 * message. */
UMB_MUST_USE enum umb_status umb__expect_exactly(const struct umb_infer *io, int index,
                                                 const char *what, enum umb_dtype dtype,
                                                 const struct umb_shape *shape);

/* A flat walk over n elements: groups large enough to be worth handing out. */
struct umb_spread umb__spread_flat(const struct umb_device_caps *caps, int64_t n);
/* Lanes for kernels that walk channels: the native width, or for few channels the largest power of
 * two that divides them, so that no lane idles. */
int umb__channel_lanes(const struct umb_device_caps *caps, int64_t channels);
/* "-DVW=16", in the steps' arena; NULL: no memory. */
const char *umb__lanes_option(struct umb_emit *e, int lanes);

/*
 * A walk over `pixels` of C channels each, cut into units: `unit_channels` channels of one pixel.
 * Unit u is pixel u / units_per_pixel. On CPUs a unit is a whole pixel, so that its coordinates are
 * found once; elsewhere a unit is one channel, and neighbours are coalesced.
 */
struct umb_pixel_walk {
    struct umb_emit_launch launch; /* kernel is the caller's to set; options NULL: no memory */
    int span;                      /* units a group */
    int n_units, units_per_pixel, unit_channels;
};
/* work: elements read or written for one of the walk's. defines: further options, or "". */
struct umb_pixel_walk umb__pixel_walk(struct umb_emit *e, int64_t pixels, int64_t channels,
                                      int64_t work, const char *defines);

/* The four extents of an [N,H,W,C] value. */
struct umb_nhwc {
    int n, h, w, c;
};
struct umb_nhwc umb__nhwc(const struct umb_type *type);

/*
 * How windows of `size` lie on an axis of `extent`: window p begins at p·stride − before. padding
 * UMB_PADDING_SAME is Keras's: out = ⌈extent/stride⌉, the odd element of the padding behind.
 */
struct umb_window {
    int size, stride, before, out;
};
struct umb_window umb__window(int64_t extent, int64_t size, int64_t stride, int64_t padding);
/* The words of a padding attribute: "same", and "valid" for none. */
extern const char *const umb__padding_words[];
#define UMB_PADDING_SAME (-1)

#endif
