/*
 * stack: samples of one stream that were computed apart, one after another again. Where a batch is
 * shared by several devices, a task's loss is taken of the whole. stack_backward is a view of the
 * gradient: the rows of one input.
 */
#include "add.h"
#include <string.h>

struct stack_attrs { /* of stack_backward */
    int64_t first, count;
};

static enum umb_status infer(struct umb_infer *io)
{
    const enum umb_status st = umb__infer_same(io);
    if (st != UMB_OK) { return st; }
    struct umb_type *out = &io->out[0];
    for (int i = 1; i < io->n_in; i++) {
        const struct umb_type *in = &io->in[i];
        struct umb_shape shape = in->shape;
        shape.dim[0] = io->in[0].shape.dim[0];
        if (in->dtype != UMB_F32 || in->n_segments != 1 || in->segment != out->segment ||
            !umb__shape_equal(&shape, &io->in[0].shape)) {
            char x[UMB_SHAPE_TEXT], y[UMB_SHAPE_TEXT];
            return umb__fail(io->ctx, UMB_ERR_INVALID,
                             "input 0 has shape %s, input %d has %s; expected shapes of one stream "
                             "that differ in the first axis only",
                             umb__shape_text(&io->in[0].shape, x, sizeof x), i,
                             umb__shape_text(&in->shape, y, sizeof y));
        }
        out->shape.dim[0] += in->shape.dim[0];
    }
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    struct stack_attrs a = {0};
    enum umb_status st = UMB_OK;
    for (int i = 0; dy >= 0 && i < umb__grad_n_in(g) && st == UMB_OK; i++) {
        a.first += a.count;
        a.count = umb__grad_type(g, umb__grad_in(g, i))->shape.dim[0];
        if (!umb__grad_wants(g, i)) { continue; }
        int dx[UMB_OP_MAX_OUT];
        st = umb__grad_node(g, "stack_backward", &a, 1, &dy, dx);
        if (st == UMB_OK) { umb__grad_give(g, i, dx[0]); }
    }
    return st;
}

static enum umb_status backward_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape.dim[0] = ((const struct stack_attrs *)io->attrs)->count;
    return UMB_OK;
}

static size_t backward_offset(const void *attrs, const struct umb_type *in)
{
    const struct stack_attrs *a = attrs;
    return umb__type_bytes(in) / (size_t)in->shape.dim[0] * (size_t)a->first;
}

static void backward_reference(const struct umb_reference *r)
{
    const struct stack_attrs *a = r->attrs;
    const int64_t n = umb__shape_count(&r->out[0].type->shape);
    memcpy(r->out[0].data, r->in[0].data + n / a->count * a->first, (size_t)n * sizeof(double));
}

static const struct umb_solver solvers[] = {{"copy", umb__applies_always, umb__emit_joined}, {0}};

static const struct umb_op_case cases[] = {
    {.in = "3,5"}, {.in = "2,3,5,2 4,3,5,2"}, {.in = "1,17 2,17 5,17"}, {0}};

static const struct umb_op stack = {.name = "stack",
                                    .flags = UMB_OP_JOIN,
                                    .min_in = 1,
                                    .max_in = 64,
                                    .infer = infer,
                                    .grad = grad,
                                    .reference = umb__reference_joined,
                                    .solvers = solvers,
                                    .cases = cases};

static const struct umb_op stack_backward = {.name = "stack_backward",
                                             .flags = UMB_OP_VIEW,
                                             .min_in = 1,
                                             .max_in = 1,
                                             .attrs_bytes = sizeof(struct stack_attrs),
                                             .infer = backward_infer,
                                             .view_offset = backward_offset,
                                             .reference = backward_reference};

const struct umb_op *const umb__ops_stack[] = {&stack, &stack_backward, NULL};
