/*
 * context_internal.h: what a context is made of, for context.c, fail.c and log.c alone.
 *
 * Invariant: `message` is always NUL-terminated and holds no control byte. Two locks, so that a
 * receiver of log lines may call functions that fail; it must not log itself.
 */
#ifndef UMB_CONTEXT_INTERNAL_H
#define UMB_CONTEXT_INTERNAL_H

#include <pthread.h>
#include <stdarg.h>
#include <umbel/context.h>

#define UMB_MESSAGE_BYTES 4096 /* with the NUL */

struct umb_context {
    struct umb_context_desc desc;
    pthread_mutex_t message_lock; /* guards message */
    pthread_mutex_t log_lock;     /* one log line at a time */
    char message[UMB_MESSAGE_BYTES];
};

/* Formats into line[UMB_MESSAGE_BYTES], cut between characters, made one line: breaks and tabs
 * become spaces, other control bytes '?'. */
void umb__format_line(char *line, const char *fmt, va_list args) UMB_PRINTF(2, 0);

#endif
