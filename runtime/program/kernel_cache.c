/* kernel_cache.c: where entries lie, and reading and writing them. */
#include "kernel_cache.h"
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include "text.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_MIB 256
#define MAX_MIB (1 << 20)
#define POCL "Portable Computing Language"

struct umb_cache {
    struct umb_context *ctx; /* for the log */
    char *folder;
    uint64_t max_bytes;
    bool late;
    int unwritable; /* atomic: a write failed, so there are no more */
};

enum umb_status umb__cache_folder(struct umb_context *ctx, char **ret_folder)
{
    const char *own = umb__env_text("UMBEL_CACHE");
    struct stat info;
    if (own && stat(own, &info) == 0 && !S_ISDIR(info.st_mode)) {
        return umb__fail(ctx, UMB_ERR_INVALID, "UMBEL_CACHE: %s is no folder; expected one", own);
    }
    const char *xdg = umb__env_text("XDG_CACHE_HOME"), *home = umb__env_text("HOME");
    char *folder = NULL;
    if (own) {
        folder = umb__strdup(ctx, own);
    } else if (xdg && xdg[0] == '/') {
        folder = umb__path_join(ctx, xdg, "umbel");
    } else if (home) {
        folder = umb__path_join(ctx, home, ".cache/umbel");
    } else {
        return UMB_OK;
    }
    *ret_folder = folder;
    return folder ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__cache_create(struct umb_context *ctx, const struct umb_device_caps *caps,
                                  struct umb_cache **ret_cache)
{
    int64_t force = 0, mib = 0;
    enum umb_status st = umb__env_int(ctx, "UMBEL_CACHE_FORCE", 0, 1, 0, &force);
    if (st == UMB_OK) { st = umb__env_int(ctx, "UMBEL_CACHE_MIB", 1, MAX_MIB, DEFAULT_MIB, &mib); }
    if (st != UMB_OK) { return st; }
    struct umb_cache *c = umb__calloc(ctx, 1, sizeof *c);
    if (!c) { return UMB_ERR_NO_MEMORY; }
    c->ctx = ctx;
    c->max_bytes = (uint64_t)mib << 20;
    st = umb__cache_folder(ctx, &c->folder);
    bool drivers = caps->caches_binaries && !force;
    c->late = drivers && umb__context_builder(ctx) && strstr(caps->platform, POCL);
    if (st != UMB_OK || !c->folder || (drivers && !c->late)) {
        umb__cache_destroy(c);
        c = NULL;
    }
    if (st == UMB_OK) { *ret_cache = c; }
    return st;
}

void umb__cache_destroy(struct umb_cache *cache)
{
    if (!cache) { return; }
    umb__free(cache->folder);
    umb__free(cache);
}

bool umb__cache_is_late(const struct umb_cache *cache)
{
    return cache->late;
}

enum umb_status umb__cache_key(struct umb_context *ctx, const struct umb_device_caps *caps,
                               const char *options, const char *source, struct umb_bytes *ret_key)
{
    const char *const parts[] = {caps->name,     caps->vendor, caps->platform, caps->driver,
                                 caps->opencl_c, options,      source};
    struct umb_text t = {0};
    umb__text_printf(&t, "%zu-bit host", 8 * sizeof(void *));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        umb__text_add_bytes(&t, "", 1); /* a NUL between: no two lists of parts look alike */
        umb__text_add(&t, parts[i] ? parts[i] : "");
    }
    enum umb_status st = umb__text_status(ctx, &t);
    if (st != UMB_OK) {
        umb__text_finish(&t);
        return st;
    }
    *ret_key = (struct umb_bytes){t.data, t.length};
    return UMB_OK;
}

void umb__cache_entry_name(struct umb_bytes key, char name[UMB_CACHE_NAME_BYTES])
{
    uint64_t low = umb__hash(UMB_HASH_START, key.data, key.size);
    uint64_t high = umb__hash(umb__hash(UMB_HASH_START, "high", 4), key.data, key.size);
    snprintf(name, UMB_CACHE_NAME_BYTES, "%016" PRIx64 "%016" PRIx64 UMB_CACHE_SUFFIX, high, low);
}

/* scratch keeps messages that are nobody's but the log's. NULL when memory is short. */
static char *entry_path(const struct umb_cache *cache, struct umb_context *scratch,
                        struct umb_bytes key)
{
    char name[UMB_CACHE_NAME_BYTES];
    umb__cache_entry_name(key, name);
    return umb__path_join(scratch, cache->folder, name);
}

static enum umb_cache_found load(struct umb_cache *cache, struct umb_context *scratch,
                                 const char *path, struct umb_bytes key, char **ret_file,
                                 struct umb_bytes *ret_binary)
{
    char *file = NULL;
    size_t size = 0;
    if (!umb__is_file(path)) { return UMB_CACHE_MISS; }
    const char *wrong = NULL;
    if (umb__file_read(scratch, path, cache->max_bytes, &file, &size) != UMB_OK) {
        wrong = umb_context_error(scratch);
    } else {
        wrong = umb__cache_entry_decode((struct umb_bytes){file, size}, key, ret_binary);
    }
    if (wrong) {
        umb__log(cache->ctx, UMB_LOG_WARN, "kernel cache: %s: %s; the program is built anew", path,
                 wrong);
        umb__free(file);
        return UMB_CACHE_DAMAGED;
    }
    /* makes the time of a file that of its last use; where it may not, the bound is less wise */
    (void)utimensat(AT_FDCWD, path, NULL, 0);
    *ret_file = file;
    return UMB_CACHE_HIT;
}

enum umb_cache_found umb__cache_load(struct umb_cache *cache, struct umb_bytes key, char **ret_file,
                                     struct umb_bytes *ret_binary)
{
    struct umb_context *scratch = NULL;
    if (umb_context_create(NULL, &scratch) != UMB_OK) { return UMB_CACHE_MISS; }
    char *path = entry_path(cache, scratch, key);
    enum umb_cache_found found =
        path ? load(cache, scratch, path, key, ret_file, ret_binary) : UMB_CACHE_MISS;
    umb__free(path);
    umb_context_destroy(scratch);
    return found;
}

bool umb__cache_has(struct umb_cache *cache, struct umb_bytes key)
{
    struct umb_context *scratch = NULL;
    if (umb_context_create(NULL, &scratch) != UMB_OK) { return false; }
    char *path = entry_path(cache, scratch, key);
    bool has = path && umb__is_file(path);
    umb__free(path);
    umb_context_destroy(scratch);
    return has;
}

static enum umb_status write_entry(struct umb_cache *cache, struct umb_context *scratch,
                                   const char *path, struct umb_bytes key, struct umb_bytes binary)
{
    unsigned char *data = NULL;
    size_t size = 0;
    enum umb_status st = umb__cache_entry_encode(scratch, key, binary, &data, &size);
    if (st == UMB_OK) { st = umb__make_folders(scratch, cache->folder); }
    if (st == UMB_OK) { st = umb__file_write(scratch, path, data, size); }
    umb__free(data);
    return st;
}

bool umb__cache_store(struct umb_cache *cache, struct umb_bytes key, struct umb_bytes binary)
{
    struct umb_context *scratch = NULL;
    /* one entry may not push all others out */
    if (key.size > cache->max_bytes / 4 || binary.size > cache->max_bytes / 4) { return false; }
    if (__atomic_load_n(&cache->unwritable, __ATOMIC_RELAXED)) { return false; }
    enum umb_status st = umb_context_create(NULL, &scratch);
    if (st != UMB_OK) { return false; }
    char *path = entry_path(cache, scratch, key);
    st = path ? write_entry(cache, scratch, path, key, binary) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        umb__cache_bound(cache->folder, cache->max_bytes);
    } else if (!__atomic_exchange_n(&cache->unwritable, 1, __ATOMIC_RELAXED)) {
        umb__log(cache->ctx, UMB_LOG_WARN,
                 "kernel cache: %s; built programs are not kept in this run",
                 umb_context_error(scratch));
    }
    umb__free(path);
    umb_context_destroy(scratch);
    return st == UMB_OK;
}
