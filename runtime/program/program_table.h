/*
 * program_table.h: the programs of a device, each built once.
 */
#ifndef UMB_PROGRAM_TABLE_H
#define UMB_PROGRAM_TABLE_H

#include "cl_handles.h"

/*
 * The program of (file, options), built now or before; it stays the device's own. Any number of
 * threads may ask at once: different programs are built beside each other, and of several who want
 * the same one, one builds and the others sleep. Errors: umb__launch_create's.
 */
UMB_MUST_USE enum umb_status umb__program_get(struct umb_device *device, const char *file,
                                              const char *options, cl_program *ret_program);

#endif
