/*
 * choose.h: from a selector, or none, to the devices of this machine that it takes.
 */
#ifndef UMB_CHOOSE_H
#define UMB_CHOOSE_H

#include "device_internal.h"

/*
 * Marks caps[i].chosen and gives the first device taken, or devices->n when none is; parts are cut
 * then. selector NULL: UMBEL_DEVICE, and where that is unset the default. Errors: UMB_ERR_INVALID,
 * malformed or not to be cut so; UMB_ERR_DEVICE; UMB_ERR_NO_MEMORY.
 */
UMB_MUST_USE enum umb_status umb__devices_choose(struct umb_context *ctx,
                                                 struct umb_devices *devices, const char *selector,
                                                 size_t *ret_first);

/* The devices of a run (umb__selector_team): indices, in the devices' arena. */
UMB_MUST_USE enum umb_status umb__devices_team(struct umb_context *ctx, struct umb_devices *devices,
                                               const char *selector, size_t **ret_taken,
                                               size_t *ret_n_taken);

/* The message for a choice that took nothing. */
enum umb_status umb__devices_none_chosen(struct umb_context *ctx, const struct umb_devices *devices,
                                         const char *selector);

#endif
