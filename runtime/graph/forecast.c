/* The bound of a plan, and what its steps would take on other queues and units. */
#include "bound.h"
#include "plan_internal.h"
#include "simulate.h"

static struct umb_timed_steps timed_steps(const struct umb_plan *p, const double *alone_ns,
                                          const int *units)
{
    return (struct umb_timed_steps){.deps = &p->deps,
                                    .alone_ns = alone_ns,
                                    .groups = p->groups,
                                    .n_devices = 1,
                                    .units = units};
}

static enum umb_status check_timed(const struct umb_plan *p)
{
    return p->n_alone ? UMB_OK
                      : umb__fail(p->ctx, UMB_ERR_INVALID, "the plan's steps were not timed alone");
}

enum umb_status umb__plan_bound(const struct umb_plan *p, uint64_t *ret_bound_ns)
{
    const int units = (int)umb_device_get_caps(p->device)->compute_units;
    const struct umb_timed_steps t = timed_steps(p, p->alone_ns, &units);
    struct umb_bound b;
    enum umb_status st = check_timed(p);
    if (st == UMB_OK) { st = umb__bound(p->ctx, &t, &b); }
    if (st == UMB_OK) { *ret_bound_ns = (uint64_t)b.ns; }
    return st;
}

/* The schedule for that many queues, and the scratch memory that it needs. */
static enum umb_status schedule_for(struct umb_plan *p, int n_queues, struct umb_schedule *s,
                                    size_t *ret_bytes)
{
    struct umb_memory m = {0};
    enum umb_status st = umb__schedule_build(p->ctx, &p->deps, p->cost_ns, n_queues, s);
    if (st != UMB_OK) { return st; }
    st = umb__memory_build(p->graph, &p->steps, s, &m);
    *ret_bytes = m.total;
    umb__memory_finish(&m);
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
        .launch_on_unit = umb_device_get_caps(p->device)->type == UMB_DEVICE_CPU};
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
    const int measured_on = (int)umb_device_get_caps(p->device)->compute_units;
    double *alone_ns = umb__calloc(p->ctx, p->steps.n + 1, sizeof *alone_ns);
    enum umb_status st = alone_ns ? check_timed(p) : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < p->steps.n; i++) {
        alone_ns[i] = umb__alone_on_units(p->alone_ns[i], p->groups[i], measured_on, units);
    }
    const struct umb_timed_steps t = timed_steps(p, alone_ns, &units);
    struct umb_forecast f = {.n_queues = n_queues, .units = units, .launch_ns = p->launch_ns};
    struct umb_bound b = {0};
    if (st == UMB_OK) { st = umb__bound(p->ctx, &t, &b); }
    if (st == UMB_OK) { st = simulate(p, &t, n_queues, &f); }
    umb__free(alone_ns);
    if (st != UMB_OK) { return st; }
    f.bound_ns = b.ns;
    *ret_forecast = f;
    return UMB_OK;
}
