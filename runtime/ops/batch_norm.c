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
 */
#include "spread.h"
#include <math.h>
#include <stddef.h>

struct batch_norm_attrs {
    double momentum, epsilon;
};

static const struct umb_attr_desc attrs[] = {
    {.name = "momentum",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct batch_norm_attrs, momentum),
     .min = 0,
     .max = 1,
     .fallback = "0.1",
     .help = "the share of a batch's statistics in the running ones"},
    {.name = "epsilon",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct batch_norm_attrs, epsilon),
     .min = 1e-12,
     .max = 1,
     .fallback = "1e-5",
     .help = "added to the variance"},
    {0}};

enum { IN_X, IN_WEIGHT, IN_BIAS, IN_MEAN, IN_VAR, IN_ROWS };
enum { BACK_X, BACK_DY, BACK_WEIGHT, BACK_MEAN, BACK_INV_STD, BACK_ROWS };

static struct umb_type type_of(int64_t rows, int64_t channels)
{
    struct umb_type t = {.dtype = UMB_F32, .shape = {.rank = 1, .dim = {channels}}};
    if (rows > 0) { t.shape = (struct umb_shape){.rank = 2, .dim = {rows, channels}}; }
    return t;
}

static int segments_of(const struct umb_type *x)
{
    return x->n_segments > 0 ? x->n_segments : 1;
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

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_type *x = &io->in[0];
    const int64_t channels = umb__shape_channels(&x->shape);
    char got[UMB_SHAPE_TEXT];
    if (x->dtype != UMB_F32 || x->shape.rank < 2 || x->shape.dim[0] % segments_of(x) != 0) {
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
    io->out[1] = io->out[2] = type_of(segments_of(x), channels);
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

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    const bool wanted =
        umb__grad_wants(g, IN_X) || umb__grad_wants(g, IN_WEIGHT) || umb__grad_wants(g, IN_BIAS);
    if (dy < 0 || !wanted) { return UMB_OK; }
    const int in[6] = {umb__grad_in(g, IN_X),      dy,
                       umb__grad_in(g, IN_WEIGHT), umb__grad_out(g, 1),
                       umb__grad_out(g, 2),        umb__grad_in(g, IN_ROWS)};
    int out[UMB_OP_MAX_OUT];
    const enum umb_status st =
        umb__grad_node(g, "batch_norm_backward", umb__grad_attrs(g), 6, in, out);
    if (st != UMB_OK) { return st; }
    for (int i = 0; i < 3; i++) {
        if (umb__grad_wants(g, i)) { umb__grad_give(g, i, out[i]); }
    }
    return UMB_OK;
}

/* ---- dimensions -------------------------------------------------------------------------------
 */

struct dims {
    int channels, segments, first_stream;
    int samples, positions; /* of a segment; of a sample */
};

static struct dims dims_of(const struct umb_type *x)
{
    struct dims d = {.channels = (int)umb__shape_channels(&x->shape),
                     .segments = segments_of(x),
                     .first_stream = x->segment};
    d.samples = (int)x->shape.dim[0] / d.segments;
    d.positions = (int)(umb__shape_rows(&x->shape) / x->shape.dim[0]);
    return d;
}

/* ---- reference --------------------------------------------------------------------------------
 */

/* Rows of C in segment s that count. */
static int64_t real_rows(const struct dims *d, const struct umb_ref_tensor *rows, int s)
{
    const double n = fmin(fmax(rows->data[d->first_stream + s], 0), d->samples);
    return (int64_t)n * d->positions;
}

static void channel_statistics(const struct umb_reference *r, const struct dims *d, int s, int c)
{
    const struct batch_norm_attrs *a = r->attrs;
    const int64_t C = d->channels, all = (int64_t)d->samples * d->positions;
    const double *x = r->in[IN_X].data + s * all * C + c; /* [all,C] from channel c */
    const int64_t stream = (d->first_stream + s) * C + c;
    double *running_mean = &r->in[IN_MEAN].data[stream], *running_var = &r->in[IN_VAR].data[stream];
    const int64_t n = r->training ? real_rows(d, &r->in[IN_ROWS], s) : 0;
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        mean += x[i * C] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        squares += (x[i * C] - mean) * (x[i * C] - mean);
    }
    double var = n > 0 ? squares / (double)n : *running_var;
    if (n == 0) { mean = *running_mean; }
    if (n > 0) { *running_mean += a->momentum * (mean - *running_mean); }
    if (n > 1) { *running_var += a->momentum * (squares / (double)(n - 1) - *running_var); }
    r->out[1].data[s * C + c] = mean;
    r->out[2].data[s * C + c] = 1 / sqrt(var + a->epsilon);
}

static void reference(const struct umb_reference *r)
{
    const struct dims d = dims_of(r->in[IN_X].type);
    const int64_t C = d.channels, all = (int64_t)d.samples * d.positions;
    for (int s = 0; s < d.segments; s++) {
        for (int c = 0; c < C; c++) {
            channel_statistics(r, &d, s, c);
        }
        for (int64_t i = s * all * C; i < (s + 1) * all * C; i++) {
            const int64_t c = i % C;
            const double hat =
                (r->in[IN_X].data[i] - r->out[1].data[s * C + c]) * r->out[2].data[s * C + c];
            r->out[0].data[i] = hat * r->in[IN_WEIGHT].data[c] + r->in[IN_BIAS].data[c];
        }
    }
}

static void channel_backward(const struct umb_reference *r, const struct dims *d, int s, int c)
{
    const int64_t C = d->channels, first = (int64_t)s * d->samples * d->positions * C + c;
    const double *x = r->in[BACK_X].data + first, *dy = r->in[BACK_DY].data + first;
    double *dx = r->out[0].data + first; /* [rows,C] from channel c, as x and dy */
    const double mean = r->in[BACK_MEAN].data[s * C + c];
    const double inv_std = r->in[BACK_INV_STD].data[s * C + c];
    const int64_t n = real_rows(d, &r->in[BACK_ROWS], s);
    double sum = 0, product = 0;
    for (int64_t i = 0; i < n * C; i += C) {
        sum += dy[i];
        product += dy[i] * (x[i] - mean) * inv_std;
    }
    for (int64_t i = 0; i < n * C; i += C) {
        const double hat = (x[i] - mean) * inv_std;
        dx[i] = r->in[BACK_WEIGHT].data[c] * inv_std * (dy[i] - (sum + hat * product) / (double)n);
    }
    r->out[1].data[c] += product;
    r->out[2].data[c] += sum;
}

static void backward_reference(const struct umb_reference *r)
{
    const struct dims d = dims_of(r->in[BACK_X].type);
    for (int s = 0; s < d.segments; s++) {
        for (int c = 0; c < d.channels; c++) {
            channel_backward(r, &d, s, c);
        }
    }
}

/* ---- kernels ----------------------------------------------------------------------------------
 */

static const struct umb_kernel moments = {"batch_norm_moments", "batch_norm.cl",
                                          "batch_norm_moments", "rrwiiiiii"};
static const struct umb_kernel join = {"batch_norm_join", "batch_norm.cl", "batch_norm_join",
                                       "rrrmmwwiiiiiiff"};
static const struct umb_kernel fixed = {"batch_norm_fixed", "batch_norm.cl", "batch_norm_fixed",
                                        "rrwwiif"};
static const struct umb_kernel apply = {"batch_norm_apply", "batch_norm.cl", "batch_norm_apply",
                                        "rrrrrwiii"};
static const struct umb_kernel backward_sums = {"batch_norm_backward_sums", "batch_norm.cl",
                                                "batch_norm_backward_sums", "rrrrrwiiiiii"};
static const struct umb_kernel backward_join = {"batch_norm_backward_join", "batch_norm.cl",
                                                "batch_norm_backward_join", "rwwwiii"};
static const struct umb_kernel backward_apply = {"batch_norm_backward_apply", "batch_norm.cl",
                                                 "batch_norm_backward_apply", "rrrrrrrwiiiii"};

/* Rows of C that one item sums, at least: its statistics are worth joining. */
#define LEAST_CHUNK_CPU 256
#define LEAST_CHUNK 32
#define MOST_CHUNKS 256
/* Numbers that a group of the elementwise kernels writes, at least. */
#define LEAST_SPAN 4096

struct walk {
    struct dims d;
    const char *options;
    int chunks, chunk;    /* per segment, and rows in each */
    int groups, span;     /* of the elementwise kernels, per segment, and rows in each */
    size_t blocks, local; /* ⌈C/VW⌉ items side by side, and in a group */
};

static enum umb_status walk_of(struct umb_emit *e, struct walk *ret_walk)
{
    const struct umb_device_caps *caps = e->p.caps;
    const int lanes = umb__spread_lanes(caps);
    struct walk w = {.d = dims_of(&e->p.in[0])};
    const int rows = w.d.samples * w.d.positions;
    const int least = caps->type == UMB_DEVICE_CPU ? LEAST_CHUNK_CPU : LEAST_CHUNK;
    const int chunks = rows / least < 1             ? 1
                       : rows / least > MOST_CHUNKS ? MOST_CHUNKS
                                                    : rows / least;
    w.chunk = (rows + chunks - 1) / chunks;
    w.chunks = (rows + w.chunk - 1) / w.chunk;
    w.span = (LEAST_SPAN + w.d.channels - 1) / w.d.channels;
    w.groups = (rows + w.span - 1) / w.span;
    w.blocks = (size_t)(w.d.channels + lanes - 1) / (size_t)lanes;
    w.local = umb__spread_local(caps);
    while (w.local > 1 && w.local / 2 >= w.blocks) {
        w.local /= 2;
    }
    w.options = umb__emit_printf(e, "-DVW=%d", lanes);
    *ret_walk = w;
    return w.options ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static struct umb_emit_launch by_chunk(const struct walk *w, const struct umb_kernel *kernel,
                                       int chunks)
{
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options = w->options,
                                    .dimensions = 2,
                                    .global = {w->blocks, (size_t)(w->d.segments * chunks)},
                                    .local = {w->local, 1}};
}

static struct umb_emit_launch by_row(const struct walk *w, const struct umb_kernel *kernel)
{
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options = w->options,
                                    .dimensions = 2,
                                    .global = {(size_t)w->groups * w->local, (size_t)w->d.segments},
                                    .local = {w->local, 1}};
}

static enum umb_status emit_batch_statistics(struct umb_emit *e, const struct walk *w)
{
    const struct batch_norm_attrs *a = e->p.attrs;
    const struct dims *d = &w->d;
    const size_t floats = (size_t)(d->segments * w->chunks) * 2 * (size_t)d->channels;
    int partial = -1;
    enum umb_status st = umb__emit_temp(e, floats * sizeof(float), &partial);
    const struct umb_emit_launch first = by_chunk(w, &moments, w->chunks);
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &first, e->in[IN_X], e->in[IN_ROWS], partial, d->channels,
                              d->samples, d->positions, d->first_stream, w->chunks, w->chunk);
    }
    const struct umb_emit_launch second = by_chunk(w, &join, 1);
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &second, e->in[IN_X], partial, e->in[IN_ROWS], e->in[IN_MEAN],
                              e->in[IN_VAR], e->out[1], e->out[2], d->channels, d->samples,
                              d->positions, d->first_stream, w->chunks, w->chunk, a->momentum,
                              a->epsilon);
    }
    return st;
}

static enum umb_status emit_fixed_statistics(struct umb_emit *e, const struct walk *w)
{
    const struct batch_norm_attrs *a = e->p.attrs;
    const struct umb_emit_launch launch = {.kernel = &fixed,
                                           .options = w->options,
                                           .dimensions = 1,
                                           .global = {(size_t)(w->d.segments * w->d.channels)}};
    return umb__emit_launch(e, &launch, e->in[IN_MEAN], e->in[IN_VAR], e->out[1], e->out[2],
                            w->d.channels, w->d.first_stream, a->epsilon);
}

static enum umb_status emit(struct umb_emit *e)
{
    struct walk w;
    enum umb_status st = walk_of(e, &w);
    if (st == UMB_OK) {
        st = e->p.training ? emit_batch_statistics(e, &w) : emit_fixed_statistics(e, &w);
    }
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch last = by_row(&w, &apply);
    return umb__emit_launch(e, &last, e->in[IN_X], e->in[IN_WEIGHT], e->in[IN_BIAS], e->out[1],
                            e->out[2], e->out[0], w.d.channels, w.d.samples * w.d.positions,
                            w.span);
}

static enum umb_status emit_backward_sums(struct umb_emit *e, const struct walk *w, int *ret_sums)
{
    const struct dims *d = &w->d;
    const size_t pair = 2 * (size_t)d->channels * sizeof(float);
    int partial = -1, sums = -1;
    enum umb_status st = umb__emit_temp(e, (size_t)(d->segments * w->chunks) * pair, &partial);
    if (st == UMB_OK) { st = umb__emit_temp(e, (size_t)d->segments * pair, &sums); }
    const struct umb_emit_launch first = by_chunk(w, &backward_sums, w->chunks);
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &first, e->in[BACK_X], e->in[BACK_DY], e->in[BACK_MEAN],
                              e->in[BACK_INV_STD], e->in[BACK_ROWS], partial, d->channels,
                              d->samples, d->positions, d->first_stream, w->chunks, w->chunk);
    }
    const struct umb_emit_launch second = {
        .kernel = &backward_join, .options = w->options, .dimensions = 1, .global = {w->blocks}};
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &second, partial, sums, e->out[1], e->out[2], d->channels,
                              d->segments, w->chunks);
    }
    *ret_sums = sums;
    return st;
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    struct walk w;
    int sums;
    enum umb_status st = walk_of(e, &w);
    if (st == UMB_OK) { st = emit_backward_sums(e, &w, &sums); }
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch last = by_row(&w, &backward_apply);
    return umb__emit_launch(e, &last, e->in[BACK_X], e->in[BACK_DY], e->in[BACK_WEIGHT],
                            e->in[BACK_MEAN], e->in[BACK_INV_STD], e->in[BACK_ROWS], sums,
                            e->out[0], w.d.channels, w.d.samples, w.d.positions, w.d.first_stream,
                            w.span);
}

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
    return (p->training ? 3.0 : 2.0) * (double)umb__type_bytes(&p->in[0]);
}

/* x and dy are read twice. */
static double backward_bytes(const struct umb_problem *p)
{
    return 5.0 * (double)umb__type_bytes(&p->in[0]);
}

static const struct umb_solver solvers[] = {{"chunks", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {{"chunks", umb__applies_always, emit_backward},
                                                     {0}};

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
    {.in = "32,56,56,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "64,16,16,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "32,8,8,512", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op batch_norm = {
    .name = "batch_norm",
    .help = "each channel to mean 0 and variance 1, then scaled and shifted; statistics per stream",
    .flags = UMB_OP_LAYER,
    .min_in = 1,
    .max_in = 1,
    .attrs = attrs,
    .attrs_bytes = sizeof(struct batch_norm_attrs),
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .flops = flops,
    .bytes = bytes,
    .solvers = solvers,
    .cases = cases};

static const struct umb_op batch_norm_backward = {.name = "batch_norm_backward",
                                                  .min_in = 6,
                                                  .max_in = 6,
                                                  .attrs = attrs,
                                                  .attrs_bytes = sizeof(struct batch_norm_attrs),
                                                  .infer = backward_infer,
                                                  .reference = backward_reference,
                                                  .flops = backward_flops,
                                                  .bytes = backward_bytes,
                                                  .solvers = backward_solvers};

const struct umb_op *const umb__ops_batch_norm[] = {&batch_norm, &batch_norm_backward, NULL};
