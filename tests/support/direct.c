#include "direct.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void need(enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(harness_context())); }
}

struct direct direct_open(const char *op, const char *attrs)
{
    struct direct d = {.op = umb__op_find(op), .training = true, .n_streams = 1};
    assert_non_null(d.op);
    need(umb__arena_create(harness_context(), &d.arena));
    d.attrs = umb__arena_calloc(d.arena, 1, d.op->attrs_bytes + 1);
    assert_non_null(d.attrs);
    umb__attrs_default(d.op, d.attrs);
    need(umb__attrs_parse(harness_context(), d.arena, d.op, d.attrs, attrs));
    return d;
}

void direct_close(struct direct *d)
{
    for (int i = 0; i < d->n_in; i++) {
        free(d->in[i]);
    }
    for (int i = 0; i < d->n_out; i++) {
        free(d->out[i]);
    }
    umb__arena_destroy(d->arena);
}

static void add(struct direct *d, enum umb_dtype dtype, const struct umb_shape *shape,
                const void *data)
{
    assert_true(d->n_in < DIRECT_MAX_IN);
    struct umb_type *type = &d->in_type[d->n_in];
    *type = (struct umb_type){.dtype = dtype, .shape = *shape, .n_segments = d->n_streams};
    void *copy = calloc(1, umb__type_bytes(type));
    assert_non_null(copy);
    if (data) { memcpy(copy, data, umb__type_bytes(type)); }
    d->in[d->n_in++] = copy;
}

void direct_f32(struct direct *d, const struct umb_shape *shape, const float *data)
{
    add(d, UMB_F32, shape, data);
}

void direct_i32(struct direct *d, const struct umb_shape *shape, const int32_t *data)
{
    add(d, UMB_I32, shape, data);
}

struct umb_shape direct_shape(int rank, int64_t a, int64_t b)
{
    return (struct umb_shape){.rank = rank, .dim = {a, b}};
}

static enum umb_status infer(struct direct *d, struct umb_infer *io)
{
    /* What passes fuse into an op may add inputs; nothing is fused here. */
    const int most = d->op->inner ? d->op->min_in : d->op->max_in;
    *io = (struct umb_infer){.ctx = harness_context(),
                             .attrs = d->attrs,
                             .training = d->training,
                             .n_streams = d->n_streams,
                             .n_in = d->n_in < most ? d->n_in : most,
                             .in = d->in_type};
    return d->op->infer(io);
}

const char *direct_refusal(struct direct *d)
{
    struct umb_infer io;
    return infer(d, &io) == UMB_OK ? "" : umb_context_error(harness_context());
}

static void make_outputs(struct direct *d)
{
    struct umb_infer io;
    need(infer(d, &io));
    for (int i = 0; i < d->n_out; i++) {
        free(d->out[i]);
    }
    d->n_out = io.n_out;
    for (int i = 0; i < d->n_out; i++) {
        d->out_type[i] = io.out[i];
        d->out[i] = calloc(1, umb__type_bytes(&io.out[i]));
        assert_non_null(d->out[i]);
    }
}

void direct_device(struct direct *d)
{
    make_outputs(d);
    struct umb_device *device = harness_device();
    struct umb_op_run run = {.p = {.ctx = harness_context(),
                                   .op = d->op,
                                   .attrs = d->attrs,
                                   .training = d->training,
                                   .caps = umb_device_get_caps(device),
                                   .n_in = d->n_in,
                                   .n_out = d->n_out,
                                   .in = d->in_type,
                                   .out = d->out_type},
                             .in = d->in,
                             .out = d->out,
                             .repeats = 1};
    run.solver = umb__solver_choose(&run.p, NULL);
    assert_non_null(run.solver);
    need(umb__op_run(device, &run));
}

/* By the reference. */

static double *to_double(const struct umb_type *type, const void *data)
{
    const int64_t n = umb__shape_count(&type->shape);
    double *x = calloc((size_t)n, sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) {
        x[i] =
            type->dtype == UMB_I32 ? ((const int32_t *)data)[i] : (double)((const float *)data)[i];
    }
    return x;
}

static void from_double(const struct umb_type *type, double *x, void *data)
{
    const int64_t n = umb__shape_count(&type->shape);
    for (int64_t i = 0; i < n; i++) {
        if (type->dtype == UMB_I32) {
            ((int32_t *)data)[i] = (int32_t)x[i];
        } else {
            ((float *)data)[i] = (float)x[i];
        }
    }
    free(x);
}

void direct_reference(struct direct *d)
{
    make_outputs(d);
    struct umb_ref_tensor in[DIRECT_MAX_IN], out[UMB_OP_MAX_OUT];
    for (int i = 0; i < d->n_in; i++) {
        in[i] = (struct umb_ref_tensor){&d->in_type[i], to_double(&d->in_type[i], d->in[i])};
    }
    for (int i = 0; i < d->n_out; i++) {
        out[i] = (struct umb_ref_tensor){&d->out_type[i], to_double(&d->out_type[i], d->out[i])};
    }
    const struct umb_reference r = {.attrs = d->attrs,
                                    .training = d->training,
                                    .n_in = d->n_in,
                                    .n_out = d->n_out,
                                    .in = in,
                                    .out = out};
    d->op->reference(&r);
    for (int i = 0; i < d->n_in; i++) {
        from_double(&d->in_type[i], in[i].data, d->in[i]);
    }
    for (int i = 0; i < d->n_out; i++) {
        from_double(&d->out_type[i], out[i].data, d->out[i]);
    }
}

float *direct_out(struct direct *d, int index)
{
    assert_in_range(index, 0, d->n_out - 1);
    return d->out[index];
}

float *direct_in(struct direct *d, int index)
{
    assert_in_range(index, 0, d->n_in - 1);
    return d->in[index];
}

void assert_close(const char *what, const float *got, const float *expected, int64_t n,
                  double tolerance)
{
    for (int64_t i = 0; i < n; i++) {
        const double g = got[i], e = expected[i];
        if (isnan(g) && isnan(e)) { continue; }
        if (!(fabs(g - e) <= tolerance * (1 + fabs(e)))) {
            fail_msg("%s at %lld: got %.9g, expected %.9g", what, (long long)i, g, e);
        }
    }
}
