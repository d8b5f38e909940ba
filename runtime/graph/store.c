#include "store.h"

#include "alloc.h"
#include "fail.h"
#include "names.h"

struct entry {
    char *name;
    struct umb_buffer *buffer;
    size_t bytes;
    int device;
};

struct umb_store {
    struct umb_context *ctx;
    int n_devices;
    struct umb_device *device[UMB_MAX_DEVICES];
    struct umb_queue *queue[UMB_MAX_DEVICES];
    struct entry *entry;
    size_t n, capacity;
    struct umb_names names; /* of entries */
};

enum umb_status umb__store_add_device(struct umb_store *s, struct umb_device *device)
{
    const enum umb_status st = umb__queue_create(device, false, &s->queue[s->n_devices]);
    if (st == UMB_OK) { s->device[s->n_devices++] = device; }
    return st;
}

enum umb_status umb__store_create(struct umb_device *device, struct umb_store **ret_store)
{
    struct umb_context *ctx = umb__device_context(device);
    struct umb_store *s = umb__calloc(ctx, 1, sizeof *s);
    if (!s) { return UMB_ERR_NO_MEMORY; }
    s->ctx = ctx;
    const enum umb_status st = umb__store_add_device(s, device);
    if (st != UMB_OK) {
        umb__store_destroy(s);
        return st;
    }
    *ret_store = s;
    return UMB_OK;
}

void umb__store_destroy(struct umb_store *s)
{
    if (!s) { return; }
    for (int d = 0; d < s->n_devices; d++) {
        umb__queue_destroy(s->queue[d]);
    }
    for (size_t i = 0; i < s->n; i++) {
        umb__free(s->entry[i].name);
        umb__buffer_destroy(s->entry[i].buffer);
    }
    umb__names_finish(&s->names);
    umb__free(s->entry);
    umb__free(s);
}

static struct entry *find(const struct umb_store *s, const char *name)
{
    const int i = umb__names_find(&s->names, name);
    return i < 0 ? NULL : &s->entry[i];
}

static enum umb_status append(struct umb_store *s, int device, const char *name, size_t bytes,
                              struct entry **ret_entry)
{
    if (s->n == s->capacity) {
        size_t grown = s->capacity ? 2 * s->capacity : 16;
        struct entry *p = umb__grow(s->ctx, s->entry, s->capacity, grown, sizeof *p);
        if (!p) { return UMB_ERR_NO_MEMORY; }
        s->entry = p;
        s->capacity = grown;
    }
    struct umb_queue *queue = s->queue[device];
    struct entry e = {.name = umb__strdup(s->ctx, name), .bytes = bytes, .device = device};
    enum umb_status st =
        e.name ? umb__buffer_create(s->device[device], bytes, &e.buffer) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__queue_fill_zero(queue, e.buffer, 0, bytes, NULL, 0, NULL); }
    if (st == UMB_OK) { st = umb__queue_finish(queue); }
    if (st == UMB_OK) { st = umb__names_add(s->ctx, &s->names, e.name, (int)s->n); }
    if (st != UMB_OK) {
        umb__buffer_destroy(e.buffer);
        umb__free(e.name);
        return st;
    }
    s->entry[s->n] = e;
    *ret_entry = &s->entry[s->n++];
    return UMB_OK;
}

enum umb_status umb__store_get(struct umb_store *s, int device, const char *name, size_t bytes,
                               struct umb_view *ret_view)
{
    struct entry *e = find(s, name);
    if (e && e->bytes != bytes) {
        return umb__fail(s->ctx, UMB_ERR_INVALID, "%s: %zu bytes are kept under this name, not %zu",
                         name, e->bytes, bytes);
    }
    if (e && e->device != device) {
        return umb__fail(s->ctx, UMB_ERR_INVALID, "%s: it is kept on device %d, not %d", name,
                         e->device, device);
    }
    if (!e) {
        enum umb_status st = append(s, device, name, bytes, &e);
        if (st != UMB_OK) { return st; }
    }
    *ret_view = (struct umb_view){.buffer = e->buffer};
    return UMB_OK;
}

static enum umb_status checked(struct umb_store *s, const char *name, size_t offset, size_t bytes,
                               struct entry **ret_entry)
{
    struct entry *e = find(s, name);
    if (!e) {
        return umb__fail(s->ctx, UMB_ERR_INVALID, "%s: nothing is kept under this name", name);
    }
    if (offset > e->bytes || bytes > e->bytes - offset) {
        return umb__fail(s->ctx, UMB_ERR_INVALID, "%s: %zu bytes at %zu reach beyond its %zu", name,
                         bytes, offset, e->bytes);
    }
    *ret_entry = e;
    return UMB_OK;
}

enum umb_status umb__store_write(struct umb_store *s, const char *name, size_t offset, size_t bytes,
                                 const void *data)
{
    struct entry *e = NULL;
    enum umb_status st = checked(s, name, offset, bytes, &e);
    return st == UMB_OK ? umb__queue_write_now(s->queue[e->device], e->buffer, offset, bytes, data)
                        : st;
}

enum umb_status umb__store_read(struct umb_store *s, const char *name, size_t offset, size_t bytes,
                                void *data)
{
    struct entry *e = NULL;
    enum umb_status st = checked(s, name, offset, bytes, &e);
    return st == UMB_OK ? umb__queue_read_now(s->queue[e->device], e->buffer, offset, bytes, data)
                        : st;
}
