/*
 * kernel_cache.h: built programs kept on disk, from one process to the next.
 *
 * It only ever saves time: whatever goes wrong with a file costs a build, and an unwritable folder
 * a warning. Entries appear by rename, so that any number of processes may share a folder. Where
 * the driver keeps its own cache (PoCL, NVIDIA) this one is off, unless forced. With a builder
 * (umb_context_desc) it is late for PoCL: read as ever, but written only by a process of the
 * builder, once it has run a kernel. (Asked sooner, PoCL would build it twice.)
 *
 * Environment, read when a device builds its first program:
 *   UMBEL_CACHE        the folder; unset: $XDG_CACHE_HOME/umbel, else ~/.cache/umbel
 *   UMBEL_CACHE_FORCE  1: cache for every driver; 0: as above
 *   UMBEL_CACHE_MIB    the most the folder may hold, in MiB; unset: 256. Entries used longest ago
 *                      go first.
 */
#ifndef UMB_KERNEL_CACHE_H
#define UMB_KERNEL_CACHE_H

#include "cache_entry.h"
#include <umbel/device.h>

/* UMBEL_CACHE, else a folder below XDG_CACHE_HOME (which counts only when absolute) or HOME, which
 * need not exist; freed with umb__free. *ret_folder stays NULL when there is no home either.
 * Errors: UMB_ERR_INVALID (UMBEL_CACHE is no folder), UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__cache_folder(struct umb_context *ctx, char **ret_folder);

struct umb_cache;

/* *ret_cache is NULL when nothing is to be cached. Errors: UMB_ERR_INVALID (one of the variables is
 * nonsense), UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__cache_create(struct umb_context *ctx,
                                               const struct umb_device_caps *caps,
                                               struct umb_cache **ret_cache);
void umb__cache_destroy(struct umb_cache *cache);

bool umb__cache_is_late(const struct umb_cache *cache);

/* The key of a program: everything that its binary depends on. Freed with umb__free. */
UMB_MUST_USE enum umb_status umb__cache_key(struct umb_context *ctx,
                                            const struct umb_device_caps *caps, const char *options,
                                            const char *source, struct umb_bytes *ret_key);

enum umb_cache_found { UMB_CACHE_HIT, UMB_CACHE_MISS, UMB_CACHE_DAMAGED };

/* On a hit *ret_file is to be freed with umb__free, and *ret_binary points into it. The functions
 * below may be called from several threads at once and leave the context's message alone. */
enum umb_cache_found umb__cache_load(struct umb_cache *cache, struct umb_bytes key, char **ret_file,
                                     struct umb_bytes *ret_binary);
/* Whether there is an entry, good or bad. */
bool umb__cache_has(struct umb_cache *cache, struct umb_bytes key);
/* False when it was not written; the log says why, once. */
bool umb__cache_store(struct umb_cache *cache, struct umb_bytes key, struct umb_bytes binary);

/* Removes the oldest entries of a folder until the rest hold at most max_bytes. Entries are told
 * by their names; no other file is touched. */
void umb__cache_bound(const char *folder, uint64_t max_bytes);
/* The name of a key's file: 32 hexadecimal digits and UMB_CACHE_SUFFIX. */
#define UMB_CACHE_SUFFIX ".umbk"
#define UMB_CACHE_NAME_BYTES (32 + sizeof UMB_CACHE_SUFFIX)
void umb__cache_entry_name(struct umb_bytes key, char name[UMB_CACHE_NAME_BYTES]);

#endif
