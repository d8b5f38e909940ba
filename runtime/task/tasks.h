/*
 * tasks.h: what a net becomes in a graph: streams, layers, losses, metrics.
 *
 * umb__net_build writes a net into an empty graph for one batch size; umb__tasks_attach adds, per
 * task, the label and mask inputs, the loss and the counters of its metrics. Counters are integers
 * on the device, so metrics are exact however the samples were cut into batches.
 */
#ifndef UMB_TASKS_H
#define UMB_TASKS_H

#include "graph.h"
#include <umbel/net.h>

#define UMB_NET_MAX_STREAMS 64
#define UMB_NET_MAX_IMAGES 64 /* of all streams */
#define UMB_NET_MAX_TASKS 64
#define UMB_TASK_METRICS 12

/* How a loss's predictions are judged. */
enum umb_judge { UMB_JUDGE_CLASSES, UMB_JUDGE_BINARY, UMB_JUDGE_ERRORS };

/* Sums and counters of one task over any number of batches. */
struct umb_tally {
    double loss_sum, loss_total; /* Σ loss·denominator, Σ denominator */
    int64_t n_counts;
    int64_t *counts; /* CLASSES: [C][C] true, predicted; BINARY: [D][4] tn fp fn tp */
    int64_t n_values;
    double *errors; /* ERRORS: [D][5] count, Σ|e|, Σe², Σy, Σy²; with landmarks one more: samples,
                       Σ of their error, 0, 0, 0 */
};

/* A metric is a row. compute gets a tally that has seen at least one sample; NaN where it is
 * undefined. */
struct umb_metric {
    const char *name;
    enum umb_judge judge;
    bool lower_is_better; /* counted in the score as 1/(1+value) */
    double (*compute)(const struct umb_tally *tally, int64_t n_classes);
};
const struct umb_metric *umb__metric_find(const char *name, enum umb_judge judge); /* NULL: none */
const struct umb_metric *umb__metric_landmarks(void); /* "landmark_error" */
/* Names of the judge's metrics, NULL-terminated, the usual first one first; at most n. */
void umb__metric_names(enum umb_judge judge, const char **ret_names, size_t n);
/* A metric's value as the score counts it: higher is better. */
double umb__metric_score(const struct umb_metric *m, double value);

struct umb_net_task {
    const char *name;
    int output; /* net value */
    int stream;
    const struct umb_op *loss;
    const void *loss_attrs;
    double weight;
    enum umb_judge judge;
    int64_t n_classes; /* CLASSES: of the output; BINARY, ERRORS: D */
    const struct umb_metric *metric[UMB_TASK_METRICS];
    int n_metrics;
    const void *error_attrs;  /* ERRORS: of error_sums */
    const void *select_attrs; /* of select; NULL: all samples count */
    bool landmarks;           /* landmark_error is among the metrics */
    struct umb_type label;    /* for a batch of one */
    int device;
};
const struct umb_net_task *umb__net_task(const struct umb_net *net, int index);
/* An image input, and the stream that it is of. */
const struct umb_stream_desc *umb__net_image(const struct umb_net *net, int index);
int umb__net_image_stream(const struct umb_net *net, int index);
/* The highest that a stream, layer or task names. */
int umb__net_highest_device(const struct umb_net *net);
/* It holds no samples: what an embedding makes, and layers behind it. */
bool umb__net_is_table(const struct umb_net *net, int value);
/* Stream that a value belongs to, −1 when it holds several. */
int umb__net_value_stream(const struct umb_net *net, int value);

/* Graph values of a net in a graph. */
struct umb_net_values {
    int *value;                    /* [net values] in the graph's arena */
    int image[UMB_NET_MAX_IMAGES]; /* u8 [batch,H,W,C], INPUT */
};
/* The net once more for some of the batch's rows, all of it on one device, or each layer on its
 * own: the parameters are the same values, states of its own, and where it is asked for, an input
 * of its own that tells how many of those rows are real (g->rows_value). `part` 0, 1 … keeps names
 * and random numbers apart.
 */
struct umb_net_part {
    int part, device;     /* −1: each layer's own */
    int64_t first, count; /* rows of each stream */
};
UMB_MUST_USE enum umb_status umb__net_build_part(const struct umb_net *net, struct umb_graph *g,
                                                 const struct umb_net_part *part,
                                                 const struct umb_net_values *whole,
                                                 struct umb_net_values *ret_values);
/* The images alone, for parts. */
UMB_MUST_USE enum umb_status umb__net_build_images(const struct umb_net *net, struct umb_graph *g,
                                                   int64_t batch,
                                                   struct umb_net_values *ret_values);
UMB_MUST_USE enum umb_status umb__net_build(const struct umb_net *net, struct umb_graph *g,
                                            int64_t batch, struct umb_net_values *ret_values);

struct umb_task_values {
    int labels, mask; /* INPUT */
    int loss, total;  /* outputs */
    int counts;       /* STATE "NAME.counts" i32, −1 */
    int errors;       /* output f32 [D,5], −1 */
};
UMB_MUST_USE enum umb_status umb__tasks_attach(const struct umb_net *net, struct umb_graph *g,
                                               const struct umb_net_values *values,
                                               struct umb_task_values *ret_tasks);
/* Adds, per task, its answer (softmax or sigmoid applied where the loss works on logits) as an
 * output; ret_answers[tasks]. */
UMB_MUST_USE enum umb_status umb__tasks_answers(const struct umb_net *net, struct umb_graph *g,
                                                const struct umb_net_values *values,
                                                int *ret_answers);

#endif
