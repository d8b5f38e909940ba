/* names.c: a hash table with linear probing, at most half full. */
#include "names.h"
#include "alloc.h"
#include "system.h"
#include <string.h>

/* The entry of that name, or the free one where it belongs; the table is not full. */
static struct umb_name_entry *entry_of(const struct umb_names *t, const char *name)
{
    size_t at = (size_t)umb__hash(UMB_HASH_START, name, strlen(name));
    for (;; at++) {
        struct umb_name_entry *e = &t->entry[at & (t->capacity - 1)];
        if (!e->name || strcmp(e->name, name) == 0) { return e; }
    }
}

static enum umb_status grow(struct umb_context *ctx, struct umb_names *t)
{
    struct umb_names grown = {.n = t->n, .capacity = t->capacity ? 2 * t->capacity : 64};
    grown.entry = umb__calloc(ctx, grown.capacity, sizeof *grown.entry);
    if (!grown.entry) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->entry[i].name) { *entry_of(&grown, t->entry[i].name) = t->entry[i]; }
    }
    umb__free(t->entry);
    *t = grown;
    return UMB_OK;
}

enum umb_status umb__names_add(struct umb_context *ctx, struct umb_names *t, const char *name,
                               int number)
{
    if (2 * t->n >= t->capacity) {
        const enum umb_status st = grow(ctx, t);
        if (st != UMB_OK) { return st; }
    }
    struct umb_name_entry *e = entry_of(t, name);
    if (e->name) { return UMB_OK; }
    *e = (struct umb_name_entry){name, number};
    t->n++;
    return UMB_OK;
}

int umb__names_find(const struct umb_names *t, const char *name)
{
    return t->n && entry_of(t, name)->name ? entry_of(t, name)->number : -1;
}

void umb__names_finish(struct umb_names *t)
{
    umb__free(t->entry);
    *t = (struct umb_names){0};
}
