/*
 * train.h: training and running a net on a device; and whole experiments.
 *
 * A trainer compiles a net for training and for evaluation, owns its parameters and takes batches.
 * An experiment is a trainer, its data and its run directory, from one YAML file
 * (docs/experiment.md). A trainer is used by one thread at a time.
 */
#ifndef UMBEL_TRAIN_H
#define UMBEL_TRAIN_H

#include <umbel/data.h>
#include <umbel/device.h>
#include <umbel/net.h>
#include <umbel/soft_sharing.h>

struct umb_trainer;

struct umb_trainer_desc {
    struct umb_device *device;
    const struct umb_net *net;   /* with at least one task; both outlive the trainer */
    int64_t batch;               /* samples of each stream a step */
    const char *optimizer;       /* sgd, adam, adamw */
    const char *optimizer_attrs; /* "momentum=0.9 nesterov=true"; NULL: defaults */
    double clip_norm;            /* gradients are scaled to this L2 norm at most; 0: off */
    bool mixed_precision;        /* GPUs may round operands of forward products to float16 */
    uint64_t seed;               /* initial parameters, dropout */
    int queues;                  /* 1…8, of each device; 0: UMBEL_QUEUES, else 2 on CPUs */
    /* Bytes of a device's memory that a step may use, of each device's, parameters and optimizer
     * included; 0: memory_share, 0…1, of what each device has, and if that is 0, all of it. For it
     * queues are given up, then activations are computed twice; no bit of a result changes.
     * UMB_ERR_INVALID: too low, and the message says what would do. */
    uint64_t memory;
    double memory_share;
    /* Devices 1, 2 … that layers, streams and tasks of the net name (umb_layer_desc.device). */
    struct umb_device *const *more;
    int n_more; /* below UMB_MAX_DEVICES */
    /* [1 + n_more], or NULL. How many rows of each stream's batch each device takes in training:
     * all layers are then computed on every device for its rows, whatever device they name, the
     * losses of the whole batch on the tasks' devices; parameters are kept and updated on the first
     * that takes any. Each from 0, together the batch. Batch norm's statistics are those of a
     * device's rows, its running ones those of the first. */
    const int64_t *shares;
    const struct umb_soft_sharing *soft; /* between networks of the net; NULL: none */
};
/* Compiles the plans and draws the initial parameters. Errors: all but FORMAT and IO. */
UMB_MUST_USE enum umb_status umb_trainer_create(struct umb_context *ctx,
                                                const struct umb_trainer_desc *desc,
                                                struct umb_trainer **ret_trainer);
void umb_trainer_destroy(struct umb_trainer *tr);

/* A batch of one stream: n ≤ batch samples. */
struct umb_batch {
    int64_t n;
    const uint8_t *images; /* [n,H,W,C] */
};
/* Labels of one task for the samples of its stream's batch. */
struct umb_labels {
    const void *labels; /* cross_entropy: int32 [n] or [n,H,W]; else float [n,D], as the head's
                           output has them */
    const float *mask;  /* [n], 1 labelled, 0 not; NULL: all labelled */
};

/* One optimizer update with learning rate `rate`: batches[streams], labels[tasks];
 * ret_losses[tasks], may be NULL. Waits for the step. */
UMB_MUST_USE enum umb_status umb_trainer_step(struct umb_trainer *tr,
                                              const struct umb_batch *batches,
                                              const struct umb_labels *labels, double rate,
                                              double *ret_losses);
/* The head outputs for a batch, in inference mode: ret_outputs[tasks], each [n of its
 * stream][values of the head] (NULL: not wanted). Softmax and sigmoid are applied for cross_entropy
 * and binary_cross_entropy. Streams with n = 0 are left out. */
UMB_MUST_USE enum umb_status umb_trainer_predict(struct umb_trainer *tr,
                                                 const struct umb_batch *batches,
                                                 float *const *ret_outputs);

/* What a task did over the samples since the last reset. */
#define UMB_MAX_METRICS 12
struct umb_task_result {
    double loss; /* mean over labelled samples; NaN: none seen */
    int n_metrics;
    struct {
        const char *name;
        double value;
    } metric[UMB_MAX_METRICS]; /* in the order of the task's description */
};
/* Evaluates one batch (adds to the results, changes nothing else). */
UMB_MUST_USE enum umb_status umb_trainer_evaluate(struct umb_trainer *tr,
                                                  const struct umb_batch *batches,
                                                  const struct umb_labels *labels);
/* ret_results[tasks] of all steps and evaluations since the last call; then starts anew. */
UMB_MUST_USE enum umb_status umb_trainer_results(struct umb_trainer *tr,
                                                 struct umb_task_result *ret_results);

int64_t umb_trainer_n_parameters(const struct umb_trainer *tr); /* trained numbers */
int64_t umb_trainer_n_steps(const struct umb_trainer *tr); /* updates made so far, over resumes */
/* Soft sharing's penalty at the latest step that was waited for, before its update; 0 without. */
double umb_trainer_penalty(const struct umb_trainer *tr);
/* MTRL's Ω as it is now into ret_omega [T,T]; false, and nothing is written, where there is none. */
bool umb_trainer_relations(const struct umb_trainer *tr, double *ret_omega);
/* Saves parameters, running statistics, optimizer moments, seed and step count as safetensors;
 * restores them (same net, optimizer and batch) so that training goes on with the same bits. load
 * checks names, types and shapes: UMB_ERR_FORMAT, UMB_ERR_INVALID; nothing is changed on failure.
 */
UMB_MUST_USE enum umb_status umb_trainer_save(struct umb_trainer *tr, const char *path);
UMB_MUST_USE enum umb_status umb_trainer_load(struct umb_trainer *tr, const char *path);

#endif
