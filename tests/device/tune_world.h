/*
 * tune_world.h: a dense layer under a table of solvers of its own: the product's naive one, and
 * others that spoil its result with a kernel of the test's (UMBEL_KERNEL_DIR).
 */
#ifndef UMB_TEST_TUNE_WORLD_H
#define UMB_TEST_TUNE_WORLD_H

#include "program_fixture.h"
#include "tune_internal.h"

/* naive and slow are right; almost, nan and nothing wrong; broken and refused fail; absent does not
 * apply. All but naive have the higher rank. */
extern const struct umb_solver some_solvers[];
#define ALMOST 1                                /* some_solvers' row */
extern const struct umb_solver wrong_solvers[]; /* nan, almost */
extern const struct umb_solver one_solver[];    /* naive */

struct tune_world {
    struct fixture *f;
    struct umb_op op; /* dense, with other solvers */
    struct umb_graph *graph;
    struct umb_tuning *tuning;
};

/* A dense layer over rows × 12, to 5. */
struct tune_world tune_world_open(struct fixture *f, const struct umb_solver *table, int64_t rows);
void tune_world_close(struct tune_world *w);
/* Fails the test that runs, with the context's message. */
void tune_must(const struct tune_world *w, enum umb_status st);

/* What was measured of a solver; the test that runs fails where nothing was. */
const struct umb_tuned_solver *tune_entry(const struct umb_tuned *t, const char *name);

/* Of a case that sets UMBEL_TUNE. */
int tune_teardown(void **state);

#endif
