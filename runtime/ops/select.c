/*
 * select: the mask of the samples that a step learns from: the share with the highest loss, or of
 * the most uncertain answer, among those whose labels count.
 *
 * Online hard example mining (Shrivastava, Gupta, Girshick, CVPR 2016) per batch, and its kin by
 * the entropy of the answer. (prediction, labels, mask [N]) → chosen [N]; formulas in cl/select.cl.
 * The loss then takes `chosen` for a mask, so what is left out has a gradient of exactly 0. Weights
 * of classes and label smoothing do not change the order. It has no gradient itself.
 */
#include "simple.h"
#include <math.h>
#include <stddef.h>

/* As in cl/select.cl. */
enum of { OF_CLASSES, OF_BINARY, OF_MSE, OF_L1, OF_HUBER };
enum by { BY_LOSS, BY_UNCERTAINTY };

struct select_attrs {
    int of, by;
    double share, delta;
    int64_t ignore_index;
};

static const char *const losses[] = {
    "cross_entropy", "binary_cross_entropy", "mse", "l1", "huber", NULL};
static const char *const scores[] = {"loss", "uncertainty", NULL};

static const struct umb_attr_desc attrs[] = {{.name = "of",
                                              .type = UMB_ATTR_CHOICE,
                                              .offset = offsetof(struct select_attrs, of),
                                              .fallback = "cross_entropy",
                                              .choices = losses,
                                              .help = "the loss that the labels are for"},
                                             {.name = "by",
                                              .type = UMB_ATTR_CHOICE,
                                              .offset = offsetof(struct select_attrs, by),
                                              .fallback = "loss",
                                              .choices = scores,
                                              .help = "what the samples are put in order by"},
                                             {.name = "share",
                                              .type = UMB_ATTR_FLOAT,
                                              .offset = offsetof(struct select_attrs, share),
                                              .min = 1e-4,
                                              .max = 1,
                                              .fallback = "1",
                                              .help = "of the samples that count, rounded up"},
                                             {.name = "delta",
                                              .type = UMB_ATTR_FLOAT,
                                              .offset = offsetof(struct select_attrs, delta),
                                              .min = 1e-6,
                                              .max = 1e6,
                                              .fallback = "1",
                                              .help = "huber's"},
                                             {.name = "ignore_index",
                                              .type = UMB_ATTR_INT,
                                              .offset = offsetof(struct select_attrs, ignore_index),
                                              .min = -1,
                                              .max = INT32_MAX,
                                              .fallback = "-1",
                                              .help = "cross_entropy's"},
                                             {0}};

static enum umb_status infer(struct umb_infer *io)
{
    const struct select_attrs *a = io->attrs;
    struct umb_shape labels = io->in[0].shape;
    const struct umb_shape mask = {.rank = 1, .dim = {labels.dim[0]}};
    char got[UMB_SHAPE_TEXT];
    if (io->in[0].dtype != UMB_F32 || labels.rank < 2) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "predictions have shape %s; expected float32 [N,…,C]",
                         umb__shape_text(&labels, got, sizeof got));
    }
    if (a->by == BY_UNCERTAINTY && a->of > OF_BINARY) {
        return umb__fail(io->ctx, UMB_ERR_INVALID,
                         "by: answers to %s have no uncertainty; expected loss", losses[a->of]);
    }
    if (a->of == OF_CLASSES) { labels.rank--; }
    enum umb_status st =
        umb__expect_exactly(io, 1, "labels", a->of == OF_CLASSES ? UMB_I32 : UMB_F32, &labels);
    if (st == UMB_OK) { st = umb__expect_exactly(io, 2, "masks", UMB_F32, &mask); }
    io->n_out = 1;
    io->out[0] = io->in[2];
    return st;
}

/* Reference. */

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double class_score(const double *x, int64_t label, int64_t n, bool by_entropy)
{
    double high = x[0], sum = 0, entropy = 0;
    for (int64_t c = 1; c < n; c++) {
        high = fmax(high, x[c]);
    }
    for (int64_t c = 0; c < n; c++) {
        sum += exp(x[c] - high);
    }
    for (int64_t c = 0; c < n; c++) {
        const double p = exp(x[c] - high) / sum;
        entropy -= p > 0 ? p * log(p) : 0;
    }
    return by_entropy ? entropy : high + log(sum) - x[label];
}

static double entry_score(const struct select_attrs *a, double x, double y)
{
    const double e = fabs(x - y), d = (float)a->delta, p = 1 / (1 + exp(-x));
    switch ((enum of)a->of) {
    case OF_BINARY:
        return a->by == BY_UNCERTAINTY ? p * softplus(-x) + (1 - p) * softplus(x)
                                       : (1 - y) * softplus(x) + y * softplus(-x);
    case OF_MSE:
        return e * e;
    case OF_L1:
        return e;
    case OF_HUBER:
    case OF_CLASSES:
        break;
    }
    return e > d ? d * (e - d / 2) : e * e / 2;
}

/* Of row or entry i; false: it does not count. */
static bool score_at(const struct umb_reference *r, int64_t i, double *ret_score)
{
    const struct select_attrs *a = r->attrs;
    const double y = r->in[1].data[i];
    if (a->of != OF_CLASSES) {
        *ret_score = entry_score(a, r->in[0].data[i], y);
        return !isnan(y);
    }
    const int64_t C = umb__shape_channels(&r->in[0].type->shape);
    if (!(y >= 0 && y < (double)C) || y == (double)a->ignore_index) { return false; }
    *ret_score = class_score(r->in[0].data + i * C, (int64_t)y, C, a->by == BY_UNCERTAINTY);
    return true;
}

/* −1: the sample does not count. */
static double sample_score(const struct umb_reference *r, int64_t n)
{
    const int64_t per = umb__shape_count(&r->in[1].type->shape) / r->in[2].type->shape.dim[0];
    double sum = 0, count = 0, score = 0;
    for (int64_t i = n * per; i < (n + 1) * per; i++) {
        if (!score_at(r, i, &score)) { continue; }
        sum += score;
        count++;
    }
    if (!(r->in[2].data[n] > 0) || count == 0) { return -1; }
    return isnan(sum) ? INFINITY : fmax(sum / count, 0);
}

/* In 1/65536, so that host and device round up the same number. */
static int64_t share_of(const struct select_attrs *a)
{
    return (int64_t)(a->share * 65536);
}

static void reference(const struct umb_reference *r)
{
    const int64_t N = r->in[2].type->shape.dim[0];
    for (int64_t n = 0; n < N; n++) {
        const double own = sample_score(r, n);
        int64_t before = 0, counting = 0;
        for (int64_t i = 0; i < N; i++) {
            const double other = sample_score(r, i);
            counting += other >= 0;
            before += other > own || (other == own && i < n);
        }
        const int64_t most = (counting * share_of(r->attrs) + 65535) >> 16;
        r->out[0].data[n] = own >= 0 && before < most ? r->in[2].data[n] : 0;
    }
}

/* Kernels. */

static const struct umb_kernel classes = {"select_classes", "select.cl", "select_classes",
                                          "rrrwiiii"};
static const struct umb_kernel entries = {"select_entries", "select.cl", "select_entries",
                                          "rrrwiiif"};
static const struct umb_kernel highest = {"select_highest", "select.cl", "select_highest", "rrwii"};

static enum umb_status emit_scores(struct umb_emit *e, int N, int score)
{
    const struct select_attrs *a = e->p.attrs;
    const int per = (int)(umb__shape_count(&e->p.in[1].shape) / N);
    const int by_entropy = a->by == BY_UNCERTAINTY;
    struct umb_emit_launch launch = {.dimensions = 1, .global = {(size_t)N}};
    if (a->of == OF_CLASSES) {
        launch.kernel = &classes;
        return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], score, per,
                                (int)umb__shape_channels(&e->p.in[0].shape), (int)a->ignore_index,
                                by_entropy);
    }
    launch.kernel = &entries;
    return umb__emit_launch(e, &launch, e->in[0], e->in[1], e->in[2], score, per, a->of, by_entropy,
                            a->delta);
}

static enum umb_status emit(struct umb_emit *e)
{
    const int N = (int)e->p.in[2].shape.dim[0];
    int score = -1;
    enum umb_status st = umb__emit_temp(e, (size_t)N * sizeof(float), &score);
    if (st == UMB_OK) { st = emit_scores(e, N, score); }
    const struct umb_emit_launch launch = {
        .kernel = &highest, .dimensions = 1, .global = {(size_t)N}};
    return st == UMB_OK ? umb__emit_launch(e, &launch, score, e->in[2], e->out[0], N,
                                           (int)share_of(e->p.attrs))
                        : st;
}

static double flops(const struct umb_problem *p)
{
    return 5.0 * (double)umb__shape_count(&p->in[0].shape);
}

static const struct umb_solver solvers[] = {{"samples", umb__applies_always, emit}, {0}};

static const struct umb_op_case cases[] = {
    {.in = "64,10 64:labels 64:mask", .attrs = "share=0.7", .flags = UMB_CASE_BENCH},
    {.in = "1,1 1:labels 1:positive", .attrs = "share=0.5"},
    {.in = "37,5:ties 37:gaps 37:mask", .attrs = "share=0.4"},
    {.in = "40,3 40:gaps 40:mask", .attrs = "share=0.5 by=uncertainty ignore_index=1"},
    {.in = "5,7,3,4 5,7,3:gaps 5:mask", .attrs = "share=0.3"},
    {.in = "64,1 64,1:unit 64:mask", .attrs = "of=binary_cross_entropy share=0.25"},
    {.in = "19,3 19,3:mask 19:mask", .attrs = "of=binary_cross_entropy share=0.5 by=uncertainty"},
    {.in = "31,2 31,2 31:mask", .attrs = "of=mse share=0.7"},
    {.in = "31,2 31,2 31:positive", .attrs = "of=l1 share=0.1"},
    {.in = "23,6 23,6 23:mask", .attrs = "of=huber delta=0.5 share=0.6"},
    {0}};

static const struct umb_op select = {.name = "select",
                                     .help = "the samples of the highest loss or uncertainty",
                                     .min_in = 3,
                                     .max_in = 3,
                                     .attrs = attrs,
                                     .attrs_bytes = sizeof(struct select_attrs),
                                     .infer = infer,
                                     .reference = reference,
                                     .flops = flops,
                                     .solvers = solvers,
                                     .cases = cases};

const struct umb_op *const umb__ops_select[] = {&select, NULL};
