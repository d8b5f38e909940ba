/*
 * folder.c: a folder of images for each class.
 *
 *   PATH/train/CLASS/IMAGE, PATH/test/CLASS/IMAGE, PATH/validation/CLASS/IMAGE (or val)
 *   PATH/CLASS/IMAGE        everything is training; shares may be split off
 *
 * Classes are the folders of training, by name. Samples go through the classes in turn, so that the
 * first of them (a limit) have all classes. Names that begin with a dot are passed over.
 */
#include "image_files.h"
#include "listing.h"
#include "system.h"
#include <stdlib.h>
#include <string.h>

struct entry {
    const char *path;
    uint32_t rank; /* within its class and split */
    int32_t label;
    uint8_t split;
};

struct folder_set {
    struct umb_image_files *files;
    int32_t *label; /* [n_records] */
};

struct scan {
    struct umb_dataset *ds;
    struct umb_names classes;
    struct entry *entry;
    size_t n, capacity;
};

/* By split, then by turns through the classes; by name where validation/ and val/ share a place. */
static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->split != y->split) { return x->split < y->split ? -1 : 1; }
    if (x->rank != y->rank) { return x->rank < y->rank ? -1 : 1; }
    if (x->label != y->label) { return x->label < y->label ? -1 : 1; }
    return strcmp(x->path, y->path);
}

static enum umb_status add_entry(struct scan *scan, const struct entry *entry)
{
    if (scan->n == scan->capacity) {
        size_t capacity = scan->capacity ? 2 * scan->capacity : 1024;
        struct entry *grown =
            umb__grow(scan->ds->ctx, scan->entry, scan->capacity, capacity, sizeof *grown);
        if (grown == NULL) { return UMB_ERR_NO_MEMORY; }
        scan->entry = grown;
        scan->capacity = capacity;
    }
    scan->entry[scan->n++] = *entry;
    return UMB_OK;
}

static enum umb_status scan_class(struct scan *scan, const char *folder, enum umb_split split,
                                  int32_t label)
{
    struct umb_names images = {.n = 0};
    enum umb_status st = umb__list_folder(scan->ds, folder, false, &images);
    if (st == UMB_OK && images.n == 0 && split == UMB_SPLIT_TRAIN) {
        st = umb__fail(scan->ds->ctx, UMB_ERR_FORMAT,
                       "%s: no images; expected .png, .jpg or .jpeg files", folder);
    }
    for (size_t i = 0; i < images.n && st == UMB_OK; i++) {
        struct entry e = {umb__arena_printf(scan->ds->arena, "%s/%s", folder, images.name[i]),
                          (uint32_t)i, label, (uint8_t)split};
        st = e.path ? add_entry(scan, &e) : UMB_ERR_NO_MEMORY;
    }
    umb__free(images.name);
    return st;
}

/* Each folder in `folder` has to be a class of training; training itself is where they come from.
 */
static enum umb_status scan_split(struct scan *scan, const char *folder, enum umb_split split)
{
    struct umb_context *ctx = scan->ds->ctx;
    struct umb_names found = {.n = 0};
    size_t before = scan->n;
    enum umb_status st = umb__list_folder(scan->ds, folder, true, &found);
    if (st == UMB_OK && found.n == 0) {
        st = umb__fail(ctx, UMB_ERR_FORMAT, "%s: no class folders; expected %s/CLASS/IMAGE.png",
                       folder, folder);
    }
    if (st == UMB_OK && found.n > UMB_MAX_CLASSES) {
        st = umb__fail(ctx, UMB_ERR_FORMAT, "%s: %zu class folders; expected at most %d", folder,
                       found.n, UMB_MAX_CLASSES);
    }
    if (split == UMB_SPLIT_TRAIN) { scan->classes = found; }
    for (size_t i = 0; i < found.n && st == UMB_OK; i++) {
        const char *const *class = bsearch(&found.name[i], scan->classes.name, scan->classes.n,
                                           sizeof *scan->classes.name, umb__compare_names);
        char *path = umb__path_join(ctx, folder, found.name[i]);
        st = path ? UMB_OK : UMB_ERR_NO_MEMORY;
        if (st == UMB_OK && class == NULL) {
            st = umb__fail(ctx, UMB_ERR_FORMAT,
                           "%s: the class '%s' does not occur in training; expected its classes",
                           path, found.name[i]);
        } else if (st == UMB_OK) {
            st = scan_class(scan, path, split, (int32_t)(class - scan->classes.name));
        }
        umb__free(path);
    }
    if (split != UMB_SPLIT_TRAIN) { umb__free(found.name); }
    if (st == UMB_OK && scan->n == before) {
        st = umb__fail(ctx, UMB_ERR_FORMAT, "%s: no images in any class folder", folder);
    }
    return st;
}

/* train/ is a split when it holds class folders or another split lies beside it; else it is a class
 * of that name. */
static enum umb_status has_splits(struct umb_dataset *ds, const char *const *split_path,
                                  bool *ret_split)
{
    *ret_split = false;
    if (!umb__has_folder(split_path[0])) { return UMB_OK; }
    if (umb__has_folder(split_path[1]) || umb__has_folder(split_path[2]) ||
        umb__has_folder(split_path[3])) {
        *ret_split = true;
        return UMB_OK;
    }
    struct umb_names inside = {.n = 0};
    enum umb_status st = umb__list_folder(ds, split_path[0], true, &inside);
    *ret_split = inside.n > 0;
    umb__free(inside.name);
    return st;
}

static enum umb_status scan_all(struct scan *scan, const char *root)
{
    const char *path[UMB_SPLIT_NAMES];
    for (int i = 0; i < UMB_SPLIT_NAMES; i++) {
        path[i] = umb__arena_printf(scan->ds->arena, "%s/%s", root, umb__split_words[i].name);
        if (path[i] == NULL) { return UMB_ERR_NO_MEMORY; }
    }
    bool splits;
    enum umb_status st = has_splits(scan->ds, path, &splits);
    if (st != UMB_OK) { return st; }
    if (!splits) { return scan_split(scan, root, UMB_SPLIT_TRAIN); }
    for (int i = 0; i < UMB_SPLIT_NAMES && st == UMB_OK; i++) {
        if (i > 0 && !umb__has_folder(path[i])) { continue; }
        st = scan_split(scan, path[i], umb__split_words[i].split);
    }
    return st;
}

/* Classes become the target "label", entries become records. */
static enum umb_status fill_set(struct umb_dataset *ds, struct folder_set *set, struct scan *scan)
{
    qsort(scan->entry, scan->n, sizeof *scan->entry, compare_entries);
    enum umb_status st = umb__dataset_reserve(ds, scan->n);
    if (st == UMB_OK) { st = umb__dataset_reserve_targets(ds, 1); }
    if (st == UMB_OK) { st = umb__image_files_create(ds, scan->n, 1, &set->files); }
    if (st != UMB_OK) { return st; }
    const char **names = umb__arena_calloc(ds->arena, scan->classes.n, sizeof *names);
    set->label = umb__calloc(ds->ctx, scan->n, sizeof *set->label);
    if (names == NULL || set->label == NULL) { return UMB_ERR_NO_MEMORY; }
    memcpy(names, scan->classes.name, scan->classes.n * sizeof *names);
    ds->targets[0] = (struct umb_target_info){.name = "label",
                                              .kind = UMB_TARGET_CLASS,
                                              .n_classes = (int64_t)scan->classes.n,
                                              .class_names = names};
    for (size_t i = 0; i < scan->n; i++) {
        ds->split_of[i] = scan->entry[i].split;
        set->files->path[i] = scan->entry[i].path;
        set->label[i] = scan->entry[i].label;
    }
    return UMB_OK;
}

static enum umb_status folder_open(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    struct folder_set *set = ds->set = umb__calloc(ds->ctx, 1, sizeof *set);
    if (set == NULL) { return UMB_ERR_NO_MEMORY; }
    struct scan scan = {.ds = ds};
    enum umb_status st = scan_all(&scan, desc->path);
    if (st == UMB_OK) { st = fill_set(ds, set, &scan); }
    umb__free(scan.classes.name);
    umb__free(scan.entry);
    return st == UMB_OK ? umb__image_files_settle(set->files, ds, desc) : st;
}

static enum umb_status folder_read(struct umb_dataset *ds, uint32_t record, uint8_t *image,
                                   void *const *targets)
{
    const struct folder_set *set = ds->set;
    if (targets && targets[0]) { *(int32_t *)targets[0] = set->label[record]; }
    return image ? umb__image_files_read(set->files, record, 0, image) : UMB_OK;
}

static void folder_close(struct umb_dataset *ds)
{
    struct folder_set *set = ds->set;
    if (set == NULL) { return; }
    umb__image_files_destroy(set->files);
    umb__free(set->label);
    umb__free(set);
}

const struct umb_format umb__format_folder = {
    .name = "folder",
    .takes = UMB_TAKES_PATH,
    .open = folder_open,
    .read = folder_read,
    .close = folder_close,
};
