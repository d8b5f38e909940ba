#include "shuffle.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "cl_handles.h"
#include "plan_schedule.h"
#include "random_net.h"
#include "system.h"

#define MOST_GATES 512
#define LONGEST_SLEEP_NS 100000
#define LONGEST_HOLD_NS 500000

__typeof__(umb__schedule_build_on) __real_umb__schedule_build_on, __wrap_umb__schedule_build_on;
__typeof__(umb__bound_step_enqueue) __real_umb__bound_step_enqueue, __wrap_umb__bound_step_enqueue;
__typeof__(umb__queue_write) __real_umb__queue_write, __wrap_umb__queue_write;

enum { ORDERS = 79, DELAYS };

static struct {
    uint64_t plans, plans_at, delays, delays_at;
    const struct umb_bound_step *held;
    uint64_t held_ns;
} shuffle;

/* ---- gates ---- */

struct gate {
    cl_event event;
    uint64_t due_ns;
};
static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct gate gate[MOST_GATES]; /* under the lock, as all that follows */
    int n;
    bool stop;
} keeper = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* The lock is held; the gate whose time comes first. */
static int next_gate(void)
{
    int first = 0;
    for (int i = 1; i < keeper.n; i++) {
        if (keeper.gate[i].due_ns < keeper.gate[first].due_ns) { first = i; }
    }
    return first;
}

static void open_gate(cl_event gate)
{
    clSetUserEventStatus(gate, CL_COMPLETE);
    clReleaseEvent(gate);
}

static void *keep_gates(void *user)
{
    (void)user;
    pthread_mutex_lock(&keeper.lock);
    while (!keeper.stop || keeper.n > 0) {
        if (keeper.n == 0) {
            pthread_cond_wait(&keeper.changed, &keeper.lock);
            continue;
        }
        const int i = next_gate();
        const struct gate gate = keeper.gate[i];
        const uint64_t now = umb__clock_ns();
        if (gate.due_ns <= now) { keeper.gate[i] = keeper.gate[--keeper.n]; }
        pthread_mutex_unlock(&keeper.lock);
        if (gate.due_ns <= now) {
            open_gate(gate.event);
        } else {
            umb__sleep_ns(gate.due_ns - now < 50000 ? gate.due_ns - now : 50000);
        }
        pthread_mutex_lock(&keeper.lock);
    }
    pthread_mutex_unlock(&keeper.lock);
    return NULL;
}

/* What is enqueued on the queue from now on waits at least so long. */
static void hold(struct umb_queue *q, uint64_t ns)
{
    cl_int code;
    const cl_event gate = clCreateUserEvent(umb__device_cl_context(umb__queue_device(q)), &code);
    assert_int_equal(code, CL_SUCCESS);
    assert_int_equal(clEnqueueBarrierWithWaitList(umb__queue_cl(q), 1, &gate, NULL), CL_SUCCESS);
    pthread_mutex_lock(&keeper.lock);
    const bool full = keeper.n == MOST_GATES;
    if (!full) { keeper.gate[keeper.n++] = (struct gate){gate, umb__clock_ns() + ns}; }
    pthread_cond_signal(&keeper.changed);
    pthread_mutex_unlock(&keeper.lock);
    if (full) { open_gate(gate); }
}

void shuffle_open(void)
{
    keeper.stop = false;
    assert_int_equal(pthread_create(&keeper.thread, NULL, keep_gates, NULL), 0);
}

void shuffle_close(void)
{
    pthread_mutex_lock(&keeper.lock);
    keeper.stop = true;
    pthread_cond_signal(&keeper.changed);
    pthread_mutex_unlock(&keeper.lock);
    pthread_join(keeper.thread, NULL);
}

/* ---- orders ---- */

void shuffle_plans(uint64_t seed)
{
    shuffle.plans = seed;
    shuffle.plans_at = 0;
}

static int pick(int below)
{
    return (int)random_pick(shuffle.plans, ORDERS, &shuffle.plans_at, (uint32_t)below);
}

enum style { ANY, NEWEST, OLDEST, LAST_IN_LIST, N_STYLES };

/* Which of the steps that could be next, in the order in which they became so. */
static int choose(const int *ready, int n, enum style style)
{
    int chosen = 0;
    switch (style) {
    case ANY:
        return pick(n);
    case NEWEST:
        return n - 1;
    case OLDEST:
        return 0;
    default:
        for (int i = 1; i < n; i++) {
            if (ready[i] > ready[chosen]) { chosen = i; }
        }
        return chosen;
    }
}

/* Scattered, in runs, or nearly all on the first. */
static int choose_queue(int before, int n_queues, int style)
{
    if (style == 0) { return pick(n_queues); }
    if (style == 1) { return pick(4) ? before : pick(n_queues); }
    return pick(8) ? 0 : pick(n_queues);
}

static void draw_order(const struct umb_deps *d, int n_queues, int *order, int *queue)
{
    const size_t n = (size_t)d->n + 1, edges = (size_t)d->start[d->n] + 1;
    int *start = umb__calloc(NULL, n, sizeof *start),
        *succ = umb__calloc(NULL, edges, sizeof *succ),
        *missing = umb__calloc(NULL, n, sizeof *missing),
        *ready = umb__calloc(NULL, n, sizeof *ready), n_ready = 0, q = 0;
    assert_true(start && succ && missing && ready);
    umb__deps_turn(d, start, succ, missing);
    const enum style style = (enum style)pick(N_STYLES);
    const int queue_style = pick(3);
    for (int i = 0; i < d->n; i++) {
        if (!missing[i]) { ready[n_ready++] = i; }
    }
    for (int o = 0; o < d->n; o++) {
        const int at = choose(ready, n_ready, style), step = ready[at];
        memmove(&ready[at], &ready[at + 1], (size_t)(--n_ready - at) * sizeof *ready);
        order[o] = step;
        queue[step] = q = choose_queue(q, n_queues, queue_style);
        for (int e = start[step]; e < start[step + 1]; e++) {
            if (--missing[succ[e]] == 0) { ready[n_ready++] = succ[e]; }
        }
    }
    umb__free(start);
    umb__free(succ);
    umb__free(missing);
    umb__free(ready);
}

enum umb_status __wrap_umb__schedule_build_on(struct umb_context *ctx, const struct umb_deps *deps,
                                              const double *cost_ns,
                                              const struct umb_queues *queues,
                                              struct umb_schedule *ret_schedule)
{
    const int n_queues = queues->n;
    if (!shuffle.plans) {
        return __real_umb__schedule_build_on(ctx, deps, cost_ns, queues, ret_schedule);
    }
    int *order = umb__calloc(NULL, (size_t)deps->n + 1, sizeof *order),
        *queue = umb__calloc(NULL, (size_t)deps->n + 1, sizeof *queue);
    assert_true(order && queue);
    draw_order(deps, n_queues, order, queue);
    const enum umb_status st =
        umb__schedule_arrange(ctx, deps, order, queue, n_queues, ret_schedule);
    umb__free(order);
    umb__free(queue);
    return st;
}

/* ---- delays ---- */

void shuffle_delays(uint64_t seed)
{
    shuffle.delays = seed;
    shuffle.delays_at = 0;
}

void shuffle_hold(const struct umb_bound_step *step, uint64_t ns)
{
    shuffle.held = step;
    shuffle.held_ns = ns;
}

static uint32_t draw(uint32_t below)
{
    return random_pick(shuffle.delays, DELAYS, &shuffle.delays_at, below);
}

static void delay(struct umb_queue *q)
{
    if (!shuffle.delays) { return; }
    const uint32_t kind = draw(16);
    if (kind < 2) {
        hold(q, draw(LONGEST_HOLD_NS));
    } else if (kind < 4) {
        umb__sleep_ns(draw(LONGEST_SLEEP_NS));
    } else if (kind < 8) {
        assert_int_equal(umb__queue_flush(q), UMB_OK);
    }
}

enum umb_status __wrap_umb__bound_step_enqueue(struct umb_bound_step *bound, struct umb_queue *q,
                                               umb_event *const *waits, size_t n_waits,
                                               umb_event **ret_event)
{
    if (bound == shuffle.held) { hold(q, shuffle.held_ns); }
    delay(q);
    return __real_umb__bound_step_enqueue(bound, q, waits, n_waits, ret_event);
}

enum umb_status __wrap_umb__queue_write(struct umb_queue *q, struct umb_buffer *dst, size_t offset,
                                        size_t bytes, const void *src, umb_event *const *waits,
                                        size_t n_waits, umb_event **ret_event)
{
    delay(q);
    return __real_umb__queue_write(q, dst, offset, bytes, src, waits, n_waits, ret_event);
}
