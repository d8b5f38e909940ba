/* tuning.c: where the tuning database lies, reading it, and writing it beside other processes. */
#include "tuning.h"
#include "alloc.h"
#include "fail.h"
#include "kernel_cache.h"
#include "kernel_source.h"
#include "system.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)16 << 20)

struct umb_tuning {
    struct umb_context *ctx;
    char *device, *path; /* path NULL: no home */
    char *trouble;
    struct umb_tuned_list all, fresh; /* fresh: put since it was read or saved */
};

/* Place. */

/* All that times depend on, in one line. Kernels are told apart by their text, so that neither an
 * upgrade nor UMBEL_KERNEL_DIR goes by what others did. */
static enum umb_status describe(struct umb_tuning *t, const struct umb_device_caps *caps)
{
    const char *const parts[] = {caps->name, caps->vendor, caps->platform, caps->driver};
    struct umb_text text = {0};
    uint64_t kernels = 0;
    enum umb_status st = umb__kernels_hash(t->ctx, &kernels);
    if (st != UMB_OK) { return st; }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        umb__text_printf(&text, "%.200s | ", parts[i] ? parts[i] : "");
    }
    umb__text_printf(&text, "%u units | kernels %016" PRIx64, caps->compute_units, kernels);
    st = umb__text_status(t->ctx, &text);
    for (size_t i = 0; st == UMB_OK && i < text.length; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127) { text.data[i] = ' '; }
    }
    if (st == UMB_OK) { t->device = umb__strdup(t->ctx, text.data); }
    umb__text_finish(&text);
    return st == UMB_OK && !t->device ? UMB_ERR_NO_MEMORY : st;
}

static enum umb_status find_place(struct umb_tuning *t)
{
    char name[48], *folder = NULL;
    enum umb_status st = umb__cache_folder(t->ctx, &folder);
    if (st != UMB_OK || !folder) { return st; }
    snprintf(name, sizeof name, "tuning-%016" PRIx64 ".txt",
             umb__hash(UMB_HASH_START, t->device, strlen(t->device)));
    t->path = umb__path_join(t->ctx, folder, name);
    umb__free(folder);
    return t->path ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Reading. */

/* *ret_trouble, when the file is there and of no use, is freed with umb__free. */
static enum umb_status read_file(struct umb_tuning *t, struct umb_tuned_list *list,
                                 char **ret_trouble)
{
    struct umb_context *scratch = NULL;
    char *data = NULL;
    size_t size = 0;
    const char *wrong = NULL;
    if (!t->path || !umb__is_file(t->path)) { return UMB_OK; }
    /* what is wrong with the file is nobody's error */
    enum umb_status st = umb_context_create(NULL, &scratch);
    if (st != UMB_OK) { return st; }
    st = umb__file_read(scratch, t->path, MAX_FILE_BYTES, &data, &size);
    struct umb_text text = {0};
    if (st == UMB_OK) {
        st = umb__tuning_decode(t->ctx, (struct umb_bytes){data, size}, t->device, list, &wrong);
        if (wrong) { umb__text_printf(&text, "%s: %s", t->path, wrong); }
    } else if (st != UMB_ERR_NO_MEMORY) {
        umb__text_add(&text, umb_context_error(scratch));
        st = UMB_OK;
    }
    if (st == UMB_OK) { st = umb__text_status(t->ctx, &text); }
    if (st == UMB_OK && text.length) {
        *ret_trouble = umb__strdup(t->ctx, text.data);
        if (!*ret_trouble) { st = UMB_ERR_NO_MEMORY; }
    }
    umb__text_finish(&text);
    umb__free(data);
    umb_context_destroy(scratch);
    return st;
}

enum umb_status umb__tuning_open(struct umb_context *ctx, const struct umb_device_caps *caps,
                                 struct umb_tuning **ret_tuning)
{
    struct umb_tuning *t = umb__calloc(ctx, 1, sizeof *t);
    if (!t) { return UMB_ERR_NO_MEMORY; }
    t->ctx = ctx;
    enum umb_status st = umb__arena_create(ctx, &t->all.arena);
    if (st == UMB_OK) { st = umb__arena_create(ctx, &t->fresh.arena); }
    if (st == UMB_OK) { st = describe(t, caps); }
    if (st == UMB_OK) { st = find_place(t); }
    if (st == UMB_OK) { st = read_file(t, &t->all, &t->trouble); }
    if (st != UMB_OK) {
        umb__tuning_close(t);
        return st;
    }
    *ret_tuning = t;
    return UMB_OK;
}

static void finish_list(struct umb_tuned_list *list)
{
    umb__arena_destroy(list->arena);
    umb__free(list->entry);
}

void umb__tuning_close(struct umb_tuning *t)
{
    if (!t) { return; }
    finish_list(&t->all);
    finish_list(&t->fresh);
    umb__free(t->device);
    umb__free(t->path);
    umb__free(t->trouble);
    umb__free(t);
}

const char *umb__tuning_path(const struct umb_tuning *t)
{
    return t->path;
}

const char *umb__tuning_trouble(const struct umb_tuning *t)
{
    return t->trouble;
}

size_t umb__tuning_count(const struct umb_tuning *t)
{
    return t->all.n;
}

const struct umb_tuned *umb__tuning_find(const struct umb_tuning *t, const char *problem)
{
    return umb__tuned_find(&t->all, problem);
}

const struct umb_tuned_solver *umb__tuned_best(const struct umb_tuned *tuned)
{
    const struct umb_tuned_solver *best = NULL;
    for (size_t i = 0; i < tuned->n; i++) {
        const struct umb_tuned_solver *s = &tuned->solver[i];
        if (s->ns && (!best || s->ns < best->ns)) { best = s; }
    }
    return best;
}

/* Writing. */

enum umb_status umb__tuning_put(struct umb_tuning *t, const struct umb_tuned *tuned)
{
    enum umb_status st = umb__tuned_put(t->ctx, &t->fresh, tuned);
    return st == UMB_OK ? umb__tuned_put(t->ctx, &t->all, tuned) : st;
}

/* False: it has not that solver, or no other. */
static bool without(const struct umb_tuned *tuned, const char *solver, struct umb_tuned *ret_tuned)
{
    *ret_tuned = *tuned;
    ret_tuned->n = 0;
    for (size_t i = 0; i < tuned->n; i++) {
        if (strcmp(tuned->solver[i].name, solver) == 0) { continue; }
        ret_tuned->solver[ret_tuned->n++] = tuned->solver[i];
    }
    return ret_tuned->n > 0 && ret_tuned->n < tuned->n;
}

enum umb_status umb__tuning_forget(struct umb_tuning *t, const char *solver)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; i < t->all.n && st == UMB_OK; i++) {
        struct umb_tuned rest;
        if (without(t->all.entry[i], solver, &rest)) { st = umb__tuning_put(t, &rest); }
    }
    return st;
}

static enum umb_status lock(struct umb_tuning *t, struct umb_file_lock **ret_lock)
{
    char *folder = NULL, *path = NULL;
    struct umb_text text = {0};
    if (!t->path) {
        return umb__fail(t->ctx, UMB_ERR_INVALID,
                         "there is no folder to keep measurements in; expected HOME or UMBEL_CACHE "
                         "to be set");
    }
    enum umb_status st = umb__cache_folder(t->ctx, &folder);
    if (st == UMB_OK) { st = umb__make_folders(t->ctx, folder); }
    umb__free(folder);
    umb__text_printf(&text, "%s.lock", t->path);
    if (st == UMB_OK) { st = umb__text_status(t->ctx, &text); }
    if (st == UMB_OK) {
        path = umb__strdup(t->ctx, text.data);
        st = path ? umb__file_lock(t->ctx, path, ret_lock) : UMB_ERR_NO_MEMORY;
    }
    umb__text_finish(&text);
    umb__free(path);
    return st;
}

enum umb_status umb__tuning_check(struct umb_tuning *t)
{
    struct umb_file_lock *held = NULL;
    enum umb_status st = lock(t, &held);
    umb__file_unlock(held);
    return st;
}

/* What is in the file now, and on top of it what was put here. */
static enum umb_status merge_and_write(struct umb_tuning *t, struct umb_tuned_list *list)
{
    struct umb_text text = {0};
    char *trouble = NULL;
    enum umb_status st = read_file(t, list, &trouble);
    for (size_t i = 0; i < t->fresh.n && st == UMB_OK; i++) {
        st = umb__tuned_put(t->ctx, list, t->fresh.entry[i]);
    }
    if (st == UMB_OK) {
        umb__tuning_encode(list, t->device, &text);
        st = umb__text_status(t->ctx, &text);
    }
    if (st == UMB_OK) { st = umb__file_write(t->ctx, t->path, text.data, text.length); }
    umb__text_finish(&text);
    umb__free(trouble);
    return st;
}

enum umb_status umb__tuning_save(struct umb_tuning *t)
{
    struct umb_file_lock *held = NULL;
    struct umb_tuned_list list = {0};
    if (t->fresh.n == 0) { return UMB_OK; }
    enum umb_status st = lock(t, &held);
    if (st == UMB_OK) { st = umb__arena_create(t->ctx, &list.arena); }
    if (st == UMB_OK) { st = merge_and_write(t, &list); }
    umb__file_unlock(held);
    finish_list(&list);
    if (st == UMB_OK) { t->fresh.n = 0; }
    return st;
}
