/*
 * names.h: which number a name has, for tables that grow to many thousands of names.
 *
 * A table does not own its names: they must stay where they are as long as it is used. Names are
 * never taken out. Zero-initialise.
 */
#ifndef UMB_NAMES_H
#define UMB_NAMES_H

#include <stddef.h>
#include <umbel/context.h>

struct umb_names {
    struct umb_name_entry {
        const char *name; /* NULL: free */
        int number;
    } * entry;
    size_t n, capacity; /* a power of two, or 0 */
};

/* A name that is there already keeps its number. */
UMB_MUST_USE enum umb_status umb__names_add(struct umb_context *ctx, struct umb_names *t,
                                            const char *name, int number);
int umb__names_find(const struct umb_names *t, const char *name); /* −1: none */
void umb__names_finish(struct umb_names *t);

#endif
