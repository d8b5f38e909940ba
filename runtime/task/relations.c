/* relations.c: see relations.h. */
#include "relations.h"

#include "alloc.h"
#include "fail.h"
#include <math.h>
#include <string.h>

static const struct umb_measure measures[] = {
    {.name = "mutual_information",
     .title = "mutual information of labels",
     .note = "I/√(H·H): 0 where labels are independent, 1 where one says all of the other",
     .high = 1},
    {.name = "jensen_shannon",
     .title = "Jensen–Shannon of target distributions",
     .note = "in bits: 0 where classes are as frequent, 1 where no class is common",
     .high = 1},
    {.name = "kl",
     .title = "KL of target distributions",
     .note = "D(row‖column) in bits: 0 where classes are as frequent, ∞ where the column lacks one",
     .high = INFINITY,
     .directed = true},
    {.name = "both_labels",
     .title = "samples with both labels",
     .note = "share of the training samples; on the diagonal, with the task's own",
     .high = 1,
     .self = true},
    {.name = "cosine",
     .title = "cosine of gradients",
     .note = "below 0 a step for one task raises the other's loss",
     .low = -1,
     .high = 1},
    {.name = "magnitude",
     .title = "magnitude similarity of gradients",
     .note = "1 where both are as long, about 0 where one drowns the other",
     .high = 1},
    {.name = "conflict",
     .title = "conflict score",
     .note = "share of the steps in which gradients conflict",
     .high = 1},
    {.name = "cka",
     .title = "alignment of features (CKA)",
     .note = "1 where features are the same but for a turn and a scale",
     .high = 1},
    {.name = "parameter_distance",
     .title = "distance of parameters",
     .note = "relative to their size: 0 the same, √2 at right angles",
     .high = 2},
    {.name = "affinity",
     .title = "affinity, first order",
     .note = "η·G/L: by which share a step for the row lessens the column's loss",
     .low = -INFINITY,
     .high = INFINITY,
     .directed = true,
     .self = true},
    {.name = "affinity_exact",
     .title = "affinity",
     .note = "1 − L(θ − η·g)/L: by which share a step for the row lessens the column's loss",
     .low = -INFINITY,
     .high = INFINITY,
     .directed = true,
     .self = true},
    {.name = "mtrl",
     .title = "correlation learned by MTRL",
     .note = "Ω/√(Ω·Ω) of the heads' weights",
     .low = -1,
     .high = 1},
};

const struct umb_measure *umb__measure_at(size_t i)
{
    return i < sizeof measures / sizeof *measures ? &measures[i] : NULL;
}

const struct umb_measure *umb__measure_find(const char *name)
{
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        if (strcmp(measures[i].name, name) == 0) { return &measures[i]; }
    }
    return NULL;
}

/* Creation. */

static enum umb_status copy_names(struct umb_relations *r, const char *const *tasks)
{
    r->task = umb__arena_calloc(r->arena, r->T, sizeof *r->task);
    for (size_t t = 0; r->task && t < r->T; t++) {
        r->task[t] = umb__arena_strdup(r->arena, tasks[t]);
        if (!r->task[t]) { return UMB_ERR_NO_MEMORY; }
    }
    return r->task ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__relations_create(struct umb_context *ctx, size_t T, const char *const *tasks,
                                      struct umb_relations **ret_relations)
{
    struct umb_relations *r = umb__calloc(ctx, 1, sizeof *r);
    if (!r) { return UMB_ERR_NO_MEMORY; }
    r->ctx = ctx;
    r->T = T;
    enum umb_status st = umb__arena_create(ctx, &r->arena);
    if (st == UMB_OK) { st = copy_names(r, tasks); }
    if (st != UMB_OK) {
        umb__relations_destroy(r);
        return st;
    }
    *ret_relations = r;
    return UMB_OK;
}

void umb__relations_destroy(struct umb_relations *r)
{
    if (!r) { return; }
    umb__free(r->relation);
    umb__arena_destroy(r->arena);
    umb__free(r);
}

/* Adding and finding. */

static bool same_part(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const double *umb__relations_find(const struct umb_relations *r, const char *measure,
                                  const char *part)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct umb_relation *relation = &r->relation[i];
        if (strcmp(relation->measure->name, measure) != 0) { continue; }
        if (same_part(relation->part, part)) { return relation->value; }
    }
    return NULL;
}

static enum umb_status make(struct umb_relations *r, const struct umb_measure *measure,
                            const char *part, struct umb_relation *ret)
{
    *ret = (struct umb_relation){.measure = measure,
                                 .part = part ? umb__arena_strdup(r->arena, part) : NULL,
                                 .value =
                                     umb__arena_calloc(r->arena, r->T * r->T, sizeof *ret->value)};
    if (!ret->value || (part && !ret->part)) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < r->T * r->T; i++) {
        ret->value[i] = (double)NAN;
    }
    return UMB_OK;
}

enum umb_status umb__relations_add(struct umb_relations *r, const char *measure, const char *part,
                                   double **ret_value)
{
    const struct umb_measure *row = umb__measure_find(measure);
    if (!row) { return umb__fail(r->ctx, UMB_ERR_INVALID, "'%s' is no measure", measure); }
    if (umb__relations_find(r, measure, part)) {
        return umb__fail(r->ctx, UMB_ERR_INVALID, "%s%s%s: is there already", measure,
                         part ? " of " : "", part ? part : "");
    }
    struct umb_relation *more = umb__grow(r->ctx, r->relation, r->n, r->n + 1, sizeof *more);
    if (!more) { return UMB_ERR_NO_MEMORY; }
    r->relation = more;
    const enum umb_status st = make(r, row, part, &r->relation[r->n]);
    if (st != UMB_OK) { return st; }
    *ret_value = r->relation[r->n++].value;
    return UMB_OK;
}
