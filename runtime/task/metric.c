/*
 * Metrics from exact counts. Macro averages are over the classes that occur among the labels or the
 * answers; a class that is never answered has precision 0, one that never occurs recall 0. For
 * yes/no outputs precision, recall and F1 are those of "yes", averaged over the outputs.
 */
#include <math.h>
#include <string.h>

#include "tasks.h"

struct cell {
    double truth, answered, hit;
}; /* of one class */

static struct cell class_cell(const struct umb_tally *t, int64_t n, int64_t c)
{
    struct cell cell = {.hit = (double)t->counts[c * n + c]};
    for (int64_t k = 0; k < n; k++) {
        cell.truth += (double)t->counts[c * n + k];
        cell.answered += (double)t->counts[k * n + c];
    }
    return cell;
}

static struct cell binary_cell(const struct umb_tally *t, int64_t d)
{
    const int64_t *k = &t->counts[4 * d]; /* tn fp fn tp */
    return (struct cell){
        .truth = (double)(k[2] + k[3]), .answered = (double)(k[1] + k[3]), .hit = (double)k[3]};
}

static double precision_of(struct cell c)
{
    return c.answered > 0 ? c.hit / c.answered : 0;
}

static double recall_of(struct cell c)
{
    return c.truth > 0 ? c.hit / c.truth : 0;
}

static double f1_of(struct cell c)
{
    return c.truth + c.answered > 0 ? 2 * c.hit / (c.truth + c.answered) : 0;
}

static double iou_of(struct cell c)
{
    return c.truth + c.answered - c.hit > 0 ? c.hit / (c.truth + c.answered - c.hit) : 0;
}

static double macro(const struct umb_tally *t, int64_t n, double (*of)(struct cell))
{
    double sum = 0, classes = 0;
    for (int64_t c = 0; c < n; c++) {
        struct cell cell = class_cell(t, n, c);
        if (cell.truth + cell.answered <= 0) { continue; }
        sum += of(cell);
        classes++;
    }
    return classes > 0 ? sum / classes : NAN;
}

static double over_outputs(const struct umb_tally *t, int64_t n, double (*of)(struct cell))
{
    double sum = 0;
    for (int64_t d = 0; d < n; d++) {
        sum += of(binary_cell(t, d));
    }
    return sum / (double)n;
}

static double class_accuracy(const struct umb_tally *t, int64_t n)
{
    double hits = 0, all = 0;
    for (int64_t c = 0; c < n; c++) {
        hits += (double)t->counts[c * n + c];
        all += class_cell(t, n, c).truth;
    }
    return all > 0 ? hits / all : NAN;
}

static double class_precision(const struct umb_tally *t, int64_t n)
{
    return macro(t, n, precision_of);
}
static double class_recall(const struct umb_tally *t, int64_t n)
{
    return macro(t, n, recall_of);
}
static double class_f1(const struct umb_tally *t, int64_t n)
{
    return macro(t, n, f1_of);
}
static double class_iou(const struct umb_tally *t, int64_t n)
{
    return macro(t, n, iou_of);
}

static double binary_accuracy(const struct umb_tally *t, int64_t n)
{
    double hits = 0, all = 0;
    for (int64_t d = 0; d < n; d++) {
        const int64_t *k = &t->counts[4 * d];
        hits += (double)(k[0] + k[3]);
        all += (double)(k[0] + k[1] + k[2] + k[3]);
    }
    return all > 0 ? hits / all : NAN;
}

static double binary_precision(const struct umb_tally *t, int64_t n)
{
    return over_outputs(t, n, precision_of);
}
static double binary_recall(const struct umb_tally *t, int64_t n)
{
    return over_outputs(t, n, recall_of);
}
static double binary_f1(const struct umb_tally *t, int64_t n)
{
    return over_outputs(t, n, f1_of);
}

/* Mean over all labelled numbers of column `column` of the error sums. */
static double mean_error(const struct umb_tally *t, int64_t n, int column)
{
    double sum = 0, count = 0;
    for (int64_t d = 0; d < n; d++) {
        sum += t->errors[5 * d + column];
        count += t->errors[5 * d];
    }
    return count > 0 ? sum / count : NAN;
}

static double error_mae(const struct umb_tally *t, int64_t n)
{
    return mean_error(t, n, 1);
}
static double error_mse(const struct umb_tally *t, int64_t n)
{
    return mean_error(t, n, 2);
}
static double error_rmse(const struct umb_tally *t, int64_t n)
{
    return sqrt(mean_error(t, n, 2));
}

/* The mean over samples of their points' mean distance, in the row behind the outputs. */
static double error_landmarks(const struct umb_tally *t, int64_t n)
{
    const double *sums = &t->errors[5 * n];
    return sums[0] > 0 ? sums[1] / sums[0] : NAN;
}

/* 1 − Σe²/Σ(y−ȳ)², averaged over the outputs whose labels vary. */
static double error_r2(const struct umb_tally *t, int64_t n)
{
    double sum = 0, outputs = 0;
    for (int64_t d = 0; d < n; d++) {
        const double *e = &t->errors[5 * d];
        double spread = e[0] > 0 ? e[4] - e[3] * e[3] / e[0] : 0;
        if (spread <= 0) { continue; }
        sum += 1 - e[2] / spread;
        outputs++;
    }
    return outputs > 0 ? sum / outputs : NAN;
}

static const struct umb_metric metrics[] = {
    {"accuracy", UMB_JUDGE_CLASSES, false, class_accuracy},
    {"precision", UMB_JUDGE_CLASSES, false, class_precision},
    {"recall", UMB_JUDGE_CLASSES, false, class_recall},
    {"f1", UMB_JUDGE_CLASSES, false, class_f1},
    {"iou", UMB_JUDGE_CLASSES, false, class_iou},
    {"accuracy", UMB_JUDGE_BINARY, false, binary_accuracy},
    {"precision", UMB_JUDGE_BINARY, false, binary_precision},
    {"recall", UMB_JUDGE_BINARY, false, binary_recall},
    {"f1", UMB_JUDGE_BINARY, false, binary_f1},
    {"mae", UMB_JUDGE_ERRORS, true, error_mae},
    {"mse", UMB_JUDGE_ERRORS, true, error_mse},
    {"rmse", UMB_JUDGE_ERRORS, true, error_rmse},
    {"r2", UMB_JUDGE_ERRORS, false, error_r2},
    {"landmark_error", UMB_JUDGE_ERRORS, true, error_landmarks},
};

const struct umb_metric *umb__metric_find(const char *name, enum umb_judge judge)
{
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        if (metrics[i].judge == judge && strcmp(metrics[i].name, name) == 0) { return &metrics[i]; }
    }
    return NULL;
}

const struct umb_metric *umb__metric_landmarks(void)
{
    return umb__metric_find("landmark_error", UMB_JUDGE_ERRORS);
}

void umb__metric_names(enum umb_judge judge, const char **ret_names, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics && found < n; i++) {
        if (metrics[i].judge == judge) { ret_names[found++] = metrics[i].name; }
    }
}

double umb__metric_score(const struct umb_metric *m, double value)
{
    return m->lower_is_better ? 1 / (1 + value) : value;
}
