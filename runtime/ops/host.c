/*
 * host: in [n] → out [n_out] by a function of the host (host.h). Its kernel is nobody's: the
 * executor (graph/run.c) fetches, has the function called, and delivers.
 */
#include "host.h"
#include "spread.h"

static enum umb_status infer(struct umb_infer *io)
{
    const struct umb_host_attrs *a = io->attrs;
    if (umb__shape_count(&io->in[0].shape) + a->n_out > UMB_HOST_MOST) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "more than %d numbers for the host",
                         UMB_HOST_MOST);
    }
    io->n_out = 1;
    io->out[0] = (struct umb_type){.dtype = UMB_F32, .shape = {.rank = 1, .dim = {a->n_out}}};
    return UMB_OK;
}

/* In slot 0; the function takes float32. */
static void reference(const struct umb_reference *r)
{
    const struct umb_host_attrs *a = r->attrs;
    const int64_t n = umb__shape_count(&r->in[0].type->shape);
    float in[UMB_HOST_MOST], *out = in + n;
    for (int64_t i = 0; i < n; i++) {
        in[i] = (float)r->in[0].data[i];
    }
    a->call(a->user, 0, in, out);
    for (int i = 0; i < a->n_out; i++) {
        r->out[0].data[i] = (double)out[i];
    }
}

static enum umb_status emit(struct umb_emit *e)
{
    return umb__emit_host(e, e->p.attrs);
}

static const struct umb_solver solvers[] = {{"host", umb__applies_always, emit}, {0}};

static const struct umb_op host = {.name = "host",
                                   .min_in = 1,
                                   .max_in = 1,
                                   .attrs_bytes = sizeof(struct umb_host_attrs),
                                   .infer = infer,
                                   .reference = reference,
                                   .solvers = solvers};

const struct umb_op *const umb__ops_host[] = {&host, NULL};
