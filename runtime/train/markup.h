/*
 * markup.h: text into HTML and SVG. Whatever bytes a name has, the result is well-formed: what has
 * a meaning is escaped, what XML does not allow becomes U+FFFD.
 */
#ifndef UMB_MARKUP_H
#define UMB_MARKUP_H

#include "text.h"

/* Text, escaped for elements and attributes. */
void umb__html(struct umb_text *out, const char *text);
/* The same of its first characters, and "…" where there are more than n. */
void umb__html_short(struct umb_text *out, const char *text, size_t n);
/* Characters, counted as umb__html writes them. */
size_t umb__html_length(const char *text);

/* <text class="CLASS" x y>…</text>; anchor NULL: start. */
void umb__svg_text(struct umb_text *out, const char *class, const char *anchor, double x, double y,
                   const char *fmt, ...) UMB_PRINTF(6, 7);
/* Pixels that n characters of a sans-serif font of that size take, on the safe side. */
double umb__svg_text_width(size_t n, double font);
/* 1, 2 or 5 times a power of ten, so that about n of it make the span. */
double umb__nice_step(double span, int n);

#endif
