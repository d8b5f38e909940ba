/* batch_norm's references, and those of its backward op and of batch_norm_again. */
#include "batch_norm.h"
#include <math.h>

/* Rows of C in segment s that count. */
static int64_t real_rows(const struct umb_batch_norm *d, const struct umb_ref_tensor *rows, int s)
{
    const double n = fmin(fmax(rows->data[d->first_stream + s], 0), d->samples);
    return (int64_t)n * d->positions;
}

static void channel_statistics(const struct umb_reference *r, const struct umb_batch_norm *d, int s,
                               int c)
{
    const struct umb_batch_norm_attrs *a = r->attrs;
    const int64_t C = d->channels, all = (int64_t)d->samples * d->positions;
    const double *x = r->in[IN_X].data + s * all * C + c; /* [all,C] from channel c */
    const int64_t stream = (d->first_stream + s) * C + c;
    double *running_mean = &r->in[umb__batch_norm_in(a, IN_MEAN)].data[stream];
    double *running_var = &r->in[umb__batch_norm_in(a, IN_VAR)].data[stream];
    const bool by_batch = r->training && !a->frozen;
    const int64_t n = by_batch ? real_rows(d, &r->in[umb__batch_norm_in(a, IN_ROWS)], s) : 0;
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        mean += x[i * C] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        squares += (x[i * C] - mean) * (x[i * C] - mean);
    }
    double var = n > 0 ? squares / (double)n : *running_var;
    if (n == 0) { mean = *running_mean; }
    if (n > 0) { *running_mean += a->momentum * (mean - *running_mean); }
    if (n > 1) { *running_var += a->momentum * (squares / (double)(n - 1) - *running_var); }
    r->out[1].data[s * C + c] = mean;
    r->out[2].data[s * C + c] = 1 / sqrt(var + a->epsilon);
}

/* y of segment s by its statistics [S,C]. */
static void apply_statistics(const struct umb_reference *r, const struct umb_batch_norm *d, int s,
                             const double *mean, const double *inv_std)
{
    const struct umb_batch_norm_attrs *a = r->attrs;
    const int64_t C = d->channels, all = (int64_t)d->samples * d->positions;
    for (int64_t i = s * all * C; i < (s + 1) * all * C; i++) {
        const int64_t c = i % C;
        const double hat = (r->in[IN_X].data[i] - mean[s * C + c]) * inv_std[s * C + c];
        const double y = hat * r->in[umb__batch_norm_in(a, IN_WEIGHT)].data[c] +
                         r->in[umb__batch_norm_in(a, IN_BIAS)].data[c] +
                         (a->residual ? r->in[1].data[i] : 0);
        r->out[0].data[i] = a->relu && y <= 0 ? 0 : y;
    }
}

void umb__batch_norm_reference(const struct umb_reference *r)
{
    const struct umb_batch_norm d = umb__batch_norm_of(r->in[IN_X].type);
    for (int s = 0; s < d.segments; s++) {
        for (int c = 0; c < d.channels; c++) {
            channel_statistics(r, &d, s, c);
        }
        apply_statistics(r, &d, s, r->out[1].data, r->out[2].data);
    }
}

void umb__batch_norm_again_reference(const struct umb_reference *r)
{
    const struct umb_batch_norm_attrs *a = r->attrs;
    const struct umb_batch_norm d = umb__batch_norm_of(r->in[IN_X].type);
    const double *mean = r->in[umb__batch_norm_in(a, AGAIN_MEAN)].data;
    const double *inv_std = r->in[umb__batch_norm_in(a, AGAIN_INV_STD)].data;
    for (int s = 0; s < d.segments; s++) {
        apply_statistics(r, &d, s, mean, inv_std);
    }
}

/* dy at x̂, or 0 where the fused relu let nothing through. */
static double passed(const struct umb_reference *r, double dy, double hat, int c)
{
    const struct umb_batch_norm_attrs *a = r->attrs;
    if (!a->relu) { return dy; }
    return hat * r->in[BACK_WEIGHT].data[c] + r->in[BACK_BIAS].data[c] <= 0 ? 0 : dy;
}

static void channel_backward(const struct umb_reference *r, const struct umb_batch_norm *d, int s,
                             int c)
{
    const int64_t C = d->channels, first = (int64_t)s * d->samples * d->positions * C + c;
    const double *x = r->in[BACK_X].data + first, *dy = r->in[BACK_DY].data + first;
    double *dx = r->out[0].data + first; /* [rows,C] from channel c, as x and dy */
    const double mean = r->in[BACK_MEAN].data[s * C + c];
    const double inv_std = r->in[BACK_INV_STD].data[s * C + c];
    const int64_t n = real_rows(d, &r->in[BACK_ROWS], s);
    double sum = 0, product = 0;
    for (int64_t i = 0; i < n * C; i += C) {
        const double hat = (x[i] - mean) * inv_std;
        sum += passed(r, dy[i], hat, c);
        product += passed(r, dy[i], hat, c) * hat;
    }
    const bool frozen = ((const struct umb_batch_norm_attrs *)r->attrs)->frozen;
    for (int64_t i = 0; i < n * C; i += C) {
        const double hat = (x[i] - mean) * inv_std;
        const double through = frozen ? 0 : (sum + hat * product) / (double)n;
        dx[i] = r->in[BACK_WEIGHT].data[c] * inv_std * (passed(r, dy[i], hat, c) - through);
    }
    r->out[1].data[c] += product;
    r->out[2].data[c] += sum;
}

void umb__batch_norm_backward_reference(const struct umb_reference *r)
{
    const struct umb_batch_norm d = umb__batch_norm_of(r->in[BACK_X].type);
    for (int s = 0; s < d.segments; s++) {
        for (int c = 0; c < d.channels; c++) {
            channel_backward(r, &d, s, c);
        }
    }
}
