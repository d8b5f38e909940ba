/*
 * dense: y = x·W + b on the last axis, and its gradients dx = dy·Wᵀ, dW = xᵀ·dy.
 */
#include "dense.h"
#include <stddef.h>

#define MAX_UNITS 16777216.0

static const struct umb_attr_desc attrs[] = {
    {"units", UMB_ATTR_INT, offsetof(struct umb_dense_attrs, units), true, 1, MAX_UNITS, NULL, NULL,
     "number of outputs"},
    {"bias", UMB_ATTR_BOOL, offsetof(struct umb_dense_attrs, bias), false, 0, 0, "true", NULL,
     "adds a number per output"},
    {"activation", UMB_ATTR_CHOICE, offsetof(struct umb_dense_attrs, activation), false, 0, 0,
     "linear", umb__activation_names, "function applied to the output"},
    {0}};

static const struct umb_attr_desc inner[] = {
    {"mask", UMB_ATTR_BOOL, offsetof(struct umb_dense_attrs, mask), false, 0, 0, "false", NULL,
     "no gradient where the input is not positive"},
    {"dbias", UMB_ATTR_BOOL, offsetof(struct umb_dense_attrs, dbias), false, 0, 0, "false", NULL,
     "the bias's gradient, too"},
    {"beside", UMB_ATTR_INT, offsetof(struct umb_dense_attrs, beside), false, 0, INT32_MAX, "0",
     NULL, "computed beside others of its kind, so many in all"},
    {0}};

/* Forward. */

/* In files [K,C]; behind a flatten of [H,W,C] the inputs are in the order C,H,W there. */
static struct umb_layout weight_layout(const struct umb_type *x, int64_t in, int64_t units)
{
    const int64_t *hwc = x->folded;
    if (hwc[0] == 0) { return (struct umb_layout){{2, {in, units}}, {1, 0}, {2, {units, in}}}; }
    return (struct umb_layout){
        {4, {hwc[0], hwc[1], hwc[2], units}}, {3, 2, 0, 1}, {2, {units, in}}};
}

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_dense_attrs *a = io->attrs;
    const struct umb_type *x = &io->in[0];
    if (x->dtype != UMB_F32 || x->shape.rank < 2) {
        char text[UMB_SHAPE_TEXT];
        return umb__fail(io->ctx, UMB_ERR_INVALID, "input %s%s is wrong; expected numbers [N,…,C]",
                         umb__shape_text(&x->shape, text, sizeof text),
                         x->dtype == UMB_F32 ? "" : " of integers");
    }
    const int64_t in = umb__shape_channels(&x->shape);
    const struct umb_type weight = {.dtype = UMB_F32, .shape = {2, {in, a->units}}};
    const struct umb_type bias = {.dtype = UMB_F32, .shape = {1, {a->units}}};
    io->n_out = 1;
    io->out[0] = *x;
    io->out[0].shape.dim[x->shape.rank - 1] = a->units;
    for (int i = 0; i < 3; i++) {
        io->out[0].folded[i] = 0;
    }
    enum umb_status st = umb__shape_check(io->ctx, &io->out[0].shape);
    if (st == UMB_OK) { st = umb__shape_check(io->ctx, &weight.shape); }
    if (st != UMB_OK) { return st; }
    io->n_params = a->bias ? 2 : 1;
    io->params[0] = (struct umb_param_spec){.name = "weight",
                                            .type = weight,
                                            .layout = weight_layout(x, in, a->units),
                                            .init = UMB_INIT_FAN_IN,
                                            .fan_in = (double)in};
    io->params[1] = (struct umb_param_spec){.name = "bias",
                                            .type = bias,
                                            .layout = umb__layout_plain(&bias.shape),
                                            .init = UMB_INIT_FAN_IN,
                                            .fan_in = (double)in};
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    struct umb_dense_attrs data = *(const struct umb_dense_attrs *)umb__grad_attrs(g);
    struct umb_dense_attrs weights = data;
    const int dy = umb__grad_dout(g, 0), x = umb__grad_in(g, 0);
    const bool wants_bias = umb__grad_n_in(g) > 2 && umb__grad_wants(g, 2);
    enum umb_status st = UMB_OK;
    int d[UMB_OP_MAX_OUT];
    if (dy < 0) { return UMB_OK; }
    data.dbias = weights.mask = false;
    weights.dbias = wants_bias && weights.dbias;
    if (umb__grad_wants(g, 0)) {
        const int in[] = {dy, umb__grad_in(g, 1), x};
        st = umb__grad_node(g, "dense_backward_data", &data, 3, in, d);
        if (st != UMB_OK) { return st; }
        umb__grad_give(g, 0, d[0]);
    }
    if (umb__grad_wants(g, 1) || weights.dbias) {
        st = umb__grad_node(g, "dense_backward_weights", &weights, 2, (int[]){x, dy}, d);
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

/* The three products. */

struct umb_gemm umb__dense_forward_gemm(const struct umb_problem *p)
{
    const struct umb_dense_attrs *a = p->attrs;
    return (struct umb_gemm){.M = (int)umb__shape_rows(&p->out[0].shape),
                             .N = (int)umb__shape_channels(&p->out[0].shape),
                             .L = (int)umb__shape_channels(&p->in[0].shape),
                             .bias = a->bias,
                             .relu = a->activation == UMB_ACT_RELU,
                             .beside = (int)a->beside};
}

struct umb_gemm umb__dense_data_gemm(const struct umb_problem *p)
{
    const struct umb_dense_attrs *a = p->attrs;
    return (struct umb_gemm){.M = (int)umb__shape_rows(&p->in[0].shape),
                             .N = (int)umb__shape_channels(&p->out[0].shape),
                             .L = (int)umb__shape_channels(&p->in[0].shape),
                             .transpose_b = true,
                             .mask = a->mask,
                             .beside = (int)a->beside};
}

struct umb_gemm umb__dense_weights_gemm(const struct umb_problem *p)
{
    const struct umb_dense_attrs *a = p->attrs;
    return (struct umb_gemm){.M = (int)p->out[0].shape.dim[0],
                             .N = (int)p->out[0].shape.dim[1],
                             .L = (int)umb__shape_rows(&p->in[0].shape),
                             .transpose_a = true,
                             .column_sums = a->dbias,
                             .beside = (int)a->beside};
}

/* References. */

/* out[i,j] += Σ_l a[i·ai + l·al] · b[l·bl + j·bj] */
static void product(const struct umb_reference *r, int64_t m, int64_t n, int64_t l, int64_t ai,
                    int64_t al, int64_t bl, int64_t bj)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t k = 0; k < l; k++) {
            const double a = r->in[0].data[i * ai + k * al];
            for (int64_t j = 0; j < n; j++) {
                r->out[0].data[i * n + j] += a * r->in[1].data[k * bl + j * bj];
            }
        }
    }
}

static void reference(const struct umb_reference *r)
{
    const struct umb_dense_attrs *a = r->attrs;
    const int64_t rows = umb__shape_rows(&r->in[0].type->shape);
    const int64_t c = umb__shape_channels(&r->in[0].type->shape), k = a->units;
    product(r, rows, k, c, c, 1, k, 1);
    for (int64_t i = 0; i < rows * k; i++) {
        double *y = &r->out[0].data[i];
        if (a->bias) { *y += r->in[2].data[i % k]; }
        if (a->activation == UMB_ACT_RELU && *y < 0) { *y = 0; }
    }
}

static void reference_data(const struct umb_reference *r)
{
    const int64_t rows = umb__shape_rows(&r->in[0].type->shape);
    const int64_t k = umb__shape_channels(&r->in[0].type->shape);
    const struct umb_dense_attrs *a = r->attrs;
    const int64_t n = a->mask ? umb__shape_count(&r->out[0].type->shape) : 0;
    product(r, rows, umb__shape_channels(&r->out[0].type->shape), k, k, 1, 1, k);
    for (int64_t i = 0; i < n; i++) {
        if (r->in[2].data[i] <= 0) { r->out[0].data[i] = 0; }
    }
}

static void reference_weights(const struct umb_reference *r)
{
    const int64_t *dim = r->out[0].type->shape.dim; /* [C,K] */
    const struct umb_dense_attrs *a = r->attrs;
    const int64_t rows = umb__shape_rows(&r->in[0].type->shape);
    product(r, dim[0], dim[1], rows, 1, dim[0], dim[1], 1);
    for (int64_t i = 0; a->dbias && i < rows * dim[1]; i++) {
        r->out[1].data[i % dim[1]] += r->in[1].data[i];
    }
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
    const struct umb_shape shape = {
        2, {umb__shape_channels(&io->in[0].shape), umb__shape_channels(&io->in[1].shape)}};
    io->n_out = ((const struct umb_dense_attrs *)io->attrs)->dbias ? 2 : 1;
    io->out[0] = (struct umb_type){.dtype = UMB_F32, .shape = shape};
    io->out[1] = (struct umb_type){.dtype = UMB_F32, .shape = {1, {shape.dim[1]}}};
    return UMB_OK;
}

static double flops(const struct umb_problem *p)
{
    const struct umb_dense_attrs *a = p->attrs;
    const struct umb_type *x = &p->in[p->n_in == 3 && p->in[2].shape.rank > 1 ? 2 : 0];
    return 2.0 * (double)umb__shape_count(&x->shape) * (double)a->units;
}

/* Of dense_backward_data: x is read for the mask only. */
static double bytes_data(const struct umb_problem *p)
{
    const struct umb_dense_attrs *a = p->attrs;
    const double x = a->mask ? (double)umb__type_bytes(&p->in[2]) : 0;
    return (double)umb__type_bytes(&p->in[0]) + (double)umb__type_bytes(&p->in[1]) + x +
           (double)umb__type_bytes(&p->out[0]);
}

static const struct umb_op_case cases[] = {
    {"units=1", "1,1", 0, 0},
    {"units=10", "7,5", 0, 0},
    {"units=31", "8,17", 0, 0},
    {"units=32 bias=false", "9,16", 0, 0},
    {"units=33 activation=relu", "11,33", UMB_CASE_NO_GRAD, 0},
    {"units=17", "2,3,4,13", 0, 0},
    {"units=65", "23,40", 0, 0},
    {"units=7", "200,9", 0, 0},
    {"units=3", "3,301", 0, 0},
    {"units=34 activation=relu", "13,257", UMB_CASE_NO_GRAD, 0},
    {"units=258", "25,31", UMB_CASE_NO_GRAD, 0},
    {"units=35 mask=true dbias=true", "13,41", UMB_CASE_NO_GRAD, 0},
    {"units=5 dbias=true", "2,3,7", 0, 0},
    {"units=301 mask=true", "3,5", UMB_CASE_NO_GRAD, 0},
    {"units=70 mask=true dbias=true", "530,100", UMB_CASE_NO_GRAD, 0},
    {"units=12", "290,16", UMB_CASE_NO_GRAD, 0},
    {"units=48", "193,17", UMB_CASE_NO_GRAD, 0},
    {"units=97 activation=relu", "199,130", UMB_CASE_NO_GRAD, 0},
    {"units=96 activation=relu", "27,300", UMB_CASE_NO_GRAD, 0},
    {"units=32 bias=false", "13,66", UMB_CASE_NO_GRAD, 0},
    {"units=37 activation=relu beside=5", "19,530", UMB_CASE_NO_GRAD, 0},
    {"units=17 dbias=true beside=64", "64,277", UMB_CASE_NO_GRAD, 0},
    {"units=3 beside=4", "5,19", 0, 0},
    {"units=5 beside=64", "64,576", UMB_CASE_NO_GRAD, 0},
    {"units=64 mask=true dbias=true", "67,290", UMB_CASE_NO_GRAD, 0},
    {"units=10", "64,64", UMB_CASE_BENCH, 0},
    {"units=64", "64,1600", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=1024", "64,2048", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=1024", "16,2048", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=1024", "64,8192", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=128", "128,1600", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=10", "64,1024", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=288", "15488,64", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=256", "256,256", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=512", "512,512", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=1024", "1024,1024", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {"units=2048", "2048,2048", UMB_CASE_BENCH | UMB_CASE_LARGE, 0},
    {0}};

static const struct umb_op dense = {.name = "dense",
                                    .help = "fully connected: a product on the last axis",
                                    .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS | UMB_OP_FUSES_RELU,
                                    .min_in = 1,
                                    .max_in = 1,
                                    .attrs = attrs,
                                    .inner = inner,
                                    .attrs_bytes = sizeof(struct umb_dense_attrs),
                                    .infer = infer,
                                    .grad = grad,
                                    .reference = reference,
                                    .flops = flops,
                                    .solvers = umb__dense_forward_solvers,
                                    .cases = cases};
static const struct umb_op dense_backward_data = {.name = "dense_backward_data",
                                                  .min_in = 3,
                                                  .max_in = 3,
                                                  .attrs = attrs,
                                                  .inner = inner,
                                                  .attrs_bytes = sizeof(struct umb_dense_attrs),
                                                  .infer = infer_data,
                                                  .reference = reference_data,
                                                  .flops = flops,
                                                  .bytes = bytes_data,
                                                  .solvers = umb__dense_data_solvers};
static const struct umb_op dense_backward_weights = {.name = "dense_backward_weights",
                                                     .min_in = 2,
                                                     .max_in = 2,
                                                     .attrs = attrs,
                                                     .inner = inner,
                                                     .attrs_bytes = sizeof(struct umb_dense_attrs),
                                                     .infer = infer_weights,
                                                     .reference = reference_weights,
                                                     .flops = flops,
                                                     .solvers = umb__dense_weights_solvers,
                                                     .updating = umb__dense_updating};
const struct umb_op *const umb__ops_dense[] = {&dense, &dense_backward_data,
                                               &dense_backward_weights, NULL};
