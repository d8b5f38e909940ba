/*
 * multiply: y = Π_i x_i, element by element: inputs of one shape, or a feature map [N,…,C] and
 * gates [N,C], which count at every position of their sample. The gradient into one input is dy
 * times the others; into gates it is also summed over positions.
 */
#include "mix.h"

#define AT_ONCE 4 /* inputs a launch */
#define MOST_IN 16

static const struct umb_kernel kernel = {"multiply", "multiply.cl", "multiply_inputs", "rrrrwiii"};

/* Input 1 is [N,C], and input 0 has positions between. */
static bool has_gates(int n_in, const struct umb_type *x, const struct umb_type *gates)
{
    return n_in == 2 && x->shape.rank > 2 && gates->shape.rank == 2;
}

static struct umb_mix gates_of(const struct umb_type *x)
{
    return (struct umb_mix){.by_sample = umb__shape_channels(&x->shape), .channels = true};
}

static enum umb_status infer_gates(struct umb_infer *io)
{
    const struct umb_type *x = &io->in[0], *g = &io->in[1];
    enum umb_status st = umb__infer_same(io);
    if (st == UMB_OK) { st = umb__expect_f32(io, 1, 2, "gates [N,C]"); }
    const bool fits = g->shape.dim[0] == x->shape.dim[0] &&
                      g->shape.dim[1] == umb__shape_channels(&x->shape) &&
                      g->n_segments == x->n_segments && g->segment == x->segment;
    if (st != UMB_OK || fits) { return st; }
    char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
    return umb__fail(io->ctx, UMB_ERR_INVALID,
                     "input 0 has shape %s, input 1 has %s; expected equal shapes, or [N,…,C] and "
                     "[N,C], of the same streams",
                     umb__shape_text(&x->shape, a, sizeof a),
                     umb__shape_text(&g->shape, b, sizeof b));
}

static enum umb_status infer(struct umb_infer *io)
{
    return has_gates(io->n_in, &io->in[0], &io->in[1]) ? infer_gates(io) : umb__infer_equal(io, 0);
}

/* dy times every input but one; with two inputs that is one product. */
static enum umb_status give_product(struct umb_grad *g, int index)
{
    int in[MOST_IN], n = 0, dx[UMB_OP_MAX_OUT];
    in[n++] = umb__grad_dout(g, 0);
    for (int i = 0; i < umb__grad_n_in(g); i++) {
        if (i != index) { in[n++] = umb__grad_in(g, i); }
    }
    const enum umb_status st = umb__grad_node(g, "multiply", NULL, n, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, index, dx[0]); }
    return st;
}

static enum umb_status give_gates(struct umb_grad *g)
{
    const int in[] = {umb__grad_dout(g, 0), umb__grad_in(g, 0), umb__grad_in(g, 1)};
    int dx[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, "multiply_backward_gates", NULL, 3, in, dx);
    if (st == UMB_OK) { umb__grad_give(g, 1, dx[0]); }
    return st;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int n = umb__grad_n_in(g);
    if (umb__grad_dout(g, 0) < 0) { return UMB_OK; }
    const bool gated =
        has_gates(n, umb__grad_type(g, umb__grad_in(g, 0)), umb__grad_type(g, umb__grad_in(g, 1)));
    enum umb_status st = UMB_OK;
    for (int i = 0; i < n && st == UMB_OK; i++) {
        if (!umb__grad_wants(g, i)) { continue; }
        st = gated && i == 1 ? give_gates(g) : give_product(g, i);
    }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    if (has_gates(r->n_in, r->in[0].type, r->in[1].type)) {
        const struct umb_mix by = gates_of(r->in[0].type);
        umb__reference_mix(&by, r->in[0].type, 1, 0, r->in, r->in[1].data, r->out[0].data);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i] = 1;
        for (int k = 0; k < r->n_in; k++) {
            r->out[0].data[i] *= r->in[k].data[i];
        }
    }
}

/* From the left, AT_ONCE at a time; y is the first of those that follow. */
static enum umb_status emit_equal(struct umb_emit *e)
{
    const int64_t n = umb__shape_count(&e->p.out[0].shape);
    const struct umb_spread s = umb__spread_flat(e->p.caps, n);
    const char *options = umb__lanes_option(e, s.lanes);
    if (!options) { return UMB_ERR_NO_MEMORY; }
    const struct umb_emit_launch launch = umb__spread_launch(&s, &kernel, options);
    int in[AT_ONCE] = {e->in[0]}, used = 1;
    enum umb_status st = UMB_OK;
    while (used < e->p.n_in && st == UMB_OK) {
        int count = 1;
        while (count < AT_ONCE && used < e->p.n_in) {
            in[count++] = e->in[used++];
        }
        for (int i = count; i < AT_ONCE; i++) {
            in[i] = in[0];
        }
        st = umb__emit_launch(e, &launch, in[0], in[1], in[2], in[3], e->out[0], count, (int)n,
                              s.span);
        in[0] = e->out[0];
    }
    return st;
}

static enum umb_status emit(struct umb_emit *e)
{
    if (!has_gates(e->p.n_in, &e->p.in[0], &e->p.in[1])) { return emit_equal(e); }
    const struct umb_mix_sum sum = {
        .by = gates_of(&e->p.in[0]), .n_in = 1, .in = e->in, .weight = e->in[1], .out = e->out[0]};
    return umb__emit_mix(e, &sum);
}

/* The gates' gradient: inputs dy, x, gates (for their type). */

static enum umb_status gates_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[2];
    return UMB_OK;
}

static void gates_reference(const struct umb_reference *r)
{
    const struct umb_mix by = gates_of(r->in[1].type);
    umb__reference_mix_weights(r, &by, 0, 1);
}

static enum umb_status gates_emit(struct umb_emit *e)
{
    const struct umb_mix by = gates_of(&e->p.in[1]);
    return umb__emit_mix_weights(e, &by, 0, 1);
}

static const struct umb_solver solvers[] = {{"elementwise", umb__applies_always, emit}, {0}};
static const struct umb_solver gates_solvers[] = {{"columns", umb__applies_always, gates_emit},
                                                  {0}};

static double flops(const struct umb_problem *p)
{
    return (double)(p->n_in - 1) * (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_op_case cases[] = {
    {.in = "1,1 1,1"},
    {.in = "3,5,7,2 3,5,7,2"},
    {.in = "4,17 4,17 4,17", .n_streams = 2},
    {.in = "2,19 2,19 2,19 2,19 2,19 2,19"},
    {.in = "2,7,5,3 2,3"},
    {.in = "4,3,3,67 4,67", .n_streams = 2},
    {.in = "1,1,1,1 1,1"},
    {.in = "2,15,17,16 2,16"},
    {.in = "64,14,14,64 64,14,14,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.in = "64,14,14,64 64,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op multiply = {
    .name = "multiply",
    .help = "the product of inputs of one shape, or of a map [N,H,W,C] and gates [N,C]",
    .flags = UMB_OP_LAYER,
    .min_in = 2,
    .max_in = MOST_IN,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .flops = flops,
    .solvers = solvers,
    .cases = cases};

static const struct umb_op multiply_backward_gates = {.name = "multiply_backward_gates",
                                                      .min_in = 3,
                                                      .max_in = 3,
                                                      .infer = gates_infer,
                                                      .reference = gates_reference,
                                                      .flops = flops,
                                                      .solvers = gates_solvers};

const struct umb_op *const umb__ops_multiply[] = {&multiply, &multiply_backward_gates, NULL};
