/*
 * max_pool: the largest of each window. In training a second output [N,P,Q,C] keeps its position
 * r·S + s in the window, so that backward needs neither x nor y.
 */
#include "pool.h"
#include <math.h>

/* Positions in small windows fit a byte. */
static enum umb_dtype index_dtype(const struct umb_pool_attrs *a)
{
    return a->size[0] * a->size[1] <= 256 ? UMB_U8 : UMB_I32;
}

static enum umb_status infer(struct umb_infer *io)
{
    const enum umb_status st = umb__pool_infer(io);
    if (st != UMB_OK || !io->training) { return st; }
    io->n_out = 2;
    io->out[1] = io->out[0];
    io->out[1].dtype = index_dtype(io->attrs);
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int in[2] = {umb__grad_dout(g, 0), umb__grad_out(g, 1)};
    if (in[0] < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    const struct umb_pool_attrs a = umb__pool_grad_attrs(g);
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, "max_pool_backward", &a, 2, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

/* Reference. */

/* The element of window (p,q) that wins in image n and channel c: its place in x. */
static int64_t winner(const struct umb_pool *pool, const double *x, int n, int p, int q, int c)
{
    const struct umb_pool_range range = umb__pool_range(pool, p, q);
    const struct umb_nhwc d = pool->x;
    int64_t best = -1;
    for (int h = range.h[0]; h < range.h[1]; h++) {
        for (int w = range.w[0]; w < range.w[1]; w++) {
            const int64_t at = (((int64_t)n * d.h + h) * d.w + w) * d.c + c;
            if (best < 0 || x[at] > x[best] || isnan(x[at])) { best = at; }
        }
    }
    return best;
}

static void reference(const struct umb_reference *r)
{
    const struct umb_pool pool = umb__pool_forward(r->attrs, r->in[0].type);
    const struct umb_nhwc d = pool.x;
    int64_t i = 0;
    for (int n = 0; n < d.n; n++) {
        for (int p = 0; p < pool.h.out; p++) {
            for (int q = 0; q < pool.w.out; q++) {
                for (int c = 0; c < d.c; c++, i++) {
                    const int64_t at = winner(&pool, r->in[0].data, n, p, q, c);
                    const int64_t w = at / d.c % d.w, h = at / d.c / d.w % d.h;
                    r->out[0].data[i] = r->in[0].data[at];
                    if (r->n_out < 2) { continue; }
                    const int64_t row = h - p * pool.h.stride + pool.h.before;
                    r->out[1].data[i] =
                        (double)(row * pool.w.size + w - q * pool.w.stride + pool.w.before);
                }
            }
        }
    }
}

static void backward_reference(const struct umb_reference *r)
{
    const struct umb_pool pool = umb__pool_backward(r->attrs, r->in[0].type);
    const struct umb_nhwc d = pool.x;
    int64_t i = 0;
    for (int n = 0; n < d.n; n++) {
        for (int p = 0; p < pool.h.out; p++) {
            for (int q = 0; q < pool.w.out; q++) {
                for (int c = 0; c < d.c; c++, i++) {
                    const int k = (int)r->in[1].data[i];
                    const int h = p * pool.h.stride - pool.h.before + k / pool.w.size;
                    const int w = q * pool.w.stride - pool.w.before + k % pool.w.size;
                    r->out[0].data[(((int64_t)n * d.h + h) * d.w + w) * d.c + c] +=
                        r->in[0].data[i];
                }
            }
        }
    }
}

/* Kernels. */

static const struct umb_kernel forward_kernel = {"max_pool", "pool.cl", "max_pool_forward",
                                                 "rww" UMB_POOL_SIGNATURE};
static const struct umb_kernel backward_kernel = {"max_pool_backward", "pool.cl",
                                                  "max_pool_backward", "rrw" UMB_POOL_SIGNATURE};

static const struct umb_kernel apart_kernel = {"max_pool_backward_apart", "pool.cl",
                                               "max_pool_backward_apart", "rrw" UMB_POOL_SIGNATURE};

static const char *index_define(const struct umb_problem *p)
{
    return index_dtype(p->attrs) == UMB_U8 ? " -DINDEX=uchar" : " -DINDEX=int";
}

static enum umb_status emit(struct umb_emit *e)
{
    const struct umb_pool pool = umb__pool_forward(e->p.attrs, &e->p.in[0]);
    const bool keeps = e->p.n_out == 2;
    struct umb_pixel_walk walk =
        umb__pixel_walk(e, (int64_t)pool.x.n * pool.h.out * pool.w.out, pool.x.c,
                        pool.h.size * pool.w.size, keeps ? index_define(&e->p) : "");
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = &forward_kernel;
    return umb__emit_launch(e, &walk.launch, e->in[0], e->out[0], e->out[keeps ? 1 : 0],
                            UMB_POOL_ARGS(pool, walk));
}

/* `units` of an image write `work` pixels each. */
static enum umb_status launch_backward(struct umb_emit *e, const struct umb_kernel *kernel,
                                       int64_t units, int64_t work)
{
    const struct umb_pool pool = umb__pool_backward(e->p.attrs, &e->p.in[0]);
    struct umb_pixel_walk walk =
        umb__pixel_walk(e, pool.x.n * units, pool.x.c, work, index_define(&e->p));
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = kernel;
    return umb__emit_launch(e, &walk.launch, e->in[0], e->in[1], e->out[0],
                            UMB_POOL_ARGS(pool, walk));
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    const struct umb_pool_attrs *a = e->p.attrs;
    return launch_backward(e, &backward_kernel, a->extent[0] * a->extent[1], 1);
}

static enum umb_status emit_apart(struct umb_emit *e)
{
    const struct umb_pool pool = umb__pool_backward(e->p.attrs, &e->p.in[0]);
    return launch_backward(e, &apart_kernel, umb__pool_cover(&pool),
                           (int64_t)pool.h.size * pool.w.size);
}

static const struct umb_solver solvers[] = {{"direct", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {
    {"gather", umb__applies_always, emit_backward}, {"apart", umb__pool_apart, emit_apart}, {0}};

/* Rows. */

static const struct umb_attr_desc attrs[] = {UMB_POOL_ATTRS, {0}};

static const struct umb_op_case cases[] = {
    {.attrs = "size=2", .in = "1,2,2,1"},
    {.attrs = "size=2", .in = "2,7,5,3"},
    {.attrs = "size=2", .in = "4,6,8,16", .n_streams = 2},
    {.attrs = "size=3,2 stride=1", .in = "2,5,7,17"},
    {.attrs = "size=3 stride=2 padding=1", .in = "2,11,8,19"},
    {.attrs = "size=3 stride=2 padding=same", .in = "1,8,9,4"},
    {.attrs = "size=2 stride=3 padding=valid", .in = "2,9,10,5"},
    {.attrs = "size=2 stride=1", .in = "2,6,6,4:ties", .flags = UMB_CASE_NO_GRAD},
    {.attrs = "size=17", .in = "1,18,17,2"},
    {.attrs = "size=2", .in = "16,28,28,67"},
    {.attrs = "size=2", .in = "128,26,26,32", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.attrs = "size=3 stride=2 padding=1",
     .in = "32,32,32,64",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op max_pool = {.name = "max_pool",
                                       .help = "the largest of each window",
                                       .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .attrs = attrs,
                                       .attrs_bytes = sizeof(struct umb_pool_attrs),
                                       .infer = infer,
                                       .grad = grad,
                                       .reference = reference,
                                       .flops = umb__pool_flops,
                                       .solvers = solvers,
                                       .cases = cases};

static const struct umb_op max_pool_backward = {.name = "max_pool_backward",
                                                .min_in = 2,
                                                .max_in = 2,
                                                .attrs_bytes = sizeof(struct umb_pool_attrs),
                                                .infer = umb__pool_backward_infer,
                                                .reference = backward_reference,
                                                .flops = umb__pool_flops,
                                                .solvers = backward_solvers};

const struct umb_op *const umb__ops_max_pool[] = {&max_pool, &max_pool_backward, NULL};
