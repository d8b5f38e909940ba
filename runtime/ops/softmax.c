/*
 * softmax over the last axis. Training a classifier takes cross_entropy on the scores before it.
 */
#include "simple.h"
#include "team.h"
#include <math.h>

static enum umb_status grad(struct umb_grad *g)
{
    const int in[2] = {umb__grad_out(g, 0), umb__grad_dout(g, 0)};
    if (in[1] < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, "softmax_backward", NULL, 2, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const struct umb_shape *shape = &r->in[0].type->shape;
    const int64_t rows = umb__shape_rows(shape), channels = umb__shape_channels(shape);
    for (int64_t row = 0; row < rows; row++) {
        const double *x = r->in[0].data + row * channels;
        double *y = r->out[0].data + row * channels;
        double top = x[0], sum = 0;
        for (int64_t c = 1; c < channels; c++) {
            top = fmax(top, x[c]);
        }
        for (int64_t c = 0; c < channels; c++) {
            sum += y[c] = exp(x[c] - top);
        }
        for (int64_t c = 0; c < channels; c++) {
            y[c] /= sum;
        }
    }
}

static void backward_reference(const struct umb_reference *r)
{
    const struct umb_shape *shape = &r->in[0].type->shape;
    const int64_t rows = umb__shape_rows(shape), channels = umb__shape_channels(shape);
    for (int64_t row = 0; row < rows; row++) {
        const double *y = r->in[0].data + row * channels, *dy = r->in[1].data + row * channels;
        double sum = 0;
        for (int64_t c = 0; c < channels; c++) {
            sum += y[c] * dy[c];
        }
        for (int64_t c = 0; c < channels; c++) {
            r->out[0].data[row * channels + c] = y[c] * (dy[c] - sum);
        }
    }
}

static const struct umb_kernel forward_kernel = {"softmax", "softmax.cl", "softmax_forward",
                                                 "rwiii"};
static const struct umb_kernel backward_kernel = {"softmax_backward", "softmax.cl",
                                                  "softmax_backward", "rrwiii"};

/* A unit is a row: the walk of rows with all channels at once, on every device. */
static struct umb_spread row_spread(struct umb_emit *e, int *ret_rows, int *ret_channels)
{
    *ret_rows = (int)umb__shape_rows(&e->p.in[0].shape);
    *ret_channels = (int)umb__shape_channels(&e->p.in[0].shape);
    return umb__spread_flat(e->p.caps, *ret_rows);
}

static enum umb_status emit(struct umb_emit *e)
{
    int rows, channels;
    const struct umb_spread s = row_spread(e, &rows, &channels);
    const struct umb_emit_launch launch = umb__spread_launch(&s, &forward_kernel, NULL);
    return umb__emit_launch(e, &launch, e->in[0], e->out[0], channels, rows, s.span);
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    int rows, channels;
    const struct umb_spread s = row_spread(e, &rows, &channels);
    const struct umb_emit_launch launch = umb__spread_launch(&s, &backward_kernel, NULL);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], channels, rows, s.span);
}

/* A row of many numbers is a team's on GPUs. */

static const struct umb_kernel team_kernel = {"gpu_softmax", "gpu_softmax.cl", "gpu_softmax",
                                              "rwiil"};
static const struct umb_kernel team_backward_kernel = {"gpu_softmax_backward", "gpu_softmax.cl",
                                                       "gpu_softmax_backward", "rrwiil"};

static int team_rank(const struct umb_problem *p)
{
    if (!umb__team_applies(p->caps)) { return 0; }
    return umb__shape_channels(&p->in[0].shape) >= UMB_TEAM ? 2 : 1;
}

static enum umb_status emit_teams(struct umb_emit *e)
{
    const int64_t rows = umb__shape_rows(&e->p.in[0].shape);
    const struct umb_emit_launch launch = umb__team_launch(e, &team_kernel, rows, 1);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->out[0],
                            (int)umb__shape_channels(&e->p.in[0].shape), (int)rows,
                            UMB_TEAM_SCRATCH);
}

static enum umb_status emit_teams_backward(struct umb_emit *e)
{
    const int64_t rows = umb__shape_rows(&e->p.in[0].shape);
    const struct umb_emit_launch launch = umb__team_launch(e, &team_backward_kernel, rows, 1);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0],
                            (int)umb__shape_channels(&e->p.in[0].shape), (int)rows,
                            UMB_TEAM_SCRATCH);
}

static const struct umb_solver solvers[] = {
    {"rows", umb__applies_always, emit}, {"teams", team_rank, emit_teams}, {0}};
static const struct umb_solver backward_solvers[] = {
    {"rows", umb__applies_always, emit_backward}, {"teams", team_rank, emit_teams_backward}, {0}};

static double flops(const struct umb_problem *p)
{
    return 4 * (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_op_case cases[] = {{.in = "1,1"},
                                           {.in = "7,10"},
                                           {.in = "2,5,7,3"},
                                           {.in = "5,31"},
                                           {.in = "3,33"},
                                           {.in = "4,1000", .n_streams = 2},
                                           {.in = "512,10", .flags = UMB_CASE_BENCH},
                                           {0}};

static const struct umb_op softmax = {.name = "softmax",
                                      .help = "exp(x) as shares of one, over the last axis",
                                      .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                      .min_in = 1,
                                      .max_in = 1,
                                      .infer = umb__infer_same,
                                      .grad = grad,
                                      .reference = reference,
                                      .flops = flops,
                                      .solvers = solvers,
                                      .cases = cases};

static const struct umb_op softmax_backward = {.name = "softmax_backward",
                                               .min_in = 2,
                                               .max_in = 2,
                                               .infer = umb__infer_same,
                                               .reference = backward_reference,
                                               .flops = flops,
                                               .solvers = backward_solvers};

const struct umb_op *const umb__ops_softmax[] = {&softmax, &softmax_backward, NULL};
