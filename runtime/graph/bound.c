/* bound.c: see bound.h. */
#include "bound.h"

#include <math.h>

double umb__step_width(const struct umb_timed_steps *t, int step)
{
    const double units = t->units[t->device ? t->device[step] : 0], groups = t->groups[step];
    return groups > 0 && groups < units ? groups : units;
}

/* Steps stand behind those they depend on, so one pass is enough. */
static double longest_path(const struct umb_timed_steps *t, double *path)
{
    const struct umb_deps *d = t->deps;
    double longest = 0;
    for (int i = 0; i < d->n; i++) {
        path[i] = 0;
        for (int e = d->start[i]; e < d->start[i + 1]; e++) {
            path[i] = fmax(path[i], path[d->pred[e]]);
        }
        path[i] += t->alone_ns[i];
        longest = fmax(longest, path[i]);
    }
    return longest;
}

static double busiest_device(const struct umb_timed_steps *t)
{
    double work[UMB_MAX_BOUND_DEVICES] = {0}, most = 0;
    for (int i = 0; i < t->deps->n; i++) {
        const int device = t->device ? t->device[i] : 0;
        work[device] += t->alone_ns[i] * umb__step_width(t, i) / t->units[device];
    }
    for (int k = 0; k < t->n_devices; k++) {
        most = fmax(most, work[k]);
    }
    return most;
}

enum umb_status umb__bound(struct umb_context *ctx, const struct umb_timed_steps *t,
                           struct umb_bound *ret_bound)
{
    double *path = umb__calloc(ctx, (size_t)t->deps->n + 1, sizeof *path);
    if (!path) { return UMB_ERR_NO_MEMORY; }
    struct umb_bound b = {.path_ns = longest_path(t, path), .work_ns = busiest_device(t)};
    b.ns = fmax(b.path_ns, b.work_ns);
    umb__free(path);
    *ret_bound = b;
    return UMB_OK;
}

double umb__busy_units(double groups, int units, double tail)
{
    if (groups <= 0) { return units; }
    return groups < units ? groups : fmax(1, units - tail * (units - 1) * units / groups);
}

double umb__alone_on_units(double alone_ns, double groups, int from, int to)
{
    if (groups <= 0) { return alone_ns * from / to; }
    return alone_ns / ceil(groups / from) * ceil(groups / to);
}
