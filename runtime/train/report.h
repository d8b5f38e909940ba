/*
 * report.h: one HTML file about one or several runs: curves, tables, the timeline of a step.
 *
 * The page loads nothing and runs no script: styles and drawings are inside, light and dark. It is
 * made from metrics.jsonl, trace.json and experiment.yaml alone, so that it can be made again at
 * any time. What these files say is escaped; a damaged line is an error that names it.
 */
#ifndef UMB_REPORT_H
#define UMB_REPORT_H

#include "run_dir.h"

/* report.html of a run, in it. */
UMB_MUST_USE enum umb_status umb__report_run(struct umb_context *ctx, const struct umb_run *run);
/* One page about n ≥ 1 runs. */
UMB_MUST_USE enum umb_status umb__report_write(struct umb_context *ctx,
                                               const struct umb_run *const *runs, size_t n,
                                               const char *path);

#endif
