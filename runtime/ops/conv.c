/*
 * conv: convolution, and its gradients to the input and to the weights.
 *
 *   y[n,p,q,k] = b[k] + Σ_{r,s,c} x[n, p·stride + r·dilation − padding, …, c] · w[r,s,c,k],
 *
 * where output k of group g sees the group's C/groups channels only, and w's c counts within them.
 */
#include "conv.h"
#include <stddef.h>

#define MAX_CHANNELS 1048576.0
#define MAX_WINDOW 4096.0

static const char *const padding_names[] = {"same", "valid", NULL};

static const struct umb_attr_desc attrs[] = {
    {"filters", UMB_ATTR_INT, offsetof(struct umb_conv_attrs, filters), true, 1, MAX_CHANNELS, NULL,
     NULL, "number of output channels"},
    {"size", UMB_ATTR_PAIR, offsetof(struct umb_conv_attrs, size), true, 1, MAX_WINDOW, NULL, NULL,
     "height and width of the filter"},
    {"stride", UMB_ATTR_PAIR, offsetof(struct umb_conv_attrs, stride), false, 1, MAX_WINDOW, "1",
     NULL, "step of the filter over the input"},
    {"padding", UMB_ATTR_PAIR, offsetof(struct umb_conv_attrs, padding), false, 0, MAX_WINDOW, "0",
     padding_names,
     "zeros on each side: a number, valid (none), or same (as Keras, with a stride too)"},
    {"dilation", UMB_ATTR_PAIR, offsetof(struct umb_conv_attrs, dilation), false, 1, MAX_WINDOW,
     "1", NULL, "distance between the filter's taps"},
    {"groups", UMB_ATTR_INT, offsetof(struct umb_conv_attrs, groups), false, 1, MAX_CHANNELS, "1",
     NULL, "parts that channels and filters are cut into, each seeing itself only"},
    {"bias", UMB_ATTR_BOOL, offsetof(struct umb_conv_attrs, bias), false, 0, 0, "true", NULL,
     "adds a number per output channel"},
    {"activation", UMB_ATTR_CHOICE, offsetof(struct umb_conv_attrs, activation), false, 0, 0,
     "linear", umb__activation_names, "function applied to the output"},
    {0}};

static const char *const pool_names[] = {"none", "max", "avg", NULL};

static const struct umb_attr_desc inner[] = {
    {"pool", UMB_ATTR_CHOICE, offsetof(struct umb_conv_attrs, pool), false, 0, 0, "none",
     pool_names, "windows of 2x2 of the output"},
    {"mask", UMB_ATTR_BOOL, offsetof(struct umb_conv_attrs, mask), false, 0, 0, "false", NULL,
     "no gradient where the input is not positive"},
    {"dbias", UMB_ATTR_BOOL, offsetof(struct umb_conv_attrs, dbias), false, 0, 0, "false", NULL,
     "the bias's gradient, too"},
    {0}};

/* Forward. */

static struct umb_type floats(int rank, const int64_t *dim)
{
    struct umb_type t = {.dtype = UMB_F32, .shape = {.rank = rank}};
    for (int i = 0; i < rank; i++) {
        t.shape.dim[i] = dim[i];
    }
    return t;
}

static struct umb_type weight_type(const struct umb_conv *g)
{
    return floats(4, (const int64_t[]){g->R, g->S, g->C / g->groups, g->K});
}

static enum umb_status infer_pool(struct umb_infer *io, const struct umb_conv *g)
{
    io->n_out = 1;
    if (!g->pool) { return UMB_OK; }
    if (g->P < 2 || g->Q < 2) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "windows of 2x2 do not fit %dx%d outputs", g->P,
                         g->Q);
    }
    io->out[0].shape.dim[1] = g->P / 2;
    io->out[0].shape.dim[2] = g->Q / 2;
    io->out[1] = io->out[0];
    io->out[1].dtype = UMB_U8;
    io->n_out = io->training ? 2 : 1;
    return UMB_OK;
}

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_type *x = &io->in[0];
    struct umb_conv g;
    if (x->dtype != UMB_F32) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "the input is no float32; expected float32");
    }
    enum umb_status st = umb__conv_geometry(io->ctx, io->attrs, &x->shape, &g);
    if (st != UMB_OK) { return st; }
    io->out[0] = *x;
    io->out[0].shape = floats(4, (const int64_t[]){g.N, g.P, g.Q, g.K}).shape;
    const struct umb_type weight = weight_type(&g);
    st = umb__shape_check(io->ctx, &io->out[0].shape);
    if (st == UMB_OK) { st = infer_pool(io, &g); }
    if (st == UMB_OK) { st = umb__shape_check(io->ctx, &weight.shape); }
    if (st != UMB_OK) { return st; }
    const double fan_in = (double)(g.C / g.groups) * g.R * g.S;
    const int64_t *w = weight.shape.dim;
    io->n_params = g.bias ? 2 : 1;
    io->params[0] = (struct umb_param_spec){
        .name = "weight",
        .type = weight,
        .layout = {weight.shape, {3, 2, 0, 1}, {4, {w[3], w[2], w[0], w[1]}}},
        .init = UMB_INIT_FAN_IN,
        .fan_in = fan_in};
    const struct umb_type bias = floats(1, &w[3]);
    io->params[1] = (struct umb_param_spec){.name = "bias",
                                            .type = bias,
                                            .layout = umb__layout_plain(&bias.shape),
                                            .init = UMB_INIT_FAN_IN,
                                            .fan_in = fan_in};
    return UMB_OK;
}

/* dy as the backward ops want it: behind a relu that no pooling has taken in, masked. */
static enum umb_status grad_of_output(struct umb_grad *g, const struct umb_conv_attrs *a,
                                      int *ret_dy)
{
    const int in[2] = {umb__grad_out(g, 0), umb__grad_dout(g, 0)};
    *ret_dy = in[1];
    if (a->activation != UMB_ACT_RELU || a->pool || in[1] < 0) { return UMB_OK; }
    return umb__grad_node(g, "relu_backward", NULL, 2, in, ret_dy);
}

static enum umb_status grad(struct umb_grad *g)
{
    const struct umb_conv_attrs *a = umb__grad_attrs(g);
    struct umb_conv_attrs data = *a, weights = *a;
    const int x = umb__grad_in(g, 0), w = umb__grad_in(g, 1), pass = umb__grad_out(g, 1);
    const bool wants_bias = umb__grad_n_in(g) > 2 && umb__grad_wants(g, 2);
    int d[UMB_OP_MAX_OUT], dy;
    enum umb_status st = grad_of_output(g, a, &dy);
    if (st != UMB_OK || dy < 0) { return st; }
    data.activation = weights.activation = UMB_ACT_LINEAR;
    data.dbias = weights.mask = false;
    weights.dbias = wants_bias && (a->pool || a->dbias); /* no op but this reads a pooled dy */
    if (umb__grad_wants(g, 0)) {
        const int in[4] = {dy, w, x, pass};
        st = umb__grad_node(g, "conv_backward_data", &data, a->pool ? 4 : 3, in, d);
        if (st != UMB_OK) { return st; }
        umb__grad_give(g, 0, d[0]);
    }
    if (umb__grad_wants(g, 1) || weights.dbias) {
        const int in[3] = {x, dy, pass};
        st = umb__grad_node(g, "conv_backward_weights", &weights, a->pool ? 3 : 2, in, d);
        if (st != UMB_OK) { return st; }
        umb__grad_give(g, 1, d[0]);
        if (weights.dbias) { umb__grad_give(g, 2, d[1]); }
    }
    if (wants_bias && !weights.dbias) {
        st = umb__grad_node(g, "bias_backward", NULL, 1, &dy, d);
        if (st != UMB_OK) { return st; }
        umb__grad_give(g, 2, d[0]);
    }
    return UMB_OK;
}

/* Backward ops. */

static enum umb_status infer_data(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[2];
    return UMB_OK;
}

static enum umb_status infer_weights(struct umb_infer *io)
{
    struct umb_conv g;
    const enum umb_status st = umb__conv_geometry(io->ctx, io->attrs, &io->in[0].shape, &g);
    if (st != UMB_OK) { return st; }
    io->n_out = g.dbias ? 2 : 1;
    io->out[0] = weight_type(&g);
    io->out[1] = floats(1, (const int64_t[]){g.K});
    return UMB_OK;
}

static double flops(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return 2.0 * g.N * g.P * g.Q * g.K * g.R * g.S * (g.C / g.groups);
}

/* Of conv_backward_data: x is read for the mask only. */
static double bytes_data(const struct umb_problem *p)
{
    const struct umb_conv_attrs *a = p->attrs;
    double bytes = (double)umb__type_bytes(&p->out[0]);
    for (int i = 0; i < p->n_in; i++) {
        if (i != 2 || a->mask) { bytes += (double)umb__type_bytes(&p->in[i]); }
    }
    return bytes;
}

/* Shapes around the tiles (2·VW columns, 4 to 10 rows), every way of padding and skipping, and the
 * shapes that the figures in docs are about. */
static const struct umb_op_case cases[] = {
    {"filters=1 size=1", "1,1,1,1", 0, 0},
    {"filters=5 size=3", "2,7,5,3", 0, 0},
    {"filters=32 size=3 padding=1", "1,6,7,16", 0, 0},
    {"filters=33 size=3 padding=1", "1,5,5,17", 0, 0},
    {"filters=31 size=3 padding=1 activation=relu", "1,5,5,15", UMB_CASE_NO_GRAD, 0},
    {"filters=40 size=1", "2,5,5,9", 0, 0},
    {"filters=7 size=2 padding=same", "2,5,6,4", 0, 0},
    {"filters=7 size=3 stride=2 padding=same", "2,6,6,5", 0, 0},
    {"filters=9 size=4,3 stride=3,2 padding=same", "1,8,7,6", 0, 0},
    {"filters=6 size=3 stride=3 padding=1", "2,8,9,8", 0, 0},
    {"filters=48 size=1", "1,5,7,16", UMB_CASE_NO_GRAD, 0},
    {"filters=67 size=1 activation=relu", "2,5,3,131", UMB_CASE_NO_GRAD, 0},
    {"filters=6 size=1 stride=2", "2,5,6,8", 0, 0},
    {"filters=6 size=2 stride=3 bias=false", "2,8,9,8", 0, 0},
    {"filters=10 size=3 dilation=2 padding=same", "1,7,8,6", 0, 0},
    {"filters=4 size=3 dilation=2 stride=2 padding=2", "1,9,8,4", 0, 0},
    {"filters=4 size=3,2 dilation=3,2 stride=2,3 padding=3,1", "1,11,9,3", 0, 0},
    {"filters=12 size=3 groups=2 padding=1", "1,5,6,8", 0, 0},
    {"filters=8 size=3 groups=4 stride=2 padding=1 bias=false", "1,7,6,12", 0, 0},
    {"filters=36 size=3 groups=2 padding=1", "1,5,4,34", 0, 0},
    {"filters=6 size=3 groups=6 padding=1", "1,6,5,6", 0, 0},
    {"filters=21 size=3 groups=21 stride=2 padding=same", "2,6,7,21", 0, 0},
    {"filters=18 size=3,2 groups=18 dilation=2 stride=2 padding=2", "1,8,7,18", 0, 0},
    {"filters=12 size=3 groups=6 padding=1", "1,6,5,6", 0, 0},
    {"filters=3 size=7 stride=2 padding=3", "1,13,11,3", 0, 0},
    {"filters=2 size=3,1 padding=1,0", "3,4,9,1", 0, 0},
    {"filters=34 size=3", "19,4,4,24", 0, 0},
    {"filters=8 size=3 padding=1 stride=2", "2,300,3,1", UMB_CASE_NO_GRAD, 0},
    {"filters=40 size=3 padding=1", "1,3,240,36", UMB_CASE_NO_GRAD, 0},
    {"filters=7 size=3 activation=relu", "2,5,6,3", 0, 0},
    {"filters=5 size=3 activation=relu pool=max", "2,9,8,3", 0, 0},
    {"filters=16 size=3 activation=relu pool=max", "3,11,8,1", 0, 0},
    {"filters=33 size=3 padding=1 pool=max", "1,5,6,17", 0, 0},
    {"filters=8 size=1 pool=max", "2,6,7,4:ties", UMB_CASE_NO_GRAD, 0},
    {"filters=40 size=3 padding=1 activation=relu pool=max bias=false", "2,12,13,36", 0, 0},
    {"filters=32 size=3 padding=1 activation=relu pool=avg", "2,6,7,16", 0, 0},
    {"filters=6 size=3,2 stride=2,1 padding=1 pool=avg", "2,9,5,5", 0, 0},
    {"filters=12 size=3 groups=2 padding=1 activation=relu pool=max", "1,5,6,8", 0, 0},
    {"filters=21 size=3 groups=21 padding=1 activation=relu pool=max", "2,6,5,21", 0, 0},
    {"filters=34 size=3 padding=1 mask=true dbias=true", "2,5,7,24", UMB_CASE_NO_GRAD, 0},
    {"filters=9 size=3 stride=2 mask=true activation=relu pool=max", "2,11,12,20", UMB_CASE_NO_GRAD,
     0},
    {"filters=33 size=3 padding=1 dbias=true", "3,5,7,9", 0, 0},
    {"filters=1 size=3 padding=1", "2,1,1,1", 0, 0},
    {"filters=17 size=3 padding=2", "1,2,3,15", 0, 0},
    {"filters=15 size=3 padding=1", "2,3,4,33", 0, 0},
    {"filters=33 size=3 padding=2,0", "1,5,7,17", 0, 0},
    {"filters=34 size=3 padding=1 mask=true", "5,14,10,18", UMB_CASE_NO_GRAD, 0},
    {"filters=17 size=3 padding=1 activation=relu pool=max", "3,15,14,33", UMB_CASE_NO_GRAD, 0},
    {"filters=65 size=3 padding=same", "1,6,9,66", 0, 0},
    {"filters=16 size=3 padding=1 activation=relu", "9,7,5,130", UMB_CASE_NO_GRAD, 0},
    {"filters=130 size=3 padding=1", "1,5,6,129", UMB_CASE_NO_GRAD, 0},
    {"filters=129 size=3 activation=relu pool=max", "2,7,7,131", UMB_CASE_NO_GRAD, 0},
    {"filters=37 size=5 padding=2 bias=false", "2,9,11,4", 0, 0},
    {"filters=66 size=5,2 padding=4,1 dilation=2,1", "1,12,7,2", 0, 0},
    {"filters=35 size=3 padding=1 activation=relu pool=avg dbias=true", "3,9,11,3",
     UMB_CASE_NO_GRAD, 0},
    {"filters=64 size=3 activation=relu pool=max dbias=true", "3,13,13,32", UMB_CASE_NO_GRAD, 0},
    {"filters=32 size=3 activation=relu pool=max dbias=true", "3,11,10,1", UMB_CASE_NO_GRAD, 0},
    {"filters=69 size=3,2 padding=1 pool=max dbias=true", "2,7,9,3", UMB_CASE_NO_GRAD, 0},
    {"filters=33 size=2 stride=2,1 pool=max", "2,13,6,4", UMB_CASE_NO_GRAD, 0},
    {"filters=70 size=3 groups=2 padding=1 mask=true dbias=true", "2,4,5,34", UMB_CASE_NO_GRAD, 0},
    {"filters=70 size=1 stride=2 dbias=true", "2,5,6,133", UMB_CASE_NO_GRAD, 0},
    {"filters=160 size=1 stride=2 dbias=true", "3,9,11,40", UMB_CASE_NO_GRAD, 0},
    {"filters=70 size=1,3 stride=2,3 padding=1", "2,9,11,24", UMB_CASE_NO_GRAD, 0},
    {"filters=32 size=3 groups=32 padding=1 mask=true dbias=true", "2,9,11,32", UMB_CASE_NO_GRAD,
     0},
    {"filters=40 size=5 groups=40 padding=2 stride=3 dbias=true", "2,15,13,40", UMB_CASE_NO_GRAD,
     0},
    {"filters=35 size=3 groups=35 padding=3 dilation=3 stride=2", "1,12,11,35", 0, 0},
    {"filters=16 size=2 groups=16 stride=3", "1,9,9,16", 0, 0},
    {"filters=40 size=3 padding=1 mask=true", "9,2,2,150", UMB_CASE_NO_GRAD, 0},
    {"filters=130 size=3 stride=2 padding=1 activation=relu", "13,4,4,20", UMB_CASE_NO_GRAD, 0},
    {"filters=17 size=3 padding=1", "66,1,2,3", UMB_CASE_NO_GRAD, 0},
    {"filters=17 size=5 padding=2", "2,5,6,18", 0, 0},
    {"filters=33 size=5 padding=0,4 activation=relu", "1,7,5,16", UMB_CASE_NO_GRAD, 0},
    {"filters=24 size=5 padding=1 mask=true dbias=true", "3,9,8,40", UMB_CASE_NO_GRAD, 0},
    {"filters=33 size=5 padding=2 activation=relu pool=max dbias=true", "2,9,11,17",
     UMB_CASE_NO_GRAD, 0},
    {"filters=16 size=5 padding=3 pool=avg", "2,7,6,33", UMB_CASE_NO_GRAD, 0},
    {"filters=130 size=5 padding=2", "1,5,6,129", UMB_CASE_NO_GRAD, 0},
    {"filters=32 size=3", "128,28,28,1", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3", "128,13,13,32", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3 padding=1", "64,32,32,3", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=128 size=3 padding=1", "64,32,32,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3 padding=1", "32,56,56,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=256 size=3 padding=1", "32,14,14,256", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=128 size=3 padding=1", "32,28,28,128", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3 padding=1", "32,16,16,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=128 size=3 padding=1", "32,8,8,128", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=256 size=3 padding=1", "32,4,4,256", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=512 size=3 padding=1", "32,4,4,512", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=512 size=3 padding=1", "32,2,2,512", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=512 size=3 stride=2 padding=1", "32,4,4,256", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=128 size=3 stride=2 padding=1", "32,56,56,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=5 padding=2", "32,28,28,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=256 size=1", "32,14,14,256", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=32 size=3 activation=relu pool=max", "128,28,28,1", UMB_CASE_BENCH | UMB_CASE_LARGE,
     0},
    {"filters=64 size=3 activation=relu pool=max", "128,13,13,32", UMB_CASE_BENCH | UMB_CASE_LARGE,
     0},
    {"filters=128 size=3 padding=1 activation=relu pool=avg", "64,16,16,128",
     UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3 padding=1 groups=64", "32,56,56,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {0}};

static const struct umb_op conv = {.name = "conv",
                                   .help = "convolution of images [N,H,W,C]",
                                   .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS | UMB_OP_FUSES_RELU,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .attrs = attrs,
                                   .inner = inner,
                                   .attrs_bytes = sizeof(struct umb_conv_attrs),
                                   .infer = infer,
                                   .grad = grad,
                                   .reference = umb__conv_reference,
                                   .flops = flops,
                                   .solvers = umb__conv_forward_solvers,
                                   .cases = cases};
static const struct umb_op conv_backward_data = {.name = "conv_backward_data",
                                                 .min_in = 3,
                                                 .max_in = 4,
                                                 .attrs = attrs,
                                                 .inner = inner,
                                                 .attrs_bytes = sizeof(struct umb_conv_attrs),
                                                 .infer = infer_data,
                                                 .reference = umb__conv_reference_data,
                                                 .flops = flops,
                                                 .bytes = bytes_data,
                                                 .solvers = umb__conv_data_solvers};
static const struct umb_op conv_backward_weights = {.name = "conv_backward_weights",
                                                    .min_in = 2,
                                                    .max_in = 3,
                                                    .attrs = attrs,
                                                    .inner = inner,
                                                    .attrs_bytes = sizeof(struct umb_conv_attrs),
                                                    .infer = infer_weights,
                                                    .reference = umb__conv_reference_weights,
                                                    .flops = flops,
                                                    .solvers = umb__conv_weights_solvers,
                                                    .updating = umb__conv_updating};
const struct umb_op *const umb__ops_conv[] = {&conv, &conv_backward_data, &conv_backward_weights,
                                              NULL};
