/* transfer.c: writing, reading, copying and clearing buffers. */
#include "alloc.h"
#include "device_internal.h"
#include "fail.h"
#include "queue_internal.h"

static enum umb_status check_range(struct umb_queue *q, const struct umb_buffer *b, size_t offset,
                                   size_t bytes, const char *what)
{
    size_t end, has = umb__buffer_bytes(b);
    if (bytes > 0 && umb__add_size(offset, bytes, &end) && end <= has) { return UMB_OK; }
    return umb__fail(umb__device_context(umb__queue_device(q)), UMB_ERR_INVALID,
                     "%s: %zu bytes at %zu; expected at least 1, within the buffer's %zu", what,
                     bytes, offset, has);
}

static enum umb_status begin(struct umb_queue *q, umb_event *const *waits, size_t n_waits,
                             struct umb_wait_list *list)
{
    return umb__wait_list_init(umb__device_context(umb__queue_device(q)), waits, n_waits, list);
}

static enum umb_status end(struct umb_queue *q, struct umb_wait_list *list, cl_int code,
                           const char *what, cl_event e, umb_event **ret_event)
{
    umb__wait_list_finish(list);
    return umb__queue_command_end(q, code, what, e, ret_event);
}

enum umb_status umb__queue_write(struct umb_queue *q, struct umb_buffer *dst, size_t offset,
                                 size_t bytes, const void *src, umb_event *const *waits,
                                 size_t n_waits, umb_event **ret_event)
{
    struct umb_wait_list list;
    enum umb_status st = check_range(q, dst, offset, bytes, "writing a buffer");
    if (st == UMB_OK) { st = begin(q, waits, n_waits, &list); }
    if (st != UMB_OK) { return st; }
    cl_event e = NULL;
    cl_int code = clEnqueueWriteBuffer(umb__queue_cl(q), umb__buffer_cl(dst), CL_FALSE, offset,
                                       bytes, src, list.n, list.events, ret_event ? &e : NULL);
    return end(q, &list, code, "clEnqueueWriteBuffer", e, ret_event);
}

enum umb_status umb__queue_read(struct umb_queue *q, struct umb_buffer *src, size_t offset,
                                size_t bytes, void *dst, umb_event *const *waits, size_t n_waits,
                                umb_event **ret_event)
{
    struct umb_wait_list list;
    enum umb_status st = check_range(q, src, offset, bytes, "reading a buffer");
    if (st == UMB_OK) { st = begin(q, waits, n_waits, &list); }
    if (st != UMB_OK) { return st; }
    cl_event e = NULL;
    cl_int code = clEnqueueReadBuffer(umb__queue_cl(q), umb__buffer_cl(src), CL_FALSE, offset,
                                      bytes, dst, list.n, list.events, ret_event ? &e : NULL);
    return end(q, &list, code, "clEnqueueReadBuffer", e, ret_event);
}

static enum umb_status check_apart(struct umb_queue *q, const struct umb_buffer *src,
                                   size_t src_offset, const struct umb_buffer *dst,
                                   size_t dst_offset, size_t bytes)
{
    size_t gap = src_offset > dst_offset ? src_offset - dst_offset : dst_offset - src_offset;
    if (src != dst || gap >= bytes) { return UMB_OK; }
    return umb__fail(umb__device_context(umb__queue_device(q)), UMB_ERR_INVALID,
                     "copying within a buffer: %zu bytes from %zu to %zu overlap", bytes,
                     src_offset, dst_offset);
}

enum umb_status umb__queue_copy(struct umb_queue *q, struct umb_buffer *src, size_t src_offset,
                                struct umb_buffer *dst, size_t dst_offset, size_t bytes,
                                umb_event *const *waits, size_t n_waits, umb_event **ret_event)
{
    struct umb_wait_list list;
    enum umb_status st = check_range(q, src, src_offset, bytes, "copying from a buffer");
    if (st == UMB_OK) { st = check_range(q, dst, dst_offset, bytes, "copying to a buffer"); }
    if (st == UMB_OK) { st = check_apart(q, src, src_offset, dst, dst_offset, bytes); }
    if (st == UMB_OK) { st = begin(q, waits, n_waits, &list); }
    if (st != UMB_OK) { return st; }
    cl_event e = NULL;
    cl_int code =
        clEnqueueCopyBuffer(umb__queue_cl(q), umb__buffer_cl(src), umb__buffer_cl(dst), src_offset,
                            dst_offset, bytes, list.n, list.events, ret_event ? &e : NULL);
    return end(q, &list, code, "clEnqueueCopyBuffer", e, ret_event);
}

enum umb_status umb__queue_fill_zero(struct umb_queue *q, struct umb_buffer *dst, size_t offset,
                                     size_t bytes, umb_event *const *waits, size_t n_waits,
                                     umb_event **ret_event)
{
    static const unsigned char zeros[16] = {0};
    struct umb_wait_list list;
    enum umb_status st = check_range(q, dst, offset, bytes, "clearing a buffer");
    if (st == UMB_OK) { st = begin(q, waits, n_waits, &list); }
    if (st != UMB_OK) { return st; }
    /* The widest pattern that fits: drivers fill pattern by pattern. */
    size_t pattern = sizeof zeros;
    while (offset % pattern != 0 || bytes % pattern != 0) {
        pattern /= 2;
    }
    cl_event e = NULL;
    cl_int code = clEnqueueFillBuffer(umb__queue_cl(q), umb__buffer_cl(dst), zeros, pattern, offset,
                                      bytes, list.n, list.events, ret_event ? &e : NULL);
    return end(q, &list, code, "clEnqueueFillBuffer", e, ret_event);
}

static enum umb_status wait_and_release(struct umb_queue *q, enum umb_status st, umb_event *event)
{
    if (st == UMB_OK) { st = umb__event_wait(umb__queue_device(q), event); }
    umb__event_release(event);
    return st;
}

enum umb_status umb__queue_write_now(struct umb_queue *q, struct umb_buffer *dst, size_t offset,
                                     size_t bytes, const void *src)
{
    umb_event *event = NULL;
    enum umb_status st = umb__queue_write(q, dst, offset, bytes, src, NULL, 0, &event);
    return wait_and_release(q, st, event);
}

enum umb_status umb__queue_read_now(struct umb_queue *q, struct umb_buffer *src, size_t offset,
                                    size_t bytes, void *dst)
{
    umb_event *event = NULL;
    enum umb_status st = umb__queue_read(q, src, offset, bytes, dst, NULL, 0, &event);
    return wait_and_release(q, st, event);
}
