/*
 * tune_internal.h: a problem with its numbers (tune_sample.c, tune_by_rows.c), and its solvers' runs
 * (tune_run.c).
 */
#ifndef UMB_TUNE_INTERNAL_H
#define UMB_TUNE_INTERNAL_H

#include "tune.h"

#define UMB_TUNE_MAX_TENSORS 160
#define UMB_TUNE_ROWS 9 /* rows of numbers, and at the end one of zeros */
#define UMB_TUNE_ZERO (UMB_TUNE_ROWS - 1)

/* A tensor's expected numbers: all of them, or those of the rows that its rows are copies of. */
struct umb_tune_expected {
    double *all;
    double *row[UMB_TUNE_ROWS];
    int64_t row_count; /* elements of one */
};

struct umb_sample {
    struct umb_context *ctx;
    struct umb_problem p;
    bool checked;                                            /* expected results are there */
    void *in[UMB_TUNE_MAX_TENSORS];                          /* as they are before a run */
    void *work[UMB_TUNE_MAX_TENSORS];                        /* inputs, then outputs, of a run */
    struct umb_tune_expected expected[UMB_TUNE_MAX_TENSORS]; /* of outputs, and inputs written */
    unsigned char *row_of; /* [rows] which row each row copies; NULL: rows of their own */
    /* The first of those rows alone, for the safe solver where the whole would take too long. */
    struct umb_problem one;
    struct umb_type one_type[UMB_TUNE_MAX_TENSORS];
    void *one_in[UMB_TUNE_MAX_TENSORS];
};

/* tune_fill.c: the type of an input, or of an output behind them. */
const struct umb_type *umb__tune_type(const struct umb_problem *p, int tensor);
/* tune_fill.c: a type with that many rows, where it has rows; and numbers for an input of a node,
 * whatever the number of rows of `type`. */
struct umb_type umb__tune_rows(const struct umb_type *type, int64_t rows);
UMB_MUST_USE enum umb_status umb__tune_fill(struct umb_context *ctx, const struct umb_graph *g,
                                            int node, int input, const struct umb_type *type,
                                            void *data);

struct umb_sample_desc {
    struct umb_context *ctx;
    const struct umb_graph *graph;
    int node;
    struct umb_problem p;
    bool checked;     /* false: merely to be timed */
    double max_flops; /* the most that a whole reference may count */
};
UMB_MUST_USE enum umb_status umb__sample_create(const struct umb_sample_desc *desc,
                                                struct umb_sample **ret_sample);
void umb__sample_destroy(struct umb_sample *s);
/* Forgets inputs and what is expected. */
void umb__sample_forget(struct umb_sample *s);
static inline int umb__sample_n_tensors(const struct umb_sample *s)
{
    return s->p.n_in + s->p.n_out;
}
/* Runs the reference on inputs host[k] of type[k]; ret_data gets an array in double for every
 * tensor, to be freed also on failure. */
UMB_MUST_USE enum umb_status umb__sample_work_out(const struct umb_sample *s,
                                                  const struct umb_type *type,
                                                  const void *const *host, double **ret_data);
void umb__sample_free_numbers(double **data);
/* tune_by_rows.c: inputs, and what is expected, made of a few rows; *ret_done, which is given
 * false, stays so with UMB_OK where the op cannot be taken apart. */
UMB_MUST_USE enum umb_status umb__sample_by_rows(const struct umb_sample_desc *desc,
                                                 struct umb_sample *s, bool *ret_done);

/* One solver on the sample: ns[repeats], and whether its result is right: *ret_wrong says what is
 * not, into a buffer of UMB_TUNE_NOTE ("": right, or not checked). An error is the solver's. */
#define UMB_TUNE_NOTE 256
UMB_MUST_USE enum umb_status umb__sample_run(struct umb_sample *s, struct umb_device *device,
                                             const struct umb_solver *solver, int repeats,
                                             uint64_t *ret_ns, char *ret_wrong);
/* The same on one row; only where row_of is there. */
UMB_MUST_USE enum umb_status umb__sample_run_one(struct umb_sample *s, struct umb_device *device,
                                                 const struct umb_solver *solver, uint64_t *ret_ns,
                                                 char *ret_wrong);

/* Measures all of a problem's solvers. */
struct umb_contest {
    struct umb_sample *sample;
    struct umb_device *device;
    bool full;
    void (*begins)(void *user, const char *solver);
    void *user;
};
UMB_MUST_USE enum umb_status umb__contest_run(const struct umb_contest *c,
                                              struct umb_tuned *ret_tuned, struct umb_text *notes);

#endif
