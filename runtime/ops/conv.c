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

/* ---- forward ----------------------------------------------------------------------------------
 */

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

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_type *x = &io->in[0];
    struct umb_conv g;
    if (x->dtype != UMB_F32) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "the input is no float32; expected float32");
    }
    enum umb_status st = umb__conv_geometry(io->ctx, io->attrs, &x->shape, &g);
    if (st != UMB_OK) { return st; }
    io->n_out = 1;
    io->out[0] = *x;
    io->out[0].shape = floats(4, (const int64_t[]){g.N, g.P, g.Q, g.K}).shape;
    const struct umb_type weight = weight_type(&g);
    st = umb__shape_check(io->ctx, &io->out[0].shape);
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

static enum umb_status grad(struct umb_grad *g)
{
    const void *a = umb__grad_attrs(g);
    const int dy = umb__grad_dout(g, 0), x = umb__grad_in(g, 0);
    enum umb_status st = UMB_OK;
    int d;
    if (dy < 0) { return UMB_OK; }
    if (umb__grad_wants(g, 0)) {
        st = umb__grad_node(g, "conv_backward_data", a, 3, (int[]){dy, umb__grad_in(g, 1), x}, &d);
        if (st != UMB_OK) { return st; }
        umb__grad_give(g, 0, d);
    }
    if (umb__grad_wants(g, 1)) {
        st = umb__grad_node(g, "conv_backward_weights", a, 2, (int[]){x, dy}, &d);
        if (st != UMB_OK) { return st; }
        umb__grad_give(g, 1, d);
    }
    if (umb__grad_n_in(g) > 2 && umb__grad_wants(g, 2)) {
        st = umb__grad_node(g, "bias_backward", NULL, 1, &dy, &d);
        if (st != UMB_OK) { return st; }
        umb__grad_give(g, 2, d);
    }
    return UMB_OK;
}

/* ---- references --------------------------------------------------------------------------------
 *
 * All three are made of the same products x·w → y. A visit is one x with the kg weights and outputs
 * that lie one after another beside it.
 */

struct visit {
    double *x, *w, *y;
    int n;
};
typedef void (*visit_fn)(const struct visit *v);

static void visit_pixel(const struct umb_conv *g, const struct visit *at, visit_fn see)
{
    const int cg = g->C / g->groups, kg = g->K / g->groups;
    for (int group = 0; group < g->groups; group++) {
        for (int c = 0; c < cg; c++) {
            see(&(struct visit){at->x + group * cg + c, at->w + c * g->K + group * kg,
                                at->y + group * kg, kg});
        }
    }
}

static void visit_all(const struct umb_conv *g, double *x, double *w, double *y, visit_fn see)
{
    const ptrdiff_t tap = (ptrdiff_t)(g->C / g->groups) * g->K;
    for (int n = 0; n < g->N; n++) {
        for (int pq = 0; pq < g->P * g->Q; pq++, y += g->K) {
            for (int rs = 0; rs < g->R * g->S; rs++) {
                const int r = rs / g->S, s = rs % g->S;
                const int h = pq / g->Q * g->stride[0] + r * g->dilation[0] - g->padding[0];
                const int v = pq % g->Q * g->stride[1] + s * g->dilation[1] - g->padding[1];
                if (h < 0 || h >= g->H || v < 0 || v >= g->W) { continue; }
                double *pixel = x + (((ptrdiff_t)n * g->H + h) * g->W + v) * g->C;
                visit_pixel(g, &(struct visit){pixel, w + rs * tap, y, 0}, see);
            }
        }
    }
}

static struct umb_conv reference_geometry(const struct umb_reference *r, int x)
{
    struct umb_conv g = {0};
    const enum umb_status st = umb__conv_geometry(NULL, r->attrs, &r->in[x].type->shape, &g);
    (void)st;
    return g;
}

static void see_forward(const struct visit *v)
{
    for (int i = 0; i < v->n; i++) {
        v->y[i] += *v->x * v->w[i];
    }
}

static void reference(const struct umb_reference *r)
{
    const struct umb_conv g = reference_geometry(r, 0);
    visit_all(&g, r->in[0].data, r->in[1].data, r->out[0].data, see_forward);
    const int64_t n = umb__shape_count(&r->out[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        double *y = &r->out[0].data[i];
        if (g.bias) { *y += r->in[2].data[i % g.K]; }
        if (g.relu && *y < 0) { *y = 0; }
    }
}

static void see_data(const struct visit *v)
{
    for (int i = 0; i < v->n; i++) {
        *v->x += v->y[i] * v->w[i];
    }
}

static void reference_data(const struct umb_reference *r)
{
    const struct umb_conv g = reference_geometry(r, 2);
    visit_all(&g, r->out[0].data, r->in[1].data, r->in[0].data, see_data);
}

static void see_weights(const struct visit *v)
{
    for (int i = 0; i < v->n; i++) {
        v->w[i] += *v->x * v->y[i];
    }
}

static void reference_weights(const struct umb_reference *r)
{
    const struct umb_conv g = reference_geometry(r, 0);
    visit_all(&g, r->in[0].data, r->out[0].data, r->in[1].data, see_weights);
}

/* ---- backward ops -----------------------------------------------------------------------------
 */

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
    io->n_out = 1;
    io->out[0] = weight_type(&g);
    return UMB_OK;
}

static double flops(const struct umb_problem *p)
{
    const struct umb_conv g = umb__conv_of(p);
    return 2.0 * g.N * g.P * g.Q * g.K * g.R * g.S * (g.C / g.groups);
}

/* Of conv_backward_data: x is not read. */
static double bytes_data(const struct umb_problem *p)
{
    return (double)umb__type_bytes(&p->in[0]) + (double)umb__type_bytes(&p->in[1]) +
           (double)umb__type_bytes(&p->out[0]);
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
    {"filters=32 size=3", "128,28,28,1", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3", "128,13,13,32", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3 padding=1", "64,32,32,3", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=128 size=3 padding=1", "64,32,32,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3 padding=1", "32,56,56,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=256 size=3 padding=1", "32,14,14,256", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=128 size=3 stride=2 padding=1", "32,56,56,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=256 size=1", "32,14,14,256", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"filters=64 size=3 padding=1 groups=64", "32,56,56,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {0}};

static const struct umb_op conv = {.name = "conv",
                                   .help = "convolution of images [N,H,W,C]",
                                   .flags = UMB_OP_LAYER | UMB_OP_FUSES_RELU,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .attrs = attrs,
                                   .attrs_bytes = sizeof(struct umb_conv_attrs),
                                   .infer = infer,
                                   .grad = grad,
                                   .reference = reference,
                                   .flops = flops,
                                   .solvers = umb__conv_forward_solvers,
                                   .cases = cases};
static const struct umb_op conv_backward_data = {.name = "conv_backward_data",
                                                 .min_in = 3,
                                                 .max_in = 3,
                                                 .attrs = attrs,
                                                 .attrs_bytes = sizeof(struct umb_conv_attrs),
                                                 .infer = infer_data,
                                                 .reference = reference_data,
                                                 .flops = flops,
                                                 .bytes = bytes_data,
                                                 .solvers = umb__conv_data_solvers};
static const struct umb_op conv_backward_weights = {.name = "conv_backward_weights",
                                                    .min_in = 2,
                                                    .max_in = 2,
                                                    .attrs = attrs,
                                                    .attrs_bytes = sizeof(struct umb_conv_attrs),
                                                    .infer = infer_weights,
                                                    .reference = reference_weights,
                                                    .flops = flops,
                                                    .solvers = umb__conv_weights_solvers};
const struct umb_op *const umb__ops_conv[] = {&conv, &conv_backward_data, &conv_backward_weights,
                                              NULL};
