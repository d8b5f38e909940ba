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

/*
 * Patterns fit whole names of parameters as checkpoints have them, "conv1.weight": * stands for any
 * letters, dots too, ? for one. "trunk.NAME" fits what belongs to no task's head. A pattern that
 * fits nothing is UMB_ERR_INVALID.
 */
/* What fits any of these is not updated and gets no gradient. Batch norm all of whose parameters
 * are frozen then normalises by its running statistics and keeps them; with running_statistics it
 * goes on as in training. */
struct umb_frozen {
    const char *pattern;
    bool running_statistics;
};
/* How what fits is updated; of several that fit the last one counts. */
struct umb_part {
    const char *pattern;
    double rate;         /* times the step's, above 0 */
    double weight_decay; /* in place of the optimizer's; below 0: that */
};

/* How a step weighs its tasks: docs/methods.md has the names, their options and formulas. */
struct umb_balancing {
    const char *name;    /* "cagrad"; NULL: equal */
    const char *options; /* "c=0.2"; NULL: defaults */
    /* Of balancers that compare gradients: whose. UMB_ERR_INVALID for the others. */
    enum umb_gradients {
        UMB_GRADIENTS_SHARED,     /* all parameters that several tasks share */
        UMB_GRADIENTS_LAST_BLOCK, /* the last shared layer with weights, and what is behind it */
        UMB_GRADIENTS_REPRESENTATION, /* what tasks read of the trunk */
    } gradients;
    int64_t every; /* steps from one comparison of gradients to the next; 0: 1 */
    enum umb_heads {
        UMB_HEADS_USUAL,      /* as the balancer's row has it */
        UMB_HEADS_UNWEIGHTED, /* what one task alone has gets its own gradient as it is */
        UMB_HEADS_WEIGHTED,   /* times the task's weight */
    } heads;
    int64_t epoch_steps; /* steps of an epoch, for rules that go by epochs; 0: all one epoch */
};

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
    const struct umb_balancing *balancing; /* NULL: equal; on one device only */
    /* How weights begin whose layers do not say it (umb_layer_desc.init): "he_normal" …; their
     * biases then begin with 0. NULL, "default": as docs/layers.md says. */
    const char *init;
    const struct umb_part *parts;    /* [n_parts], copied */
    int n_parts;                     /* at most 64 */
    const struct umb_frozen *frozen; /* [n_frozen], copied: from the first step on */
    int n_frozen;
    bool refreezes;                      /* umb_trainer_freeze will be called */
    const struct umb_soft_sharing *soft; /* between networks of the net; NULL: none */
};
/* Compiles the plans and draws the initial parameters. Errors: all but FORMAT and IO. */
UMB_MUST_USE enum umb_status umb_trainer_create(struct umb_context *ctx,
                                                const struct umb_trainer_desc *desc,
                                                struct umb_trainer **ret_trainer);
void umb_trainer_destroy(struct umb_trainer *tr);

/* A batch of one image of a stream: n ≤ batch samples. The images of one stream belong together:
 * their n must be the same. */
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

/* One optimizer update with learning rate `rate`: batches[images], labels[tasks];
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

/* From the next step on exactly these are frozen (n 0: nothing): another plan for training is made,
 * unless it is so already; waits for what runs. Parameters, moments and counts stay. What is not
 * frozen any more goes on with its moments; Adam's corrections go by a parameter's own updates.
 * UMB_ERR_INVALID: a pattern fits nothing, every parameter would be frozen, or the trainer's desc
 * did not say `refreezes`; on a failure everything is as before. */
UMB_MUST_USE enum umb_status umb_trainer_freeze(struct umb_trainer *tr,
                                                const struct umb_frozen *frozen, int n);

/* Where parameters are to begin: tensors of a safetensors file, by name. */
struct umb_init_map {
    const char *theirs, *ours; /* with a * each, or none: what theirs stands for, ours does too */
};
struct umb_init_desc {
    const char *path;
    const struct umb_init_map *map; /* [n_map]: the first that fits a tensor renames it; what none
                                       fits keeps its name */
    int n_map;
    const char *const *skip; /* [n_skip] patterns of ours (umb_frozen): they keep their beginning */
    int n_skip;
    bool strict; /* also an error: a tensor of ours that is not there, and one of theirs unused */
    /* What was done, in lines: first the whole, then every tensor and why. NULL: nobody listens. */
    void (*listen)(void *user, const char *line);
    void *user;
};
/*
 * Takes parameters and running statistics, before the first step, from a file of another run or
 * tool: float of 16, 32 or 64 bits, in the shapes that checkpoints have ([K,C,R,S], [K,C]). Running
 * statistics of one stream go to every stream. UMB_ERR_INVALID, and nothing is changed: no tensor
 * fits by name; one has another shape, or numbers that are not finite; two are meant for one; a map
 * fits nothing. UMB_ERR_FORMAT, UMB_ERR_IO: the file.
 */
UMB_MUST_USE enum umb_status umb_trainer_init_from(struct umb_trainer *tr,
                                                   const struct umb_init_desc *desc);

int64_t umb_trainer_n_parameters(const struct umb_trainer *tr); /* trained numbers */
int64_t umb_trainer_n_steps(const struct umb_trainer *tr); /* updates made so far, over resumes */
/* Soft sharing's penalty at the latest step that was waited for, before its update; 0 without. */
double umb_trainer_penalty(const struct umb_trainer *tr);
/* MTRL's Ω as it is now into ret_omega [T,T]; false, and nothing is written, where there is none.
 */
bool umb_trainer_relations(const struct umb_trainer *tr, double *ret_omega);
/* Saves parameters, running statistics, optimizer moments, seed and step count as safetensors;
 * restores them (same net, optimizer and batch) so that training goes on with the same bits. load
 * checks names, types and shapes: UMB_ERR_FORMAT, UMB_ERR_INVALID; nothing is changed on failure.
 */
UMB_MUST_USE enum umb_status umb_trainer_save(struct umb_trainer *tr, const char *path);
UMB_MUST_USE enum umb_status umb_trainer_load(struct umb_trainer *tr, const char *path);

#endif
