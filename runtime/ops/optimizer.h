/*
 * optimizer.h: the vector of numbers that change from step to step, which the optimizer ops read.
 *
 * The host fills one f32 [UMB_HYPER_COUNT] before each step, in double and rounded once; t counts
 * steps from 1. Everything else about an optimizer is an attribute. A moment buffer starts as
 * zeros.
 */
#ifndef UMB_OPTIMIZER_H
#define UMB_OPTIMIZER_H

enum umb_hyper {
    UMB_HYPER_RATE,        /* the learning rate */
    UMB_HYPER_CORRECTION1, /* adam: 1 − beta1^t */
    UMB_HYPER_CORRECTION2, /* adam: 1 − beta2^t */
    UMB_HYPER_FIRST,       /* 1 at step 1, else 0: sgd's momentum buffer becomes the gradient */
    UMB_HYPER_ONE,         /* always 1: the gradients' scale where nothing clips them */
    UMB_HYPER_COUNT = 8    /* the rest is 0 */
};

#endif
