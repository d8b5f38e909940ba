/*
 * compare.h: what umbel compare is about: an experiment, trained with each of its tasks alone and
 * by each method, with several seeds, each as an ordinary run in one folder.
 *
 *   comparison.json   all numbers, written anew behind every run      single-TASK-seedN/   a run
 *   report.html       the same as a page                              METHOD-seedN/        a run
 */
#ifndef UMBEL_COMPARE_H
#define UMBEL_COMPARE_H

#include "cli.h"
#include "comparison.h"
#include "progress.h"
#include "session.h"

struct compare {
    const struct cli *cli;
    const char *file; /* the experiment's, or a built-in one's name */
    const struct cli_list *sets;
    const char *const *method; /* [n_methods] */
    size_t n_methods, n_seeds;
    const char *out; /* NULL: runs/NAME-compare-1, -2 … */
    bool resume;
    const volatile sig_atomic_t *stop;
    char *path;                 /* of the folder; NULL: not made yet */
    struct umb_experiment *exp; /* as the file has it, read only */
    struct umb_comparison *table;
    struct progress progress;
    size_t n_failed; /* runs whose loss was not finite, or the like: left out of the table */
    /* umbel group: its one method is the experiment as it is, and behind each of that run's epochs
     * `look` is called, whose failure ends it, and `done` with its training. */
    bool groups;
    enum umb_status (*look)(struct compare *c, const struct session *s, int64_t epoch);
    void (*done)(struct compare *c);
    void *user;
};

/* Reads the experiment and every way of training it, so that mistakes show before the work. */
UMB_MUST_USE enum umb_status compare_prepare(struct compare *c);
/* Trains what has not been trained, seed by seed, and fills the table. */
UMB_MUST_USE enum umb_status compare_train(struct compare *c);
/* The same of each seed's runs first … last−1 alone, without those whose numbers are there. */
UMB_MUST_USE enum umb_status compare_train_some(struct compare *c, size_t first, size_t last);
void compare_finish(struct compare *c);

/* compare_folder.c. An --out that holds a comparison or a run is refused; one that is to go on is
 * found, its path kept in c; it is made late, so that what cannot be trained leaves none behind. */
UMB_MUST_USE enum umb_status compare_check_free(const struct compare *c);
UMB_MUST_USE enum umb_status compare_find_folder(struct compare *c);
UMB_MUST_USE enum umb_status compare_make_folder(struct compare *c);
/* Writes comparison.json and report.html anew. */
UMB_MUST_USE enum umb_status compare_write(const struct compare *c);
UMB_MUST_USE enum umb_status compare_is_there(struct umb_context *ctx, const char *folder,
                                              const char *name, bool *ret_there);

/* compare_text.c: the table for people, with its notes; and as JSON. */
struct umb_text;
UMB_MUST_USE enum umb_status compare_print(const struct umb_comparison *table, FILE *out);
UMB_MUST_USE enum umb_status compare_json(const struct umb_comparison *table, struct umb_text *out);

/* The end of a command: prints the table, or says what went wrong and, after an interrupt, how to
 * go on. Returns the exit code. */
int compare_end(struct compare *c, enum umb_status st, bool json,
                void (*say_how_to_resume)(const struct compare *c));

#endif
