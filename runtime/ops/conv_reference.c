/*
 * The references of convolution, in double.
 *
 * Forward without pooling and both gradients are made of the same products x·w → y. A visit is one
 * x with the n weights and outputs that lie one after another beside it. Gradients of a pooled
 * output are read through its pass bits: conv.h.
 */
#include "conv.h"
#include <math.h>
#include <stddef.h>

struct visit {
    double *x, *w, *y;
    const double *pass; /* beside y; NULL: all of y counts */
    int bit, n;
    double share;
};
typedef void (*visit_fn)(const struct visit *v);

struct tensors {
    double *x, *w, *y;
    const double *pass;
};

static void visit_pixel(const struct umb_conv *g, const struct visit *at, visit_fn see)
{
    const int cg = g->C / g->groups, kg = g->K / g->groups;
    for (int group = 0; group < g->groups; group++) {
        struct visit v = *at;
        v.y += group * kg;
        v.pass = v.pass ? v.pass + group * kg : NULL;
        v.n = kg;
        for (int c = 0; c < cg; c++) {
            v.x = at->x + group * cg + c;
            v.w = at->w + c * g->K + group * kg;
            see(&v);
        }
    }
}

/* The outputs of pixel (p,q) of image n, in y or in the pooled y; false: they are in no window. */
static bool find_outputs(const struct umb_conv *g, const struct tensors *t, int n, int p, int q,
                         struct visit *v)
{
    const bool pooled = t->pass != NULL;
    const int rows = pooled ? g->P / 2 : g->P, columns = pooled ? g->Q / 2 : g->Q;
    const int row = pooled ? p / 2 : p, column = pooled ? q / 2 : q;
    const ptrdiff_t at = (((ptrdiff_t)n * rows + row) * columns + column) * g->K;
    *v = (struct visit){.y = t->y + at,
                        .pass = pooled ? t->pass + at : NULL,
                        .bit = p % 2 * 2 + q % 2,
                        .share = g->pool == UMB_CONV_POOL_AVG ? 0.25 : 1};
    return row < rows && column < columns;
}

static void visit_taps(const struct umb_conv *g, const struct tensors *t, int n, int p, int q,
                       visit_fn see)
{
    const ptrdiff_t tap = (ptrdiff_t)(g->C / g->groups) * g->K;
    struct visit v;
    if (!find_outputs(g, t, n, p, q, &v)) { return; }
    for (int rs = 0; rs < g->R * g->S; rs++) {
        const int h = p * g->stride[0] + rs / g->S * g->dilation[0] - g->padding[0];
        const int w = q * g->stride[1] + rs % g->S * g->dilation[1] - g->padding[1];
        if (h < 0 || h >= g->H || w < 0 || w >= g->W) { continue; }
        v.x = t->x + (((ptrdiff_t)n * g->H + h) * g->W + w) * g->C;
        v.w = t->w + rs * tap;
        visit_pixel(g, &v, see);
    }
}

static void visit_all(const struct umb_conv *g, const struct tensors *t, visit_fn see)
{
    for (int n = 0; n < g->N; n++) {
        for (int pq = 0; pq < g->P * g->Q; pq++) {
            visit_taps(g, t, n, pq / g->Q, pq % g->Q, see);
        }
    }
}

static struct umb_conv geometry(const struct umb_reference *r, int x)
{
    struct umb_conv g = {0};
    const enum umb_status st = umb__conv_geometry(NULL, r->attrs, &r->in[x].type->shape, &g);
    (void)st;
    return g;
}

/* Forward. */

static void see_forward(const struct visit *v)
{
    for (int i = 0; i < v->n; i++) {
        v->y[i] += *v->x * v->w[i];
    }
}

static double finish(const struct umb_conv *g, const struct umb_reference *r, double sum, int k)
{
    if (g->bias) { sum += r->in[2].data[k]; }
    return g->relu && sum <= 0 ? 0 : sum;
}

/* Output k of pixel (p,q): one product of all its taps. */
static double output_at(const struct umb_conv *g, const struct umb_reference *r, int n, int p,
                        int q, int k)
{
    const int cg = g->C / g->groups, first = k / (g->K / g->groups) * cg;
    double sum = 0;
    for (int rs = 0; rs < g->R * g->S; rs++) {
        const int h = p * g->stride[0] + rs / g->S * g->dilation[0] - g->padding[0];
        const int w = q * g->stride[1] + rs % g->S * g->dilation[1] - g->padding[1];
        if (h < 0 || h >= g->H || w < 0 || w >= g->W) { continue; }
        const double *x = r->in[0].data + (((ptrdiff_t)n * g->H + h) * g->W + w) * g->C + first;
        for (int c = 0; c < cg; c++) {
            sum += x[c] * r->in[1].data[((ptrdiff_t)rs * cg + c) * g->K + k];
        }
    }
    return finish(g, r, sum, k);
}

static double pool_window(const struct umb_conv *g, const double v[4], int *ret_pass)
{
    int best = 0, positive = 0;
    for (int i = 0; i < 4; i++) {
        if (v[i] > v[best] || isnan(v[i])) { best = i; }
        positive |= !(g->relu && v[i] <= 0) << i;
    }
    const bool avg = g->pool == UMB_CONV_POOL_AVG;
    *ret_pass = positive & (avg ? 15 : 1 << best);
    return avg ? (v[0] + v[1] + v[2] + v[3]) / 4 : v[best];
}

static void reference_pooled(const struct umb_conv *g, const struct umb_reference *r)
{
    const int columns = g->Q / 2, pixels = g->P / 2 * columns;
    for (int64_t i = 0; i < (int64_t)g->N * pixels * g->K; i++) {
        const int k = (int)(i % g->K), n = (int)(i / g->K / pixels);
        const int p = (int)(i / g->K % pixels) / columns, q = (int)(i / g->K % pixels) % columns;
        double v[4];
        int pass;
        for (int j = 0; j < 4; j++) {
            v[j] = output_at(g, r, n, 2 * p + j / 2, 2 * q + j % 2, k);
        }
        r->out[0].data[i] = pool_window(g, v, &pass);
        if (r->n_out > 1) { r->out[1].data[i] = pass; }
    }
}

void umb__conv_reference(const struct umb_reference *r)
{
    const struct umb_conv g = geometry(r, 0);
    if (g.pool) {
        reference_pooled(&g, r);
        return;
    }
    visit_all(&g, &(struct tensors){r->in[0].data, r->in[1].data, r->out[0].data, NULL},
              see_forward);
    const int64_t n = umb__shape_count(&r->out[0].type->shape);
    for (int64_t i = 0; i < n; i++) {
        r->out[0].data[i] = finish(&g, r, r->out[0].data[i], (int)(i % g.K));
    }
}

/* Gradients. */

static double gradient_at(const struct visit *v, int i)
{
    if (!v->pass) { return v->y[i]; }
    return (int)v->pass[i] >> v->bit & 1 ? v->share * v->y[i] : 0;
}

static void see_data(const struct visit *v)
{
    for (int i = 0; i < v->n; i++) {
        *v->x += gradient_at(v, i) * v->w[i];
    }
}

void umb__conv_reference_data(const struct umb_reference *r)
{
    const struct umb_conv g = geometry(r, 2);
    const double *pass = g.pool ? r->in[3].data : NULL, *x = r->in[2].data;
    visit_all(&g, &(struct tensors){r->out[0].data, r->in[1].data, r->in[0].data, pass}, see_data);
    const int64_t n = g.mask ? umb__shape_count(&r->out[0].type->shape) : 0;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] <= 0) { r->out[0].data[i] = 0; }
    }
}

static void see_weights(const struct visit *v)
{
    for (int i = 0; i < v->n; i++) {
        v->w[i] += *v->x * gradient_at(v, i);
    }
}

static void sum_bias(const struct umb_conv *g, const struct tensors *t, double *db)
{
    for (int n = 0; n < g->N; n++) {
        for (int pq = 0; pq < g->P * g->Q; pq++) {
            struct visit v;
            const bool counts = find_outputs(g, t, n, pq / g->Q, pq % g->Q, &v);
            for (int k = 0; counts && k < g->K; k++) {
                db[k] += gradient_at(&v, k);
            }
        }
    }
}

void umb__conv_reference_weights(const struct umb_reference *r)
{
    const struct umb_conv g = geometry(r, 0);
    const struct tensors t = {r->in[0].data, r->out[0].data, r->in[1].data,
                              g.pool ? r->in[2].data : NULL};
    visit_all(&g, &t, see_weights);
    if (g.dbias) { sum_bias(&g, &t, r->out[1].data); }
}
