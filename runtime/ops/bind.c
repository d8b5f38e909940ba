/*
 * Binding: a step and the places of its values become something to enqueue.
 */
#include "many.h"
#include "system.h"
#include <string.h>

struct umb_bound_step {
    struct umb_context *ctx;
    const struct umb_step *step;
    struct umb_launch *launch; /* kernels */
    struct umb_view *views;    /* calls: the buffer arguments in order; then ints, then floats */
    int32_t *ints;
    float *floats;
};

static const char *step_name(const struct umb_step *step)
{
    return step->kernel ? step->kernel->name : step->call->name;
}

/* Kernels take offsets in elements. */
enum umb_status umb__step_offset(struct umb_context *ctx, const struct umb_step *step,
                                 const struct umb_step_arg *a, const struct umb_view *view,
                                 uint64_t *ret_offset)
{
    if (!view->buffer || view->byte_offset % a->element_bytes != 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: value %d has no place, or one off its elements",
                         step_name(step), a->value);
    }
    *ret_offset = view->byte_offset / a->element_bytes;
    return UMB_OK;
}

/* The launch that a step stands for; args[UMB_MAX_KERNEL_ARGS], zeroed, are what it points to. */
static enum umb_status describe(struct umb_context *ctx, const struct umb_step *s,
                                struct umb_buffer *table, umb_resolve_fn resolve, void *user,
                                struct umb_launch_arg *args, struct umb_launch_desc *ret_desc)
{
    if (s->n_members) { return umb__many_describe(ctx, s, table, resolve, user, args, ret_desc); }
    if (s->n_args > UMB_MAX_KERNEL_ARGS) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: %zu arguments; at most %d", step_name(s),
                         s->n_args, UMB_MAX_KERNEL_ARGS);
    }
    for (size_t i = 0; i < s->n_args; i++) {
        const struct umb_step_arg *a = &s->args[i];
        if (umb__names_value(a)) {
            const struct umb_view view = resolve(user, a->value);
            const enum umb_status st = umb__step_offset(ctx, s, a, &view, &args[i].offset);
            if (st != UMB_OK) { return st; }
            args[i].buffer = view.buffer;
        } else if (a->kind == 'l') {
            args[i].u.local_bytes = a->u.local_bytes;
        } else if (a->kind == 'f') {
            args[i].u.f = a->u.f;
        } else {
            args[i].u.i = a->u.i;
        }
    }
    *ret_desc = (struct umb_launch_desc){.kernel = s->kernel,
                                         .options = s->options,
                                         .dimensions = s->dimensions,
                                         .args = args,
                                         .n_args = s->n_args};
    memcpy(ret_desc->global, s->global, sizeof ret_desc->global);
    memcpy(ret_desc->local, s->local, sizeof ret_desc->local);
    return UMB_OK;
}

static enum umb_status bind_kernel(struct umb_device *device, struct umb_bound_step *b,
                                   struct umb_buffer *table, umb_resolve_fn resolve, void *user)
{
    struct umb_launch_arg args[UMB_MAX_KERNEL_ARGS];
    struct umb_launch_desc desc;
    memset(args, 0, sizeof args);
    const enum umb_status st = describe(b->ctx, b->step, table, resolve, user, args, &desc);
    return st == UMB_OK ? umb__launch_create(device, &desc, &b->launch) : st;
}

void umb__steps_build_ahead(struct umb_device *device, int index, const struct umb_steps *steps,
                            struct umb_buffer *table, umb_resolve_fn resolve, void *user)
{
    struct umb_context *ctx = umb__device_context(device);
    if (!umb__context_builder(ctx)) { return; }
    struct umb_launch_arg *args =
        umb__calloc(ctx, steps->n + 1, UMB_MAX_KERNEL_ARGS * sizeof *args);
    struct umb_launch_desc *desc = umb__calloc(ctx, steps->n + 1, sizeof *desc);
    size_t n = 0;
    enum umb_status st = args && desc ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < steps->n; i++) {
        if (!steps->step[i].kernel || steps->step[i].device != index) { continue; }
        struct umb_launch_arg *own = args + n * UMB_MAX_KERNEL_ARGS;
        st = describe(ctx, &steps->step[i], table, resolve, user, own, &desc[n]);
        /* who builds has a table of zeros: one member, of nothing */
        if (steps->step[i].n_members) { own[1].u.i = 1; }
        n++;
    }
    if (st == UMB_OK) { umb__build_ahead(device, desc, n); }
    umb__free(desc);
    umb__free(args);
}

static enum umb_status bind_call(struct umb_bound_step *b, umb_resolve_fn resolve, void *user)
{
    const struct umb_step *s = b->step;
    b->views = umb__calloc(b->ctx, s->n_args, sizeof *b->views);
    b->ints = umb__calloc(b->ctx, s->n_args, sizeof *b->ints);
    b->floats = umb__calloc(b->ctx, s->n_args, sizeof *b->floats);
    if (!b->views || !b->ints || !b->floats) { return UMB_ERR_NO_MEMORY; }
    size_t n_views = 0, n_ints = 0, n_floats = 0;
    for (size_t i = 0; i < s->n_args; i++) {
        const struct umb_step_arg *a = &s->args[i];
        if (umb__names_value(a)) {
            uint64_t offset = 0;
            b->views[n_views] = resolve(user, a->value);
            const enum umb_status st =
                umb__step_offset(b->ctx, s, a, &b->views[n_views++], &offset);
            if (st != UMB_OK) { return st; }
        } else if (a->kind == 'f') {
            b->floats[n_floats++] = a->u.f;
        } else {
            b->ints[n_ints++] = a->u.i;
        }
    }
    return UMB_OK;
}

enum umb_status umb__step_bind(struct umb_device *device, const struct umb_step *step,
                               struct umb_buffer *table, umb_resolve_fn resolve, void *user,
                               struct umb_bound_step **ret_bound)
{
    struct umb_context *ctx = umb__device_context(device);
    struct umb_bound_step *b = umb__calloc(ctx, 1, sizeof *b);
    if (!b) { return UMB_ERR_NO_MEMORY; }
    b->ctx = ctx;
    b->step = step;
    const enum umb_status st =
        step->kernel ? bind_kernel(device, b, table, resolve, user) : bind_call(b, resolve, user);
    if (st != UMB_OK) { goto fail; }
    *ret_bound = b;
    return UMB_OK;
fail:
    umb__bound_step_destroy(b);
    return st;
}

void umb__bound_step_destroy(struct umb_bound_step *bound)
{
    if (!bound) { return; }
    umb__launch_destroy(bound->launch);
    umb__free(bound->views);
    umb__free(bound->ints);
    umb__free(bound->floats);
    umb__free(bound);
}

enum umb_status umb__bound_step_move(struct umb_bound_step *bound, int value, struct umb_view view)
{
    const struct umb_step *s = bound->step;
    size_t n_views = 0;
    for (size_t i = 0; i < s->n_args; i++) {
        const struct umb_step_arg *a = &s->args[i];
        if (!umb__names_value(a)) { continue; }
        const size_t index = n_views++;
        if (a->value != value) { continue; }
        uint64_t offset = 0;
        enum umb_status st = umb__step_offset(bound->ctx, s, a, &view, &offset);
        if (st != UMB_OK) { return st; }
        if (bound->launch) {
            /* a merged step's table has the offset, which slots agree in */
            st = s->n_members
                     ? umb__launch_set_buffer(bound->launch, umb__many_index(s, i), view.buffer, 0)
                     : umb__launch_set_buffer(bound->launch, i, view.buffer, offset);
            if (st != UMB_OK) { return st; }
        } else {
            bound->views[index] = view;
        }
    }
    return UMB_OK;
}

enum umb_status umb__bound_step_enqueue(struct umb_bound_step *bound, struct umb_queue *q,
                                        umb_event *const *waits, size_t n_waits,
                                        umb_event **ret_event)
{
    if (bound->launch) { return umb__launch_enqueue(bound->launch, q, waits, n_waits, ret_event); }
    return bound->step->call->run(q, bound->views, bound->ints, bound->floats, waits, n_waits,
                                  ret_event);
}
