/*
 * exp_parts.h: what an experiment's `train` section says of parts of the parameters: `freeze`,
 * `rates` and `init`. docs/experiment.md is the format.
 */
#ifndef UMB_EXP_PARTS_H
#define UMB_EXP_PARTS_H

#include "yaml_tree.h"
#include <umbel/train.h>

#define UMB_EXP_MAX_PATTERNS 64

/* Frozen in epochs from … until, both included, counted from 1. */
struct umb_exp_freeze {
    const struct umb_yaml *node;
    const char *pattern;
    int64_t from, until;
    bool running; /* statistics */
};
struct umb_exp_rate {
    const struct umb_yaml *node;
    struct umb_part part;
};
struct umb_exp_parts {
    size_t n_freeze, n_rates;
    struct umb_exp_freeze *freeze;
    struct umb_exp_rate *rate;
};

struct umb_exp_init {
    const char *name;      /* of a way to draw; NULL: the layers' own */
    struct umb_yaml *from; /* a file or a run; NULL: nothing is taken */
    struct umb_init_desc desc;
};

struct umb_experiment;

/* exp_parts.c: the keys of the section `train`. */
UMB_MUST_USE enum umb_status umb__exp_read_parts(struct umb_experiment *exp,
                                                 const struct umb_yaml *train);
/* Every pattern fits something of the net, and something is trained in every epoch. */
UMB_MUST_USE enum umb_status umb__exp_check_parts(const struct umb_experiment *exp,
                                                  const struct umb_net *net);
/* What is frozen in an epoch, from 1: ret[n_freeze]; returns how many. */
size_t umb__exp_frozen(const struct umb_experiment *exp, int64_t epoch, struct umb_frozen *ret);
/* The desc's init, parts, and what is frozen in the first epoch, in the experiment's arena. */
UMB_MUST_USE enum umb_status umb__exp_trainer_parts(const struct umb_experiment *exp,
                                                    struct umb_trainer_desc *desc);

/* exp_init.c. */
UMB_MUST_USE enum umb_status umb__exp_read_init(struct umb_experiment *exp, struct umb_yaml *node);
/* Finds what `from` names, beside the experiment, in UMBEL_DATA or here: the file, or of a run its
 * best checkpoint, else the latest. What is not found in UMBEL_DATA becomes absolute in the tree.
 */
UMB_MUST_USE enum umb_status umb__exp_find_init(struct umb_experiment *exp);

#endif
