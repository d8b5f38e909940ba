/*
 * record.h: everything that a training leaves, bit by bit: each step's losses and outputs, in the
 * end all parameters, optimizer's moments, running statistics and results. Two trainings of one
 * plan must leave the same record, however they ran.
 */
#ifndef UMB_TEST_RECORD_H
#define UMB_TEST_RECORD_H

#include "session.h"

struct record_entry {
    char name[80]; /* "step 3: t1.loss", "parameters" */
    char *data;
    size_t bytes;
};
struct record {
    struct record_entry *entry;
    size_t n, capacity;
};

/* The outputs that the training plan's slot holds, and the losses. After a wait. */
void record_step(struct record *r, const struct session *s, int slot, int step);
/* What the store keeps and the tasks' results; the results start anew. */
void record_end(struct record *r, const struct session *s);
void record_finish(struct record *r);

/* True where both are the same; else ret_where tells the first difference. */
bool record_same(const struct record *a, const struct record *b, char *ret_where, size_t size);
/* No number of the parameters is NaN or infinite. */
bool record_is_finite(const struct record *r);

#endif
