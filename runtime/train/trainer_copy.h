/*
 * trainer_copy.h: plans that stand beside a trainer, of its net, with a store of their own: its
 * parameters and states by name, and the batch in one of its slots.
 */
#ifndef UMB_TRAINER_COPY_H
#define UMB_TRAINER_COPY_H

#include "plan.h"
#include "tasks.h"
#include "trainer.h"

/* A graph with the net for a whole batch, where the trainer evaluates it. The caller's to destroy,
 * after a failure too. */
UMB_MUST_USE enum umb_status umb__trainer_copy_net(struct umb_trainer *tr, bool training,
                                                   struct umb_graph **ret_graph,
                                                   struct umb_net_values *ret_net);
/* The parameters of each device as one value, ret_params[devices]; −1: it has none. */
UMB_MUST_USE enum umb_status umb__trainer_copy_pack(const struct umb_trainer *tr,
                                                    struct umb_graph *g, int *ret_params);
/* The plan of a graph that is ready but for transfers of what was added last, fusing and aliases.
 * *ret_plan reads and writes store.
 */
UMB_MUST_USE enum umb_status umb__trainer_copy_plan(const struct umb_trainer *tr,
                                                    struct umb_graph *g, struct umb_store *store,
                                                    struct umb_plan **ret_plan);
/* The trainer's present parameters and states, packed as g has them. Waits for all its runs. */
UMB_MUST_USE enum umb_status umb__trainer_copy_tensors(struct umb_trainer *tr,
                                                       const struct umb_graph *g,
                                                       struct umb_store *store);
/* The inputs in a training slot to slot 0 of the plan; draw: which drawing of dropout. */
void umb__trainer_copy_inputs(const struct umb_trainer *tr, int slot, uint64_t draw,
                              const struct umb_graph *g, struct umb_plan *plan);

#endif
