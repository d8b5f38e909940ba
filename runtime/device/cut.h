/*
 * cut.h: into what parts a selector cuts a device: "2" of cpu/2, "3+1" of cpu/3+1. Text and
 * numbers alone, no OpenCL; selector.h has the grammar.
 */
#ifndef UMB_CUT_H
#define UMB_CUT_H

#include "selector.h"

struct umb_cut {
    const char *text; /* [length], in the selector; NULL: not cut */
    size_t length;
    uint64_t n_parts;
    uint64_t units; /* of all parts together; 0: as many for each as there are */
};

/* What is wrong with the text, or NULL. */
const char *umb__cut_parse(const char *text, size_t length, struct umb_cut *ret_cut);

/* Whether a device can be cut so. Errors: UMB_ERR_INVALID. */
UMB_MUST_USE enum umb_status umb__cut_check(struct umb_context *ctx, const char *source,
                                            const char *selector, const struct umb_cut *cut,
                                            const struct umb_device_caps *caps);

/* Part number `part` of device number `device`, which has so many units and was checked. */
struct umb_pick umb__cut_part(const struct umb_cut *cut, size_t device, uint32_t units,
                              uint64_t part);

#endif
