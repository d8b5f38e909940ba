/* fail.c: the last error's message. Nothing here allocates: it must work when memory is short. */
#include "fail.h"
#include "context_internal.h"
#include <stdio.h>
#include <string.h>

/* Where to cut s, which lost bytes behind position n, so that no UTF-8 character is split. */
static size_t cut_between_characters(const char *s, size_t n)
{
    size_t start = n;
    while (start > 0 && n - start < 4 && ((unsigned char)s[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start == 0) { return n; }
    unsigned char lead = (unsigned char)s[start - 1];
    size_t expected = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return n - (start - 1) < expected ? start - 1 : n;
}

static void make_one_line(char *line)
{
    for (char *c = line; *c; c++) {
        if (*c == '\n' || *c == '\r' || *c == '\t') {
            *c = ' ';
        } else if ((unsigned char)*c < 0x20 || *c == 0x7F) {
            *c = '?';
        }
    }
}

void umb__format_line(char *line, const char *fmt, va_list args)
{
    int n = vsnprintf(line, UMB_MESSAGE_BYTES, fmt, args);
    if (n < 0) {
        snprintf(line, UMB_MESSAGE_BYTES, "(a message that could not be formatted)");
    } else if (n >= UMB_MESSAGE_BYTES) {
        line[cut_between_characters(line, UMB_MESSAGE_BYTES - 1)] = 0;
    }
    make_one_line(line);
}

static void keep(struct umb_context *ctx, const char *line)
{
    pthread_mutex_lock(&ctx->message_lock);
    memcpy(ctx->message, line, strlen(line) + 1);
    pthread_mutex_unlock(&ctx->message_lock);
}

enum umb_status umb__fail(struct umb_context *ctx, enum umb_status status, const char *fmt, ...)
{
    if (!ctx) { return status; }
    /* Arguments may point into the present message, so it is formatted elsewhere first. */
    char line[UMB_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    umb__format_line(line, fmt, args);
    va_end(args);
    keep(ctx, line);
    return status;
}

enum umb_status umb__fail_prefix(struct umb_context *ctx, enum umb_status status, const char *fmt,
                                 ...)
{
    if (!ctx) { return status; }
    char line[UMB_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    umb__format_line(line, fmt, args);
    va_end(args);

    pthread_mutex_lock(&ctx->message_lock);
    size_t n = strlen(line);
    size_t room = sizeof line - 1 - n;
    const char *joint = ": ";
    size_t old = strlen(ctx->message);
    if (room > 2) {
        memcpy(line + n, joint, 2);
        size_t kept = old <= room - 2 ? old : cut_between_characters(ctx->message, room - 2);
        memcpy(line + n + 2, ctx->message, kept);
        line[n + 2 + kept] = 0;
    }
    memcpy(ctx->message, line, strlen(line) + 1);
    pthread_mutex_unlock(&ctx->message_lock);
    return status;
}

void umb__fail_message(struct umb_context *ctx, char *text, size_t size)
{
    pthread_mutex_lock(&ctx->message_lock);
    snprintf(text, size, "%s", ctx->message);
    pthread_mutex_unlock(&ctx->message_lock);
}
