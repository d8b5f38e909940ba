/*
 * harness.h: the cases of ops, run as tests.
 *
 * One list of rows (those of the op table and a test's own) is run two ways, each case a test of
 * its own: check (every applicable solver of the op and of its gradient on the device against the
 * reference in double) and gradient (autodiff against finite differences of the reference). The
 * third way, bench, is `umbel bench op`. A failure prints the seed, the case, the solver, the
 * index and both values.
 *
 * The device is UMBEL_DEVICE's. UMBEL_TEST_SMALL=1 leaves out cases of more than 4096 numbers, for
 * simulators and software rasterizers.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"
#include "trial.h"
#include <cmocka.h>

struct harness_row {
    const char *op;
    struct umb_op_case row;
};

struct harness {
    const char *const *ops;         /* their rows in the table; NULL-terminated, or NULL */
    const struct harness_row *rows; /* further ones; ends with a NULL op, or NULL */
    const struct CMUnitTest *tests; /* further tests */
    size_t n_tests;
};
/* For main: runs everything, returns the number of failures; memory still held at the end is one.
 */
int harness_main(const char *group, const struct harness *h);

/* The context and device of the program, opened when first asked for. */
struct umb_context *harness_context(void);
struct umb_device *harness_device(void);
/* Fails the test unless every solver that applies to problem `index` on a device of these
 * capabilities is right; `what` says in the message which they are. */
void harness_check_solvers(struct umb_trial *t, int index, const struct umb_device_caps *caps,
                           const char *what);
/* What the present device would say of itself if it were a GPU whose items exchange numbers so
 * (NULL: not at all): groups have many items then, of one lane each. Solvers that go by it run on
 * any device. */
struct umb_device_caps harness_made_up_gpu(const char *shuffle);
/* Mesa's rasterizer runs groups of 32 of some kernels at most (22.3), or dies translating them, on
 * a thread of its own (25.0). No plan gives them to it: it is no GPU. */
bool harness_dies_of_groups(void);
/* UMBEL_TEST_SMALL=1: the device is a slow one. */
bool harness_small(void);

/* True: right. Else what is wrong is appended to report, a line each. An op that cannot be built is
 * wrong too. */
bool harness_check(struct umb_device *device, const struct umb_op *op,
                   const struct umb_op_case *row, uint64_t seed, struct umb_text *report);
bool harness_gradient(struct umb_context *ctx, const struct umb_op *op,
                      const struct umb_op_case *row, uint64_t seed, struct umb_text *report);

#endif
