/* exp_output.c: does a head's output fit the labels of its task? */
#include "experiment.h"

#include "fail.h"
#include <string.h>

/* The output that the labels ask for, without the batch. */
static struct umb_shape wanted_shape(const struct umb_exp_task *t,
                                     const struct umb_target_info *info)
{
    int64_t values = t->judge == UMB_JUDGE_CLASSES   ? t->n_classes
                     : info->kind == UMB_TARGET_REAL ? info->n_values
                                                     : 1;
    if (info->kind == UMB_TARGET_PIXELS) {
        return (struct umb_shape){3, {info->height, info->width, values}};
    }
    return (struct umb_shape){1, {values}};
}

enum umb_status umb__exp_check_output(const struct umb_experiment *exp,
                                      const struct umb_exp_task *task,
                                      const struct umb_shape *shape)
{
    const struct umb_exp_data *d = &exp->data[task->data];
    const struct umb_target_info *info = &d->target[task->target];
    struct umb_shape wanted = wanted_shape(task, info), is = {.rank = shape->rank - 1};
    for (int i = 0; i < is.rank; i++) {
        is.dim[i] = shape->dim[i + 1];
    }
    if (umb__shape_equal(&is, &wanted)) { return UMB_OK; }
    char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
    static const char *const why[] = {"a value a class", "a value a number of the target",
                                      "a value a class at every pixel"};
    return umb__yaml_fail(
        exp->ctx, task->head, "ends in %s; expected %s for target '%s' of data '%s' (%s)",
        umb__shape_text(&is, a, sizeof a), umb__shape_text(&wanted, b, sizeof b), info->name,
        d->name, task->judge == UMB_JUDGE_BINARY ? "one logit" : why[info->kind]);
}
