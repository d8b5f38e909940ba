/* build_serve.c: the process that builds for another one; see build_helper.h for its other end. */
#define _POSIX_C_SOURCE 200809L
#include "alloc.h"
#include "build_job.h"
#include "program_table.h"
#include "system.h"
#include <string.h>
#include <unistd.h>

#define MAX_BUFFERS 256
/* Smaller buffers are emptied; a larger one is fresh from the system, and most of it is never
 * looked at. */
#define ZEROED_BYTES ((size_t)1 << 20)
/* Below this many work-groups in each dimension PoCL builds the same code, whatever the number. */
#define FEW_GROUPS 65535

/* A buffer of the process that asks, and the one that stands for it here. */
struct stand_in {
    uint64_t id;
    struct umb_buffer *buffer;
};

struct server {
    struct umb_context *ctx;
    struct umb_device *device;
    struct umb_queue *queue;
    struct stand_in buffer[MAX_BUFFERS];
    size_t n_buffers;
};

/* The same device, by the same driver, or none: it is built for nobody else. */
static enum umb_status open_device(struct server *s, struct umb_job *job)
{
    const char *selector = umb__job_string(job), *name = umb__job_string(job),
               *driver = umb__job_string(job);
    if (job->bad || s->device) { return UMB_ERR_INVALID; }
    enum umb_status st = umb_device_open(s->ctx, selector, &s->device);
    if (st != UMB_OK) { return st; }
    const struct umb_device_caps *caps = umb_device_get_caps(s->device);
    bool same = strcmp(caps->name, name) == 0 && strcmp(caps->driver, driver) == 0;
    return same ? umb__queue_create(s->device, false, &s->queue) : UMB_ERR_UNSUPPORTED;
}

static enum umb_status stand_in_for(struct server *s, uint64_t id, size_t bytes,
                                    struct umb_buffer **ret_buffer)
{
    for (size_t i = 0; i < s->n_buffers; i++) {
        if (s->buffer[i].id == id) {
            *ret_buffer = s->buffer[i].buffer;
            return UMB_OK;
        }
    }
    if (s->n_buffers == MAX_BUFFERS) { return UMB_ERR_NO_MEMORY; }
    struct stand_in *b = &s->buffer[s->n_buffers];
    enum umb_status st = umb__buffer_create(s->device, bytes, &b->buffer);
    if (st != UMB_OK) { return st; }
    b->id = id;
    s->n_buffers++;
    *ret_buffer = b->buffer;
    if (bytes > ZEROED_BYTES) { return UMB_OK; }
    return umb__queue_fill_zero(s->queue, b->buffer, 0, bytes, NULL, 0, NULL);
}

/* One work-group is enough, unless their number decides what is built. */
static void shrink(struct umb_launch_desc *desc)
{
    size_t largest = 0, groups;
    for (unsigned d = 0; d < desc->dimensions && d < 3; d++) {
        if (desc->local[d] == 0) { return; }
        groups = desc->global[d] / desc->local[d];
        largest = groups > largest ? groups : largest;
    }
    for (unsigned d = 0; largest < FEW_GROUPS && d < desc->dimensions && d < 3; d++) {
        desc->global[d] = desc->local[d];
    }
}

static enum umb_status build_launch(struct server *s, struct umb_job *job)
{
    struct umb_job_launch l;
    struct umb_launch *launch = NULL;
    umb__job_launch(job, &l);
    if (job->bad) { return UMB_ERR_INVALID; }
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < l.desc.n_args; i++) {
        if (l.buffer_bytes[i]) {
            st = stand_in_for(s, l.buffer_id[i], l.buffer_bytes[i], &l.args[i].buffer);
        }
    }
    shrink(&l.desc);
    if (st == UMB_OK) { st = umb__launch_create(s->device, &l.desc, &launch); }
    if (st == UMB_OK) { st = umb__launch_enqueue(launch, s->queue, NULL, 0, NULL); }
    if (st == UMB_OK) { st = umb__queue_finish(s->queue); }
    umb__launch_destroy(launch);
    return st == UMB_OK ? umb__program_keep(s->device, &l.kernel, l.desc.options) : st;
}

static enum umb_status serve(struct server *s, struct umb_job *job)
{
    uint64_t kind = umb__job_number(job);
    if (job->bad) { return UMB_ERR_INVALID; }
    if (kind == UMB_BUILD_DEVICE) { return open_device(s, job); }
    if (!s->queue) { return UMB_ERR_INVALID; }
    return kind == UMB_BUILD_LAUNCH ? build_launch(s, job) : UMB_ERR_INVALID;
}

/* The introduction has no answer: what fails there shows in the first one that does. */
static void serve_all(struct server *s)
{
    char *data = NULL;
    struct umb_job job;
    bool first = true;
    while (umb__job_receive(STDIN_FILENO, &data, &job)) {
        char answer = serve(s, &job) == UMB_OK;
        umb__free(data);
        if (!first && write(STDIN_FILENO, &answer, 1) != 1) { return; }
        if (first && !answer) { return; }
        first = false;
    }
}

int umb__build_serve(void)
{
    /* The empty name: binaries are kept as they are for those who have a builder, but none is
     * started from here. */
    struct umb_context_desc desc = {.builder = ""};
    struct server s = {0};
    for (int fd = STDERR_FILENO + 1; fd < 256; fd++) {
        close(fd); /* a driver of the other process may have left files open to us */
    }
    if (umb_context_create(&desc, &s.ctx) != UMB_OK) { return 1; }
    serve_all(&s);
    return 0;
}
