/*
 * masks.c: pictures with a class a pixel, and what that says of the whole picture.
 *
 *   PATH/train/NAME.png (or .jpg), PATH/train_labels/NAME.png; the same of validation (or val),
 * test
 *
 * A mask is an 8-bit PNG of class indices, called as its picture. A picture without one has no
 * label. What is told of whole pictures is counted from the mask at the size it is read in.
 */
#include "image_files.h"
#include "listing.h"
#include "system.h"
#include <math.h>
#include <string.h>

#define MAX_MASK_CLASSES 256

enum { MASK, DOMINANT, PRESENT, SHARE, N_TARGETS };
enum { PICTURE_PLANE, MASK_PLANE, N_PLANES };

struct masks_set {
    struct umb_image_files *files;
    struct umb_mask_classes classes;
};

/* A folder of pictures: where they are, and their names. */
struct part {
    const char *folder, *labels;
    enum umb_split split;
    struct umb_names pictures;
};

static enum umb_status check_target(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    if (desc->n_targets != 1 || desc->targets[0].kind != UMB_TARGET_PIXELS) {
        return umb__fail(ds->ctx, UMB_ERR_INVALID,
                         "targets: the format masks wants one, of pixels, which says the classes");
    }
    const struct umb_csv_target *t = &desc->targets[0];
    if (t->n_classes < 2 || t->n_classes > MAX_MASK_CLASSES) {
        return umb__fail(ds->ctx, UMB_ERR_INVALID, "classes: %zu; expected 2 … %d", t->n_classes,
                         MAX_MASK_CLASSES);
    }
    if (t->ignore < -1 || t->ignore >= MAX_MASK_CLASSES) {
        return umb__fail(ds->ctx, UMB_ERR_INVALID, "ignore: %lld; expected 0 … %d, or -1 for none",
                         (long long)t->ignore, MAX_MASK_CLASSES - 1);
    }
    return UMB_OK;
}

/* Files. */

static enum umb_status list_part(struct umb_dataset *ds, const char *root,
                                 const struct umb_split_name *split, struct part *part)
{
    part->split = split->split;
    part->folder = umb__arena_printf(ds->arena, "%s/%s", root, split->name);
    part->labels = umb__arena_printf(ds->arena, "%s/%s_labels", root, split->name);
    if (part->folder == NULL || part->labels == NULL) { return UMB_ERR_NO_MEMORY; }
    if (part->split != UMB_SPLIT_TRAIN && !umb__has_folder(part->folder)) { return UMB_OK; }
    enum umb_status st = umb__list_folder(ds, part->folder, false, &part->pictures);
    if (st == UMB_OK && part->pictures.n == 0) {
        return umb__fail(ds->ctx, UMB_ERR_FORMAT,
                         "%s: no images; expected .png, .jpg or .jpeg files", part->folder);
    }
    if (st == UMB_OK && !umb__has_folder(part->labels)) {
        return umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s: no such folder; expected the masks of %s",
                         part->labels, part->folder);
    }
    return st;
}

static enum umb_status list_parts(struct umb_dataset *ds, const char *root, struct part *part)
{
    enum umb_status st = UMB_OK;
    for (int i = 0; i < UMB_SPLIT_NAMES && st == UMB_OK; i++) {
        st = list_part(ds, root, &umb__split_words[i], &part[i]);
    }
    return st;
}

/* The picture's path and its mask's, which stays NULL where there is none. */
static enum umb_status put_paths(struct umb_dataset *ds, const struct part *part, size_t i,
                                 const char **ret_path)
{
    const char *name = part->pictures.name[i];
    const int stem = (int)(strrchr(name, '.') - name);
    const char *mask = umb__arena_printf(ds->arena, "%s/%.*s.png", part->labels, stem, name);
    ret_path[PICTURE_PLANE] = umb__arena_printf(ds->arena, "%s/%s", part->folder, name);
    if (mask == NULL || ret_path[PICTURE_PLANE] == NULL) { return UMB_ERR_NO_MEMORY; }
    if (umb__is_file(mask)) { ret_path[MASK_PLANE] = mask; }
    return UMB_OK;
}

/* Records are the pictures of all parts; a part whose pictures all lack a mask is a mistake. */
static enum umb_status put_records(struct umb_dataset *ds, const struct part *part,
                                   struct masks_set *set)
{
    enum umb_status st = UMB_OK;
    size_t record = 0;
    for (int p = 0; p < UMB_SPLIT_NAMES; p++) {
        size_t n_masks = 0;
        for (size_t i = 0; i < part[p].pictures.n && st == UMB_OK; i++, record++) {
            const char **path = set->files->path + record * N_PLANES;
            ds->split_of[record] = (uint8_t)part[p].split;
            st = put_paths(ds, &part[p], i, path);
            n_masks += path[MASK_PLANE] != NULL;
        }
        if (st != UMB_OK || n_masks == part[p].pictures.n) { continue; }
        if (n_masks == 0) {
            return umb__fail(ds->ctx, UMB_ERR_FORMAT,
                             "%s: no mask is called as a picture of %s; expected NAME.png",
                             part[p].labels, part[p].folder);
        }
        umb__log(ds->ctx, UMB_LOG_WARN, "%s: %zu of %zu pictures have no mask in %s",
                 part[p].folder, part[p].pictures.n - n_masks, part[p].pictures.n, part[p].labels);
    }
    return st;
}

static enum umb_status find_files(struct umb_dataset *ds, const char *root, struct masks_set *set)
{
    struct part part[UMB_SPLIT_NAMES] = {{.folder = NULL}};
    size_t n = 0;
    enum umb_status st = list_parts(ds, root, part);
    for (int p = 0; p < UMB_SPLIT_NAMES; p++) {
        n += part[p].pictures.n;
    }
    if (st == UMB_OK) { st = umb__dataset_reserve(ds, n); }
    if (st == UMB_OK) { st = umb__image_files_create(ds, n, N_PLANES, &set->files); }
    if (st == UMB_OK) { st = put_records(ds, part, set); }
    for (int p = 0; p < UMB_SPLIT_NAMES; p++) {
        umb__free(part[p].pictures.name);
    }
    return st;
}

/* Targets. */

static enum umb_status copy_names(struct umb_dataset *ds, const struct umb_csv_target *t,
                                  const char *const **ret_names)
{
    *ret_names = NULL;
    if (t->classes == NULL) { return UMB_OK; }
    const char **names = umb__arena_calloc(ds->arena, t->n_classes, sizeof *names);
    for (size_t i = 0; names && i < t->n_classes; i++) {
        names[i] = umb__arena_strdup(ds->arena, t->classes[i]);
        if (names[i] == NULL) { return UMB_ERR_NO_MEMORY; }
    }
    *ret_names = names;
    return names ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status put_targets(struct umb_dataset *ds, const struct umb_csv_target *t)
{
    const char *const *names;
    const int64_t n = (int64_t)t->n_classes;
    enum umb_status st = umb__dataset_reserve_targets(ds, N_TARGETS);
    if (st == UMB_OK) { st = copy_names(ds, t, &names); }
    if (st != UMB_OK) { return st; }
    ds->targets[MASK] = (struct umb_target_info){
        .name = "mask", .kind = UMB_TARGET_PIXELS, .n_classes = n, .class_names = names};
    ds->targets[DOMINANT] = (struct umb_target_info){
        .name = "dominant", .kind = UMB_TARGET_CLASS, .n_classes = n, .class_names = names};
    ds->targets[PRESENT] = (struct umb_target_info){
        .name = "present", .kind = UMB_TARGET_REAL, .n_values = n, .points = UMB_POINTS_NONE};
    ds->targets[SHARE] = (struct umb_target_info){
        .name = "share", .kind = UMB_TARGET_REAL, .n_values = n, .points = UMB_POINTS_NONE};
    return UMB_OK;
}

static enum umb_status masks_open(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    struct masks_set *set = ds->set = umb__calloc(ds->ctx, 1, sizeof *set);
    enum umb_status st = set ? check_target(ds, desc) : UMB_ERR_NO_MEMORY;
    if (st != UMB_OK) { return st; }
    set->classes =
        (struct umb_mask_classes){(int64_t)desc->targets[0].n_classes, desc->targets[0].ignore};
    st = put_targets(ds, &desc->targets[0]);
    if (st == UMB_OK) { st = find_files(ds, desc->path, set); }
    return st == UMB_OK ? umb__image_files_settle(set->files, ds, desc) : st;
}

/* Of equals the first class; without a labelled pixel there is no label. */
static void tell_picture(const int32_t *class, int64_t area, int64_t n_classes,
                         void *const *targets)
{
    int64_t count[MAX_MASK_CLASSES] = {0}, n = 0;
    int32_t dominant = 0;
    for (int64_t i = 0; i < area; i++) {
        if (class[i] < 0) { continue; }
        count[class[i]]++;
        n++;
    }
    for (int32_t c = 0; c < n_classes; c++) {
        if (count[c] > count[dominant]) { dominant = c; }
        float *present = targets[PRESENT], *share = targets[SHARE];
        if (present) { present[c] = n == 0 ? NAN : count[c] > 0 ? 1.0f : 0.0f; }
        if (share) { share[c] = n == 0 ? NAN : (float)((double)count[c] / (double)n); }
    }
    if (targets[DOMINANT]) { *(int32_t *)targets[DOMINANT] = n == 0 ? -1 : dominant; }
}

static enum umb_status read_targets(struct umb_dataset *ds, uint32_t record, void *const *targets)
{
    const struct masks_set *set = ds->set;
    const int64_t area = ds->shape[0] * ds->shape[1];
    if (!targets[MASK] && !targets[DOMINANT] && !targets[PRESENT] && !targets[SHARE]) {
        return UMB_OK;
    }
    int32_t *own = NULL, *class = targets[MASK];
    if (class == NULL) { class = own = umb__calloc(ds->ctx, (size_t)area, sizeof *own); }
    if (class == NULL) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st =
        umb__image_files_read_mask(set->files, record, MASK_PLANE, &set->classes, class);
    if (st == UMB_OK) { tell_picture(class, area, set->classes.n, targets); }
    umb__free(own);
    return st;
}

static enum umb_status masks_read(struct umb_dataset *ds, uint32_t record, uint8_t *image,
                                  void *const *targets)
{
    const struct masks_set *set = ds->set;
    enum umb_status st =
        image ? umb__image_files_read(set->files, record, PICTURE_PLANE, image) : UMB_OK;
    return st == UMB_OK && targets ? read_targets(ds, record, targets) : st;
}

static void masks_close(struct umb_dataset *ds)
{
    struct masks_set *set = ds->set;
    if (set == NULL) { return; }
    umb__image_files_destroy(set->files);
    umb__free(set);
}

const struct umb_format umb__format_masks = {
    .name = "masks",
    .takes = UMB_TAKES_PATH | UMB_TAKES_CLASSES,
    .open = masks_open,
    .read = masks_read,
    .close = masks_close,
};
