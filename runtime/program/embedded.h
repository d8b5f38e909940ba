/* embedded.h: the .cl files inside the binary; written by cl/embed.py at build time. */
#ifndef UMB_EMBEDDED_H
#define UMB_EMBEDDED_H

#include <stddef.h>

struct umb_embedded_source {
    const char *name; /* "conv.cl" */
    const char *text; /* NUL-terminated */
    size_t size;
};
extern const struct umb_embedded_source umb__embedded_sources[];
extern const size_t umb__n_embedded_sources;

#endif
