/* Balancers in training: the host's part of a step. */
#include "trainer_balance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trainer_internal.h"

/* ---- making one ---- */

static enum umb_status find_row(struct umb_trainer_balance *b, const struct umb_balancing *desc,
                                struct umb_arena *arena)
{
    const char *name = desc->name ? desc->name : "equal";
    b->row = umb__balancer_find(name);
    if (!b->row) {
        const char *names[64];
        const size_t n = umb__balancer_names(names, 64);
        const char *near = umb__nearest(name, names, n);
        return umb__fail(b->ctx, UMB_ERR_INVALID, "no balancer is called '%s'%s%s%s", name,
                         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    const struct umb_op op = umb__balancer_options(b->row);
    const enum umb_status st = umb__attrs_create(b->ctx, arena, &op, desc->options, &b->attrs);
    return st == UMB_OK ? umb__balancer_check(b->ctx, b->row, b->attrs, b->T) : st;
}

static void choose_kind(struct umb_trainer_balance *b)
{
    if (b->row->needs == UMB_BALANCE_NOTHING) {
        b->kind = b->row->learn ? UMB_BALANCE_LEARNED : UMB_BALANCE_UPLOADED;
    } else {
        b->kind =
            b->row->needs == UMB_BALANCE_LOSSES ? UMB_BALANCE_BY_LOSSES : UMB_BALANCE_BY_GRADIENTS;
    }
}

static enum umb_status check_gradients(const struct umb_trainer_balance *b,
                                       const struct umb_balancing *desc)
{
    const bool special = desc->gradients != UMB_GRADIENTS_SHARED || desc->every > 1;
    if (desc->every < 0) {
        return umb__fail(b->ctx, UMB_ERR_INVALID, "balancing: every is %lld; expected 1 or more",
                         (long long)desc->every);
    }
    if (special && b->row->needs != UMB_BALANCE_GRAM) {
        return umb__fail(
            b->ctx, UMB_ERR_INVALID,
            "balancer %s: %s; expected gradients of all shared parameters in every step",
            b->row->name,
            b->kind == UMB_BALANCE_BY_GRADIENTS ? "it keeps or chooses single numbers of "
                                                  "gradients"
                                                : "it does not look at gradients");
    }
    return UMB_OK;
}

enum umb_status umb__balancing_create(struct umb_trainer *tr, const struct umb_balancing *desc)
{
    static const struct umb_balancing equal = {.name = "equal"};
    if (!desc) { desc = &equal; }
    struct umb_trainer_balance *b = umb__arena_calloc(tr->arena, 1, sizeof *b);
    if (!b) { return UMB_ERR_NO_MEMORY; }
    *b = (struct umb_trainer_balance){.ctx = tr->ctx,
                                      .gradients = desc->gradients,
                                      .every = desc->every ? desc->every : 1,
                                      .epoch_steps = desc->epoch_steps,
                                      .T = tr->n_tasks,
                                      .seed = tr->seed,
                                      .sgd = strcmp(tr->optimizer->name, "sgd") == 0};
    enum umb_status st = find_row(b, desc, tr->arena);
    if (st != UMB_OK) { return st; }
    for (int t = 0; t < b->T; t++) {
        b->task_weight[t] = umb__net_task(tr->net, t)->weight;
        b->task_name[t] = umb__net_task(tr->net, t)->name;
    }
    choose_kind(b);
    st = check_gradients(b, desc);
    if (st != UMB_OK) { return st; }
    if (b->T == 1 && b->kind != UMB_BALANCE_UPLOADED) {
        umb__log(tr->ctx, UMB_LOG_WARN,
                 "balancer %s: there is one task, whose weight is 1 whatever the rule",
                 b->row->name);
        b->row = umb__balancer_find("equal");
        b->kind = UMB_BALANCE_UPLOADED;
        b->every = 1;
        b->gradients = UMB_GRADIENTS_SHARED;
    }
    b->weighs_heads =
        desc->heads == UMB_HEADS_USUAL ? b->row->weighs_heads : desc->heads == UMB_HEADS_WEIGHTED;
    if (b->row->needs == UMB_BALANCE_ELEMENTS) { b->weighs_heads = false; } /* there is no weight */
    b->by_rows = b->T > 1 && (b->kind == UMB_BALANCE_BY_GRADIENTS ||
                              (!b->weighs_heads && b->row->weighs_heads));
    b->n_state = b->row->n_state(b->attrs, b->T);
    b->state = umb__arena_calloc(tr->arena, (size_t)b->n_state + 1, sizeof *b->state);
    if (!b->state) { return UMB_ERR_NO_MEMORY; }
    b->row->start(b->attrs, b->T, b->state);
    if (!umb__pair_watch_make(tr->arena, b->T, &b->watch)) { return UMB_ERR_NO_MEMORY; }
    st = umb_context_create(NULL, &b->said);
    if (st != UMB_OK) { return st; }
    pthread_mutex_init(&b->lock, NULL);
    tr->balance = b;
    return UMB_OK;
}

void umb__balancing_destroy(struct umb_trainer *tr)
{
    if (!tr->balance) { return; }
    pthread_mutex_destroy(&tr->balance->lock);
    umb_context_destroy(tr->balance->said);
}

enum umb_status umb__trainer_set_epoch_steps(struct umb_trainer *tr, int64_t steps)
{
    tr->balance->epoch_steps = steps;
    return umb__balancing_write_kept(tr);
}

struct umb_balance_step umb__trainer_balance_step(const struct umb_trainer *tr, int slot)
{
    struct umb_trainer_balance *b = tr->balance;
    pthread_mutex_lock(&b->lock);
    const struct umb_balance_step s = b->slot[slot];
    pthread_mutex_unlock(&b->lock);
    return s;
}

void umb__balancing_between(struct umb_trainer *tr, int slot)
{
    struct umb_trainer_balance *b = tr->balance;
    pthread_mutex_lock(&b->lock);
    memcpy(b->slot[slot].weight, b->weight, sizeof b->weight);
    pthread_mutex_unlock(&b->lock);
}

void umb__balancing_absent(struct umb_trainer *tr, int slot, int task)
{
    struct umb_trainer_balance *b = tr->balance;
    pthread_mutex_lock(&b->lock);
    b->slot[slot].weight[task] = 0;
    pthread_mutex_unlock(&b->lock);
}

/* ---- facts ---- */

/* Losses of the step whose facts those are, or of its batch behind the update. A weight of 0 takes
 * a task out as a missing label does. */
static void read_losses(const struct umb_trainer_balance *b, const float *loss, const float *facts,
                        double *ret_loss)
{
    for (int t = 0; t < b->T; t++) {
        const bool counts = facts[b->T + t] != 0 && b->task_weight[t] > 0;
        ret_loss[t] = counts ? b->task_weight[t] * (double)loss[t] : (double)NAN;
    }
}

static struct umb_balance_facts facts_of(const struct umb_trainer_balance *b, int64_t step,
                                         double rate)
{
    struct umb_balance_facts f = {.ctx = b->said,
                                  .n_tasks = b->T,
                                  .step = step,
                                  .epoch = 1,
                                  .epoch_begins = step == 1,
                                  .seed = b->seed,
                                  .rate = rate,
                                  .sgd = b->sgd};
    if (b->epoch_steps > 0) {
        f.epoch = (step - 1) / b->epoch_steps + 1;
        f.epoch_begins = (step - 1) % b->epoch_steps == 0;
    }
    return f;
}

/* Σ of the Gram matrices; rows and columns of tasks without a label are 0. */
static void read_gram(const struct umb_trainer_balance *b, const float *in, const double *loss,
                      double *ret_gram)
{
    const int T = b->T;
    memset(ret_gram, 0, (size_t)(T * T) * sizeof *ret_gram);
    for (int k = 0; k < b->n_grams; k++) {
        for (int i = 0; i < T * T; i++) {
            const bool counts = !isnan(loss[i / T]) && !isnan(loss[i % T]);
            ret_gram[i] += counts ? (double)in[k * T * T + i] : 0;
        }
    }
}

/* How far the tasks' gradients agree. */
static void compare(const struct umb_trainer_balance *b, const double *gram,
                    struct umb_balance_step *s)
{
    const int T = b->T;
    double sum = 0;
    int n = 0, below = 0;
    s->least_cosine = 1;
    for (int i = 0; i < T; i++) {
        s->norm[i] = sqrt(gram[i * T + i]);
        for (int j = 0; j < i; j++) {
            const double size = s->norm[i] * s->norm[j];
            if (!(size > 0)) { continue; }
            const double cosine = gram[i * T + j] / size;
            s->least_cosine = fmin(s->least_cosine, cosine);
            sum += cosine;
            below += cosine < 0;
            n++;
        }
    }
    s->compared = n > 0;
    s->mean_cosine = n ? sum / n : 0;
    s->conflicts = n ? (double)below / n : 0;
}

/* At this step's gradients; rows that are kept over steps agree by what earlier ones were. */
static void look(struct umb_trainer_balance *b, const double *gram, struct umb_balance_step *s)
{
    compare(b, gram, s);
    umb__pair_watch_add(&b->watch, gram);
}

/* The first failure counts. A rule knows tasks by number, and begins with the one at fault. The
 * caller holds the lock. */
static void note_failure(struct umb_trainer_balance *b, enum umb_status st, int64_t step)
{
    const char *said = umb_context_error(b->said);
    char *rest;
    if (b->status != UMB_OK) { return; }
    b->status = st;
    const int n = snprintf(b->message, sizeof b->message,
                           "balancer %s at step %lld: ", b->row->name, (long long)step);
    const long t = strncmp(said, "task ", 5) == 0 ? strtol(said + 5, &rest, 10) : -1;
    const bool named = t >= 0 && t < b->T && *rest == ':';
    snprintf(b->message + n, sizeof b->message - (size_t)n, "%s%.64s%s%.140s",
             named ? "task '" : "", named ? b->task_name[t] : "", named ? "'" : "",
             named ? rest : said);
}

static void note_task(struct umb_trainer_balance *b, int t, const char *what, double value,
                      int64_t step)
{
    if (b->status != UMB_OK) { return; }
    b->status = UMB_ERR_INVALID;
    snprintf(b->message, sizeof b->message,
             "task '%.80s': the %s is %s at step %lld, and balancer %s cannot weigh it; a smaller "
             "rate or clip_norm may help",
             b->task_name[t], what, isnan(value) ? "not a number" : "infinite", (long long)step,
             b->row->name);
}

/* Losses of tasks with labels, and their gradients, must be finite: NaN stands for no label from
 * here on. in: losses and totals. */
static bool are_finite(struct umb_trainer_balance *b, const float *in, const double *gram,
                       int64_t step)
{
    bool finite = true;
    for (int t = 0; t < b->T; t++) {
        const bool counts = in[b->T + t] != 0 && b->task_weight[t] > 0;
        const double loss = (double)in[t], square = gram ? gram[t * b->T + t] : 0;
        if (!counts || (isfinite(loss) && isfinite(square))) { continue; }
        finite = false;
        if (isfinite(loss)) {
            note_task(b, t, "gradient", square, step);
        } else {
            note_task(b, t, "loss", loss, step);
        }
    }
    return finite;
}

/* Of the update's direction Σ w g: no longer than that. */
static void clip(const struct umb_balance_result *r, int T, const double *gram)
{
    double squares = 0;
    for (int i = 0; i < T * T; i++) {
        squares += r->weight[i / T] * r->weight[i % T] * gram[i];
    }
    const double norm = sqrt(squares);
    for (int t = 0; r->clip > 0 && norm > r->clip && t < T; t++) {
        r->weight[t] *= r->clip / norm;
    }
}

/* Weights into s; where that fails, none of the step's tasks counts. */
static void weigh(struct umb_trainer_balance *b, const struct umb_balance_facts *f,
                  struct umb_balance_step *s)
{
    struct umb_balance_result r = {.weight = s->weight};
    memset(s->weight, 0, sizeof s->weight);
    const enum umb_status st = b->row->weigh(b->attrs, f, b->state, &r);
    if (st != UMB_OK) {
        memset(s->weight, 0, sizeof s->weight);
        note_failure(b, st, f->step);
        return;
    }
    if (f->gram && r.clip > 0) { clip(&r, b->T, f->gram); }
    s->residual = r.residual;
    s->fell_back = r.fell_back;
}

/* Where a loss is differentiated with its weight, that is the task's too. */
static void write_weights(const struct umb_trainer_balance *b, const double *weight, float *out)
{
    for (int t = 0; t < b->T; t++) {
        out[t] = (float)(b->by_rows ? weight[t] : weight[t] * b->task_weight[t]);
    }
}

/* ---- in a step ---- */

enum umb_status umb__balancing_prepare(struct umb_trainer *tr, int slot, double rate,
                                       float *weights)
{
    struct umb_trainer_balance *b = tr->balance;
    struct umb_balance_step *s = &b->slot[slot];
    pthread_mutex_lock(&b->lock);
    *s = (struct umb_balance_step){.step = tr->n_steps + 1, .rate = rate};
    for (int t = 0; b->row->needs == UMB_BALANCE_ELEMENTS && t < b->T; t++) {
        s->weight[t] = b->task_weight[t] > 0; /* of what the device chooses */
    }
    if (b->kind == UMB_BALANCE_UPLOADED) {
        const struct umb_balance_facts f = facts_of(b, s->step, rate);
        weigh(b, &f, s);
        write_weights(b, s->weight, weights);
    }
    pthread_mutex_unlock(&b->lock);
    return umb__balancing_result(tr);
}

size_t umb__balancing_pairs(struct umb_trainer *tr, const struct umb_pair **ret_pairs)
{
    struct umb_trainer_balance *b = tr->balance;
    pthread_mutex_lock(&b->lock);
    const size_t n = umb__pair_watch_epoch(&b->watch);
    pthread_mutex_unlock(&b->lock);
    *ret_pairs = b->watch.found;
    return n;
}

enum umb_status umb__balancing_result(struct umb_trainer *tr)
{
    struct umb_trainer_balance *b = tr->balance;
    pthread_mutex_lock(&b->lock);
    const enum umb_status st = b->status;
    pthread_mutex_unlock(&b->lock);
    return st == UMB_OK ? st : umb__fail(tr->ctx, st, "%s", b->message);
}

void umb__balancing_learn(void *user, int slot, const float *in, float *out)
{
    struct umb_trainer_balance *b = user;
    double loss[UMB_MAX_TASKS];
    pthread_mutex_lock(&b->lock);
    struct umb_balance_step *s = &b->slot[slot];
    struct umb_balance_facts f = facts_of(b, s->step, s->rate);
    read_losses(b, in, in, loss);
    f.loss = loss;
    memcpy(s->weight, b->weight, sizeof s->weight);
    if (are_finite(b, in, NULL, s->step)) { b->row->learn(b->attrs, &f, b->state); }
    struct umb_balance_step next = {.step = s->step + 1};
    f = facts_of(b, next.step, s->rate);
    weigh(b, &f, &next);
    memcpy(b->weight, next.weight, sizeof b->weight);
    write_weights(b, b->weight, out);
    pthread_mutex_unlock(&b->lock);
}

int umb__balancing_n_coefficients(const struct umb_trainer_balance *b)
{
    return umb__loss_at(UMB_LOSS_FACTOR, b->T, b->T);
}

void umb__balancing_coefficients(const struct umb_trainer_balance *b, int64_t step, double rate,
                                 float *out)
{
    const struct umb_balance_facts f = facts_of(b, step, rate);
    double c[UMB_LOSS_RULE + 5 * UMB_MAX_TASKS];
    b->row->coefficients(b->attrs, &f, b->state, c);
    for (int t = 0; t < b->T; t++) {
        c[umb__loss_at(UMB_LOSS_WEIGHT, b->T, t)] = b->task_weight[t];
        c[umb__loss_at(UMB_LOSS_FACTOR, b->T, t)] = b->by_rows ? 1 : b->task_weight[t];
    }
    for (int i = 0; i < umb__balancing_n_coefficients(b); i++) {
        out[i] = (float)c[i];
    }
}

void umb__balancing_learn_by_losses(void *user, int slot, const float *in, float *out)
{
    struct umb_trainer_balance *b = user;
    const float *used = in + 2 * b->T, *behind = used + b->T;
    double loss[UMB_MAX_TASKS], after[UMB_MAX_TASKS];
    pthread_mutex_lock(&b->lock);
    struct umb_balance_step *s = &b->slot[slot];
    struct umb_balance_facts f = facts_of(b, s->step, s->rate);
    read_losses(b, in, in, loss);
    f.loss = loss;
    if (b->row->needs_second_forward) {
        read_losses(b, behind, in, after);
        f.loss_after = after;
    }
    for (int t = 0; t < b->T; t++) {
        const double factor = b->by_rows ? 1 : b->task_weight[t];
        s->weight[t] = factor > 0 ? (double)used[t] / factor : 0;
    }
    memcpy(b->weight, s->weight, sizeof b->weight);
    const bool finite = are_finite(b, in, NULL, s->step);
    if (finite && b->row->learn) { b->row->learn(b->attrs, &f, b->state); }
    umb__balancing_coefficients(b, s->step + 1, s->rate, out);
    pthread_mutex_unlock(&b->lock);
}

void umb__balancing_weigh(void *user, int slot, const float *in, float *out)
{
    struct umb_trainer_balance *b = user;
    double loss[UMB_MAX_TASKS], gram[UMB_MAX_TASKS * UMB_MAX_TASKS], excess[UMB_MAX_TASKS];
    pthread_mutex_lock(&b->lock);
    struct umb_balance_step *s = &b->slot[slot];
    struct umb_balance_facts f = facts_of(b, s->step, s->rate);
    read_losses(b, in, in, loss);
    f.loss = loss;
    if (b->n_grams) {
        read_gram(b, in + 2 * b->T, loss, gram);
        if (b->row->needs != UMB_BALANCE_MIXED) { look(b, gram, s); }
        f.gram = gram;
    }
    for (int t = 0; b->row->needs == UMB_BALANCE_EXCESS && t < b->T; t++) {
        excess[t] = (double)in[2 * b->T + t];
        f.excess = excess;
    }
    if (are_finite(b, in, f.gram, s->step)) {
        weigh(b, &f, s);
        if (b->row->learn && !b->row->needs_second_forward) {
            b->row->learn(b->attrs, &f, b->state);
        }
    }
    memcpy(b->weight, s->weight, sizeof b->weight);
    write_weights(b, s->weight, out);
    pthread_mutex_unlock(&b->lock);
}

void umb__balancing_mix(void *user, int slot, const float *in, float *out)
{
    struct umb_trainer_balance *b = user;
    double loss[UMB_MAX_TASKS], gram[UMB_MAX_TASKS * UMB_MAX_TASKS];
    double keep[UMB_MAX_TASKS], take[UMB_MAX_TASKS];
    pthread_mutex_lock(&b->lock);
    struct umb_balance_step *s = &b->slot[slot];
    struct umb_balance_facts f = facts_of(b, s->step, s->rate);
    read_losses(b, in, in, loss);
    read_gram(b, in + 2 * b->T, loss, gram);
    look(b, gram, s);
    f.loss = loss;
    f.gram = gram;
    for (int t = 0; t < b->T; t++) { /* what stays as it is */
        keep[t] = 1;
        take[t] = 0;
    }
    const enum umb_status st = umb__balance_check(b->row->needs, &f);
    if (!are_finite(b, in, gram, f.step)) {
        /* what is kept stays as it is */
    } else if (st == UMB_OK) {
        b->row->mix(b->attrs, &f, b->state, keep, take);
    } else {
        note_failure(b, st, f.step);
    }
    for (int t = 0; t < b->T; t++) {
        out[t] = (float)keep[t];
        out[b->T + t] = (float)take[t];
    }
    pthread_mutex_unlock(&b->lock);
}
