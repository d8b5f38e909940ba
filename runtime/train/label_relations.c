/* label_relations.c: see label_relations.h. */
#include "label_relations.h"

#include "alloc.h"
#include "relate.h"
#include <math.h>
#include <string.h>

/* Labels of the same samples. */

static double share_of_both(const struct umb_label_set *a, const struct umb_label_set *b)
{
    size_t both = 0;
    for (size_t i = 0; i < a->n; i++) {
        both += a->labelled[i] && b->labelled[i];
    }
    return a->n > 0 ? (double)both / (double)a->n : (double)NAN;
}

/* Observation o of variable v in sample i: of masks each pixel is one, of others there is one. */
static int32_t observed(const struct umb_label_set *s, size_t i, size_t v, size_t o)
{
    return s->code[i * s->V + (s->kind == UMB_TARGET_PIXELS ? o : v)];
}

static size_t n_variables(const struct umb_label_set *s)
{
    return s->kind == UMB_TARGET_PIXELS ? 1 : s->V;
}

/* Masks of one stream have one size, and one grid. */
static size_t n_observed(const struct umb_label_set *a, const struct umb_label_set *b)
{
    if (a->kind == UMB_TARGET_PIXELS) { return a->V; }
    return b->kind == UMB_TARGET_PIXELS ? b->V : 1;
}

static void count_joint(const struct umb_label_set *a, size_t v, const struct umb_label_set *b,
                        size_t w, uint64_t *joint)
{
    const size_t n_observations = n_observed(a, b);
    memset(joint, 0, a->n_codes * b->n_codes * sizeof *joint);
    for (size_t i = 0; i < a->n; i++) {
        for (size_t o = 0; o < n_observations; o++) {
            const int32_t x = observed(a, i, v, o), y = observed(b, i, w, o);
            if (x >= 0 && y >= 0) { joint[(size_t)x * b->n_codes + (size_t)y]++; }
        }
    }
}

/* The mean over pairs of variables for which it is defined. */
static enum umb_status mutual(struct umb_context *ctx, const struct umb_label_set *a,
                              const struct umb_label_set *b, double *ret)
{
    size_t cells, n = 0;
    double sum = 0;
    if (!umb__mul_size(a->n_codes, b->n_codes, &cells) || cells > UMB_LABEL_MOST_CELLS) {
        return UMB_OK;
    }
    uint64_t *joint = umb__calloc(ctx, cells, sizeof *joint);
    if (!joint) { return UMB_ERR_NO_MEMORY; }
    for (size_t v = 0; v < n_variables(a); v++) {
        for (size_t w = 0; w < n_variables(b); w++) {
            count_joint(a, v, b, w, joint);
            const double value = umb__relate_mutual(a->n_codes, b->n_codes, joint);
            if (isnan(value)) { continue; }
            sum += value;
            n++;
        }
    }
    umb__free(joint);
    if (n > 0) { *ret = sum / (double)n; }
    return UMB_OK;
}

/* Distributions. */

static void widen(const struct umb_label_set *s, double *low, double *high)
{
    for (size_t i = 0; i < s->n * s->V; i++) {
        if (!isfinite(s->number[i])) { continue; }
        *low = fmin(*low, (double)s->number[i]);
        *high = fmax(*high, (double)s->number[i]);
    }
}

static void histogram(const struct umb_label_set *s, double low, double high, uint64_t *ret_count)
{
    memset(ret_count, 0, UMB_LABEL_HISTOGRAM * sizeof *ret_count);
    for (size_t i = 0; i < s->n * s->V; i++) {
        if (!isfinite(s->number[i])) { continue; }
        const double share = high > low ? ((double)s->number[i] - low) / (high - low) : 0;
        const size_t bin = (size_t)(share * UMB_LABEL_HISTOGRAM);
        ret_count[bin < UMB_LABEL_HISTOGRAM ? bin : UMB_LABEL_HISTOGRAM - 1]++;
    }
}

struct divergence {
    double js, kl, kl_back;
};

static struct divergence between(size_t n, const uint64_t *p, const uint64_t *q)
{
    return (struct divergence){umb__relate_js(n, p, q), umb__relate_kl(n, p, q),
                               umb__relate_kl(n, q, p)};
}

static struct divergence compare(const struct umb_label_set *a, const struct umb_label_set *b)
{
    uint64_t p[UMB_LABEL_HISTOGRAM], q[UMB_LABEL_HISTOGRAM];
    double low = INFINITY, high = -INFINITY;
    if (a->n_classes != b->n_classes) { return (struct divergence){NAN, NAN, NAN}; }
    if (a->n_classes > 0) { return between(a->n_classes, a->count, b->count); }
    widen(a, &low, &high);
    widen(b, &low, &high);
    histogram(a, low, high, p);
    histogram(b, low, high, q);
    return between(UMB_LABEL_HISTOGRAM, p, q);
}

/* All pairs. */

struct matrices {
    double *mutual, *js, *kl, *both; /* [T,T] */
};

static enum umb_status fill_pair(struct umb_context *ctx, const struct umb_label_set *sets,
                                 size_t T, size_t s, size_t t, const struct matrices *m)
{
    const struct umb_label_set *a = &sets[s], *b = &sets[t];
    const size_t there = s * T + t, back = t * T + s;
    const struct divergence d = compare(a, b);
    m->js[there] = m->js[back] = d.js;
    m->kl[there] = d.kl;
    m->kl[back] = d.kl_back;
    if (a->task->data != b->task->data) { return UMB_OK; }
    m->both[there] = m->both[back] = share_of_both(a, b);
    const enum umb_status st = mutual(ctx, a, b, &m->mutual[there]);
    m->mutual[back] = m->mutual[there];
    return st;
}

enum umb_status umb__label_relations(struct umb_relations *r, const struct umb_label_set *sets)
{
    struct matrices m;
    enum umb_status st = umb__relations_add(r, "mutual_information", NULL, &m.mutual);
    if (st == UMB_OK) { st = umb__relations_add(r, "jensen_shannon", NULL, &m.js); }
    if (st == UMB_OK) { st = umb__relations_add(r, "kl", NULL, &m.kl); }
    if (st == UMB_OK) { st = umb__relations_add(r, "both_labels", NULL, &m.both); }
    for (size_t s = 0; st == UMB_OK && s < r->T; s++) {
        m.both[s * r->T + s] = share_of_both(&sets[s], &sets[s]);
        for (size_t t = s + 1; st == UMB_OK && t < r->T; t++) {
            st = fill_pair(r->ctx, sets, r->T, s, t, &m);
        }
    }
    return st;
}
