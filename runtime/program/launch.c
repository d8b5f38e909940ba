/* launch.c: a kernel object with its range and arguments, checked once, enqueued often. */
#include "alloc.h"
#include "fail.h"
#include "program.h"
#include "program_table.h"
#include <stdio.h>
#include <string.h>

#define FEW_WAITS 32 /* beyond this a launch allocates its wait list */

struct umb_launch {
    struct umb_device *device;
    struct umb_context *ctx;
    char *name;
    char signature[UMB_MAX_KERNEL_ARGS + 1];
    cl_kernel kernel;
    unsigned dimensions;
    size_t global[3], local[3];
    bool has_local;
};

static enum umb_status check(struct umb_launch *l, cl_int code, const char *what)
{
    char text[256];
    if (code == CL_SUCCESS) { return UMB_OK; }
    snprintf(text, sizeof text, "kernel %s: %s", l->name, what);
    return umb__cl_check(l->ctx, code, text);
}

static bool is_buffer(char letter)
{
    return letter == 'r' || letter == 'w' || letter == 'm';
}

static enum umb_status check_signature(struct umb_launch *l, const struct umb_launch_desc *desc)
{
    size_t n = strlen(desc->kernel->signature);
    if (n > UMB_MAX_KERNEL_ARGS || strspn(desc->kernel->signature, "rwmifl") != n) {
        return umb__fail(l->ctx, UMB_ERR_INVALID,
                         "kernel %s: signature \"%s\"; expected at most %d of the letters rwmifl",
                         l->name, desc->kernel->signature, UMB_MAX_KERNEL_ARGS);
    }
    if (desc->n_args != n) {
        return umb__fail(l->ctx, UMB_ERR_INVALID,
                         "kernel %s: %zu arguments; expected %zu for its signature \"%s\"", l->name,
                         desc->n_args, n, desc->kernel->signature);
    }
    memcpy(l->signature, desc->kernel->signature, n + 1);
    return UMB_OK;
}

static enum umb_status check_range(struct umb_launch *l, const struct umb_launch_desc *desc)
{
    if (desc->dimensions < 1 || desc->dimensions > 3) {
        return umb__fail(l->ctx, UMB_ERR_INVALID, "kernel %s: %u dimensions; expected 1 to 3",
                         l->name, desc->dimensions);
    }
    unsigned n_local = 0;
    for (unsigned i = 0; i < desc->dimensions; i++) {
        n_local += desc->local[i] > 0;
    }
    for (unsigned i = 0; i < desc->dimensions; i++) {
        size_t global = desc->global[i], local = desc->local[i];
        if (global == 0) {
            return umb__fail(l->ctx, UMB_ERR_INVALID,
                             "kernel %s: global size 0 in dimension %u; expected at least 1",
                             l->name, i);
        }
        if (n_local > 0 && (local == 0 || global % local != 0)) {
            return umb__fail(l->ctx, UMB_ERR_INVALID,
                             "kernel %s: global size %zu in dimension %u; expected a multiple of "
                             "the local size %zu",
                             l->name, global, i, local);
        }
        l->global[i] = global;
        l->local[i] = local;
    }
    l->dimensions = desc->dimensions;
    l->has_local = n_local > 0;
    return UMB_OK;
}

static enum umb_status check_buffer(struct umb_launch *l, size_t index,
                                    const struct umb_buffer *buffer, uint64_t offset)
{
    if (!buffer) {
        return umb__fail(l->ctx, UMB_ERR_INVALID, "kernel %s: argument %zu: no buffer", l->name,
                         index);
    }
    /* in elements of a size that is not known here, so this catches only what is surely wrong */
    if (offset >= umb__buffer_bytes(buffer)) {
        return umb__fail(l->ctx, UMB_ERR_INVALID,
                         "kernel %s: argument %zu: offset %llu in a buffer of %zu bytes", l->name,
                         index, (unsigned long long)offset, umb__buffer_bytes(buffer));
    }
    return UMB_OK;
}

static enum umb_status check_args(struct umb_launch *l, const struct umb_launch_desc *desc)
{
    uint64_t most = umb_device_get_caps(l->device)->local_bytes, local_bytes = 0;
    for (size_t i = 0; i < desc->n_args; i++) {
        const struct umb_launch_arg *a = &desc->args[i];
        if (is_buffer(l->signature[i])) {
            enum umb_status st = check_buffer(l, i, a->buffer, a->offset);
            if (st != UMB_OK) { return st; }
        } else if (l->signature[i] == 'l') {
            if (a->u.local_bytes == 0 || a->u.local_bytes > most - local_bytes) {
                return umb__fail(l->ctx, UMB_ERR_UNSUPPORTED,
                                 "kernel %s: argument %zu: %zu bytes of local memory beside %llu; "
                                 "the device has %llu",
                                 l->name, i, a->u.local_bytes, (unsigned long long)local_bytes,
                                 (unsigned long long)most);
            }
            local_bytes += a->u.local_bytes;
        }
    }
    return UMB_OK;
}

static enum umb_status check_n_params(struct umb_launch *l, const struct umb_kernel *row)
{
    cl_uint n = 0, expected = 0;
    cl_int err = clGetKernelInfo(l->kernel, CL_KERNEL_NUM_ARGS, sizeof n, &n, NULL);
    if (err != CL_SUCCESS) { return check(l, err, "clGetKernelInfo"); }
    for (const char *s = l->signature; *s; s++) {
        expected += is_buffer(*s) ? 2 : 1;
    }
    if (n == expected) { return UMB_OK; }
    return umb__fail(l->ctx, UMB_ERR_BUILD,
                     "%s: %s has %u parameters; expected %u for kernel %s with signature \"%s\"",
                     row->file, row->entry, n, expected, l->name, l->signature);
}

static enum umb_status check_group(struct umb_launch *l)
{
    size_t items = 1, most = 0;
    if (!l->has_local) { return UMB_OK; }
    cl_int err = clGetKernelWorkGroupInfo(l->kernel, umb__device_cl_id(l->device),
                                          CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    if (err != CL_SUCCESS) { return check(l, err, "clGetKernelWorkGroupInfo"); }
    for (unsigned i = 0; i < l->dimensions; i++) {
        if (!umb__mul_size(items, l->local[i], &items)) { items = SIZE_MAX; }
    }
    if (items <= most) { return UMB_OK; }
    return umb__fail(l->ctx, UMB_ERR_UNSUPPORTED,
                     "kernel %s: work-groups of %zu items; the device runs at most %zu", l->name,
                     items, most);
}

static enum umb_status make_kernel(struct umb_launch *l, const struct umb_launch_desc *desc)
{
    const struct umb_kernel *row = desc->kernel;
    cl_program program = NULL;
    cl_int err = CL_SUCCESS;
    enum umb_status st =
        umb__program_get(l->device, row->file, row->entry, desc->options, &program);
    if (st != UMB_OK) { return st; }
    l->kernel = clCreateKernel(program, row->entry, &err);
    if (err == CL_INVALID_KERNEL_NAME) {
        return umb__fail(l->ctx, UMB_ERR_BUILD, "%s: no kernel %s in it; expected by row %s",
                         row->file, row->entry, l->name);
    }
    return check(l, err, "clCreateKernel");
}

struct value {
    const void *data;
    size_t bytes;
};

/* The kernel parameters that a letter stands for: two for a buffer, whose handle is in *memory. */
static cl_uint values_of(char letter, const struct umb_launch_arg *arg, const cl_mem *memory,
                         struct value ret_values[2])
{
    switch (letter) {
    case 'i':
        ret_values[0] = (struct value){&arg->u.i, sizeof(cl_int)};
        return 1;
    case 'f':
        ret_values[0] = (struct value){&arg->u.f, sizeof(cl_float)};
        return 1;
    case 'l':
        ret_values[0] = (struct value){NULL, arg->u.local_bytes};
        return 1;
    default:
        ret_values[0] = (struct value){memory, sizeof(cl_mem)};
        ret_values[1] = (struct value){&arg->offset, sizeof(cl_ulong)};
        return 2;
    }
}

/* Sets the letters first…end−1 of the signature from args[0…]. */
static enum umb_status set_args(struct umb_launch *l, const struct umb_launch_arg *args,
                                size_t first, size_t end)
{
    cl_uint parameter = 0;
    for (size_t i = 0; i < first; i++) {
        parameter += is_buffer(l->signature[i]) ? 2 : 1;
    }
    for (size_t i = first; i < end; i++) {
        const struct umb_launch_arg *arg = &args[i - first];
        cl_mem memory = is_buffer(l->signature[i]) ? umb__buffer_cl(arg->buffer) : NULL;
        struct value values[2];
        cl_uint n = values_of(l->signature[i], arg, &memory, values);
        for (cl_uint k = 0; k < n; k++) {
            cl_int err = clSetKernelArg(l->kernel, parameter++, values[k].bytes, values[k].data);
            if (err != CL_SUCCESS) {
                char what[48];
                snprintf(what, sizeof what, "argument %zu ('%c')", i, l->signature[i]);
                return check(l, err, what);
            }
        }
    }
    return UMB_OK;
}

enum umb_status umb__launch_set_buffer(struct umb_launch *launch, size_t index,
                                       struct umb_buffer *buffer, uint64_t offset)
{
    if (index >= strlen(launch->signature) || !is_buffer(launch->signature[index])) {
        return umb__fail(launch->ctx, UMB_ERR_INVALID,
                         "kernel %s: argument %zu is no buffer in its signature \"%s\"",
                         launch->name, index, launch->signature);
    }
    enum umb_status st = check_buffer(launch, index, buffer, offset);
    if (st != UMB_OK) { return st; }
    struct umb_launch_arg arg = {.buffer = buffer, .offset = offset};
    return set_args(launch, &arg, index, index + 1);
}

enum umb_status umb__launch_create(struct umb_device *device, const struct umb_launch_desc *desc,
                                   struct umb_launch **ret_launch)
{
    struct umb_context *ctx = umb__device_context(device);
    struct umb_launch *l = umb__calloc(ctx, 1, sizeof *l);
    if (!l) { return UMB_ERR_NO_MEMORY; }
    l->ctx = ctx;
    l->device = device;
    l->name = umb__strdup(ctx, desc->kernel->name);
    enum umb_status st = l->name ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = check_signature(l, desc); }
    if (st == UMB_OK) { st = check_range(l, desc); }
    if (st == UMB_OK) { st = check_args(l, desc); }
    if (st == UMB_OK) { st = make_kernel(l, desc); }
    if (st == UMB_OK) { st = check_n_params(l, desc->kernel); }
    if (st == UMB_OK) { st = check_group(l); }
    if (st == UMB_OK) { st = set_args(l, desc->args, 0, desc->n_args); }
    if (st != UMB_OK) { goto fail; }
    *ret_launch = l;
    return UMB_OK;
fail:
    umb__launch_destroy(l);
    return st;
}

void umb__launch_destroy(struct umb_launch *launch)
{
    if (!launch) { return; }
    if (launch->kernel) { clReleaseKernel(launch->kernel); }
    umb__free(launch->name);
    umb__free(launch);
}

static enum umb_status enqueue(struct umb_launch *l, struct umb_queue *q, const cl_event *list,
                               cl_uint n, umb_event **ret_event)
{
    cl_event event = NULL;
    cl_int err = clEnqueueNDRangeKernel(umb__queue_cl(q), l->kernel, l->dimensions, NULL, l->global,
                                        l->has_local ? l->local : NULL, n, n > 0 ? list : NULL,
                                        ret_event ? &event : NULL);
    if (err != CL_SUCCESS) { return check(l, err, "clEnqueueNDRangeKernel"); }
    if (!ret_event) { return UMB_OK; }
    umb_event *wrapped = umb__event_from_cl(l->ctx, event);
    if (!wrapped) { return UMB_ERR_NO_MEMORY; }
    *ret_event = wrapped;
    return UMB_OK;
}

enum umb_status umb__launch_enqueue(struct umb_launch *launch, struct umb_queue *q,
                                    umb_event *const *waits, size_t n_waits, umb_event **ret_event)
{
    cl_event few[FEW_WAITS], *list = few;
    if (n_waits > FEW_WAITS) {
        list = umb__calloc(launch->ctx, n_waits, sizeof *list);
        if (!list) { return UMB_ERR_NO_MEMORY; }
    }
    cl_uint n = 0;
    for (size_t i = 0; i < n_waits; i++) {
        if (waits[i]) { list[n++] = umb__event_cl(waits[i]); }
    }
    enum umb_status st = enqueue(launch, q, list, n, ret_event);
    if (list != few) { umb__free(list); }
    return st;
}
