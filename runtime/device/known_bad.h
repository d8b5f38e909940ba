/*
 * known_bad.h: what is known against drivers, as a table.
 */
#ifndef UMB_KNOWN_BAD_H
#define UMB_KNOWN_BAD_H

#include "selector.h"

/* The row for a device, from its platform, name and driver texts; false when there is none. */
bool umb__known_bad(const struct umb_device_caps *caps, const char **ret_issue,
                    enum umb_device_use *ret_use);
/* umb_device_caps.alone. */
const char *umb__known_alone(const struct umb_device_caps *caps);

#endif
