/* log.c: lines for the receiver that the context was made with. */
#include "context_internal.h"
#include "fail.h"

bool umb__log_wants(const struct umb_context *ctx, enum umb_log_level level)
{
    return ctx && ctx->desc.log && level <= ctx->desc.log_level;
}

void umb__log(struct umb_context *ctx, enum umb_log_level level, const char *fmt, ...)
{
    if (!umb__log_wants(ctx, level)) { return; }
    char line[UMB_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    umb__format_line(line, fmt, args);
    va_end(args);
    pthread_mutex_lock(&ctx->log_lock);
    ctx->desc.log(ctx->desc.log_user, level, line);
    pthread_mutex_unlock(&ctx->log_lock);
}
