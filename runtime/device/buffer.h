/*
 * buffer.h: device memory, queues and events, without OpenCL's names.
 *
 * Layers above device speak of umb_buffer, umb_queue and umb_event only. The raw handles are in
 * cl_handles.h, for device/, program/ and the CLBlast provider; nothing else includes that header.
 * Queues are in-order. Nothing here waits on a spinning core.
 */
#ifndef UMB_BUFFER_H
#define UMB_BUFFER_H

#include <umbel/device.h>

struct umb_buffer;
struct umb_queue;
typedef struct umb_event umb_event; /* reference-counted; NULL means "already happened" */

struct umb_context *umb__device_context(const struct umb_device *device);

/* bytes ≥ 1; contents undefined. Errors: UMB_ERR_NO_MEMORY (names what was asked and what the
 * device has), UMB_ERR_DEVICE. */
UMB_MUST_USE enum umb_status umb__buffer_create(struct umb_device *device, size_t bytes,
                                                struct umb_buffer **ret_buffer);
void umb__buffer_destroy(struct umb_buffer *buffer); /* NULL is fine */
size_t umb__buffer_bytes(const struct umb_buffer *buffer);

/* profiling: events of this queue have times. */
UMB_MUST_USE enum umb_status umb__queue_create(struct umb_device *device, bool profiling,
                                               struct umb_queue **ret_queue);
void umb__queue_destroy(struct umb_queue *queue); /* finishes it first; NULL is fine */
struct umb_device *umb__queue_device(const struct umb_queue *queue);

/*
 * Commands. `waits` are n_waits events (NULL ones are skipped); ret_event may be NULL, else the
 * caller releases it. Write and read do not block: the host memory must stay until the event has
 * happened. Offsets and sizes in bytes, checked against the buffer.
 */
UMB_MUST_USE enum umb_status umb__queue_write(struct umb_queue *q, struct umb_buffer *dst,
                                              size_t offset, size_t bytes, const void *src,
                                              umb_event *const *waits, size_t n_waits,
                                              umb_event **ret_event);
UMB_MUST_USE enum umb_status umb__queue_read(struct umb_queue *q, struct umb_buffer *src,
                                             size_t offset, size_t bytes, void *dst,
                                             umb_event *const *waits, size_t n_waits,
                                             umb_event **ret_event);
UMB_MUST_USE enum umb_status umb__queue_copy(struct umb_queue *q, struct umb_buffer *src,
                                             size_t src_offset, struct umb_buffer *dst,
                                             size_t dst_offset, size_t bytes,
                                             umb_event *const *waits, size_t n_waits,
                                             umb_event **ret_event);
UMB_MUST_USE enum umb_status umb__queue_fill_zero(struct umb_queue *q, struct umb_buffer *dst,
                                                  size_t offset, size_t bytes,
                                                  umb_event *const *waits, size_t n_waits,
                                                  umb_event **ret_event);
/* An event that happens once everything enqueued so far on q, and the waits, have. */
UMB_MUST_USE enum umb_status umb__queue_marker(struct umb_queue *q, umb_event *const *waits,
                                               size_t n_waits, umb_event **ret_event);
UMB_MUST_USE enum umb_status umb__queue_flush(struct umb_queue *q);
UMB_MUST_USE enum umb_status umb__queue_finish(
    struct umb_queue *q); /* waits for everything on q, sleeping */

/* Blocking conveniences: transfer, then wait. */
UMB_MUST_USE enum umb_status umb__queue_write_now(struct umb_queue *q, struct umb_buffer *dst,
                                                  size_t offset, size_t bytes, const void *src);
UMB_MUST_USE enum umb_status umb__queue_read_now(struct umb_queue *q, struct umb_buffer *src,
                                                 size_t offset, size_t bytes, void *dst);

/* Host memory for transfers of the queue's device, readable and writable at any time; other devices
 * use it like any. It is destroyed before its queue. */
struct umb_pinned;
UMB_MUST_USE enum umb_status umb__pinned_create(struct umb_queue *queue, size_t bytes,
                                                struct umb_pinned **ret_pinned);
void *umb__pinned_host(const struct umb_pinned *pinned);
void umb__pinned_destroy(struct umb_pinned *pinned); /* NULL is fine */

/*
 * A thread that lets events of one device be waited for on others. umb__bridge_event gives an event
 * of `to` that happens after `event`, of `from`, has; if that fails, so does what waits here. A
 * bridge takes its events in turn, so they should come in about that order. Destroying waits for
 * those that it was given.
 */
struct umb_bridge;
UMB_MUST_USE enum umb_status umb__bridge_create(struct umb_context *ctx,
                                                struct umb_bridge **ret_bridge);
void umb__bridge_destroy(struct umb_bridge *bridge); /* NULL is fine */
UMB_MUST_USE enum umb_status umb__bridge_event(struct umb_bridge *bridge, struct umb_device *from,
                                               umb_event *event, struct umb_device *to,
                                               umb_event **ret_event);

/* Has `call` made, by the bridge's thread, once n ≤ UMB_BRIDGE_EVENTS events of the device have
 * happened, also where they failed (then with failed true, and the event fails too); the event
 * happens behind the call. */
typedef void (*umb_bridge_fn)(void *user, int number, bool failed);
#define UMB_BRIDGE_EVENTS 32
UMB_MUST_USE enum umb_status umb__bridge_call(struct umb_bridge *bridge, struct umb_device *device,
                                              umb_event *const *events, size_t n,
                                              umb_bridge_fn call, void *user, int number,
                                              umb_event **ret_event);

umb_event *umb__event_retain(umb_event *event);
void umb__event_release(umb_event *event); /* NULL is fine */
/* Sleeps until it has happened; an error of the command becomes UMB_ERR_DEVICE. NULL: at once. */
UMB_MUST_USE enum umb_status umb__event_wait(struct umb_device *device, umb_event *event);
/* *ret_done without waiting. */
UMB_MUST_USE enum umb_status umb__event_done(struct umb_device *device, umb_event *event,
                                             bool *ret_done);
/* Device times in ns, after the event has happened, on a profiling queue. */
UMB_MUST_USE enum umb_status umb__event_times(struct umb_device *device, umb_event *event,
                                              uint64_t *ret_queued_ns, uint64_t *ret_start_ns,
                                              uint64_t *ret_end_ns);

#endif
