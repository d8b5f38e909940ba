/*
 * part.c: a part of a device as a device (clCreateSubDevices).
 *
 * Each part is cut by itself, behind the units that lie before it: so that a device that is opened
 * owns what it uses and nothing else. Drivers deal units out from the first on in each call, so
 * parts that are cut one by one do not meet.
 */
#include "device_internal.h"
#include "fail.h"

static enum umb_status cut(struct umb_context *ctx, const struct umb_device_caps *whole,
                           struct umb_device_handle *part)
{
    const cl_device_partition_property behind[] = {CL_DEVICE_PARTITION_BY_COUNTS, part->first,
                                                   part->units,
                                                   CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0},
                                       first[] = {CL_DEVICE_PARTITION_BY_COUNTS, part->units,
                                                  CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    cl_device_id made[2] = {NULL};
    const cl_uint n = part->first ? 2 : 1;
    const cl_int code =
        clCreateSubDevices(part->whole, part->first ? behind : first, n, made, NULL);
    enum umb_status st = umb__cl_check(ctx, code, "clCreateSubDevices");
    if (st != UMB_OK) { return umb__fail_prefix(ctx, st, "%s", whole->name); }
    if (part->first) { clReleaseDevice(made[0]); }
    part->device = made[n - 1];
    return UMB_OK;
}

enum umb_status umb__devices_cut(struct umb_context *ctx, struct umb_devices *devices,
                                 const struct umb_pick *pick)
{
    const size_t i = devices->n;
    const struct umb_device_caps *whole = &devices->caps[pick->device];
    struct umb_device_caps *caps = &devices->caps[i];
    struct umb_device_handle part = {.platform = devices->handles[pick->device].platform,
                                     .whole = devices->handles[pick->device].device,
                                     .first = pick->first,
                                     .units = pick->units};
    const enum umb_status st = cut(ctx, whole, &part);
    if (st != UMB_OK) { return st; }
    devices->handles[devices->n++] = part; /* umb__devices_finish releases it from here on */
    if (!umb__caps_read(devices->arena, part, caps, &devices->candidates[i])) {
        return UMB_ERR_NO_MEMORY;
    }
    caps->max_parts = 0;
    caps->selector = umb__arena_printf(devices->arena, "%s/%.*s#%u", whole->selector,
                                       pick->cut_length, pick->cut, pick->part);
    return caps->selector ? UMB_OK : UMB_ERR_NO_MEMORY;
}
