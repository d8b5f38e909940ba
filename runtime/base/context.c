/* context.c: making and freeing contexts. */
#include "alloc.h"
#include "context_internal.h"
#include "system.h"

enum umb_status umb_context_create(const struct umb_context_desc *desc,
                                   struct umb_context **ret_ctx)
{
    struct umb_context *ctx = umb__calloc(NULL, 1, sizeof *ctx);
    if (!ctx) { return UMB_ERR_NO_MEMORY; }
    if (desc) { ctx->desc = *desc; }
    if (pthread_mutex_init(&ctx->message_lock, NULL) != 0) { goto fail; }
    if (pthread_mutex_init(&ctx->log_lock, NULL) != 0) { goto fail_message_lock; }
    *ret_ctx = ctx;
    return UMB_OK;
fail_message_lock:
    pthread_mutex_destroy(&ctx->message_lock);
fail:
    umb__free(ctx);
    return UMB_ERR_NO_MEMORY;
}

void umb_context_destroy(struct umb_context *ctx)
{
    if (!ctx) { return; }
    pthread_mutex_destroy(&ctx->message_lock);
    pthread_mutex_destroy(&ctx->log_lock);
    umb__free(ctx);
}

const char *umb_context_error(const struct umb_context *ctx)
{
    return ctx ? ctx->message : "";
}

const char *umb__context_builder(const struct umb_context *ctx)
{
    return ctx ? ctx->desc.builder : NULL;
}
