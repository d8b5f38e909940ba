/*
 * csv_targets.h: the columns of a CSV as targets: classes, numbers, masks.
 *
 * An empty cell is a sample without that label. Training rows say which classes there are where the
 * desc does not; what other rows have beyond them is an error.
 */
#ifndef UMB_CSV_TARGETS_H
#define UMB_CSV_TARGETS_H

#include "csv.h"
#include "dataset.h"

struct umb_csv_values {
    enum umb_target_kind kind;
    int32_t *label;    /* CLASS: [n_rows] */
    float *value;      /* REAL: [n_rows, n_values] */
    size_t n_values;   /* REAL */
    size_t plane;      /* PIXELS: its plane of the image files */
    int64_t n_classes; /* CLASS, PIXELS */
    int64_t ignore;    /* PIXELS */
};

/* Checks the targets of a desc by themselves, before any file is read. */
UMB_MUST_USE enum umb_status umb__csv_targets_check(struct umb_context *ctx,
                                                    const struct umb_dataset_desc *desc);

/* Checks what a target says of mirrored and moved pictures; scaled: their size is not the files'.
 * n_classes 0: not known yet. csv_points.c. */
UMB_MUST_USE enum umb_status umb__csv_points_check(struct umb_context *ctx,
                                                   const struct umb_csv_target *t, bool scaled,
                                                   size_t n_classes);

/*
 * Reads target t's cells into zeroed values and the data set's target info. split_of is set. On
 * failure values holds what umb__csv_values_finish frees.
 */
UMB_MUST_USE enum umb_status umb__csv_values_read(struct umb_dataset *ds, const char *path,
                                                  const struct umb_csv *csv,
                                                  const struct umb_csv_target *target,
                                                  struct umb_target_info *info,
                                                  struct umb_csv_values *values);
/* Once the data set's shape is settled: where the points of a target lie in the picture. */
UMB_MUST_USE enum umb_status umb__csv_points_settle(struct umb_dataset *ds,
                                                    const struct umb_csv_target *target,
                                                    struct umb_target_info *info);
void umb__csv_values_finish(struct umb_csv_values *values);

#endif
