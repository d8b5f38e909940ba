/*
 * tune_built_in.c: what was measured on kinds of devices, for those who never tune.
 *
 * A row holds for devices of a kind, told by what they can do and not by their names, and for
 * problems whose text fits a pattern, in which * is any run of characters. The first row that fits
 * counts. Only what the solvers' ranks get wrong stands here.
 */
#include "tune.h"
#include <stddef.h>
#include <string.h>

struct built_in {
    enum umb_device_type type;
    uint32_t min_width, max_width; /* of native float vectors */
    const char *pattern, *solver;
};

static const struct built_in rows[] = {
    /* 3×3 over 2×2 pixels, 512 channels, batch 32, two cores with AVX-512, PoCL 3.1, 2026-11-21:
     * 2.30 ms against 3.43 ms (winograd2), 6.55 ms (direct) and 10.9 ms (winograd4). */
    {UMB_DEVICE_CPU, 16, 16, "conv_backward_weights *size=3 *: f32[*,2,2,*] f32[*,2,2,*] >*",
     "small"},
    {0},
};

/* Whether text fits a pattern with *; the last * seen takes more when what follows does not fit. */
static bool fits(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == 0;
}

const char *umb__built_in_solver(const struct umb_device_caps *caps, const char *problem)
{
    for (const struct built_in *r = rows; r->pattern; r++) {
        if (r->type == caps->type && caps->float_width >= r->min_width &&
            caps->float_width <= r->max_width && fits(r->pattern, problem)) {
            return r->solver;
        }
    }
    return NULL;
}
