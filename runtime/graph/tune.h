/*
 * tune.h: measuring the solvers of a graph's problems, and choosing by what was measured.
 *
 * A problem is what solvers can see of a node: op, attributes, types, whether it is for training.
 * Its text is its name in the tuning database (tuning.h). Every solver that applies is run on the
 * device with numbers drawn for it, its result compared with the reference, and only then its time
 * counts: a solver that computes something else, or does not build or run, loses whatever its
 * speed. Times are device times of the whole node, the least of several runs, solvers taken in turn
 * so that a busy machine disturbs all alike.
 *
 * The expected result is the reference's, in double. Where that would take too long, the inputs'
 * rows are copies of a few rows and of zeros, and the reference works those out alone: an output
 * with rows then holds copies of theirs, one without holds the sum over the rows. Whether an op is
 * of that kind is found out by working two rows out together and one by one; else its whole
 * reference is taken, however long.
 */
#ifndef UMB_TUNE_H
#define UMB_TUNE_H

#include "graph.h"
#include "steps.h"
#include "text.h"
#include "tuning.h"

/* Names and choices (tune_choose.c). */

/* Writes the problem's name into an empty text; false: too long to be kept. */
bool umb__problem_text(const struct umb_problem *p, struct umb_text *text);

/* Who chose a solver. */
enum umb_choice_source {
    UMB_CHOICE_GIVEN,    /* a resumed run */
    UMB_CHOICE_MEASURED, /* the tuning database */
    UMB_CHOICE_BUILT_IN, /* a row of tune_built_in.c */
    UMB_CHOICE_RANK,
};
struct umb_choice {
    const struct umb_solver *solver; /* NULL: none applies */
    enum umb_choice_source source;
    const struct umb_tuned *tuned; /* what was measured of the problem, in the tuning; NULL */
};
/* wanted NULL: choose freely. tuning may be NULL. A problem measured for training serves for
 * inference too, and the other way round. What was measured as wrong or failing is not chosen while
 * anything else applies. */
UMB_MUST_USE enum umb_status umb__solver_pick(const struct umb_problem *p,
                                              const struct umb_tuning *tuning, const char *wanted,
                                              struct umb_choice *ret_choice);
/* What was measured of a solver; 0: nothing. */
uint64_t umb__tuned_ns(const struct umb_tuned *tuned, const char *solver);

/* The solver that a device of this kind is known to be fastest with, or NULL (tune_built_in.c). */
const char *umb__built_in_solver(const struct umb_device_caps *caps, const char *problem);

/* Measuring (tune.c). */

enum umb_tune_event { UMB_TUNE_SOLVER, UMB_TUNE_PROBLEM, UMB_TUNE_END, UMB_TUNE_CLBLAST };
struct umb_tune_summary;
struct umb_tune_report {
    enum umb_tune_event event;
    int index, n_problems;       /* this problem among those to be measured */
    const struct umb_problem *p; /* of the first node */
    const char *text;
    int n_nodes; /* that pose it */
    const char *const *nodes;
    const char *solver;                     /* SOLVER: the one that is run now */
    const struct umb_choice *old;           /* PROBLEM: what a plan would have taken without this */
    const struct umb_tuned *tuned;          /* PROBLEM: what was measured */
    const struct umb_tune_summary *summary; /* END, which has nothing else */
    double flops;                           /* CLBLAST: of all its nodes */
};

struct umb_tune_desc {
    struct umb_device *device;
    const struct umb_graph *graph; /* behind its passes */
    int member;                    /* the graph's nodes on this device of several are meant */
    struct umb_tuning *tuning;     /* gets the results; saving is the caller's */
    bool full;                     /* more runs, no limit of time */
    bool again;                    /* also what was measured already, and as carefully */
    void (*listen)(void *user, const struct umb_tune_report *report); /* NULL: nobody */
    void *user;
};
struct umb_tune_summary {
    int n_problems;                  /* distinct ones of the graph */
    int n_measured, n_known, n_left; /* left: the time was over */
    int n_wrong, n_failed;           /* solvers that lost for it */
    int n_hopeless;                  /* problems that no solver gets right */
};
/* Those with most work first, for quick measuring ends after a minute. Errors: UMB_ERR_NO_MEMORY,
 * what the device fails with outside of solvers. */
UMB_MUST_USE enum umb_status umb__tune_graph(struct umb_context *ctx,
                                             const struct umb_tune_desc *desc,
                                             struct umb_tune_summary *ret_summary);

/* CLBlast's parameters (tune_clblast.c): clblast.h's sets, measured for the graph's products with
 * most work, as if they were solvers of the problem UMB_CLBLAST_SOLVER. The listener hears SOLVER
 * for each set, and CLBLAST at the end: p is the first product, nodes one for each. It is for a
 * process that makes no results: which set it has thereafter is left open. Errors:
 * UMB_ERR_UNSUPPORTED (no product of CLBlast's in the graph), UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__tune_clblast(struct umb_context *ctx,
                                               const struct umb_tune_desc *desc);
/* The set that was fastest, of those that this Umbel knows, or UMB_CLBLAST_OWN. */
const char *umb__tuned_clblast(const struct umb_tuning *tuning);

#endif
