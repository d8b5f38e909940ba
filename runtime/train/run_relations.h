/*
 * run_relations.h: how far apart nets are that were trained on one task each.
 */
#ifndef UMB_RUN_RELATIONS_H
#define UMB_RUN_RELATIONS_H

#include "relations.h"

/*
 * Adds parameter_distance, from the latest checkpoints of n runs that each trained one of the
 * tasks, by the names that parameters have in both. Pairs for which no runs are given, or whose
 * nets share no name, stay undefined. Errors: those of opening a run; UMB_ERR_INVALID where a run
 * has several tasks, one that the relations lack, or one that another run has.
 */
UMB_MUST_USE enum umb_status umb__run_relations(struct umb_relations *r, const char *const *runs,
                                                size_t n);

#endif
