/* umbel predict: what a run's net says of images. */
#include "predict_images.h"
#include "session.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *checkpoint = "latest";
static bool json;

static const struct cli_option options[] = {
    {"--checkpoint", CLI_TEXT, &checkpoint, "NAME", "latest (as set), best, epoch-3 …"},
    {"--json", CLI_FLAG, &json, NULL, "an array with an object an image"},
    {0}};

static const struct cli_usage usage = {
    .command = "predict",
    .synopsis = "RUN IMAGE…",
    .text = "Every task's answer for PNG and JPEG files, which are scaled to the size that the net "
            "was\ntrained with. Where samples have several images (inputs), each is as many files "
            "in turn.\nThe training data need not be there.",
    .example = "umbel predict runs/mnist-fashion-1 seven.png",
    .options = options,
    .min_arguments = 2,
    .max_arguments = SIZE_MAX};

/* One answer. */

struct answer {
    const struct umb_exp_task *task;
    const float *value;
    int64_t n, n_classes; /* values of one sample; of its last axis */
};

static void class_name(const struct umb_exp_task *t, int64_t c, char *buffer, size_t size)
{
    if (t->class_names && c < t->n_classes) {
        snprintf(buffer, size, "%s", t->class_names[c]);
    } else {
        snprintf(buffer, size, "%lld", (long long)c);
    }
}

static int64_t largest(const float *value, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        if (value[i] > value[best]) { best = i; }
    }
    return best;
}

/* The share of the pixels that each class has, freed with free; NULL: no memory. */
static double *pixel_shares(const struct answer *a)
{
    int64_t pixels = a->n / a->n_classes;
    double *share = calloc((size_t)a->n_classes, sizeof *share);
    for (int64_t p = 0; share && p < pixels; p++) {
        share[largest(a->value + p * a->n_classes, a->n_classes)] += 1 / (double)pixels;
    }
    return share;
}

static json_t *numbers_json(const float *value, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++) {
        json_array_append_new(list, json_real((double)value[i]));
    }
    return list;
}

static json_t *pixels_json(const struct answer *a)
{
    char name[128];
    double *share = pixel_shares(a);
    json_t *shares = json_object();
    for (int64_t c = 0; share && c < a->n_classes; c++) {
        class_name(a->task, c, name, sizeof name);
        json_object_set_new(shares, name, json_real(share[c]));
    }
    free(share);
    return json_pack("{s:o}", "shares", shares);
}

static json_t *answer_json(const struct answer *a)
{
    char name[128];
    if (a->task->judge == UMB_JUDGE_ERRORS || (a->task->judge == UMB_JUDGE_BINARY && a->n > 1)) {
        return json_pack("{s:o}", "values", numbers_json(a->value, a->n));
    }
    if (a->task->judge == UMB_JUDGE_BINARY) {
        double p = (double)a->value[0];
        class_name(a->task, p >= 0.5, name, sizeof name);
        return json_pack("{s:s, s:f}", "class", name, "probability", p >= 0.5 ? p : 1 - p);
    }
    if (a->n != a->n_classes) { return pixels_json(a); }
    int64_t best = largest(a->value, a->n);
    class_name(a->task, best, name, sizeof name);
    return json_pack("{s:s, s:f, s:o}", "class", name, "probability", (double)a->value[best],
                     "probabilities", numbers_json(a->value, a->n));
}

static void print_pixels(const struct answer *a)
{
    char name[128];
    double *share = pixel_shares(a);
    for (int64_t c = 0; share && c < a->n_classes; c++) {
        if (share[c] <= 0) { continue; }
        class_name(a->task, c, name, sizeof name);
        printf("  %s %.1f %%", name, 100 * share[c]);
    }
    free(share);
}

static void print_answer(const struct answer *a, int width)
{
    char name[128];
    printf("  %-*s", width, a->task->name);
    if (a->task->judge == UMB_JUDGE_ERRORS || (a->task->judge == UMB_JUDGE_BINARY && a->n > 1)) {
        for (int64_t i = 0; i < a->n; i++) {
            printf("  %.4f", (double)a->value[i]);
        }
    } else if (a->task->judge == UMB_JUDGE_BINARY) {
        double p = (double)a->value[0];
        class_name(a->task, p >= 0.5, name, sizeof name);
        printf("  %s (%.1f %%)", name, 100 * (p >= 0.5 ? p : 1 - p));
    } else if (a->n != a->n_classes) {
        print_pixels(a);
    } else {
        int64_t best = largest(a->value, a->n);
        class_name(a->task, best, name, sizeof name);
        printf("  %s (%.1f %%)", name, 100 * (double)a->value[best]);
    }
    putchar('\n');
}

/* Batches of images. */

struct predictor {
    struct session s;
    const struct cli *cli;
    struct predict_images images;
    float *output[UMB_MAX_TASKS];
    int64_t n_values[UMB_MAX_TASKS];
    json_t *all;
    int width; /* of task names */
};

static bool allocate(struct predictor *p)
{
    const struct umb_experiment *exp = p->s.exp;
    size_t batch = (size_t)exp->train.batch;
    for (size_t t = 0; t < exp->n_tasks; t++) {
        struct umb_shape shape = umb_net_shape(p->s.net, umb__net_task(p->s.net, (int)t)->output);
        int name = (int)strlen(exp->task[t].name);
        p->n_values[t] = umb__shape_count(&shape);
        p->output[t] = calloc(batch, (size_t)p->n_values[t] * sizeof *p->output[t]);
        if (!p->output[t]) { return false; }
        p->width = name > p->width ? name : p->width;
    }
    p->all = json_array();
    return p->all != NULL;
}

static void release(struct predictor *p)
{
    predict_images_release(&p->images);
    for (size_t i = 0; i < UMB_MAX_TASKS; i++) {
        free(p->output[i]);
    }
    json_decref(p->all);
    session_finish(&p->s);
}

static void tell(struct predictor *p, const char *const *paths, int64_t row)
{
    const struct umb_experiment *exp = p->s.exp;
    json_t *tasks = json ? json_object() : NULL;
    if (!json) { predict_images_print(&p->images, paths); }
    for (size_t t = 0; t < exp->n_tasks; t++) {
        struct answer a = {&exp->task[t], p->output[t] + row * p->n_values[t], p->n_values[t],
                           umb__net_task(p->s.net, (int)t)->n_classes};
        if (json) {
            json_object_set_new(tasks, exp->task[t].name, answer_json(&a));
        } else {
            print_answer(&a, p->width);
        }
    }
    if (json) {
        json_t *row_json = json_object();
        predict_images_json(&p->images, paths, row_json);
        json_object_set_new(row_json, "tasks", tasks);
        json_array_append_new(p->all, row_json);
    }
}

static enum umb_status predict(struct predictor *p, const char *const *paths, int64_t n)
{
    enum umb_status st = predict_images_load(&p->images, paths, n);
    if (st == UMB_OK) { st = umb_trainer_predict(p->s.trainer, p->images.batch, p->output); }
    for (int64_t i = 0; st == UMB_OK && i < n; i++) {
        tell(p, paths + (size_t)i * p->images.n_inputs, i);
    }
    return st;
}

static int run(struct predictor *p)
{
    const struct cli *cli = p->cli;
    enum umb_status st = session_open_run(&p->s, cli, cli->argument[0], checkpoint, false);
    if (st == UMB_OK) { st = predict_images_prepare(&p->images, p->s.exp, cli->n_arguments - 1); }
    if (st != UMB_OK) { return cli_fail_setup(cli, st); }
    if (!allocate(p)) { return cli_wrong(cli, "out of memory"); }
    const size_t batch = (size_t)p->s.exp->train.batch, files = p->images.n_inputs;
    for (size_t i = 1; st == UMB_OK && i < cli->n_arguments; i += batch * files) {
        size_t left = (cli->n_arguments - i) / files;
        st = predict(p, cli->argument + i, (int64_t)(left < batch ? left : batch));
    }
    if (st != UMB_OK) { return cli_fail_setup(cli, st); }
    if (json) {
        json_dumpf(p->all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(7));
        putchar('\n');
    }
    return EXIT_DONE;
}

int cmd_predict(int argc, char **argv)
{
    struct cli cli;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct predictor *p = calloc(1, sizeof *p);
    if (p) {
        p->cli = &cli;
        code = run(p);
        release(p);
    } else {
        code = cli_wrong(&cli, "out of memory");
    }
    free(p);
    cli_finish(&cli);
    return code;
}
