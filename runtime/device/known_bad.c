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

static bool is_of(const struct umb_device_caps *caps, const struct row *r)
{
    return has(caps->platform, r->platform) && has(caps->name, r->name) &&
           has(caps->driver, r->driver);
}

#define STANDSTILL \
    "PoCL's basic device comes to a standstill beside another one; its pthread device does not"

const char *umb__known_alone(const struct umb_device_caps *caps)
{
    /* PoCL 3.1: clSetUserEventStatus runs what waited, in the caller's thread, and two such threads
     * take each other's locks. From 5.0 on the device has another name and the same code. */
    static const struct row alone[] = {
        {"portable computing", "basic-", NULL, UMB_USE_FREELY, STANDSTILL},
        {"portable computing", "cpu-minimal", NULL, UMB_USE_FREELY, STANDSTILL},
    };
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        if (is_of(caps, &alone[i])) { return alone[i].issue; }
    }
    return NULL;
}

bool umb__known_bad(const struct umb_device_caps *caps, const char **ret_issue,
                    enum umb_device_use *ret_use)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!is_of(caps, &rows[i])) { continue; }
        *ret_issue = rows[i].issue;
        *ret_use = rows[i].use;
        return true;
    }
    return false;
}
