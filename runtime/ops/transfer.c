/*
 * transfer: a value on another device. devices.c puts it where a node reads what its device does
 * not hold; its gradient goes back the same way. What happens to it is the executor's
 * (graph/run.c), so it has no kernel.
 */
#include "steps.h"
#include <string.h>

static enum umb_status infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    return UMB_OK;
}

static enum umb_status grad(struct umb_grad *g)
{
    const int dy = umb__grad_dout(g, 0);
    int dx[UMB_OP_MAX_OUT];
    if (dy < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    const enum umb_status st = umb__grad_node(g, "transfer", NULL, 1, &dy, dx);
    if (st == UMB_OK) { umb__grad_give(g, 0, dx[0]); }
    return st;
}

static void reference(const struct umb_reference *r)
{
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    memcpy(r->out[0].data, r->in[0].data, (size_t)n * sizeof(double));
}

static int between_devices(const struct umb_problem *p)
{
    return p->n_in == 1;
}

static const struct umb_solver solvers[] = {{"host", between_devices, umb__emit_transfer}, {0}};

static const struct umb_op transfer = {.name = "transfer",
                                       .flags = UMB_OP_TRANSFER,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .infer = infer,
                                       .grad = grad,
                                       .reference = reference,
                                       .solvers = solvers};

const struct umb_op *const umb__ops_transfer[] = {&transfer, NULL};
