/*
 * balance_world.h: made-up tasks with explicit gradients, and a balancer to weigh them, for the
 * tests of runtime/task/balance*.c.
 */
#ifndef UMB_TEST_BALANCE_WORLD_H
#define UMB_TEST_BALANCE_WORLD_H

#include "balance.h"

#define WORLD_TASKS 64
#define WORLD_PARAMS 97 /* more than tasks, so that random gradients are independent */

struct world {
    int n, n_params;
    double g[WORLD_TASKS][WORLD_PARAMS]; /* gradients [n,n_params] */
    double gram[WORLD_TASKS * WORLD_TASKS];
    double loss[WORLD_TASKS], excess[WORLD_TASKS];
    struct umb_balance_facts f; /* points at the above */
};

/* Number i of a sequence: [0,1), and normal. */
double world_unit(uint64_t seed, uint64_t i);
double world_normal(uint64_t seed, uint64_t i);
/* n tasks with gradients a + noise, a·noise ratio by `common`: −1 nearly cancel, 0 independent, 1
 * much alike; lengths within 10^±spread. Losses of 0.1…3. */
void world_make(struct world *w, int n, int n_params, uint64_t seed, double common, double spread);
void world_gram(struct world *w); /* from g again */
/* Step `number` of n tasks, whose gradients agree and disagree by turns. */
void world_step(struct world *w, int n, int number);

/* A balancer with its options and state. Fails the test where it cannot be had. */
struct rule {
    struct umb_context *ctx;
    struct umb_arena *arena;
    const struct umb_balancer *row;
    void *attrs;
    double *state;
    double weight[WORLD_TASKS];
    struct umb_balance_result result; /* of the last rule_weigh */
};
/* Options without which a row cannot be had, for n tasks; good until the next call. */
const char *rule_options(const struct umb_balancer *row, int n);
void rule_open(struct rule *r, const char *name, const char *options, int n_tasks);
void rule_close(struct rule *r);
/* weigh() must be fine. */
const double *rule_weigh(struct rule *r, const struct world *w);
/* open, weigh, close: ret_weight[n]. */
struct umb_balance_result rule_once(const char *name, const char *options, const struct world *w,
                                    double *ret_weight);

/* Σ w_t g_t, and ⟨a,b⟩. */
void world_direction(const struct world *w, const double *weight, double *ret_d);
double world_dot(int n, const double *a, const double *b);
/* A x = b by Gaussian elimination with pivots; a [n,n] of stride n and b are spoilt. */
void world_solve(int n, double *a, double *b, double *ret_x);

/* Every |got − expected| ≤ tolerance·max|expected|; prints the first that is not. */
void assert_weights(const char *what, int n, const double *got, const double *expected,
                    double tolerance);

#endif
