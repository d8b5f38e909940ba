/*
 * progress.h: a training, told to a person: a line that moves on a terminal, a line an epoch
 * elsewhere, and the table at the end.
 */
#ifndef UMBEL_PROGRESS_H
#define UMBEL_PROGRESS_H

#include "loop.h"
#include <stdio.h>

struct progress {
    FILE *out;
    bool terminal;
    bool began; /* the data and the checkpoint were fine: what fails now fails while working */
    int columns;
    const char *prefix; /* of the moving line; NULL: none */
    uint64_t shown_ns;  /* when the moving line was last drawn */
};
struct progress progress_create(FILE *out);
void progress_listen(void *user, const struct umb_loop_report *report); /* user: the progress */
/* Ends a moving line, so that a message can follow. */
void progress_break(struct progress *p);

/* The tasks' results over one split as a table. */
void print_results(FILE *out, const struct umb_experiment *exp,
                   const struct umb_split_results *results);

#endif
