/*
 * trainer_soft.h: soft sharing as a trainer does it (umbel/soft_sharing.h).
 *
 * The penalty is tr(W·B·Wᵀ) with a small symmetric B, kept as the pull P of ops/soft_share.c; P is
 * an input of the graph, written before each step, so that MTRL changes it without a new plan.
 * Penalties lie behind differentiation: balancers do not see them, and each task's gradient is its
 * own.
 */
#ifndef UMB_TRAINER_SOFT_H
#define UMB_TRAINER_SOFT_H

#include "soft_match.h"
#include "trainer_internal.h"

/* Of one training graph, in its arena. */
struct umb_soft_values {
    int pull; /* input [T,T]; −1: nothing is added to the graph */
    struct umb_soft_match match;
    int *penalty; /* [match.n] outputs [1] */
};

struct umb_trainer_soft {
    struct umb_soft_sharing desc;  /* strings and numbers in the trainer's arena */
    double *pull, *omega, *matrix; /* [T,T] P; Ω, with MTRL; room */
    bool told;                     /* what matches was logged */
    double penalty;                /* of the latest step */
};

/* From a description (NULL: none), checked and copied: UMB_ERR_INVALID. */
UMB_MUST_USE enum umb_status umb__soft_create(struct umb_trainer *tr,
                                              const struct umb_soft_sharing *desc);
/* trainer_soft_graph.c: between differentiation and packing: adds the penalties, and makes them
 * part of gradient [values before differentiation]. A parameter without a gradient is not drawn to
 * the others; they are drawn to it. */
UMB_MUST_USE enum umb_status umb__soft_attach(struct umb_trainer *tr, struct umb_trainer_side *side,
                                              int *gradient);
/* Behind the first parameters: those that are to begin alike. */
UMB_MUST_USE enum umb_status umb__soft_start(struct umb_trainer *tr);
/* Before a step: a new Ω where it is due, for which unfinished steps are waited for; and P into the
 * slot. */
UMB_MUST_USE enum umb_status umb__soft_prepare(struct umb_trainer *tr, int slot);
/* Behind a step that was waited for: its penalty. */
void umb__soft_report(struct umb_trainer *tr, int slot);

/* Checkpoints: Ω as "share.omega", doubles by their bits. */
UMB_MUST_USE enum umb_status umb__soft_collect(struct umb_trainer *tr,
                                               struct umb_safetensors *file);
UMB_MUST_USE enum umb_status umb__soft_check(struct umb_trainer *tr,
                                             const struct umb_safetensors *file, const char *path);
UMB_MUST_USE enum umb_status umb__soft_restore(struct umb_trainer *tr,
                                               const struct umb_safetensors *file);

/* For its parts. trainer_soft_desc.c: checks a description, UMB_ERR_INVALID says what is wrong; and
 * puts copies in place of what it points to (false: no memory). */
UMB_MUST_USE enum umb_status umb__soft_verify(struct umb_context *ctx,
                                              const struct umb_soft_sharing *d);
bool umb__soft_copy(struct umb_arena *arena, struct umb_soft_sharing *d);
/* P from the description and Ω; Ω, and P, from the parameters, for which steps are waited for. */
UMB_MUST_USE enum umb_status umb__soft_renew_pull(struct umb_trainer *tr);
UMB_MUST_USE enum umb_status umb__soft_renew_omega(struct umb_trainer *tr);

#endif
