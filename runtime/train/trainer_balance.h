/*
 * trainer_balance.h: balancers in training: what a step's weights are made of, and when.
 *
 * Weights that follow from the step's number alone are uploaded with it. Those that learn from
 * losses (LEARNED) are a state on the device that the host fills during a step for the next one.
 * Those that follow from this step's losses are made by the device, from coefficients that are such
 * a state (ops/loss_weights.h). Those from gradients are made by the host, while the device goes on
 * with what does not need them (ops/host.h). trainer_rows.c writes all that into the graph.
 *
 * The state is the balancer's own numbers, the weights of the coming step, what was seen of pairs
 * of tasks, and rows that the device keeps over steps; a checkpoint has all of it. The host's
 * thread and the trainer's share `lock`.
 */
#ifndef UMB_TRAINER_BALANCE_H
#define UMB_TRAINER_BALANCE_H

#include "balance.h"
#include "graph.h"
#include "loss_weights.h"
#include "pair_watch.h"
#include "trainer.h"
#include <pthread.h>

enum umb_balance_kind {
    UMB_BALANCE_UPLOADED,
    UMB_BALANCE_LEARNED,
    UMB_BALANCE_BY_LOSSES,
    UMB_BALANCE_BY_GRADIENTS,
};

/* What is known of the run of a slot. */
struct umb_balance_step {
    int64_t step;
    double rate;
    double weight[UMB_MAX_TASKS]; /* 0: had no label */
    double residual;
    bool fell_back;
    bool compared; /* the rest is known */
    /* Over pairs of tasks with gradients in this step, whatever rows are kept: the least and the
     * mean cosine, the share below 0. */
    double least_cosine, mean_cosine, conflicts;
    double norm[UMB_MAX_TASKS]; /* of the tasks' gradients; 0: none */
};

struct umb_trainer_balance {
    struct umb_context *ctx;
    struct umb_context *said; /* by rules, on the host's thread while others fail in ctx */
    const struct umb_balancer *row;
    void *attrs;
    enum umb_balance_kind kind;
    enum umb_gradients gradients;
    int64_t every, epoch_steps;
    bool weighs_heads;
    bool by_rows; /* tasks' gradients are kept apart */
    int T;
    uint64_t seed;
    bool sgd;
    double task_weight[UMB_MAX_TASKS];
    const char *task_name[UMB_MAX_TASKS]; /* the net's */
    int n_grams;                          /* of the facts that the host gets, to be added up */
    int64_t n_state;
    double *state;                /* [n_state] */
    double weight[UMB_MAX_TASKS]; /* LEARNED: of the coming step; else of the latest */
    struct umb_balance_step slot[UMB_TRAINER_SLOTS];
    struct umb_pair_watch watch; /* of rules that compare gradients */
    pthread_mutex_t lock;
    enum umb_status status; /* first failure on the host's thread */
    char message[256];
};

struct umb_trainer;
struct umb_trainer_side;
struct umb_safetensors;

/* trainer_balance.c. Checks the desc (NULL: equal) and begins. */
UMB_MUST_USE enum umb_status umb__balancing_create(struct umb_trainer *tr,
                                                   const struct umb_balancing *desc);
void umb__balancing_destroy(struct umb_trainer *tr);
/* Before a training step is submitted: notes what it is, and fills the uploaded weights. */
UMB_MUST_USE enum umb_status umb__balancing_prepare(struct umb_trainer *tr, int slot, double rate,
                                                    float *weights);
/* An epoch is over, and its steps were waited for: pairs of tasks that pull against each other,
 * told of once; *ret_pairs lies in the trainer. */
size_t umb__balancing_pairs(struct umb_trainer *tr, const struct umb_pair **ret_pairs);
/* After it: the host's failures. */
UMB_MUST_USE enum umb_status umb__balancing_result(struct umb_trainer *tr);
/* The run of that slot does not compare gradients; those before it are over. */
void umb__balancing_between(struct umb_trainer *tr, int slot);
/* That task had no label in the run of that slot, which is over. */
void umb__balancing_absent(struct umb_trainer *tr, int slot, int task);
/* Functions of op host: losses and totals [2T], then what the balancer needs, to weights [T], or
 * factors [2T]. learn_by_losses: behind them the weights that were used and, of what
 * needs_second_forward, the losses behind the update, to coefficients. user: the
 * umb_trainer_balance. */
void umb__balancing_learn(void *user, int slot, const float *in, float *out);
void umb__balancing_learn_by_losses(void *user, int slot, const float *in, float *out);
void umb__balancing_weigh(void *user, int slot, const float *in, float *out);
void umb__balancing_mix(void *user, int slot, const float *in, float *out);

/* What the device makes the coming step's weights of where they follow from its losses: the rule's
 * coefficients, tasks' weights among them, as op loss_weights takes them. The caller holds the
 * lock, or no step is under way. */
int umb__balancing_n_coefficients(const struct umb_trainer_balance *b);
void umb__balancing_coefficients(const struct umb_trainer_balance *b, int64_t step, double rate,
                                 float *out);

/* What the device keeps: weights [T] of the coming step, or coefficients; rows [T,P] of the
 * balancer's. */
#define UMB_BALANCE_WEIGHTS "balancer.weights"
#define UMB_BALANCE_COEFFICIENTS "balancer.coefficients"
#define UMB_BALANCE_ROWS "balancer.rows"

/* trainer_balance_state.c. Begins. */
UMB_MUST_USE enum umb_status umb__balancing_begin(struct umb_trainer *tr);
/* Writes the weights of the coming step, or their coefficients, to the device where it keeps them.
 * No step is under way. */
UMB_MUST_USE enum umb_status umb__balancing_write_kept(struct umb_trainer *tr);
UMB_MUST_USE enum umb_status umb__balancing_collect(struct umb_trainer *tr,
                                                    struct umb_safetensors *file);
/* Checks what the file has, before anything is changed; then takes it. */
UMB_MUST_USE enum umb_status umb__balancing_check_file(struct umb_trainer *tr,
                                                       const struct umb_safetensors *file,
                                                       const char *path);
UMB_MUST_USE enum umb_status umb__balancing_restore(struct umb_trainer *tr,
                                                    const struct umb_safetensors *file);

/* Gradients of a training graph. gradient[n]: by value, as umb__graph_pack takes them. */
struct umb_trainer_gradients {
    int *gradient, n;
    bool *shared; /* [n] or NULL */
    int rows; /* of shared parameters' gradients, −1: none; they lie one after another in their
                 order */
    int *in_rows; /* [n_in_rows] parameters */
    int n_in_rows;
    int weights;  /* that combine the rows */
    int to_learn; /* facts from which the coming step's follow behind that; −1: none */
};
/* trainer_combine.c. A backward node with one output at most, *ret_value (may be NULL); its
 * attributes as they are, or as text. */
UMB_MUST_USE enum umb_status umb__balancing_node(struct umb_graph *g, const char *op,
                                                 const void *attrs, const char *name, int n_in,
                                                 const int *in, int *ret_value);
UMB_MUST_USE enum umb_status umb__balancing_node_with(struct umb_graph *g, const char *op,
                                                      const char *attrs, const char *name, int n_in,
                                                      const int *in, int *ret_value);
/* The host's part behind all that reads this step's weights, or coefficients: the coming step's, in
 * their place. */
UMB_MUST_USE enum umb_status umb__balancing_add_learning(struct umb_trainer *tr,
                                                         struct umb_graph *g, int facts);
/* trainer_rows.c. Differentiates; `between`: for steps that do not compare gradients. */
UMB_MUST_USE enum umb_status umb__balancing_differentiate(struct umb_trainer *tr,
                                                          struct umb_trainer_side *side,
                                                          bool between,
                                                          struct umb_trainer_gradients *ret);
/* Behind all passes, for balancers that want the losses of the same batch behind the update: the
 * net once more. facts: of the step, which are the first of what the host is told. */
UMB_MUST_USE enum umb_status umb__balancing_look_again(struct umb_trainer *tr,
                                                       struct umb_trainer_side *side, int facts);
/* trainer_combine.c. Behind packing: has the rows combined into their places in the gradients, of
 * which each device has its own, and behind that the weights learned for the coming step. */
UMB_MUST_USE enum umb_status umb__balancing_combine(struct umb_trainer *tr, struct umb_graph *g,
                                                    const struct umb_trainer_gradients *d,
                                                    const int *gradients);

#endif
