/* labels.c: see labels.h. */
#include "labels.h"

#include "fail.h"
#include <math.h>
#include <string.h>

size_t umb__target_bytes(const struct umb_target_info *info)
{
    switch (info->kind) {
    case UMB_TARGET_CLASS:
        break;
    case UMB_TARGET_REAL:
        return (size_t)info->n_values * sizeof(float);
    case UMB_TARGET_PIXELS:
        return (size_t)(info->height * info->width) * sizeof(int32_t);
    }
    return sizeof(int32_t);
}

/* The task's class of the data's; −1: none. */
static int32_t class_of(const struct umb_exp_task *task, int32_t label)
{
    return label >= 0 && task->label_of ? task->label_of[label] : label;
}

static void fill_classes(const struct umb_exp_task *task, const int32_t *source, int64_t n,
                         int32_t *labels, float *mask)
{
    for (int64_t i = 0; i < n; i++) {
        labels[i] = class_of(task, source[i]);
        mask[i] = labels[i] >= 0;
    }
}

static void fill_pixels(const struct umb_target_info *info, const int32_t *source, int64_t n,
                        int32_t *labels, float *mask)
{
    int64_t pixels = info->height * info->width;
    memcpy(labels, source, (size_t)(n * pixels) * sizeof *labels);
    for (int64_t i = 0; i < n; i++) {
        int64_t p = 0;
        while (p < pixels && source[i * pixels + p] < 0) {
            p++;
        }
        mask[i] = p < pixels;
    }
}

/* Class 0 or 1 as a number. */
static void fill_binary(const struct umb_exp_task *task, const int32_t *source, int64_t n,
                        float *labels, float *mask)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t c = class_of(task, source[i]);
        labels[i] = c > 0;
        mask[i] = c >= 0;
    }
}

static void fill_numbers(const struct umb_target_info *info, const float *source, int64_t n,
                         float *labels, float *mask)
{
    int64_t D = info->n_values;
    for (int64_t i = 0; i < n; i++) {
        bool labelled = !isnan(source[i * D]);
        mask[i] = labelled;
        for (int64_t d = 0; d < D; d++) {
            labels[i * D + d] = labelled ? source[i * D + d] : 0;
        }
    }
}

static enum umb_status check_binary(const struct umb_experiment *exp,
                                    const struct umb_exp_task *task, int64_t D,
                                    const uint32_t *index, int64_t n, const float *labels)
{
    for (int64_t i = 0; i < n * D; i++) {
        if (labels[i] >= 0 && labels[i] <= 1) { continue; }
        return umb__fail(exp->ctx, UMB_ERR_INVALID,
                         "data '%s': sample %u: target '%s' is %g; binary_cross_entropy of task "
                         "'%s' expected a number from 0 to 1",
                         exp->data[task->data].name, index[i / D],
                         exp->data[task->data].target[task->target].name, (double)labels[i],
                         task->name);
    }
    return UMB_OK;
}

enum umb_status umb__labels_fill(const struct umb_experiment *exp, const struct umb_exp_task *task,
                                 const void *source, const uint32_t *index, int64_t n, void *labels,
                                 float *mask)
{
    const struct umb_target_info *info = &exp->data[task->data].target[task->target];
    enum umb_status st = UMB_OK;
    if (info->kind == UMB_TARGET_PIXELS) {
        fill_pixels(info, source, n, labels, mask);
    } else if (info->kind == UMB_TARGET_REAL) {
        fill_numbers(info, source, n, labels, mask);
        if (task->judge == UMB_JUDGE_BINARY) {
            st = check_binary(exp, task, info->n_values, index, n, labels);
        }
    } else if (task->judge == UMB_JUDGE_CLASSES) {
        fill_classes(task, source, n, labels, mask);
    } else {
        fill_binary(task, source, n, labels, mask);
    }
    return st;
}
