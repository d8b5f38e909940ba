/*
 * report_data.h: what a run wrote, read back for drawing. Rows stay JSON; series are picked from
 * them.
 */
#ifndef UMB_REPORT_DATA_H
#define UMB_REPORT_DATA_H

#include "run_dir.h"
#include "timeline.h"

struct umb_report_data {
    const char *name;              /* the folder's */
    json_t *start, *end;           /* the last of each; NULL: none yet */
    json_t *steps, *epochs;        /* arrays of rows */
    json_t *relations;             /* the last row of MTRL's; NULL: none */
    json_t *tasks;                 /* array: names in the order of their appearance, without "*" */
    json_t *trace;                 /* NULL: none; the timeline points into it */
    struct umb_timeline *timeline; /* NULL: none */
    char *experiment;              /* text; NULL: none */
};

UMB_MUST_USE enum umb_status umb__report_read(const struct umb_run *run,
                                              struct umb_report_data *ret_data);
void umb__report_forget(struct umb_report_data *data);

/* A curve: y over x; points without a finite number are left out. */
#define UMB_REPORT_POINTS 600
struct umb_report_series {
    char label[64];
    char style[16]; /* CSS class of the line: "train", "c3" … */
    int n;
    double x[UMB_REPORT_POINTS], y[UMB_REPORT_POINTS];
};
/* The value `key` of (split, task) over the epochs. Returns the number of points. */
int umb__report_epoch_series(const struct umb_report_data *data, const char *split,
                             const char *task, const char *key, struct umb_report_series *ret);
/* A task's loss over the steps; many steps are averaged in groups. */
int umb__report_step_series(const struct umb_report_data *data, const char *task,
                            struct umb_report_series *ret);
/* The last epoch's row of (split, task), or NULL. */
const json_t *umb__report_last_row(const struct umb_report_data *data, const char *split,
                                   const char *task);

#endif
