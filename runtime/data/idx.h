/*
 * idx.h: MNIST's four files, for the formats that are made from them.
 */
#ifndef UMB_IDX_H
#define UMB_IDX_H

#include "memory_set.h"

/* Reads images and labels of both parts into the zeroed set, whose shape becomes theirs. On failure
 * umb__memory_set_close frees what is there. Errors: IO, FORMAT, NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__idx_load(struct umb_dataset *ds, const char *folder,
                                           struct umb_memory_set *set);

#endif
