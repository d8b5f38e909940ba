/* listing.c: see listing.h. */
#include "listing.h"
#include "system.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct umb_split_name umb__split_words[UMB_SPLIT_NAMES] = {
    {"train", UMB_SPLIT_TRAIN},
    {"validation", UMB_SPLIT_VALIDATION},
    {"val", UMB_SPLIT_VALIDATION},
    {"test", UMB_SPLIT_TEST}};

int umb__compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_image_name(const char *name)
{
    static const char *const ends[] = {".png", ".jpg", ".jpeg"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t n = strlen(ends[i]);
        if (length > n && strcasecmp(name + length - n, ends[i]) == 0) { return true; }
    }
    return false;
}

static enum umb_status add_name(struct umb_dataset *ds, struct umb_names *names, const char *name)
{
    if (names->n == names->capacity) {
        size_t capacity = names->capacity ? 2 * names->capacity : 64;
        const char **grown =
            umb__grow(ds->ctx, names->name, names->capacity, capacity, sizeof *grown);
        if (grown == NULL) { return UMB_ERR_NO_MEMORY; }
        names->name = grown;
        names->capacity = capacity;
    }
    names->name[names->n] = umb__arena_strdup(ds->arena, name);
    return names->name[names->n++] ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Adds the entry if it is of the wanted kind; other files are counted. */
static enum umb_status take_entry(struct umb_dataset *ds, const char *folder, const char *name,
                                  bool want_folders, struct umb_names *names, size_t *n_other)
{
    char *path = umb__path_join(ds->ctx, folder, name);
    if (path == NULL) { return UMB_ERR_NO_MEMORY; }
    bool is_folder = umb__is_folder(path);
    umb__free(path);
    if (is_folder == want_folders && (want_folders || is_image_name(name))) {
        return add_name(ds, names, name);
    }
    *n_other += !is_folder;
    return UMB_OK;
}

enum umb_status umb__list_folder(struct umb_dataset *ds, const char *folder, bool want_folders,
                                 struct umb_names *names)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return umb__fail(ds->ctx, UMB_ERR_IO, "path: %s cannot be read (%s)", folder,
                         strerror(errno));
    }
    size_t n_other = 0;
    enum umb_status st = UMB_OK;
    for (struct dirent *e = readdir(dir); e != NULL && st == UMB_OK; e = readdir(dir)) {
        if (e->d_name[0] == '.') { continue; }
        st = take_entry(ds, folder, e->d_name, want_folders, names, &n_other);
    }
    closedir(dir);
    if (st == UMB_OK && n_other > 0) {
        umb__log(ds->ctx, UMB_LOG_WARN, "%s: %zu files that are no .png, .jpg or .jpeg passed over",
                 folder, n_other);
    }
    if (names->n > 0) { qsort(names->name, names->n, sizeof *names->name, umb__compare_names); }
    return st;
}

bool umb__has_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) { return false; }
    closedir(dir);
    return true;
}
