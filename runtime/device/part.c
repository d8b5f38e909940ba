/*
 * part.c: a part of a device as a device (clCreateSubDevices).
 *
 * Each part is cut by itself, behind the units that lie before it. Drivers deal units out from the
 * first on in each call, so parts that are cut one by one do not meet.
 *
 * A part is made once in a process, and never released: a thread of PoCL's (3.1 to 7) lets go of
 * the last command after we were told that it is done, and asks the device how, which the queue's
 * release has just freed. So the same units are the same handle, whoever opens them.
 */
#include "device_internal.h"
#include "fail.h"
#include <pthread.h>

#define MOST_MADE 256

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Under the lock. */
static struct made {
    cl_device_id whole, part;
    uint32_t first, units; /* of the whole, that the part has */
} made[MOST_MADE];
static size_t n_made;

static enum umb_status cut(struct umb_context *ctx, const char *name, struct made *m)
{
    const cl_device_partition_property behind[] = {CL_DEVICE_PARTITION_BY_COUNTS, m->first,
                                                   m->units, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END,
                                                   0},
                                       first[] = {CL_DEVICE_PARTITION_BY_COUNTS, m->units,
                                                  CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    cl_device_id parts[2] = {NULL};
    const cl_uint n = m->first ? 2 : 1;
    const cl_int code = clCreateSubDevices(m->whole, m->first ? behind : first, n, parts, NULL);
    const enum umb_status st = umb__cl_check(ctx, code, "clCreateSubDevices");
    if (st != UMB_OK) { return umb__fail_prefix(ctx, st, "%s", name); }
    if (m->first) { clReleaseDevice(parts[0]); } /* nothing ran on it */
    m->part = parts[n - 1];
    return UMB_OK;
}

/* Under the lock: part [first, first + units) of m, from what was made or newly. */
static enum umb_status find_or_cut(struct umb_context *ctx, const char *name, struct made *m)
{
    for (size_t i = 0; i < n_made; i++) {
        if (made[i].whole == m->whole && made[i].first == m->first && made[i].units == m->units) {
            *m = made[i];
            return UMB_OK;
        }
    }
    if (n_made == MOST_MADE) {
        return umb__fail(ctx, UMB_ERR_UNSUPPORTED, "%s: was cut into %d different parts; no more",
                         name, MOST_MADE);
    }
    const enum umb_status st = cut(ctx, name, m);
    if (st == UMB_OK) { made[n_made++] = *m; }
    return st;
}

enum umb_status umb__devices_cut(struct umb_context *ctx, struct umb_devices *devices,
                                 const struct umb_pick *pick)
{
    const size_t i = devices->n;
    const struct umb_device_caps *whole = &devices->caps[pick->device];
    struct umb_device_caps *caps = &devices->caps[i];
    struct made part = {
        .whole = devices->handles[pick->device].device, .first = pick->first, .units = pick->units};
    pthread_mutex_lock(&one_at_a_time);
    const enum umb_status st = find_or_cut(ctx, whole->name, &part);
    pthread_mutex_unlock(&one_at_a_time);
    if (st != UMB_OK) { return st; }
    devices->handles[devices->n++] =
        (struct umb_device_handle){devices->handles[pick->device].platform, part.part};
    if (!umb__caps_read(devices->arena, devices->handles[i], caps, &devices->candidates[i])) {
        return UMB_ERR_NO_MEMORY;
    }
    caps->max_parts = 0;
    caps->selector = umb__arena_printf(devices->arena, "%s/%.*s#%u", whole->selector,
                                       pick->cut_length, pick->cut, pick->part);
    return caps->selector ? UMB_OK : UMB_ERR_NO_MEMORY;
}
