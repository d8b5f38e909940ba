/*
 * What metrics are computed from, counted exactly: class_counts, binary_counts, error_sums.
 *
 * All take (prediction, labels, mask [N]); the counts add to an i32 input that the caller zeroes
 * before a pass over the data, error_sums gives one batch's sums. A sample with mask ≤ 0 counts
 * nothing. Definitions: cl/metric.cl.
 */
#include "simple.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

#define BINARY_CELLS 4 /* tn, fp, fn, tp */
#define SUMS 5         /* entries, Σ|e|, Σe², Σy, Σy² */

/* error_sums: with points, a row more: the samples, and the sum of their mean distance between
 * answer and label as a share of that between two points. Orders as in enum umb_points. */
enum { ORDER_NONE, ORDER_XYXY, ORDER_XXYY };
struct error_attrs {
    int points;
    int64_t between[2];
};

static const char *const orders[] = {"none", "xyxy", "xxyy", NULL};
static const struct umb_attr_desc error_attrs[] = {
    {.name = "points",
     .type = UMB_ATTR_CHOICE,
     .offset = offsetof(struct error_attrs, points),
     .fallback = "none",
     .choices = orders,
     .help = "whether columns are x and y of points in turn, or all x and then all y"},
    {.name = "between",
     .type = UMB_ATTR_PAIR,
     .offset = offsetof(struct error_attrs, between),
     .min = 0,
     .max = INT32_MAX,
     .fallback = "0,1",
     .help = "the two points whose distance is the unit"},
    {0}};

/* Inference. */

static enum umb_status expect_inputs(const struct umb_infer *io, enum umb_dtype label_dtype,
                                     const struct umb_shape *labels)
{
    const struct umb_type *x = &io->in[0];
    char got[UMB_SHAPE_TEXT];
    if (x->dtype != UMB_F32 || x->shape.rank < 2) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "predictions have shape %s; expected float32 [N,…,C]",
                         umb__shape_text(&x->shape, got, sizeof got));
    }
    const struct umb_shape mask = {.rank = 1, .dim = {x->shape.dim[0]}};
    const enum umb_status st = umb__expect_exactly(io, 1, "labels", label_dtype, labels);
    return st == UMB_OK ? umb__expect_exactly(io, 2, "masks", UMB_F32, &mask) : st;
}

static struct umb_shape matrix(int64_t rows, int64_t columns)
{
    return (struct umb_shape){.rank = 2, .dim = {rows, columns}};
}

static enum umb_status class_infer(struct umb_infer *io)
{
    struct umb_shape labels = io->in[0].shape;
    const int64_t n_classes = umb__shape_channels(&labels);
    const struct umb_shape counts = matrix(n_classes, n_classes);
    labels.rank--;
    io->n_out = 0;
    const enum umb_status st = expect_inputs(io, UMB_I32, &labels);
    return st == UMB_OK ? umb__expect_exactly(io, 3, "counts", UMB_I32, &counts) : st;
}

static enum umb_status binary_infer(struct umb_infer *io)
{
    const struct umb_shape *x = &io->in[0].shape;
    const struct umb_shape counts = matrix(umb__shape_channels(x), BINARY_CELLS);
    io->n_out = 0;
    const enum umb_status st = expect_inputs(io, UMB_F32, x);
    return st == UMB_OK ? umb__expect_exactly(io, 3, "counts", UMB_I32, &counts) : st;
}

static enum umb_status check_points(const struct umb_infer *io, const struct error_attrs *a)
{
    const struct umb_shape *x = &io->in[0].shape;
    const int64_t columns = umb__shape_channels(x), n = columns / 2;
    char got[UMB_SHAPE_TEXT];
    if (x->rank != 2 || columns % 2 != 0) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "points: predictions have shape %s; expected "
                         "[N,D] with an x and a y for each point",
                         umb__shape_text(x, got, sizeof got));
    }
    if (a->between[0] < n && a->between[1] < n && a->between[0] != a->between[1]) { return UMB_OK; }
    return umb__fail(io->ctx, UMB_ERR_INVALID,
                     "between: points %lld and %lld; expected two different ones of 0 … %lld",
                     (long long)a->between[0], (long long)a->between[1], (long long)n - 1);
}

static enum umb_status error_infer(struct umb_infer *io)
{
    const struct umb_shape *x = &io->in[0].shape;
    const struct error_attrs *a = io->attrs;
    const bool points = a->points != ORDER_NONE;
    enum umb_status st = expect_inputs(io, UMB_F32, x);
    if (st == UMB_OK && points) { st = check_points(io, a); }
    io->n_out = 1;
    io->out[0] =
        (struct umb_type){.dtype = UMB_F32, .shape = matrix(umb__shape_channels(x) + points, SUMS)};
    return st;
}

/* References. */

struct dims {
    int64_t rows, columns, per; /* [rows,columns]; rows a sample */
};

static struct dims dims_of(const struct umb_type *x)
{
    const int64_t rows = umb__shape_rows(&x->shape);
    return (struct dims){rows, umb__shape_channels(&x->shape), rows / x->shape.dim[0]};
}

static void class_reference(const struct umb_reference *r)
{
    const struct dims d = dims_of(r->in[0].type);
    for (int64_t row = 0; row < d.rows; row++) {
        const double y = r->in[1].data[row], *x = r->in[0].data + row * d.columns; /* [C] */
        if (!(y >= 0 && y < (double)d.columns) || !(r->in[2].data[row / d.per] > 0)) { continue; }
        int64_t best = 0;
        for (int64_t c = 1; c < d.columns; c++) {
            best = x[c] > x[best] ? c : best;
        }
        r->in[3].data[(int64_t)y * d.columns + best] += 1;
    }
}

/* Calls for each entry whose label counts. */
typedef void (*entry_fn)(double *out, double x, double y);

static void each_entry(const struct umb_reference *r, entry_fn fn, double *out, int64_t width)
{
    const struct dims d = dims_of(r->in[0].type);
    for (int64_t i = 0; i < d.rows * d.columns; i++) {
        const double y = r->in[1].data[i];
        if (isnan(y) || !(r->in[2].data[i / d.columns / d.per] > 0)) { continue; }
        fn(out + i % d.columns * width, r->in[0].data[i], y);
    }
}

static void count_binary(double *cells, double x, double y)
{
    cells[2 * (y > 0.5) + (x > 0)] += 1;
}

static void sum_errors(double *sums, double x, double y)
{
    const double e = x - y, add[SUMS] = {1, fabs(e), e * e, y, y * y};
    for (int k = 0; k < SUMS; k++) {
        sums[k] += add[k];
    }
}

static void binary_reference(const struct umb_reference *r)
{
    each_entry(r, count_binary, r->in[3].data, BINARY_CELLS);
}

/* Where the x of a point lies, and how far behind it its y. */
struct order {
    int64_t next, y;
};

static struct order order_of(const struct error_attrs *a, int64_t columns)
{
    return a->points == ORDER_XYXY ? (struct order){2, 1} : (struct order){1, columns / 2};
}

static double distance_of(const double *a, const double *b, int64_t y)
{
    return hypot(a[0] - b[0], a[y] - b[y]);
}

/* The sample's mean distance in units of that between two points; NaN: it does not count. */
static double landmark_error(const double *x, const double *y, int64_t n, struct order o,
                             const int64_t *between)
{
    const double unit = distance_of(y + between[0] * o.next, y + between[1] * o.next, o.y);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += distance_of(x + i * o.next, y + i * o.next, o.y);
        if (isnan(y[i * o.next]) || isnan(y[i * o.next + o.y])) { return NAN; }
    }
    return unit > 0 ? sum / (unit * (double)n) : NAN;
}

static void landmark_reference(const struct umb_reference *r, const struct error_attrs *a)
{
    const struct dims d = dims_of(r->in[0].type);
    const struct order o = order_of(a, d.columns);
    double *sums = r->out[0].data + d.columns * SUMS;
    for (int64_t row = 0; row < d.rows; row++) {
        const int64_t at = row * d.columns;
        const double e =
            landmark_error(r->in[0].data + at, r->in[1].data + at, d.columns / 2, o, a->between);
        if (isnan(e) || !(r->in[2].data[row] > 0)) { continue; }
        sums[0] += 1;
        sums[1] += e;
    }
}

static void error_reference(const struct umb_reference *r)
{
    const struct error_attrs *a = r->attrs;
    each_entry(r, sum_errors, r->out[0].data, SUMS);
    if (a->points != ORDER_NONE) { landmark_reference(r, a); }
}

/* Kernels. */

static const struct umb_kernel class_kernel = {"class_counts", "metric.cl", "class_counts",
                                               "rrrmiiii"};
static const struct umb_kernel binary_kernel = {"binary_counts", "metric.cl", "binary_counts",
                                                "rrrmiiii"};
static const struct umb_kernel partials_kernel = {"error_partials", "metric.cl", "error_partials",
                                                  "rrrwiiiii"};
static const struct umb_kernel landmark_kernel = {"landmark_partials", "metric.cl",
                                                  "landmark_partials", "rrrwiiiiiii"};
static const struct umb_kernel sums_kernel = {"error_sums", "metric.cl", "error_sums", "rwii"};

/* Rows an item, at least, and items at most. */
#define LEAST_ROWS_CPU 1024
#define LEAST_ROWS 32
#define MOST_ITEMS 256

static int span_of(const struct umb_emit *e, const struct dims *d, size_t *ret_items)
{
    const int64_t least = e->p.caps->type == UMB_DEVICE_CPU ? LEAST_ROWS_CPU : LEAST_ROWS;
    const int64_t shared = (d->rows + MOST_ITEMS - 1) / MOST_ITEMS;
    const int64_t span = shared > least ? shared : least;
    *ret_items = (size_t)((d->rows + span - 1) / span);
    return (int)span;
}

static enum umb_status class_emit(struct umb_emit *e)
{
    const struct dims d = dims_of(&e->p.in[0]);
    struct umb_emit_launch launch = {
        .kernel = &class_kernel, .dimensions = 1, .local = {umb__spread_local(e->p.caps)}};
    const int span = span_of(e, &d, &launch.global[0]);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], e->in[3], (int)d.rows,
                            (int)d.per, (int)d.columns, span);
}

static enum umb_status binary_emit(struct umb_emit *e)
{
    const struct dims d = dims_of(&e->p.in[0]);
    struct umb_emit_launch launch = {.kernel = &binary_kernel,
                                     .dimensions = 2,
                                     .global = {(size_t)d.columns},
                                     .local = {1, umb__spread_local(e->p.caps)}};
    const int span = span_of(e, &d, &launch.global[1]);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], e->in[3], (int)d.rows,
                            (int)d.per, (int)d.columns, span);
}

static enum umb_status emit_landmarks(struct umb_emit *e, const struct dims *d, int partial,
                                      int span, size_t chunks)
{
    const struct error_attrs *a = e->p.attrs;
    const struct order o = order_of(a, d->columns);
    const struct umb_emit_launch launch = {
        .kernel = &landmark_kernel, .dimensions = 1, .global = {chunks}};
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], partial, (int)d->rows,
                            (int)d->columns, span, (int)o.next, (int)o.y, (int)a->between[0],
                            (int)a->between[1]);
}

static enum umb_status error_emit(struct umb_emit *e)
{
    const struct error_attrs *a = e->p.attrs;
    const bool points = a->points != ORDER_NONE;
    const struct dims d = dims_of(&e->p.in[0]);
    struct umb_emit_launch first = {.kernel = &partials_kernel,
                                    .dimensions = 2,
                                    .global = {(size_t)d.columns},
                                    .local = {1, umb__spread_local(e->p.caps)}};
    const int span = span_of(e, &d, &first.global[1]);
    const int wide = (int)d.columns + points;
    const size_t n = (size_t)wide * SUMS, chunks = first.global[1];
    int partial = -1;
    enum umb_status st = umb__emit_temp(e, chunks * n * sizeof(float), &partial);
    if (st == UMB_OK) {
        st = umb__emit_launch(e, &first, e->in[0], e->in[1], e->in[2], partial, (int)d.rows,
                              (int)d.per, (int)d.columns, wide, span);
    }
    if (st == UMB_OK && points) { st = emit_landmarks(e, &d, partial, span, chunks); }
    const struct umb_emit_launch last = {.kernel = &sums_kernel, .dimensions = 1, .global = {n}};
    if (st == UMB_OK) { st = umb__emit_launch(e, &last, partial, e->out[0], (int)n, (int)chunks); }
    return st;
}

static double flops(const struct umb_problem *p)
{
    return (double)umb__shape_count(&p->in[0].shape);
}

static double error_flops(const struct umb_problem *p)
{
    return 8.0 * (double)umb__shape_count(&p->in[0].shape);
}

/* Rows. */

static const struct umb_solver class_solvers[] = {{"runs", umb__applies_always, class_emit}, {0}};
static const struct umb_solver binary_solvers[] = {{"runs", umb__applies_always, binary_emit}, {0}};
static const struct umb_solver error_solvers[] = {{"chunks", umb__applies_always, error_emit}, {0}};

static const struct umb_op_case class_cases[] = {
    {.in = "1,1 1:labels 1:positive 1,1:labels"},
    {.in = "64,10 64:gaps 64:mask 10,10:labels", .flags = UMB_CASE_BENCH},
    {.in = "29,4:ties 29:gaps 29:mask 4,4:labels"},
    {.in = "3,31,37,2 3,31,37:gaps 3:mask 2,2:labels"},
    {.in = "40,9:ties 40:gaps 40:mask 9,9:labels"},
    {.in = "64,32,32,2 64,32,32:labels 64:mask 2,2:labels",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op_case binary_cases[] = {
    {.in = "1,1 1,1:unit 1:positive 1,4:labels"},
    {.in = "64,3 64,3:unit 64:mask 3,4:labels", .flags = UMB_CASE_BENCH},
    {.in = "3,31,37,2:ties 3,31,37,2:mask 3:mask 2,4:labels"},
    {0}};

static const struct umb_op_case error_cases[] = {
    {.in = "1,1 1,1 1:positive"},
    {.in = "64,3 64,3 64:mask", .flags = UMB_CASE_BENCH},
    {.in = "3,31,37,2 3,31,37,2 3:mask"},
    {.in = "64,10 64,10 64:mask", .attrs = "points=xxyy between=0,1", .flags = UMB_CASE_BENCH},
    {.in = "1,4 1,4 1:positive", .attrs = "points=xyxy between=1,0"},
    {.in = "1031,6 1031,6 1031:mask", .attrs = "points=xyxy between=0,2"},
    {.in = "2049,6 2049,6 2049:mask", .attrs = "points=xxyy between=2,1"},
    {0}};

static const struct umb_op class_counts = {.name = "class_counts",
                                           .min_in = 4,
                                           .max_in = 4,
                                           .infer = class_infer,
                                           .reference = class_reference,
                                           .flops = flops,
                                           .solvers = class_solvers,
                                           .cases = class_cases};
static const struct umb_op binary_counts = {.name = "binary_counts",
                                            .min_in = 4,
                                            .max_in = 4,
                                            .infer = binary_infer,
                                            .reference = binary_reference,
                                            .flops = flops,
                                            .solvers = binary_solvers,
                                            .cases = binary_cases};
static const struct umb_op error_sums = {.name = "error_sums",
                                         .min_in = 3,
                                         .max_in = 3,
                                         .attrs = error_attrs,
                                         .attrs_bytes = sizeof(struct error_attrs),
                                         .infer = error_infer,
                                         .reference = error_reference,
                                         .flops = error_flops,
                                         .solvers = error_solvers,
                                         .cases = error_cases};

const struct umb_op *const umb__ops_metric[] = {&class_counts, &binary_counts, &error_sums, NULL};
