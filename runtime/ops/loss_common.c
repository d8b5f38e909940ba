#include "loss_common.h"
#include "team.h"
#include "text.h"
#include <math.h>

/* Numbers a group: below this, a second group costs more than it saves. */
#define LEAST_SPAN 2048
#define MOST_GROUPS 64

static const struct umb_kernel finish = {"loss_finish", "loss.cl", "loss_finish", "rwwil"};

static enum umb_status check_shape(struct umb_infer *io, const char *what, int index,
                                   enum umb_dtype dtype, const struct umb_shape *expected)
{
    const struct umb_type *t = &io->in[index];
    char got[UMB_SHAPE_TEXT], want[UMB_SHAPE_TEXT];
    if (t->dtype != dtype) {
        return umb__fail(io->ctx, UMB_ERR_INVALID, "%s are of the wrong type; expected %s", what,
                         dtype == UMB_I32 ? "int32 classes" : "float32 numbers");
    }
    if (umb__shape_equal(&t->shape, expected)) { return UMB_OK; }
    return umb__fail(io->ctx, UMB_ERR_INVALID, "%s have shape %s; expected %s", what,
                     umb__shape_text(&t->shape, got, sizeof got),
                     umb__shape_text(expected, want, sizeof want));
}

enum umb_status umb__loss_infer(struct umb_infer *io, enum umb_dtype label_dtype,
                                const struct umb_shape *label_shape)
{
    const struct umb_type *x = &io->in[0];
    char got[UMB_SHAPE_TEXT];
    if (x->dtype != UMB_F32 || x->shape.rank < 2) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "predictions have shape %s; expected float32 [N,…,C]",
                         umb__shape_text(&x->shape, got, sizeof got));
    }
    enum umb_status st = check_shape(io, "labels", 1, label_dtype, label_shape);
    const struct umb_shape mask = {.rank = 1, .dim = {x->shape.dim[0]}};
    if (st == UMB_OK) { st = check_shape(io, "masks", 2, UMB_F32, &mask); }
    const struct umb_type scalar = {.dtype = UMB_F32, .shape = {.rank = 1, .dim = {1}}};
    io->n_out = 2;
    io->out[0] = scalar;
    io->out[1] = scalar;
    return st;
}

enum umb_status umb__loss_backward_infer(struct umb_infer *io)
{
    io->n_out = 1;
    io->out[0] = io->in[0];
    return UMB_OK;
}

enum umb_status umb__loss_grad(struct umb_grad *g, const char *backward)
{
    const int dloss = umb__grad_dout(g, 0);
    if (dloss < 0 || !umb__grad_wants(g, 0)) { return UMB_OK; }
    const int in[5] = {umb__grad_in(g, 0), umb__grad_in(g, 1), umb__grad_in(g, 2),
                       umb__grad_out(g, 1), dloss};
    int out[UMB_OP_MAX_OUT];
    const enum umb_status st = umb__grad_node(g, backward, umb__grad_attrs(g), 5, in, out);
    if (st == UMB_OK) { umb__grad_give(g, 0, out[0]); }
    return st;
}

/* A float literal for any locale, exact: an integer times a power of two. */
static void add_literal(struct umb_text *t, double value)
{
    int exponent;
    const double mantissa = frexp((float)value, &exponent);
    umb__text_printf(t, "%.0f*0x1p%df", ldexp(mantissa, 24), exponent - 24);
}

static enum umb_status make_options(struct umb_emit *e, int lanes, const struct umb_floats *weights,
                                    const char **ret_options)
{
    struct umb_text t = {0};
    umb__text_printf(&t, "-DVW=%d%s", lanes, umb__shuffle_option(e->p.caps));
    if (weights->n > 0) { umb__text_printf(&t, " -DN_WEIGHTS=%zu -DWEIGHTS=", weights->n); }
    for (size_t i = 0; i < weights->n; i++) {
        if (i > 0) { umb__text_add(&t, ","); }
        add_literal(&t, weights->value[i]);
    }
    enum umb_status st = umb__text_status(e->p.ctx, &t);
    if (st == UMB_OK) {
        *ret_options = umb__emit_printf(e, "%s", umb__text_string(&t));
        st = *ret_options ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    umb__text_finish(&t);
    return st;
}

enum umb_status umb__loss_walk(struct umb_emit *e, int64_t n, int64_t width,
                               const struct umb_floats *weights, struct umb_loss_walk *ret_walk)
{
    const int64_t least = width < LEAST_SPAN ? LEAST_SPAN / width : 1;
    struct umb_loss_walk w = {.spread = umb__spread(e->p.caps, n, least, MOST_GROUPS)};
    w.scratch_bytes = w.spread.local * sizeof(float);
    enum umb_status st = make_options(e, w.spread.lanes, weights, &w.options);
    const bool forward = e->p.n_out == 2;
    if (st == UMB_OK && forward) {
        st = umb__emit_temp(e, w.spread.groups * 2 * sizeof(float), &w.sums);
    }
    *ret_walk = w;
    return st;
}

enum umb_status umb__loss_finish(struct umb_emit *e, const struct umb_loss_walk *walk)
{
    if (walk->spread.groups == 1) { return UMB_OK; }
    struct umb_spread one = walk->spread;
    one.groups = 1;
    const struct umb_emit_launch launch = umb__spread_launch(&one, &finish, walk->options);
    return umb__emit_launch(e, &launch, walk->sums, e->out[0], e->out[1], (int)walk->spread.groups,
                            walk->scratch_bytes);
}

bool umb__loss_counts(const struct umb_reference *r, int64_t n)
{
    return r->in[2].data[n] > 0;
}

void umb__loss_put(const struct umb_reference *r, double loss_sum, double total)
{
    r->out[0].data[0] = total > 0 ? loss_sum / total : 0;
    r->out[1].data[0] = total;
}

double umb__loss_scale(const struct umb_reference *r)
{
    const double total = r->in[3].data[0];
    return total > 0 ? r->in[4].data[0] / total : 0;
}
