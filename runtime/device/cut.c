/* cut.c: see cut.h. */
#include "cut.h"
#include "fail.h"
#include <ctype.h>
#include <inttypes.h>

#define MAX_DIGITS 9 /* more units than there are, and any sum of them fits 64 bits */

/* Reads a number at *at, before end; false where there is none. */
static bool read_number(const char **at, const char *end, uint64_t *ret_number)
{
    const char *from = *at;
    uint64_t number = 0;
    for (; *at < end && isdigit((unsigned char)**at); ++*at) {
        if (*at - from == MAX_DIGITS) { return false; }
        number = number * 10 + (uint64_t)(**at - '0');
    }
    *ret_number = number;
    return *at > from;
}

const char *umb__cut_parse(const char *text, size_t length, struct umb_cut *ret_cut)
{
    const char *at = text, *end = text + length;
    struct umb_cut cut = {.text = text, .length = length};
    bool empty = false;
    uint64_t number = 0;
    for (bool more = true; more; more = at < end && *at++ == '+') {
        if (!read_number(&at, end, &number) || (at < end && *at != '+')) {
            return "'/' is not followed by a number of parts, or the units of each as in 3+1";
        }
        empty = empty || number == 0;
        cut.units += number;
        cut.n_parts++;
    }
    if (cut.n_parts == 1) {
        cut.n_parts = number;
        cut.units = 0;
        if (number < 2) { return "a device is cut into 2 parts at least"; }
    }
    if (empty) { return "a part has no units"; }
    *ret_cut = cut;
    return NULL;
}

enum umb_status umb__cut_check(struct umb_context *ctx, const char *source, const char *selector,
                               const struct umb_cut *cut, const struct umb_device_caps *caps)
{
    const uint64_t wanted = cut->units ? cut->units : cut->n_parts;
    if (caps->max_parts == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%s: '%.80s': %s is not cut into parts by its driver; expected it whole",
                         source, selector, caps->name);
    }
    if (wanted > caps->compute_units) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%s: '%.80s': the parts take %" PRIu64 " units or more; expected no more "
                         "than the %u of %s",
                         source, selector, wanted, caps->compute_units, caps->name);
    }
    if (cut->n_parts > caps->max_parts) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%s: '%.80s': expected no more than the %u parts that the driver of %s "
                         "makes",
                         source, selector, caps->max_parts, caps->name);
    }
    return UMB_OK;
}

struct umb_pick umb__cut_part(const struct umb_cut *cut, size_t device, uint32_t units,
                              uint64_t part)
{
    struct umb_pick pick = {
        .device = device, .cut = cut->text, .cut_length = (int)cut->length, .part = (uint32_t)part};
    if (cut->units == 0) {
        pick.units = units / (uint32_t)cut->n_parts;
        pick.first = pick.units * pick.part;
        return pick;
    }
    const char *at = cut->text, *end = cut->text + cut->length;
    for (uint64_t i = 0, number; i <= part && read_number(&at, end, &number); i++, at++) {
        pick.first += pick.units;
        pick.units = (uint32_t)number;
    }
    return pick;
}
