/* buffer.c: device memory and the account of it. */
#include "device_internal.h"
#include "fail.h"

#define MIB (1024.0 * 1024.0)

struct umb_buffer {
    struct umb_device *device;
    cl_mem cl;
    size_t bytes;
};

static void account_add(struct umb_device *d, size_t bytes)
{
    uint64_t now = atomic_fetch_add(&d->bytes, bytes) + bytes;
    uint64_t peak = atomic_load(&d->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&d->peak_bytes, &peak, now)) {}
}

/* Drivers answer a buffer above their limit in different ways, some only at its first use. */
static enum umb_status check_size(struct umb_device *d, size_t bytes)
{
    const struct umb_device_caps *caps = d->caps;
    if (bytes == 0) {
        return umb__fail(d->ctx, UMB_ERR_INVALID, "a buffer of 0 bytes; expected at least 1");
    }
    if (bytes <= caps->max_alloc_bytes) { return UMB_OK; }
    return umb__fail(d->ctx, UMB_ERR_NO_MEMORY,
                     "%s: a buffer of %.1f MiB is too large: the device allows %.1f MiB in one "
                     "piece and has %.1f MiB; a smaller batch needs less",
                     caps->name, (double)bytes / MIB, (double)caps->max_alloc_bytes / MIB,
                     (double)caps->global_bytes / MIB);
}

static enum umb_status refused(struct umb_device *d, size_t bytes, cl_int code)
{
    enum umb_status st = umb__cl_check(d->ctx, code, "clCreateBuffer");
    return umb__fail_prefix(d->ctx, st,
                            "%s: a buffer of %.1f MiB beside %.1f MiB held, of %.1f MiB",
                            d->caps->name, (double)bytes / MIB, (double)umb_device_bytes(d) / MIB,
                            (double)d->caps->global_bytes / MIB);
}

enum umb_status umb__buffer_create(struct umb_device *device, size_t bytes,
                                   struct umb_buffer **ret_buffer)
{
    enum umb_status st = check_size(device, bytes);
    if (st != UMB_OK) { return st; }
    struct umb_buffer *b = umb__calloc(device->ctx, 1, sizeof *b);
    if (!b) { return UMB_ERR_NO_MEMORY; }
    cl_int code;
    b->cl = clCreateBuffer(device->cl, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        umb__free(b);
        return refused(device, bytes, code);
    }
    b->device = device;
    b->bytes = bytes;
    account_add(device, bytes);
    *ret_buffer = b;
    return UMB_OK;
}

void umb__buffer_destroy(struct umb_buffer *buffer)
{
    if (!buffer) { return; }
    clReleaseMemObject(buffer->cl);
    atomic_fetch_sub(&buffer->device->bytes, buffer->bytes);
    umb__free(buffer);
}

size_t umb__buffer_bytes(const struct umb_buffer *buffer)
{
    return buffer->bytes;
}

cl_mem umb__buffer_cl(const struct umb_buffer *buffer)
{
    return buffer->cl;
}
