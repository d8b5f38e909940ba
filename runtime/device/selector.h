/*
 * selector.h: choosing devices by text; pure functions over capability records.
 *
 *   list     = item { "," item }
 *   item     = [ platform ":" ] what [ "#" ( index | "*" ) ] [ "/" cut [ "#" ( index | "*" ) ] ]
 *   what     = "gpu" | "cpu" | "accelerator" | "all" | a piece of the device's, vendor's or
 *              platform's name, without "/"
 *   cut      = number | units "+" units { "+" units }
 *
 * Case does not matter, nor do blanks around an item. #index counts from 0 among the devices that
 * the item takes; #* is all of those, where a run is to use several. An item that is only a type
 * takes no software rasterizer and no device that is to be used only when named; one that names a
 * device or platform does.
 *
 * A cut gives parts of a device in its place: so many equal ones, of units ÷ number units each
 * (what is left over idles), or one for every term, of that many units, from the device's first
 * unit on. An item with a cut takes one device, unless #* stands before the cut, and gives all its
 * parts; #index behind the cut, counted from 0, is one of them. A unit is given once: the whole
 * device and any of its parts are in each other's way.
 */
#ifndef UMB_SELECTOR_H
#define UMB_SELECTOR_H

#include "alloc.h"
#include <umbel/device.h>

enum umb_device_use {
    UMB_USE_FREELY,
    UMB_USE_WHEN_NAMED, /* works badly: see caps->issue */
    UMB_USE_NEVER,      /* cannot run Umbel's kernels; may be named, to be told why */
};

struct umb_candidate {
    const struct umb_device_caps *caps;
    const char *platform_vendor; /* "The pocl project", where the platform's name has no "pocl" */
    enum umb_device_use use;
};

#define UMB_MAX_PARTS 64 /* that one selector gives */

/* A device that is taken, or the part of units first … first+units−1 of it. */
struct umb_pick {
    size_t device;         /* index into the candidates */
    uint32_t first, units; /* units 0: the whole device */
    const char *cut;       /* [cut_length], of a part: "2" of "cpu/2", in the selector */
    int cut_length;
    uint32_t part; /* its number in the cut */
};

/*
 * What a selector takes of candidates[n], in its order; ret_picks has room for n + UMB_MAX_PARTS.
 * None is UMB_OK with *ret_n_picks = 0. source is what messages call the selector ("UMBEL_DEVICE").
 * Errors: UMB_ERR_INVALID, malformed, or a device does not have the parts, or is not cut by its
 * driver.
 */
UMB_MUST_USE enum umb_status umb__selector_take(struct umb_context *ctx, const char *source,
                                                const char *selector,
                                                const struct umb_candidate *candidates, size_t n,
                                                struct umb_pick *ret_picks, size_t *ret_n_picks);

/* The same for a run on several devices: an item takes one device, the first of which nothing was
 * taken before it, or with #* all. */
UMB_MUST_USE enum umb_status umb__selector_team(struct umb_context *ctx, const char *source,
                                                const char *selector,
                                                const struct umb_candidate *candidates, size_t n,
                                                struct umb_pick *ret_picks, size_t *ret_n_picks);

/* Without a selector: the GPU with the most compute, else a CPU, else an accelerator; n when there
 * is none that may be used freely. */
size_t umb__selector_default(const struct umb_candidate *candidates, size_t n);

/* The shortest selector that takes device i and no other, of those that a person would type: a
 * type, a maker's or driver's usual name, platform:type, a word of the device's name; with #index
 * where nothing else tells devices apart. In the arena; NULL when memory is short. */
const char *umb__selector_shortest(struct umb_arena *arena, const struct umb_candidate *candidates,
                                   size_t n, size_t i);

/* Says that nothing matches, and lists what there is: each device's caps->selector and name. */
enum umb_status umb__selector_no_match(struct umb_context *ctx, const char *source,
                                       const char *selector, const struct umb_candidate *candidates,
                                       size_t n);

/* Whether piece[0…length) is in text, whatever its case. */
bool umb__selector_contains(const char *text, const char *piece, size_t length);

#endif
