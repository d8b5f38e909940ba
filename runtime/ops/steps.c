/*
 * Emitting: steps into their list, and the choice of the solver that does it.
 */
#include "steps.h"
#include "update.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum umb_status umb__steps_init(struct umb_context *ctx, int temp_base, struct umb_steps *s)
{
    memset(s, 0, sizeof *s);
    s->ctx = ctx;
    s->temp_base = temp_base;
    return umb__arena_create(ctx, &s->arena);
}

void umb__steps_finish(struct umb_steps *s)
{
    umb__arena_destroy(s->arena);
    umb__free(s->step);
    umb__free(s->temp_bytes);
    umb__free(s->temp_device);
    memset(s, 0, sizeof *s);
}

/* Room for one more of `n` elements; false: no memory, the message is set. */
static bool reserve(struct umb_context *ctx, void **array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) { return true; }
    /* new elements are cleared, so what is spare is memory in use */
    const size_t wanted = *capacity ? *capacity + *capacity / 2 : 16;
    void *grown = umb__grow(ctx, *array, *capacity, wanted, size);
    if (!grown) { return false; }
    *array = grown;
    *capacity = wanted;
    return true;
}

static enum umb_status append(struct umb_steps *s, const struct umb_step *step)
{
    void *array = s->step;
    if (!reserve(s->ctx, &array, s->n, &s->capacity, sizeof *s->step)) { return UMB_ERR_NO_MEMORY; }
    s->step = array;
    s->step[s->n++] = *step;
    return UMB_OK;
}

/* 0 when the value belongs neither to the node nor to its temporaries. */
static size_t element_bytes(const struct umb_emit *e, int value)
{
    for (int i = 0; i < e->p.n_in; i++) {
        if (e->in[i] == value) { return umb__dtype_bytes(e->p.in[i].dtype); }
    }
    for (int i = 0; i < e->p.n_out; i++) {
        if (e->out[i] == value) { return umb__dtype_bytes(e->p.out[i].dtype); }
    }
    for (int i = 0; e->update && i < e->update->p.n_in; i++) {
        if (e->update->in[i] == value) { return umb__dtype_bytes(e->update->p.in[i].dtype); }
    }
    const bool temp =
        value >= e->steps->temp_base && (size_t)(value - e->steps->temp_base) < e->steps->n_temps;
    return temp ? sizeof(float) : 0;
}

static enum umb_status buffer_arg(struct umb_emit *e, struct umb_step_arg *a, int value)
{
    a->value = value;
    a->element_bytes = element_bytes(e, value);
    if (a->element_bytes) { return UMB_OK; }
    return umb__fail(e->steps->ctx, UMB_ERR_INVALID,
                     "%s: a step names value %d, which is none of the node's", e->p.op->name,
                     value);
}

static enum umb_status read_args(struct umb_emit *e, const char *signature, struct umb_step *step,
                                 va_list *args)
{
    step->n_args = strlen(signature);
    step->args = umb__arena_calloc(e->steps->arena, step->n_args, sizeof *step->args);
    enum umb_status st = step->args ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; i < step->n_args && st == UMB_OK; i++) {
        struct umb_step_arg *a = &step->args[i];
        a->kind = signature[i];
        a->value = -1;
        switch (a->kind) {
        case 'i':
            a->u.i = va_arg(*args, int);
            break;
        case 'f':
            a->u.f = (float)va_arg(*args, double);
            break;
        case 'l':
            a->u.local_bytes = va_arg(*args, size_t);
            break;
        default:
            st = buffer_arg(e, a, va_arg(*args, int));
        }
    }
    return st;
}

static void set_range(const struct umb_emit_launch *launch, struct umb_step *step)
{
    step->dimensions = launch->dimensions;
    for (unsigned i = 0; i < 3; i++) {
        const size_t local = launch->local[i], global = launch->global[i];
        step->local[i] = local;
        step->global[i] = local ? (global + local - 1) / local * local : global;
    }
}

enum umb_status umb__emit_launch(struct umb_emit *e, const struct umb_emit_launch *launch, ...)
{
    struct umb_step step = {.kernel = launch->kernel, .node = e->node, .device = e->device};
    set_range(launch, &step);
    if (launch->options) {
        step.options = umb__arena_strdup(e->steps->arena, launch->options);
        if (!step.options) { return UMB_ERR_NO_MEMORY; }
    }
    va_list args;
    va_start(args, launch);
    const enum umb_status st = read_args(e, launch->kernel->signature, &step, &args);
    va_end(args);
    return st == UMB_OK ? append(e->steps, &step) : st;
}

enum umb_status umb__emit_call(struct umb_emit *e, const struct umb_call *call, ...)
{
    struct umb_step step = {.call = call, .node = e->node, .device = e->device};
    va_list args;
    va_start(args, call);
    const enum umb_status st = read_args(e, call->signature, &step, &args);
    va_end(args);
    return st == UMB_OK ? append(e->steps, &step) : st;
}

void umb__emit_beside(struct umb_emit *e, size_t first)
{
    for (size_t i = first; i < e->steps->n; i++) {
        e->steps->step[i].beside = (int)first + 1;
    }
}

static enum umb_status add_temp(struct umb_steps *s, size_t bytes, int device, int *ret_value)
{
    void *array = s->temp_bytes;
    if (!reserve(s->ctx, &array, s->n_temps, &s->temp_capacity, sizeof *s->temp_bytes)) {
        return UMB_ERR_NO_MEMORY;
    }
    s->temp_bytes = array;
    array = s->temp_device;
    if (!reserve(s->ctx, &array, s->n_temps, &s->temp_device_capacity, sizeof *s->temp_device)) {
        return UMB_ERR_NO_MEMORY;
    }
    s->temp_device = array;
    s->temp_bytes[s->n_temps] = bytes;
    s->temp_device[s->n_temps] = device;
    *ret_value = s->temp_base + (int)s->n_temps++;
    return UMB_OK;
}

enum umb_status umb__emit_temp(struct umb_emit *e, size_t bytes, int *ret_value)
{
    return add_temp(e->steps, bytes, e->device, ret_value);
}

static enum umb_status emit_half(struct umb_emit *e, enum umb_transfer half, int device, int from,
                                 int to)
{
    static const struct umb_call calls[] = {
        [UMB_FETCH] = {.name = "fetch", .signature = "rw"},
        [UMB_DELIVER] = {.name = "deliver", .signature = "rw"},
    };
    struct umb_step step = {.call = &calls[half],
                            .node = e->node,
                            .device = device,
                            .transfer = half,
                            .n_args = 2,
                            .args = umb__arena_calloc(e->steps->arena, 3, sizeof *step.args)};
    if (!step.args) { return UMB_ERR_NO_MEMORY; }
    step.args[0] = (struct umb_step_arg){.kind = 'r', .value = from, .element_bytes = 1};
    step.args[1] = (struct umb_step_arg){.kind = 'w', .value = to, .element_bytes = 1};
    return append(e->steps, &step);
}

enum umb_status umb__emit_host(struct umb_emit *e, const struct umb_host_attrs *host)
{
    int in, out;
    enum umb_status st = add_temp(e->steps, umb__type_bytes(&e->p.in[0]), UMB_ON_HOST, &in);
    if (st == UMB_OK) { st = add_temp(e->steps, umb__type_bytes(&e->p.out[0]), UMB_ON_HOST, &out); }
    if (st == UMB_OK) { st = emit_half(e, UMB_FETCH, e->device, e->in[0], in); }
    if (st == UMB_OK) { st = emit_half(e, UMB_DELIVER, e->device, out, e->out[0]); }
    if (st != UMB_OK) { return st; }
    struct umb_step *deliver = &e->steps->step[e->steps->n - 1];
    deliver->host = host;
    deliver->args[deliver->n_args++] =
        (struct umb_step_arg){.kind = 'r', .value = in, .element_bytes = 1};
    return UMB_OK;
}

enum umb_status umb__emit_transfer(struct umb_emit *e)
{
    int host;
    enum umb_status st = add_temp(e->steps, umb__type_bytes(&e->p.out[0]), UMB_ON_HOST, &host);
    if (st == UMB_OK) { st = emit_half(e, UMB_FETCH, e->from, e->in[0], host); }
    return st == UMB_OK ? emit_half(e, UMB_DELIVER, e->device, host, e->out[0]) : st;
}

char *umb__emit_printf(struct umb_emit *e, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = n < 0 ? NULL : umb__arena_calloc(e->steps->arena, (size_t)n + 1, 1);
    if (text) { vsnprintf(text, (size_t)n + 1, fmt, again); }
    va_end(again);
    return text;
}

bool umb__solver_updates(const struct umb_problem *p, const struct umb_solver *s)
{
    for (const char *const *name = p->op->updating; name && *name; name++) {
        if (strcmp(*name, s->name) == 0) { return true; }
    }
    return false;
}

const struct umb_solver *umb__solver_choose(const struct umb_problem *p, const char *name)
{
    const struct umb_solver *best = NULL;
    int best_rank = 0;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        if (name && strcmp(s->name, name) != 0) { continue; }
        const int rank = s->applicable(p);
        if (rank > best_rank) {
            best = s;
            best_rank = rank;
        }
    }
    return best;
}

int umb__solver_rank(const struct umb_problem *p)
{
    int best = 0;
    for (const struct umb_solver *s = p->op->solvers; s && s->name; s++) {
        const int rank = s->applicable(p);
        best = rank > best ? rank : best;
    }
    return best;
}
