#include "optimizer_common.h"
#include "optimizer.h"

#define LEAST_SPAN 4096
#define MOST_GROUPS 1024

static bool has_floats(const struct umb_type *t, int64_t n)
{
    return t->dtype == UMB_F32 && umb__shape_count(&t->shape) == n;
}

enum umb_status umb__optimizer_infer(struct umb_infer *io, int n_moments)
{
    const int64_t n = umb__shape_count(&io->in[0].shape);
    const int hyper = 2 + n_moments;
    char got[UMB_SHAPE_TEXT];
    io->n_out = 0;
    if (io->n_in < hyper + 1 || io->n_in > hyper + 2) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "%d inputs; expected %d, or %d with a scale",
                         io->n_in, hyper + 1, hyper + 2);
    }
    for (int i = 0; i < io->n_in; i++) {
        const int64_t expected = i < hyper ? n : i == hyper ? UMB_HYPER_COUNT : 1;
        if (!has_floats(&io->in[i], expected)) {
            return umb__fail(
                io->ctx, UMB_ERR_INVALID, "input %d has shape %s; expected float32 [%lld]", i,
                umb__shape_text(&io->in[i].shape, got, sizeof got), (long long)expected);
        }
    }
    return UMB_OK;
}

struct umb_update umb__optimizer_update(const struct umb_reference *r, int n_moments)
{
    const int hyper = 2 + n_moments;
    struct umb_update u = {.n = umb__shape_count(&r->in[0].type->shape),
                           .param = r->in[0].data,
                           .grad = r->in[1].data,
                           .hyper = r->in[hyper].data};
    for (int i = 0; i < n_moments; i++) {
        u.moment[i] = r->in[2 + i].data;
    }
    u.scale = r->n_in > hyper + 1 ? r->in[hyper + 1].data[0] : u.hyper[UMB_HYPER_ONE];
    return u;
}

enum umb_status umb__optimizer_walk(struct umb_emit *e, int n_moments,
                                    struct umb_optimizer_walk *ret_walk)
{
    const int hyper = 2 + n_moments;
    const bool clipped = e->p.n_in > hyper + 1;
    const int64_t n = umb__shape_count(&e->p.in[0].shape);
    const struct umb_spread spread = umb__spread(e->p.caps, n, LEAST_SPAN, MOST_GROUPS);
    *ret_walk = (struct umb_optimizer_walk){.spread = spread,
                                            .options = umb__emit_printf(e, "-DVW=%d", spread.lanes),
                                            .hyper = e->in[hyper],
                                            .scale = e->in[clipped ? hyper + 1 : hyper],
                                            .scale_index = clipped ? 0 : UMB_HYPER_ONE,
                                            .n = (int)n};
    return ret_walk->options ? UMB_OK : UMB_ERR_NO_MEMORY;
}
