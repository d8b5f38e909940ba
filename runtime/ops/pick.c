/*
 * pick: the channels first … first + count − 1 of a value: y[…,c] = x[…, first + c]. A task takes
 * its own scores so, out of those of all tasks.
 */
#include "simple.h"
#include <stddef.h>
#include <string.h>

struct pick_attrs {
    int64_t first, count;
};

static enum umb_status infer(struct umb_infer *io)
{
    const struct pick_attrs *a = io->attrs;
    const enum umb_status st = umb__infer_same(io);
    if (st != UMB_OK) { return st; }
    struct umb_shape *shape = &io->out[0].shape;
    const int64_t channels = umb__shape_channels(shape);
    if (a->first + a->count > channels) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "channels %lld to %lld of an input with %lld; expected some of these",
                         (long long)a->first, (long long)(a->first + a->count - 1),
                         (long long)channels);
    }
    shape->dim[shape->rank - 1] = a->count;
    memset(io->out[0].folded, 0, sizeof io->out[0].folded);
    return UMB_OK;
}

static enum umb_status backward_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[1];
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int in[] = {umb__grad_dout(g, 0), umb__grad_in(g, 0)};
    int dx[UMB_OP_MAX_OUT];
    if (in[0] < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    const enum umb_status st = umb__grad_node(g, "pick_backward", umb__grad_attrs(g), 2, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const struct pick_attrs *a = r->attrs;
    const int64_t n = umb__shape_count(&r->out[0].type->shape);
    const int64_t channels = umb__shape_channels(&r->in[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i] = r->in[0].data[i / a->count * channels + a->first + i % a->count];
    }
}

/* Inputs dy, x (for its type). */
static void backward_reference(const struct umb_reference *r)
{
    const struct pick_attrs *a = r->attrs;
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    const int64_t channels = umb__shape_channels(&r->out[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i / a->count * channels + a->first + i % a->count] = r->in[0].data[i];
    }
}

static const struct umb_kernel copy_kernel = {"copy_channels", "shape.cl", "copy_channels",
                                              "rwiiiiiiii"};
static const struct umb_kernel backward_kernel = {"pick_backward", "pick.cl", "pick_backward",
                                                  "rwiiiii"};

static enum umb_status emit(struct umb_emit *e)
{
    const struct pick_attrs *a = e->p.attrs;
    struct umb_pixel_walk walk =
        umb__pixel_walk(e, umb__shape_rows(&e->p.in[0].shape), a->count, 1, "");
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = &copy_kernel;
    return umb__emit_launch(e, &walk.launch, e->in[0], e->out[0],
                            (int)umb__shape_channels(&e->p.in[0].shape), (int)a->first,
                            (int)a->count, 0, walk.n_units, walk.units_per_pixel,
                            walk.unit_channels, walk.span);
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    const struct pick_attrs *a = e->p.attrs;
    const int64_t n = umb__shape_count(&e->p.out[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, n);
    const struct umb_emit_launch launch = umb__spread_launch(&s, &backward_kernel, NULL);
    return umb__emit_launch(e, &launch, e->in[0], e->out[0],
                            (int)umb__shape_channels(&e->p.out[0].shape), (int)a->first,
                            (int)a->count, (int)n, s.span);
}

static const struct umb_solver solvers[] = {{"copy", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {{"copy", umb__applies_always, emit_backward},
                                                     {0}};

static const struct umb_attr_desc attrs[] = {{.name = "first",
                                              .type = UMB_ATTR_INT,
                                              .offset = offsetof(struct pick_attrs, first),
                                              .required = true,
                                              .min = 0,
                                              .max = 65535,
                                              .help = "the first channel to take, counted from 0"},
                                             {.name = "count",
                                              .type = UMB_ATTR_INT,
                                              .offset = offsetof(struct pick_attrs, count),
                                              .min = 1,
                                              .max = 65536,
                                              .fallback = "1",
                                              .help = "how many channels to take"},
                                             {0}};

static const struct umb_op_case cases[] = {{.attrs = "first=0", .in = "1,1"},
                                           {.attrs = "first=2 count=3", .in = "7,5"},
                                           {.attrs = "first=1", .in = "4,17", .n_streams = 2},
                                           {.attrs = "first=16 count=33", .in = "2,3,5,67"},
                                           {0}};

static const struct umb_op pick = {.name = "pick",
                                   .help = "some of the channels",
                                   .flags = UMB_OP_LAYER,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .attrs = attrs,
                                   .attrs_bytes = sizeof(struct pick_attrs),
                                   .infer = infer,
                                   .grad = grad,
                                   .reference = reference,
                                   .solvers = solvers,
                                   .cases = cases};

static const struct umb_op pick_backward = {.name = "pick_backward",
                                            .min_in = 2,
                                            .max_in = 2,
                                            .attrs_bytes = sizeof(struct pick_attrs),
                                            .infer = backward_infer,
                                            .reference = backward_reference,
                                            .solvers = backward_solvers};

const struct umb_op *const umb__ops_pick[] = {&pick, &pick_backward, NULL};
