/*
 * text.h: strings that grow, names that are nearly right, numbers read strictly.
 * JSON is read and written by jansson, in the layers that need it.
 */
#ifndef UMB_TEXT_H
#define UMB_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

/* A growing string. Zero-initialise; data is NUL-terminated once anything was added. After a failed
 * allocation `failed` is set, further calls do nothing, and umb__text_status says so once at the
 * end. */
struct umb_text {
    char *data;
    size_t length, capacity;
    bool failed;
};
void umb__text_add(struct umb_text *t, const char *s);
void umb__text_add_bytes(struct umb_text *t, const char *s, size_t n);
void umb__text_printf(struct umb_text *t, const char *fmt, ...) UMB_PRINTF(2, 3);
void umb__text_vprintf(struct umb_text *t, const char *fmt, va_list args);
UMB_MUST_USE enum umb_status umb__text_status(struct umb_context *ctx, const struct umb_text *t);
void umb__text_finish(struct umb_text *t);
const char *umb__text_string(const struct umb_text *t); /* never NULL */

/* The candidate nearest to name, or NULL: letters put in, left out, changed or swapped with their
 * neighbour, at most as many as a third of its length, at least 1. */
const char *umb__nearest(const char *name, const char *const *candidates, size_t n);

/* Whether the pattern fits the whole text: * stands for any letters, dots among them, ? for one.
 * Time: the product of the lengths at most. */
bool umb__glob(const char *pattern, const char *text);

/* "512 MiB", "30.41 MiB": rounded up to two digits behind the point, so that as much as is named
 * suffices; into a buffer of UMB_BYTES_TEXT, which it returns. */
#define UMB_BYTES_TEXT 32
const char *umb__bytes_text(uint64_t bytes, char *buffer);

/* Whole-string number readers: false on anything else than exactly one finite number in range. */
bool umb__parse_int(const char *s, int64_t min, int64_t max, int64_t *ret_value);
bool umb__parse_double(const char *s, double min, double max, double *ret_value);
/* A count of bytes with its unit, "512MiB", "1.5 GB" (1000³), "800kB"; at least one byte. */
bool umb__parse_bytes(const char *s, uint64_t *ret_bytes);
bool umb__parse_bool(const char *s, bool *ret_value); /* true/false, yes/no, on/off */

#endif
