/* event.c: counted events, and waiting for them without a spinning core. */
#include "alloc.h"
#include "device_internal.h"
#include "system.h"

/* Between two looks at an event: a step's last events come in tens of µs, a long kernel's wait is
 * not worth more than 5,000 looks a second. */
#define FIRST_SLEEP_NS UINT64_C(20000)
#define LONGEST_SLEEP_NS UINT64_C(200000)

struct umb_event {
    _Atomic unsigned references;
    cl_event cl;
};

umb_event *umb__event_from_cl(struct umb_context *ctx, cl_event e)
{
    umb_event *event = umb__calloc(ctx, 1, sizeof *event);
    if (!event) {
        clReleaseEvent(e);
        return NULL;
    }
    atomic_init(&event->references, 1);
    event->cl = e;
    return event;
}

umb_event *umb__event_retain(umb_event *event)
{
    if (event) { atomic_fetch_add_explicit(&event->references, 1, memory_order_relaxed); }
    return event;
}

void umb__event_release(umb_event *event)
{
    if (!event) { return; }
    if (atomic_fetch_sub_explicit(&event->references, 1, memory_order_acq_rel) > 1) { return; }
    clReleaseEvent(event->cl);
    umb__free(event);
}

cl_event umb__event_cl(const umb_event *event)
{
    return event->cl;
}

/* CL_COMPLETE is 0, what is still to come is above, an error of the command below. */
static enum umb_status look(struct umb_device *device, cl_event e, cl_int *ret_execution)
{
    cl_int execution = CL_QUEUED;
    cl_int code =
        clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof execution, &execution, NULL);
    enum umb_status st = umb__cl_check(device->ctx, code, "clGetEventInfo");
    if (st == UMB_OK && execution < 0) {
        st = umb__cl_check(device->ctx, execution, "a command on the device failed");
    }
    *ret_execution = execution;
    return st;
}

/* Asking does not send commands off, as waiting does; a user event has no queue. */
static enum umb_status flush_queue_of(struct umb_device *device, cl_event e)
{
    cl_command_queue queue = NULL;
    cl_int code = clGetEventInfo(e, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL);
    if (code == CL_SUCCESS && queue) { code = clFlush(queue); }
    return umb__cl_check(device->ctx, code, "clFlush");
}

static enum umb_status wait_by_polling(struct umb_device *device, cl_event e)
{
    cl_int execution = CL_QUEUED;
    enum umb_status st = look(device, e, &execution);
    if (st == UMB_OK && execution != CL_COMPLETE) { st = flush_queue_of(device, e); }
    uint64_t sleep_ns = FIRST_SLEEP_NS;
    while (st == UMB_OK && execution != CL_COMPLETE) {
        umb__sleep_ns(sleep_ns);
        sleep_ns = sleep_ns * 3 / 2 < LONGEST_SLEEP_NS ? sleep_ns * 3 / 2 : LONGEST_SLEEP_NS;
        st = look(device, e, &execution);
    }
    return st;
}

enum umb_status umb__event_wait(struct umb_device *device, umb_event *event)
{
    if (!event) { return UMB_OK; }
    if (device->polls) { return wait_by_polling(device, event->cl); }
    cl_int code = clWaitForEvents(1, &event->cl);
    cl_int execution;
    if (code == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST) {
        enum umb_status st = look(device, event->cl, &execution); /* names the command's error */
        if (st != UMB_OK) { return st; }
    }
    return umb__cl_check(device->ctx, code, "clWaitForEvents");
}

enum umb_status umb__event_done(struct umb_device *device, umb_event *event, bool *ret_done)
{
    cl_int execution = CL_COMPLETE;
    enum umb_status st = event ? look(device, event->cl, &execution) : UMB_OK;
    if (st == UMB_OK) { *ret_done = execution == CL_COMPLETE; }
    return st;
}

static cl_int time_of(cl_event e, cl_profiling_info what, uint64_t *ret_ns)
{
    cl_ulong ns = 0;
    cl_int code = clGetEventProfilingInfo(e, what, sizeof ns, &ns, NULL);
    *ret_ns = ns;
    return code;
}

enum umb_status umb__event_times(struct umb_device *device, umb_event *event,
                                 uint64_t *ret_queued_ns, uint64_t *ret_start_ns,
                                 uint64_t *ret_end_ns)
{
    uint64_t queued = 0, start = 0, end = 0;
    cl_int code = CL_SUCCESS;
    if (event) { code = time_of(event->cl, CL_PROFILING_COMMAND_QUEUED, &queued); }
    if (event && code == CL_SUCCESS) {
        code = time_of(event->cl, CL_PROFILING_COMMAND_START, &start);
    }
    if (event && code == CL_SUCCESS) { code = time_of(event->cl, CL_PROFILING_COMMAND_END, &end); }
    enum umb_status st = umb__cl_check(device->ctx, code, "clGetEventProfilingInfo");
    if (st != UMB_OK) { return st; }
    *ret_queued_ns = queued;
    *ret_start_ns = start;
    *ret_end_ns = end;
    return UMB_OK;
}
