/*
 * store.h: device memory that outlives plans: parameters, optimizer moments, running statistics,
 * counters.
 */
#ifndef UMB_STORE_H
#define UMB_STORE_H

#include "tensor.h"

struct umb_store;

UMB_MUST_USE enum umb_status umb__store_create(struct umb_device *device,
                                               struct umb_store **ret_store);
/* A further device; they count from 0, the first. UMB_MAX_DEVICES at most. */
UMB_MUST_USE enum umb_status umb__store_add_device(struct umb_store *s, struct umb_device *device);
void umb__store_destroy(struct umb_store *s);

/* The buffer of that name, made on that device and zeroed when it is new. Another size or device
 * than before is UMB_ERR_INVALID. */
UMB_MUST_USE enum umb_status umb__store_get(struct umb_store *s, int device, const char *name,
                                            size_t bytes, struct umb_view *ret_view);
/* Whole-buffer transfers; they wait. No plan of the store may have unfinished runs. */
UMB_MUST_USE enum umb_status umb__store_write(struct umb_store *s, const char *name, size_t offset,
                                              size_t bytes, const void *data);
UMB_MUST_USE enum umb_status umb__store_read(struct umb_store *s, const char *name, size_t offset,
                                             size_t bytes, void *data);

#endif
