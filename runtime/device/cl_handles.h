/*
 * cl_handles.h: the OpenCL handles behind device, buffer, queue and event.
 *
 * For runtime/device, runtime/program and the CLBlast provider only; the build refuses this
 * include, and any OpenCL call, elsewhere (runtime/check_layers.py).
 */
#ifndef UMB_CL_HANDLES_H
#define UMB_CL_HANDLES_H

#define CL_TARGET_OPENCL_VERSION 120
#include "buffer.h"
#include <CL/cl.h>

cl_context umb__device_cl_context(const struct umb_device *device);
cl_device_id umb__device_cl_id(const struct umb_device *device);
cl_mem umb__buffer_cl(const struct umb_buffer *buffer);
cl_command_queue umb__queue_cl(const struct umb_queue *queue);
cl_event umb__event_cl(const umb_event *event);
/* Takes over one reference of e. NULL when memory is short (e is then released). */
umb_event *umb__event_from_cl(struct umb_context *ctx, cl_event e);

/* "CL_OUT_OF_RESOURCES (-5)". Never NULL. */
const char *umb__cl_error_name(cl_int code);
/* UMB_OK for CL_SUCCESS; else UMB_ERR_DEVICE (UMB_ERR_NO_MEMORY for the memory codes) with "what:
 * CL_…". */
enum umb_status umb__cl_check(struct umb_context *ctx, cl_int code, const char *what);

/* One opaque pointer for runtime/program to hang its per-device cache from, freed by `destroy` when
 * the device closes. */
struct umb_device_slot {
    void *data;
    void (*destroy)(void *data);
};
struct umb_device_slot *umb__device_program_slot(struct umb_device *device);

#endif
