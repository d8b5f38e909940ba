/*
 * gpu_tile.h: the tiled matrix products of GPUs (cl/gpu_conv.cl, cl/gpu_conv_weights.cl), for
 * convolutions and dense layers, and the solver rows that are made of them.
 *
 * The tiles of plain numbers give the same bits; which one is fastest depends on the registers of a
 * device and on how many tiles the shape has. Each is a row of its own, so that a tuner can choose.
 */
#ifndef UMB_GPU_TILE_H
#define UMB_GPU_TILE_H

#include "dense.h"
#include "gemm_tile.h"

enum umb_gpu_tile {
    UMB_GPU_LARGE,
    UMB_GPU_MEDIUM,
    UMB_GPU_SMALL,
    UMB_GPU_MMA_LARGE, /* by tensor cores, with numbers cut in two: nearly float32's results */
    UMB_GPU_MMA_MEDIUM,
    UMB_GPU_HALF_LARGE, /* with operands as float16, for mixed precision only */
    UMB_GPU_HALF_MEDIUM,
    UMB_GPU_HALF_MMA_LARGE,
    UMB_GPU_HALF_MMA_MEDIUM,
    UMB_GPU_TILES
};

/* A GPU, or any device that is no CPU and no rasterizer. */
bool umb__gpu_applies(const struct umb_device_caps *caps);

/* How the tile suits a product of rows × columns, `batches` times over: 0, the device has not the
 * room for it; 1, only if named; else 4 to 6, the best tile of the shape 6; 3 for tensor cores and
 * float16, which are for a tuner to choose: nobody has timed them. */
int umb__gpu_tile_rank(const struct umb_device_caps *caps, enum umb_gpu_tile tile, int64_t rows,
                       int64_t columns, int64_t batches);

/* One launch of cl/gpu_conv.cl: the gather, and how far a group lies further on. */
struct umb_gpu_gather {
    struct umb_gather g;
    int xg, wg, yg;
    bool mask; /* bias is the relu's result that y is the gradient to */
};
/* With the group steps of a grouped convolution. */
struct umb_gpu_gather umb__gpu_gather(const struct umb_gather *g);
/* bias: any value's id where there is none. */
UMB_MUST_USE enum umb_status umb__emit_gpu_gather(struct umb_emit *e,
                                                  const struct umb_kernel *kernel,
                                                  enum umb_gpu_tile tile,
                                                  const struct umb_gpu_gather *g, int x, int w,
                                                  int bias, int y);

/* dw from x and dy by cl/gpu_conv_weights.cl. */
UMB_MUST_USE enum umb_status umb__emit_gpu_weights(struct umb_emit *e,
                                                   const struct umb_kernel *kernel,
                                                   enum umb_gpu_tile tile, const struct umb_conv *g,
                                                   int x, int dy, int dw);

/* Solver rows: gpu_conv.c, gpu_dense.c. */

#define UMB_GPU_DECLARE(op, pass, size)                               \
    int umb__gpu_##op##_##size##_##pass(const struct umb_problem *p); \
    UMB_MUST_USE enum umb_status umb__emit_gpu_##op##_##size##_##pass(struct umb_emit *e);
#define UMB_GPU_DECLARE_TILES(op, pass)  \
    UMB_GPU_DECLARE(op, pass, large)     \
    UMB_GPU_DECLARE(op, pass, medium)    \
    UMB_GPU_DECLARE(op, pass, small)     \
    UMB_GPU_DECLARE(op, pass, mma_large) \
    UMB_GPU_DECLARE(op, pass, mma_medium)
/* Forward alone: gradients need float32's range. */
#define UMB_GPU_DECLARE_HALVES(op, pass)      \
    UMB_GPU_DECLARE(op, pass, half_large)     \
    UMB_GPU_DECLARE(op, pass, half_medium)    \
    UMB_GPU_DECLARE(op, pass, half_mma_large) \
    UMB_GPU_DECLARE(op, pass, half_mma_medium)
UMB_GPU_DECLARE_HALVES(conv, forward)
UMB_GPU_DECLARE_HALVES(dense, forward)
UMB_GPU_DECLARE_TILES(conv, forward)
UMB_GPU_DECLARE_TILES(conv, data)
UMB_GPU_DECLARE_TILES(conv, weights)
UMB_GPU_DECLARE_TILES(dense, forward)
UMB_GPU_DECLARE_TILES(dense, data)
UMB_GPU_DECLARE_TILES(dense, weights)

/* Their definitions, from pass##_rank(p, tile) and emit_##pass(e, tile) of the op's file;
 * condition: of which problems p. */
#define UMB_GPU_DEFINE_IF(condition, op, pass, size, tile)                   \
    int umb__gpu_##op##_##size##_##pass(const struct umb_problem *p)         \
    {                                                                        \
        return (condition) ? pass##_rank(p, tile) : 0;                       \
    }                                                                        \
    enum umb_status umb__emit_gpu_##op##_##size##_##pass(struct umb_emit *e) \
    {                                                                        \
        return emit_##pass(e, tile);                                         \
    }
#define UMB_GPU_DEFINE(op, pass, size, tile) UMB_GPU_DEFINE_IF(true, op, pass, size, tile)
#define UMB_GPU_DEFINE_TILES(op, pass)                     \
    UMB_GPU_DEFINE(op, pass, large, UMB_GPU_LARGE)         \
    UMB_GPU_DEFINE(op, pass, medium, UMB_GPU_MEDIUM)       \
    UMB_GPU_DEFINE(op, pass, small, UMB_GPU_SMALL)         \
    UMB_GPU_DEFINE(op, pass, mma_large, UMB_GPU_MMA_LARGE) \
    UMB_GPU_DEFINE(op, pass, mma_medium, UMB_GPU_MMA_MEDIUM)

#define UMB_GPU_DEFINE_HALVES(op, pass)                                           \
    UMB_GPU_DEFINE_IF(p->mixed, op, pass, half_large, UMB_GPU_HALF_LARGE)         \
    UMB_GPU_DEFINE_IF(p->mixed, op, pass, half_medium, UMB_GPU_HALF_MEDIUM)       \
    UMB_GPU_DEFINE_IF(p->mixed, op, pass, half_mma_large, UMB_GPU_HALF_MMA_LARGE) \
    UMB_GPU_DEFINE_IF(p->mixed, op, pass, half_mma_medium, UMB_GPU_HALF_MMA_MEDIUM)

/* The rows of an op's table. */
#define UMB_GPU_ROW(op, pass, name, size)                                           \
    {                                                                               \
        name, umb__gpu_##op##_##size##_##pass, umb__emit_gpu_##op##_##size##_##pass \
    }
#define UMB_GPU_HALF_ROWS(op, pass)                              \
    UMB_GPU_ROW(op, pass, "half_large", half_large),             \
        UMB_GPU_ROW(op, pass, "half_medium", half_medium),       \
        UMB_GPU_ROW(op, pass, "half_mma_large", half_mma_large), \
        UMB_GPU_ROW(op, pass, "half_mma_medium", half_mma_medium)
#define UMB_GPU_TILE_ROWS(op, pass)                                                                \
    UMB_GPU_ROW(op, pass, "tile_large", large), UMB_GPU_ROW(op, pass, "tile_medium", medium),      \
        UMB_GPU_ROW(op, pass, "tile_small", small), UMB_GPU_ROW(op, pass, "mma_large", mma_large), \
        UMB_GPU_ROW(op, pass, "mma_medium", mma_medium)

#endif
