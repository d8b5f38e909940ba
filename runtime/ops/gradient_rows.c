/*
 * What balancers do with the gradients of T tasks, rows [T,P]:
 *
 * gram: rows → their inner products [T·T].
 * combine_rows: rows, weight [T] → Σ_t weight[t]·rows[t] [P]; with one weight the rows may be any
 * value, which keeps its type.
 * mix_rows: kept [T,P] (written), rows, factor [2T]: kept = factor[t]·kept + factor[T+t]·rows.
 * excess: squares [T,P] (written), rows: squares += g², → Σ_i g²/√(squares + 1e-7) [T].
 * drop_rows: rows, random [4] → GradDrop's sum [P] (cl/drop_rows.cl).
 */
#include "gemm_tile.h"
#include "rng.h"
#include "spread.h"
#include "team.h"
#include <math.h>
#include <stddef.h>

#define TILE 4
#define MOST_ROWS 64 /* for the sums that cl/gradient_rows.cl has room for */
#define LEAST_SPAN 2048
#define MOST_CHUNKS 256
/* A chunk that is long beside its last sums (Zen 5, 40 rows of 102400: 0.64 ms; 0.76 at 4096, 1.0
 * at 2048; 2026-12). */
#define GRAM_SPAN 8192
#define GRAM_SPAN_GPU 4096    /* not measured; more groups */
#define GRAM_ITEMS_PER_UNIT 4 /* on CPUs, of few chunks: each then makes a share of the pairs */
#define GRAM_CHUNKS 1024

static int64_t rows_of(const struct umb_type *t)
{
    return t->shape.dim[0];
}

static int64_t length_of(const struct umb_type *t)
{
    return t->shape.dim[1];
}

static enum umb_status check_rows(const struct umb_infer *io, int index)
{
    const struct umb_type *t = &io->in[index];
    char got[UMB_SHAPE_TEXT];
    if (t->dtype == UMB_F32 && t->shape.rank == 2) { return UMB_OK; }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "input %d has shape %s; expected float32 [T,P]",
                     index, umb__shape_text(&t->shape, got, sizeof got));
}

static struct umb_type floats(int rank, int64_t a, int64_t b)
{
    return (struct umb_type){.dtype = UMB_F32, .shape = {rank, {a, b}}};
}

static double length_flops(const struct umb_problem *p, double each)
{
    const struct umb_type *rows = &p->in[p->n_in > 1 && p->in[1].shape.rank == 2];
    return each * (double)umb__shape_count(&rows->shape);
}

/* gram. */

static enum umb_status gram_infer(struct umb_infer *io)
{
    const enum umb_status st = check_rows(io, 0);
    if (st != UMB_OK) { return st; }
    const int64_t T = rows_of(&io->in[0]);
    if (T > MOST_ROWS) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "%lld rows; expected %d at most", (long long)T,
                         MOST_ROWS);
    }
    io->n_out = 1;
    io->out[0] = floats(1, T * T, 0);
    return UMB_OK;
}

static void gram_reference(const struct umb_reference *r)
{
    const int64_t T = rows_of(r->in[0].type), P = length_of(r->in[0].type);
    const double *x = r->in[0].data;
    for (int64_t s = 0; s < T; s++) {
        for (int64_t t = 0; t < T; t++) {
            for (int64_t i = 0; i < P; i++) {
                r->out[0].data[s * T + t] += x[s * P + i] * x[t * P + i];
            }
        }
    }
}

static double gram_flops(const struct umb_problem *p)
{
    return length_flops(p, (double)rows_of(&p->in[0]) + 1);
}

static const struct umb_kernel gram_tiles = {"gram_tiles", "gradient_rows.cl", "gram_tiles",
                                             "rwiiiiiil"};
static const struct umb_kernel gram_finish = {"gram_finish", "gradient_rows.cl", "gram_finish",
                                              "rwiiii"};

/* How many shares a chunk's pairs make on a CPU: enough for all units. The same numbers are added
 * in the same order however many there are. */
static int gram_shares(const struct umb_device_caps *caps, int n_pairs, int n_chunks)
{
    const int items = GRAM_ITEMS_PER_UNIT * (int)caps->compute_units;
    const int shares = (items + n_chunks - 1) / n_chunks;
    return shares > n_pairs ? n_pairs : shares;
}

static enum umb_status gram_emit(struct umb_emit *e)
{
    const int T = (int)rows_of(&e->p.in[0]), P = (int)length_of(&e->p.in[0]);
    const bool by_pairs = umb__spread_lanes(e->p.caps) == 1;
    const int n_tiles = (T + TILE - 1) / TILE, n_pairs = n_tiles * (n_tiles + 1) / 2;
    struct umb_spread s =
        umb__spread(e->p.caps, P, by_pairs ? GRAM_SPAN_GPU : GRAM_SPAN, GRAM_CHUNKS);
    const int n_chunks = (int)s.groups, n = n_pairs * TILE * TILE;
    const char *options =
        umb__emit_printf(e, "-DVW=%d%s%s", s.lanes, umb__shuffle_option(e->p.caps),
                         umb__tile_applies(e->p.caps) ? " -DFETCHES" : "");
    int partial = -1;
    enum umb_status st = umb__emit_temp(e, (size_t)n * s.groups * sizeof(float), &partial);
    if (st != UMB_OK || !options) { return UMB_ERR_NO_MEMORY; }
    const int shares = by_pairs ? n_pairs : gram_shares(e->p.caps, n_pairs, n_chunks);
    s.groups *= (size_t)shares;
    const struct umb_emit_launch first = umb__spread_launch(&s, &gram_tiles, options);
    st = umb__emit_launch(e, &first, e->in[0], partial, T, P, s.span, n_tiles, n_chunks, shares,
                          TILE * TILE * s.local * sizeof(float));
    const struct umb_emit_launch second = {.kernel = &gram_finish,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)n},
                                           .local = {s.local}};
    return st == UMB_OK ? umb__emit_launch(e, &second, partial, e->out[0], T, n_tiles, n_chunks, n)
                        : st;
}

static const struct umb_solver gram_solvers[] = {{"tiles", umb__applies_always, gram_emit}, {0}};
static const struct umb_op_case gram_cases[] = {
    {.in = "1,1"},
    {.in = "2,17"},
    {.in = "3,4099"},
    {.in = "5,9001"},
    {.in = "13,2500"},
    {.in = "64,1100", .flags = UMB_CASE_NO_GRAD},
    {.in = "40,19392", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "4,4000000", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op gram = {.name = "gram",
                                   .min_in = 1,
                                   .max_in = 1,
                                   .infer = gram_infer,
                                   .reference = gram_reference,
                                   .flops = gram_flops,
                                   .solvers = gram_solvers,
                                   .cases = gram_cases};

/* combine_rows. */

struct combine_attrs {
    int64_t first, count; /* of each row; count 0: all */
};

static const struct umb_attr_desc combine_attr_rows[] = {
    {.name = "first",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct combine_attrs, first),
     .min = 0,
     .max = INT32_MAX,
     .fallback = "0",
     .help = "where in a row the part to be combined begins"},
    {.name = "count",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct combine_attrs, count),
     .min = 0,
     .max = INT32_MAX,
     .fallback = "0",
     .help = "how long it is; 0: the whole row"},
    {0}};

/* Rows, the length of one, and the part of it. */
struct combining {
    int64_t T, stride, first, n;
};

static struct combining combining_of(const struct combine_attrs *a, const struct umb_type *rows,
                                     const struct umb_type *weight)
{
    struct combining c = {.T = umb__shape_count(&weight->shape)};
    c.stride = umb__shape_count(&rows->shape) / c.T;
    c.first = a->count ? a->first : 0;
    c.n = a->count ? a->count : c.stride;
    return c;
}

static enum umb_status combine_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    if (umb__shape_count(&io->in[1].shape) == 1) { return UMB_OK; }
    const enum umb_status st = check_rows(io, 0);
    if (st != UMB_OK) { return st; }
    const struct combining c = combining_of(io->attrs, &io->in[0], &io->in[1]);
    io->out[0] = floats(1, c.n, 0);
    if (c.T == rows_of(&io->in[0]) && c.first + c.n <= c.stride) { return UMB_OK; }
    return umb__fail(io->ctx, UMB_ERR_INVALID,
                     "the weights are not as many as the rows, or the part is not in them");
}

static void combine_reference(const struct umb_reference *r)
{
    const struct combining c = combining_of(r->attrs, r->in[0].type, r->in[1].type);
    for (int64_t i = 0; i < c.T * c.n; i++) {
        const int64_t t = i / c.n, k = i % c.n;
        r->out[0].data[k] += r->in[1].data[t] * r->in[0].data[t * c.stride + c.first + k];
    }
}

static double combine_flops(const struct umb_problem *p)
{
    return length_flops(p, 2);
}

/* A walk along the rows. */
static struct umb_emit_launch along(struct umb_emit *e, const struct umb_kernel *kernel, int64_t n,
                                    int *ret_span)
{
    const struct umb_spread s = umb__spread(e->p.caps, n, LEAST_SPAN, 1024);
    *ret_span = s.span;
    return umb__spread_launch(&s, kernel, umb__emit_printf(e, "-DVW=%d", s.lanes));
}

static const struct umb_kernel combine_kernel = {"combine_rows", "gradient_rows.cl", "combine_rows",
                                                 "rrwiiiii"};

static enum umb_status combine_emit(struct umb_emit *e)
{
    const struct combining c = combining_of(e->p.attrs, &e->p.in[0], &e->p.in[1]);
    int span;
    const struct umb_emit_launch launch = along(e, &combine_kernel, c.n, &span);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], (int)c.T, (int)c.stride,
                            (int)c.first, (int)c.n, span);
}

static const struct umb_solver combine_solvers[] = {{"flat", umb__applies_always, combine_emit},
                                                    {0}};
static const struct umb_op_case combine_cases[] = {
    {.in = "1,1 1"},     {.in = "2,3,5,7 1"},
    {.in = "3,1003 3"},  {.attrs = "first=17 count=300", .in = "5,1003 5"},
    {.in = "7,20011 7"}, {0}};

static const struct umb_op combine_rows = {.name = "combine_rows",
                                           .min_in = 2,
                                           .max_in = 2,
                                           .attrs = combine_attr_rows,
                                           .attrs_bytes = sizeof(struct combine_attrs),
                                           .infer = combine_infer,
                                           .reference = combine_reference,
                                           .flops = combine_flops,
                                           .solvers = combine_solvers,
                                           .cases = combine_cases};

/* mix_rows. */

static enum umb_status mix_infer(struct umb_infer *io)
{
    enum umb_status st = check_rows(io, 0);
    if (st == UMB_OK) { st = check_rows(io, 1); }
    io->n_out = 0;
    if (st != UMB_OK) { return st; }
    if (umb__shape_equal(&io->in[0].shape, &io->in[1].shape) &&
        umb__shape_count(&io->in[2].shape) == 2 * rows_of(&io->in[0])) {
        return UMB_OK;
    }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "expected equal rows and two factors for each");
}

static void mix_reference(const struct umb_reference *r)
{
    const int64_t T = rows_of(r->in[0].type), P = length_of(r->in[0].type);
    const double *factor = r->in[2].data;
    for (int64_t i = 0; i < T * P; i++) {
        r->in[0].data[i] = factor[i / P] * r->in[0].data[i] + factor[T + i / P] * r->in[1].data[i];
    }
}

static double mix_flops(const struct umb_problem *p)
{
    return length_flops(p, 3);
}

static const struct umb_kernel mix_kernel = {"mix_rows", "gradient_rows.cl", "mix_rows", "mrriii"};

static enum umb_status mix_emit(struct umb_emit *e)
{
    const int T = (int)rows_of(&e->p.in[0]), P = (int)length_of(&e->p.in[0]);
    int span;
    const struct umb_emit_launch launch = along(e, &mix_kernel, P, &span);
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], T, P, span);
}

static const struct umb_solver mix_solvers[] = {{"flat", umb__applies_always, mix_emit}, {0}};
static const struct umb_op_case mix_cases[] = {
    {.in = "1,1 1,1 2"}, {.in = "3,1003 3,1003 6"}, {.in = "5,9001 5,9001 10"}, {0}};

static const struct umb_op mix_rows = {.name = "mix_rows",
                                       .min_in = 3,
                                       .max_in = 3,
                                       .infer = mix_infer,
                                       .reference = mix_reference,
                                       .flops = mix_flops,
                                       .solvers = mix_solvers,
                                       .cases = mix_cases};

/* excess. */

static enum umb_status excess_infer(struct umb_infer *io)
{
    enum umb_status st = check_rows(io, 0);
    if (st == UMB_OK) { st = check_rows(io, 1); }
    if (st != UMB_OK) { return st; }
    io->n_out = 1;
    io->out[0] = floats(1, rows_of(&io->in[0]), 0);
    if (umb__shape_equal(&io->in[0].shape, &io->in[1].shape)) { return UMB_OK; }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "expected squares of the rows' shape");
}

static void excess_reference(const struct umb_reference *r)
{
    const int64_t T = rows_of(r->in[0].type), P = length_of(r->in[0].type);
    for (int64_t i = 0; i < T * P; i++) {
        const double g = r->in[1].data[i];
        r->in[0].data[i] += g * g;
        r->out[0].data[i / P] += g * g / sqrt(r->in[0].data[i] + 1e-7);
    }
}

static double excess_flops(const struct umb_problem *p)
{
    return length_flops(p, 6);
}

static const struct umb_kernel excess_chunks = {"excess_chunks", "gradient_rows.cl",
                                                "excess_chunks", "mrwiiiil"};
static const struct umb_kernel excess_finish = {"excess_finish", "gradient_rows.cl",
                                                "excess_finish", "rwi"};

static enum umb_status excess_emit(struct umb_emit *e)
{
    const int T = (int)rows_of(&e->p.in[0]), P = (int)length_of(&e->p.in[0]);
    struct umb_spread s = umb__spread(e->p.caps, P, LEAST_SPAN, MOST_CHUNKS);
    const int n_chunks = (int)s.groups;
    const char *options = umb__emit_printf(e, "-DVW=%d%s", s.lanes, umb__shuffle_option(e->p.caps));
    int partial = -1;
    enum umb_status st = umb__emit_temp(e, (size_t)T * s.groups * sizeof(float), &partial);
    if (st != UMB_OK || !options) { return UMB_ERR_NO_MEMORY; }
    s.groups *= (size_t)T;
    const struct umb_emit_launch first = umb__spread_launch(&s, &excess_chunks, options);
    st = umb__emit_launch(e, &first, e->in[0], e->in[1], partial, T, P, s.span, n_chunks,
                          s.local * sizeof(float));
    const struct umb_emit_launch second = {.kernel = &excess_finish,
                                           .options = options,
                                           .dimensions = 1,
                                           .global = {(size_t)T},
                                           .local = {1}};
    return st == UMB_OK ? umb__emit_launch(e, &second, partial, e->out[0], n_chunks) : st;
}

static const struct umb_solver excess_solvers[] = {{"chunks", umb__applies_always, excess_emit},
                                                   {0}};
static const struct umb_op_case excess_cases[] = {{.in = "1,1:positive 1,1"},
                                                  {.in = "3,1003:positive 3,1003"},
                                                  {.in = "5,9001:positive 5,9001"},
                                                  {0}};

static const struct umb_op excess = {.name = "excess",
                                     .min_in = 2,
                                     .max_in = 2,
                                     .infer = excess_infer,
                                     .reference = excess_reference,
                                     .flops = excess_flops,
                                     .solvers = excess_solvers,
                                     .cases = excess_cases};

/* drop_rows. */

struct drop_attrs {
    double leak;
};

static const struct umb_attr_desc drop_attr_rows[] = {
    {.name = "leak",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct drop_attrs, leak),
     .min = 0,
     .max = 1,
     .fallback = "0",
     .help = "the share of the numbers of the other sign that is kept"},
    {0}};

static enum umb_status drop_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = floats(1, length_of(&io->in[0]), 0);
    return check_rows(io, 0);
}

static void drop_reference(const struct umb_reference *r)
{
    const int64_t T = rows_of(r->in[0].type), P = length_of(r->in[0].type);
    const struct drop_attrs *a = r->attrs;
    const double *random = r->in[1].data;
    uint32_t word[4];
    for (int k = 0; k < 4; k++) {
        word[k] = (uint32_t)(int64_t)random[k];
    }
    for (int64_t i = 0; i < P; i++) {
        const uint32_t counter[4] = {(uint32_t)(i / 4), word[2], 0,
                                     UMB_RNG_BALANCER + 256 * word[3]};
        uint32_t drawn[4];
        double up = 0, down = 0;
        umb__philox(word, counter, drawn);
        for (int64_t t = 0; t < T; t++) {
            const double g = r->in[0].data[t * P + i];
            up += fmax(g, 0);
            down += fmin(g, 0);
        }
        const double u = (double)(drawn[i % 4] >> 8) * 0x1p-24;
        const double p = up - down > 0 ? 0.5 * (1 + (up + down) / (up - down)) : 0.5;
        r->out[0].data[i] = (p > u ? up : a->leak * up) + (p < u ? down : a->leak * down);
    }
}

static double drop_flops(const struct umb_problem *p)
{
    return length_flops(p, 4);
}

static const struct umb_kernel drop_kernel = {"drop_rows", "drop_rows.cl", "drop_rows", "rrwiiif"};

static enum umb_status drop_emit(struct umb_emit *e)
{
    const struct drop_attrs *a = e->p.attrs;
    const int T = (int)rows_of(&e->p.in[0]), P = (int)length_of(&e->p.in[0]);
    const struct umb_spread s = umb__spread(e->p.caps, (P + 3) / 4, LEAST_SPAN / 4, 1024);
    const struct umb_emit_launch launch = umb__spread_launch(&s, &drop_kernel, NULL);
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->out[0], T, P, s.span, a->leak);
}

static const struct umb_solver drop_solvers[] = {{"elements", umb__applies_always, drop_emit}, {0}};
static const struct umb_op_case drop_cases[] = {{.in = "1,1 4:labels"},
                                                {.attrs = "leak=0.25", .in = "3,1003 4:labels"},
                                                {.in = "7,9001 4:labels"},
                                                {0}};

static const struct umb_op drop_rows = {.name = "drop_rows",
                                        .min_in = 2,
                                        .max_in = 2,
                                        .attrs = drop_attr_rows,
                                        .attrs_bytes = sizeof(struct drop_attrs),
                                        .infer = drop_infer,
                                        .reference = drop_reference,
                                        .flops = drop_flops,
                                        .solvers = drop_solvers,
                                        .cases = drop_cases};

const struct umb_op *const umb__ops_gradient_rows[] = {&gram,   &combine_rows, &mix_rows,
                                                       &excess, &drop_rows,    NULL};
