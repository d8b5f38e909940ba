/*
 * queue_internal.h: what queue.c and transfer.c share.
 */
#ifndef UMB_QUEUE_INTERNAL_H
#define UMB_QUEUE_INTERNAL_H

#include "cl_handles.h"

#define UMB_WAITS_ON_STACK 16

/* The OpenCL events of a wait list, without the NULL ones. */
struct umb_wait_list {
    cl_uint n;
    const cl_event *events; /* NULL when n = 0, as OpenCL wants it */
    cl_event few[UMB_WAITS_ON_STACK];
    cl_event *many;
};
UMB_MUST_USE enum umb_status umb__wait_list_init(struct umb_context *ctx, umb_event *const *waits,
                                                 size_t n_waits, struct umb_wait_list *list);
void umb__wait_list_finish(struct umb_wait_list *list);

/* The end of every command: turns OpenCL's code and event into ours. e is the new event, NULL where
 * none was asked for. */
UMB_MUST_USE enum umb_status umb__queue_command_end(struct umb_queue *q, cl_int code,
                                                    const char *what, cl_event e,
                                                    umb_event **ret_event);

#endif
