/*
 * program_table.h: the programs of a device, each built once.
 */
#ifndef UMB_PROGRAM_TABLE_H
#define UMB_PROGRAM_TABLE_H

#include "cl_handles.h"

/*
 * The program of (file, options) with the kernel `entry`, built now or before; it stays the
 * device's own. In a context with a builder it holds no other kernel of the file, where that can be
 * (umb__kernel_source): a plan waits for what it needs and nothing else. entry NULL: the whole file.
 * Any number of threads may ask at once: different programs are built beside each other, and of
 * several who want the same one, one builds and the others sleep. Errors: umb__launch_create's.
 */
UMB_MUST_USE enum umb_status umb__program_get(struct umb_device *device, const char *file,
                                              const char *entry, const char *options,
                                              cl_program *ret_program);

struct umb_kernel;

/* Whether this device's driver builds better in other processes, and its binaries are kept: PoCL,
 * in a context that names a builder. */
bool umb__program_builds_apart(struct umb_device *device);
/* Whether a kernel's program would have to be built: not made yet, and not in the cache. A program
 * that cannot be looked for is none. *ret_source_bytes is how long its text is. */
bool umb__program_missing(struct umb_device *device, const struct umb_kernel *kernel,
                          const char *options, size_t *ret_source_bytes);
/* Puts the binary of a kernel's program into the cache, unless it is there. */
UMB_MUST_USE enum umb_status umb__program_keep(struct umb_device *device,
                                               const struct umb_kernel *kernel,
                                               const char *options);

#endif
