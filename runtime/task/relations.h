/*
 * relations.h: relations between tasks as named T×T matrices: whoever can compute one adds it, and
 * whoever shows them needs to know no measure by name.
 *
 * What a measure is, its range and what it is called lies in one table (relations.c); a matrix is a
 * measure and, where there is one for each, the part of the net that it is about. Matrices are
 * row-major, row s, column t for the pair (s, t); NaN: undefined, or not measured.
 */
#ifndef UMB_RELATIONS_H
#define UMB_RELATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <umbel/context.h>

struct umb_measure {
    const char *name;  /* "cosine": the key in JSON */
    const char *title; /* "cosine of gradients" */
    const char *note;  /* how to read it, a sentence */
    double low, high;  /* of its values; high may be ∞. Below 0: 0 is neutral */
    bool directed;     /* (s, t) and (t, s) differ: from row to column */
    bool self;         /* (t, t) says something */
};
const struct umb_measure *umb__measure_find(const char *name); /* NULL: there is none */
/* Row i of the table; NULL behind its end. */
const struct umb_measure *umb__measure_at(size_t i);

struct umb_relation {
    const struct umb_measure *measure;
    const char *part; /* a layer; NULL: all there is */
    double *value;    /* [T,T] */
};

struct umb_relations {
    struct umb_context *ctx;
    struct umb_arena *arena;
    size_t T;
    const char **task; /* [T] names, copied */
    struct umb_relation *relation;
    size_t n;
};

UMB_MUST_USE enum umb_status umb__relations_create(struct umb_context *ctx, size_t T,
                                                   const char *const *tasks,
                                                   struct umb_relations **ret_relations);
void umb__relations_destroy(struct umb_relations *r); /* NULL is fine */
/* Adds a matrix, all NaN, that the caller fills; part is copied, NULL is fine. UMB_ERR_INVALID: no
 * such measure, or that matrix is there already. */
UMB_MUST_USE enum umb_status umb__relations_add(struct umb_relations *r, const char *measure,
                                                const char *part, double **ret_value);
/* That matrix, or NULL. */
const double *umb__relations_find(const struct umb_relations *r, const char *measure,
                                  const char *part);

#endif
