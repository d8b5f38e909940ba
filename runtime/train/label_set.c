/* label_set.c: see label_set.h. */
#include "label_set.h"

#include "alloc.h"
#include "fail.h"
#include "labels.h"
#include <math.h>
#include <string.h>

/* One stream's labels on their way: a sample's targets, and each task's label made of them. */
struct passage {
    const struct umb_experiment *exp;
    const struct umb_exp_data *data;
    struct umb_label_set *set; /* [tasks] */
    void **target;             /* [n_targets], NULL: no task wants it */
    void *label;               /* of the task that is read; as many bytes as the largest target */
};

static const struct umb_target_info *info_of(const struct umb_experiment *exp,
                                             const struct umb_exp_task *task)
{
    return &exp->data[task->data].target[task->target];
}

static bool in_stream(const struct passage *p, size_t t)
{
    return &p->exp->data[p->exp->task[t].data] == p->data;
}

/* Room. */

/* The sides of the grid of pixels that is kept: [0,height) and [0,width) by these steps. */
static size_t grid_step(const struct umb_target_info *info, size_t n)
{
    const size_t H = (size_t)info->height, W = (size_t)info->width;
    size_t step = 1;
    while (step < H + W && ((H + step - 1) / step) * ((W + step - 1) / step) >
                               UMB_LABEL_MOST_PIXELS / (n ? n : 1) + 1) {
        step++;
    }
    return step;
}

static size_t n_variables(const struct umb_target_info *info, size_t n)
{
    const size_t step = grid_step(info, n);
    switch (info->kind) {
    case UMB_TARGET_REAL:
        return (size_t)info->n_values;
    case UMB_TARGET_PIXELS:
        return (((size_t)info->height + step - 1) / step) *
               (((size_t)info->width + step - 1) / step);
    case UMB_TARGET_CLASS:
        break;
    }
    return 1;
}

static enum umb_status make_room(const struct umb_experiment *exp, struct umb_label_set *s)
{
    const struct umb_target_info *info = info_of(exp, s->task);
    size_t area;
    s->kind = info->kind;
    s->target = info->name;
    s->n = (size_t)umb_dataset_count(exp->data[s->task->data].dataset, UMB_SPLIT_TRAIN);
    s->n_classes = info->kind == UMB_TARGET_REAL ? 0 : (size_t)s->task->n_classes;
    s->n_codes = s->n_classes ? s->n_classes : UMB_LABEL_BINS;
    s->V = n_variables(info, s->n);
    if (!umb__mul_size(s->n, s->V, &area)) { return UMB_ERR_NO_MEMORY; }
    s->labelled = umb__calloc(exp->ctx, s->n, sizeof *s->labelled);
    s->count = umb__calloc(exp->ctx, s->n_classes, sizeof *s->count);
    s->code = umb__calloc(exp->ctx, area, sizeof *s->code);
    if (!s->labelled || !s->count || !s->code) { return UMB_ERR_NO_MEMORY; }
    memset(s->code, -1, area * sizeof *s->code);
    if (s->kind != UMB_TARGET_REAL) { return UMB_OK; }
    s->number = umb__calloc(exp->ctx, area, sizeof *s->number);
    return s->number ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static void finish(struct umb_label_set *s)
{
    umb__free(s->number);
    umb__free(s->code);
    umb__free(s->count);
    umb__free(s->labelled);
}

/* Taking a sample's label. */

static void take_class(struct umb_label_set *s, size_t i, int32_t class)
{
    s->code[i] = class;
    s->count[class]++;
}

static void take_numbers(struct umb_label_set *s, size_t i, const float *label, bool labelled)
{
    for (size_t v = 0; v < s->V; v++) {
        s->number[i * s->V + v] = labelled ? label[v] : (float)NAN;
    }
}

static void take_pixels(struct umb_label_set *s, size_t i, const struct umb_target_info *info,
                        const int32_t *label)
{
    const size_t H = (size_t)info->height, W = (size_t)info->width, step = grid_step(info, s->n);
    int32_t *code = s->code + i * s->V;
    for (size_t k = 0; k < H * W; k++) {
        if (label[k] >= 0) { s->count[label[k]]++; }
        if (k / W % step == 0 && k % W % step == 0) { *code++ = label[k]; }
    }
}

static enum umb_status take(const struct passage *p, struct umb_label_set *s, uint32_t i)
{
    const struct umb_target_info *info = info_of(p->exp, s->task);
    float mask = 0;
    const enum umb_status st =
        umb__labels_fill(p->exp, s->task, p->target[s->task->target], &i, 1, p->label, &mask);
    if (st != UMB_OK) { return st; }
    s->labelled[i] = mask > 0;
    s->n_labelled += mask > 0;
    if (s->kind == UMB_TARGET_REAL) {
        take_numbers(s, i, p->label, mask > 0);
    } else if (mask > 0 && s->kind == UMB_TARGET_PIXELS) {
        take_pixels(s, i, info, p->label);
    } else if (mask > 0) {
        /* yes or no comes as a number */
        const bool yes_no = s->task->judge == UMB_JUDGE_BINARY;
        take_class(s, i, yes_no ? *(float *)p->label > 0 : *(int32_t *)p->label);
    }
    return UMB_OK;
}

/* A stream. */

static enum umb_status begin(struct passage *p)
{
    size_t largest = sizeof(int32_t);
    p->target = umb__calloc(p->exp->ctx, p->data->n_targets, sizeof *p->target);
    if (!p->target) { return UMB_ERR_NO_MEMORY; }
    for (size_t t = 0; t < p->exp->n_tasks; t++) {
        const size_t k = p->exp->task[t].target;
        if (!in_stream(p, t) || p->target[k]) { continue; }
        const size_t bytes = umb__target_bytes(&p->data->target[k]);
        largest = bytes > largest ? bytes : largest;
        p->target[k] = umb__calloc(p->exp->ctx, bytes, 1);
        if (!p->target[k]) { return UMB_ERR_NO_MEMORY; }
    }
    p->label = umb__calloc(p->exp->ctx, largest, 1);
    return p->label ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static void end(struct passage *p)
{
    for (size_t k = 0; p->target && k < p->data->n_targets; k++) {
        umb__free(p->target[k]);
    }
    umb__free(p->target);
    umb__free(p->label);
}

static enum umb_status read_stream(struct passage *p)
{
    struct umb_dataset *ds = p->data->dataset;
    const int64_t n = umb_dataset_count(ds, UMB_SPLIT_TRAIN);
    enum umb_status st = begin(p);
    for (int64_t i = 0; st == UMB_OK && i < n; i++) {
        st = umb_dataset_read(ds, UMB_SPLIT_TRAIN, i, NULL, p->target);
        for (size_t t = 0; st == UMB_OK && t < p->exp->n_tasks; t++) {
            if (in_stream(p, t)) { st = take(p, &p->set[t], (uint32_t)i); }
        }
    }
    end(p);
    return st;
}

enum umb_status umb__label_sets_read(const struct umb_experiment *exp,
                                     struct umb_label_set **ret_sets)
{
    struct umb_label_set *sets = umb__calloc(exp->ctx, exp->n_tasks, sizeof *sets);
    enum umb_status st = sets ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t t = 0; st == UMB_OK && t < exp->n_tasks; t++) {
        sets[t].task = &exp->task[t];
        st = make_room(exp, &sets[t]);
    }
    for (size_t i = 0; st == UMB_OK && i < exp->n_data; i++) {
        struct passage p = {.exp = exp, .data = &exp->data[i], .set = sets};
        if (p.data->used) { st = read_stream(&p); }
    }
    for (size_t t = 0; st == UMB_OK && t < exp->n_tasks; t++) {
        if (sets[t].kind == UMB_TARGET_REAL) { st = umb__label_set_bin(exp->ctx, &sets[t]); }
    }
    if (st != UMB_OK) {
        umb__label_sets_destroy(sets, exp->n_tasks);
        return st;
    }
    *ret_sets = sets;
    return UMB_OK;
}

void umb__label_sets_destroy(struct umb_label_set *sets, size_t n)
{
    for (size_t t = 0; sets && t < n; t++) {
        finish(&sets[t]);
    }
    umb__free(sets);
}
