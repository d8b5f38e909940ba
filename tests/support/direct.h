/*
 * direct.h: one op run on numbers that a test wrote down, on the device or by its reference.
 *
 *     struct direct d = direct_open("mse", NULL);
 *     direct_f32(&d, &shape, x); …
 *     direct_device(&d);
 *     … direct_out(&d, 0) …
 *     direct_close(&d);
 *
 * Whatever fails, fails the test that runs.
 */
#ifndef DIRECT_H
#define DIRECT_H

#include "harness.h"

#define DIRECT_MAX_IN 8

struct direct {
    const struct umb_op *op;
    void *attrs;
    struct umb_arena *arena;
    bool training; /* true unless a test says otherwise */
    int n_streams; /* 1 unless a test says otherwise */
    int n_in, n_out;
    struct umb_type in_type[DIRECT_MAX_IN], out_type[UMB_OP_MAX_OUT];
    void *in[DIRECT_MAX_IN], *out[UMB_OP_MAX_OUT]; /* of the types' dtypes; owned */
};

struct direct direct_open(const char *op, const char *attrs);
void direct_close(struct direct *d);

/* Adds an input: a copy of data, or zeros where it is NULL. Inputs with a batch axis are of all
 * n_streams; set those first. */
void direct_f32(struct direct *d, const struct umb_shape *shape, const float *data);
void direct_i32(struct direct *d, const struct umb_shape *shape, const int32_t *data);
struct umb_shape direct_shape(int rank, int64_t a, int64_t b);

/* Infers, runs and fills out (anew each time); inputs that the op writes change in place. */
void direct_device(struct direct *d);
void direct_reference(struct direct *d);
/* Infers only; the message, or "" where there is nothing to refuse. */
const char *direct_refusal(struct direct *d);

float *direct_out(struct direct *d, int index);
float *direct_in(struct direct *d, int index);

/* |got − expected| ≤ tolerance·(1 + |expected|) for each of n; NaN equals NaN. */
void assert_close(const char *what, const float *got, const float *expected, int64_t n,
                  double tolerance);

#endif
