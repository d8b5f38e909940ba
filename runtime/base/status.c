/* status.c: the names of statuses. */
#include <umbel/status.h>

static const char *const names[UMB_STATUS_COUNT] = {
    [UMB_OK] = "ok",
    [UMB_ERR_NO_MEMORY] = "no memory",
    [UMB_ERR_INVALID] = "invalid",
    [UMB_ERR_FORMAT] = "format",
    [UMB_ERR_IO] = "io",
    [UMB_ERR_DEVICE] = "device",
    [UMB_ERR_BUILD] = "build",
    [UMB_ERR_UNSUPPORTED] = "unsupported",
    [UMB_ERR_INTERRUPTED] = "interrupted",
};

const char *umb_status_name(enum umb_status status)
{
    return (unsigned)status < UMB_STATUS_COUNT ? names[status] : "unknown status";
}
