/*
 * gather: vectors one after another, made in their places where that can be arranged: what the host
 * is told, losses and sums, in one piece.
 */
#include "add.h"
#include "simple.h"

static enum umb_status infer(struct umb_infer *io)
{
    int64_t n = 0;
    for (int i = 0; i < io->n_in; i++) {
        const enum umb_status st = umb__expect_f32(io, i, 1, "a vector");
        if (st != UMB_OK) { return st; }
        n += io->in[i].shape.dim[0];
    }
    io->n_out = 1;
    io->out[0] = (struct umb_type){.dtype = UMB_F32, .shape = {1, {n}}};
    return UMB_OK;
}

static const struct umb_solver solvers[] = {{"copy", umb__applies_always, umb__emit_joined}, {0}};
static const struct umb_op_case cases[] = {
    {.in = "1", .flags = UMB_CASE_NO_GRAD}, {.in = "1 1 17 5", .flags = UMB_CASE_NO_GRAD}, {0}};

static const struct umb_op gather = {.name = "gather",
                                     .flags = UMB_OP_JOIN | UMB_OP_SMALL,
                                     .min_in = 1,
                                     .max_in = 1024,
                                     .infer = infer,
                                     .reference = umb__reference_joined,
                                     .solvers = solvers,
                                     .cases = cases};

const struct umb_op *const umb__ops_gather[] = {&gather, NULL};
