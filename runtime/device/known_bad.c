/*
 * known_bad.c: drivers with faults that are worth knowing before one uses them. A row needs a
 * source: a release note, or a measurement.
 */
#include "known_bad.h"
#include <ctype.h>
#include <string.h>

static const struct row {
    const char *platform, *name, *driver; /* pieces that all must be there; NULL: any */
    enum umb_device_use use;
    const char *issue;
} rows[] = {
    {"clover", NULL, NULL, UMB_USE_WHEN_NAMED,
     "Clover is no longer developed and stops at OpenCL 1.1; use rusticl or the maker's driver"},
    /* The pass was left out by accident in these two; kernels written in vectors do not need it. */
    {"portable computing", NULL, "pocl 5.0", UMB_USE_FREELY,
     "PoCL 5.0 has its work-group vectoriser off: scalar kernels run slowly"},
    {"portable computing", NULL, "pocl 6.0", UMB_USE_FREELY,
     "PoCL 6.0 has its work-group vectoriser off: scalar kernels run slowly"},
    /* Mesa 22.3: a float16 register-tile kernel was not back within 60 s on a tiny shape. */
    {"rusticl", "llvmpipe", NULL, UMB_USE_WHEN_NAMED,
     "a rasterizer on the CPU: kernels with wide vectors take over a minute"},
};

/* Whether the lower-case piece stands in text, and no digit goes on behind it: 5.0 is not 5.01. */
static bool has(const char *text, const char *piece)
{
    if (!piece) { return true; }
    size_t n = strlen(piece);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)text[i]) == piece[i]) {
            i++;
        }
        if (i == n && !isdigit((unsigned char)text[n])) { return true; }
    }
    return false;
}

bool umb__known_bad(const struct umb_device_caps *caps, const char **ret_issue,
                    enum umb_device_use *ret_use)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!has(caps->platform, rows[i].platform) || !has(caps->name, rows[i].name) ||
            !has(caps->driver, rows[i].driver)) {
            continue;
        }
        *ret_issue = rows[i].issue;
        *ret_use = rows[i].use;
        return true;
    }
    return false;
}
