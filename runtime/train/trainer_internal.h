/*
 * trainer_internal.h: what a trainer holds, for the files that build it, run it and save it.
 */
#ifndef UMB_TRAINER_INTERNAL_H
#define UMB_TRAINER_INTERNAL_H

#include "fit.h"
#include "optimizer.h"
#include "tasks.h"
#include "trainer.h"
#include "trainer_parts.h"

#define UMB_TRAINER_PREDICT 2 /* behind the two of enum umb_trainer_mode */
#define UMB_TRAINER_BETWEEN 3 /* training steps between two comparisons of gradients */
#define UMB_TRAINER_FOLD 4    /* no mode: makes what evaluation and prediction find in the store */
#define UMB_TRAINER_SIDES 5

static inline bool umb__trainer_trains(int mode)
{
    return mode == UMB_TRAINER_TRAIN || mode == UMB_TRAINER_BETWEEN;
}

/* The net compiled for one purpose. */
struct umb_trainer_side {
    struct umb_graph *graph;
    struct umb_plan *plan;
    struct umb_fit fit; /* of the plan into tr->memory */
    struct umb_net_values net;
    struct umb_task_values task[UMB_MAX_TASKS];
    int answer[UMB_MAX_TASKS]; /* PREDICT */
    int weights;               /* TRAIN: input, −1: they are not uploaded */
    const bool *shared;        /* TRAIN: [n_shared] values that are packed first, or NULL */
    int n_shared;
    struct umb_trainer_groups groups; /* TRAIN */
    struct umb_soft_values *soft;     /* TRAIN: trainer_soft.h; NULL: nothing is shared */
    int rows_value[UMB_MAX_DEVICES];  /* of each part of the batch, −1: no op asked */
    int64_t rows[UMB_TRAINER_SLOTS][UMB_MAX_STREAMS];
    int n_folded; /* EVALUATE, PREDICT: values that the store holds for it */
};

struct umb_trainer {
    struct umb_context *ctx;
    struct umb_device *device;
    struct umb_plan_member more[UMB_MAX_DEVICES - 1]; /* devices 1, 2 … */
    int n_devices;
    int64_t share[UMB_MAX_DEVICES]; /* rows of each stream a device takes; all 0: not shared */
    const struct umb_device_caps *more_caps[UMB_MAX_DEVICES - 1];
    const struct umb_net *net;
    struct umb_store *store;
    struct umb_arena *arena;
    int64_t batch;
    uint64_t seed;
    uint64_t memory[UMB_MAX_DEVICES]; /* limits; 0: none */
    int queues, n_streams, n_images, n_tasks;
    bool mixed;
    bool merges;                /* UMBEL_MERGE; changes no bit */
    bool fuses;                 /* UMBEL_FUSE, or as a resumed run did */
    const char *optimizer_name; /* as the user gave it */
    const struct umb_op *optimizer;
    void *optimizer_attrs;
    const char *optimizer_state[2][UMB_MAX_DEVICES]; /* their names in the store */
    double clip_norm;
    int64_t n_parameters, n_steps;
    size_t packed_bytes; /* of device 0's parameters side by side */
    struct umb_trainer_parts parts;
    struct umb_trainer_balance *balance;
    bool between[UMB_TRAINER_SLOTS]; /* whose run that of the slot is */
    int init;                        /* of weights whose layers say nothing: init.h */
    struct umb_trainer_side side[UMB_TRAINER_SIDES];
    bool folded; /* what the folded side makes is of these parameters */
    struct umb_tally tally[UMB_MAX_TASKS];
    struct umb_trainer_soft *soft; /* trainer_soft.h; NULL: nothing is shared */
    int64_t uncounted;             /* labels that may lie in the device's counters */
    struct umb_tuning *tuning;     /* NULL: off */
    struct umb_tuning *more_tuning[UMB_MAX_DEVICES - 1];
    struct umb_trainer_tuning measure;
    char *choices;           /* "node=solver\n…" of a resumed run, else NULL */
    const char *next_choice; /* a line of it: where the next node's is looked for first */
};

/* The optimizer's state buffers in the store, each of packed_bytes. */
#define UMB_OPTIMIZER_STATES 2
extern const char *const
    umb__optimizer_state_names[UMB_OPTIMIZER_STATES]; /* "optimizer.first", "optimizer.second" */
int umb__trainer_n_optimizer_states(const struct umb_trainer *tr);
/* A number among the optimizer's attributes; 0 where it has none of that name. */
double umb__trainer_optimizer_attr(const struct umb_trainer *tr, const char *name);

/* The batch is shared by several devices. */
bool umb__trainer_shares(const struct umb_trainer *tr);
/* shares.c: "40,24" of n devices into buffer, "" where nothing is shared; and back: false where the
 * text is no division of the batch among n. */
#define UMB_SHARES_TEXT (UMB_MAX_DEVICES * 20)
const char *umb__shares_text(const int64_t *shares, int n, char *buffer);
bool umb__shares_parse(const char *text, int64_t batch, int n, int64_t *ret_shares);
/* trainer_graph.c: the net as a graph for one purpose, behind every pass. */
UMB_MUST_USE enum umb_status umb__trainer_graph_of(struct umb_trainer *tr, int mode,
                                                   struct umb_trainer_side *side);
/* trainer.c: a store of the trainer's devices. */
UMB_MUST_USE enum umb_status umb__trainer_make_store(const struct umb_trainer *tr,
                                                     struct umb_store **ret_store);
/* trainer_net.c: the net in side->graph, with side->net and side->rows_value. */
UMB_MUST_USE enum umb_status umb__trainer_build_net(struct umb_trainer *tr, int mode,
                                                    struct umb_trainer_side *side);
/* The same for so many rows of each stream, all where the parameters are: what is not trained. */
UMB_MUST_USE enum umb_status umb__trainer_build_whole(struct umb_trainer *tr, int64_t batch,
                                                      struct umb_graph *g,
                                                      struct umb_net_values *ret_net);
/* The net once more in side->graph, with the same images, where the first is: the tasks' outputs,
 * and what tells each device of its rows, −1 where no op asked. */
UMB_MUST_USE enum umb_status umb__trainer_build_again(const struct umb_trainer *tr,
                                                      const struct umb_trainer_side *side,
                                                      int *ret_output, int *ret_rows_value);
/* trainer_plan.c: compiles a side that is not there yet. */
UMB_MUST_USE enum umb_status umb__trainer_compile(struct umb_trainer *tr, int mode);
/* trainer_tune.c: reads UMBEL_TUNE, which `asked` (may be NULL) goes before; and measures what a
 * side's graph needs, where that is wanted. */
UMB_MUST_USE enum umb_status umb__trainer_open_tuning(struct umb_trainer *tr,
                                                      const struct umb_trainer_tuning *asked);
UMB_MUST_USE enum umb_status umb__trainer_tune(struct umb_trainer *tr, int mode);
/* Has CLBlast go by that set from now on; a warning: this process cannot. */
void umb__trainer_use_clblast(struct umb_trainer *tr, const char *set);
/* trainer_restore.c: another training plan, with `frozen` (taken over on success) for what was. */
UMB_MUST_USE enum umb_status umb__trainer_refreeze(struct umb_trainer *tr, char *frozen);
/* trainer_fold.c: the graph of what depends on parameters alone, and making that anew where they
 * have changed since; mode EVALUATE or PREDICT, compiled. Waits for all runs where there is
 * something to do. */
UMB_MUST_USE enum umb_status umb__trainer_fold_graph(struct umb_trainer *tr,
                                                     struct umb_trainer_side *side);
UMB_MUST_USE enum umb_status umb__trainer_fold(struct umb_trainer *tr, int mode);
void umb__trainer_drop_side(struct umb_trainer_side *side);
/* Waits for every slot of every side. */
UMB_MUST_USE enum umb_status umb__trainer_settle(struct umb_trainer *tr);
/* Moves the device's counters into the tallies; after settle. */
UMB_MUST_USE enum umb_status umb__trainer_drain(struct umb_trainer *tr);
void umb__trainer_clear_tallies(struct umb_trainer *tr);

#endif
