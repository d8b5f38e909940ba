/* The bound of a plan, and what its steps would take on other queues and units. */
#include "bound.h"
#include "plan_internal.h"
#include "simulate.h"

/* Units of the plan's devices, and, where something crosses, of the ways between them: one transfer
 * at a time into or out of each. */
struct places {
    int n, units[2 * UMB_MAX_DEVICES];
};

/* units 0: those that the devices have. */
static struct places places_of(const struct umb_plan *p, int units)
{
    struct places a = {.n = p->crosses ? 2 * p->n_devices : 1};
    for (int d = 0; d < a.n; d++) {
        a.units[d] = 1;
        if (d < p->n_devices) {
            const uint32_t own = umb_device_get_caps(p->side[d].device)->compute_units;
            a.units[d] = units ? units : (int)own;
        }
    }
    return a;
}

static struct umb_timed_steps timed_steps(const struct umb_plan *p, const double *alone_ns,
                                          const struct places *places)
{
    return (struct umb_timed_steps){.deps = &p->deps,
                                    .alone_ns = alone_ns,
                                    .groups = p->groups,
                                    .device = p->crosses ? p->step_place : NULL,
                                    .n_devices = places->n,
                                    .units = places->units};
}

static enum umb_status check_timed(const struct umb_plan *p)
{
    return p->n_alone ? UMB_OK
                      : umb__fail(p->ctx, UMB_ERR_INVALID, "the plan's steps were not timed alone");
}

/* From the last step of the longest path back to its first; path[n] and before[n] are scratch. */
static void mark_critical(struct umb_plan *p, double *path, int *before)
{
    int last = -1;
    for (int i = 0; i < p->deps.n; i++) {
        before[i] = -1;
        for (int e = p->deps.start[i]; e < p->deps.start[i + 1]; e++) {
            const int pred = p->deps.pred[e];
            if (before[i] < 0 || path[pred] > path[before[i]]) { before[i] = pred; }
        }
        path[i] = (before[i] < 0 ? 0 : path[before[i]]) + p->alone_ns[i];
        if (last < 0 || path[i] > path[last]) { last = i; }
        p->critical[i] = false;
    }
    for (int i = last; i >= 0; i = before[i]) {
        p->critical[i] = true;
    }
}

static enum umb_status find_critical(struct umb_plan *p)
{
    const size_t n = (size_t)p->deps.n + 1;
    double *path = umb__calloc(p->ctx, n, sizeof *path);
    int *before = umb__calloc(p->ctx, n, sizeof *before);
    if (!p->critical) { p->critical = umb__arena_calloc(p->arena, n, sizeof *p->critical); }
    const bool ok = path && before && p->critical;
    if (ok) { mark_critical(p, path, before); }
    umb__free(path);
    umb__free(before);
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__plan_bound(struct umb_plan *p, uint64_t *ret_bound_ns)
{
    const struct places places = places_of(p, 0);
    const struct umb_timed_steps t = timed_steps(p, p->alone_ns, &places);
    struct umb_bound b;
    enum umb_status st = check_timed(p);
    if (st == UMB_OK) { st = umb__bound(p->ctx, &t, &b); }
    if (st == UMB_OK) { st = find_critical(p); }
    if (st == UMB_OK) { *ret_bound_ns = (uint64_t)b.ns; }
    return st;
}

/* The schedule for that many queues, and the scratch memory that it needs. */
static enum umb_status schedule_for(struct umb_plan *p, int n_queues, struct umb_schedule *s,
                                    size_t *ret_bytes)
{
    int kind[UMB_SCHEDULE_QUEUES];
    const int n = umb__plan_list_lanes(p, n_queues, kind);
    if (!n) {
        return umb__fail(p->ctx, UMB_ERR_INVALID, "%d queues of each of %d devices are too many",
                         n_queues, p->n_devices);
    }
    const bool several = p->crosses;
    const struct umb_queues queues = {.n = n,
                                      .kind = several ? kind : NULL,
                                      .step_kind = several ? p->step_kind : NULL,
                                      .waits = p->step_waits,
                                      .in_order = p->in_order && n_queues == p->n_queues};
    enum umb_status st = umb__schedule_build_on(p->ctx, &p->deps, p->cost_ns, &queues, s);
    if (st != UMB_OK) { return st; }
    *ret_bytes = 0;
    for (int d = 0; st == UMB_OK && d < p->n_devices; d++) {
        struct umb_memory m = {0};
        st = umb__memory_build(p->graph, &p->steps, s, d, &m);
        *ret_bytes += m.total;
        umb__memory_finish(&m);
    }
    if (st != UMB_OK) { umb__schedule_finish(s); }
    return st;
}

static enum umb_status simulate(struct umb_plan *p, const struct umb_timed_steps *t, int n_queues,
                                struct umb_forecast *f)
{
    struct umb_schedule s = {0};
    struct umb_simulation sim = {0};
    enum umb_status st = schedule_for(p, n_queues, &s, &f->scratch_bytes);
    if (st != UMB_OK) { return st; }
    /* a processor's threads launch kernels as well as run them */
    const struct umb_simulation_desc desc = {
        .steps = t,
        .schedule = &s,
        .launch_ns = p->launch_ns,
        .launch_on_unit = umb_device_get_caps(p->side[0].device)->type == UMB_DEVICE_CPU};
    st = umb__simulate(p->ctx, &desc, &sim);
    if (st == UMB_OK) {
        f->makespan_ns = sim.makespan_ns;
        f->idle = sim.idle[0];
    }
    umb__simulation_finish(&sim);
    umb__schedule_finish(&s);
    return st;
}

enum umb_status umb__plan_forecast(struct umb_plan *p, int n_queues, int units,
                                   struct umb_forecast *ret_forecast)
{
    const struct places measured_on = places_of(p, 0), places = places_of(p, units);
    double *alone_ns = umb__calloc(p->ctx, p->steps.n + 1, sizeof *alone_ns);
    double *busy_units = umb__calloc(p->ctx, p->steps.n + 1, sizeof *busy_units);
    enum umb_status st = alone_ns && busy_units ? check_timed(p) : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        const int at = p->step_place[i];
        alone_ns[i] = umb__alone_on_units(p->alone_ns[i], p->groups[i], measured_on.units[at],
                                          places.units[at]);
        busy_units[i] = umb__busy_units(p->groups[i], places.units[at], p->tail);
    }
    struct umb_timed_steps t = timed_steps(p, alone_ns, &places);
    if (p->tail >= 0) { t.busy_units = busy_units; }
    if (!n_queues) { n_queues = p->n_queues; }
    struct umb_forecast f = {
        .n_queues = n_queues, .units = places.units[0], .launch_ns = p->launch_ns};
    struct umb_bound b = {0};
    if (st == UMB_OK) { st = umb__bound(p->ctx, &t, &b); }
    if (st == UMB_OK) { st = simulate(p, &t, n_queues, &f); }
    umb__free(alone_ns);
    umb__free(busy_units);
    if (st != UMB_OK) { return st; }
    f.bound_ns = b.ns;
    *ret_forecast = f;
    return UMB_OK;
}
