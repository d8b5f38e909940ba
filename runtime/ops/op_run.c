/*
 * One op by one solver on host data: what tests, benchmarks, selftest and tuning are made of.
 */
#include "steps.h"
#include <string.h>

/* Values 0…n_in−1 are the inputs, then the outputs, then the temporaries. */
struct bench {
    const struct umb_op_run *run;
    struct umb_problem p;
    struct umb_device *device;
    struct umb_queue *queue;
    struct umb_steps steps;
    int *ids; /* [n_values] */
    int n_values;
    size_t n_buffers;
    struct umb_buffer **buffers; /* [n_buffers]: values, then temporaries */
    bool *written;               /* [n_values]: some step writes it */
    struct umb_bound_step **bound;
    umb_event **events; /* [steps.n] */
    umb_event **before; /* [steps.n] of calls: all that comes before is done */
};

static const struct umb_type *type_of(const struct bench *b, int value)
{
    return value < b->p.n_in ? &b->p.in[value] : &b->p.out[value - b->p.n_in];
}

static void *host_of(const struct bench *b, int value)
{
    return value < b->p.n_in ? b->run->in[value] : b->run->out[value - b->p.n_in];
}

static enum umb_status emit(struct bench *b)
{
    b->n_values = b->p.n_in + b->p.n_out;
    b->ids = umb__calloc(b->p.ctx, (size_t)b->n_values, sizeof *b->ids);
    b->written = umb__calloc(b->p.ctx, (size_t)b->n_values, sizeof *b->written);
    if (!b->ids || !b->written) { return UMB_ERR_NO_MEMORY; }
    for (int i = 0; i < b->n_values; i++) {
        b->ids[i] = i;
    }
    enum umb_status st = umb__steps_init(b->p.ctx, b->n_values, &b->steps);
    if (st != UMB_OK) { return st; }
    struct umb_emit e = {
        .p = b->p, .in = b->ids, .out = b->ids + b->p.n_in, .steps = &b->steps, .node = -1};
    st = b->run->solver->emit(&e);
    for (size_t s = 0; s < b->steps.n && st == UMB_OK; s++) {
        const struct umb_step *step = &b->steps.step[s];
        for (size_t i = 0; i < step->n_args; i++) {
            const struct umb_step_arg *a = &step->args[i];
            const bool writes = a->kind == 'w' || a->kind == 'm';
            if (writes && a->value < b->n_values) { b->written[a->value] = true; }
        }
    }
    return st;
}

static enum umb_status make_buffers(struct bench *b)
{
    b->n_buffers = (size_t)b->n_values + b->steps.n_temps;
    b->buffers = umb__calloc(b->p.ctx, b->n_buffers, sizeof *b->buffers);
    if (!b->buffers) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < b->n_buffers; i++) {
        const size_t bytes = i < (size_t)b->n_values ? umb__type_bytes(type_of(b, (int)i))
                                                     : b->steps.temp_bytes[i - (size_t)b->n_values];
        const enum umb_status st = umb__buffer_create(b->device, bytes ? bytes : 1, &b->buffers[i]);
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

static struct umb_view resolve(void *user, int value)
{
    const struct bench *b = user;
    return (struct umb_view){b->buffers[value], 0};
}

static enum umb_status bind(struct bench *b)
{
    b->bound = umb__calloc(b->p.ctx, b->steps.n, sizeof *b->bound);
    b->events = umb__calloc(b->p.ctx, b->steps.n, sizeof(umb_event *));
    b->before = umb__calloc(b->p.ctx, b->steps.n, sizeof(umb_event *));
    if (!b->bound || !b->events || !b->before) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < b->steps.n; i++) {
        const enum umb_status st =
            umb__step_bind(b->device, &b->steps.step[i], NULL, resolve, b, &b->bound[i]);
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

/* Everything the first time, outputs too, as memory may still hold what another solver computed;
 * later the inputs that steps write. */
static enum umb_status upload(struct bench *b, bool first)
{
    for (int i = 0; i < (first ? b->n_values : b->p.n_in); i++) {
        if (!first && !b->written[i]) { continue; }
        const enum umb_status st = umb__queue_write_now(
            b->queue, b->buffers[i], 0, umb__type_bytes(type_of(b, i)), host_of(b, i));
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

static void release_events(struct bench *b)
{
    for (size_t i = 0; b->events && b->before && i < b->steps.n; i++) {
        umb__event_release(b->events[i]);
        umb__event_release(b->before[i]);
        b->events[i] = b->before[i] = NULL;
    }
}

/* Calls that give no event are not counted. A call's event is that of its last kernel, so a call
 * begins where what comes before it ended, if the driver has times for that. */
static enum umb_status sum_times(struct bench *b, uint64_t *ret_ns)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < b->steps.n; i++) {
        uint64_t queued, start, end;
        if (!b->events[i]) { continue; }
        const enum umb_status st = umb__event_times(b->device, b->events[i], &queued, &start, &end);
        if (st != UMB_OK) { return st; }
        uint64_t idle, ready;
        if (b->before[i] &&
            umb__event_times(b->device, b->before[i], &queued, &idle, &ready) == UMB_OK) {
            start = ready < start ? ready : start;
        }
        sum += end - start;
    }
    *ret_ns = sum;
    return UMB_OK;
}

static enum umb_status repeat(struct bench *b, uint64_t *ret_ns)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; i < b->steps.n && st == UMB_OK; i++) {
        if (ret_ns && b->steps.step[i].call) {
            st = umb__queue_marker(b->queue, NULL, 0, &b->before[i]);
        }
        if (st == UMB_OK) {
            st = umb__bound_step_enqueue(b->bound[i], b->queue, NULL, 0, &b->events[i]);
        }
    }
    if (st == UMB_OK) { st = umb__queue_finish(b->queue); }
    if (st == UMB_OK && ret_ns) { st = sum_times(b, ret_ns); }
    release_events(b);
    return st;
}

/* Outputs, and inputs that steps write. */
static enum umb_status download(struct bench *b)
{
    for (int i = 0; i < b->n_values; i++) {
        if (i < b->p.n_in && !b->written[i]) { continue; }
        const enum umb_status st = umb__queue_read_now(
            b->queue, b->buffers[i], 0, umb__type_bytes(type_of(b, i)), host_of(b, i));
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

static enum umb_status run_all(struct bench *b)
{
    enum umb_status st = emit(b);
    if (st == UMB_OK) { st = make_buffers(b); }
    if (st == UMB_OK) { st = umb__queue_create(b->device, true, &b->queue); }
    if (st == UMB_OK) { st = bind(b); }
    for (int i = 0; i < b->run->repeats && st == UMB_OK; i++) {
        st = upload(b, i == 0);
        if (st == UMB_OK) { st = repeat(b, b->run->ret_ns ? &b->run->ret_ns[i] : NULL); }
    }
    if (st == UMB_OK) { st = download(b); }
    if (st == UMB_OK && b->run->ret_n_steps) { *b->run->ret_n_steps = b->steps.n; }
    return st;
}

static void finish(struct bench *b)
{
    release_events(b);
    for (size_t i = 0; b->bound && i < b->steps.n; i++) {
        umb__bound_step_destroy(b->bound[i]);
    }
    umb__queue_destroy(b->queue);
    for (size_t i = 0; b->buffers && i < b->n_buffers; i++) {
        umb__buffer_destroy(b->buffers[i]);
    }
    if (b->steps.arena) { umb__steps_finish(&b->steps); }
    umb__free(b->bound);
    umb__free(b->events);
    umb__free(b->before);
    umb__free(b->buffers);
    umb__free(b->written);
    umb__free(b->ids);
}

/* A view has no steps: its output is a piece of its input. */
static void run_view(const struct umb_op_run *run)
{
    const struct umb_type *in = &run->p.in[0], *out = &run->p.out[0];
    memcpy(run->out[0],
           (const char *)run->in[0] + umb__op_view_offset(run->p.op, run->p.attrs, in, out),
           umb__type_bytes(out));
    for (int i = 0; run->ret_ns && i < run->repeats; i++) {
        run->ret_ns[i] = 0;
    }
    if (run->ret_n_steps) { *run->ret_n_steps = 0; }
}

enum umb_status umb__op_run(struct umb_device *device, const struct umb_op_run *run)
{
    if (run->p.op->flags & UMB_OP_VIEW) {
        run_view(run);
        return UMB_OK;
    }
    struct bench b = {.run = run, .p = run->p, .device = device};
    if (!b.p.caps) { b.p.caps = umb_device_get_caps(device); }
    if (!b.p.ctx) { b.p.ctx = umb__device_context(device); }
    const enum umb_status st = run_all(&b);
    finish(&b);
    return st;
}
