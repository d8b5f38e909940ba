/*
 * mixture: y = Σ_e gate[i,e]·x_e, sample by sample: experts mixed by a task's gate (MMoE, Ma et
 * al., KDD 2018). Inputs: gate [N,n], as a softmax makes it, then n experts of one shape [N,…,C].
 */
#include "mix.h"
#include <stddef.h>

#define MOST_EXPERTS 62

/* Of n experts. */
static struct umb_mix gate_of(int64_t n)
{
    return (struct umb_mix){.by_sample = n, .by_input = 1};
}

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_type *gate = &io->in[0], *x = &io->in[1];
    const int n = io->n_in - 1;
    enum umb_status st = umb__expect_f32(io, 0, 2, "a gate [N,experts]");
    if (st == UMB_OK) { st = umb__infer_equal(io, 1); }
    const bool fits = gate->shape.dim[0] == x->shape.dim[0] && gate->shape.dim[1] == n &&
                      x->shape.rank > 1 && gate->n_segments == x->n_segments &&
                      gate->segment == x->segment;
    if (st != UMB_OK || fits) { return st; }
    char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
    return umb__fail(
        io->ctx, UMB_ERR_INVALID,
        "the gate has shape %s, %d experts have %s; expected a gate [N,%d] and experts "
        "[N,…,C] of the same streams",
        umb__shape_text(&gate->shape, a, sizeof a), n, umb__shape_text(&x->shape, b, sizeof b), n);
}

static enum umb_status give_gate(struct umb_grad *g)
{
    int in[MOST_EXPERTS + 1], dgate[UMB_OP_MAX_OUT];
    const int n_in = umb__grad_n_in(g);
    in[0] = umb__grad_dout(g, 0);
    for (int i = 1; i < n_in; i++) {
        in[i] = umb__grad_in(g, i);
    }
    const enum umb_status st = umb__grad_node(g, "mixture_backward_gate", NULL, n_in, in, dgate);
    if (st == UMB_OK) { umb__grad_give(g, 0, dgate[0]); }
    return st;
}

static enum umb_status grad(struct umb_grad *g)
{
    if (umb__grad_dout(g, 0) < 0) { return UMB_OK; }
    enum umb_status st = umb__grad_wants(g, 0) ? give_gate(g) : UMB_OK;
    for (int i = 1; i < umb__grad_n_in(g) && st == UMB_OK; i++) {
        if (umb__grad_wants(g, i)) {
            st = umb__grad_mix_input(g, "mixture_backward_expert", 0, i - 1, i);
        }
    }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const struct umb_mix by = gate_of(r->n_in - 1);
    umb__reference_mix(&by, r->out[0].type, r->n_in - 1, 0, r->in + 1, r->in[0].data,
                       r->out[0].data);
}

static enum umb_status emit(struct umb_emit *e)
{
    const struct umb_mix_sum sum = {.by = gate_of(e->p.n_in - 1),
                                    .n_in = e->p.n_in - 1,
                                    .in = e->in + 1,
                                    .weight = e->in[0],
                                    .out = e->out[0]};
    return umb__emit_mix(e, &sum);
}

/* The gate's gradient: inputs dy, experts. */

static enum umb_status gate_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    io->out[0].shape = (struct umb_shape){2, {io->in[0].shape.dim[0], io->n_in - 1}};
    return UMB_OK;
}

static void gate_reference(const struct umb_reference *r)
{
    const struct umb_mix by = gate_of(r->n_in - 1);
    umb__reference_mix_weights(r, &by, 0, r->n_in - 1);
}

static enum umb_status gate_emit(struct umb_emit *e)
{
    const struct umb_mix by = gate_of(e->p.n_in - 1);
    return umb__emit_mix_weights(e, &by, 0, e->p.n_in - 1);
}

/* An expert's gradient: inputs gate, dy. */

static void expert_reference(const struct umb_reference *r)
{
    const struct umb_mix by = gate_of(r->in[0].type->shape.dim[1]);
    umb__reference_mix_input(r, &by);
}

static enum umb_status expert_emit(struct umb_emit *e)
{
    const struct umb_mix by = gate_of(e->p.in[0].shape.dim[1]);
    return umb__emit_mix_input(e, &by);
}

static const struct umb_solver solvers[] = {{"mix", umb__applies_always, emit}, {0}};
static const struct umb_solver gate_solvers[] = {{"dots", umb__applies_always, gate_emit}, {0}};
static const struct umb_solver expert_solvers[] = {{"mix", umb__applies_always, expert_emit}, {0}};

static double flops(const struct umb_problem *p)
{
    return 2.0 * (double)(p->n_in - 1) * (double)umb__shape_count(&p->in[p->n_in - 1].shape);
}

static const struct umb_op_case cases[] = {
    {.in = "1,1 1,1"},
    {.in = "3,2 3,5 3,5"},
    {.in = "4,3 4,17 4,17 4,17", .n_streams = 2},
    {.in = "5,5 5,33 5,33 5,33 5,33 5,33"},
    {.in = "2,9 2,3,2,5 2,3,2,5 2,3,2,5 2,3,2,5 2,3,2,5 2,3,2,5 2,3,2,5 2,3,2,5 2,3,2,5"},
    {.in = "2,2 2,9,11,16 2,9,11,16"},
    {.in = "64,4 64,128 64,128 64,128 64,128", .flags = UMB_CASE_BENCH},
    {.in = "64,3 64,14,14,64 64,14,14,64 64,14,14,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op mixture = {
    .name = "mixture",
    .help = "inputs of one shape, each times its number of the gate, added up; the gate is first",
    .flags = UMB_OP_LAYER,
    .min_in = 2,
    .max_in = MOST_EXPERTS + 1,
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .flops = flops,
    .solvers = solvers,
    .cases = cases};

static const struct umb_op mixture_backward_gate = {.name = "mixture_backward_gate",
                                                    .min_in = 2,
                                                    .max_in = MOST_EXPERTS + 1,
                                                    .infer = gate_infer,
                                                    .reference = gate_reference,
                                                    .flops = flops,
                                                    .solvers = gate_solvers};

static const struct umb_op mixture_backward_expert = {.name = "mixture_backward_expert",
                                                      .min_in = 2,
                                                      .max_in = 2,
                                                      .attrs_bytes =
                                                          sizeof(struct umb_mix_input_attrs),
                                                      .infer = umb__infer_mix_input,
                                                      .reference = expert_reference,
                                                      .flops = flops,
                                                      .solvers = expert_solvers};

const struct umb_op *const umb__ops_mixture[] = {&mixture, &mixture_backward_gate,
                                                 &mixture_backward_expert, NULL};
