/*
 * dropout: in training each number becomes 0 with probability `rate`, the others are divided by
 * 1 − rate; else a copy. The draw of element i is addressed by (seed, step, layer, i), so that
 * backward makes the same mask again and nothing is kept. With `channels` (spatial dropout, Tompson
 * et al., CVPR 2015, section 3.2) sample n's channel c has one draw for all its pixels, number
 * n·C + c.
 */
#include "rng.h"
#include "simple.h"

struct dropout_attrs {
    double rate;
    bool channels;
    int64_t stream; /* tells the layers of a net apart: the graph's builder sets it */
};

static bool draws(const struct dropout_attrs *a, bool training)
{
    return training && a->rate > 0;
}

static enum umb_status infer(struct umb_infer *io)
{
    const enum umb_status st = umb__infer_same(io);
    if (st != UMB_OK || !draws(io->attrs, io->training)) { return st; }
    io->n_params = 1;
    io->params[0] = (struct umb_param_spec){.name = "random", .kind = UMB_PARAM_RANDOM};
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int in[2] = {umb__grad_dout(g, 0), umb__grad_in(g, 1)};
    if (in[0] < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    if (in[1] < 0) {
        umb__grad_give(g, 0, in[0]);
        return UMB_OK;
    }
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, "dropout_backward", umb__grad_attrs(g), 2, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

/* 24 bits below this: dropped. */
static uint32_t threshold(double rate)
{
    return (uint32_t)(rate * 16777216);
}

/* Draw i of the step and layer. */
static bool is_kept(const struct dropout_attrs *a, const double *random, int64_t i)
{
    uint32_t word[4];
    for (int k = 0; k < 4; k++) {
        word[k] = (uint32_t)(int32_t)random[k];
    }
    const uint32_t key[2] = {word[0], word[1]};
    const uint32_t counter[4] = {(uint32_t)(i / 64 * 16 + i % 16), word[2], (uint32_t)a->stream,
                                 UMB_RNG_DROPOUT + 256 * word[3]};
    umb__philox(key, counter, word);
    return word[i / 16 % 4] >> 8 >= threshold(a->rate);
}

static void reference(const struct umb_reference *r)
{
    const struct dropout_attrs *a = r->attrs;
    const struct umb_shape *shape = &r->in[0].type->shape;
    const int64_t n = umb__shape_count(shape), channels = umb__shape_channels(shape);
    const int64_t per_sample = n / shape->dim[0];
    const bool drops = draws(a, r->training) && r->n_in == 2;
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i] = r->in[0].data[i];
        if (!drops) { continue; }
        const int64_t draw = a->channels ? i / per_sample * channels + i % channels : i;
        const bool kept = is_kept(a, r->in[1].data, draw);
        r->out[0].data[i] = kept ? r->in[0].data[i] / (1 - a->rate) : 0;
    }
}

static const struct umb_kernel kernel = {"dropout", "dropout.cl", "dropout", "rrwiiiiif"};
static const struct umb_kernel channels_kernel = {"dropout_channels", "dropout.cl",
                                                  "dropout_channels", "rrwiiiiiif"};

/* A unit is as many channels of a sample as there are lanes. */
static enum umb_status emit_channels(struct umb_emit *e)
{
    const struct dropout_attrs *a = e->p.attrs;
    const struct umb_shape *shape = &e->p.in[0].shape;
    const int64_t channels = umb__shape_channels(shape);
    const int lanes = umb__channel_lanes(e->p.caps, channels);
    const int64_t n_units = shape->dim[0] * ((channels + lanes - 1) / lanes);
    const struct umb_spread s = umb__spread_flat(e->p.caps, n_units);
    const char *options = umb__lanes_option(e, lanes);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = umb__spread_launch(&s, &channels_kernel, options);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0],
                            (int)(umb__shape_rows(shape) / shape->dim[0]), (int)channels,
                            (int)n_units, s.span, (int)a->stream, (int)threshold(a->rate),
                            1 / (1 - a->rate));
}

static enum umb_status emit(struct umb_emit *e)
{
    const struct dropout_attrs *a = e->p.attrs;
    const bool drops = draws(a, e->p.training) && e->p.n_in == 2;
    if (a->channels && drops) { return emit_channels(e); }
    const int64_t n = umb__shape_count(&e->p.in[0].shape);
    const int lanes = umb__spread_lanes(e->p.caps);
    const int64_t n_units = (n + 63) / 64 * 16 / lanes;
    const struct umb_spread s = umb__spread_flat(e->p.caps, n_units);
    const char *options = umb__lanes_option(e, lanes);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = umb__spread_launch(&s, &kernel, options);
    return umb__emit_launch(e, &launch, e->in[0], e->in[drops ? 1 : 0], e->out[0], (int)n,
                            (int)n_units, s.span, (int)a->stream,
                            drops ? (int)threshold(a->rate) : 0, drops ? 1 / (1 - a->rate) : 1.0);
}

static const struct umb_solver solvers[] = {{"elementwise", umb__applies_always, emit}, {0}};

static double flops(const struct umb_problem *p)
{
    return (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_attr_desc attrs[] = {
    {.name = "rate",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct dropout_attrs, rate),
     .min = 0,
     .max = 0.999,
     .fallback = "0.5",
     .help = "the share of numbers that become 0 in training"},
    {.name = "channels",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct dropout_attrs, channels),
     .fallback = "false",
     .help = "whole channels of an image become 0, not single numbers"},
    {.name = "stream",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct dropout_attrs, stream),
     .min = 0,
     .max = INT32_MAX,
     .fallback = "0",
     .help = NULL},
    {0}};

static const struct umb_op_case cases[] = {
    {.in = "1,1", .flags = UMB_CASE_TRAINING},
    {.in = "3,5,7,2", .flags = UMB_CASE_TRAINING},
    {.in = "4,17", .attrs = "rate=0.25 stream=7", .flags = UMB_CASE_TRAINING, .n_streams = 2},
    {.in = "5,29,31,3", .attrs = "rate=0.9", .flags = UMB_CASE_TRAINING},
    {.in = "1,63", .attrs = "rate=0.1", .flags = UMB_CASE_TRAINING},
    {.in = "1,129", .attrs = "rate=0.1", .flags = UMB_CASE_TRAINING},
    {.in = "4,18", .attrs = "rate=0", .flags = UMB_CASE_TRAINING},
    {.in = "1,1", .attrs = "channels=true", .flags = UMB_CASE_TRAINING},
    {.in = "3,5,7,2", .attrs = "channels=true", .flags = UMB_CASE_TRAINING},
    {.in = "5,3,1,67", .attrs = "channels=true rate=0.3", .flags = UMB_CASE_TRAINING},
    {.in = "4,17", .attrs = "channels=true stream=3", .flags = UMB_CASE_TRAINING, .n_streams = 2},
    {.in = "6,8,8,20", .attrs = "channels=true", .flags = UMB_CASE_TRAINING},
    {.in = "2,3,3,4", .attrs = "channels=true"},
    {.in = "128,26,26,32", .flags = UMB_CASE_TRAINING | UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op dropout = {.name = "dropout",
                                      .help = "numbers set to 0 at random while training",
                                      .flags = UMB_OP_LAYER,
                                      .min_in = 1,
                                      .max_in = 1,
                                      .attrs = attrs,
                                      .attrs_bytes = sizeof(struct dropout_attrs),
                                      .infer = infer,
                                      .grad = grad,
                                      .reference = reference,
                                      .flops = flops,
                                      .solvers = solvers,
                                      .cases = cases};

static const struct umb_op dropout_backward = {.name = "dropout_backward",
                                               .min_in = 2,
                                               .max_in = 2,
                                               .attrs_bytes = sizeof(struct dropout_attrs),
                                               .infer = umb__infer_same,
                                               .reference = reference,
                                               .flops = flops,
                                               .solvers = solvers};

const struct umb_op *const umb__ops_dropout[] = {&dropout, &dropout_backward, NULL};
