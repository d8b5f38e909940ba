/*
 * cross_stitch: y = Σ_j α_j·x_j, one row of a cross-stitch unit (Misra et al., CVPR 2016): what one
 * of n networks goes on with, out of what all n have. α is trained, a number an input or one an
 * input and channel; it begins at `diagonal` for the network's `own` input and at (1 − diagonal)/(n
 * − 1) for the others. A unit of n networks is n such layers on the same inputs.
 */
#include "mix.h"
#include <stddef.h>

#define MOST_IN 16

enum per { PER_INPUT, PER_CHANNEL };

struct stitch_attrs {
    int64_t own;
    double diagonal;
    int per;
};

static struct umb_mix alpha_of(bool channels, const struct umb_type *x)
{
    return (struct umb_mix){.by_input = channels ? umb__shape_channels(&x->shape) : 1,
                            .channels = channels};
}

/* α is [n], or [n,C]. */
static struct umb_mix mix_of(const struct umb_type *alpha, const struct umb_type *x)
{
    return alpha_of(alpha->shape.rank == 2, x);
}

static enum umb_status infer(struct umb_infer *io)
{
    const struct stitch_attrs *a = io->attrs;
    const enum umb_status st = umb__infer_equal(io, 0);
    if (st != UMB_OK) { return st; }
    if (a->own >= io->n_in) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "own is %d with %d inputs; expected 0 to %d, counted in `from`",
                         (int)a->own, io->n_in, io->n_in - 1);
    }
    struct umb_type alpha = {.dtype = UMB_F32, .shape = {1, {io->n_in}}};
    if (a->per == PER_CHANNEL) {
        alpha.shape = (struct umb_shape){2, {io->n_in, umb__shape_channels(&io->in[0].shape)}};
    }
    io->n_params = 1;
    io->params[0] = (struct umb_param_spec){.name = "alpha",
                                            .kind = UMB_PARAM_TRAINED,
                                            .type = alpha,
                                            .layout = umb__layout_plain(&alpha.shape),
                                            .init = UMB_INIT_OWN,
                                            .own = a->own,
                                            .value = a->diagonal,
                                            .rest = (1 - a->diagonal) / (io->n_in - 1)};
    return UMB_OK;
}

static enum umb_status give_alpha(struct umb_grad *g, int index)
{
    int in[MOST_IN + 2], n = 0, dalpha[UMB_OP_MAX_OUT];
    in[n++] = umb__grad_in(g, index); /* for its type */
    in[n++] = umb__grad_dout(g, 0);
    for (int i = 0; i < index; i++) {
        in[n++] = umb__grad_in(g, i);
    }
    const enum umb_status st =
        umb__grad_node(g, "cross_stitch_backward_alpha", NULL, n, in, dalpha);
    if (st == UMB_OK) { umb__grad_give(g, index, dalpha[0]); }
    return st;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int n = umb__grad_n_in(g) - 1; /* α is the last */
    if (umb__grad_dout(g, 0) < 0) { return UMB_OK; }
    enum umb_status st = umb__grad_wants(g, n) ? give_alpha(g, n) : UMB_OK;
    for (int i = 0; i < n && st == UMB_OK; i++) {
        if (umb__grad_wants(g, i)) {
            st = umb__grad_mix_input(g, "cross_stitch_backward_input", n, i, i);
        }
    }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const int n = r->n_in - 1;
    const struct umb_mix by = mix_of(r->in[n].type, r->in[0].type);
    umb__reference_mix(&by, r->in[0].type, n, 0, r->in, r->in[n].data, r->out[0].data);
}

static enum umb_status emit(struct umb_emit *e)
{
    const int n = e->p.n_in - 1;
    const struct umb_mix_sum sum = {.by = mix_of(&e->p.in[n], &e->p.in[0]),
                                    .n_in = n,
                                    .in = e->in,
                                    .weight = e->in[n],
                                    .out = e->out[0]};
    return umb__emit_mix(e, &sum);
}

/* An input's gradient: inputs α, dy. */

static void input_reference(const struct umb_reference *r)
{
    const struct umb_mix by = mix_of(r->in[0].type, r->in[1].type);
    umb__reference_mix_input(r, &by);
}

static enum umb_status input_emit(struct umb_emit *e)
{
    const struct umb_mix by = mix_of(&e->p.in[0], &e->p.in[1]);
    return umb__emit_mix_input(e, &by);
}

/* α's gradient: inputs α (for its type), dy, x_j. */

static enum umb_status alpha_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    return UMB_OK;
}

static void alpha_reference(const struct umb_reference *r)
{
    const struct umb_mix by = mix_of(r->in[0].type, r->in[1].type);
    umb__reference_mix_weights(r, &by, 1, r->n_in - 2);
}

static enum umb_status alpha_emit(struct umb_emit *e)
{
    const struct umb_mix by = mix_of(&e->p.in[0], &e->p.in[1]);
    return umb__emit_mix_weights(e, &by, 1, e->p.n_in - 2);
}

static const struct umb_solver solvers[] = {{"mix", umb__applies_always, emit}, {0}};
static const struct umb_solver input_solvers[] = {{"mix", umb__applies_always, input_emit}, {0}};
static const struct umb_solver alpha_solvers[] = {{"parts", umb__applies_always, alpha_emit}, {0}};

/* Forward and the input's gradient: in[0] or dy; α's: dy. */
static double flops_of(const struct umb_problem *p, int n, int x)
{
    return 2.0 * n * (double)umb__shape_count(&p->in[x].shape);
}

static double flops(const struct umb_problem *p)
{
    return flops_of(p, p->n_in - 1, 0);
}

static double input_flops(const struct umb_problem *p)
{
    return flops_of(p, 1, 1);
}

static double alpha_flops(const struct umb_problem *p)
{
    return flops_of(p, p->n_in - 2, 1);
}

static const char *const per_words[] = {"input", "channel", NULL};

static const struct umb_attr_desc attrs[] = {
    {.name = "own",
     .type = UMB_ATTR_INT,
     .offset = offsetof(struct stitch_attrs, own),
     .required = true,
     .min = 0,
     .max = MOST_IN - 1,
     .help = "which input is the network's own, counted from 0"},
    {.name = "diagonal",
     .type = UMB_ATTR_FLOAT,
     .offset = offsetof(struct stitch_attrs, diagonal),
     .min = -1e6,
     .max = 1e6,
     .fallback = "0.9",
     .help = "what its own weight begins at; the others share what is missing to 1"},
    {.name = "per",
     .type = UMB_ATTR_CHOICE,
     .offset = offsetof(struct stitch_attrs, per),
     .fallback = "input",
     .choices = per_words,
     .help = "a weight an input, or one an input and channel"},
    {0}};

static const struct umb_op_case cases[] = {
    {.attrs = "own=0", .in = "1,1 1,1"},
    {.attrs = "own=1", .in = "3,5,7,2 3,5,7,2"},
    {.attrs = "own=0 per=channel", .in = "3,5,7,2 3,5,7,2"},
    {.attrs = "own=2 per=channel", .in = "4,17 4,17 4,17", .n_streams = 2},
    {.attrs = "own=4", .in = "2,33 2,33 2,33 2,33 2,33"},
    {.attrs = "own=0", .in = "2,53,53,3 2,53,53,3"},
    {.attrs = "own=1 per=channel", .in = "2,47,31,13 2,47,31,13"},
    {.attrs = "own=0", .in = "64,14,14,64 64,14,14,64", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {.attrs = "own=0 per=channel",
     .in = "64,14,14,64 64,14,14,64",
     .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_op cross_stitch = {
    .name = "cross_stitch",
    .help = "inputs of one shape, each times a trained weight, added up",
    .flags = UMB_OP_LAYER,
    .min_in = 2,
    .max_in = MOST_IN,
    .attrs = attrs,
    .attrs_bytes = sizeof(struct stitch_attrs),
    .infer = infer,
    .grad = grad,
    .reference = reference,
    .flops = flops,
    .solvers = solvers,
    .cases = cases};

static const struct umb_op cross_stitch_backward_input = {.name = "cross_stitch_backward_input",
                                                          .min_in = 2,
                                                          .max_in = 2,
                                                          .attrs_bytes =
                                                              sizeof(struct umb_mix_input_attrs),
                                                          .infer = umb__infer_mix_input,
                                                          .reference = input_reference,
                                                          .flops = input_flops,
                                                          .solvers = input_solvers};

static const struct umb_op cross_stitch_backward_alpha = {.name = "cross_stitch_backward_alpha",
                                                          .min_in = 4,
                                                          .max_in = MOST_IN + 2,
                                                          .infer = alpha_infer,
                                                          .reference = alpha_reference,
                                                          .flops = alpha_flops,
                                                          .solvers = alpha_solvers};

const struct umb_op *const umb__ops_cross_stitch[] = {&cross_stitch, &cross_stitch_backward_input,
                                                      &cross_stitch_backward_alpha, NULL};
