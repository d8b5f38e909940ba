/*
 * bias: y[…,c] = x[…,c] + b[c]. Its gradient into x is dy itself; that into b sums dy's rows.
 */
#include "column_sum.h"
#include "simple.h"

static enum umb_status infer(struct umb_infer *io)
{
    const enum umb_status st = umb__infer_same(io);
    if (st != UMB_OK) { return st; }
    const struct umb_type b = {.dtype = UMB_F32,
                               .shape = {1, {umb__shape_channels(&io->in[0].shape)}}};
    io->n_params = 1;
    io->params[0] = (struct umb_param_spec){.name = "bias",
                                            .kind = UMB_PARAM_TRAINED,
                                            .type = b,
                                            .layout = umb__layout_plain(&b.shape),
                                            .init = UMB_INIT_ZEROS};
    return UMB_OK;
}

static enum umb_status backward_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] =
        (struct umb_type){.dtype = UMB_F32, .shape = {1, {umb__shape_channels(&io->in[0].shape)}}};
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    if (dy < 0) { return UMB_OK; }
    umb__grad_give(g, 0, dy);
    if (!umb__grad_wants(g, 1)) { return UMB_OK; }
    int db[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, "bias_backward", NULL, 1, &dy, db);
    if (st == UMB_OK) { umb__grad_give(g, 1, db[0]); }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    const int64_t channels = umb__shape_channels(&r->in[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i] = r->in[0].data[i] + r->in[1].data[i % channels];
    }
}

static void backward_reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    const int64_t channels = umb__shape_channels(&r->in[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i % channels] += r->in[0].data[i];
    }
}

static const struct umb_kernel forward_kernel = {"bias", "bias.cl", "bias_forward", "rrwiiiii"};

static enum umb_status emit(struct umb_emit *e)
{
    const int64_t channels = umb__shape_channels(&e->p.in[0].shape);
    struct umb_pixel_walk walk =
        umb__pixel_walk(e, umb__shape_rows(&e->p.in[0].shape), channels, 1, "");
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = &forward_kernel;
    return umb__emit_launch(e, &walk.launch, e->in[0], e->in[1], e->out[0], (int)channels,
                            walk.n_units, walk.units_per_pixel, walk.unit_channels, walk.span);
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    return umb__emit_column_sum(e, e->in[0], e->out[0], umb__shape_rows(&e->p.in[0].shape),
                                umb__shape_channels(&e->p.in[0].shape));
}

static const struct umb_solver solvers[] = {{"rows", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {
    {"columns", umb__applies_always, emit_backward}, {0}};

static double flops(const struct umb_problem *p)
{
    return (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_op_case cases[] = {
    {.in = "1,1"},
    {.in = "7,10"},
    {.in = "3,5,7,3"},
    {.in = "4,8,8,16", .n_streams = 2},
    {.in = "2,16,16,67"},
    {.in = "257,33"},
    {.in = "8,16,32,4", .flags = UMB_CASE_NO_GRAD},
    {.in = "128,26,26,32", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "64,1024", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op bias = {.name = "bias",
                                   .help = "a trained number added to each channel",
                                   .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .infer = infer,
                                   .grad = grad,
                                   .reference = reference,
                                   .flops = flops,
                                   .solvers = solvers,
                                   .cases = cases};

static const struct umb_op bias_backward = {.name = "bias_backward",
                                            .min_in = 1,
                                            .max_in = 1,
                                            .infer = backward_infer,
                                            .reference = backward_reference,
                                            .flops = flops,
                                            .solvers = backward_solvers};

const struct umb_op *const umb__ops_bias[] = {&bias, &bias_backward, NULL};
