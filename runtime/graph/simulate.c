/*
 * simulate.c: see simulate.h. Between the times of two events nothing changes. A step passes
 * ready → (launch) → its device's kernel line → done.
 */
#include "simulate.h"

#include "fail.h"
#include "simulate_events.h"
#include <math.h>

/* Part of a unit that is worth giving out. */
#define LEAST_UNITS 0.01

struct line { /* steps, linked by next */
    int head, tail;
};

struct device {
    double free_units, busy_ns;
    struct line kernels;
    int freed_by; /* the step that set units free last */
};

struct step {
    int missing; /* what must be done before it is ready */
    int next;    /* in a line */
    int cause;   /* the step because of whose end it began; −1: none */
    double entered_ns;
    double left_ns; /* shared work, in unit-time, as of since_ns */
    double since_ns;
    double units;    /* that share its work, or have its groups */
    double room;     /* units it can still take */
    uint64_t number; /* of the event that ends it, of those for shared work */
};

struct machine {
    struct umb_context *ctx;
    const struct umb_simulation_desc *d;
    struct umb_simulation *out;
    struct umb_sim_events events;
    struct device *device; /* [n_devices] */
    struct step *step;     /* [n] */
    int *succ_start, *succ;
    double now_ns;
    int n_done, last;
};

/* Lines. */

static void join(struct machine *m, struct line *l, int step)
{
    m->step[step].next = -1;
    m->step[step].entered_ns = m->now_ns;
    if (l->head < 0) {
        l->head = step;
    } else {
        m->step[l->tail].next = step;
    }
    l->tail = step;
}

static struct device *device_of(const struct machine *m, int step)
{
    const int *device = m->d->steps->device;
    return &m->device[device ? device[step] : 0];
}

static enum umb_status foresee(struct machine *m, double at_ns, enum umb_event_kind kind, int step,
                               double units)
{
    struct umb_sim_event e = {.at_ns = at_ns, .kind = kind, .step = step, .units = units};
    return umb__sim_events_add(m->ctx, &m->events, e, NULL);
}

/* Units at work. */

static void note_wait(const struct machine *m, struct step *s, const struct device *v)
{
    if (s->entered_ns < m->now_ns) { s->cause = v->freed_by; }
}

static int units_of(const struct machine *m, int step)
{
    const struct umb_timed_steps *t = m->d->steps;
    return t->units[t->device ? t->device[step] : 0];
}

/* A processor's threads sleep where there is nothing to do. */
static bool sleeps(const struct machine *m, const struct device *v, int step)
{
    return v->kernels.head < 0 && v->free_units > units_of(m, step) - LEAST_UNITS;
}

static enum umb_status wake_up(struct machine *m, struct device *v, int step)
{
    v->free_units--;
    v->busy_ns += m->d->launch_ns;
    return foresee(m, m->now_ns + m->d->launch_ns, UMB_EVENT_LAUNCHED, step, 1);
}

/* More units share the work that is left, to an earlier end. */
static enum umb_status share_work(struct machine *m, struct step *s, int i, double units)
{
    s->left_ns = fmax(0, s->left_ns - s->units * (m->now_ns - s->since_ns));
    s->since_ns = m->now_ns;
    s->units += units;
    struct umb_sim_event e = {.at_ns = m->now_ns + s->left_ns / s->units,
                              .kind = UMB_EVENT_SHARED_DONE,
                              .step = i,
                              .units = s->units};
    return umb__sim_events_add(m->ctx, &m->events, e, &s->number);
}

static enum umb_status take_groups(struct machine *m, struct step *s, int i, double units)
{
    const double at_ns = m->now_ns + m->d->steps->alone_ns[i];
    s->units += units;
    return foresee(m, at_ns, UMB_EVENT_GROUPS_DONE, i, units);
}

static double most_units(const struct machine *m, int i)
{
    const struct umb_timed_steps *t = m->d->steps;
    return t->busy_units ? t->busy_units[i] : umb__step_width(t, i);
}

/* Where units may be busy in part, all kernels share what there is. */
static bool shares(const struct machine *m, int i)
{
    const struct umb_timed_steps *t = m->d->steps;
    return t->busy_units || umb__step_width(t, i) >= units_of(m, i);
}

/* Gives the first kernel of the line what it can take. */
static enum umb_status feed_kernel(struct machine *m, struct device *v)
{
    const int i = v->kernels.head;
    struct step *s = &m->step[i];
    const double units = fmin(v->free_units, s->room);
    if (m->out->start_ns[i] < 0) {
        note_wait(m, s, v);
        m->out->start_ns[i] = m->now_ns;
        s->since_ns = m->now_ns;
    }
    s->room -= units;
    v->free_units -= units;
    if (s->room < LEAST_UNITS) { v->kernels.head = s->next; }
    return shares(m, i) ? share_work(m, s, i, units) : take_groups(m, s, i, units);
}

static enum umb_status give_out(struct machine *m, struct device *v)
{
    enum umb_status st = UMB_OK;
    while (st == UMB_OK && v->free_units >= LEAST_UNITS && v->kernels.head >= 0) {
        st = feed_kernel(m, v);
    }
    return st;
}

/* Steps from ready to done. */

static enum umb_status make_ready(struct machine *m, int i)
{
    const double delay = m->d->launch_on_unit ? 0 : m->d->launch_ns;
    const double enqueued = m->d->enqueue_ns * (m->d->schedule->rank[i] + 1);
    return foresee(m, fmax(m->now_ns, enqueued) + delay, UMB_EVENT_READY, i, 0);
}

static void stand_in_line(struct machine *m, int i)
{
    m->step[i].room = most_units(m, i);
    m->step[i].left_ns = m->d->steps->alone_ns[i] * m->step[i].room;
    device_of(m, i)->busy_ns += m->step[i].left_ns;
    join(m, &device_of(m, i)->kernels, i);
}

static enum umb_status end_step(struct machine *m, int i)
{
    enum umb_status st = UMB_OK;
    struct device *v = device_of(m, i);
    /* of kernels with room only the first has units, so only that one can end */
    if (v->kernels.head == i) { v->kernels.head = m->step[i].next; }
    m->out->end_ns[i] = m->now_ns;
    m->n_done++;
    m->last = i;
    /* noted from the last to the first: those enqueued earlier come first */
    for (int e = m->succ_start[i + 1]; st == UMB_OK && e-- > m->succ_start[i];) {
        struct step *s = &m->step[m->succ[e]];
        if (--s->missing > 0) { continue; }
        s->cause = i;
        st = make_ready(m, m->succ[e]);
    }
    return st;
}

static void set_free(struct device *v, const struct umb_sim_event *e)
{
    v->free_units += e->units;
    v->freed_by = e->step;
}

static enum umb_status handle(struct machine *m, const struct umb_sim_event *e)
{
    struct device *v = device_of(m, e->step);
    struct step *s = &m->step[e->step];
    switch (e->kind) {
    case UMB_EVENT_READY:
        if (m->d->launch_on_unit && m->d->launch_ns > 0 && sleeps(m, v, e->step)) {
            return wake_up(m, v, e->step);
        }
        stand_in_line(m, e->step);
        return UMB_OK;
    case UMB_EVENT_LAUNCHED:
        v->free_units += e->units;
        stand_in_line(m, e->step);
        return UMB_OK;
    case UMB_EVENT_GROUPS_DONE:
        set_free(v, e);
        s->units -= e->units;
        return s->units <= 0 && s->room <= 0 ? end_step(m, e->step) : UMB_OK;
    default:
        if (s->number != e->number) { return UMB_OK; } /* more units came since */
        set_free(v, e);
        return end_step(m, e->step);
    }
}

static enum umb_status play(struct machine *m)
{
    const int n = m->d->steps->deps->n;
    enum umb_status st = UMB_OK;
    for (int i = 0; st == UMB_OK && i < n; i++) {
        const int step = m->d->schedule->order[i];
        if (m->step[step].missing == 0) { st = make_ready(m, step); }
    }
    while (st == UMB_OK && m->events.n) {
        m->now_ns = m->events.heap[0].at_ns;
        while (st == UMB_OK && m->events.n && m->events.heap[0].at_ns <= m->now_ns) {
            const struct umb_sim_event e = umb__sim_events_next(&m->events);
            st = handle(m, &e);
        }
        for (int k = 0; st == UMB_OK && k < m->d->steps->n_devices; k++) {
            st = give_out(m, &m->device[k]);
        }
    }
    if (st == UMB_OK && m->n_done < n) {
        st = umb__fail(m->ctx, UMB_ERR_INVALID, "%d of %d steps wait for one another",
                       n - m->n_done, n);
    }
    return st;
}

/* Counts that i comes after p, or, the second time, notes it. */
static void follow(struct machine *m, int p, int i, bool counting)
{
    if (counting) {
        m->succ_start[p]++;
        m->step[i].missing++;
    } else {
        m->succ[--m->succ_start[p]] = i;
    }
}

static void visit_followers(struct machine *m, bool counting)
{
    const struct umb_schedule *s = m->d->schedule;
    int last[UMB_SCHEDULE_QUEUES];
    for (int q = 0; q < s->n_queues; q++) {
        last[q] = -1;
    }
    for (int o = 0; o < s->n; o++) {
        const int i = s->order[o], before = last[s->queue[i]];
        if (before >= 0) { follow(m, before, i, counting); }
        for (int w = s->wait_start[i]; w < s->wait_start[i + 1]; w++) {
            follow(m, s->wait[w], i, counting);
        }
        last[s->queue[i]] = i;
    }
}

/* Who follows whom: the next on the queue, and whoever waits for an event. Between the two visits
 * succ_start says where each one's followers end, after them where they begin. */
static void link_steps(struct machine *m)
{
    visit_followers(m, true);
    for (int i = 0; i < m->out->n; i++) {
        m->succ_start[i + 1] += m->succ_start[i];
    }
    visit_followers(m, false);
}

/* Back from the step that ends last, by what each of them waited for. */
static void find_chain(struct machine *m)
{
    struct umb_simulation *out = m->out;
    for (int i = m->last; i >= 0; i = m->step[i].cause) {
        out->chain[out->n_chain++] = i;
    }
    for (int a = 0, b = out->n_chain - 1; a < b; a++, b--) {
        const int i = out->chain[a];
        out->chain[a] = out->chain[b];
        out->chain[b] = i;
    }
}

static void sum_up(struct machine *m)
{
    struct umb_simulation *out = m->out;
    out->makespan_ns = m->last >= 0 ? out->end_ns[m->last] : 0;
    for (int k = 0; k < out->n_devices; k++) {
        const double whole = out->makespan_ns * m->d->steps->units[k];
        out->idle[k] = whole > 0 ? fmax(0, 1 - m->device[k].busy_ns / whole) : 0;
    }
    find_chain(m);
}

static enum umb_status allocate(struct machine *m)
{
    const struct umb_schedule *s = m->d->schedule;
    const size_t n = (size_t)s->n + 1, n_devices = (size_t)m->d->steps->n_devices;
    struct umb_simulation *out = m->out;
    out->n = s->n;
    out->n_devices = (int)n_devices;
    out->start_ns = umb__calloc(m->ctx, n, sizeof *out->start_ns);
    out->end_ns = umb__calloc(m->ctx, n, sizeof *out->end_ns);
    out->idle = umb__calloc(m->ctx, n_devices, sizeof *out->idle);
    out->chain = umb__calloc(m->ctx, n, sizeof *out->chain);
    m->device = umb__calloc(m->ctx, n_devices, sizeof *m->device);
    m->step = umb__calloc(m->ctx, n, sizeof *m->step);
    m->succ_start = umb__calloc(m->ctx, n, sizeof *m->succ_start);
    m->succ = umb__calloc(m->ctx, n + (size_t)s->wait_start[s->n], sizeof *m->succ);
    bool ok = out->start_ns && out->end_ns && out->idle && out->chain && m->device && m->step &&
              m->succ_start && m->succ;
    return ok ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static void begin(struct machine *m)
{
    for (int i = 0; i < m->out->n; i++) {
        m->out->start_ns[i] = -1;
        m->step[i].cause = -1;
    }
    for (int k = 0; k < m->out->n_devices; k++) {
        m->device[k] = (struct device){
            .free_units = m->d->steps->units[k], .kernels = {-1, -1}, .freed_by = -1};
    }
    m->last = -1;
}

enum umb_status umb__simulate(struct umb_context *ctx, const struct umb_simulation_desc *desc,
                              struct umb_simulation *ret_simulation)
{
    struct umb_simulation out = {0};
    struct machine m = {.ctx = ctx, .d = desc, .out = &out};
    enum umb_status st = allocate(&m);
    if (st == UMB_OK) {
        begin(&m);
        link_steps(&m);
        st = play(&m);
    }
    if (st == UMB_OK) { sum_up(&m); }
    umb__sim_events_finish(&m.events);
    umb__free(m.device);
    umb__free(m.step);
    umb__free(m.succ_start);
    umb__free(m.succ);
    if (st != UMB_OK) {
        umb__simulation_finish(&out);
        return st;
    }
    *ret_simulation = out;
    return UMB_OK;
}

void umb__simulation_finish(struct umb_simulation *s)
{
    umb__free(s->start_ns);
    umb__free(s->end_ns);
    umb__free(s->idle);
    umb__free(s->chain);
    *s = (struct umb_simulation){0};
}
