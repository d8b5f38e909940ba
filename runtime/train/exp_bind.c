/*
 * exp_bind.c: where the experiment meets its data: shapes, targets, derived classes.
 *
 * The shapes come from opened data sets, or from the text that a checkpoint keeps of them, so that
 * a trained net answers where its data are not.
 */
#include "experiment.h"

#include "alloc.h"
#include "fail.h"
#include "text.h"
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EXTENT 65536
#define MOST_THREADS 8

/* Tasks and targets. */

/* NULL when the task can learn from the target, else what it would need. */
static const char *misfit(const struct umb_exp_task *t, const struct umb_target_info *info)
{
    switch (t->judge) {
    case UMB_JUDGE_CLASSES:
        if (t->n_groups && info->kind != UMB_TARGET_CLASS) { return "a class a sample, for map"; }
        return info->kind == UMB_TARGET_REAL ? "classes" : NULL;
    case UMB_JUDGE_BINARY:
        if (t->n_groups) { return info->kind == UMB_TARGET_CLASS ? NULL : "a class a sample"; }
        if (info->kind == UMB_TARGET_REAL) { return NULL; }
        return info->kind == UMB_TARGET_CLASS && info->n_classes == 2
                   ? NULL
                   : "two classes (map makes them), or numbers from 0 to 1";
    case UMB_JUDGE_ERRORS:
        break;
    }
    return info->kind == UMB_TARGET_REAL ? NULL : "numbers";
}

static enum umb_status named_target(struct umb_experiment *exp, struct umb_exp_task *t,
                                    const struct umb_exp_data *d)
{
    const struct umb_yaml *node = umb__yaml_get(t->node, "target");
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < d->n_targets; i++) {
        if (n < 64) { names[n++] = d->target[i].name; }
        if (strcmp(d->target[i].name, t->target_name) != 0) { continue; }
        const char *wanted = misfit(t, &d->target[i]);
        t->target = i;
        if (!wanted) { return UMB_OK; }
        return umb__yaml_fail(exp->ctx, node, "'%s' does not suit %s; expected %s", t->target_name,
                              t->loss, wanted);
    }
    return umb__yaml_unknown(exp->ctx, node, "target", t->target_name, names, n);
}

static enum umb_status choose_target(struct umb_experiment *exp, struct umb_exp_task *t)
{
    const struct umb_exp_data *d = &exp->data[t->data];
    if (t->target_name) { return named_target(exp, t, d); }
    for (size_t i = 0; i < d->n_targets; i++) {
        t->target = i;
        if (!misfit(t, &d->target[i])) { return UMB_OK; }
    }
    const char *wanted = d->n_targets ? misfit(t, &d->target[0]) : "a target";
    return umb__yaml_fail(exp->ctx, umb__yaml_get(t->node, "loss"),
                          "no target of data '%s' suits %s; expected %s", d->name, t->loss, wanted);
}

/* A label of the data: its number, or the name of its class. −1: neither (message is set). */
static int64_t find_label(struct umb_experiment *exp, const struct umb_yaml *node,
                          const struct umb_target_info *info)
{
    const char *text = NULL;
    int64_t label = 0;
    if (umb__yaml_text(exp->ctx, node, &text) != UMB_OK) { return -1; }
    if (!node->quoted && umb__parse_int(text, 0, info->n_classes - 1, &label)) { return label; }
    for (int64_t c = 0; info->class_names && c < info->n_classes; c++) {
        if (strcmp(info->class_names[c], text) == 0) { return c; }
    }
    umb__yaml_fail(exp->ctx, node, "'%.80s' is no label of '%s'; expected 0 to %lld%s", text,
                   info->name, (long long)info->n_classes - 1,
                   info->class_names ? " or the name of a class" : "");
    return -1;
}

static enum umb_status bind_map(struct umb_experiment *exp, struct umb_exp_task *t,
                                const struct umb_target_info *info)
{
    const char **names = umb__arena_calloc(exp->tree->arena, t->n_groups, sizeof *names);
    t->label_of = umb__arena_calloc(exp->tree->arena, (size_t)info->n_classes, sizeof *t->label_of);
    if (!names || !t->label_of) { return UMB_ERR_NO_MEMORY; }
    for (int64_t c = 0; c < info->n_classes; c++) {
        t->label_of[c] = -1;
    }
    for (size_t g = 0; g < t->n_groups; g++) {
        const struct umb_yaml *labels = t->group[g].labels;
        names[g] = t->group[g].name;
        for (size_t i = 0; i < labels->n_items; i++) {
            int64_t label = find_label(exp, labels->item[i], info);
            if (label < 0) { return UMB_ERR_INVALID; }
            if (t->label_of[label] >= 0) {
                return umb__yaml_fail(exp->ctx, labels->item[i],
                                      "label %lld is in '%s' already; expected each label once",
                                      (long long)label, names[t->label_of[label]]);
            }
            t->label_of[label] = (int32_t)g;
        }
    }
    t->n_classes = (int64_t)t->n_groups;
    t->class_names = names;
    if (t->judge == UMB_JUDGE_BINARY && t->n_groups != 2) {
        return umb__yaml_fail(exp->ctx, umb__yaml_get(t->node, "map"),
                              "makes %zu classes; binary_cross_entropy expected 2", t->n_groups);
    }
    return UMB_OK;
}

enum umb_status umb__exp_bind_tasks(struct umb_experiment *exp)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < exp->n_tasks; i++) {
        struct umb_exp_task *t = &exp->task[i];
        st = choose_target(exp, t);
        if (st != UMB_OK) { break; }
        const struct umb_target_info *info = &exp->data[t->data].target[t->target];
        t->n_classes = info->kind == UMB_TARGET_REAL ? 0 : info->n_classes;
        t->class_names = info->class_names;
        if (t->n_groups) { st = bind_map(exp, t, info); }
        if (st == UMB_OK) { st = umb__exp_bind_landmarks(exp, t); }
    }
    return st;
}

static enum umb_status check_norm(struct umb_experiment *exp, const struct umb_exp_data *d)
{
    if (d->n_norm <= 1 || (int64_t)d->n_norm == d->shape[2]) { return UMB_OK; }
    const struct umb_yaml *own = umb__yaml_get(d->node, "normalize");
    return umb__yaml_fail(exp->ctx, own ? own : d->node, /* an input may have its data set's */
                          "has %zu numbers, the images have %lld channels; expected one, or one a "
                          "channel",
                          d->n_norm, (long long)d->shape[2]);
}

/* What is behind both ways of binding. */
static enum umb_status bind(struct umb_experiment *exp)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < exp->n_data; i++) {
        const struct umb_exp_data *d = &exp->data[i];
        for (size_t k = 0; st == UMB_OK && k <= d->n_more; k++) {
            st = check_norm(exp, umb__exp_input(d, k));
        }
    }
    return st == UMB_OK ? umb__exp_bind_tasks(exp) : st;
}

/* From data sets. */

/* One data set being opened beside the others. */
struct opening {
    struct umb_experiment *exp;
    struct umb_exp_data *d;
    pthread_t thread;
    bool started;
    enum umb_status status;
};

static void *open_one(void *user)
{
    struct opening *o = user;
    struct umb_exp_data *d = o->d;
    o->status = d->dataset ? UMB_OK : umb_dataset_open(o->exp->ctx, &d->desc, &d->dataset);
    if (o->status == UMB_OK) { o->status = umb__exp_open_inputs(o->exp, d); }
    return NULL;
}

/* Signals are the main thread's. Where there can be no thread, this one does it. */
static void start_opening(struct opening *o)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    o->started = pthread_create(&o->thread, NULL, open_one, o) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!o->started) { open_one(o); }
}

/*
 * Unpacking is most of a start, and data sets know nothing of one another. The message of a failure
 * must be that of the first data set which fails, as if they were opened in turn: if several fail,
 * what is in the context may be another's, so the first is opened again.
 */
static enum umb_status open_datasets(struct umb_experiment *exp)
{
    struct opening *o = umb__calloc(exp->ctx, exp->n_data, sizeof *o);
    if (!o) { return UMB_ERR_NO_MEMORY; }
    size_t n_failed = 0;
    for (size_t i = 0; i < exp->n_data; i++) {
        o[i].exp = exp;
        o[i].d = &exp->data[i];
        if (i + 1 < exp->n_data && i < MOST_THREADS) {
            start_opening(&o[i]);
        } else {
            open_one(&o[i]);
        }
    }
    for (size_t i = 0; i < exp->n_data; i++) {
        if (o[i].started) { pthread_join(o[i].thread, NULL); }
        n_failed += o[i].status != UMB_OK;
    }
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < exp->n_data; i++) {
        if (o[i].status != UMB_OK && n_failed > 1) { open_one(&o[i]); }
        st = o[i].status;
        if (st != UMB_OK) { st = umb__yaml_fail_prefix(exp->ctx, o[i].d->node, st); }
    }
    umb__free(o);
    return st;
}

static enum umb_status take_shapes(struct umb_experiment *exp, struct umb_exp_data *d)
{
    if (umb_dataset_count(d->dataset, UMB_SPLIT_TRAIN) < 1) {
        return umb__yaml_fail(exp->ctx, d->node, "has no training samples; expected some");
    }
    umb_dataset_image_shape(d->dataset, d->shape);
    for (size_t i = 0; i < d->n_more; i++) {
        umb_dataset_image_shape(d->more[i].dataset, d->more[i].shape);
    }
    d->n_targets = umb_dataset_n_targets(d->dataset);
    d->target = umb__arena_calloc(exp->tree->arena, d->n_targets, sizeof *d->target);
    if (!d->target) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < d->n_targets; i++) {
        d->target[i] = *umb_dataset_target(d->dataset, i);
    }
    return UMB_OK;
}

enum umb_status umb__experiment_open(struct umb_experiment *exp)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < exp->n_data; i++) {
        st = umb__exp_find_data(exp, &exp->data[i]);
    }
    if (st == UMB_OK) { st = open_datasets(exp); }
    for (size_t i = 0; st == UMB_OK && i < exp->n_data; i++) {
        st = take_shapes(exp, &exp->data[i]);
    }
    if (st == UMB_OK) { st = bind(exp); }
    return st == UMB_OK ? umb__exp_bind_balance(exp) : st;
}

/* As JSON text. */

static json_t *target_json(const struct umb_target_info *info)
{
    json_t *names = info->class_names ? json_array() : json_null();
    for (int64_t c = 0; info->class_names && c < info->n_classes; c++) {
        json_t *name = json_string(info->class_names[c]); /* NULL: not UTF-8 */
        json_array_append_new(names, name ? name : json_sprintf("class %lld", (long long)c));
    }
    return json_pack("{s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:o}", "name", info->name, "kind",
                     (int)info->kind, "points", (int)info->points, "classes",
                     (json_int_t)info->n_classes, "values", (json_int_t)info->n_values, "height",
                     (json_int_t)info->height, "width", (json_int_t)info->width, "class_names",
                     names);
}

static json_t *shape_json(const struct umb_exp_data *d)
{
    return json_pack("[I, I, I]", (json_int_t)d->shape[0], (json_int_t)d->shape[1],
                     (json_int_t)d->shape[2]);
}

/* The shapes of further images in their order; only data with several has the key. */
static void add_more(const struct umb_exp_data *d, json_t *row)
{
    json_t *more = d->n_more ? json_array() : NULL;
    for (size_t i = 0; i < d->n_more; i++) {
        json_array_append_new(more, shape_json(&d->more[i]));
    }
    if (more) { json_object_set_new(row, "more", more); }
}

enum umb_status umb__experiment_shapes(const struct umb_experiment *exp, char **ret_json)
{
    json_t *all = json_object();
    for (size_t i = 0; i < exp->n_data; i++) {
        const struct umb_exp_data *d = &exp->data[i];
        json_t *targets = json_array();
        for (size_t k = 0; k < d->n_targets; k++) {
            json_array_append_new(targets, target_json(&d->target[k]));
        }
        json_t *row = json_pack("{s:o, s:o}", "shape", shape_json(d), "targets", targets);
        add_more(d, row);
        json_object_set_new(all, d->name, row);
    }
    char *text = json_dumps(all, JSON_COMPACT);
    bool whole = text && json_object_size(all) == exp->n_data;
    json_decref(all);
    *ret_json = whole ? umb__strdup(exp->ctx, text) : NULL;
    free(text);
    if (*ret_json) { return UMB_OK; }
    return umb__fail(exp->ctx, UMB_ERR_NO_MEMORY, "out of memory, or a class's name is not UTF-8");
}

static bool read_count(const json_t *map, const char *key, int64_t min, int64_t *ret)
{
    const json_t *value = json_object_get(map, key);
    if (!json_is_integer(value)) { return false; }
    *ret = json_integer_value(value);
    return *ret >= min && *ret <= MAX_EXTENT;
}

/* False: damaged, or memory is short. */
static bool read_names(struct umb_experiment *exp, const json_t *list, struct umb_target_info *info)
{
    if (json_is_null(list)) { return true; }
    if ((int64_t)json_array_size(list) != info->n_classes) { return false; }
    const char **names =
        umb__arena_calloc(exp->tree->arena, (size_t)info->n_classes, sizeof *names);
    for (int64_t c = 0; names && c < info->n_classes; c++) {
        const char *name = json_string_value(json_array_get(list, (size_t)c));
        names[c] = name ? umb__arena_strdup(exp->tree->arena, name) : NULL;
        if (!names[c]) { return false; }
    }
    info->class_names = names;
    return names != NULL;
}

static bool read_target(struct umb_experiment *exp, const json_t *row, struct umb_target_info *info)
{
    int64_t kind = 0;
    const char *name = json_string_value(json_object_get(row, "name"));
    info->name = name ? umb__arena_strdup(exp->tree->arena, name) : NULL;
    if (!info->name || !read_count(row, "kind", 0, &kind) || kind > UMB_TARGET_PIXELS) {
        return false;
    }
    info->kind = (enum umb_target_kind)kind;
    int64_t points = UMB_POINTS_UNSAID; /* older checkpoints say nothing */
    if (json_object_get(row, "points") &&
        (!read_count(row, "points", 0, &points) || points > UMB_POINTS_XXYY)) {
        return false;
    }
    info->points = (enum umb_points)points;
    return read_count(row, "classes", 0, &info->n_classes) &&
           read_count(row, "values", 0, &info->n_values) &&
           read_count(row, "height", 0, &info->height) &&
           read_count(row, "width", 0, &info->width) &&
           read_names(exp, json_object_get(row, "class_names"), info);
}

static bool read_shape(const json_t *shape, struct umb_exp_data *d)
{
    for (size_t i = 0; i < 3; i++) {
        const json_t *extent = json_array_get(shape, i);
        if (!json_is_integer(extent)) { return false; }
        d->shape[i] = json_integer_value(extent);
        if (d->shape[i] < 1 || d->shape[i] > MAX_EXTENT) { return false; }
    }
    return true;
}

static bool read_data(struct umb_experiment *exp, const json_t *row, struct umb_exp_data *d)
{
    const json_t *targets = json_object_get(row, "targets"), *more = json_object_get(row, "more");
    bool fine = read_shape(json_object_get(row, "shape"), d) && json_array_size(more) == d->n_more;
    for (size_t i = 0; fine && i < d->n_more; i++) {
        fine = read_shape(json_array_get(more, i), &d->more[i]);
    }
    if (!fine) { return false; }
    d->n_targets = json_array_size(targets);
    d->target = umb__arena_calloc(exp->tree->arena, d->n_targets, sizeof *d->target);
    for (size_t i = 0; d->target && i < d->n_targets; i++) {
        if (!read_target(exp, json_array_get(targets, i), &d->target[i])) { return false; }
    }
    return d->target != NULL;
}

enum umb_status umb__experiment_bind(struct umb_experiment *exp, const char *json,
                                     const char *source)
{
    json_t *all = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool fine = all != NULL;
    for (size_t i = 0; fine && i < exp->n_data; i++) {
        fine = read_data(exp, json_object_get(all, exp->data[i].name), &exp->data[i]);
    }
    json_decref(all);
    exp->from_checkpoint = true;
    if (fine) { return bind(exp); }
    return umb__fail(exp->ctx, UMB_ERR_FORMAT,
                     "%s: what it says of the data's shapes is missing or damaged; expected a "
                     "checkpoint of this experiment",
                     source);
}
