/*
 * context.h: what everything else hangs from.
 *
 * A context holds the last error's message, the log's receiver and the test hooks; the library has
 * no mutable globals. Contexts are independent of one another. One context may be used from several
 * threads: the message is kept per context under a lock, so a thread reads it right after its own
 * failing call or passes on the status alone.
 */
#ifndef UMBEL_CONTEXT_H
#define UMBEL_CONTEXT_H

#include <umbel/status.h>

struct umb_context;

enum umb_log_level { UMB_LOG_ERROR, UMB_LOG_WARN, UMB_LOG_INFO, UMB_LOG_DEBUG, UMB_LOG_TRACE };

/* Receives one log line without its newline; may be called from any thread, one call at a time. */
typedef void (*umb_log_fn)(void *user, enum umb_log_level level, const char *line);

struct umb_context_desc {
    umb_log_fn log;               /* NULL: nothing is logged */
    void *log_user;               /* passed to log */
    enum umb_log_level log_level; /* lines above this level are dropped before they are formatted */
    /* Path of the umbel command, which outlives the context. Where a driver compiles one kernel
     * after another (PoCL), processes of it compile the kernels of a plan beside each other, and
     * keep them for the next time. NULL: everything is compiled in this process. */
    const char *builder;
};

/*
 * Creates a context; desc may be NULL (no log). The caller destroys it after everything made from
 * it. Errors: UMB_ERR_NO_MEMORY.
 */
UMB_MUST_USE enum umb_status umb_context_create(const struct umb_context_desc *desc,
                                                struct umb_context **ret_ctx);

/* Frees a context; NULL is fine. */
void umb_context_destroy(struct umb_context *ctx);

/* The message of the last failure, one line without a newline; "" before any. Valid until the next
 * failure. */
const char *umb_context_error(const struct umb_context *ctx);

#endif
