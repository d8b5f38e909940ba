/*
 * exp_data.c: the `data` section: which files, how they are read, what they are normalised by.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "experiment.h"

#include "fail.h"
#include "system.h"
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_EXTENT 16384

enum {
    IDX = 1,
    CIFAR10 = 2,
    FOLDER = 4,
    CSV = 8,
    SHAPES = 16,
    MULTI_MNIST = 32,
    MASKS = 64,
    ALL = 127
};

static const char *const formats[] = {"idx",    "cifar10",     "folder", "csv",
                                      "shapes", "multi_mnist", "masks"};

/* Every key with the formats that have it. */
static const struct data_key {
    const char *name;
    unsigned formats;
} data_keys[] = {
    {"format", ALL},    {"path", ALL & ~SHAPES}, {"normalize", ALL},
    {"size", ALL},      {"channels", ALL},       {"validation", ALL},
    {"seed", ALL},      {"limit", ALL},          {"test", FOLDER | CSV | MASKS},
    {"targets", CSV},   {"image_column", CSV},   {"split_column", CSV},
    {"count", SHAPES},  {"inputs", CSV},         {"augment", ALL},
    {"classes", MASKS}, {"ignore", MASKS},
};

static enum umb_status read_format(struct umb_experiment *exp, const struct umb_yaml *map,
                                   struct umb_exp_data *d, unsigned *ret_bit)
{
    enum umb_status st = umb__yaml_want(exp->ctx, map, UMB_YAML_MAP);
    if (st != UMB_OK) { return st; }
    const struct umb_yaml *node = umb__yaml_get(map, "format");
    if (!node) {
        return umb__yaml_fail(exp->ctx, map,
                              "format: is missing; expected idx, cifar10, folder, "
                              "csv, masks, shapes or multi_mnist");
    }
    st = umb__yaml_text(exp->ctx, node, &d->desc.format);
    for (size_t i = 0; st == UMB_OK && i < COUNT(formats); i++) {
        *ret_bit = 1U << i;
        if (strcmp(formats[i], d->desc.format) == 0) { return UMB_OK; }
    }
    if (st != UMB_OK) { return st; }
    return umb__yaml_unknown(exp->ctx, node, "format", d->desc.format, formats, COUNT(formats));
}

static enum umb_status check_keys(struct umb_experiment *exp, const struct umb_yaml *map,
                                  unsigned format)
{
    const char *known[COUNT(data_keys)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(data_keys); i++) {
        if (data_keys[i].formats & format) { known[n++] = data_keys[i].name; }
    }
    return umb__yaml_keys(exp->ctx, map, known, n);
}

/* Paths. */

static bool exists(const char *path)
{
    return umb__is_folder(path) || umb__is_file(path);
}

/* The candidate, freed here, absolute and in the arena; NULL when there is nothing. */
static enum umb_status try_path(struct umb_experiment *exp, char *candidate, const char **ret_path)
{
    enum umb_status st = candidate ? UMB_OK : UMB_ERR_NO_MEMORY;
    char *absolute = candidate && exists(candidate) ? realpath(candidate, NULL) : NULL;
    *ret_path = NULL;
    if (absolute) {
        *ret_path = umb__arena_strdup(exp->tree->arena, absolute);
        if (!*ret_path) { st = UMB_ERR_NO_MEMORY; }
    }
    free(absolute);
    umb__free(candidate);
    return st;
}

/*
 * Beside the experiment, then in UMBEL_DATA. What lay beside it is written into the tree as an
 * absolute path, so that a run, which lies elsewhere, still finds it; what UMBEL_DATA gave stays
 * relative, so that a run can move to a machine whose data are elsewhere.
 */
enum umb_status umb__exp_find_path(struct umb_experiment *exp, struct umb_yaml *node,
                                   const char **ret_path)
{
    const char *path = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &path);
    if (st != UMB_OK) { return st; }
    st = try_path(exp, umb__path_beside(exp->ctx, exp->path, path), ret_path);
    if (*ret_path) { node->text = *ret_path; }
    if (st != UMB_OK || *ret_path) { return st; }
    const char *data = umb__env_text("UMBEL_DATA");
    if (data && path[0] != '/') {
        st = try_path(exp, umb__path_join(exp->ctx, data, path), ret_path);
        if (st != UMB_OK || *ret_path) { return st; }
    }
    if (path[0] == '/') {
        return umb__yaml_fail(exp->ctx, node, "'%.300s' is not there; expected a folder or file",
                              path);
    }
    char *beside = umb__path_beside(exp->ctx, exp->path, path);
    st = umb__yaml_fail(exp->ctx, node, "'%.200s' is not there; tried %.300s and %s%.300s%s", path,
                        beside ? beside : "beside the experiment",
                        data ? "UMBEL_DATA (" : "UMBEL_DATA, which is not set", data ? data : "",
                        data ? ")" : "");
    umb__free(beside);
    return st;
}

enum umb_status umb__exp_find_data(struct umb_experiment *exp, struct umb_exp_data *d)
{
    return d->path ? umb__exp_find_path(exp, d->path, &d->desc.path) : UMB_OK;
}

/* Numbers. */

static enum umb_status read_size(struct umb_experiment *exp, const struct umb_yaml *node,
                                 struct umb_exp_data *d)
{
    const struct umb_yaml *height = node, *width = node;
    if (node->kind == UMB_YAML_LIST) {
        if (node->n_items != 2) {
            return umb__yaml_fail(exp->ctx, node,
                                  "has %zu numbers; expected one, or [HEIGHT, "
                                  "WIDTH]",
                                  node->n_items);
        }
        height = node->item[0];
        width = node->item[1];
    }
    enum umb_status st = umb__yaml_int(exp->ctx, height, 1, MAX_EXTENT, &d->desc.height);
    return st == UMB_OK ? umb__yaml_int(exp->ctx, width, 1, MAX_EXTENT, &d->desc.width) : st;
}

/* One number or a list of them. */
static enum umb_status read_numbers(struct umb_experiment *exp, const struct umb_yaml *node,
                                    double min, double *ret, size_t *ret_n)
{
    size_t n = node->kind == UMB_YAML_LIST ? node->n_items : 1;
    if (n == 0 || n > UMB_MAX_NORM) {
        return umb__yaml_fail(exp->ctx, node, "has %zu numbers; expected one, or one a channel", n);
    }
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        const struct umb_yaml *item = node->kind == UMB_YAML_LIST ? node->item[i] : node;
        st = umb__yaml_double(exp->ctx, item, min, 1e6, &ret[i]);
    }
    *ret_n = n;
    return st;
}

static void spread(double *value, size_t *n, size_t wanted)
{
    for (; *n < wanted; ++*n) {
        value[*n] = value[0];
    }
}

static enum umb_status read_normalize(struct umb_experiment *exp, const struct umb_yaml *node,
                                      struct umb_exp_data *d)
{
    static const char *const keys[] = {"mean", "std"};
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    const struct umb_yaml *mean = umb__yaml_get(node, "mean"), *std = umb__yaml_get(node, "std");
    size_t n_mean = 1, n_std = 1;
    d->mean[0] = 0;
    d->std[0] = 1;
    if (st == UMB_OK && mean) { st = read_numbers(exp, mean, -1e6, d->mean, &n_mean); }
    if (st == UMB_OK && std) { st = read_numbers(exp, std, 1e-6, d->std, &n_std); }
    if (st != UMB_OK) { return st; }
    if (n_mean != n_std && n_mean != 1 && n_std != 1) {
        return umb__yaml_fail(exp->ctx, node, "%zu means and %zu deviations; expected as many",
                              n_mean, n_std);
    }
    d->n_norm = n_mean > n_std ? n_mean : n_std;
    spread(d->mean, &n_mean, d->n_norm);
    spread(d->std, &n_std, d->n_norm);
    return UMB_OK;
}

static enum umb_status read_share(struct umb_experiment *exp, const struct umb_yaml *map,
                                  const char *key, double *ret)
{
    const struct umb_yaml *node = umb__yaml_get(map, key);
    return node ? umb__yaml_double(exp->ctx, node, 0, 0.99, ret) : UMB_OK;
}

static enum umb_status read_count(struct umb_experiment *exp, const struct umb_yaml *map,
                                  const char *key, int64_t min, int64_t max, int64_t *ret)
{
    const struct umb_yaml *node = umb__yaml_get(map, key);
    return node ? umb__yaml_int(exp->ctx, node, min, max, ret) : UMB_OK;
}

/* One data set. */

static enum umb_status read_csv(struct umb_experiment *exp, const struct umb_yaml *map,
                                struct umb_exp_data *d)
{
    const struct umb_yaml *image = umb__yaml_get(map, "image_column"),
                          *split = umb__yaml_get(map, "split_column");
    enum umb_status st = umb__exp_read_targets(exp, map, d);
    if (st == UMB_OK && image) { st = umb__yaml_text(exp->ctx, image, &d->desc.image_column); }
    if (st == UMB_OK && split) { st = umb__yaml_text(exp->ctx, split, &d->desc.split_column); }
    return st;
}

enum umb_status umb__exp_read_images(struct umb_experiment *exp, const struct umb_yaml *map,
                                     struct umb_exp_data *d)
{
    const struct umb_yaml *size = umb__yaml_get(map, "size"),
                          *normalize = umb__yaml_get(map, "normalize");
    enum umb_status st = size ? read_size(exp, size, d) : UMB_OK;
    if (st == UMB_OK) { st = read_count(exp, map, "channels", 1, 3, &d->desc.channels); }
    if (st == UMB_OK && d->desc.channels == 2) {
        st = umb__yaml_fail(exp->ctx, umb__yaml_get(map, "channels"),
                            "2 does not fit; expected 1 (grey) or 3 (colour)");
    }
    if (st == UMB_OK && normalize) { st = read_normalize(exp, normalize, d); }
    return st;
}

static enum umb_status read_one(struct umb_experiment *exp, const struct umb_yaml *map,
                                struct umb_exp_data *d)
{
    unsigned format = 0;
    int64_t seed = 1;
    d->name = map->key;
    d->node = map;
    d->stream = -1;
    d->desc.validation = exp->train.validation;
    enum umb_status st = umb__yaml_check_name(exp->ctx, map, map->key);
    if (st == UMB_OK) { st = read_format(exp, map, d, &format); }
    if (st == UMB_OK) { st = check_keys(exp, map, format); }
    if (st == UMB_OK) { st = umb__exp_read_images(exp, map, d); }
    if (st == UMB_OK) { st = read_share(exp, map, "validation", &d->desc.validation); }
    if (st == UMB_OK) { st = read_share(exp, map, "test", &d->desc.test); }
    if (st == UMB_OK) { st = read_count(exp, map, "limit", 1, INT32_MAX, &d->desc.limit); }
    if (st == UMB_OK) { st = read_count(exp, map, "seed", 0, INT64_MAX, &seed); }
    if (st == UMB_OK) { st = read_count(exp, map, "count", 4, 10000000, &d->desc.count); }
    if (st == UMB_OK && format == CSV) { st = read_csv(exp, map, d); }
    if (st == UMB_OK && format == MASKS) { st = umb__exp_read_mask_classes(exp, map, d); }
    if (st == UMB_OK) { st = umb__exp_read_augment(exp, map, d); }
    d->desc.seed = (uint64_t)seed;
    if (st == UMB_OK) { st = umb__exp_read_inputs(exp, map, d); }
    if (st != UMB_OK || format == SHAPES) { return st; }
    struct umb_yaml *path = umb__yaml_get(map, "path");
    if (path) {
        const char *text = NULL;
        d->path = path;
        return umb__yaml_text(exp->ctx, path, &text);
    }
    return umb__yaml_fail(exp->ctx, map, "path: is missing; expected a folder or file");
}

enum umb_status umb__exp_read_data(struct umb_experiment *exp, const struct umb_yaml *node)
{
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    if (st == UMB_OK && node->n_items == 0) {
        st = umb__yaml_fail(exp->ctx, node, "is empty; expected {NAME: {format: …}}");
    }
    if (st != UMB_OK) { return st; }
    exp->data = umb__arena_calloc(exp->tree->arena, node->n_items, sizeof *exp->data);
    if (!exp->data) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        st = read_one(exp, node->item[i], &exp->data[i]);
    }
    exp->n_data = node->n_items;
    return st;
}

enum umb_status umb__experiment_find(struct umb_experiment *exp)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < exp->n_data; i++) {
        st = umb__exp_find_data(exp, &exp->data[i]);
    }
    return st;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool umb__exp_same_rows(const struct umb_exp_data *a, const struct umb_exp_data *b)
{
    const struct umb_dataset_desc *x = &a->desc, *y = &b->desc;
    const bool as_said = same_text(x->format, y->format) && same_text(x->path, y->path) &&
                         same_text(x->split_column, y->split_column) && x->seed == y->seed &&
                         x->limit == y->limit && x->count == y->count;
    const bool as_split = !(x->validation < y->validation) && !(x->validation > y->validation) &&
                          !(x->test < y->test) && !(x->test > y->test);
    bool as_many = a->dataset && b->dataset;
    for (int i = 0; as_many && i < UMB_SPLIT_COUNT; i++) {
        const enum umb_split split = (enum umb_split)i;
        as_many = umb_dataset_count(a->dataset, split) == umb_dataset_count(b->dataset, split);
    }
    return as_said && as_split && as_many;
}

size_t umb__exp_first_alike(const struct umb_experiment *exp, size_t stream)
{
    const struct umb_exp_data *own = &exp->data[exp->stream[stream]];
    size_t first = 0;
    while (first < stream && !umb__exp_same_rows(&exp->data[exp->stream[first]], own)) {
        first++;
    }
    return first;
}
