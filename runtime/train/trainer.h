/*
 * trainer.h: the trainer's inside, for the loop: slots filled beside the running step, and state by
 * name.
 *
 * The loop fills slot s from its loader thread while earlier slots are being computed; submit does
 * not wait. Order: fill(s) → submit(s) → wait(s). Slots are used in turn, 0 … n_slots−1.
 */
#ifndef UMB_TRAINER_H
#define UMB_TRAINER_H

#include "fit.h"
#include "safetensors.h"
#include "tune.h"
#include <umbel/train.h>

#define UMB_TRAINER_SLOTS 3

enum umb_trainer_mode { UMB_TRAINER_TRAIN, UMB_TRAINER_EVALUATE };

/* Solvers are measured before a plan is made. */
struct umb_trainer_tuning {
    bool wanted;  /* else what was measured earlier serves */
    bool clblast; /* of CLBlast's parameters, in place of solvers */
    bool full, again,
        keep; /* again: also what is known; keep: not being able to save is an error */
    void (*listen)(void *user, const struct umb_tune_report *report);
    void *user;
};
/* umb_trainer_create, with tuning in place of what UMBEL_TUNE says. */
UMB_MUST_USE enum umb_status umb__trainer_create_tuned(struct umb_context *ctx,
                                                       const struct umb_trainer_desc *desc,
                                                       const struct umb_trainer_tuning *tuning,
                                                       struct umb_trainer **ret_trainer);
/* Rows for each of n devices: shares.c. By time: of a step of the whole batch, alone. */
void umb__shares_even(int64_t batch, int n, int64_t *ret_shares);
void umb__shares_by_time(int64_t batch, int n, const uint64_t *ns, int64_t *ret_shares);
/* Times the desc's devices (desc->shares is not looked at); a net whose layers name none. */
UMB_MUST_USE enum umb_status umb__shares_measure(struct umb_context *ctx,
                                                 const struct umb_trainer_desc *desc,
                                                 int64_t *ret_shares);
/* NULL: UMBEL_TUNE is off. */
const struct umb_tuning *umb__trainer_tuning(const struct umb_trainer *tr);

/* Where the host puts a batch; rows beyond n need not be touched (their mask must be 0: set_rows
 * does that). */
struct umb_slot_view {
    uint8_t *images[64]; /* per image of the net: [batch,H,W,C] */
    void *labels[64];    /* per task: int32 or float */
    float *mask[64];     /* per task: [batch] */
};
#define UMB_MAX_STREAMS 64
#define UMB_MAX_IMAGES 64
#define UMB_MAX_TASKS 64

void umb__trainer_slot(struct umb_trainer *tr, enum umb_trainer_mode mode, int slot,
                       struct umb_slot_view *ret_view);
/* n real samples of each stream [n_streams]; zeroes the masks of the rest. */
void umb__trainer_set_rows(struct umb_trainer *tr, enum umb_trainer_mode mode, int slot,
                           const int64_t *n);
/* Train: one update with this rate (the step number is the trainer's own, +1). Evaluate: forward
 * only. */
UMB_MUST_USE enum umb_status umb__trainer_submit(struct umb_trainer *tr, enum umb_trainer_mode mode,
                                                 int slot, double rate);
/* A training step like submit, but on profiling queues and waited for: the plan then knows the
 * times of its steps. What was submitted before may still be under way. umb__trainer_wait still
 * collects the slot's report. */
UMB_MUST_USE enum umb_status umb__trainer_trace(struct umb_trainer *tr, int slot, double rate);
/* The same on one queue, for the steps' times alone (umb__plan_time_alone). */
UMB_MUST_USE enum umb_status umb__trainer_time_alone(struct umb_trainer *tr, int slot, double rate);
/* Of so many steps the first is run by the training plan, the others by one that takes up the
 * first's weights of tasks; trace and time_alone are for the first. */
int64_t umb__trainer_period(const struct umb_trainer *tr);
/* Steps of an epoch, for balancers that go by epochs; before the first step. */
UMB_MUST_USE enum umb_status umb__trainer_set_epoch_steps(struct umb_trainer *tr, int64_t steps);
/* What a step that was waited for, of that slot, had for weights of tasks, and how far their
 * gradients agreed. */
struct umb_balance_step;
struct umb_balance_step umb__trainer_balance_step(const struct umb_trainer *tr, int slot);
/* Waits for that slot's run; ret_losses[tasks] (NaN where a task had no label) and adds to the
 * running results. */
UMB_MUST_USE enum umb_status umb__trainer_wait(struct umb_trainer *tr, enum umb_trainer_mode mode,
                                               int slot, double *ret_losses);

struct umb_plan *umb__trainer_plan(const struct umb_trainer *tr, enum umb_trainer_mode mode);
const struct umb_graph *umb__trainer_graph(const struct umb_trainer *tr,
                                           enum umb_trainer_mode mode);

/* What was given up for the memory limit; limit 0 and nothing given up: there was no need. */
struct umb_fit umb__trainer_fit(const struct umb_trainer *tr, enum umb_trainer_mode mode);

/* Checkpoints: the trainer's own tensors and metadata are added to `file` (a writer's list), the
 * loop adds its own metadata. */
UMB_MUST_USE enum umb_status umb__trainer_collect(struct umb_trainer *tr,
                                                  struct umb_safetensors *file);
UMB_MUST_USE enum umb_status umb__trainer_restore(struct umb_trainer *tr,
                                                  const struct umb_safetensors *file,
                                                  const char *path);

#endif
