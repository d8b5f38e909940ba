/*
 * experiment.h: an experiment file, read and checked: data sets, trunks, tasks and how to train.
 *
 *   read ──► bind (opens the data sets, or takes their shapes from a run) ──► net ──► trainer, loop
 *
 * Reading needs no data and no device. Binding learns image shapes and targets. Layer lists stay
 * YAML nodes until the net is built, so that every mistake in them is answered with its line.
 * Everything lies in the tree's arena. docs/experiment.md is the format.
 */
#ifndef UMB_EXPERIMENT_H
#define UMB_EXPERIMENT_H

#include "augment.h"
#include "balance.h"
#include "class_balance.h"
#include "exp_parts.h"
#include "op.h"
#include "schedule.h"
#include "tasks.h"
#include "yaml_tree.h"
#include <umbel/data.h>
#include <umbel/device.h>
#include <umbel/net.h>
#include <umbel/soft_sharing.h>
#include <umbel/train.h>

#define UMB_MAX_NORM 4

struct umb_exp_data {
    const char *name;
    const struct umb_yaml *node;
    struct umb_yaml *path; /* NULL: the format has none; looked up when the data is opened */
    struct umb_dataset_desc desc;
    size_t n_norm;
    double mean[UMB_MAX_NORM], std[UMB_MAX_NORM];
    struct umb_augment augment; /* of training pictures; only where it is said: augments */
    bool augments;
    bool used;  /* by a task */
    int stream; /* in the net; −1 before, and for what no task uses */
    /* Samples with several images (exp_inputs.c). Of the further ones input, desc, norm, dataset,
     * which has the same rows, and shape count. */
    const char *input; /* what the image is called; NULL: it is the only one */
    int image;         /* in the net, once that is built: the first; the others follow */
    size_t n_more;
    struct umb_exp_data *more; /* [n_more] */
    /* From binding on: */
    struct umb_dataset *dataset; /* NULL when the shapes came from a run */
    int64_t shape[3];            /* H, W, C */
    size_t n_targets;
    struct umb_target_info *target;
    struct umb_balance *balance; /* draws a task's classes equally often; NULL: no task asks */
};

struct umb_exp_trunk {
    const char *name; /* "trunk" for the only one */
    const struct umb_yaml *layers;
    const struct umb_yaml *on; /* its `device`; NULL: none */
    int device;                /* among the run's; 0 until exp_devices.c has chosen */
};

/* How a task makes up for classes of unequal numbers. */
enum umb_exp_balance { UMB_BALANCE_NONE, UMB_BALANCE_WEIGHTS, UMB_BALANCE_SAMPLER };

/* Derived classes: which labels make class i of a task. */
struct umb_exp_group {
    const char *name;
    const struct umb_yaml *labels; /* list of numbers or class names */
};

struct umb_exp_task {
    const char *name;
    const struct umb_yaml *node, *head;
    size_t data, trunk;
    const char *target_name; /* NULL: the first that suits */
    size_t n_groups;         /* 0: the target's own classes */
    struct umb_exp_group *group;
    const char *loss, *loss_attrs;
    enum umb_judge judge;
    double weight;
    const char **metrics;           /* NULL-terminated, or NULL */
    const struct umb_yaml *between; /* of landmark_error; NULL: not asked for */
    const char *metric_attrs;       /* for umb_task_desc, from binding on */
    enum umb_exp_balance balance;
    const char *select_attrs;  /* for umb_task_desc; NULL: it learns from all samples */
    const struct umb_yaml *on; /* its `device`; NULL: none */
    int device;                /* as umb_exp_trunk's */
    /* From binding on: */
    size_t target;
    int64_t n_classes; /* behind the map; 0 for REAL targets */
    const char *const *class_names;
    int32_t *label_of; /* with a map: [the target's n_classes] → class, −1: none */
};

struct umb_exp_early_stop {
    bool on;
    int64_t patience;
    const char *task, *metric; /* NULL, "score": of all tasks; "loss" is better when lower */
    double minimum_change;
};

/* What several devices are for, where no `device` key says so. */
enum umb_exp_parallel {
    UMB_PARALLEL_AUTO,  /* equal devices share batches; of unequal ones further ones have heads */
    UMB_PARALLEL_HEADS, /* the trunk on the first, the heads on the others */
    UMB_PARALLEL_DATA,  /* batches are shared */
    UMB_PARALLEL_OFF,   /* the first alone is used */
};

struct umb_exp_balancer {
    const struct umb_balancer *row;
    const void *attrs;          /* of the row's options */
    const char *name, *options; /* as text, for umb__attrs_create */
    enum umb_gradients gradient;
    int64_t every; /* steps between two looks at gradients, ≥ 1 */
    bool weighs_heads;
};

struct umb_exp_train {
    struct umb_exp_balancer balancer;
    int64_t epochs, batch, log_every, keep;
    const char *optimizer, *optimizer_attrs;
    struct umb_schedule schedule;
    bool mixed; /* precision */
    double clip_norm;
    uint64_t seed;
    double validation;
    int64_t queues;        /* 0: as the environment says */
    uint64_t memory_bytes; /* 0: no limit, or a share of each device's, 0…1 */
    double memory_share;
    enum umb_exp_parallel parallel;
    struct umb_exp_early_stop early_stop;
    struct umb_exp_parts parts; /* freeze, rates */
    struct umb_exp_init init;
};

struct umb_experiment {
    struct umb_context *ctx;
    struct umb_yaml_tree *tree;
    const char *path; /* as named by the user */
    const char *name;
    size_t n_data, n_trunks, n_tasks;
    struct umb_exp_data *data;
    struct umb_exp_trunk *trunk;
    struct umb_exp_task *task;
    struct umb_exp_train train;
    struct umb_soft_sharing *share; /* between trunks; NULL: nothing is shared */
    bool from_checkpoint; /* which has the numbers: files that tables begin with are not read */
    size_t n_streams;
    size_t *stream; /* [n_streams]: its data, in the net's order */
};

/* Reads a file, or the built-in experiment of that name, with n_sets assignments on top. Errors:
 * UMB_ERR_INVALID, UMB_ERR_FORMAT, UMB_ERR_IO. */
UMB_MUST_USE enum umb_status umb__experiment_read(struct umb_context *ctx, const char *path,
                                                  const char *const *sets, size_t n_sets,
                                                  struct umb_experiment **ret_exp);
/* The same, with the tree changed by edit (exp_edit.h) between the assignments and the reading. */
typedef enum umb_status (*umb_exp_edit)(const void *user, struct umb_yaml_tree *tree);
UMB_MUST_USE enum umb_status umb__experiment_read_edited(struct umb_context *ctx, const char *path,
                                                         const char *const *sets, size_t n_sets,
                                                         umb_exp_edit edit, const void *user,
                                                         struct umb_experiment **ret_exp);
void umb__experiment_destroy(struct umb_experiment *exp); /* closes the data sets */

/* Whether two open data sets have the same samples in the same places of every split, be it with
 * other pictures or targets of them. */
bool umb__exp_same_rows(const struct umb_exp_data *a, const struct umb_exp_data *b);
/* The first stream with the same rows as this one; it may be itself. */
size_t umb__exp_first_alike(const struct umb_experiment *exp, size_t stream);
/* Finds the data beside the experiment, else in UMBEL_DATA, without opening it. */
UMB_MUST_USE enum umb_status umb__experiment_find(struct umb_experiment *exp);
/* Finds and opens the data sets that tasks use, and checks the tasks against them. Paths found
 * beside the file become absolute in the tree. */
UMB_MUST_USE enum umb_status umb__experiment_open(struct umb_experiment *exp);
/* The shapes and targets of the data as JSON text for checkpoints (umb__free), and binding by such
 * a text, without data. */
UMB_MUST_USE enum umb_status umb__experiment_shapes(const struct umb_experiment *exp,
                                                    char **ret_json);
UMB_MUST_USE enum umb_status umb__experiment_bind(struct umb_experiment *exp, const char *json,
                                                  const char *source);
/* The devices of an experiment: those of a selector (umb_devices_open; NULL: UMBEL_DEVICE), and
 * what its `device` keys name beside them. Says in the experiment which trunk and task is where,
 * for umb__experiment_net. */
struct umb_exp_devices {
    struct umb_device *device[UMB_MAX_DEVICES]; /* [n] opened */
    int n;
    bool share, equal; /* batches are shared; all are of one kind */
};
UMB_MUST_USE enum umb_status umb__experiment_devices(struct umb_experiment *exp,
                                                     const char *selector,
                                                     struct umb_exp_devices *ret_devices);
void umb__exp_devices_close(struct umb_exp_devices *d);
/* "cpu-zen4 + llvmpipe": what run and reports call them. */
const char *umb__exp_devices_name(const struct umb_exp_devices *d, char *buffer, size_t size);
#define UMB_DEVICES_TEXT 256
/* Builds the net of a bound experiment; tasks and streams in the experiment's order. */
UMB_MUST_USE enum umb_status umb__experiment_net(struct umb_experiment *exp,
                                                 struct umb_net **ret_net);
/* UMB_ERR_INVALID naming the first key in which the two differ, apart from those that a resumed run
 * may change (train.epochs, log_every, keep, queues, memory, init.from, and the `file` of a table).
 */
UMB_MUST_USE enum umb_status umb__experiment_same(const struct umb_experiment *run,
                                                  const struct umb_experiment *now);
/* Where the two are the same: `now` goes on with a checkpoint of `run`, so that it has the sizes of
 * tables from the run, and needs none of the files that those began with. */
UMB_MUST_USE enum umb_status umb__experiment_resume(const struct umb_experiment *run,
                                                    struct umb_experiment *now);

/* The built-in experiment of that name, or NULL; and their names for messages. */
const char *umb__builtin_experiment(const char *name);
#define UMB_BUILTIN_NAMES "shapes"

/* The reader's parts. */
UMB_MUST_USE enum umb_status umb__exp_read_data(struct umb_experiment *exp,
                                                const struct umb_yaml *node);
UMB_MUST_USE enum umb_status umb__exp_read_targets(struct umb_experiment *exp,
                                                   const struct umb_yaml *map,
                                                   struct umb_exp_data *d);
UMB_MUST_USE enum umb_status umb__exp_read_mask_classes(struct umb_experiment *exp,
                                                        const struct umb_yaml *map,
                                                        struct umb_exp_data *d);
/* exp_data.c: size, channels and normalize of map. */
UMB_MUST_USE enum umb_status umb__exp_read_images(struct umb_experiment *exp,
                                                  const struct umb_yaml *map,
                                                  struct umb_exp_data *d);
/* exp_inputs.c: `inputs` of map, where it has them; d is read but for its path. */
UMB_MUST_USE enum umb_status umb__exp_read_inputs(struct umb_experiment *exp,
                                                  const struct umb_yaml *map,
                                                  struct umb_exp_data *d);
/* Opens the data sets of further images, those that are open yet left out. */
UMB_MUST_USE enum umb_status umb__exp_open_inputs(struct umb_experiment *exp,
                                                  struct umb_exp_data *d);
void umb__exp_close_inputs(struct umb_exp_data *d);
/* The image of that number, 0 … n_more. */
const struct umb_exp_data *umb__exp_input(const struct umb_exp_data *d, size_t index);
/* `points`, `within` and `swap` of a target; `augment` of a data set whose targets are read. */
UMB_MUST_USE enum umb_status umb__exp_read_points(struct umb_experiment *exp,
                                                  const struct umb_yaml *map,
                                                  const struct umb_exp_data *d,
                                                  struct umb_csv_target *t);
UMB_MUST_USE enum umb_status umb__exp_read_augment(struct umb_experiment *exp,
                                                   const struct umb_yaml *map,
                                                   struct umb_exp_data *d);
/* `balance` of a task; and what is asked for made from the labels of open data sets. */
UMB_MUST_USE enum umb_status umb__exp_read_balance(struct umb_experiment *exp,
                                                   struct umb_exp_task *t);
UMB_MUST_USE enum umb_status umb__exp_bind_balance(struct umb_experiment *exp);
/* `select` of a task. */
UMB_MUST_USE enum umb_status umb__exp_read_select(struct umb_experiment *exp,
                                                  struct umb_exp_task *t);
/* A metric's options, NULL: none; and, of a bound task, their check against its target. */
UMB_MUST_USE enum umb_status umb__exp_read_landmarks(struct umb_experiment *exp,
                                                     const struct umb_yaml *node,
                                                     const struct umb_yaml *options,
                                                     const char *metric, struct umb_exp_task *t);
UMB_MUST_USE enum umb_status umb__exp_bind_landmarks(struct umb_experiment *exp,
                                                     struct umb_exp_task *t);
/* What a path of the file names, beside the experiment, where it becomes absolute in the tree, else
 * in UMBEL_DATA; in the arena. */
UMB_MUST_USE enum umb_status umb__exp_find_path(struct umb_experiment *exp, struct umb_yaml *node,
                                                const char **ret_path);
/* Sets desc.path so. */
UMB_MUST_USE enum umb_status umb__exp_find_data(struct umb_experiment *exp, struct umb_exp_data *d);
UMB_MUST_USE enum umb_status umb__exp_read_tasks(struct umb_experiment *exp,
                                                 const struct umb_yaml *node);
UMB_MUST_USE enum umb_status umb__exp_read_train(struct umb_experiment *exp,
                                                 const struct umb_yaml *node);
/* `train.balancer`; node NULL: equal. umb__exp_check_balancer: once the tasks are known. */
UMB_MUST_USE enum umb_status umb__exp_read_balancer(struct umb_experiment *exp,
                                                    const struct umb_yaml *node);
UMB_MUST_USE enum umb_status umb__exp_check_balancer(struct umb_experiment *exp);
/* For a trainer's desc; valid as long as the experiment. */
struct umb_balancing umb__experiment_balancing(const struct umb_experiment *exp);
UMB_MUST_USE enum umb_status umb__exp_read_share(struct umb_experiment *exp,
                                                 const struct umb_yaml *node);
/* Checks that what is to be shared is in every trunk. */
UMB_MUST_USE enum umb_status umb__exp_check_share(struct umb_experiment *exp,
                                                  const struct umb_net *net);
/* Checks tasks against targets and fills what is said "from binding on". */
UMB_MUST_USE enum umb_status umb__exp_bind_tasks(struct umb_experiment *exp);
/* Checks a head's output against its task's labels. */
UMB_MUST_USE enum umb_status umb__exp_check_output(const struct umb_experiment *exp,
                                                   const struct umb_exp_task *task,
                                                   const struct umb_shape *shape);

/* The attributes of op in map (NULL or null: none) as text, "size=3 stride=2,2", each key checked;
 * keys among skip (NULL-terminated, may be NULL) are the caller's. */
UMB_MUST_USE enum umb_status umb__exp_attrs(struct umb_experiment *exp, const struct umb_op *op,
                                            const struct umb_yaml *node, const char *const *skip,
                                            const char **ret_text);
/* Puts the numbers of a graph layer's `adjacency`, where that is a map or has rows, in its place:
 * *layer is another map then. exp_adjacency.c. */
UMB_MUST_USE enum umb_status umb__exp_adjacency(struct umb_experiment *exp,
                                                const struct umb_yaml **layer);
/* exp_vectors.c: where the layer's op has `values` and the map a `file`, reads the file, settles
 * `rows` and `size` in the map, and gives the numbers as " values=1,2,3", "" if a checkpoint has
 * them; else NULL. Keys of the map that are not the op's: umb__vectors_keys. */
UMB_MUST_USE enum umb_status umb__exp_vectors(struct umb_experiment *exp, const struct umb_op *op,
                                              const struct umb_yaml *layer,
                                              const char **ret_values);
extern const char *const umb__vectors_keys[];
/* Adds a key to a map of the tree. */
UMB_MUST_USE enum umb_status umb__exp_put_key(struct umb_experiment *exp,
                                              const struct umb_yaml *map, const char *key,
                                              const char *text);
/* The task that a text names. */
UMB_MUST_USE enum umb_status umb__exp_find_task(struct umb_experiment *exp,
                                                const struct umb_yaml *node,
                                                const struct umb_exp_task **ret_task);
/* How many answers a bound task has, as nodes of a graph: its classes, or numbers of yes and no; 0
 * for others. exp_count.c. */
int umb__exp_answers(const struct umb_experiment *exp, const struct umb_exp_task *t);
/* "name" or "{name: {key: value}}": *ret_attrs is the inner map or NULL. */
UMB_MUST_USE enum umb_status umb__exp_choice(struct umb_context *ctx, const struct umb_yaml *node,
                                             const char *what, const char **ret_name,
                                             const struct umb_yaml **ret_attrs);
/* The names of ops with (or, for layers, without) the given flags, for errors; returns how many. */
size_t umb__exp_op_names(unsigned flags, const char **names, size_t max);
#define UMB_MAX_OP_NAMES 128

#endif
