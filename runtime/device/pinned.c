/* pinned.c: host memory that a device reads and writes without another copy. */
#include "alloc.h"
#include "device_internal.h"

struct umb_pinned {
    struct umb_queue *queue;
    cl_mem cl;
    void *host;
};

enum umb_status umb__pinned_create(struct umb_queue *queue, size_t bytes,
                                   struct umb_pinned **ret_pinned)
{
    struct umb_device *device = umb__queue_device(queue);
    struct umb_pinned *p = umb__calloc(device->ctx, 1, sizeof *p);
    if (!p) { return UMB_ERR_NO_MEMORY; }
    cl_int code;
    p->queue = queue;
    p->cl =
        clCreateBuffer(device->cl, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        umb__free(p);
        return umb__cl_check(device->ctx, code, "clCreateBuffer of host memory");
    }
    p->host = clEnqueueMapBuffer(umb__queue_cl(queue), p->cl, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE,
                                 0, bytes, 0, NULL, NULL, &code);
    if (code != CL_SUCCESS) {
        clReleaseMemObject(p->cl);
        umb__free(p);
        return umb__cl_check(device->ctx, code, "clEnqueueMapBuffer");
    }
    *ret_pinned = p;
    return UMB_OK;
}

void *umb__pinned_host(const struct umb_pinned *pinned)
{
    return pinned->host;
}

void umb__pinned_destroy(struct umb_pinned *pinned)
{
    if (!pinned) { return; }
    clEnqueueUnmapMemObject(umb__queue_cl(pinned->queue), pinned->cl, pinned->host, 0, NULL, NULL);
    clFlush(umb__queue_cl(pinned->queue));
    clReleaseMemObject(pinned->cl);
    umb__free(pinned);
}
