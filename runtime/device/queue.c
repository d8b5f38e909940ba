/* queue.c: in-order queues, markers and wait lists. */
#include "alloc.h"
#include "device_internal.h"
#include "queue_internal.h"

struct umb_queue {
    struct umb_device *device;
    cl_command_queue cl;
};

enum umb_status umb__queue_create(struct umb_device *device, bool profiling,
                                  struct umb_queue **ret_queue)
{
    struct umb_queue *q = umb__calloc(device->ctx, 1, sizeof *q);
    if (!q) { return UMB_ERR_NO_MEMORY; }
    cl_int code;
    q->device = device;
    q->cl = clCreateCommandQueue(device->cl, device->handle.device,
                                 profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    if (code != CL_SUCCESS) {
        umb__free(q);
        return umb__cl_check(device->ctx, code, "clCreateCommandQueue");
    }
    *ret_queue = q;
    return UMB_OK;
}

void umb__queue_destroy(struct umb_queue *queue)
{
    if (!queue) { return; }
    /* Without memory for an event there is still the driver's own wait. */
    if (umb__queue_finish(queue) != UMB_OK) { clFinish(queue->cl); }
    clReleaseCommandQueue(queue->cl);
    umb__free(queue);
}

struct umb_device *umb__queue_device(const struct umb_queue *queue)
{
    return queue->device;
}

cl_command_queue umb__queue_cl(const struct umb_queue *queue)
{
    return queue->cl;
}

enum umb_status umb__wait_list_init(struct umb_context *ctx, umb_event *const *waits,
                                    size_t n_waits, struct umb_wait_list *list)
{
    list->n = 0;
    list->events = NULL;
    list->many = NULL;
    cl_event *events = list->few;
    if (n_waits > UMB_WAITS_ON_STACK) {
        events = list->many = umb__calloc(ctx, n_waits, sizeof *events);
        if (!events) { return UMB_ERR_NO_MEMORY; }
    }
    for (size_t i = 0; i < n_waits; i++) {
        if (waits[i]) { events[list->n++] = umb__event_cl(waits[i]); }
    }
    if (list->n > 0) { list->events = events; }
    return UMB_OK;
}

void umb__wait_list_finish(struct umb_wait_list *list)
{
    umb__free(list->many);
}

enum umb_status umb__queue_command_end(struct umb_queue *q, cl_int code, const char *what,
                                       cl_event e, umb_event **ret_event)
{
    enum umb_status st = umb__cl_check(q->device->ctx, code, what);
    if (st != UMB_OK || !ret_event) { return st; }
    umb_event *event = umb__event_from_cl(q->device->ctx, e);
    if (!event) {
        /* The caller will not wait for a call that failed, and may free the memory it reads into.
         */
        clFinish(q->cl);
        return UMB_ERR_NO_MEMORY;
    }
    *ret_event = event;
    return UMB_OK;
}

enum umb_status umb__queue_marker(struct umb_queue *q, umb_event *const *waits, size_t n_waits,
                                  umb_event **ret_event)
{
    struct umb_wait_list list;
    enum umb_status st = umb__wait_list_init(q->device->ctx, waits, n_waits, &list);
    if (st != UMB_OK) { return st; }
    cl_event e = NULL;
    cl_int code = clEnqueueMarkerWithWaitList(q->cl, list.n, list.events, ret_event ? &e : NULL);
    umb__wait_list_finish(&list);
    return umb__queue_command_end(q, code, "clEnqueueMarkerWithWaitList", e, ret_event);
}

enum umb_status umb__queue_flush(struct umb_queue *q)
{
    return umb__cl_check(q->device->ctx, clFlush(q->cl), "clFlush");
}

enum umb_status umb__queue_finish(struct umb_queue *q)
{
    umb_event *last = NULL;
    enum umb_status st = umb__queue_marker(q, NULL, 0, &last);
    if (st == UMB_OK) { st = umb__event_wait(q->device, last); }
    umb__event_release(last);
    return st;
}
