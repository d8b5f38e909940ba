/* relate_gradients.c: what Gram matrices of task gradients, and losses, say of tasks. */
#include "relate.h"

#include "alloc.h"
#include <math.h>

static double within_one(double v)
{
    return fmin(1, fmax(-1, v)); /* NaN never comes here */
}

/* d_s·d_t as a product of roots, which neither overflows nor underflows where they do not. */
static double cosine(size_t T, const double *gram, size_t s, size_t t)
{
    const double length = sqrt(gram[s * T + s]) * sqrt(gram[t * T + t]);
    return length > 0 ? within_one(gram[s * T + t] / length) : (double)NAN;
}

void umb__relate_cosine(size_t T, const double *gram, double *ret_cosine)
{
    for (size_t i = 0; i < T * T; i++) {
        ret_cosine[i] = cosine(T, gram, i / T, i % T);
    }
}

void umb__relate_magnitude(size_t T, const double *gram, double *ret_magnitude)
{
    for (size_t i = 0; i < T * T; i++) {
        const double ss = gram[i / T * (T + 1)], tt = gram[i % T * (T + 1)];
        ret_magnitude[i] = 2 * sqrt(ss) * sqrt(tt) / (ss + tt);
    }
}

/* Conflicts. */

enum umb_status umb__conflicts_create(struct umb_context *ctx, size_t T, double threshold,
                                      struct umb_conflicts **ret_conflicts)
{
    struct umb_conflicts *c = umb__calloc(ctx, 1, sizeof *c);
    if (!c) { return UMB_ERR_NO_MEMORY; }
    *c = (struct umb_conflicts){.T = T, .threshold = threshold};
    c->steps = umb__calloc(ctx, T * T, sizeof *c->steps);
    c->below = umb__calloc(ctx, T * T, sizeof *c->below);
    if (!c->steps || !c->below) {
        umb__conflicts_destroy(c);
        return UMB_ERR_NO_MEMORY;
    }
    *ret_conflicts = c;
    return UMB_OK;
}

void umb__conflicts_destroy(struct umb_conflicts *c)
{
    if (!c) { return; }
    umb__free(c->below);
    umb__free(c->steps);
    umb__free(c);
}

void umb__conflicts_add(struct umb_conflicts *c, const double *gram)
{
    for (size_t i = 0; i < c->T * c->T; i++) {
        const double value = cosine(c->T, gram, i / c->T, i % c->T);
        if (isnan(value)) { continue; }
        c->steps[i]++;
        if (value < c->threshold) { c->below[i]++; }
    }
}

void umb__conflicts_score(const struct umb_conflicts *c, double *ret_score)
{
    for (size_t i = 0; i < c->T * c->T; i++) {
        ret_score[i] = c->steps[i] ? (double)c->below[i] / (double)c->steps[i] : (double)NAN;
    }
}

/* Affinity. */

static bool divides(double loss)
{
    return isfinite(loss) && loss > 0;
}

void umb__relate_affinity_first(size_t T, double rate, const double *gram, const double *loss,
                                double *ret_affinity)
{
    for (size_t i = 0; i < T * T; i++) {
        const double before = loss[i % T];
        ret_affinity[i] = divides(before) ? rate * gram[i] / before : (double)NAN;
    }
}

void umb__relate_affinity(size_t T, const double *loss, const double *after, double *ret_affinity)
{
    for (size_t i = 0; i < T * T; i++) {
        const double before = loss[i % T];
        const bool defined = divides(before) && isfinite(after[i]);
        ret_affinity[i] = defined ? 1 - after[i] / before : (double)NAN;
    }
}
