/*
 * The tile solvers of convolution on GPUs, with all that may be fused into it (conv.h): the mask
 * goes into the product, pooling and the bias's gradient are kernels beside it.
 */
#include "gpu_conv.h"
#include "column_sum.h"
#include "conv_solvers.h"

/* Backward to the input makes a launch per class of pixels; beyond this many, the naive kernel. */
#define MAX_CLASSES 64
#define LOCAL 64
/* Flags of cl/gpu_conv_pool.cl. */
enum { RELU = 1, MEAN = 2, KEEP_PASS = 4 };

static const struct umb_kernel forward = {"gpu_conv", "gpu_conv.cl", "gpu_conv",
                                          "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_data = {"gpu_conv_data", "gpu_conv.cl", "gpu_conv",
                                                "rrrwiiiiiiiiiiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel backward_weights = {"gpu_conv_weights", "gpu_conv_weights.cl",
                                                   "gpu_conv_weights", "rrwiiiiiiiiiiiiiiiiiii"};
static const struct umb_kernel pool_kernel = {"gpu_conv_pool", "gpu_conv_pool.cl", "gpu_conv_pool",
                                              "rwwiiiii"};
static const struct umb_kernel pool_only = {"gpu_conv_pool_only", "gpu_conv_pool.cl",
                                            "gpu_conv_pool", "rwriiiii"};

/* What is fused. */

static size_t pixels_bytes(const struct umb_conv *g)
{
    return (size_t)g->N * (size_t)g->P * (size_t)g->Q * (size_t)g->K * sizeof(float);
}

static struct umb_emit_launch over(const struct umb_kernel *kernel, int64_t count)
{
    return (struct umb_emit_launch){
        .kernel = kernel, .dimensions = 1, .global = {(size_t)count}, .local = {LOCAL}};
}

enum umb_status umb__gpu_unpooled(struct umb_emit *e, const struct umb_conv *g, int *ret_v)
{
    *ret_v = e->out[0];
    return g->pool ? umb__emit_temp(e, pixels_bytes(g), ret_v) : UMB_OK;
}

enum umb_status umb__emit_gpu_pool(struct umb_emit *e, const struct umb_conv *g, int v)
{
    if (!g->pool) { return UMB_OK; }
    const bool keeps = e->p.n_out > 1;
    const int64_t count = umb__shape_count(&e->p.out[0].shape);
    const int flags =
        (g->relu ? RELU : 0) | (g->pool == UMB_CONV_POOL_AVG ? MEAN : 0) | (keeps ? KEEP_PASS : 0);
    const struct umb_emit_launch launch = over(keeps ? &pool_kernel : &pool_only, count);
    return umb__emit_launch(e, &launch, v, e->out[0], keeps ? e->out[1] : v, (int)count, g->P, g->Q,
                            g->K, flags);
}

enum umb_status umb__emit_gpu_dbias(struct umb_emit *e, const struct umb_conv *g, int dv)
{
    if (!g->dbias) { return UMB_OK; }
    return umb__emit_column_sum(e, dv, e->out[1], (int64_t)g->N * g->P * g->Q, g->K);
}

/* Forward. */

static int forward_rank(const struct umb_problem *p, enum umb_gpu_tile tile)
{
    const struct umb_conv g = umb__conv_of(p);
    return umb__gpu_tile_rank(p->caps, tile, (int64_t)g.N * g.P * g.Q, g.K / g.groups, g.groups);
}

static enum umb_status emit_forward(struct umb_emit *e, enum umb_gpu_tile tile)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    const struct umb_gather g = umb__gather_forward(&c);
    const struct umb_gpu_gather gather = umb__gpu_gather(&g);
    int v;
    enum umb_status st = umb__gpu_unpooled(e, &c, &v);
    if (st == UMB_OK) {
        st = umb__emit_gpu_gather(e, &forward, tile, &gather, e->in[0], e->in[1],
                                  e->in[c.bias ? 2 : 1], v);
    }
    return st == UMB_OK ? umb__emit_gpu_pool(e, &c, v) : st;
}

/* Backward to the input. */

static int data_rank(const struct umb_problem *p, enum umb_gpu_tile tile)
{
    const struct umb_conv g = umb__conv_of(p);
    const int64_t classes = (int64_t)g.stride[0] * g.stride[1];
    if (classes > MAX_CLASSES) { return 0; }
    return umb__gpu_tile_rank(p->caps, tile, (int64_t)g.N * g.H * g.W / classes, g.C / g.groups,
                              g.groups);
}

static enum umb_status emit_data(struct umb_emit *e, enum umb_gpu_tile tile)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    int dv;
    enum umb_status st = umb__emit_conv_spread(e, &c, e->in[0], e->in[c.pool ? 3 : 1], &dv);
    for (int a = 0; a < c.stride[0] && a < c.H; a++) {
        for (int b = 0; b < c.stride[1] && b < c.W && st == UMB_OK; b++) {
            const struct umb_gather g = umb__gather_class(&c, a, b);
            struct umb_gpu_gather gather = umb__gpu_gather(&g);
            gather.mask = c.mask;
            st = umb__emit_gpu_gather(e, &backward_data, tile, &gather, dv, e->in[1],
                                      e->in[c.mask ? 2 : 1], e->out[0]);
        }
    }
    return st;
}

/* Backward to the weights. */

static int weights_rank(const struct umb_problem *p, enum umb_gpu_tile tile)
{
    const struct umb_conv g = umb__conv_of(p);
    const int64_t slabs = (int64_t)g.N * g.P * g.Q / 256 + 1;
    return umb__gpu_tile_rank(p->caps, tile, (int64_t)g.R * g.S * (g.C / g.groups), g.K / g.groups,
                              g.groups * slabs);
}

static enum umb_status emit_weights(struct umb_emit *e, enum umb_gpu_tile tile)
{
    const struct umb_conv c = umb__conv_of(&e->p);
    int dv;
    enum umb_status st = umb__emit_conv_spread(e, &c, e->in[1], e->in[c.pool ? 2 : 1], &dv);
    if (st == UMB_OK) {
        st = umb__emit_gpu_weights(e, &backward_weights, tile, &c, e->in[0], dv, e->out[0]);
    }
    return st == UMB_OK ? umb__emit_gpu_dbias(e, &c, dv) : st;
}

/* Rows. */

UMB_GPU_DEFINE_TILES(conv, forward)
UMB_GPU_DEFINE_HALVES(conv, forward)
UMB_GPU_DEFINE_TILES(conv, data)
UMB_GPU_DEFINE_TILES(conv, weights)
