/*
 * program_recipe.h: text and options that a program is built from.
 */
#ifndef UMB_PROGRAM_RECIPE_H
#define UMB_PROGRAM_RECIPE_H

#include "text.h"
#include <umbel/device.h>

/* What a program is asked for by; none is NULL. */
struct umb_program_name {
    const char *file, *entry, *options; /* entry "": every kernel of the file */
};

struct umb_recipe {
    struct umb_text source, options;
};
/* To be finished on failure too. */
UMB_MUST_USE enum umb_status umb__recipe_init(struct umb_device *device,
                                              const struct umb_program_name *n,
                                              struct umb_recipe *r);
void umb__recipe_finish(struct umb_recipe *r);

#endif
