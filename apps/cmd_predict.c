/* umbel predict: what a run's net says of images. */
#include "session.h"

#include "fail.h"
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
    struct umb_batch batch[UMB_MAX_IMAGES];
    uint8_t *images[UMB_MAX_IMAGES];
    size_t n_images; /* of the net */
    size_t n_inputs; /* files of a sample */
    float *output[UMB_MAX_TASKS];
    int64_t n_values[UMB_MAX_TASKS];
    json_t *all;
    int width; /* of task names */
};

/* Image k of the stream's samples. */
static const struct umb_exp_data *input_of(const struct predictor *p, size_t stream, size_t k)
{
    return umb__exp_input(&p->s.exp->data[p->s.exp->stream[stream]], k);
}

static bool allocate_images(struct predictor *p, const struct umb_exp_data *d)
{
    for (size_t k = 0; k <= d->n_more; k++) {
        const int64_t *shape = umb__exp_input(d, k)->shape;
        uint8_t *images =
            calloc((size_t)p->s.exp->train.batch, (size_t)(shape[0] * shape[1] * shape[2]));
        if (!images) { return false; }
        p->batch[p->n_images].images = images;
        p->images[p->n_images++] = images;
    }
    return true;
}

static bool allocate(struct predictor *p)
{
    const struct umb_experiment *exp = p->s.exp;
    size_t batch = (size_t)exp->train.batch;
    for (size_t s = 0; s < exp->n_streams; s++) {
        if (!allocate_images(p, input_of(p, s, 0))) { return false; }
    }
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
    for (size_t i = 0; i < UMB_MAX_IMAGES; i++) {
        free(p->images[i]);
    }
    for (size_t i = 0; i < UMB_MAX_TASKS; i++) {
        free(p->output[i]);
    }
    json_decref(p->all);
    session_finish(&p->s);
}

static enum umb_status load_image(struct predictor *p, const struct umb_exp_data *d, size_t index,
                                  const char *path, int64_t row)
{
    const int64_t *shape = d->shape;
    size_t bytes = (size_t)(shape[0] * shape[1] * shape[2]);
    struct umb_image image = {0};
    enum umb_status st = umb_image_load(p->cli->ctx, path, shape[0], shape[1], shape[2], &image);
    if (st != UMB_OK) { return st; }
    memcpy(p->images[index] + (size_t)row * bytes, image.pixels, bytes);
    umb_image_free(&image);
    return UMB_OK;
}

/* A sample's files, for every stream in its own sizes. */
static enum umb_status load(struct predictor *p, const char *const *paths, int64_t row)
{
    enum umb_status st = UMB_OK;
    for (size_t s = 0; st == UMB_OK && s < p->s.exp->n_streams; s++) {
        const size_t first = (size_t)input_of(p, s, 0)->image;
        for (size_t k = 0; st == UMB_OK && k < p->n_inputs; k++) {
            st = load_image(p, input_of(p, s, k), first + k, paths[k], row);
        }
    }
    return st;
}

/* {"left": PATH, "right": PATH} */
static json_t *paths_json(const struct predictor *p, const char *const *paths)
{
    json_t *map = json_object();
    for (size_t k = 0; k < p->n_inputs; k++) {
        json_object_set_new(map, input_of(p, 0, k)->input, json_string(paths[k]));
    }
    return map;
}

static void print_paths(const struct predictor *p, const char *const *paths)
{
    for (size_t k = 0; k < p->n_inputs; k++) {
        printf("%s%s", k ? " " : "", paths[k]);
    }
    putchar('\n');
}

static void tell(struct predictor *p, const char *const *paths, int64_t row)
{
    const struct umb_experiment *exp = p->s.exp;
    json_t *tasks = json ? json_object() : NULL;
    if (!json) { print_paths(p, paths); }
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
        json_t *files = p->n_inputs > 1 ? paths_json(p, paths) : json_string(paths[0]);
        json_array_append_new(p->all, json_pack("{s:o, s:o}", p->n_inputs > 1 ? "images" : "image",
                                                files, "tasks", tasks));
    }
}

static enum umb_status predict(struct predictor *p, const char *const *paths, int64_t n)
{
    enum umb_status st = UMB_OK;
    for (int64_t i = 0; st == UMB_OK && i < n; i++) {
        st = load(p, paths + (size_t)i * p->n_inputs, i);
    }
    for (size_t i = 0; i < p->n_images; i++) {
        p->batch[i].n = n;
    }
    if (st == UMB_OK) { st = umb_trainer_predict(p->s.trainer, p->batch, p->output); }
    for (int64_t i = 0; st == UMB_OK && i < n; i++) {
        tell(p, paths + (size_t)i * p->n_inputs, i);
    }
    return st;
}

/* How many files a sample is; false: they do not make whole samples, or streams differ. */
static bool count_inputs(struct predictor *p, size_t n_files)
{
    p->n_inputs = 1 + input_of(p, 0, 0)->n_more;
    for (size_t s = 1; s < p->s.exp->n_streams; s++) {
        if (input_of(p, s, 0)->n_more + 1 != p->n_inputs) {
            return umb__fail(p->cli->ctx, UMB_ERR_INVALID,
                             "samples of '%s' and '%s' have different numbers of images; predict "
                             "cannot tell which file is whose",
                             input_of(p, 0, 0)->name, input_of(p, s, 0)->name) == UMB_OK;
        }
    }
    if (n_files % p->n_inputs == 0) { return true; }
    return umb__fail(p->cli->ctx, UMB_ERR_INVALID,
                     "%zu files; a sample of '%s' has %zu images, so expected a multiple of that",
                     n_files, input_of(p, 0, 0)->name, p->n_inputs) == UMB_OK;
}

static int run(struct predictor *p)
{
    const struct cli *cli = p->cli;
    enum umb_status st = session_open_run(&p->s, cli, cli->argument[0], checkpoint, false);
    if (st != UMB_OK) { return cli_fail_setup(cli, st); }
    if (!allocate(p)) { return cli_wrong(cli, "out of memory"); }
    if (!count_inputs(p, cli->n_arguments - 1)) { return cli_fail_setup(cli, UMB_ERR_INVALID); }
    size_t batch = (size_t)p->s.exp->train.batch;
    for (size_t i = 1; st == UMB_OK && i < cli->n_arguments; i += batch * p->n_inputs) {
        size_t left = (cli->n_arguments - i) / p->n_inputs;
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
