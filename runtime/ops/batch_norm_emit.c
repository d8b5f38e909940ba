/*
 * How batch normalisation is cut into items, and its launches: cl/batch_norm.cl.
 */
#include "batch_norm.h"
#include "team.h"

int umb__batch_norm_in(const struct umb_batch_norm_attrs *a, int input)
{
    return input == IN_X || !a->residual ? input : input + 1;
}

static int segments_of(const struct umb_type *x)
{
    return x->n_segments > 0 ? x->n_segments : 1;
}

struct umb_batch_norm umb__batch_norm_of(const struct umb_type *x)
{
    struct umb_batch_norm d = {.channels = (int)umb__shape_channels(&x->shape),
                               .segments = segments_of(x),
                               .first_stream = x->segment};
    d.samples = (int)x->shape.dim[0] / d.segments;
    d.positions = (int)(umb__shape_rows(&x->shape) / x->shape.dim[0]);
    return d;
}

static const struct umb_kernel moments = {"batch_norm_moments", "batch_norm.cl",
                                          "batch_norm_moments", "rrwiiiiii"};
static const struct umb_kernel join = {"batch_norm_join", "batch_norm.cl", "batch_norm_join",
                                       "rrrmmwwiiiiiiff"};
static const struct umb_kernel fixed = {"batch_norm_fixed", "batch_norm.cl", "batch_norm_fixed",
                                        "rrwwiif"};
static const struct umb_kernel apply = {"batch_norm_apply", "batch_norm.cl", "batch_norm_apply",
                                        "rrrrrrwiiii"};
static const struct umb_kernel backward_sums = {"batch_norm_backward_sums", "batch_norm.cl",
                                                "batch_norm_backward_sums", "rrrrrrrwiiiiiii"};
static const struct umb_kernel backward_join = {"batch_norm_backward_join", "batch_norm.cl",
                                                "batch_norm_backward_join", "rwwwiii"};
static const struct umb_kernel backward_apply = {"batch_norm_backward_apply", "batch_norm.cl",
                                                 "batch_norm_backward_apply", "rrrrrrrrwiiiiii"};

/* Flags of the kernels. */
enum { RELU = 1, ADD_RESIDUAL = 2, STREAM = 4, FROZEN = 8 };

/* Results beyond this are written past the caches. */
#define STREAM_BYTES ((size_t)16 << 20)

/* Numbers of a chunk: it is looked at twice, and stays in a second-level cache. */
#define CHUNK_NUMBERS 16384
/* Rows of a chunk, where it can be cut so: a lane adds them to one sum, whose rounding grows. */
#define MOST_ROWS 512
/* Rows of C that a GPU's item sums, at least: its statistics are worth joining. */
#define LEAST_CHUNK 32
#define MOST_CHUNKS 256
/* Numbers that a group of the elementwise kernels writes, at least and as a rule. */
#define LEAST_SPAN 4096
#define SPAN_NUMBERS 32768
/* Groups of those that a small tensor is cut into all the same. */
#define FEW_GROUPS 16
/* Vectors of an item on CPUs: NV of the kernels. */
#define CPU_VECTORS 4

/* Of a forward or backward problem. */
static int flags_of(const struct umb_problem *p)
{
    const struct umb_batch_norm_attrs *a = p->attrs;
    return (a->relu ? RELU : 0) | (a->residual ? ADD_RESIDUAL : 0) | (a->frozen ? FROZEN : 0) |
           (umb__type_bytes(&p->out[0]) > STREAM_BYTES ? STREAM : 0);
}

/* Of a forward problem: it is normalised by its own statistics. */
static bool by_batch(const struct umb_problem *p)
{
    return p->training && !((const struct umb_batch_norm_attrs *)p->attrs)->frozen;
}

struct walk {
    struct umb_batch_norm d;
    const char *options;
    int chunks, chunk;    /* per segment, and rows in each */
    int groups, span;     /* of the elementwise kernels, per segment, and rows in each */
    size_t blocks, local; /* ⌈C/VW⌉ items side by side, and in a group */
    size_t slices;        /* ⌈C/(NV·VW)⌉ */
    bool folds;           /* teams make one chunk's sums of all, before they are joined */
};

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* Depends on the shape and the kind of device only: sums keep their bits. */
static void cut_rows(const struct umb_device_caps *caps, struct walk *w)
{
    const int rows = w->d.samples * w->d.positions, c = w->d.channels;
    const int fit = clamp(CHUNK_NUMBERS / c, 1, MOST_ROWS);
    const int least = caps->type == UMB_DEVICE_CPU ? fit : LEAST_CHUNK;
    const int chunks = clamp(rows / least, 1, MOST_CHUNKS);
    w->chunk = (rows + chunks - 1) / chunks;
    w->chunks = (rows + w->chunk - 1) / w->chunk;
    w->span = clamp(rows / FEW_GROUPS, (LEAST_SPAN + c - 1) / c, (SPAN_NUMBERS + c - 1) / c);
    w->groups = (rows + w->span - 1) / w->span;
}

static enum umb_status walk_of(struct umb_emit *e, struct walk *ret_walk)
{
    const struct umb_device_caps *caps = e->p.caps;
    struct walk w = {.d = umb__batch_norm_of(&e->p.in[0])};
    const bool cpu = caps->type == UMB_DEVICE_CPU;
    const int lanes = cpu ? umb__channel_lanes(caps, w.d.channels) : 1;
    const int vectors = cpu && w.d.channels > lanes ? CPU_VECTORS : 1;
    cut_rows(caps, &w);
    w.blocks = (size_t)(w.d.channels + lanes - 1) / (size_t)lanes;
    w.slices = (w.blocks + (size_t)vectors - 1) / (size_t)vectors;
    w.local = umb__spread_local(caps);
    while (w.local > 1 && w.local / 2 >= w.blocks) {
        w.local /= 2;
    }
    w.options = umb__emit_printf(e, "-DVW=%d -DNV=%d", lanes, vectors);
    *ret_walk = w;
    return w.options ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static struct umb_emit_launch by_chunk(const struct walk *w, const struct umb_kernel *kernel,
                                       size_t items, int chunks)
{
    return (struct umb_emit_launch){.kernel = kernel,
                                    .options = w->options,
                                    .dimensions = 2,
                                    .global = {items, (size_t)(w->d.segments * chunks)},
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

static enum umb_status fold(struct umb_emit *e, const struct walk *w, int rows, int *partial)
{
    const struct umb_batch_norm *d = &w->d;
    const struct umb_fold f = {.partial = *partial,
                               .rows = rows,
                               .segments = d->segments,
                               .channels = d->channels,
                               .samples = d->samples,
                               .positions = d->positions,
                               .first_stream = d->first_stream,
                               .chunks = w->chunks,
                               .span = w->chunk};
    return umb__emit_fold(e, &f, partial);
}

static enum umb_status emit_batch_statistics(struct umb_emit *e, const struct walk *w)
{
    const struct umb_batch_norm_attrs *a = e->p.attrs;
    const struct umb_batch_norm *d = &w->d;
    const size_t floats = (size_t)(d->segments * w->chunks) * 2 * (size_t)d->channels;
    int partial = -1;
    enum umb_status st = umb__emit_temp(e, floats * sizeof(float), &partial);
    const struct umb_emit_launch first = by_chunk(w, &moments, w->slices, w->chunks);
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &first, e->in[IN_X], e->in[umb__batch_norm_in(a, IN_ROWS)],
                              partial, d->channels, d->samples, d->positions, d->first_stream,
                              w->chunks, w->chunk);
    }
    int chunks = w->chunks, chunk = w->chunk;
    if (st == UMB_OK && w->folds) {
        st = fold(e, w, e->in[umb__batch_norm_in(a, IN_ROWS)], &partial);
        chunks = 1;
        chunk = d->samples * d->positions;
    }
    const struct umb_emit_launch second = by_chunk(w, &join, w->blocks, 1);
    if (st == UMB_OK) {
        st = umb__emit_launch(
            e, &second, e->in[IN_X], partial, e->in[umb__batch_norm_in(a, IN_ROWS)],
            e->in[umb__batch_norm_in(a, IN_MEAN)], e->in[umb__batch_norm_in(a, IN_VAR)], e->out[1],
            e->out[2], d->channels, d->samples, d->positions, d->first_stream, chunks, chunk,
            a->momentum, a->epsilon);
    }
    return st;
}

static enum umb_status emit_fixed_statistics(struct umb_emit *e, const struct walk *w)
{
    const struct umb_batch_norm_attrs *a = e->p.attrs;
    const struct umb_emit_launch launch = {.kernel = &fixed,
                                           .options = w->options,
                                           .dimensions = 1,
                                           .global = {(size_t)(w->d.segments * w->d.channels)}};
    return umb__emit_launch(e, &launch, e->in[umb__batch_norm_in(a, IN_MEAN)],
                            e->in[umb__batch_norm_in(a, IN_VAR)], e->out[1], e->out[2],
                            w->d.channels, w->d.first_stream, a->epsilon);
}

static enum umb_status emit_apply(struct umb_emit *e, const struct walk *w, int mean, int inv_std)
{
    const struct umb_batch_norm_attrs *a = e->p.attrs;
    const struct umb_emit_launch last = by_row(w, &apply);
    return umb__emit_launch(e, &last, e->in[IN_X], e->in[umb__batch_norm_in(a, IN_WEIGHT)],
                            e->in[umb__batch_norm_in(a, IN_BIAS)], mean, inv_std,
                            e->in[a->residual ? 1 : IN_X], e->out[0], w->d.channels,
                            w->d.samples * w->d.positions, w->span, flags_of(&e->p));
}

static enum umb_status emit_forward(struct umb_emit *e, bool folds)
{
    struct walk w;
    enum umb_status st = walk_of(e, &w);
    w.folds = folds;
    if (st == UMB_OK) {
        st = by_batch(&e->p) ? emit_batch_statistics(e, &w) : emit_fixed_statistics(e, &w);
    }
    return st == UMB_OK ? emit_apply(e, &w, e->out[1], e->out[2]) : st;
}

static enum umb_status emit_again(struct umb_emit *e)
{
    const struct umb_batch_norm_attrs *a = e->p.attrs;
    struct walk w;
    const enum umb_status st = walk_of(e, &w);
    if (st != UMB_OK) { return st; }
    return emit_apply(e, &w, e->in[umb__batch_norm_in(a, AGAIN_MEAN)],
                      e->in[umb__batch_norm_in(a, AGAIN_INV_STD)]);
}

/* Any value of C where no relu is fused. */
static int backward_bias(const struct umb_emit *e)
{
    const struct umb_batch_norm_attrs *a = e->p.attrs;
    return e->in[a->relu ? BACK_BIAS : BACK_WEIGHT];
}

static enum umb_status emit_backward_sums(struct umb_emit *e, const struct walk *w, int *ret_sums)
{
    const struct umb_batch_norm *d = &w->d;
    const size_t pair = 2 * (size_t)d->channels * sizeof(float);
    int partial = -1, sums = -1;
    enum umb_status st = umb__emit_temp(e, (size_t)(d->segments * w->chunks) * pair, &partial);
    if (st == UMB_OK) { st = umb__emit_temp(e, (size_t)d->segments * pair, &sums); }
    const struct umb_emit_launch first = by_chunk(w, &backward_sums, w->slices, w->chunks);
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &first, e->in[BACK_X], e->in[BACK_DY], e->in[BACK_WEIGHT],
                              backward_bias(e), e->in[BACK_MEAN], e->in[BACK_INV_STD],
                              e->in[BACK_ROWS], partial, d->channels, d->samples, d->positions,
                              d->first_stream, w->chunks, w->chunk, flags_of(&e->p));
    }
    if (st == UMB_OK && w->folds) { st = fold(e, w, -1, &partial); }
    const struct umb_emit_launch second = {
        .kernel = &backward_join, .options = w->options, .dimensions = 1, .global = {w->blocks}};
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &second, partial, sums, e->out[1], e->out[2], d->channels,
                              d->segments, w->folds ? 1 : w->chunks);
    }
    *ret_sums = sums;
    return st;
}

static enum umb_status emit_back(struct umb_emit *e, bool folds)
{
    struct walk w;
    int sums;
    enum umb_status st = walk_of(e, &w);
    w.folds = folds;
    if (st == UMB_OK) { st = emit_backward_sums(e, &w, &sums); }
    if (st != UMB_OK) { return st; }
    const struct umb_emit_launch last = by_row(&w, &backward_apply);
    return umb__emit_launch(e, &last, e->in[BACK_X], e->in[BACK_DY], e->in[BACK_WEIGHT],
                            backward_bias(e), e->in[BACK_MEAN], e->in[BACK_INV_STD],
                            e->in[BACK_ROWS], sums, e->out[0], w.d.channels, w.d.samples,
                            w.d.positions, w.d.first_stream, w.span, flags_of(&e->p));
}

static enum umb_status emit_chunks(struct umb_emit *e)
{
    return emit_forward(e, false);
}

static enum umb_status emit_chunks_backward(struct umb_emit *e)
{
    return emit_back(e, false);
}

/* On GPUs, where there are more chunks than a team has items: one item a channel would add them up
 * one behind the other. */
static int fold_rank(const struct umb_problem *p)
{
    struct walk w = {.d = umb__batch_norm_of(&p->in[0])};
    if (!umb__team_applies(p->caps)) { return 0; }
    cut_rows(p->caps, &w);
    return w.chunks > UMB_TEAM ? 2 : 1;
}

static int forward_fold_rank(const struct umb_problem *p)
{
    return by_batch(p) ? fold_rank(p) : 0;
}

static enum umb_status emit_folds(struct umb_emit *e)
{
    return emit_forward(e, true);
}

static enum umb_status emit_folds_backward(struct umb_emit *e)
{
    return emit_back(e, true);
}

const struct umb_solver umb__batch_norm_solvers[] = {
    {"chunks", umb__applies_always, emit_chunks}, {"teams", forward_fold_rank, emit_folds}, {0}};
/* Named as batch_norm's, since a resumed run asks for what makes a result once more by the name of
 * what made it first. */
const struct umb_solver umb__batch_norm_again_solvers[] = {
    {"chunks", umb__applies_always, emit_again}, {"teams", forward_fold_rank, emit_again}, {0}};
const struct umb_solver umb__batch_norm_backward_solvers[] = {
    {"chunks", umb__applies_always, emit_chunks_backward},
    {"teams", fold_rank, emit_folds_backward},
    {0}};
