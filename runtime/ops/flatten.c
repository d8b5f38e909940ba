/*
 * flatten: [N,H,W,C] seen as [N,H·W·C]. Values stay in H,W,C order; the type remembers the extents,
 * so that a dense layer behind can keep its weights in C,H,W order in files.
 */
#include "simple.h"
#include <string.h>

struct flatten_attrs { /* of flatten_backward */
    int64_t extent[3]; /* H, W, C */
};

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_type *in = &io->in[0];
    io->n_out = 1;
    io->out[0] = *in;
    if (in->shape.rank == 2) { return UMB_OK; }
    const enum umb_status st = umb__expect_f32(io, 0, 4, "a feature map [N,H,W,C]");
    if (st != UMB_OK) { return st; }
    const int64_t *d = in->shape.dim;
    io->out[0].shape = (struct umb_shape){2, {d[0], d[1] * d[2] * d[3]}};
    memcpy(io->out[0].folded, d + 1, sizeof io->out[0].folded);
    return UMB_OK;
}

static enum umb_status backward_infer(struct umb_infer *io)
{
    const struct flatten_attrs *a = io->attrs;
    struct umb_type *out = &io->out[0];
    io->n_out = 1;
    *out = io->in[0];
    out->shape.rank = 4;
    memcpy(out->shape.dim + 1, a->extent, sizeof a->extent);
    memset(out->folded, 0, sizeof out->folded);
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const struct umb_type *x = umb__grad_type(g, umb__grad_in(g, 0));
    int dx[UMB_OP_MAX_OUT] = {umb__grad_dout(g, 0)};
    if (dx[0] < 0) { return UMB_OK; }
    if (x->shape.rank == 4) {
        struct flatten_attrs a;
        memcpy(a.extent, x->shape.dim + 1, sizeof a.extent);
        const int dy = dx[0];
        const enum umb_status st = umb__grad_node(g, "flatten_backward", &a, 1, &dy, dx);
        if (st != UMB_OK) { return st; }
    }
    umb__grad_give(g, 0, dx[0]);
    return UMB_OK;
}

static void reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    memcpy(r->out[0].data, r->in[0].data, (size_t)n * sizeof(double));
}

static const struct umb_op_case cases[] = {
    {.in = "1,1,1,1"}, {.in = "2,3,5,7"}, {.in = "3,17"}, {.in = "4,2,3,4", .n_streams = 2}, {0}};

static const struct umb_op flatten = {.name = "flatten",
                                      .help = "each image as one vector",
                                      .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS | UMB_OP_VIEW,
                                      .min_in = 1,
                                      .max_in = 1,
                                      .infer = infer,
                                      .grad = grad,
                                      .reference = reference,
                                      .cases = cases};

static const struct umb_op flatten_backward = {.name = "flatten_backward",
                                               .flags = UMB_OP_VIEW,
                                               .min_in = 1,
                                               .max_in = 1,
                                               .attrs_bytes = sizeof(struct flatten_attrs),
                                               .infer = backward_infer,
                                               .reference = reference};

const struct umb_op *const umb__ops_flatten[] = {&flatten, &flatten_backward, NULL};
