/* cache_bound.c: keeps the cache's folder below its size, the longest unused entries going first.
 */
#include "alloc.h"
#include "kernel_cache.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_NAME 96

struct entry {
    struct timespec time;
    uint64_t bytes;
    char name[MAX_NAME];
};

struct listing {
    struct entry *entry;
    size_t n, capacity;
    uint64_t bytes;
};

/* An entry, or the temporary file of one: those that a killed process left behind age and go too.
 */
static bool is_ours(const char *name)
{
    return strlen(name) < MAX_NAME && strspn(name, "0123456789abcdef") == 32 &&
           strncmp(name + 32, UMB_CACHE_SUFFIX, strlen(UMB_CACHE_SUFFIX)) == 0;
}

static bool add(struct listing *l, const char *name, const struct stat *info)
{
    if (l->n == l->capacity) {
        size_t capacity = 2 * l->capacity + 64;
        struct entry *grown = umb__grow(NULL, l->entry, l->capacity, capacity, sizeof *grown);
        if (!grown) { return false; }
        l->entry = grown;
        l->capacity = capacity;
    }
    struct entry *e = &l->entry[l->n++];
    e->time = info->st_mtim;
    e->bytes = (uint64_t)info->st_size;
    memcpy(e->name, name, strlen(name) + 1); /* is_ours saw to the length */
    l->bytes += e->bytes;
    return true;
}

static void list_folder(DIR *dir, struct listing *l)
{
    struct stat info;
    for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
        if (!is_ours(d->d_name)) { continue; }
        /* what another process has removed meanwhile is not there, and that is all */
        if (fstatat(dirfd(dir), d->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) { continue; }
        if (S_ISREG(info.st_mode) && !add(l, d->d_name, &info)) { return; }
    }
}

static int older_first(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->time.tv_sec != b->time.tv_sec) { return a->time.tv_sec < b->time.tv_sec ? -1 : 1; }
    if (a->time.tv_nsec != b->time.tv_nsec) { return a->time.tv_nsec < b->time.tv_nsec ? -1 : 1; }
    return strcmp(a->name, b->name);
}

void umb__cache_bound(const char *folder, uint64_t max_bytes)
{
    struct listing l = {0};
    DIR *dir = opendir(folder);
    if (!dir) { return; }
    list_folder(dir, &l);
    if (l.bytes > max_bytes) { qsort(l.entry, l.n, sizeof *l.entry, older_first); }
    for (size_t i = 0; i < l.n && l.bytes > max_bytes; i++) {
        (void)unlinkat(dirfd(dir), l.entry[i].name, 0);
        l.bytes -= l.entry[i].bytes;
    }
    umb__free(l.entry);
    closedir(dir);
}
