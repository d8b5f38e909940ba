/*
 * trainer_rows.h: a training graph's differentiation for a balancer, at work: shared by
 * trainer_rows.c, which makes tasks' gradients, and trainer_home.c, which has weights made of them.
 */
#ifndef UMB_TRAINER_ROWS_H
#define UMB_TRAINER_ROWS_H

#include "tasks.h"
#include "trainer_balance.h"
#include <umbel/device.h>

struct umb_rows {
    struct umb_trainer *tr;
    struct umb_trainer_balance *b;
    struct umb_graph *g;
    const struct umb_task_values *task;
    bool between;
    int T, n;     /* tasks, values before differentiation */
    int *row;     /* [T][n] gradients by task */
    bool *stop;   /* [n] or NULL */
    bool *shared; /* [n] parameters that several tasks reach */
    int *second;  /* [n] gradients from the stops on, or NULL */
    int weights;  /* [T] */
    int losses;   /* losses and totals, for the host; −1: not made yet */
    int gram[UMB_MAX_TASKS * UMB_MAX_DEVICES], n_grams;
};

static inline const struct umb_type *umb__rows_type(const struct umb_rows *r, int value)
{
    return &r->g->value[value].type;
}

/* trainer_home.c. Losses and totals side by side, and behind them what else the host is told. */
UMB_MUST_USE enum umb_status umb__rows_add_facts(struct umb_rows *r, const char *name, int n_more,
                                                 const int *more, int *ret_facts);
/* The weights, where they are known before gradients are. */
UMB_MUST_USE enum umb_status umb__rows_find_weights(struct umb_rows *r);
/* Number t of them, on that device. */
UMB_MUST_USE enum umb_status umb__rows_weight_of(struct umb_rows *r, int t, int device,
                                                 int *ret_value);
/* The inner products of those rows, for the host. */
UMB_MUST_USE enum umb_status umb__rows_add_gram(struct umb_rows *r, int rows);
/* The weights that the host makes of all that; *rows may become others, that are kept. */
UMB_MUST_USE enum umb_status umb__rows_ask_host(struct umb_rows *r, int *rows,
                                                bool compares_params);

#endif
