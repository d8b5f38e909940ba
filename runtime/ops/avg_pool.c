/*
 * avg_pool: the mean of each window; global_avg_pool: the mean of each channel, [N,H,W,C] → [N,C],
 * by the same kernels with one window for all.
 */
#include "pool.h"

static enum umb_status grad_by(struct umb_grad *g, const char *op, const struct umb_pool_attrs *a)
{
    const int dy = umb__grad_dout(g, 0);
    if (dy < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, op, a, 1, &dy, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

static enum umb_status grad(struct umb_grad *g)
{
    const struct umb_pool_attrs a = umb__pool_grad_attrs(g);
    return grad_by(g, "avg_pool_backward", &a);
}

/* Reference. */

static double divisor(const struct umb_pool *pool, const struct umb_pool_range *range, bool all)
{
    return all ? pool->h.size * pool->w.size
               : (range->h[1] - range->h[0]) * (range->w[1] - range->w[0]);
}

/* Calls nothing but additions: y[i] += x[at]/d forward, x[at] += y[i]/d backward. */
static void visit(const struct umb_pool *pool, bool all, double *x, double *y, bool backward)
{
    const struct umb_nhwc d = pool->x;
    const int64_t n_out = (int64_t)d.n * pool->h.out * pool->w.out * d.c;
    for (int64_t i = 0; i < n_out; i++) {
        const int c = (int)(i % d.c), q = (int)(i / d.c % pool->w.out);
        const int p = (int)(i / d.c / pool->w.out % pool->h.out);
        const int64_t n = i / d.c / pool->w.out / pool->h.out;
        const struct umb_pool_range range = umb__pool_range(pool, p, q);
        const double count = divisor(pool, &range, all);
        for (int h = range.h[0]; h < range.h[1]; h++) {
            for (int w = range.w[0]; w < range.w[1]; w++) {
                const int64_t at = ((n * d.h + h) * d.w + w) * d.c + c;
                if (backward) {
                    x[at] += y[i] / count;
                } else {
                    y[i] += x[at] / count;
                }
            }
        }
    }
}

static void reference(const struct umb_reference *r)
{
    const struct umb_pool_attrs *a = r->attrs;
    const struct umb_pool pool = umb__pool_forward(a, r->in[0].type);
    visit(&pool, a->count_include_pad, r->in[0].data, r->out[0].data, false);
}

static void backward_reference(const struct umb_reference *r)
{
    const struct umb_pool_attrs *a = r->attrs;
    const struct umb_pool pool = umb__pool_backward(a, r->in[0].type);
    visit(&pool, a->count_include_pad, r->out[0].data, r->in[0].data, true);
}

/* Kernels. */

static const struct umb_kernel forward_kernel = {"avg_pool", "pool.cl", "avg_pool_forward",
                                                 "rw" UMB_POOL_SIGNATURE};
static const struct umb_kernel backward_kernel = {"avg_pool_backward", "pool.cl",
                                                  "avg_pool_backward", "rw" UMB_POOL_SIGNATURE};

static const struct umb_kernel apart_kernel = {"avg_pool_backward_apart", "pool.cl",
                                               "avg_pool_backward_apart", "rw" UMB_POOL_SIGNATURE};

static int64_t n_units(const struct umb_kernel *kernel, const struct umb_pool *pool)
{
    return kernel == &forward_kernel ? (int64_t)pool->h.out * pool->w.out
           : kernel == &apart_kernel ? umb__pool_cover(pool)
                                     : (int64_t)pool->x.h * pool->x.w;
}

static enum umb_status launch(struct umb_emit *e, const struct umb_kernel *kernel,
                              const struct umb_pool *pool, bool all)
{
    const int64_t pixels = n_units(kernel, pool);
    const int64_t work = kernel == &backward_kernel ? 1 : (int64_t)pool->h.size * pool->w.size;
    struct umb_pixel_walk walk =
        umb__pixel_walk(e, pool->x.n * pixels, pool->x.c, work, all ? "" : " -DINSIDE");
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = kernel;
    return umb__emit_launch(e, &walk.launch, e->in[0], e->out[0], UMB_POOL_ARGS(*pool, walk));
}

static enum umb_status emit(struct umb_emit *e)
{
    const struct umb_pool_attrs *a = e->p.attrs;
    const struct umb_pool pool = umb__pool_forward(a, &e->p.in[0]);
    return launch(e, &forward_kernel, &pool, a->count_include_pad);
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    const struct umb_pool_attrs *a = e->p.attrs;
    const struct umb_pool pool = umb__pool_backward(a, &e->p.in[0]);
    return launch(e, &backward_kernel, &pool, a->count_include_pad);
}

static enum umb_status emit_apart(struct umb_emit *e)
{
    const struct umb_pool_attrs *a = e->p.attrs;
    const struct umb_pool pool = umb__pool_backward(a, &e->p.in[0]);
    return launch(e, &apart_kernel, &pool, a->count_include_pad);
}

static const struct umb_solver solvers[] = {{"direct", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {
    {"gather", umb__applies_always, emit_backward}, {"apart", umb__pool_apart, emit_apart}, {0}};

/* global_avg_pool. */

/* One window over everything. */
static struct umb_pool whole_pool(int64_t n, int64_t h, int64_t w, int64_t c)
{
    return (struct umb_pool){
        .x = {(int)n, (int)h, (int)w, (int)c}, .h = {(int)h, 1, 0, 1}, .w = {(int)w, 1, 0, 1}};
}

static struct umb_pool global_pool(const struct umb_type *x)
{
    const int64_t *d = x->shape.dim;
    return whole_pool(d[0], d[1], d[2], d[3]);
}

static struct umb_pool global_backward_pool(const struct umb_pool_attrs *a,
                                            const struct umb_type *dy)
{
    return whole_pool(dy->shape.dim[0], a->extent[0], a->extent[1], dy->shape.dim[1]);
}

static enum umb_status global_infer(struct umb_infer *io)
{
    const enum umb_status st = umb__expect_f32(io, 0, 4, "a feature map [N,H,W,C]");
    if (st != UMB_OK) { return st; }
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape = (struct umb_shape){2, {io->in[0].shape.dim[0], io->in[0].shape.dim[3]}};
    return UMB_OK;
}

static enum umb_status global_backward_infer(struct umb_infer *io)
{
    const struct umb_pool_attrs *a = io->attrs;
    const int64_t *d = io->in[0].shape.dim;
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape = (struct umb_shape){4, {d[0], a->extent[0], a->extent[1], d[1]}};
    return UMB_OK;
}

static enum umb_status global_grad(struct umb_grad *g)
{
    struct umb_pool_attrs a = {.size = {1, 1}};
    const struct umb_type *x = umb__grad_type(g, umb__grad_in(g, 0));
    a.extent[0] = x->shape.dim[1];
    a.extent[1] = x->shape.dim[2];
    return grad_by(g, "global_avg_pool_backward", &a);
}

static void global_reference(const struct umb_reference *r)
{
    const struct umb_pool pool = global_pool(r->in[0].type);
    visit(&pool, true, r->in[0].data, r->out[0].data, false);
}

static void global_backward_reference(const struct umb_reference *r)
{
    const struct umb_pool pool = global_backward_pool(r->attrs, r->in[0].type);
    visit(&pool, true, r->out[0].data, r->in[0].data, true);
}

static enum umb_status global_emit(struct umb_emit *e)
{
    const struct umb_pool pool = global_pool(&e->p.in[0]);
    return launch(e, &forward_kernel, &pool, true);
}

static enum umb_status global_emit_backward(struct umb_emit *e)
{
    const struct umb_pool pool = global_backward_pool(e->p.attrs, &e->p.in[0]);
    return launch(e, &backward_kernel, &pool, true);
}

static const struct umb_solver global_solvers[] = {{"direct", umb__applies_always, global_emit},
                                                   {0}};
static const struct umb_solver global_backward_solvers[] = {
    {"gather", umb__applies_always, global_emit_backward}, {0}};

static double global_flops(const struct umb_problem *p)
{
    const bool forward = p->op->flags & UMB_OP_LAYER;
    return (double)umb__shape_count(forward ? &p->in[0].shape : &p->out[0].shape);
}

/* Rows. */

static const struct umb_attr_desc attrs[] = {
    UMB_POOL_ATTRS,
    {.name = "count_include_pad",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct umb_pool_attrs, count_include_pad),
     .fallback = "true",
     .help = "true: divide by the window's size, as PyTorch does; false: by what lies inside, as "
             "Keras does"},
    {0}};

static const struct umb_op_case cases[] = {
    {.attrs = "size=2", .in = "1,2,2,1"},
    {.attrs = "size=2", .in = "2,7,5,3"},
    {.attrs = "size=8", .in = "4,8,16,32", .n_streams = 2},
    {.attrs = "size=3,2 stride=1", .in = "2,5,7,17"},
    {.attrs = "size=3 stride=2 padding=1", .in = "2,11,8,19"},
    {.attrs = "size=3 stride=2 padding=1 count_include_pad=false", .in = "2,11,8,19"},
    {.attrs = "size=3 stride=2 padding=same count_include_pad=no", .in = "1,8,9,4"},
    {.attrs = "size=2 stride=3", .in = "2,9,10,5"},
    {.attrs = "size=2", .in = "16,28,28,67"},
    {.attrs = "size=2", .in = "128,26,26,32", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.attrs = "size=8", .in = "64,32,32,128", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op_case global_cases[] = {
    {.in = "1,1,1,1"},
    {.in = "3,5,7,3"},
    {.in = "4,8,8,33", .n_streams = 2},
    {.in = "32,8,8,512", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op avg_pool = {.name = "avg_pool",
                                       .help = "the mean of each window",
                                       .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .attrs = attrs,
                                       .attrs_bytes = sizeof(struct umb_pool_attrs),
                                       .infer = umb__pool_infer,
                                       .grad = grad,
                                       .reference = reference,
                                       .flops = umb__pool_flops,
                                       .solvers = solvers,
                                       .cases = cases};

static const struct umb_op avg_pool_backward = {.name = "avg_pool_backward",
                                                .min_in = 1,
                                                .max_in = 1,
                                                .attrs_bytes = sizeof(struct umb_pool_attrs),
                                                .infer = umb__pool_backward_infer,
                                                .reference = backward_reference,
                                                .flops = umb__pool_flops,
                                                .solvers = backward_solvers};

static const struct umb_op global_avg_pool = {.name = "global_avg_pool",
                                              .help = "the mean of each channel of an image",
                                              .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                              .min_in = 1,
                                              .max_in = 1,
                                              .infer = global_infer,
                                              .grad = global_grad,
                                              .reference = global_reference,
                                              .flops = global_flops,
                                              .solvers = global_solvers,
                                              .cases = global_cases};

static const struct umb_op global_avg_pool_backward = {.name = "global_avg_pool_backward",
                                                       .min_in = 1,
                                                       .max_in = 1,
                                                       .attrs_bytes = sizeof(struct umb_pool_attrs),
                                                       .infer = global_backward_infer,
                                                       .reference = global_backward_reference,
                                                       .flops = global_flops,
                                                       .solvers = global_backward_solvers};

const struct umb_op *const umb__ops_avg_pool[] = {&avg_pool, &avg_pool_backward, &global_avg_pool,
                                                  &global_avg_pool_backward, NULL};
