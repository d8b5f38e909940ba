/*
 * run_dir.h: the directory with everything one training wrote.
 *
 *   experiment.yaml   as used, with --set applied        log.txt       what was logged
 *   metrics.jsonl     one event a line                    trace.json    one step's timeline
 *   checkpoints/      epoch-N, step-N, best .safetensors; latest → the newest
 *   report.html       curves, tables, timeline
 *
 * Every file but log.txt and metrics.jsonl appears whole or not at all; those two grow by whole
 * lines.
 */
#ifndef UMB_RUN_DIR_H
#define UMB_RUN_DIR_H

#include "experiment.h"
#include "safetensors.h"
#include <jansson.h>

struct umb_run {
    struct umb_context *ctx;
    char *path;
    int metrics, log; /* file descriptors, −1: not open */
};

/* Makes the directory (path NULL: runs/NAME-1, -2 …, the first free one) and writes
 * experiment.yaml. A path that holds a run already is UMB_ERR_INVALID. */
UMB_MUST_USE enum umb_status umb__run_create(struct umb_context *ctx,
                                             const struct umb_experiment *exp, const char *path,
                                             struct umb_run **ret_run);
/* UMB_ERR_INVALID if the path holds a run already: asked before the long work that comes first. */
UMB_MUST_USE enum umb_status umb__run_check_free(struct umb_context *ctx, const char *path);
/* Opens an existing run; path NULL: the newest runs/NAME-N. UMB_ERR_INVALID if it is none. Writing
 * opens its log and metrics too. */
UMB_MUST_USE enum umb_status umb__run_open(struct umb_context *ctx, const char *path,
                                           const char *name, bool writing,
                                           struct umb_run **ret_run);
void umb__run_close(struct umb_run *run); /* NULL is fine */
/* Makes runs/NAME-1, -2 …, the first that is free; finds the newest. *ret_path: umb__free. */
UMB_MUST_USE enum umb_status umb__runs_make(struct umb_context *ctx, const char *name,
                                            char **ret_path);
UMB_MUST_USE enum umb_status umb__runs_newest(struct umb_context *ctx, const char *name,
                                              char **ret_path);

/* PATH/name, freed with umb__free; NULL: no memory. */
char *umb__run_file(const struct umb_run *run, const char *name);
/* Writes experiment.yaml anew (a resumed run may have more epochs). */
UMB_MUST_USE enum umb_status umb__run_keep_experiment(const struct umb_run *run,
                                                      const struct umb_experiment *exp);
/* Appends one event (a reference is taken over; NULL: no memory) to metrics.jsonl. */
UMB_MUST_USE enum umb_status umb__run_event(struct umb_run *run, json_t *event);
/* The bytes of metrics.jsonl, and cutting it back to what a checkpoint knows of. */
int64_t umb__run_metrics_bytes(const struct umb_run *run);
UMB_MUST_USE enum umb_status umb__run_cut_metrics(struct umb_run *run, int64_t bytes);
/* One line with the time in front to log.txt; errors are ignored. */
void umb__run_log(struct umb_run *run, const char *line);

/* Checkpoints. write: checkpoints/NAME.safetensors; latest then points to it. */
UMB_MUST_USE enum umb_status umb__run_write_checkpoint(struct umb_run *run, const char *name,
                                                       struct umb_safetensors *file, bool latest);
/* NAME is latest, best, epoch-3 …; *ret_path (umb__free) for messages. */
UMB_MUST_USE enum umb_status umb__run_read_checkpoint(struct umb_run *run, const char *name,
                                                      struct umb_safetensors **ret_file,
                                                      char **ret_path);
/* Removes step checkpoints, and epoch checkpoints below `first_kept`. */
void umb__run_prune(struct umb_run *run, int64_t first_kept);

#endif
