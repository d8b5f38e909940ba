/*
 * A pooled convolution's gradient at its full size, dv [N,P,Q,K] of conv.h, for solvers whose
 * kernels do not read it through the pass bits: on CPUs a row of pixels a work-item
 * (cl/conv_spread.cl), on GPUs a number a work-item (cl/gpu_conv_pool.cl).
 */
#include "conv_solvers.h"
#include "gemm_tile.h"

#define LOCAL 64
#define MEAN 2 /* flag of cl/gpu_conv_pool.cl */

static const struct umb_kernel rows = {"conv_spread", "conv_spread.cl", "conv_spread", "rrwiiif"};
static const struct umb_kernel numbers = {"gpu_conv_unpool", "gpu_conv_pool.cl", "gpu_conv_unpool",
                                          "rrwiiiii"};

static enum umb_status emit_rows(struct umb_emit *e, const struct umb_conv *g, int dy, int pass,
                                 int dv)
{
    const struct umb_emit_launch launch = {
        .kernel = &rows,
        .options = umb__emit_printf(e, "-DVW=%d", umb__tile_width(e->p.caps)),
        .dimensions = 1,
        .global = {(size_t)g->N * (size_t)g->P},
        .local = {1}};
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, dy, pass, dv, g->P, g->Q, g->K,
                            g->pool == UMB_CONV_POOL_AVG ? 0.25 : 1.0);
}

static enum umb_status emit_numbers(struct umb_emit *e, const struct umb_conv *g, int dy, int pass,
                                    int dv, size_t count)
{
    const struct umb_emit_launch launch = {
        .kernel = &numbers, .dimensions = 1, .global = {count}, .local = {LOCAL}};
    return umb__emit_launch(e, &launch, dy, pass, dv, (int)count, g->P, g->Q, g->K,
                            g->pool == UMB_CONV_POOL_AVG ? MEAN : 0);
}

enum umb_status umb__emit_conv_spread(struct umb_emit *e, const struct umb_conv *g, int dy,
                                      int pass, int *ret_dv)
{
    const size_t count = (size_t)g->N * (size_t)g->P * (size_t)g->Q * (size_t)g->K;
    int dv = dy;
    enum umb_status st = UMB_OK;
    if (g->pool) { st = umb__emit_temp(e, count * sizeof(float), &dv); }
    if (g->pool && st == UMB_OK) {
        st = e->p.caps->type == UMB_DEVICE_CPU ? emit_rows(e, g, dy, pass, dv)
                                               : emit_numbers(e, g, dy, pass, dv, count);
    }
    if (st == UMB_OK) { *ret_dv = dv; }
    return st;
}
