/*
 * program.c: each device's table of programs, built once, from the cache or from source.
 *
 *   (file, entry, options) -> bucket -> program: UNBUILT -> BUILDING -> READY
 *                                   ^          |
 *                                   +- FAILED <+
 */
#include "program.h"
#include "alloc.h"
#include "fail.h"
#include "kernel_build.h"
#include "kernel_cache.h"
#include "program_recipe.h"
#include "program_table.h"
#include "system.h"
#include <pthread.h>
#include <string.h>

#define N_BUCKETS 128

enum build_state { UNBUILT, BUILDING, READY, FAILED };

struct program {
    struct program *next;         /* in its bucket */
    char *file, *entry, *options; /* entry "": every kernel of the file */
    enum build_state state;
    enum umb_status status; /* FAILED: of the last try */
    cl_program cl;          /* READY */
};

/* Everything behind the lock, which is never held while something is built. */
struct program_table {
    struct umb_device *device;
    pthread_mutex_t lock;
    pthread_cond_t built;
    struct program *bucket[N_BUCKETS];
    struct umb_program_stats stats;
    struct umb_cache *cache; /* NULL: off */
};

static void program_destroy(struct program *p)
{
    if (!p) { return; }
    if (p->cl) { clReleaseProgram(p->cl); }
    umb__free(p->file);
    umb__free(p->entry);
    umb__free(p->options);
    umb__free(p);
}

static void table_destroy(void *data)
{
    struct program_table *t = data;
    for (size_t i = 0; i < N_BUCKETS; i++) {
        while (t->bucket[i]) {
            struct program *p = t->bucket[i];
            t->bucket[i] = p->next;
            program_destroy(p);
        }
    }
    umb__cache_destroy(t->cache);
    pthread_cond_destroy(&t->built);
    pthread_mutex_destroy(&t->lock);
    umb__free(t);
}

static enum umb_status table_create(struct umb_device *device, struct program_table **ret_table)
{
    struct umb_context *ctx = umb__device_context(device);
    struct program_table *t = umb__calloc(ctx, 1, sizeof *t);
    if (!t) { return UMB_ERR_NO_MEMORY; }
    t->device = device;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->built, NULL);
    enum umb_status st = umb__cache_create(ctx, umb_device_get_caps(device), &t->cache);
    if (st != UMB_OK) {
        table_destroy(t);
        return st;
    }
    *ret_table = t;
    return UMB_OK;
}

static struct program_table *table_find(struct umb_device *device)
{
    struct umb_device_slot *slot = umb__device_program_slot(device);
    return __atomic_load_n((struct program_table **)&slot->data, __ATOMIC_ACQUIRE);
}

/* The device's table, made by whoever comes first: of two threads at once, one throws its own away.
 */
static enum umb_status table_of(struct umb_device *device, struct program_table **ret_table)
{
    struct umb_device_slot *slot = umb__device_program_slot(device);
    struct program_table *own = NULL;
    void *present = __atomic_load_n(&slot->data, __ATOMIC_ACQUIRE);
    if (!present) {
        enum umb_status st = table_create(device, &own);
        if (st != UMB_OK) { return st; }
        __atomic_store_n(&slot->destroy, table_destroy, __ATOMIC_RELEASE);
        if (__atomic_compare_exchange_n(&slot->data, &present, own, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            present = own;
        } else {
            table_destroy(own);
        }
    }
    *ret_table = present;
    return UMB_OK;
}

static struct umb_program_name name_of(struct umb_device *device, const char *file,
                                       const char *entry, const char *options)
{
    bool apart = entry && umb__context_builder(umb__device_context(device));
    return (struct umb_program_name){file, apart ? entry : "", options ? options : ""};
}

static bool is_called(const struct program *p, const struct umb_program_name *n)
{
    return strcmp(p->file, n->file) == 0 && strcmp(p->entry, n->entry) == 0 &&
           strcmp(p->options, n->options) == 0;
}

static struct program **bucket_of(struct program_table *t, const struct umb_program_name *n)
{
    uint64_t hash = umb__hash(UMB_HASH_START, n->file, strlen(n->file) + 1);
    hash = umb__hash(hash, n->entry, strlen(n->entry) + 1);
    return &t->bucket[umb__hash(hash, n->options, strlen(n->options)) % N_BUCKETS];
}

/* Finds or adds, under the lock; NULL when memory is short. */
static struct program *program_of(struct program_table *t, const struct umb_program_name *n)
{
    struct umb_context *ctx = umb__device_context(t->device);
    struct program **bucket = bucket_of(t, n);
    for (struct program *p = *bucket; p; p = p->next) {
        if (is_called(p, n)) { return p; }
    }
    struct program *p = umb__calloc(ctx, 1, sizeof *p);
    if (!p) { return NULL; }
    p->file = umb__strdup(ctx, n->file);
    p->entry = umb__strdup(ctx, n->entry);
    p->options = umb__strdup(ctx, n->options);
    if (!p->file || !p->entry || !p->options) {
        program_destroy(p);
        return NULL;
    }
    p->next = *bucket;
    *bucket = p;
    return p;
}

static void count(struct program_table *t, uint64_t *counter, uint64_t n)
{
    pthread_mutex_lock(&t->lock);
    *counter += n;
    pthread_mutex_unlock(&t->lock);
}

static enum umb_status build(struct program_table *t, const struct umb_build_desc *desc,
                             const char *source, cl_program *ret_program)
{
    struct umb_context *ctx = umb__device_context(t->device);
    uint64_t start = umb__clock_ns();
    enum umb_status st = umb__build_from_source(desc, source, ret_program);
    uint64_t took = umb__clock_ns() - start;
    count(t, &t->stats.builds, 1);
    count(t, &t->stats.build_ns, took);
    if (st == UMB_OK) {
        umb__log(ctx, UMB_LOG_DEBUG, "built %s \"%s\" in %.0f ms", desc->file, desc->options,
                 (double)took * 1e-6);
    }
    return st;
}

/* NULL unless the cache has it and the driver takes it. */
static cl_program load_cached(struct program_table *t, const struct umb_build_desc *desc,
                              struct umb_bytes key)
{
    char *file = NULL;
    struct umb_bytes binary = {0};
    cl_program program = NULL;
    enum umb_cache_found found = umb__cache_load(t->cache, key, &file, &binary);
    if (found == UMB_CACHE_HIT) {
        program = umb__build_from_binary(desc, binary.data, binary.size);
        if (!program) { found = UMB_CACHE_DAMAGED; }
        umb__free(file);
    }
    count(t,
          found == UMB_CACHE_HIT    ? &t->stats.cache_hits
          : found == UMB_CACHE_MISS ? &t->stats.cache_misses
                                    : &t->stats.cache_damaged,
          1);
    return program;
}

/* A binary that cannot be had or written is no failure: the program is there. */
static void store_cached(struct program_table *t, const struct umb_build_desc *desc,
                         struct umb_bytes key, cl_program program)
{
    unsigned char *binary = NULL;
    size_t size = 0;
    enum umb_status st = umb__build_binary(desc, program, &binary, &size);
    if (st == UMB_OK && umb__cache_store(t->cache, key, (struct umb_bytes){binary, size})) {
        count(t, &t->stats.cache_writes, 1);
    }
    umb__free(binary);
}

static enum umb_status build_cached(struct program_table *t, const struct umb_build_desc *desc,
                                    const char *source, cl_program *ret_program)
{
    struct umb_context *ctx = umb__device_context(t->device);
    struct umb_bytes key = {0};
    enum umb_status st =
        umb__cache_key(ctx, umb_device_get_caps(t->device), desc->options, source, &key);
    if (st != UMB_OK) { return st; }
    *ret_program = load_cached(t, desc, key);
    if (!*ret_program) {
        st = build(t, desc, source, ret_program);
        if (st == UMB_OK && !umb__cache_is_late(t->cache)) {
            store_cached(t, desc, key, *ret_program);
        }
    }
    umb__free((void *)key.data);
    return st;
}

static enum umb_status build_program(struct program_table *t, const struct umb_program_name *n,
                                     cl_program *ret_program)
{
    struct umb_recipe r;
    enum umb_status st = umb__recipe_init(t->device, n, &r);
    if (st == UMB_OK) {
        struct umb_build_desc desc = {t->device, n->file, umb__text_string(&r.options)};
        st = (t->cache ? build_cached : build)(t, &desc, r.source.data, ret_program);
    }
    umb__recipe_finish(&r);
    return st;
}

/*
 * Under the lock on entry and exit, but not while it builds. Whoever waited for a build that failed
 * has failed with it (the message is in the context they share); whoever comes later tries again.
 */
static enum umb_status program_wait(struct program_table *t, struct program *p)
{
    bool waited = false;
    while (p->state == BUILDING) {
        pthread_cond_wait(&t->built, &t->lock);
        waited = true;
    }
    if (p->state == READY) { return UMB_OK; }
    if (p->state == FAILED && waited) { return p->status; }
    p->state = BUILDING;
    pthread_mutex_unlock(&t->lock);
    cl_program cl = NULL;
    enum umb_status st =
        build_program(t, &(struct umb_program_name){p->file, p->entry, p->options}, &cl);
    pthread_mutex_lock(&t->lock);
    p->cl = cl;
    p->status = st;
    p->state = st == UMB_OK ? READY : FAILED;
    pthread_cond_broadcast(&t->built);
    return st;
}

enum umb_status umb__program_get(struct umb_device *device, const char *file, const char *entry,
                                 const char *options, cl_program *ret_program)
{
    struct program_table *t = NULL;
    struct umb_program_name name = name_of(device, file, entry, options);
    enum umb_status st = table_of(device, &t);
    if (st != UMB_OK) { return st; }
    pthread_mutex_lock(&t->lock);
    struct program *p = program_of(t, &name);
    st = p ? program_wait(t, p) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { *ret_program = p->cl; }
    pthread_mutex_unlock(&t->lock);
    return st;
}

enum umb_status umb__program_prepare(struct umb_device *device, const char *file,
                                     const char *options)
{
    cl_program program = NULL;
    return umb__program_get(device, file, NULL, options, &program);
}

/* ---- building elsewhere ---- */

bool umb__program_builds_apart(struct umb_device *device)
{
    struct program_table *t = NULL;
    return table_of(device, &t) == UMB_OK && t->cache && umb__cache_is_late(t->cache);
}

static bool is_ready(struct program_table *t, const struct umb_program_name *n)
{
    bool ready = false;
    pthread_mutex_lock(&t->lock);
    for (struct program *p = *bucket_of(t, n); p && !ready; p = p->next) {
        ready = p->state == READY && is_called(p, n);
    }
    pthread_mutex_unlock(&t->lock);
    return ready;
}

/* To be finished, and the key to be freed, on failure too. */
static enum umb_status recipe_and_key(struct program_table *t, const struct umb_program_name *n,
                                      struct umb_recipe *r, struct umb_bytes *ret_key)
{
    enum umb_status st = umb__recipe_init(t->device, n, r);
    if (st != UMB_OK) { return st; }
    return umb__cache_key(umb__device_context(t->device), umb_device_get_caps(t->device),
                          umb__text_string(&r->options), r->source.data, ret_key);
}

bool umb__program_missing(struct umb_device *device, const struct umb_kernel *kernel,
                          const char *options, size_t *ret_source_bytes)
{
    struct program_table *t = NULL;
    struct umb_program_name name = name_of(device, kernel->file, kernel->entry, options);
    if (table_of(device, &t) != UMB_OK || !t->cache || is_ready(t, &name)) { return false; }
    struct umb_recipe r;
    struct umb_bytes key = {0};
    bool known = recipe_and_key(t, &name, &r, &key) == UMB_OK;
    *ret_source_bytes = r.source.length;
    bool missing = known && !umb__cache_has(t->cache, key);
    umb__free((void *)key.data);
    umb__recipe_finish(&r);
    return missing;
}

enum umb_status umb__program_keep(struct umb_device *device, const struct umb_kernel *kernel,
                                  const char *options)
{
    struct program_table *t = NULL;
    cl_program program = NULL;
    struct umb_program_name name = name_of(device, kernel->file, kernel->entry, options);
    enum umb_status st = umb__program_get(device, kernel->file, kernel->entry, options, &program);
    if (st == UMB_OK) { st = table_of(device, &t); }
    if (st != UMB_OK || !t->cache) { return st; }
    struct umb_recipe r;
    struct umb_bytes key = {0};
    st = recipe_and_key(t, &name, &r, &key);
    if (st == UMB_OK && !umb__cache_has(t->cache, key)) {
        struct umb_build_desc desc = {device, kernel->file, umb__text_string(&r.options)};
        store_cached(t, &desc, key, program);
    }
    umb__free((void *)key.data);
    umb__recipe_finish(&r);
    return st;
}

struct umb_program_stats umb__program_stats(struct umb_device *device)
{
    struct umb_program_stats stats = {0};
    struct program_table *t = table_find(device);
    if (t) {
        pthread_mutex_lock(&t->lock);
        stats = t->stats;
        pthread_mutex_unlock(&t->lock);
    }
    return stats;
}
