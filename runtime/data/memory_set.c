/* memory_set.c: see memory_set.h. */
#include "memory_set.h"
#include "image.h"
#include <string.h>

enum umb_status umb__memory_set_create(struct umb_dataset *ds, struct umb_memory_set **ret_set)
{
    ds->set = umb__calloc(ds->ctx, 1, sizeof(struct umb_memory_set));
    if (ds->set == NULL) { return UMB_ERR_NO_MEMORY; }
    *ret_set = ds->set;
    return UMB_OK;
}

void umb__memory_set_close(struct umb_dataset *ds)
{
    struct umb_memory_set *set = ds->set;
    for (int i = 0; set != NULL && i < 2; i++) {
        umb__free(set->part[i].pixels_block);
        umb__free(set->part[i].labels_block);
    }
    umb__free(set);
}

/* Classes are counted over training; what only the test part has cannot be learned. */
static enum umb_status count_classes(struct umb_dataset *ds, const struct umb_memory_set *set,
                                     int64_t *ret_n)
{
    bool seen[256] = {false};
    const struct umb_memory_part *train = &set->part[0], *test = &set->part[1];
    int64_t n = 0;
    for (size_t i = 0; i < train->n; i++) {
        seen[train->labels[i]] = true;
        if (train->labels[i] >= n) { n = train->labels[i] + 1; }
    }
    for (size_t i = 0; i < test->n; i++) {
        if (!seen[test->labels[i]]) {
            return umb__fail(ds->ctx, UMB_ERR_FORMAT,
                             "%s: sample %zu: label %d does not occur in training; expected one "
                             "of its labels, the greatest of which is %lld",
                             test->labels_path, i, test->labels[i], (long long)n - 1);
        }
    }
    *ret_n = n;
    return UMB_OK;
}

enum umb_status umb__memory_set_finish(struct umb_dataset *ds, const struct umb_dataset_desc *desc,
                                       int64_t n_classes, const char *const *class_names)
{
    struct umb_memory_set *set = ds->set;
    enum umb_status st = n_classes ? UMB_OK : count_classes(ds, set, &n_classes);
    if (st == UMB_OK) { st = umb__dataset_reserve_targets(ds, 1); }
    if (st == UMB_OK) { st = umb__dataset_reserve(ds, set->part[0].n + set->part[1].n); }
    if (st != UMB_OK) { return st; }
    memset(ds->split_of + set->part[0].n, UMB_SPLIT_TEST, set->part[1].n);
    ds->targets[0] = (struct umb_target_info){.name = "label",
                                              .kind = UMB_TARGET_CLASS,
                                              .n_classes = n_classes,
                                              .class_names = class_names};
    umb__dataset_set_shape(ds, desc, set->shape[0], set->shape[1], set->shape[2]);
    return UMB_OK;
}

enum umb_status umb__memory_set_read(struct umb_dataset *ds, uint32_t record, uint8_t *image,
                                     void *const *targets)
{
    const struct umb_memory_set *set = ds->set;
    const struct umb_memory_part *part = &set->part[0];
    size_t i = record;
    if (i >= part->n) {
        i -= part->n;
        part = &set->part[1];
    }
    if (targets && targets[0]) { *(int32_t *)targets[0] = part->labels[i]; }
    if (image == NULL) { return UMB_OK; }
    size_t bytes = (size_t)(set->shape[0] * set->shape[1] * set->shape[2]);
    const struct umb_image source = {set->shape[0], set->shape[1], set->shape[2],
                                     part->pixels + i * bytes};
    return umb__image_fit(ds->ctx, &source, ds->shape, image);
}
