/* exp_landmarks.c: the metric landmark_error of a task, whose target must be points. */
#include "experiment.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
static const char metric_name[] = "landmark_error";

enum umb_status umb__exp_read_landmarks(struct umb_experiment *exp, const struct umb_yaml *node,
                                        const struct umb_yaml *options, const char *metric,
                                        struct umb_exp_task *t)
{
    static const char *const keys[] = {"between"};
    if (strcmp(metric, metric_name) != 0) {
        return options ? umb__yaml_fail(exp->ctx, options, "has no options; expected %s", metric)
                       : UMB_OK;
    }
    t->between = umb__yaml_get(options, "between");
    enum umb_status st = options ? umb__yaml_keys(exp->ctx, options, keys, COUNT(keys)) : UMB_OK;
    if (st != UMB_OK) { return st; }
    if (!t->between) {
        return umb__yaml_fail(exp->ctx, node,
                              "between: is missing; expected {%s: {between: [A, B]}}, the two "
                              "points whose distance is the unit",
                              metric_name);
    }
    if (t->between->kind == UMB_YAML_LIST && t->between->n_items == 2) { return UMB_OK; }
    return umb__yaml_fail(exp->ctx, t->between, "is no pair; expected two points, as [0, 1]");
}

enum umb_status umb__exp_bind_landmarks(struct umb_experiment *exp, struct umb_exp_task *t)
{
    if (!t->between) { return UMB_OK; }
    const struct umb_target_info *info = &exp->data[t->data].target[t->target];
    if (info->points < UMB_POINTS_XYXY) {
        return umb__yaml_fail(exp->ctx, t->between->parent,
                              "target '%s' is not known to be points; expected points: xyxy or "
                              "xxyy there",
                              info->name);
    }
    int64_t point[2] = {0};
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < 2; i++) {
        st = umb__yaml_int(exp->ctx, t->between->item[i], 0, info->n_values / 2 - 1, &point[i]);
    }
    if (st == UMB_OK && point[0] == point[1]) {
        st = umb__yaml_fail(exp->ctx, t->between, "is one point twice; expected two");
    }
    if (st != UMB_OK) { return st; }
    t->metric_attrs = umb__arena_printf(exp->tree->arena, "points=%s between=%lld,%lld",
                                        info->points == UMB_POINTS_XYXY ? "xyxy" : "xxyy",
                                        (long long)point[0], (long long)point[1]);
    return t->metric_attrs ? UMB_OK : UMB_ERR_NO_MEMORY;
}
