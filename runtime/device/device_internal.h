/*
 * device_internal.h: what a device is made of, for runtime/device alone.
 *
 * `umb_devices` is one look at the machine: every device of every platform with its record, and
 * behind them the parts that a selector cuts. A list (umb_device_list) and an opened device each
 * own one.
 */
#ifndef UMB_DEVICE_INTERNAL_H
#define UMB_DEVICE_INTERNAL_H

#include "alloc.h"
#include "cl_handles.h"
#include "selector.h"
#include <stdatomic.h>

struct umb_device_handle {
    cl_platform_id platform;
    cl_device_id device;
};

struct umb_devices {
    struct umb_arena *arena;           /* owns all below */
    size_t n;                          /* and there is room for UMB_MAX_PARTS more */
    struct umb_device_caps *caps;      /* [n] */
    struct umb_candidate *candidates;  /* [n], caps[i] and what selecting needs beside it */
    struct umb_device_handle *handles; /* [n] */
};

/* Looks at every platform. A platform or device that cannot be asked is left out, with a line in
 * the log; none at all is UMB_OK with n = 0. Errors: UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__devices_create(struct umb_context *ctx,
                                                 struct umb_devices *ret_devices);
void umb__devices_finish(struct umb_devices *devices);

/* Makes a device of a picked part, the last of devices then. Errors: UMB_ERR_NO_MEMORY;
 * UMB_ERR_DEVICE where the driver refuses. */
UMB_MUST_USE enum umb_status umb__devices_cut(struct umb_context *ctx, struct umb_devices *devices,
                                              const struct umb_pick *pick);

/* Fills the record of one device; what the driver does not tell stays 0 or "". Strings go into the
 * arena; false means that memory is short. */
bool umb__caps_read(struct umb_arena *arena, struct umb_device_handle handle,
                    struct umb_device_caps *ret_caps, struct umb_candidate *ret_candidate);

struct umb_device {
    struct umb_context *ctx;
    struct umb_devices found;
    const struct umb_device_caps *caps; /* in found */
    struct umb_device_handle handle;
    cl_context cl;
    bool polls; /* the driver's own wait spins, so events are asked and the thread sleeps between */
    struct umb_device_slot program_slot;
    _Atomic uint64_t bytes, peak_bytes;
};

#endif
