/* csv_points.c: what the columns of a CSV's target are seen from the picture: points, and what
 * changes places where it is mirrored. */
#include "csv_targets.h"
#include <math.h>
#include <string.h>

/* What `swap` counts: points or classes; 0: not known, or none. */
static size_t swappable(const struct umb_csv_target *t, size_t n_classes)
{
    if (t->kind != UMB_TARGET_REAL) { return n_classes ? n_classes : UMB_MAX_CLASSES; }
    return t->points >= UMB_POINTS_XYXY ? t->n_columns / 2 : 0;
}

static enum umb_status check_swap(struct umb_context *ctx, const struct umb_csv_target *t, size_t n)
{
    for (size_t i = 0; i < 2 * t->n_swaps; i++) {
        const struct umb_swap *s = &t->swap[i / 2];
        const uint32_t index = i % 2 ? s->b : s->a;
        if (index >= n || s->a == s->b) {
            return umb__fail(
                ctx, UMB_ERR_INVALID,
                "targets: %s: swap of %u and %u; expected two different %s of 0 … %lld", t->name,
                (unsigned)s->a, (unsigned)s->b, t->kind == UMB_TARGET_REAL ? "points" : "classes",
                (long long)n - 1);
        }
        for (size_t k = 0; k < i / 2; k++) {
            if (index != t->swap[k].a && index != t->swap[k].b) { continue; }
            return umb__fail(ctx, UMB_ERR_INVALID,
                             "targets: %s: %u is swapped twice; expected each at most once",
                             t->name, (unsigned)index);
        }
    }
    return UMB_OK;
}

enum umb_status umb__csv_points_check(struct umb_context *ctx, const struct umb_csv_target *t,
                                      bool scaled, size_t n_classes)
{
    const bool points = t->points >= UMB_POINTS_XYXY;
    if (t->points > UMB_POINTS_XXYY || (t->points && t->kind != UMB_TARGET_REAL) ||
        (points && t->n_columns % 2 != 0)) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "targets: %s: %zu columns are no points; expected an even number of "
                         "columns with numbers",
                         t->name, t->n_columns);
    }
    for (int i = 0; points && i < 2; i++) {
        const double side = t->within[i];
        if (side > 0 && side < INFINITY) { continue; }
        if (side == 0 && !scaled) { continue; }
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "targets: %s: within is %g; expected height and width of the picture in "
                         "the columns' units, since images are scaled",
                         t->name, side);
    }
    return check_swap(ctx, t, swappable(t, n_classes));
}

enum umb_status umb__csv_points_settle(struct umb_dataset *ds, const struct umb_csv_target *t,
                                       struct umb_target_info *info)
{
    const double scale = t->scale != 0.0 ? t->scale : 1.0;
    info->points = t->points;
    info->offset = t->offset;
    for (int i = 0; i < 2; i++) { /* y, x */
        info->span[1 - i] = scale * (t->within[i] > 0 ? t->within[i] : (double)ds->shape[i]);
    }
    if (t->n_swaps == 0) { return UMB_OK; }
    struct umb_swap *swap = umb__arena_calloc(ds->arena, t->n_swaps, sizeof *swap);
    if (swap == NULL) { return UMB_ERR_NO_MEMORY; }
    memcpy(swap, t->swap, t->n_swaps * sizeof *swap);
    info->swap = swap;
    info->n_swaps = t->n_swaps;
    return UMB_OK;
}
