#include "program_recipe.h"

#include "kernel_build.h"
#include "kernel_source.h"
#include "program.h"
#include <string.h>

#define STANDARD "-cl-std=CL1.2"

enum umb_status umb__recipe_init(struct umb_device *device, const struct umb_program_name *n,
                                 struct umb_recipe *r)
{
    struct umb_context *ctx = umb__device_context(device);
    *r = (struct umb_recipe){0};
    umb__text_printf(&r->options, n->options[0] ? STANDARD " %s" : STANDARD, n->options);
    enum umb_status st = umb__text_status(ctx, &r->options);
    bool pocl = umb__build_wants_builtins(device);
    if (st == UMB_OK && pocl) { st = umb__kernel_source(ctx, "builtins.cl", &r->source); }
    const size_t builtins = r->source.length;
    if (st == UMB_OK) { st = umb__kernel_source(ctx, n->file, &r->source); }
    if (st == UMB_OK && n->entry[0]) { umb__kernel_source_keep_only(&r->source, n->entry); }
    if (st == UMB_OK && strstr(n->options, UMB_MANY_OPTION)) {
        umb__kernel_source_many(&r->source, builtins);
        st = umb__text_status(ctx, &r->source);
    }
    if (st == UMB_OK && pocl) {
        umb__kernel_source_part_bodies(&r->source);
        st = umb__text_status(ctx, &r->source);
    }
    return st;
}

void umb__recipe_finish(struct umb_recipe *r)
{
    umb__text_finish(&r->source);
    umb__text_finish(&r->options);
}

enum umb_status umb__kernel_can_be_many(struct umb_context *ctx, const struct umb_kernel *kernel,
                                        bool *ret_can)
{
    struct umb_text text = {0};
    const enum umb_status st = umb__kernel_source(ctx, kernel->file, &text);
    *ret_can = st == UMB_OK && umb__kernel_source_has_many(umb__text_string(&text), kernel->entry);
    umb__text_finish(&text);
    return st;
}
