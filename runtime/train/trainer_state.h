/*
 * trainer_state.h: which tensors and texts a trainer's state is, for the files that save it
 * (trainer_state.c) and bring it back (trainer_restore.c).
 */
#ifndef UMB_TRAINER_STATE_H
#define UMB_TRAINER_STATE_H

#include "trainer_internal.h"

/* A trained value lies in a packed buffer of the store (parameters, or moments); a state in its
 * own. */
struct umb_tensor_place {
    const struct umb_value *value;
    const struct umb_param_spec *spec;
    const char *buffer;
    size_t offset, bytes;
    char name[256]; /* in files */
};
/* Calls each(place) for every tensor of the trainer, until one fails. */
typedef enum umb_status (*umb_tensor_fn)(struct umb_trainer *tr,
                                         const struct umb_tensor_place *place, void *user);
UMB_MUST_USE enum umb_status umb__trainer_for_tensors(struct umb_trainer *tr, umb_tensor_fn each,
                                                      void *user);
/* Adds counters, solvers and shares to the file. */
UMB_MUST_USE enum umb_status umb__trainer_collect_texts(struct umb_trainer *tr,
                                                        struct umb_safetensors *file);

#endif
