#include "pool.h"

static void set_windows(const struct umb_pool_attrs *a, struct umb_pool *pool)
{
    const int64_t stride_h = a->stride[0] ? a->stride[0] : a->size[0];
    const int64_t stride_w = a->stride[1] ? a->stride[1] : a->size[1];
    pool->h = umb__window(pool->x.h, a->size[0], stride_h, a->padding[0]);
    pool->w = umb__window(pool->x.w, a->size[1], stride_w, a->padding[1]);
}

struct umb_pool umb__pool_forward(const struct umb_pool_attrs *a, const struct umb_type *x)
{
    struct umb_pool pool = {.x = umb__nhwc(x)};
    set_windows(a, &pool);
    return pool;
}

struct umb_pool umb__pool_backward(const struct umb_pool_attrs *a, const struct umb_type *dy)
{
    struct umb_pool pool = {.x = umb__nhwc(dy)};
    pool.x.h = (int)a->extent[0];
    pool.x.w = (int)a->extent[1];
    set_windows(a, &pool);
    return pool;
}

/* Every window must hold something. */
static bool is_possible(const struct umb_window *w, int64_t padding)
{
    return w->out >= 1 && padding < w->size;
}

enum umb_status umb__pool_infer(struct umb_infer *io)
{
    const struct umb_pool_attrs *a = io->attrs;
    const enum umb_status st = umb__expect_f32(io, 0, 4, "a feature map [N,H,W,C]");
    if (st != UMB_OK) { return st; }
    const struct umb_pool pool = umb__pool_forward(a, &io->in[0]);
    if (!is_possible(&pool.h, a->padding[0]) || !is_possible(&pool.w, a->padding[1])) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "windows of %dx%d do not fit %dx%d with padding %d,%d; expected a size "
                         "above the padding and no larger than the padded input",
                         pool.h.size, pool.w.size, pool.x.h, pool.x.w, pool.h.before,
                         pool.w.before);
    }
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape.dim[1] = pool.h.out;
    io->out[0].shape.dim[2] = pool.w.out;
    return UMB_OK;
}

enum umb_status umb__pool_backward_infer(struct umb_infer *io)
{
    const struct umb_pool_attrs *a = io->attrs;
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape.dim[1] = a->extent[0];
    io->out[0].shape.dim[2] = a->extent[1];
    return UMB_OK;
}

struct umb_pool_attrs umb__pool_grad_attrs(const struct umb_grad *g)
{
    struct umb_pool_attrs a = *(const struct umb_pool_attrs *)umb__grad_attrs(g);
    const struct umb_type *x = umb__grad_type(g, umb__grad_in(g, 0));
    a.extent[0] = x->shape.dim[1];
    a.extent[1] = x->shape.dim[2];
    return a;
}

static bool is_apart(const struct umb_window *w)
{
    return w->stride == w->size && w->before == 0;
}

int umb__pool_apart(const struct umb_problem *p)
{
    const struct umb_pool pool = umb__pool_backward(p->attrs, &p->in[0]);
    return is_apart(&pool.h) && is_apart(&pool.w) ? 2 : 0;
}

int64_t umb__pool_cover(const struct umb_pool *pool)
{
    const int rows = (pool->x.h + pool->h.size - 1) / pool->h.size;
    return (int64_t)rows * ((pool->x.w + pool->w.size - 1) / pool->w.size);
}

static void clip(const struct umb_window *w, int at, int extent, int ret_range[2])
{
    const int begin = at * w->stride - w->before, end = begin + w->size;
    ret_range[0] = begin < 0 ? 0 : begin;
    ret_range[1] = end > extent ? extent : end;
}

struct umb_pool_range umb__pool_range(const struct umb_pool *pool, int p, int q)
{
    struct umb_pool_range range;
    clip(&pool->h, p, pool->x.h, range.h);
    clip(&pool->w, q, pool->x.w, range.w);
    return range;
}

double umb__pool_flops(const struct umb_problem *p)
{
    const struct umb_pool_attrs *a = p->attrs;
    const bool forward = p->op->flags & UMB_OP_LAYER;
    const struct umb_type *y = forward ? &p->out[0] : &p->in[0];
    return (double)(a->size[0] * a->size[1] * umb__shape_count(&y->shape));
}
