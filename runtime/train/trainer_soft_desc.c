/* Soft sharing: its description, checked and copied. */
#include <math.h>
#include <string.h>

#include "trainer_soft.h"

static enum umb_status check_trunks(struct umb_context *ctx, const struct umb_soft_sharing *d)
{
    if (d->n_trunks < 2 || d->n_trunks > UMB_SOFT_MAX_TRUNKS) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%d trunks; expected 2 to %d", d->n_trunks,
                         UMB_SOFT_MAX_TRUNKS);
    }
    for (int t = 0; t < d->n_trunks; t++) {
        for (int s = 0; s < t; s++) {
            if (strcmp(d->trunk[t], d->trunk[s]) != 0) { continue; }
            return umb__fail(ctx, UMB_ERR_INVALID, "trunk %s is named twice", d->trunk[t]);
        }
    }
    return UMB_OK;
}

static enum umb_status check_number(struct umb_context *ctx, const char *name, double value,
                                    bool above)
{
    if (isfinite(value) && value <= 1e12 && (above ? value > 0 : value >= 0)) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_INVALID, "%s is %g; expected a number %s 0", name, value,
                     above ? "above" : "from");
}

static enum umb_status check_relations(struct umb_context *ctx, const struct umb_soft_sharing *d)
{
    const int T = d->n_trunks;
    for (int t = 0; d->relations && t < T; t++) {
        for (int s = 0; s < t; s++) {
            const double a = d->relations[t * T + s], b = d->relations[s * T + t];
            if (a == b && isfinite(a) && a >= 0) { continue; }
            return umb__fail(ctx, UMB_ERR_INVALID,
                             "%s and %s are related by %g and %g; expected one number from 0",
                             d->trunk[s], d->trunk[t], b, a);
        }
    }
    return UMB_OK;
}

static enum umb_status check_combinations(struct umb_context *ctx, const struct umb_soft_sharing *d)
{
    if (!d->combinations) { return UMB_OK; }
    if (d->n_combinations < 1 || d->n_combinations > 4096) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%d combinations; expected 1 to 4096",
                         d->n_combinations);
    }
    for (int i = 0; i < d->n_trunks * d->n_combinations; i++) {
        if (isfinite(d->combinations[i])) { continue; }
        return umb__fail(ctx, UMB_ERR_INVALID, "a combination has %g; expected a finite number",
                         d->combinations[i]);
    }
    return UMB_OK;
}

enum umb_status umb__soft_verify(struct umb_context *ctx, const struct umb_soft_sharing *d)
{
    enum umb_status st = check_trunks(ctx, d);
    if (st == UMB_OK && (d->every > 0) + (d->relations != NULL) + (d->combinations != NULL) > 1) {
        st = umb__fail(ctx, UMB_ERR_INVALID,
                       "relations, combinations and MTRL exclude one another; expected one");
    }
    if (st == UMB_OK && d->every < 0) {
        st = umb__fail(ctx, UMB_ERR_INVALID, "a new Ω every %lld steps; expected 1 or more",
                       (long long)d->every);
    }
    if (st == UMB_OK) { st = check_number(ctx, "alpha", d->alpha, false); }
    if (st == UMB_OK && d->every) { st = check_number(ctx, "lambda1", d->lambda1, false); }
    if (st == UMB_OK && d->every) { st = check_number(ctx, "lambda2", d->lambda2, false); }
    if (st == UMB_OK && d->every) { st = check_number(ctx, "epsilon", d->epsilon, true); }
    if (st == UMB_OK) { st = check_relations(ctx, d); }
    return st == UMB_OK ? check_combinations(ctx, d) : st;
}

/* ---- copies ---- */

static const char *const *copied_names(struct umb_arena *arena, const char *const *name, int n)
{
    const char **copy = umb__arena_calloc(arena, (size_t)n + 1, sizeof *copy);
    for (int i = 0; copy && i < n; i++) {
        copy[i] = umb__arena_strdup(arena, name[i]);
        if (!copy[i]) { return NULL; }
    }
    return copy;
}

/* NULL stays NULL; false: no memory. */
static bool copy_numbers(struct umb_arena *arena, const double **numbers, int n)
{
    if (!*numbers) { return true; }
    double *copy = umb__arena_calloc(arena, (size_t)n, sizeof *copy);
    if (copy) { memcpy(copy, *numbers, (size_t)n * sizeof *copy); }
    *numbers = copy;
    return copy;
}

bool umb__soft_copy(struct umb_arena *arena, struct umb_soft_sharing *d)
{
    const int T = d->n_trunks;
    int n_layers = 0;
    while (d->layer && d->layer[n_layers]) {
        n_layers++;
    }
    d->trunk = copied_names(arena, d->trunk, T);
    const char *const *layer = copied_names(arena, d->layer, n_layers);
    if (d->layer) { d->layer = layer; }
    return d->trunk && layer && copy_numbers(arena, &d->relations, T * T) &&
           copy_numbers(arena, &d->combinations, T * d->n_combinations);
}
