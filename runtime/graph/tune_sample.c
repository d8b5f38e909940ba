/*
 * tune_sample.c: a problem with numbers, and what must come out: by one run of the reference, or by
 * rows (tune_by_rows.c).
 */
#include "tune_internal.h"

enum umb_status umb__sample_work_out(const struct umb_sample *s, const struct umb_type *type,
                                     const void *const *host, double **ret_data)
{
    struct umb_ref_tensor tensor[UMB_TUNE_MAX_TENSORS];
    const struct umb_problem *p = &s->p;
    for (int k = 0; k < umb__sample_n_tensors(s); k++) {
        const int64_t count = umb__shape_count(&type[k].shape);
        ret_data[k] = umb__calloc(s->ctx, (size_t)count, sizeof(double));
        if (!ret_data[k]) { return UMB_ERR_NO_MEMORY; }
        for (int64_t i = 0; i < count && k < p->n_in; i++) {
            ret_data[k][i] = umb__number_at(type[k].dtype, host[k], i);
        }
        tensor[k] = (struct umb_ref_tensor){&type[k], ret_data[k]};
    }
    p->op->reference(&(struct umb_reference){.attrs = p->attrs,
                                             .training = p->training,
                                             .n_in = p->n_in,
                                             .n_out = p->n_out,
                                             .in = tensor,
                                             .out = tensor + p->n_in});
    return UMB_OK;
}

void umb__sample_free_numbers(double **data)
{
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(data[k]);
        data[k] = NULL;
    }
}

static enum umb_status fill_whole(const struct umb_sample_desc *d, struct umb_sample *s)
{
    enum umb_status st = UMB_OK;
    for (int k = 0; k < s->p.n_in && st == UMB_OK; k++) {
        s->in[k] = umb__calloc(s->ctx, 1, umb__type_bytes(&s->p.in[k]));
        st = s->in[k] ? umb__tune_fill(s->ctx, d->graph, d->node, k, &s->p.in[k], s->in[k])
                      : UMB_ERR_NO_MEMORY;
    }
    return st;
}

static bool is_changed(const struct umb_type *type, const void *host, const double *data)
{
    const int64_t count = umb__shape_count(&type->shape);
    for (int64_t i = 0; i < count; i++) {
        if (umb__number_at(type->dtype, host, i) != data[i]) { return true; }
    }
    return false;
}

/* Outputs are expected, and those inputs that the reference wrote. */
static enum umb_status expect_whole(struct umb_sample *s)
{
    struct umb_type type[UMB_TUNE_MAX_TENSORS];
    double *data[UMB_TUNE_MAX_TENSORS] = {0};
    for (int k = 0; k < umb__sample_n_tensors(s); k++) {
        type[k] = *umb__tune_type(&s->p, k);
    }
    enum umb_status st = umb__sample_work_out(s, type, (const void *const *)s->in, data);
    for (int k = 0; k < umb__sample_n_tensors(s) && st == UMB_OK; k++) {
        if (k >= s->p.n_in || is_changed(&type[k], s->in[k], data[k])) {
            s->expected[k].all = data[k];
            data[k] = NULL;
        }
    }
    umb__sample_free_numbers(data);
    return st;
}

static enum umb_status make(const struct umb_sample_desc *d, struct umb_sample *s)
{
    const double flops = d->p.op->flops ? d->p.op->flops(&d->p) : 0;
    bool done = false;
    enum umb_status st = UMB_OK;
    if (d->checked && flops > d->max_flops) { st = umb__sample_by_rows(d, s, &done); }
    if (st == UMB_OK && !done) { st = fill_whole(d, s); }
    if (st == UMB_OK && !done && d->checked) { st = expect_whole(s); }
    for (int k = 0; k < umb__sample_n_tensors(s) && st == UMB_OK; k++) {
        const bool input = k < d->p.n_in;
        if (input && !d->checked) { continue; }
        s->work[k] = umb__calloc(d->ctx, 1, umb__type_bytes(umb__tune_type(&d->p, k)));
        if (!s->work[k]) { st = UMB_ERR_NO_MEMORY; }
    }
    return st;
}

enum umb_status umb__sample_create(const struct umb_sample_desc *desc,
                                   struct umb_sample **ret_sample)
{
    struct umb_sample *s = umb__calloc(desc->ctx, 1, sizeof *s);
    if (!s) { return UMB_ERR_NO_MEMORY; }
    s->ctx = desc->ctx;
    s->p = desc->p;
    s->checked = desc->checked;
    enum umb_status st = UMB_OK;
    if (umb__sample_n_tensors(s) > UMB_TUNE_MAX_TENSORS) {
        st = umb__fail(desc->ctx, UMB_ERR_UNSUPPORTED, "%s: more than %d tensors", desc->p.op->name,
                       UMB_TUNE_MAX_TENSORS);
    }
    if (st == UMB_OK) { st = make(desc, s); }
    if (st != UMB_OK) {
        umb__sample_destroy(s);
        return st;
    }
    *ret_sample = s;
    return UMB_OK;
}

void umb__sample_forget(struct umb_sample *s)
{
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(s->in[k]);
        umb__free(s->one_in[k]);
        umb__free(s->expected[k].all);
        for (int r = 0; r < UMB_TUNE_ROWS; r++) {
            umb__free(s->expected[k].row[r]);
        }
        s->in[k] = s->one_in[k] = NULL;
        s->expected[k] = (struct umb_tune_expected){0};
    }
    umb__free(s->row_of);
    s->row_of = NULL;
}

void umb__sample_destroy(struct umb_sample *s)
{
    if (!s) { return; }
    umb__sample_forget(s);
    for (int k = 0; k < UMB_TUNE_MAX_TENSORS; k++) {
        umb__free(s->work[k]);
    }
    umb__free(s);
}
