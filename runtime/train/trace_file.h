/* trace_file.h: a timeline as a file in Chrome's trace format. */
#ifndef UMB_TRACE_FILE_H
#define UMB_TRACE_FILE_H

#include "timeline.h"

/* Written as a whole or not at all. */
UMB_MUST_USE enum umb_status umb__trace_write(struct umb_context *ctx, const struct umb_timeline *t,
                                              const char *path);

#endif
