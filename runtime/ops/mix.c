/*
 * Weighted sums and their gradients, by cl/mix.cl.
 *
 * A gradient into weights that belong to a sample is one sum a sample. Into weights that all
 * samples share it is made in parts, [parts, weights], which column_sum.c adds up: an order that
 * the shape and the kind of device fix.
 */
#include "mix.h"
#include "column_sum.h"

#define AT_ONCE 4 /* inputs a launch */
/* Numbers a part on a CPU at the least, and parts at the most: as for column sums. */
#define CPU_PART 4096
#define CPU_MOST_PARTS 256
/* On a GPU a group adds up a part of dots, and an item so many rows of columns. */
#define GPU_PART 2048
#define GPU_PART_ROWS 64

static const struct umb_kernel forward_kernel = {"mix", "mix.cl", "mix_forward",
                                                 "rrrrrrwiiiiiiiiiii"};
static const struct umb_kernel dots_kernel = {"mix_dots", "mix.cl", "mix_dots", "rrwiiiil"};
static const struct umb_kernel columns_kernel = {"mix_columns", "mix.cl", "mix_columns",
                                                 "rrwiiiiii"};

static int64_t positions_of(const struct umb_type *type)
{
    return umb__shape_rows(&type->shape) / type->shape.dim[0];
}

/* Sums. */

static enum umb_status emit_some(struct umb_emit *e, const struct umb_mix_sum *m, int first, int n)
{
    const struct umb_type *type = &e->p.out[0];
    const int64_t channels = umb__shape_channels(&type->shape);
    struct umb_pixel_walk walk = umb__pixel_walk(e, umb__shape_rows(&type->shape), channels, 1,
                                                 m->by.channels ? " -DCHANNELS" : "");
    if (!walk.launch.options) { return UMB_ERR_NO_MEMORY; }
    walk.launch.kernel = &forward_kernel;
    int in[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        in[i] = m->in[first + (i < n ? i : 0)];
    }
    const int sum = first ? m->out : in[0];
    return umb__emit_launch(e, &walk.launch, in[0], in[1], in[2], in[3], sum, m->weight, m->out, n,
                            first > 0, (int)channels, (int)positions_of(type),
                            (int)((m->first_input + first) * m->by.by_input), (int)m->by.by_sample,
                            (int)m->by.by_input, walk.n_units, walk.units_per_pixel,
                            walk.unit_channels, walk.span);
}

enum umb_status umb__emit_mix(struct umb_emit *e, const struct umb_mix_sum *m)
{
    enum umb_status st = UMB_OK;
    for (int first = 0; first < m->n_in && st == UMB_OK; first += AT_ONCE) {
        const int left = m->n_in - first;
        st = emit_some(e, m, first, left < AT_ONCE ? left : AT_ONCE);
    }
    return st;
}

/* Where the weight of input j at element i lies. */
static int64_t weight_at(const struct umb_mix *by, const struct umb_type *type, int j, int64_t i)
{
    const int64_t sample = umb__shape_count(&type->shape) / type->shape.dim[0];
    const int64_t channel = by->channels ? i % umb__shape_channels(&type->shape) : 0;
    return i / sample * by->by_sample + j * by->by_input + channel;
}

void umb__reference_mix(const struct umb_mix *by, const struct umb_type *type, int n_in,
                        int first_input, const struct umb_ref_tensor *x, const double *w, double *y)
{
    const int64_t n = umb__shape_count(&type->shape);
    for (int j = 0; j < n_in; j++) {
        for (int64_t i = 0; i < n; i++) {
            y[i] += w[weight_at(by, type, first_input + j, i)] * x[j].data[i];
        }
    }
}

/* The gradient into an input. */

enum umb_status umb__grad_mix_input(struct umb_grad *g, const char *op, int weights, int index,
                                    int to)
{
    const struct umb_mix_input_attrs a = {index};
    const int in[] = {umb__grad_in(g, weights), umb__grad_dout(g, 0)};
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, op, &a, 2, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, to, dx[0]); }
    return st;
}

enum umb_status umb__infer_mix_input(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[1];
    return UMB_OK;
}

enum umb_status umb__emit_mix_input(struct umb_emit *e, const struct umb_mix *by)
{
    const struct umb_mix_input_attrs *a = e->p.attrs;
    const struct umb_mix_sum sum = {.by = *by,
                                    .n_in = 1,
                                    .first_input = (int)a->index,
                                    .in = &e->in[1],
                                    .weight = e->in[0],
                                    .out = e->out[0]};
    return umb__emit_mix(e, &sum);
}

void umb__reference_mix_input(const struct umb_reference *r, const struct umb_mix *by)
{
    const struct umb_mix_input_attrs *a = r->attrs;
    umb__reference_mix(by, r->in[1].type, 1, (int)a->index, &r->in[1], r->in[0].data,
                       r->out[0].data);
}

/* The gradient into the weights. */

struct weights {
    const struct umb_mix *by;
    const struct umb_shape *shape; /* [N,…,C] of dy and x_j */
    int dy, n;
    const int *x; /* [n] */
};

/* Where a part's sums go: number first + p·by_part, and with columns a further c on. */
struct place {
    int out;
    int64_t first, by_part;
};

static enum umb_status emit_dots(struct umb_emit *e, int dy, int x, int64_t n, int64_t part,
                                 const struct place *to)
{
    const size_t local = umb__spread_local(e->p.caps);
    const char *options = umb__lanes_option(e, umb__spread_lanes(e->p.caps));
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = {.kernel = &dots_kernel,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)((n + part - 1) / part) * local},
                                           .local = {local}};
    return umb__emit_launch(e, &launch, dy, x, to->out, (int)n, (int)part, (int)to->first,
                            (int)to->by_part, local * sizeof(float));
}

static enum umb_status emit_columns(struct umb_emit *e, int dy, int x,
                                    const struct umb_shape *shape, int64_t part,
                                    const struct place *to)
{
    const int64_t rows = umb__shape_rows(shape);
    const int64_t channels = umb__shape_channels(shape);
    const int lanes = umb__channel_lanes(e->p.caps, channels);
    const int64_t n_items = (rows + part - 1) / part * ((channels + lanes - 1) / lanes);
    const char *options = umb__lanes_option(e, lanes);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = {.kernel = &columns_kernel,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)n_items},
                                           .local = {umb__spread_local(e->p.caps)}};
    return umb__emit_launch(e, &launch, dy, x, to->out, (int)rows, (int)channels, (int)part,
                            (int)to->first, (int)to->by_part, (int)n_items);
}

/* Numbers (of dots) or rows (of columns) a part, of n in all, where every sample has the weight. */
static int64_t part_of(const struct umb_emit *e, const struct umb_mix *by, int64_t n,
                       int64_t channels)
{
    if (e->p.caps->type != UMB_DEVICE_CPU) { return by->channels ? GPU_PART_ROWS : GPU_PART; }
    const int64_t unit = by->channels ? channels : 1;
    const int64_t least = CPU_PART / unit < 1 ? 1 : CPU_PART / unit;
    const int64_t even = (n + CPU_MOST_PARTS - 1) / CPU_MOST_PARTS;
    return even > least ? even : least;
}

static enum umb_status emit_parts(struct umb_emit *e, const struct weights *w, int64_t part,
                                  const struct place *to)
{
    enum umb_status st = UMB_OK;
    for (int j = 0; j < w->n && st == UMB_OK; j++) {
        const struct place at = {to->out, j * w->by->by_input, to->by_part};
        st = w->by->channels ? emit_columns(e, w->dy, w->x[j], w->shape, part, &at)
                             : emit_dots(e, w->dy, w->x[j], umb__shape_count(w->shape), part, &at);
    }
    return st;
}

/* One weight for all samples: parts, added up by their columns. */
static enum umb_status emit_shared(struct umb_emit *e, const struct weights *w)
{
    const int64_t n = w->by->channels ? umb__shape_rows(w->shape) : umb__shape_count(w->shape);
    const int64_t part = part_of(e, w->by, n, umb__shape_channels(w->shape));
    const int64_t parts = (n + part - 1) / part, weights = w->n * w->by->by_input;
    int partial;
    enum umb_status st = umb__emit_temp(e, (size_t)(parts * weights) * sizeof(float), &partial);
    const struct place to = {partial, 0, weights};
    if (st == UMB_OK) { st = emit_parts(e, w, part, &to); }
    return st == UMB_OK ? umb__emit_column_sum(e, partial, e->out[0], parts, weights) : st;
}

enum umb_status umb__emit_mix_weights(struct umb_emit *e, const struct umb_mix *by, int dy, int n)
{
    const struct weights w = {by, &e->p.in[dy].shape, e->in[dy], n, &e->in[dy + 1]};
    if (!by->by_sample) { return emit_shared(e, &w); }
    const struct place to = {e->out[0], 0, by->by_sample};
    const int64_t all = by->channels ? umb__shape_rows(w.shape) : umb__shape_count(w.shape);
    return emit_parts(e, &w, all / w.shape->dim[0], &to);
}

void umb__reference_mix_weights(const struct umb_reference *r, const struct umb_mix *by, int dy,
                                int n)
{
    const int64_t count = umb__shape_count(&r->in[dy].type->shape);
    for (int j = 0; j < n; j++) {
        for (int64_t i = 0; i < count; i++) {
            r->out[0].data[weight_at(by, r->in[dy].type, j, i)] +=
                r->in[dy].data[i] * r->in[dy + 1 + j].data[i];
        }
    }
}
