/*
 * fail.h: how a layer reports an error or writes to the log.
 *
 * `return umb__fail(ctx, UMB_ERR_X, "…", …);` keeps the message in the context and hands the status
 * back. Messages are one line, name the file, line, key or variable concerned, say what is wrong
 * and what was expected, and carry no prefix and no final full stop.
 */
#ifndef UMB_FAIL_H
#define UMB_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <umbel/context.h>

/* Keeps the message (cut at 4095 bytes, control bytes replaced) and returns status. ctx may be
 * NULL. */
enum umb_status umb__fail(struct umb_context *ctx, enum umb_status status, const char *fmt, ...)
    UMB_PRINTF(3, 4);

/* Puts "PREFIX: " before the present message, for a caller who knows the file or layer; returns
 * status. */
enum umb_status umb__fail_prefix(struct umb_context *ctx, enum umb_status status, const char *fmt,
                                 ...) UMB_PRINTF(3, 4);

/* Copies the present message, cut to size: for threads that share the context with one that may be
 * failing at the same time, where umb_context_error's pointer would show half of either. */
void umb__fail_message(struct umb_context *ctx, char *text, size_t size);

/* True when a line of this level would reach the receiver: ask before building an expensive line.
 */
bool umb__log_wants(const struct umb_context *ctx, enum umb_log_level level);

void umb__log(struct umb_context *ctx, enum umb_log_level level, const char *fmt, ...)
    UMB_PRINTF(3, 4);

#endif
