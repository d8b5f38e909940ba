/*
 * concat: inputs side by side along the channels. Each input's gradient is a piece of dy's
 * channels.
 */
#include "simple.h"
#include <string.h>

struct piece_attrs { /* of concat_backward */
    int64_t first, count;
};

static enum umb_status infer(struct umb_infer *io)
{
    enum umb_status st = umb__infer_same(io);
    const int last = io->in[0].shape.rank - 1;
    for (int i = 1; i < io->n_in && st == UMB_OK; i++) {
        struct umb_type a = io->in[0], b = io->in[i];
        st = umb__expect_f32(io, i, 0, "numbers (f32)");
        io->out[0].shape.dim[last] += umb__shape_channels(&b.shape);
        a.shape.dim[last] = 1;
        if (b.shape.rank == last + 1) { b.shape.dim[last] = 1; }
        const bool fits = umb__shape_equal(&a.shape, &b.shape) && a.n_segments == b.n_segments &&
                          a.segment == b.segment;
        if (st == UMB_OK && !fits) {
            char x[UMB_SHAPE_TEXT], y[UMB_SHAPE_TEXT];
            st = umb__fail(io->ctx, UMB_ERR_INVALID,
                           "input 0 has shape %s, input %d has %s; expected shapes of the same "
                           "streams that differ in the last axis only",
                           umb__shape_text(&io->in[0].shape, x, sizeof x), i,
                           umb__shape_text(&io->in[i].shape, y, sizeof y));
        }
    }
    if (st == UMB_OK) { memset(io->out[0].folded, 0, sizeof io->out[0].folded); }
    return st;
}

static enum umb_status backward_infer(struct umb_infer *io)
{
    const struct piece_attrs *a = io->attrs;
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape.dim[io->in[0].shape.rank - 1] = a->count;
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    struct piece_attrs a = {0};
    enum umb_status st = UMB_OK;
    for (int i = 0; dy >= 0 && i < umb__grad_n_in(g) && st == UMB_OK; i++) {
        a.first += a.count;
        a.count = umb__shape_channels(&umb__grad_type(g, umb__grad_in(g, i))->shape);
        if (!umb__grad_wants(g, i)) { continue; }
        int dx[UMB_OP_MAX_OUT];
        st = umb__grad_node(g, "concat_backward", &a, 1, &dy, dx);
        if (st == UMB_OK) { umb__grad_give(g, i, dx[0]); }
    }
    return st;
}

/* Copies `count` channels of every row from x to y. */
static void copy_rows(const struct umb_ref_tensor *x, int64_t x_first,
                      const struct umb_ref_tensor *y, int64_t y_first, int64_t count)
{
    const int64_t rows = umb__shape_rows(&x->type->shape);
    const int64_t x_channels = umb__shape_channels(&x->type->shape);
    const int64_t y_channels = umb__shape_channels(&y->type->shape);
    for (int64_t i = 0; i < rows; i++) {
        memcpy(y->data + i * y_channels + y_first, x->data + i * x_channels + x_first,
               (size_t)count * sizeof(double));
    }
}

static void reference(const struct umb_reference *r)
{
    int64_t first = 0;
    for (int i = 0; i < r->n_in; i++) {
        const int64_t count = umb__shape_channels(&r->in[i].type->shape);
        copy_rows(&r->in[i], 0, &r->out[0], first, count);
        first += count;
    }
}

static void backward_reference(const struct umb_reference *r)
{
    const struct piece_attrs *a = r->attrs;
    copy_rows(&r->in[0], a->first, &r->out[0], 0, a->count);
}

static const struct umb_kernel kernel = {"copy_channels", "shape.cl", "copy_channels",
                                         "rwiiiiiiii"};

static enum umb_status emit_copy(struct umb_emit *e, int in, int64_t x_channels, int64_t x_first,
                                 int64_t y_channels, int64_t y_first, int64_t count)
{
    const int64_t rows = umb__shape_rows(&e->p.in[0].shape);
    struct umb_pixel_walk walk = umb__pixel_walk(e, rows, count, 1, "");
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = &kernel;
    return umb__emit_launch(e, &walk.launch, in, e->out[0], (int)x_channels, (int)x_first,
                            (int)y_channels, (int)y_first, walk.n_units, walk.units_per_pixel,
                            walk.unit_channels, walk.span);
}

static enum umb_status emit(struct umb_emit *e)
{
    const int64_t all = umb__shape_channels(&e->p.out[0].shape);
    int64_t first = 0;
    enum umb_status st = UMB_OK;
    for (int i = 0; i < e->p.n_in && st == UMB_OK; i++) {
        const int64_t count = umb__shape_channels(&e->p.in[i].shape);
        st = emit_copy(e, e->in[i], count, 0, all, first, count);
        first += count;
    }
    return st;
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    const struct piece_attrs *a = e->p.attrs;
    return emit_copy(e, e->in[0], umb__shape_channels(&e->p.in[0].shape), a->first, a->count, 0,
                     a->count);
}

static const struct umb_solver solvers[] = {{"copy", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {{"copy", umb__applies_always, emit_backward},
                                                     {0}};

static const struct umb_op_case cases[] = {
    {.in = "1,1 1,1"},
    {.in = "3,5 3,1 3,16"},
    {.in = "2,5,7,3 2,5,7,16", .n_streams = 2},
    {.in = "4,9,9,67 4,9,9,64"},
    {.in = "32,28,28,64 32,28,28,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op concat = {.name = "concat",
                                     .help = "inputs side by side along the channels",
                                     .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                     .min_in = 2,
                                     .max_in = 1024,
                                     .infer = infer,
                                     .grad = grad,
                                     .reference = reference,
                                     .solvers = solvers,
                                     .cases = cases};

static const struct umb_op concat_backward = {.name = "concat_backward",
                                              .min_in = 1,
                                              .max_in = 1,
                                              .attrs_bytes = sizeof(struct piece_attrs),
                                              .infer = backward_infer,
                                              .reference = backward_reference,
                                              .solvers = backward_solvers};

const struct umb_op *const umb__ops_concat[] = {&concat, &concat_backward, NULL};
