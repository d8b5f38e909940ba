/*
 * exp_edit.h: changes to an experiment's tree before it is read, as commands need that train parts
 * of an experiment, or train it in several ways (umb__experiment_read_edited).
 *
 * Each leaves alone what it does not understand: the reader says what is wrong with it.
 */
#ifndef UMB_EXP_EDIT_H
#define UMB_EXP_EDIT_H

#include "yaml_tree.h"

/* Keeps the tasks of these names alone, and of data and trunks those that they use. What `train`
 * says of parameters of a task or trunk that is gone ("NAME.…" in freeze and rates) goes too; an
 * early stop that watched such a task watches the score. Of `fixed`'s weights and of `share` stays
 * what is said of the others. One task alone has no balancer; one, or tasks of one trunk, share
 * with no one. */
void umb__exp_keep_tasks(struct umb_yaml_tree *tree, const char *const *names, size_t n);

/* train.balancer: equal is none, so the key goes; a name that the experiment gives with options
 * keeps them. source stands for FILE:LINE in errors, and lives as long as the tree. */
UMB_MUST_USE enum umb_status umb__exp_set_balancer(struct umb_yaml_tree *tree, const char *name,
                                                   const char *source);
UMB_MUST_USE enum umb_status umb__exp_set_seed(struct umb_yaml_tree *tree, uint64_t seed);

#endif
