/*
 * trainer_parts.h: how parts of the parameters are trained: which are frozen, at what rate the
 * others go, and how many updates each has had.
 *
 * All parameters lie in one vector whatever is frozen (pack.c), so that another plan finds numbers
 * and moments where they were. An update walks ranges of it: neighbours of one group, which has a
 * rate, attributes of the optimizer and a count of updates (Adam's corrections go by that, not by
 * the trainer's steps). Without frozen ones and parts there is one range, the whole.
 */
#ifndef UMB_TRAINER_PARTS_H
#define UMB_TRAINER_PARTS_H

#include "graph.h"
#include <umbel/train.h>

#define UMB_MAX_PARTS 64

/* Row 0 is the whole's: every parameter that no pattern fits. */
struct umb_trainer_part {
    const char *pattern;
    double rate;
    void *attrs; /* the optimizer's */
};
struct umb_trainer_parts {
    struct umb_trainer_part part[UMB_MAX_PARTS + 1];
    int n;
    bool refreezes;
    char *frozen;     /* lines of PATTERN, or PATTERN running; "" or NULL: nothing is */
    int64_t *updates; /* [n_params], in the order of umb__net_param */
    int n_params;
};

/* Of one training plan. */
struct umb_trainer_groups {
    int n;
    struct umb_trainer_group {
        int part, param; /* param: one of its members */
    } * group;           /* [n] */
    int *of;             /* [n_params], −1: frozen */
    int hyper;           /* the input value of UMB_HYPER_COUNT numbers a group */
};

struct umb_trainer;
struct umb_safetensors;

/* trainer_parts.c. Checks and takes over what the desc says. */
UMB_MUST_USE enum umb_status umb__trainer_take_parts(struct umb_trainer *tr,
                                                     const struct umb_trainer_desc *desc);
void umb__trainer_parts_finish(struct umb_trainer *tr);
/* By those lines; and by the present ones. */
bool umb__trainer_freezes(const struct umb_trainer *tr, const char *frozen, const char *param,
                          bool *ret_running);
bool umb__trainer_is_frozen(const struct umb_trainer *tr, const char *param, bool *ret_running);
/* Another size of the gradients' buffer would be another plan's. */
bool umb__trainer_has_phases(const struct umb_trainer *tr);
/* The rows as lines, freed with umb__free; NULL: no memory. */
char *umb__trainer_frozen_text(struct umb_context *ctx, const struct umb_frozen *frozen, int n);
/* Every update that a step makes. */
void umb__trainer_count_updates(struct umb_trainer *tr);
void umb__trainer_set_hyper(const struct umb_trainer *tr, double rate, float *ret_hyper);

/* trainer_ranges.c. Of a graph before it is differentiated: which values are frozen parameters;
 * NULL where none is. */
UMB_MUST_USE enum umb_status umb__trainer_frozen(const struct umb_trainer *tr, struct umb_graph *g,
                                                 bool **ret_frozen);
/* Ops with running statistics keep them where all their parameters are frozen. */
UMB_MUST_USE enum umb_status umb__trainer_freeze_statistics(const struct umb_trainer *tr,
                                                            struct umb_graph *g);
/* Finds the groups, makes the `hyper` input, and says in gradient[n_gradient] who is frozen. */
UMB_MUST_USE enum umb_status umb__trainer_group(const struct umb_trainer *tr, struct umb_graph *g,
                                                int *gradient, int n_gradient,
                                                struct umb_trainer_groups *ret_groups);
/* The optimizer's nodes of g->device; in[n_in] are its inputs for all of the packed parameters. */
UMB_MUST_USE enum umb_status umb__trainer_add_ranges(const struct umb_trainer *tr,
                                                     struct umb_graph *g,
                                                     const struct umb_trainer_groups *groups,
                                                     const char *name, int n_in, const int *in);

/* trainer_phase.c: what a checkpoint says of it, and back. */
UMB_MUST_USE enum umb_status umb__trainer_collect_phase(struct umb_trainer *tr,
                                                        struct umb_safetensors *file);
struct umb_trainer_phase {
    char *frozen;
    int64_t *updates;
    bool same; /* the present plan serves it */
};
UMB_MUST_USE enum umb_status umb__trainer_read_phase(struct umb_trainer *tr,
                                                     const struct umb_safetensors *file,
                                                     const char *path, int64_t step,
                                                     struct umb_trainer_phase *ret_phase);

#endif
