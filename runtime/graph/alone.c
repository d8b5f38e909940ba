/*
 * What every step takes with the device to itself, and what follows from it: the lower bound, and
 * simulations.
 *
 * A run on one queue is disturbed by whatever else the machine does, as a plain run is, and by as
 * much; so the two are measured by turns and both told by their medians, or by the same lower share
 * where quiet moments are wanted. A step's own median leaves out disturbances that hit few runs,
 * and those hit some step in every run: the sum of medians lies below the median of sums. So the
 * medians are stretched to have the sum that half of the runs stay below. Times alone are then
 * those of a run like any other.
 */
#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "plan_internal.h"

/* The latest are kept: enough for a median, and few enough to forget how the machine was. */
#define KEPT_RUNS 64

static enum umb_status allocate(struct umb_plan *p)
{
    const size_t n = p->steps.n + 1;
    if (p->alone_ns) { return UMB_OK; }
    p->sample_ns = umb__arena_calloc(p->arena, n * KEPT_RUNS, sizeof *p->sample_ns);
    p->gap_ns = umb__arena_calloc(p->arena, KEPT_RUNS, sizeof *p->gap_ns);
    p->groups = umb__arena_calloc(p->arena, n, sizeof *p->groups);
    p->alone_ns = umb__arena_calloc(p->arena, n, sizeof *p->alone_ns);
    return p->sample_ns && p->gap_ns && p->groups && p->alone_ns ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* 0: the driver says how many. */
static double n_groups(const struct umb_step *s)
{
    double groups = 1;
    if (!s->kernel || !s->local[0]) { return 0; }
    for (unsigned d = 0; d < s->dimensions; d++) {
        groups *= (double)(s->global[d] / (s->local[d] ? s->local[d] : 1));
    }
    return groups;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value that the share q of them stays below; sorts them. */
static double quantile(double *values, size_t n, double q)
{
    qsort(values, n, sizeof *values, ascending);
    const double at = q * (double)(n - 1);
    const size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;
    return values[low] + (at - (double)low) * (values[high] - values[low]);
}

/* Times of a run, which is one after another; what is between two of them, on average. */
static void keep(struct umb_plan *p, const uint64_t *start, const uint64_t *end)
{
    const size_t at = (size_t)p->n_alone++ % KEPT_RUNS, n = p->steps.n;
    double *sample = &p->sample_ns[at * n], between = 0;
    for (size_t o = 0; o < n; o++) {
        const int i = p->schedule.order[o], before = o ? p->schedule.order[o - 1] : i;
        sample[i] = (double)(end[i] - start[i]);
        const bool follows = p->steps.step[i].device == p->steps.step[before].device;
        if (o && follows && start[i] > end[before]) { between += (double)(start[i] - end[before]); }
    }
    p->gap_ns[at] = n > 1 ? between / (double)(n - 1) : 0;
}

void umb__plan_settle_alone(struct umb_plan *p, double q)
{
    const size_t n = p->steps.n, kept = (size_t)(p->n_alone < KEPT_RUNS ? p->n_alone : KEPT_RUNS);
    double value[KEPT_RUNS], sum[KEPT_RUNS] = {0}, parts = 0;
    if (kept == 0) { return; }
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < kept; r++) {
            value[r] = p->sample_ns[r * n + i];
            sum[r] += value[r];
        }
        p->alone_ns[i] = quantile(value, kept, q);
        parts += p->alone_ns[i];
    }
    const double stretch = parts > 0 ? quantile(sum, kept, q) / parts : 1;
    for (size_t i = 0; i < n; i++) {
        p->alone_ns[i] *= stretch;
    }
    memcpy(value, p->gap_ns, kept * sizeof *value);
    p->launch_ns = quantile(value, kept, q);
}

enum umb_status umb__plan_time_alone(struct umb_plan *p, int slot)
{
    const size_t n = p->steps.n + 1;
    uint64_t *start = umb__calloc(p->ctx, n, sizeof *start);
    uint64_t *end = umb__calloc(p->ctx, n, sizeof *end);
    enum umb_status st = start && end ? allocate(p) : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        p->groups[i] = n_groups(&p->steps.step[i]);
    }
    if (st == UMB_OK) { st = umb__plan_timed_run(p, slot, true, start, end); }
    if (st == UMB_OK) {
        keep(p, start, end);
        umb__plan_settle_alone(p, 0.5);
    }
    umb__free(start);
    umb__free(end);
    return st;
}
