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
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "plan_internal.h"
#include "system.h"

/* The latest are kept: enough for a median, and few enough to forget how the machine was. */
#define KEPT_RUNS 64

static enum umb_status allocate(struct umb_plan *p)
{
    const size_t n = p->steps.n + 1;
    if (p->alone_ns) { return UMB_OK; }
    p->sample_ns = umb__arena_calloc(p->arena, n * KEPT_RUNS, sizeof *p->sample_ns);
    p->gap_ns = umb__arena_calloc(p->arena, KEPT_RUNS, sizeof *p->gap_ns);
    p->worked_ns = umb__arena_calloc(p->arena, KEPT_RUNS, sizeof *p->worked_ns);
    p->groups = umb__arena_calloc(p->arena, n, sizeof *p->groups);
    p->alone_ns = umb__arena_calloc(p->arena, n, sizeof *p->alone_ns);
    return p->sample_ns && p->gap_ns && p->worked_ns && p->groups && p->alone_ns
               ? UMB_OK
               : UMB_ERR_NO_MEMORY;
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
static void keep(struct umb_plan *p, const uint64_t *start, const uint64_t *end, double worked_ns)
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
    p->worked_ns[at] = worked_ns;
}

/* Of a processor: had each kernel kept busy all units that it could, and each launch one, its
 * threads would have worked longer than they did. What is missing is laid to the kernels' tails:
 * that share of a work-group's time, on all units but one. Chance leaves a half. */
static double find_tail(const struct umb_plan *p, double worked_ns)
{
    const int units = (int)umb_device_get_caps(p->side[0].device)->compute_units;
    double most = (double)p->steps.n * p->launch_ns, of_a_group = 0;
    if (p->n_devices > 1 || !p->side[0].is_processor || worked_ns <= 0) { return -1; }
    for (size_t i = 0; i < p->steps.n; i++) {
        most += p->alone_ns[i] * umb__busy_units(p->groups[i], units, 0);
        if (p->groups[i] < units) { continue; }
        of_a_group += p->alone_ns[i] * units / p->groups[i] * (units - 1);
    }
    if (most <= worked_ns || of_a_group <= 0) { return 0; }
    return fmin((most - worked_ns) / of_a_group, 1);
}

void umb__plan_settle_alone(struct umb_plan *p, double q)
{
    const size_t n = p->steps.n, kept = (size_t)(p->n_alone < KEPT_RUNS ? p->n_alone : KEPT_RUNS);
    double value[KEPT_RUNS], sum[KEPT_RUNS] = {0}, whole[KEPT_RUNS], parts = 0;
    if (kept == 0) { return; }
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < kept; r++) {
            value[r] = p->sample_ns[r * n + i];
            sum[r] += value[r];
        }
        p->alone_ns[i] = quantile(value, kept, q);
        parts += p->alone_ns[i];
    }
    memcpy(whole, sum, sizeof whole);
    const double stretch = parts > 0 ? quantile(sum, kept, q) / parts : 1;
    for (size_t i = 0; i < n; i++) {
        p->alone_ns[i] *= stretch;
    }
    for (size_t r = 0; r < kept; r++) {
        value[r] = whole[r] + p->gap_ns[r] * (double)(n - 1);
    }
    const double between = quantile(value, kept, q) - quantile(sum, kept, q);
    p->launch_ns = n > 1 ? fmax(0, between / (double)(n - 1)) : 0;
    memcpy(value, p->worked_ns, kept * sizeof *value);
    p->tail = find_tail(p, quantile(value, kept, q));
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
    for (int k = 0; st == UMB_OK && k < p->n_slots; k++) { /* what they take is not counted */
        st = umb__plan_wait(p, k);
    }
    const uint64_t before = umb__others_busy_ns();
    if (st == UMB_OK) { st = umb__plan_timed_run(p, slot, true, start, end); }
    if (st == UMB_OK) {
        keep(p, start, end, (double)(umb__others_busy_ns() - before));
        umb__plan_settle_alone(p, 0.5);
    }
    umb__free(start);
    umb__free(end);
    return st;
}
