/* text.c: strings that grow. */
#include "text.h"
#include "alloc.h"
#include "fail.h"
#include <stdio.h>
#include <string.h>

/* Room for n more bytes and the NUL. */
static bool reserve(struct umb_text *t, size_t n)
{
    size_t need;
    if (t->failed || !umb__add_size(t->length, n, &need) || !umb__add_size(need, 1, &need)) {
        t->failed = true;
        return false;
    }
    if (need <= t->capacity) { return true; }
    size_t capacity = t->capacity > SIZE_MAX / 2 ? need : 2 * t->capacity;
    if (capacity < need) { capacity = need < 64 ? 64 : need; }
    char *data = umb__grow(NULL, t->data, t->capacity, capacity, 1);
    if (!data) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void umb__text_add_bytes(struct umb_text *t, const char *s, size_t n)
{
    if (!reserve(t, n)) { return; }
    if (n > 0) { memcpy(t->data + t->length, s, n); }
    t->length += n;
    t->data[t->length] = 0;
}

void umb__text_add(struct umb_text *t, const char *s)
{
    umb__text_add_bytes(t, s, strlen(s));
}

void umb__text_vprintf(struct umb_text *t, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) {
        t->failed = true;
    } else if (reserve(t, (size_t)n)) {
        vsnprintf(t->data + t->length, (size_t)n + 1, fmt, again);
        t->length += (size_t)n;
    }
    va_end(again);
}

void umb__text_printf(struct umb_text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    umb__text_vprintf(t, fmt, args);
    va_end(args);
}

enum umb_status umb__text_status(struct umb_context *ctx, const struct umb_text *t)
{
    if (!t->failed) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_NO_MEMORY, "out of memory: a text of %zu bytes could not grow",
                     t->length);
}

void umb__text_finish(struct umb_text *t)
{
    umb__free(t->data);
    *t = (struct umb_text){0};
}

const char *umb__text_string(const struct umb_text *t)
{
    return t->data ? t->data : "";
}
