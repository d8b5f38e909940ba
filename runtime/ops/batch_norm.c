/*
 * batch_norm: normalises each channel, with statistics per stream.
 *
 * x [N,…,C] holds n_segments streams' samples one after another. Training: each segment is
 * normalised by the mean and (biased) variance of its real samples, the first rows[stream], and the
 * stream's running statistics follow (PyTorch's momentum, unbiased variance). Inference: by the
 * running statistics. Samples beyond the real ones are normalised alike, count nothing and get no
 * gradient. Formulas and stages: cl/batch_norm.cl.
 *
 * Outputs: y, and for the backward op mean and inv_std [S,C]. Inputs behind x: weight, bias [C],
 * running_mean, running_var [streams,C], rows [streams].
 *
 * batch_norm_again makes y once more: x, weight, bias, mean, inv_std → y.
 *
 * Fused, by inner attributes (graph/fuse_norm.c): `residual`: a second data input of x's shape is
 * added to y; `relu`: y = max(y, 0), behind the residual. The gradient of a relu without residual
 * needs no y: backward makes y's sign of x again, to the bit, and then takes the bias as its last
 * input.
 *
 * `frozen`, inner too: in training as in inference by the running statistics, which stay as they
 * are (train/trainer_parts.c). They depend on no x, so dx = dy·weight·inv_std.
 */
#include "batch_norm.h"
#include <stddef.h>

static const struct umb_attr_desc attrs[] = {
    {.name = "momentum",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct umb_batch_norm_attrs, momentum),
     .min = 0,
     .max = 1,
     .fallback = "0.1",
     .help = "the share of a batch's statistics in the running ones"},
    {.name = "epsilon",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct umb_batch_norm_attrs, epsilon),
     .min = 1e-12,
     .max = 1,
     .fallback = "1e-5",
     .help = "added to the variance"},
    {0}};

static const struct umb_attr_desc inner[] = {
    {.name = "relu",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct umb_batch_norm_attrs, relu),
     .fallback = "false",
     .help = "the larger of the result and 0"},
    {.name = "residual",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct umb_batch_norm_attrs, residual),
     .fallback = "false",
     .help = "adds a second input to the result"},
    {.name = "frozen",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct umb_batch_norm_attrs, frozen),
     .fallback = "false",
     .help = "running statistics are used in training and kept"},
    {0}};

static struct umb_type type_of(int64_t rows, int64_t channels)
{
    struct umb_type t = {.dtype = UMB_F32, .shape = {.rank = 1, .dim = {channels}}};
    if (rows > 0) { t.shape = (struct umb_shape){.rank = 2, .dim = {rows, channels}}; }
    return t;
}

static struct umb_param_spec trained(const char *name, enum umb_init init, int64_t channels)
{
    const struct umb_type type = type_of(0, channels);
    return (struct umb_param_spec){.name = name,
                                   .kind = UMB_PARAM_TRAINED,
                                   .type = type,
                                   .layout = umb__layout_plain(&type.shape),
                                   .init = init};
}

/* In files [C] where there is one stream, as other tools have it. */
static struct umb_param_spec running(const char *name, enum umb_init init, int64_t streams,
                                     int64_t channels)
{
    const struct umb_type type = type_of(streams, channels);
    struct umb_param_spec spec = {.name = name,
                                  .kind = UMB_PARAM_STATE,
                                  .type = type,
                                  .layout = umb__layout_plain(&type.shape),
                                  .init = init};
    if (streams == 1) { spec.layout.file_shape = type_of(0, channels).shape; }
    return spec;
}

/* A second input comes from a pass only, with x's shape. */
static enum umb_status check_residual(const struct umb_infer *io)
{
    const struct umb_batch_norm_attrs *a = io->attrs;
    const bool fits = io->n_in > 1 && umb__shape_equal(&io->in[0].shape, &io->in[1].shape);
    if (a->residual ? fits : io->n_in != 2) { return UMB_OK; }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "batch_norm takes 1 input, not %d", io->n_in);
}

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_type *x = &io->in[0];
    enum umb_status st = check_residual(io);
    if (st != UMB_OK) { return st; }
    const int64_t channels = umb__shape_channels(&x->shape);
    char got[UMB_SHAPE_TEXT];
    if (x->dtype != UMB_F32 || x->shape.rank < 2 ||
        x->shape.dim[0] % umb__batch_norm_of(x).segments != 0) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "input has shape %s; expected float32 [N,…,C]",
                         umb__shape_text(&x->shape, got, sizeof got));
    }
    const struct umb_type rows = {.dtype = UMB_I32, .shape = {.rank = 1, .dim = {io->n_streams}}};
    io->n_params = 5;
    io->params[0] = trained("weight", UMB_INIT_ONES, channels);
    io->params[1] = trained("bias", UMB_INIT_ZEROS, channels);
    io->params[2] = running("running_mean", UMB_INIT_ZEROS, io->n_streams, channels);
    io->params[3] = running("running_var", UMB_INIT_ONES, io->n_streams, channels);
    io->params[4] = (struct umb_param_spec){.name = "rows",
                                            .kind = UMB_PARAM_ROWS,
                                            .type = rows,
                                            .layout = umb__layout_plain(&rows.shape)};
    io->n_out = 3;
    io->out[0] = *x;
    io->out[1] = type_of(umb__batch_norm_of(x).segments, channels);
    io->out[1].n_segments = x->n_segments;
    io->out[1].segment = x->segment;
    io->out[2] = io->out[1];
    return UMB_OK;
}

static enum umb_status backward_infer(struct umb_infer *io)
{
    const int64_t channels = umb__shape_channels(&io->in[0].shape);
    io->n_out = 3;
    io->out[0] = io->in[0];
    io->out[1] = io->out[2] = type_of(0, channels);
    return UMB_OK;
}

/* dy behind the relu and the residual's share of it: the residual has the same gradient. */
static enum umb_status grad_of_sum(struct umb_grad *g, const struct umb_batch_norm_attrs *a,
                                   int *ret_dy)
{
    const int in[2] = {umb__grad_out(g, 0), umb__grad_dout(g, 0)};
    *ret_dy = in[1];
    if (in[1] < 0 || !a->residual) { return UMB_OK; }
    enum umb_status st = UMB_OK;
    if (a->relu) { st = umb__grad_node(g, "relu_backward", NULL, 2, in, ret_dy); }
    if (st == UMB_OK) { umb__grad_give(g, 1, *ret_dy); }
    return st;
}

static enum umb_status grad(struct umb_grad *g)
{
    const struct umb_batch_norm_attrs *a = umb__grad_attrs(g);
    struct umb_batch_norm_attrs back = *a;
    const int x = IN_X, weight = umb__batch_norm_in(a, IN_WEIGHT),
              bias = umb__batch_norm_in(a, IN_BIAS);
    const bool wanted =
        umb__grad_wants(g, x) || umb__grad_wants(g, weight) || umb__grad_wants(g, bias);
    int dy;
    enum umb_status st = grad_of_sum(g, a, &dy);
    if (st != UMB_OK || dy < 0 || !wanted) { return st; }
    const int in[7] = {umb__grad_in(g, x),      dy,
                       umb__grad_in(g, weight), umb__grad_out(g, 1),
                       umb__grad_out(g, 2),     umb__grad_in(g, umb__batch_norm_in(a, IN_ROWS)),
                       umb__grad_in(g, bias)};
    back.relu = a->relu && !a->residual;
    back.residual = false;
    int out[UMB_OP_MAX_OUT];
    st = umb__grad_node(g, "batch_norm_backward", &back, back.relu ? 7 : 6, in, out);
    if (st != UMB_OK) { return st; }
    const int to[3] = {x, weight, bias};
    for (int i = 0; i < 3; i++) {
        if (umb__grad_wants(g, to[i])) { umb__grad_give(g, to[i], out[i]); }
    }
    return UMB_OK;
}

static enum umb_status again_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    return UMB_OK;
}

/* Rows. */

static double flops(const struct umb_problem *p)
{
    return 7.0 * (double)umb__shape_count(&p->in[0].shape);
}

static double backward_flops(const struct umb_problem *p)
{
    return 10.0 * (double)umb__shape_count(&p->in[0].shape);
}

/* x is read for the statistics and again for y. */
static double bytes(const struct umb_problem *p)
{
    const struct umb_batch_norm_attrs *a = p->attrs;
    const double times = (p->training ? 3.0 : 2.0) + (a->residual ? 1.0 : 0.0);
    return times * (double)umb__type_bytes(&p->in[0]);
}

static double again_flops(const struct umb_problem *p)
{
    return 3.0 * (double)umb__shape_count(&p->in[0].shape);
}

/* x and dy are read twice. */
static double backward_bytes(const struct umb_problem *p)
{
    return 5.0 * (double)umb__type_bytes(&p->in[0]);
}

/* PARTIAL: the probe of a gradient check weighs samples that are not real, too; tests/ops has one
 * that does not. */
static const struct umb_op_case cases[] = {
    {.in = "2,1"},
    {.in = "4,3,5,7"},
    {.in = "6,5,5,17", .flags = UMB_CASE_PARTIAL | UMB_CASE_NO_GRAD},
    {.in = "12,3,3,33", .n_streams = 2},
    {.in = "9,4,2,16", .n_streams = 3, .flags = UMB_CASE_PARTIAL | UMB_CASE_NO_GRAD},
    {.in = "8,3,3,5@1-2", .n_streams = 4, .flags = UMB_CASE_PARTIAL | UMB_CASE_NO_GRAD},
    {.in = "64,30", .attrs = "momentum=0.3 epsilon=0.001"},
    {.in = "8,12,12,19", .n_streams = 2, .flags = UMB_CASE_PARTIAL | UMB_CASE_NO_GRAD},
    {.in = "4,31,33,3", .flags = UMB_CASE_NO_GRAD},
    {.in = "4,3,5,7", .attrs = "relu=true"},
    {.in = "12,3,3,33", .attrs = "frozen=true", .n_streams = 2, .flags = UMB_CASE_TRAINING},
    {.in = "4,5,5,17", .attrs = "frozen=true relu=true", .flags = UMB_CASE_TRAINING},
    {.in = "4,3,5,7 4,3,5,7",
     .attrs = "frozen=true relu=true residual=true",
     .flags = UMB_CASE_TRAINING},
    {.in = "12,3,3,33", .n_streams = 2, .attrs = "relu=true"},
    {.in = "8,12,12,80",
     .n_streams = 2,
     .attrs = "relu=true",
     .flags = UMB_CASE_PARTIAL | UMB_CASE_NO_GRAD},
    {.in = "4,3,5,7 4,3,5,7", .attrs = "residual=true"},
    {.in = "6,4,3,67 6,4,3,67", .n_streams = 2, .attrs = "relu=true residual=true"},
    {.in = "4,9,9,130 4,9,9,130",
     .attrs = "relu=true residual=true",
     .flags = UMB_CASE_PARTIAL | UMB_CASE_NO_GRAD},
    {.in = "32,56,56,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "64,16,16,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "32,32,32,64", .attrs = "relu=true", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "32,16,16,64 32,16,16,64",
     .attrs = "relu=true residual=true",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "32,2,2,512", .attrs = "relu=true", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "32,8,8,512", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

/* weight, bias, mean and inv_std stand among the data inputs here. */
static const struct umb_op_case again_cases[] = {
    {.in = "4,3,5,7 7 7 1,7 1,7:positive", .flags = UMB_CASE_NO_GRAD},
    {.in = "6,5,5,17 17 17 1,17 1,17:positive", .attrs = "relu=true", .flags = UMB_CASE_NO_GRAD},
    {.in = "6,4,3,67 6,4,3,67 67 67 1,67 1,67:positive",
     .attrs = "relu=true residual=true",
     .flags = UMB_CASE_NO_GRAD},
    {0}};

static const struct umb_op batch_norm = {
    .name = "batch_norm",
    .help = "each channel to mean 0 and variance 1, then scaled and shifted; statistics per stream",
    .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
    .min_in = 1,
    .max_in = 2,
    .attrs = attrs,
    .inner = inner,
    .attrs_bytes = sizeof(struct umb_batch_norm_attrs),
    .infer = infer,
    .grad = grad,
    .reference = umb__batch_norm_reference,
    .flops = flops,
    .bytes = bytes,
    .solvers = umb__batch_norm_solvers,
    .again = "batch_norm_again",
    .cases = cases};

static const struct umb_op batch_norm_again = {.name = "batch_norm_again",
                                               .min_in = 5,
                                               .max_in = 6,
                                               .attrs = attrs,
                                               .inner = inner,
                                               .attrs_bytes = sizeof(struct umb_batch_norm_attrs),
                                               .infer = again_infer,
                                               .reference = umb__batch_norm_again_reference,
                                               .flops = again_flops,
                                               .solvers = umb__batch_norm_again_solvers,
                                               .cases = again_cases};

static const struct umb_op batch_norm_backward = {.name = "batch_norm_backward",
                                                  .min_in = 6,
                                                  .max_in = 7,
                                                  .attrs = attrs,
                                                  .inner = inner,
                                                  .attrs_bytes =
                                                      sizeof(struct umb_batch_norm_attrs),
                                                  .infer = backward_infer,
                                                  .reference = umb__batch_norm_backward_reference,
                                                  .flops = backward_flops,
                                                  .bytes = backward_bytes,
                                                  .solvers = umb__batch_norm_backward_solvers};

const struct umb_op *const umb__ops_batch_norm[] = {&batch_norm, &batch_norm_again,
                                                    &batch_norm_backward, NULL};
