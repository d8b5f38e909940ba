/*
 * exp_train.c: the `train` section: how long, in what batches, by which optimizer and schedule.
 */
#include "experiment.h"

#include "fail.h"
#include "text.h"
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_EPOCHS 1000000
#define MAX_BATCH 65536
#define MAX_RATE 1e6

/* Optimizer. */

static enum umb_status find_optimizer(struct umb_experiment *exp, const struct umb_yaml *node,
                                      const struct umb_op **ret_op)
{
    static const char *const names[] = {"sgd", "adam", "adamw"};
    const char *name = exp->train.optimizer;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_op = umb__op_find(strcmp(name, "adamw") == 0 ? "adam" : name);
            return UMB_OK;
        }
    }
    return umb__yaml_unknown(exp->ctx, node->kind == UMB_YAML_MAP ? node->item[0] : node,
                             "optimizer", name, names, COUNT(names));
}

/* The rate is the loop's, every other key the optimizer's own. */
static enum umb_status read_optimizer(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const not_attrs[] = {"rate", NULL};
    struct umb_exp_train *t = &exp->train;
    const struct umb_yaml *attrs = NULL;
    const struct umb_op *op = NULL;
    enum umb_status st = umb__exp_choice(exp->ctx, node, "optimizer", &t->optimizer, &attrs);
    if (st == UMB_OK) { st = find_optimizer(exp, node, &op); }
    if (st != UMB_OK) { return st; }
    t->schedule.rate = strcmp(t->optimizer, "sgd") == 0 ? 0.01 : 0.001;
    st = umb__exp_attrs(exp, op, attrs, not_attrs, &t->optimizer_attrs);
    const struct umb_yaml *rate = umb__yaml_get(attrs, "rate");
    if (st == UMB_OK && rate) {
        st = umb__yaml_double(exp->ctx, rate, 1e-12, MAX_RATE, &t->schedule.rate);
    }
    return st;
}

/* `weight_decay` beside the optimizer is the same as in it. */
static enum umb_status read_weight_decay(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_exp_train *t = &exp->train;
    double value = 0;
    enum umb_status st = umb__yaml_double(exp->ctx, node, 0, MAX_RATE, &value);
    if (st != UMB_OK) { return st; }
    if (strstr(t->optimizer_attrs, "weight_decay=")) {
        return umb__yaml_fail(exp->ctx, node, "the optimizer has one too; expected one of the two");
    }
    t->optimizer_attrs =
        umb__arena_printf(exp->tree->arena, "%s%sweight_decay=%s", t->optimizer_attrs,
                          *t->optimizer_attrs ? " " : "", node->text);
    return t->optimizer_attrs ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Schedule. */

static const char *const schedules[] = {"constant", "step", "cosine"};

static enum umb_status schedule_keys(struct umb_experiment *exp, enum umb_schedule_kind kind,
                                     const struct umb_yaml *node)
{
    static const char *const constant[] = {"warmup"}, *const step[] = {"warmup", "every", "factor"},
                             *const cosine[] = {"warmup", "epochs", "minimum"};
    static const char *const *const known[] = {constant, step, cosine};
    static const size_t n_known[] = {COUNT(constant), COUNT(step), COUNT(cosine)};
    if (!node || umb__yaml_is_null(node)) { return UMB_OK; }
    return umb__yaml_keys(exp->ctx, node, known[kind], n_known[kind]);
}

static enum umb_status read_step(struct umb_experiment *exp, const struct umb_yaml *choice,
                                 const struct umb_yaml *node, struct umb_schedule *s)
{
    const struct umb_yaml *every = umb__yaml_get(node, "every"),
                          *factor = umb__yaml_get(node, "factor");
    if (!every) {
        return umb__yaml_fail(exp->ctx, choice,
                              "every: is missing; expected after how many epochs "
                              "the rate changes");
    }
    s->factor = 0.1;
    enum umb_status st = umb__yaml_int(exp->ctx, every, 1, MAX_EPOCHS, &s->every);
    if (st == UMB_OK && factor) { st = umb__yaml_double(exp->ctx, factor, 1e-9, 1e3, &s->factor); }
    return st;
}

static enum umb_status read_cosine(struct umb_experiment *exp, const struct umb_yaml *node,
                                   struct umb_schedule *s)
{
    const struct umb_yaml *epochs = umb__yaml_get(node, "epochs"),
                          *minimum = umb__yaml_get(node, "minimum");
    s->span = (double)exp->train.epochs;
    enum umb_status st = UMB_OK;
    if (epochs) { st = umb__yaml_double(exp->ctx, epochs, 1e-3, MAX_EPOCHS, &s->span); }
    if (st == UMB_OK && minimum) {
        st = umb__yaml_double(exp->ctx, minimum, 0, s->rate, &s->minimum);
    }
    return st;
}

static enum umb_status read_schedule(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_schedule *s = &exp->train.schedule;
    const struct umb_yaml *inner = NULL;
    const char *name = NULL;
    enum umb_status st = umb__exp_choice(exp->ctx, node, "schedule", &name, &inner);
    if (st != UMB_OK) { return st; }
    size_t kind = 0;
    while (kind < COUNT(schedules) && strcmp(schedules[kind], name) != 0) {
        kind++;
    }
    if (kind == COUNT(schedules)) {
        return umb__yaml_unknown(exp->ctx, inner ? inner : node, "schedule", name, schedules,
                                 COUNT(schedules));
    }
    s->kind = (enum umb_schedule_kind)kind;
    st = schedule_keys(exp, s->kind, inner);
    const struct umb_yaml *warmup = umb__yaml_get(inner, "warmup");
    if (st == UMB_OK && warmup) {
        st = umb__yaml_double(exp->ctx, warmup, 0, MAX_EPOCHS, &s->warmup);
    }
    if (st == UMB_OK && s->kind == UMB_SCHEDULE_STEP) { st = read_step(exp, node, inner, s); }
    if (st == UMB_OK && s->kind == UMB_SCHEDULE_COSINE) { st = read_cosine(exp, inner, s); }
    return st;
}

/* Early stop. */

/* "score", "TASK.METRIC" or "TASK.loss"; whether the task has it is known when the tasks are. */
static enum umb_status read_stop_metric(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_exp_early_stop *stop = &exp->train.early_stop;
    const char *text = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &text);
    if (st != UMB_OK || strcmp(text, "score") == 0) { return st; }
    char *task = umb__arena_strdup(exp->tree->arena, text);
    if (!task) { return UMB_ERR_NO_MEMORY; }
    char *dot = strchr(task, '.');
    if (!dot || dot == task || !dot[1]) {
        return umb__yaml_fail(exp->ctx, node,
                              "'%.80s' is no metric; expected score, TASK.METRIC or "
                              "TASK.loss",
                              text);
    }
    *dot = 0;
    stop->task = task;
    stop->metric = dot + 1;
    return UMB_OK;
}

static enum umb_status read_early_stop(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const keys[] = {"patience", "metric", "minimum_change"};
    struct umb_exp_early_stop *stop = &exp->train.early_stop;
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    const struct umb_yaml *patience = umb__yaml_get(node, "patience"),
                          *metric = umb__yaml_get(node, "metric"),
                          *change = umb__yaml_get(node, "minimum_change");
    if (st == UMB_OK && !patience) {
        st = umb__yaml_fail(exp->ctx, node,
                            "patience: is missing; expected for how many epochs to "
                            "go on without getting better");
    }
    stop->on = true;
    stop->metric = "score";
    if (st == UMB_OK) { st = umb__yaml_int(exp->ctx, patience, 1, MAX_EPOCHS, &stop->patience); }
    if (st == UMB_OK && metric) { st = read_stop_metric(exp, metric); }
    if (st == UMB_OK && change) {
        st = umb__yaml_double(exp->ctx, change, 0, 1e6, &stop->minimum_change);
    }
    return st;
}

/* Precision. */

static enum umb_status read_precision(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const names[] = {"float32", "mixed"};
    const char *name = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &name);
    if (st != UMB_OK) { return st; }
    exp->train.mixed = strcmp(name, "mixed") == 0;
    if (exp->train.mixed || strcmp(name, "float32") == 0) { return UMB_OK; }
    return umb__yaml_unknown(exp->ctx, node, "precision", name, names, COUNT(names));
}

/* Devices. */

static enum umb_status read_parallel(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const names[] = {[UMB_PARALLEL_AUTO] = "auto",
                                        [UMB_PARALLEL_HEADS] = "heads",
                                        [UMB_PARALLEL_DATA] = "data",
                                        [UMB_PARALLEL_OFF] = "off"};
    const char *name = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &name);
    for (size_t i = 0; st == UMB_OK && i < COUNT(names); i++) {
        exp->train.parallel = (enum umb_exp_parallel)i;
        if (strcmp(names[i], name) == 0) { return UMB_OK; }
    }
    return st == UMB_OK ? umb__yaml_unknown(exp->ctx, node, "parallel", name, names, COUNT(names))
                        : st;
}

/* Memory. */

/* "50%" → 0.5. */
static bool read_share(const char *text, double *ret_share)
{
    char number[32];
    const size_t n = strlen(text);
    if (n < 2 || n > sizeof number || text[n - 1] != '%') { return false; }
    memcpy(number, text, n - 1);
    number[n - 1] = 0;
    if (!umb__parse_double(number, 1e-6, 100, ret_share)) { return false; }
    *ret_share /= 100;
    return true;
}

static enum umb_status read_memory(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_exp_train *t = &exp->train;
    const char *text = NULL;
    const enum umb_status st = umb__yaml_text(exp->ctx, node, &text);
    if (st != UMB_OK || read_share(text, &t->memory_share) ||
        umb__parse_bytes(text, &t->memory_bytes)) {
        return st;
    }
    return umb__yaml_fail(exp->ctx, node,
                          "'%.80s' does not fit; expected bytes with their unit, as 512MiB or 2GB, "
                          "or a share of the device's memory, as 50%%",
                          text);
}

/* The section. */

static enum umb_status read_numbers(struct umb_experiment *exp, const struct umb_yaml *map)
{
    struct umb_exp_train *t = &exp->train;
    int64_t seed = 1;
    const struct {
        const char *key;
        int64_t min, max, *value;
    } row[] = {{"epochs", 1, MAX_EPOCHS, &t->epochs},
               {"batch", 1, MAX_BATCH, &t->batch},
               {"log_every", 1, INT32_MAX, &t->log_every},
               {"keep", 1, MAX_EPOCHS, &t->keep},
               {"queues", 1, 8, &t->queues},
               {"seed", 0, INT64_MAX, &seed}};
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < COUNT(row); i++) {
        const struct umb_yaml *node = umb__yaml_get(map, row[i].key);
        if (node) { st = umb__yaml_int(exp->ctx, node, row[i].min, row[i].max, row[i].value); }
    }
    t->seed = (uint64_t)seed;
    const struct umb_yaml *clip = umb__yaml_get(map, "clip_norm"),
                          *share = umb__yaml_get(map, "validation");
    if (st == UMB_OK && clip) { st = umb__yaml_double(exp->ctx, clip, 0, 1e9, &t->clip_norm); }
    if (st == UMB_OK && share) { st = umb__yaml_double(exp->ctx, share, 0, 0.99, &t->validation); }
    return st;
}

static void set_defaults(struct umb_experiment *exp)
{
    exp->train = (struct umb_exp_train){.epochs = 10,
                                        .batch = 64,
                                        .log_every = 50,
                                        .keep = 2,
                                        .optimizer = "adam",
                                        .optimizer_attrs = "",
                                        .seed = 1,
                                        .schedule = {.rate = 0.001}};
}

enum umb_status umb__exp_read_train(struct umb_experiment *exp, const struct umb_yaml *node)
{
    static const char *const keys[] = {
        "epochs",     "batch",  "optimizer", "schedule",   "clip_norm", "weight_decay", "seed",
        "early_stop", "keep",   "log_every", "validation", "queues",    "precision",    "parallel",
        "memory",     "freeze", "rates",     "init",       "balancer"};
    set_defaults(exp);
    if (!node) { return umb__exp_read_balancer(exp, NULL); }
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    const struct umb_yaml *optimizer = umb__yaml_get(node, "optimizer"),
                          *decay = umb__yaml_get(node, "weight_decay"),
                          *schedule = umb__yaml_get(node, "schedule"),
                          *stop = umb__yaml_get(node, "early_stop"),
                          *precision = umb__yaml_get(node, "precision"),
                          *parallel = umb__yaml_get(node, "parallel"),
                          *memory = umb__yaml_get(node, "memory");
    if (st == UMB_OK) { st = read_numbers(exp, node); }
    if (st == UMB_OK && precision) { st = read_precision(exp, precision); }
    if (st == UMB_OK && parallel) { st = read_parallel(exp, parallel); }
    if (st == UMB_OK && memory) { st = read_memory(exp, memory); }
    if (st == UMB_OK && optimizer) { st = read_optimizer(exp, optimizer); }
    if (st == UMB_OK && decay) { st = read_weight_decay(exp, decay); }
    if (st == UMB_OK && schedule) { st = read_schedule(exp, schedule); }
    if (st == UMB_OK && stop) { st = read_early_stop(exp, stop); }
    if (st == UMB_OK) { st = umb__exp_read_balancer(exp, umb__yaml_get(node, "balancer")); }
    if (st == UMB_OK) { st = umb__exp_read_parts(exp, node); }
    return st;
}
