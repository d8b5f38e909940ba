/*
 * session.h: a trainer with made-up batches, for tests of what steps do to parameters.
 * Whatever fails, fails the test that runs.
 */
#ifndef UMB_TEST_SESSION_H
#define UMB_TEST_SESSION_H

#include "trainer_internal.h"

struct session_desc {
    struct umb_device *device;
    const struct umb_net *net;
    int64_t batch;
    const char *optimizer, *attrs; /* NULL: adam, defaults */
    double clip_norm;
    int queues; /* 0: 1 */
    bool mixed_precision;
    uint64_t seed, memory;
    double memory_share;
    struct umb_device *const *more; /* further devices, that layers of the net name */
    int n_more;
    const int64_t *shares; /* as umb_trainer_desc's */
    /* Whose init, parts, frozen and refreezes are taken; NULL: none. */
    const struct umb_trainer_desc *parts;
    const struct umb_soft_sharing *soft;
    const struct umb_balancing *balancing; /* NULL: equal */
};
struct session {
    struct umb_context *ctx;
    struct umb_trainer *tr;
    struct umb_batch batch[UMB_MAX_STREAMS];
    struct umb_labels labels[UMB_MAX_TASKS];
    double losses[UMB_MAX_TASKS]; /* of the latest step */
    void *images_of[UMB_MAX_STREAMS], *labels_of[UMB_MAX_TASKS];
    float *mask_of[UMB_MAX_TASKS];
};

struct session session_open(struct umb_context *ctx, const struct session_desc *desc);
void session_close(struct session *s);

/* Batch number `step` of a never-ending data set: full, every sample labelled. Samples are numbered
 * through, so that the first rows do not depend on the size of the batch. */
void session_fill(struct session *s, int step);
/* What was filled, into a slot of the training plan that is free; to be submitted by the caller. */
void session_fill_slot(struct session *s, int slot);
void session_step(struct session *s, double rate);
/* fill and step, for steps first … first+n−1. */
void session_train(struct session *s, int first, int n);

/* A buffer of the trainer's store ("parameters", "optimizer.first"), to be freed with umb__free. */
float *session_buffer(const struct session *s, const char *name, size_t *ret_n);
/* Both are device 0's. [n]: 1 where such a buffer holds a number of some parameter, 0 in the gaps;
 * to be freed. */
char *session_used(const struct session *s, size_t n);
/* Fails unless both have the same bits in "parameters" and the optimizer's states. */
void assert_same_bits(const struct session *a, const struct session *b, const char *what);
/* What a checkpoint would hold, to be destroyed. */
struct umb_safetensors *session_collect(struct session *s);
/* Fails unless checkpoints of both would hold the same bits of parameters, states and moments, on
 * whatever devices those are. */
void assert_same_checkpoints(struct session *a, struct session *b, const char *what);

#endif
