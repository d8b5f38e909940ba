/*
 * task_gradients.h: each task's own gradient of what tasks share, looked at from outside training.
 *
 * Beside a trainer stand a graph, plans and a store of their own: what is looked at is a copy of
 * the trainer's parameters, so that looking changes neither them nor running statistics. The batch
 * is one that lies in a slot of the trainer and was not submitted. Losses are times their tasks'
 * weights, as balancers see them. Gradients are of the parameters that two tasks or more lead to
 * and that are not frozen; in training mode, with the batch's own statistics, and with one drawing
 * of dropout for all that is asked of a batch. On several devices layers are where training has
 * them; a batch that devices share is looked at whole, where its parameters are kept.
 *
 *   trainer's slot ──► rows [T,P] of each layer ──► Gram matrices [T,T], losses [T]
 *   θ − η·row i    ──► losses again: what a step for task i does to each
 */
#ifndef UMB_TASK_GRADIENTS_H
#define UMB_TASK_GRADIENTS_H

#include "trainer.h"

struct umb_task_gradients;

/* UMB_ERR_INVALID: tasks share no parameter that is trained. The trainer must outlive it. */
UMB_MUST_USE enum umb_status umb__task_gradients_create(struct umb_trainer *tr,
                                                        struct umb_task_gradients **ret_gradients);
void umb__task_gradients_destroy(struct umb_task_gradients *d); /* NULL is fine */

int umb__task_gradients_n_tasks(const struct umb_task_gradients *d);
/* Layers with parameters that are shared, in the net's order: "conv1". */
int umb__task_gradients_n_layers(const struct umb_task_gradients *d);
const char *umb__task_gradients_layer(const struct umb_task_gradients *d, int layer);

/* Takes up the trainer's present parameters and states. Waits for all its runs. */
UMB_MUST_USE enum umb_status umb__task_gradients_follow(struct umb_task_gradients *d);
/* The batch in a training slot. ret_gram [1 + n_layers][T,T]: of all, then of each layer; ret_loss
 * [T]: NaN where no sample has a label, whose rows and columns are 0. draw: which drawing of
 * dropout. */
UMB_MUST_USE enum umb_status umb__task_gradients_look(struct umb_task_gradients *d, int slot,
                                                      uint64_t draw, double *ret_gram,
                                                      double *ret_loss);
/* Of the batch looked at last: ret_after [T,T], at (i, j) L_j(θ − rate·g_i). */
UMB_MUST_USE enum umb_status umb__task_gradients_after(struct umb_task_gradients *d, double rate,
                                                       double *ret_after);

#endif
