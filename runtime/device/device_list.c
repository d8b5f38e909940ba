/* device_list.c: every device with its record, for people and for `umbel devices`. */
#include "choose.h"
#include "probe.h"

struct list {
    struct umb_device_list shown; /* first, so that the caller's pointer is this one */
    struct umb_devices found;
};

enum umb_status umb_device_list_create(struct umb_context *ctx, const char *selector, bool probe,
                                       struct umb_device_list **ret_list)
{
    struct list *list = umb__calloc(ctx, 1, sizeof *list);
    if (!list) { return UMB_ERR_NO_MEMORY; }
    size_t first;
    enum umb_status st = umb__devices_create(ctx, &list->found);
    if (st == UMB_OK) { st = umb__devices_choose(ctx, &list->found, selector, &first); }
    if (st != UMB_OK) { goto fail; }
    list->shown = (struct umb_device_list){list->found.n, list->found.caps};
    for (size_t i = 0; probe && i < list->found.n; i++) {
        if (list->found.candidates[i].use == UMB_USE_NEVER) { continue; }
        umb__probe(ctx, list->found.handles[i], &list->found.caps[i]);
    }
    *ret_list = &list->shown;
    return UMB_OK;
fail:
    umb_device_list_destroy(&list->shown);
    return st;
}

void umb_device_list_destroy(struct umb_device_list *list)
{
    if (!list) { return; }
    struct list *whole = (struct list *)list;
    umb__devices_finish(&whole->found);
    umb__free(whole);
}
