/*
 * pool.h: the geometry that max_pool and avg_pool share. Forward and backward have one attribute
 * struct; grad fills in the input's extents, which backward cannot tell from dy.
 */
#ifndef UMB_POOL_H
#define UMB_POOL_H

#include "simple.h"

struct umb_pool_attrs {
    int64_t size[2], stride[2]; /* stride 0: as size */
    int64_t padding[2];         /* −1: same */
    bool count_include_pad;     /* avg_pool */
    int64_t extent[2];          /* backward: H, W */
};

struct umb_pool {
    struct umb_nhwc x;
    struct umb_window h, w; /* out: P, Q */
};

#define UMB_POOL_ATTRS                                                                 \
    {.name = "size",                                                                   \
     .type = UMB_ATTR_PAIR,                                                            \
     .offset = offsetof(struct umb_pool_attrs, size),                                  \
     .required = true,                                                                 \
     .min = 1,                                                                         \
     .max = 1024,                                                                      \
     .help = "height and width of the window"},                                        \
        {.name = "stride",                                                             \
         .type = UMB_ATTR_PAIR,                                                        \
         .offset = offsetof(struct umb_pool_attrs, stride),                            \
         .min = 0,                                                                     \
         .max = 1024,                                                                  \
         .fallback = "0",                                                              \
         .help = "step from window to window; 0: the size"},                           \
    {                                                                                  \
        .name = "padding", .type = UMB_ATTR_PAIR,                                      \
        .offset = offsetof(struct umb_pool_attrs, padding), .min = 0, .max = 1023,     \
        .fallback = "0", .choices = umb__padding_words,                                \
        .help = "rows and columns around the input, less than the size; same: Keras's" \
    }

/* Of a forward input [N,H,W,C]. */
struct umb_pool umb__pool_forward(const struct umb_pool_attrs *a, const struct umb_type *x);
/* Of a gradient [N,P,Q,C]. */
struct umb_pool umb__pool_backward(const struct umb_pool_attrs *a, const struct umb_type *dy);

/* Output 0: [N,P,Q,C]. */
UMB_MUST_USE enum umb_status umb__pool_infer(struct umb_infer *io);
/* Output 0: [N,H,W,C]. */
UMB_MUST_USE enum umb_status umb__pool_backward_infer(struct umb_infer *io);

/* The attributes of forward with the extents of the input. */
struct umb_pool_attrs umb__pool_grad_attrs(const struct umb_grad *g);

/* What is inside of window (p,q): h in [h[0],h[1]), w in [w[0],w[1]). */
struct umb_pool_range {
    int h[2], w[2];
};
struct umb_pool_range umb__pool_range(const struct umb_pool *pool, int p, int q);

/* The solvers by the kernels `…_apart`: 2 where windows lie side by side, and the windows of the
 * grid that covers one image. */
int umb__pool_apart(const struct umb_problem *p);
int64_t umb__pool_cover(const struct umb_pool *pool);

double umb__pool_flops(const struct umb_problem *p);

/* The kernels' GEOMETRY, as varargs of umb__emit_launch. */
#define UMB_POOL_ARGS(pool, walk)                                                                 \
    (pool).x.h, (pool).x.w, (pool).x.c, (pool).h.out, (pool).w.out, (pool).h.size, (pool).w.size, \
        (pool).h.stride, (pool).w.stride, (pool).h.before, (pool).w.before, (walk).n_units,       \
        (walk).units_per_pixel, (walk).unit_channels, (walk).span
#define UMB_POOL_SIGNATURE "iiiiiiiiiiiiiii"

#endif
