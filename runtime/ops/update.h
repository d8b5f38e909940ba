/*
 * update.h: an optimizer's update by a gradient that a solver has just made and need not write.
 *
 * A pass of the graph marks a node whose output 0 is read by nothing but an optimizer
 * (graph/fuse_update.c). If the op names its solver among `updating`, the solver finds the
 * optimizer in umb_emit.update and applies it (cl/update_run.cl) where it would write output 0.
 */
#ifndef UMB_UPDATE_H
#define UMB_UPDATE_H

#include "steps.h"

/* The optimizer's node. */
struct umb_emit_update {
    struct umb_problem p;
    const int *in;
};

/* UPDATE of cl/update_run.cl. */
enum umb_update_kind { UMB_UPDATE_ADAM = 1, UMB_UPDATE_SGD, UMB_UPDATE_MOMENTUM };

#define UMB_UPDATE_NUMBERS 6
/* What kernels are given, in the words of cl/update_run.cl. */
struct umb_update_rule {
    int kind;                    /* of enum umb_update_kind */
    int param, moment[2], hyper; /* values; the parameter where there is no such moment */
    double number[UMB_UPDATE_NUMBERS];
};

/* Whether it is an optimizer whose rule the kernels know, with gradients that are not scaled. */
bool umb__update_is_known(const struct umb_problem *p);
struct umb_update_rule umb__update_rule(const struct umb_emit_update *u);

/* The optimizers' own, into `kind` and `number`; returns how many moments there are. adam.c, sgd.c.
 */
int umb__adam_rule(const void *attrs, struct umb_update_rule *r);
int umb__sgd_rule(const void *attrs, struct umb_update_rule *r);

#endif
