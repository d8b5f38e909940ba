/*
 * soft_share: how far equal parameters of several networks lie apart.
 *
 *   penalty = Σ_t P[t,t]·‖w_t‖² + Σ_{t<s} P[t,s]·‖w_t − w_s‖²
 *
 * Inputs: w_0 … w_{T−1} of one shape, and pull P [T,T], of which the diagonal and what is above it
 * count. Every form tr(W·B·Wᵀ) with a symmetric B is one: P[t,s] = −B[t,s], P[t,t] = Σ_s B[t,s],
 * since 2·w_t·w_s = w_t² + w_s² − (w_t − w_s)²; its gradient is 2·W·B. With relations A it is
 * P = α·A (B is then α times the graph's Laplacian). P itself gets no gradient.
 */
#include "soft_share.h"

#include <stddef.h>
#include <string.h>

#include "simple.h"
#include "team.h"

#define OTHERS 7 /* as in cl/soft_share.cl */
#define LEAST_SPAN 4096
#define MOST_GROUPS 64

static const struct umb_attr_desc backward_attrs[] = {
    {.name = "trunk",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct umb_soft_share_attrs, trunk),
     .min = 0,
     .max = 4095,
     .fallback = "0",
     .help = "whose gradient it is"},
    {.name = "adds",
     .type = UMB_ATTR_BOOL,
     .offset = offsetof(struct umb_soft_share_attrs, adds),
     .fallback = "false",
     .help = "the last input is added"},
    {0}};

static enum umb_status check_parameters(const struct umb_infer *io, int n)
{
    char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
    for (int t = 0; t < n; t++) {
        const struct umb_shape *first = &io->in[0].shape, *shape = &io->in[t].shape;
        enum umb_status st = umb__expect_f32(io, t, 0, "parameters (f32)");
        if (st != UMB_OK) { return st; }
        if (umb__shape_equal(first, shape)) { continue; }
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "input 0 has shape %s, input %d has %s; expected equal shapes",
                         umb__shape_text(first, a, sizeof a), t,
                         umb__shape_text(shape, b, sizeof b));
    }
    return UMB_OK;
}

static enum umb_status check_pull(const struct umb_infer *io, int T)
{
    char text[UMB_SHAPE_TEXT];
    const struct umb_shape *s = &io->in[T].shape;
    if (s->rank == 2 && s->dim[0] == T && s->dim[1] == T) {
        return umb__expect_f32(io, T, 2, "numbers (f32)");
    }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "input %d has shape %s; expected the pull [%d,%d]",
                     T, umb__shape_text(s, text, sizeof text), T, T);
}

static enum umb_status infer(struct umb_infer *io)
{
    const int T = io->n_in - 1;
    enum umb_status st = check_parameters(io, T);
    if (st == UMB_OK) { st = check_pull(io, T); }
    io->n_out = 1;
    io->out[0] = (struct umb_type){.dtype = UMB_F32, .shape = {.rank = 1, .dim = {1}}};
    return st;
}

/* How many parameters a backward node has. */
static int backward_trunks(const struct umb_soft_share_attrs *a, int n_in)
{
    return n_in - 2 - (a->adds ? 1 : 0);
}

static enum umb_status infer_backward(struct umb_infer *io)
{
    const struct umb_soft_share_attrs *a = io->attrs;
    const int T = backward_trunks(a, io->n_in);
    if (T < 2 || a->trunk >= T) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "parameter %lld of %d; expected two or more",
                         (long long)a->trunk, T);
    }
    enum umb_status st = check_parameters(io, T);
    if (st == UMB_OK) { st = check_pull(io, T); }
    io->n_out = 1;
    io->out[0] = io->in[a->trunk];
    if (st != UMB_OK || !a->adds || umb__shape_equal(&io->in[0].shape, &io->in[T + 2].shape)) {
        return st;
    }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "the gradient has another shape than the parameter");
}

static enum umb_status grad(struct umb_grad *g)
{
    const int T = umb__grad_n_in(g) - 1, dpenalty = umb__grad_dout(g, 0);
    int *in = umb__calloc(NULL, (size_t)T + 2, sizeof *in);
    enum umb_status st = in ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (int i = 0; in && i <= T; i++) {
        in[i] = umb__grad_in(g, i);
    }
    if (in) { in[T + 1] = dpenalty; }
    for (int t = 0; st == UMB_OK && dpenalty >= 0 && t < T; t++) {
        const struct umb_soft_share_attrs a = {.trunk = t};
        int out[UMB_OP_MAX_OUT];
        if (!umb__grad_wants(g, t)) { continue; }
        st = umb__grad_node(g, "soft_share_backward", &a, T + 2, in, out);
        if (st == UMB_OK) { umb__grad_give(g, t, out[0]); }
    }
    umb__free(in);
    return st;
}

/* Reference. */

static double pull_of(const struct umb_reference *r, int T, int t, int s)
{
    return r->in[T].data[t < s ? t * T + s : s * T + t];
}

static void reference(const struct umb_reference *r)
{
    const int T = r->n_in - 1;
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    for (int t = 0; t < T; t++) {
        for (int s = t; s < T; s++) {
            const double *x = r->in[t].data, *y = r->in[s].data, p = pull_of(r, T, t, s);
            for (int64_t i = 0; i < n; i++) {
                const double d = t == s ? x[i] : x[i] - y[i];
                r->out[0].data[0] += p * d * d;
            }
        }
    }
}

static void backward_reference(const struct umb_reference *r)
{
    const struct umb_soft_share_attrs *a = r->attrs;
    const int T = backward_trunks(a, r->n_in), t = (int)a->trunk;
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    const double scale = 2 * r->in[T + 1].data[0];
    for (int64_t i = 0; i < n; i++) {
        double sum = pull_of(r, T, t, t) * r->in[t].data[i];
        for (int s = 0; s < T; s++) {
            if (s != t) { sum += pull_of(r, T, t, s) * (r->in[t].data[i] - r->in[s].data[i]); }
        }
        r->out[0].data[i] = scale * sum + (a->adds ? r->in[T + 2].data[i] : 0);
    }
}

/* Kernels. */

static const struct umb_kernel forward_kernel = {"soft_share", "soft_share.cl", "soft_share",
                                                 "rrrrrrrrrwiiiiiiiil"};
static const struct umb_kernel finish_kernel = {"soft_share_finish", "soft_share.cl",
                                                "soft_share_finish", "rwil"};
static const struct umb_kernel backward_kernel = {"soft_share_backward", "soft_share.cl",
                                                  "soft_share_backward", "rrrrrrrrrrrwiiiiiiii"};

/* A launch for trunk t: the trunks from place `first` on among the others. */
struct turn {
    int own, other[OTHERS], n;
};

static struct turn turn_of(const struct umb_emit *e, int T, int t, int first)
{
    struct turn turn = {.own = e->in[t]};
    for (int k = 0; k < OTHERS; k++) {
        const int place = first + k, s = place < t ? place : place + 1;
        turn.other[k] = s < T ? e->in[s] : turn.own; /* not read */
        turn.n += s < T;
    }
    return turn;
}

/* How many launches t's penalty takes: it counts with the trunks behind it. */
static int n_turns(int T, int t)
{
    const int behind = T - 1 - t;
    return behind ? (behind + OTHERS - 1) / OTHERS : 1;
}

static enum umb_status emit_turn(struct umb_emit *e, const struct umb_spread *s,
                                 const char *options, int sums, int t, int number, int at)
{
    const int T = e->p.n_in - 1, first = t + number * OTHERS;
    const struct turn u = turn_of(e, T, t, first);
    const struct umb_emit_launch launch = umb__spread_launch(s, &forward_kernel, options);
    return umb__emit_launch(e, &launch, u.own, u.other[0], u.other[1], u.other[2], u.other[3],
                            u.other[4], u.other[5], u.other[6], e->in[T], sums, T, t, first, u.n,
                            (int)(number == 0), at, (int)umb__shape_count(&e->p.in[0].shape),
                            s->span, s->local * sizeof(float));
}

static enum umb_status emit(struct umb_emit *e)
{
    const int T = e->p.n_in - 1;
    struct umb_spread s =
        umb__spread(e->p.caps, umb__shape_count(&e->p.in[0].shape), LEAST_SPAN, MOST_GROUPS);
    const char *options = umb__emit_printf(e, "-DVW=%d%s", s.lanes, umb__shuffle_option(e->p.caps));
    const size_t begin = e->steps->n;
    int turns = 0, sums, done = 0;
    for (int t = 0; t < T; t++) {
        turns += n_turns(T, t);
    }
    enum umb_status st = umb__emit_temp(e, (size_t)turns * s.groups * sizeof(float), &sums);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    for (int t = 0; t < T; t++) {
        for (int k = 0; st == UMB_OK && k < n_turns(T, t); k++) {
            st = emit_turn(e, &s, options, sums, t, k, done++ * (int)s.groups);
        }
    }
    if (st != UMB_OK) { return st; }
    umb__emit_beside(e, begin);
    const int n_sums = turns * (int)s.groups;
    s.groups = 1;
    const struct umb_emit_launch last = umb__spread_launch(&s, &finish_kernel, options);
    return umb__emit_launch(e, &last, sums, e->out[0], n_sums, s.local * sizeof(float));
}

static enum umb_status emit_backward(struct umb_emit *e)
{
    const struct umb_soft_share_attrs *a = e->p.attrs;
    const int T = backward_trunks(a, e->p.n_in), t = (int)a->trunk;
    const int n = (int)umb__shape_count(&e->p.in[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, n);
    const struct umb_emit_launch launch =
        umb__spread_launch(&s, &backward_kernel, umb__lanes_option(e, s.lanes));
    int before = a->adds ? e->in[T + 2] : e->in[t];
    if (!launch.options) { return UMB_ERR_NO_MEMORY; }
    for (int first = 0; first < T - 1; first += OTHERS) {
        const struct turn u = turn_of(e, T, t, first);
        const enum umb_status st = umb__emit_launch(
            e, &launch, u.own, u.other[0], u.other[1], u.other[2], u.other[3], u.other[4],
            u.other[5], u.other[6], e->in[T], e->in[T + 1], before, e->out[0], T, t, first, u.n,
            (int)(first == 0), (int)(a->adds || first > 0), n, s.span);
        if (st != UMB_OK) { return st; }
        before = e->out[0]; /* the next launch goes on from here */
    }
    return UMB_OK;
}

static const struct umb_solver solvers[] = {{"flat", umb__applies_always, emit}, {0}};
static const struct umb_solver backward_solvers[] = {{"flat", umb__applies_always, emit_backward},
                                                     {0}};

/* A difference, a square and a sum for each pair; a square for each parameter. */
static double flops(const struct umb_problem *p)
{
    const double T = p->n_in - 1;
    return (2 * T * (T - 1) + 3 * T) * (double)umb__shape_count(&p->in[0].shape);
}

static double backward_flops(const struct umb_problem *p)
{
    const double T = backward_trunks(p->attrs, p->n_in);
    return (3 * T + 1) * (double)umb__shape_count(&p->in[0].shape);
}

/* mask: an adjacency matrix, which gets no gradient. */
static const struct umb_op_case cases[] = {
    {.in = "1 1 2,2:mask"},
    {.in = "5,3,3,2 5,3,3,2 5,3,3,2 3,3:mask"},
    {.in = "1003 1003 2,2", .flags = UMB_CASE_NO_GRAD},
    {.in = "17,31 17,31 17,31 17,31 4,4", .flags = UMB_CASE_NO_GRAD},
    {.in = "67 67 67 67 67 67 67 67 8,8", .flags = UMB_CASE_NO_GRAD},
    {.in = "37 37 37 37 37 37 37 37 37 9,9:mask"},
    {.in = "5003 5003 2,2:mask"},
    {.in = "3,3,32,64 3,3,32,64 2,2:mask", .flags = UMB_CASE_BENCH},
    {.in = "2000000 2000000 2000000 2000000 4,4:mask", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op_case backward_cases[] = {
    {.in = "1 1 2,2 1 1", .attrs = "trunk=1 adds=true"},
    {.in = "17,31 17,31 17,31 3,3 1 17,31", .attrs = "trunk=1 adds=true"},
    {.in = "1003 1003 1003 1003 4,4 1", .attrs = "trunk=3"},
    {.in = "37 37 37 37 37 37 37 37 37 37 37 11,11 1 37", .attrs = "trunk=8 adds=true"},
    {.in = "2000000 2000000 2,2 1 2000000",
     .attrs = "adds=true",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op soft_share = {.name = "soft_share",
                                         .help = "distances between parameters of several networks",
                                         .min_in = 3,
                                         .max_in = 4096,
                                         .infer = infer,
                                         .grad = grad,
                                         .reference = reference,
                                         .flops = flops,
                                         .solvers = solvers,
                                         .cases = cases};

static const struct umb_op soft_share_backward = {.name = "soft_share_backward",
                                                  .min_in = 4,
                                                  .max_in = 4098,
                                                  .attrs = backward_attrs,
                                                  .attrs_bytes =
                                                      sizeof(struct umb_soft_share_attrs),
                                                  .infer = infer_backward,
                                                  .reference = backward_reference,
                                                  .flops = backward_flops,
                                                  .solvers = backward_solvers,
                                                  .cases = backward_cases};

const struct umb_op *const umb__ops_soft_share[] = {&soft_share, &soft_share_backward, NULL};
