/* devices.c: one look at every platform and device of the machine. */
#include "device_internal.h"
#include "fail.h"

#define PLATFORM_NOT_FOUND (-1001) /* the loader found no driver; declared in cl_ext.h only */
#define MAX_PLATFORMS 64
#define MAX_DEVICES 256 /* in all: 64 GPUs of four drivers */

struct survey {
    size_t n;
    struct umb_device_handle handles[MAX_DEVICES];
};

static void survey_platform(struct umb_context *ctx, cl_platform_id platform, struct survey *s)
{
    cl_device_id devices[MAX_DEVICES];
    cl_uint n = 0;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &n);
    if (code != CL_SUCCESS && code != CL_DEVICE_NOT_FOUND) {
        umb__log(ctx, UMB_LOG_WARN, "an OpenCL platform does not list its devices: %s (%d)",
                 umb__cl_error_name(code), (int)code);
    }
    if (code != CL_SUCCESS) { return; }
    for (cl_uint i = 0; i < n && i < MAX_DEVICES && s->n < MAX_DEVICES; i++) {
        s->handles[s->n++] = (struct umb_device_handle){platform, devices[i]};
    }
}

static void survey_machine(struct umb_context *ctx, struct survey *s)
{
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint n = 0;
    cl_int code = clGetPlatformIDs(MAX_PLATFORMS, platforms, &n);
    if (code != CL_SUCCESS && code != PLATFORM_NOT_FOUND) {
        umb__log(ctx, UMB_LOG_WARN, "OpenCL does not list its platforms: %s (%d)",
                 umb__cl_error_name(code), (int)code);
    }
    if (code != CL_SUCCESS) { return; }
    for (cl_uint i = 0; i < n && i < MAX_PLATFORMS; i++) {
        survey_platform(ctx, platforms[i], s);
    }
}

static enum umb_status read_all(struct umb_devices *d, const struct survey *s)
{
    for (size_t i = 0; i < s->n; i++) {
        d->handles[i] = s->handles[i];
        if (!umb__caps_read(d->arena, s->handles[i], &d->caps[i], &d->candidates[i])) {
            return UMB_ERR_NO_MEMORY;
        }
    }
    d->n = s->n;
    for (size_t i = 0; i < d->n; i++) {
        d->caps[i].selector = umb__selector_shortest(d->arena, d->candidates, d->n, i);
        if (!d->caps[i].selector) { return UMB_ERR_NO_MEMORY; }
    }
    return UMB_OK;
}

enum umb_status umb__devices_create(struct umb_context *ctx, struct umb_devices *ret_devices)
{
    struct umb_devices d = {0};
    struct survey s = {0};
    survey_machine(ctx, &s);
    enum umb_status st = umb__arena_create(ctx, &d.arena);
    if (st != UMB_OK) { return st; }
    const size_t room = s.n + UMB_MAX_PARTS;
    d.caps = umb__arena_calloc(d.arena, room, sizeof *d.caps);
    d.candidates = umb__arena_calloc(d.arena, room, sizeof *d.candidates);
    d.handles = umb__arena_calloc(d.arena, room, sizeof *d.handles);
    st = d.caps && d.candidates && d.handles ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = read_all(&d, &s); }
    if (st != UMB_OK) { goto fail; }
    *ret_devices = d;
    return UMB_OK;
fail:
    umb__devices_finish(&d);
    return st;
}

void umb__devices_finish(struct umb_devices *devices)
{
    umb__arena_destroy(devices->arena);
    *devices = (struct umb_devices){0};
}
