/*
 * join and rows: streams' rows one after another along N, and some of them out again.
 *
 * join puts values of consecutive streams into one batch; rows is a view of some segments of it.
 * Each is the other's gradient: join's inputs get rows of dy, and what rows gives back autodiff
 * joins.
 */
#include "add.h"
#include <string.h>

struct rows_attrs {
    int64_t first, count;
};

/* Join. */

static int64_t segment_rows(const struct umb_type *type)
{
    return type->shape.dim[0] / type->n_segments;
}

/* b continues a: the next stream, the same rows a stream, and the same shape behind N. */
static bool continues(const struct umb_type *a, const struct umb_type *b)
{
    if (b->dtype != UMB_F32 || b->n_segments < 1 || b->shape.rank != a->shape.rank) {
        return false;
    }
    struct umb_shape shape = b->shape;
    shape.dim[0] = a->shape.dim[0];
    return umb__shape_equal(&a->shape, &shape) && b->segment == a->segment + a->n_segments &&
           segment_rows(a) == segment_rows(b);
}

static enum umb_status join_infer(struct umb_infer *io)
{
    const enum umb_status st = umb__infer_same(io);
    if (st != UMB_OK) { return st; }
    struct umb_type *out = &io->out[0];
    if (out->n_segments < 1) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "input 0 has no rows of streams to join");
    }
    for (int i = 1; i < io->n_in; i++) {
        const struct umb_type *in = &io->in[i];
        if (!continues(out, in)) {
            char x[UMB_SHAPE_TEXT], y[UMB_SHAPE_TEXT];
            return umb__fail(io->ctx, UMB_ERR_INVALID,
                             "input %d has shape %s of stream %d, but before it is %s up to stream "
                             "%d; expected equal shapes of consecutive streams",
                             i, umb__shape_text(&in->shape, x, sizeof x), in->segment,
                             umb__shape_text(&io->in[0].shape, y, sizeof y),
                             out->segment + out->n_segments - 1);
        }
        out->shape.dim[0] += in->shape.dim[0];
        out->n_segments += in->n_segments;
    }
    return UMB_OK;
}

static enum umb_status join_grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    struct rows_attrs a = {0};
    enum umb_status st = UMB_OK;
    for (int i = 0; dy >= 0 && i < umb__grad_n_in(g) && st == UMB_OK; i++) {
        a.first += a.count;
        a.count = umb__grad_type(g, umb__grad_in(g, i))->n_segments;
        if (!umb__grad_wants(g, i)) { continue; }
        int dx[UMB_OP_MAX_OUT];
        st = umb__grad_node(g, "rows", &a, 1, &dy, dx);
        if (st == UMB_OK) { umb__grad_give(g, i, dx[0]); }
    }
    return st;
}

void umb__reference_joined(const struct umb_reference *r)
{
    double *y = r->out[0].data;
    for (int i = 0; i < r->n_in; i++) {
        const int64_t n = umb__shape_count(&r->in[i].type->shape);
        memcpy(y, r->in[i].data, (size_t)n * sizeof *y);
        y += n;
    }
}

enum umb_status umb__emit_joined(struct umb_emit *e)
{
    int64_t first = 0;
    enum umb_status st = UMB_OK;
    for (int i = 0; i < e->p.n_in && st == UMB_OK; i++) {
        const int64_t n = umb__shape_count(&e->p.in[i].shape);
        st = umb__emit_sum(e, &(struct umb_sum){1, &e->in[i], -1, e->out[0], first, n});
        first += n;
    }
    return st;
}

static const struct umb_solver join_solvers[] = {{"copy", umb__applies_always, umb__emit_joined},
                                                 {0}};

/* Rows. */

static enum umb_status rows_infer(struct umb_infer *io)
{
    const struct rows_attrs *a = io->attrs;
    const struct umb_type *in = &io->in[0];
    if (a->first + a->count > in->n_segments) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "streams %d to %d of an input with %d; expected some of these",
                         (int)a->first, (int)(a->first + a->count - 1), in->n_segments);
    }
    io->n_out = 1;
    io->out[0] = *in;
    io->out[0].shape.dim[0] = segment_rows(in) * a->count;
    io->out[0].n_segments = (int)a->count;
    io->out[0].segment += (int)a->first;
    return UMB_OK;
}

static enum umb_status rows_grad(struct umb_grad *g)
{
    const struct rows_attrs *a = umb__grad_attrs(g);
    const int dy = umb__grad_dout(g, 0);
    if (dy >= 0) { umb__grad_give_rows(g, 0, (int)a->first, (int)a->count, dy); }
    return UMB_OK;
}

static void rows_reference(const struct umb_reference *r)
{
    const struct rows_attrs *a = r->attrs;
    const int64_t n = umb__shape_count(&r->out[0].type->shape);
    const double *x = r->in[0].data + n / a->count * a->first;
    memcpy(r->out[0].data, x, (size_t)n * sizeof *x);
}

static const struct umb_attr_desc rows_attr_rows[] = {
    {.name = "first",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct rows_attrs, first),
     .required = true,
     .min = 0,
     .max = 4095,
     .help = "the first stream to take, counted within the input"},
    {.name = "count",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct rows_attrs, count),
     .min = 1,
     .max = 4096,
     .fallback = "1",
     .help = "how many streams to take"},
    {0}};

static const struct umb_op_case join_cases[] = {{.in = "3,5", .n_streams = 1},
                                                {.in = "2,3,5,2@0 2,3,5,2@1", .n_streams = 2},
                                                {.in = "4,17@1-2 2,17@3", .n_streams = 4},
                                                {0}};

static const struct umb_op_case rows_cases[] = {
    {.attrs = "first=0", .in = "3,5"},
    {.attrs = "first=1", .in = "6,3,2,2", .n_streams = 3},
    {.attrs = "first=1 count=2", .in = "8,7", .n_streams = 4},
    {0}};

static const struct umb_op join = {.name = "join",
                                   .help = "values of consecutive streams as one batch",
                                   .flags = UMB_OP_LAYER | UMB_OP_JOIN,
                                   .min_in = 1,
                                   .max_in = 1024,
                                   .infer = join_infer,
                                   .grad = join_grad,
                                   .reference = umb__reference_joined,
                                   .solvers = join_solvers,
                                   .cases = join_cases};

static const struct umb_op rows = {.name = "rows",
                                   .help = "some streams' rows of a joined batch",
                                   .flags = UMB_OP_LAYER | UMB_OP_VIEW,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .attrs = rows_attr_rows,
                                   .attrs_bytes = sizeof(struct rows_attrs),
                                   .infer = rows_infer,
                                   .grad = rows_grad,
                                   .reference = rows_reference,
                                   .cases = rows_cases};

const struct umb_op *const umb__ops_rows[] = {&join, &rows, NULL};
