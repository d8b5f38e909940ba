/*
 * add: equal tensors added up, from the left. sum is the same for autodiff, of any number of
 * inputs: one makes a copy. With `mask`, set by the fuse pass, sum's last input is no term: where
 * it is not positive the sum is 0, which is the gradient of the relu that made it.
 */
#include "add.h"
#include <stddef.h>

#define AT_ONCE 4 /* inputs a launch */

static const struct umb_kernel kernel = {"add", "shape.cl", "add_inputs", "rrrrrwiii"};

struct sum_attrs {
    bool mask;
};

static enum umb_status infer(struct umb_infer *io)
{
    return umb__infer_equal(io, 0);
}

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    for (int i = 0; dy >= 0 && i < umb__grad_n_in(g); i++) {
        umb__grad_give(g, i, dy);
    }
    return UMB_OK;
}

static void reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    for (int k = 0; k < r->n_in; k++) {
        for (int64_t i = 0; i < n; i++) {
            r->out[0].data[i] += r->in[k].data[i];
        }
    }
}

static void reference_sum(const struct umb_reference *r)
{
    const struct sum_attrs *a = r->attrs;
    struct umb_reference terms = *r;
    if (a->mask) { terms.n_in--; }
    reference(&terms);
    const int64_t n = a->mask ? umb__shape_count(&r->in[0].type->shape) : 0;
    for (int64_t i = 0; i < n; i++) {
        if (r->in[terms.n_in].data[i] <= 0) { r->out[0].data[i] = 0; }
    }
}

enum umb_status umb__emit_sum(struct umb_emit *e, const struct umb_sum *sum)
{
    const struct umb_spread s = umb__spread_flat(e->p.caps, sum->n);
    int terms[AT_ONCE], n_terms = 0;
    for (int k = 0; k < sum->n_in; k++) {
        const bool last = k + 1 == sum->n_in, masks = last && sum->mask >= 0;
        terms[n_terms++] = sum->in[k];
        if (n_terms < AT_ONCE && !last) { continue; }
        const char *options =
            umb__emit_printf(e, "-DVW=%d -DINPUTS=%d%s", s.lanes, n_terms, masks ? " -DMASK" : "");
        if (!options) { return UMB_ERR_NO_MEMORY; }
        for (int i = n_terms; i < AT_ONCE; i++) {
            terms[i] = terms[0];
        }
        const struct umb_emit_launch launch = umb__spread_launch(&s, &kernel, options);
        const enum umb_status st = umb__emit_launch(e, &launch, terms[0], terms[1], terms[2],
                                                    terms[3], masks ? sum->mask : terms[0],
                                                    sum->out, (int)sum->first, (int)sum->n, s.span);
        if (st != UMB_OK) { return st; }
        terms[0] = sum->out; /* the next launch goes on from here */
        n_terms = 1;
    }
    return UMB_OK;
}

static enum umb_status emit_all(struct umb_emit *e, bool mask)
{
    const int n_in = e->p.n_in - (mask ? 1 : 0);
    const struct umb_sum sum = {.n_in = n_in,
                                .in = e->in,
                                .mask = mask ? e->in[n_in] : -1,
                                .out = e->out[0],
                                .n = umb__shape_count(&e->p.in[0].shape)};
    return umb__emit_sum(e, &sum);
}

static enum umb_status emit(struct umb_emit *e)
{
    return emit_all(e, false);
}

static enum umb_status emit_sum(struct umb_emit *e)
{
    return emit_all(e, ((const struct sum_attrs *)e->p.attrs)->mask);
}

static const struct umb_solver solvers[] = {{"elementwise", umb__applies_always, emit}, {0}};
static const struct umb_solver sum_solvers[] = {{"elementwise", umb__applies_always, emit_sum},
                                                {0}};

static double flops(const struct umb_problem *p)
{
    return (double)(p->n_in - 1) * (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_op_case cases[] = {
    {.in = "1,1 1,1"},
    {.in = "3,5,7,2 3,5,7,2"},
    {.in = "4,17 4,17 4,17", .n_streams = 2},
    {.in = "4,19 4,19 4,19 4,19"},
    {.in = "5,13 5,13 5,13 5,13 5,13"},
    {.in = "2,99 2,99 2,99 2,99 2,99 2,99 2,99 2,99"},
    {.in = "128,26,26,32 128,26,26,32", .flags = UMB_CASE_BENCH | UMB_CASE_LARGE},
    {0}};

static const struct umb_attr_desc inner[] = {{.name = "mask",
                                              .type = UMB_ATTR_BOOL,
                                              .offset = offsetof(struct sum_attrs, mask),
                                              .fallback = "false",
                                              .help = "nothing where the last is not positive"},
                                             {0}};

static const struct umb_op_case sum_cases[] = {
    {.in = "3,11"},
    {.in = "9@- 9@- 9@-"},
    {.in = "3,67 3,67 3,67", .attrs = "mask=true", .flags = UMB_CASE_NO_GRAD},
    {.in = "5,13 5,13 5,13 5,13 5,13 5,13 5,13 5,13",
     .attrs = "mask=true",
     .flags = UMB_CASE_NO_GRAD},
    {0}};

static const struct umb_op add = {.name = "add",
                                  .help = "the sum of inputs of one shape",
                                  .flags = UMB_OP_LAYER | UMB_OP_BY_ROWS,
                                  .min_in = 2,
                                  .max_in = 1024,
                                  .infer = infer,
                                  .grad = grad,
                                  .reference = reference,
                                  .flops = flops,
                                  .solvers = solvers,
                                  .cases = cases};

static const struct umb_op sum = {.name = "sum",
                                  .min_in = 1,
                                  .max_in = 1 << 20,
                                  .inner = inner,
                                  .attrs_bytes = sizeof(struct sum_attrs),
                                  .infer = infer,
                                  .grad = grad,
                                  .reference = reference_sum,
                                  .flops = flops,
                                  .solvers = sum_solvers,
                                  .cases = sum_cases};

const struct umb_op *const umb__ops_add[] = {&add, &sum, NULL};
