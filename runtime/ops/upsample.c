/*
 * upsample: [N,H,W,C] to [N,H·fh,W·fw,C] by whole factors, repeating pixels (nearest) or mixing the
 * four nearest (bilinear, PyTorch's align_corners=False).
 */
#include "simple.h"
#include <math.h>

struct upsample_attrs {
    int64_t factor[2];
    int mode; /* 0 nearest, 1 bilinear */
};

static enum umb_status infer(struct umb_infer *io)
{
    const struct upsample_attrs *a = io->attrs;
    const enum umb_status st = umb__expect_f32(io, 0, 4, "a feature map [N,H,W,C]");
    if (st != UMB_OK) { return st; }
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape.dim[1] *= a->factor[0];
    io->out[0].shape.dim[2] *= a->factor[1];
    return UMB_OK;
}

static enum umb_status backward_infer(struct umb_infer *io)
{
    const struct upsample_attrs *a = io->attrs;
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape.dim[1] /= a->factor[0];
    io->out[0].shape.dim[2] /= a->factor[1];
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    if (dy < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st =
        umb__grad_node(g, "upsample_backward", umb__grad_attrs(g), 1, &dy, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

/* Reference. */

/* What output p takes along one axis: `share` of `next`, the rest of `at`. */
struct source {
    int64_t at, next;
    double share;
};

static struct source find_source(int mode, int64_t p, int64_t factor, int64_t extent)
{
    if (mode == 0) { return (struct source){p / factor, p / factor, 0}; }
    const double x = fmax(((double)p + 0.5) / (double)factor - 0.5, 0);
    const int64_t at = (int64_t)x;
    return (struct source){at, at + 1 < extent ? at + 1 : at, x - (double)at};
}

/* Forward y += share·x, backward x += share·y, over the four corners of every output pixel. */
static void visit(const struct upsample_attrs *a, const struct umb_shape *shape, double *x,
                  double *y, bool backward)
{
    const int64_t *d = shape->dim; /* of x */
    const int64_t height = d[1] * a->factor[0], width = d[2] * a->factor[1];
    for (int64_t i = 0; i < d[0] * height * width * d[3]; i++) {
        const int64_t c = i % d[3], q = i / d[3] % width, p = i / d[3] / width % height;
        const int64_t n = i / d[3] / width / height;
        const struct source v = find_source(a->mode, p, a->factor[0], d[1]);
        const struct source s = find_source(a->mode, q, a->factor[1], d[2]);
        for (int corner = 0; corner < 4; corner++) {
            const int64_t h = corner & 2 ? v.next : v.at, w = corner & 1 ? s.next : s.at;
            const double share =
                (corner & 2 ? v.share : 1 - v.share) * (corner & 1 ? s.share : 1 - s.share);
            const int64_t at = ((n * d[1] + h) * d[2] + w) * d[3] + c;
            if (backward) {
                x[at] += share * y[i];
            } else {
                y[i] += share * x[at];
            }
        }
    }
}

static void reference(const struct umb_reference *r)
{
    visit(r->attrs, &r->in[0].type->shape, r->in[0].data, r->out[0].data, false);
}

static void backward_reference(const struct umb_reference *r)
{
    visit(r->attrs, &r->out[0].type->shape, r->out[0].data, r->in[0].data, true);
}

/* Kernels. */

#define GEOMETRY "iiiiiiiii"
static const struct umb_kernel forward_kernels[] = {
    {"upsample_nearest", "upsample.cl", "nearest_forward", "rw" GEOMETRY},
    {"upsample_bilinear", "upsample.cl", "bilinear_forward", "rw" GEOMETRY}};
static const struct umb_kernel backward_kernels[] = {
    {"upsample_nearest_backward", "upsample.cl", "nearest_backward", "rw" GEOMETRY},
    {"upsample_bilinear_backward", "upsample.cl", "bilinear_backward", "rw" GEOMETRY}};

/* x: the small side, whichever that is. */
static enum umb_status launch(struct umb_emit *e, const struct umb_kernel *kernels,
                              const struct umb_type *x, int64_t pixels, int64_t work)
{
    const struct upsample_attrs *a = e->p.attrs;
    const struct umb_nhwc d = umb__nhwc(x);
    struct umb_pixel_walk walk = umb__pixel_walk(e, pixels, d.c, work, "");
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = &kernels[a->mode];
    return umb__emit_launch(e, &walk.launch, e->in[0], e->out[0], d.h, d.w, d.c, (int)a->factor[0],
                            (int)a->factor[1], walk.n_units, walk.units_per_pixel,
                            walk.unit_channels, walk.span);
}

static enum umb_status emit(struct umb_emit *e)
{
    return launch(e, forward_kernels, &e->p.in[0], umb__shape_rows(&e->p.out[0].shape), 1);
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    const struct upsample_attrs *a = e->p.attrs;
    return launch(e, backward_kernels, &e->p.out[0], umb__shape_rows(&e->p.out[0].shape),
                  a->factor[0] * a->factor[1]);
}

static const struct umb_solver solvers[] = {{"direct", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {{"gather", umb__applies_always, emit_backward},
                                                     {0}};

static double flops(const struct umb_problem *p)
{
    const struct upsample_attrs *a = p->attrs;
    const bool forward = p->op->flags & UMB_OP_LAYER;
    const struct umb_type *y = forward ? &p->out[0] : &p->in[0];
    return (a->mode ? 8 : 1) * (double)umb__shape_count(&y->shape);
}

/* Rows. */

static const char *const modes[] = {"nearest", "bilinear", NULL};
static const struct umb_attr_desc attrs[] = {
    {.name = "factor",
     .type = UMB_ATTR_PAIR,
     .offset = offsetof(struct upsample_attrs, factor),
     .min = 1,
     .max = 64,
     .fallback = "2",
     .help = "how many times as high and wide"},
    {.name = "mode",
     .type = UMB_ATTR_CHOICE,
     .offset = offsetof(struct upsample_attrs, mode),
     .fallback = "nearest",
     .choices = modes,
     .help = "nearest repeats pixels; bilinear mixes four"},
    {0}};

static const struct umb_op_case cases[] = {
    {.in = "1,1,1,1"},
    {.in = "2,3,5,3", .n_streams = 2},
    {.in = "2,5,3,17", .attrs = "factor=3,2"},
    {.in = "1,1,1,1", .attrs = "mode=bilinear"},
    {.in = "2,3,5,3", .attrs = "mode=bilinear"},
    {.in = "2,5,3,17", .attrs = "factor=3,4 mode=bilinear"},
    {.in = "1,4,1,16", .attrs = "factor=1,2 mode=bilinear"},
    {.in = "32,16,16,32", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "32,16,16,32", .attrs = "mode=bilinear", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op upsample = {.name = "upsample",
                                       .help = "images made larger by whole factors",
                                       .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .attrs = attrs,
                                       .attrs_bytes = sizeof(struct upsample_attrs),
                                       .infer = infer,
                                       .grad = grad,
                                       .reference = reference,
                                       .flops = flops,
                                       .solvers = solvers,
                                       .cases = cases};

static const struct umb_op upsample_backward = {.name = "upsample_backward",
                                                .min_in = 1,
                                                .max_in = 1,
                                                .attrs_bytes = sizeof(struct upsample_attrs),
                                                .infer = backward_infer,
                                                .reference = backward_reference,
                                                .flops = flops,
                                                .solvers = backward_solvers};

const struct umb_op *const umb__ops_upsample[] = {&upsample, &upsample_backward, NULL};
