#include "twin.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"
#include "trainer_balance.h"

static void must(const struct twin *t, enum umb_status st)
{
    if (st != UMB_OK) { fail_msg("%s: %s", umb_status_name(st), umb_context_error(t->s->ctx)); }
}

static void *room(const struct twin *t, size_t n, size_t size)
{
    void *p = umb__arena_calloc(t->arena, n + 1, size);
    assert_non_null(p);
    return p;
}

static const struct umb_value *lab_value(const struct twin *t, int v)
{
    return &t->lab.graph->value[v];
}

/* ---- beginning ---- */

static bool several_have(const struct twin *t, int v)
{
    int n = 0;
    for (int k = 0; k < t->T; k++) {
        n += t->lab.rows[k * t->lab.n_row + v] >= 0;
    }
    return n > 1;
}

/* Where the trainer keeps each parameter. */
static void find_places(struct twin *t)
{
    const struct umb_graph *g = t->s->tr->side[UMB_TRAINER_TRAIN].graph;
    t->at = room(t, (size_t)t->lab.n_row, sizeof *t->at);
    t->shared = room(t, t->n, sizeof *t->shared);
    for (int v = 0; v < t->lab.n_row; v++) {
        t->at[v] = -1;
        if (lab_value(t, v)->kind != UMB_VALUE_PARAM || lab_value(t, v)->spec < 0) { continue; }
        const int w = umb__graph_find_value(g, lab_value(t, v)->name);
        if (w < 0) { fail_msg("%s is not in the trainer", lab_value(t, v)->name); }
        t->at[v] = (int64_t)(g->value[w].base_offset / sizeof(float));
        for (int64_t i = 0; i < lab_count(&t->lab, v); i++) {
            t->shared[t->at[v] + i] = several_have(t, v);
        }
    }
}

static void begin_state(struct twin *t)
{
    const struct umb_balancing *b = t->desc.balancing;
    t->row = umb__balancer_find(b->name);
    assert_non_null(t->row);
    const struct umb_op op = umb__balancer_options(t->row);
    must(t, umb__attrs_create(t->s->ctx, t->arena, &op, b->options, &t->attrs));
    t->state = room(t, (size_t)t->row->n_state(t->attrs, t->T), sizeof *t->state);
    t->row->start(t->attrs, t->T, t->state);
}

struct twin twin_open(const struct session *s, const struct twin_desc *desc)
{
    struct twin t = {.s = s, .desc = *desc, .T = s->tr->n_tasks};
    t.lab = lab_open_rows(s->ctx, s->tr->net, s->tr->batch, 1, 0);
    t.alone = lab_open(s->ctx, s->tr->net, s->tr->batch, true, 1);
    t.arena = t.lab.graph->arena;
    float *now = session_buffer(s, "parameters", &t.n);
    find_places(&t);
    assert_true(umb__pair_watch_make(t.arena, t.T, &t.watch));
    t.first = room(&t, t.n, sizeof *t.first);
    t.theta = room(&t, t.n, sizeof *t.theta);
    t.gradient = room(&t, t.n * (size_t)t.T, sizeof *t.gradient);
    t.kept = room(&t, t.n * (size_t)t.T, sizeof *t.kept);
    for (size_t i = 0; i < t.n; i++) {
        t.first[i] = t.theta[i] = (double)now[i];
    }
    umb__free(now);
    begin_state(&t);
    return t;
}

void twin_close(struct twin *t)
{
    lab_close(&t->lab);
    lab_close(&t->alone);
}

/* ---- the net ---- */

static void put_labels(const struct twin *t, struct lab *lab, int task)
{
    const struct umb_task_values *v = &lab->task[task];
    const bool whole = lab->graph->value[v->labels].type.dtype == UMB_I32;
    for (int64_t i = 0; i < lab_count(lab, v->labels); i++) {
        lab->data[v->labels][i] = whole ? (double)((int32_t *)t->s->labels_of[task])[i]
                                        : (double)((float *)t->s->labels_of[task])[i];
    }
    for (int64_t i = 0; i < lab->batch; i++) {
        lab->data[v->mask][i] = (double)t->s->mask_of[task][i];
    }
}

/* The session's batch and the twin's parameters into a lab. */
static void put_inputs(const struct twin *t, struct lab *lab)
{
    for (int k = 0; k < t->s->tr->n_images; k++) {
        const int v = lab->values.image[k];
        for (int64_t i = 0; i < lab_count(lab, v); i++) {
            lab->data[v][i] = (double)((uint8_t *)t->s->images_of[k])[i];
        }
    }
    for (int k = 0; k < t->T; k++) {
        put_labels(t, lab, k);
    }
    for (int v = 0; v < t->lab.n_row; v++) {
        if (t->at[v] < 0) { continue; }
        const int w = umb__graph_find_value(lab->graph, lab_value(t, v)->name);
        memcpy(lab->data[w], t->theta + t->at[v], (size_t)lab_count(lab, w) * sizeof(double));
    }
}

static void read_gradients(struct twin *t)
{
    memset(t->gradient, 0, t->n * (size_t)t->T * sizeof *t->gradient);
    for (int k = 0; k < t->T; k++) {
        for (int v = 0; v < t->lab.n_row; v++) {
            const int d = t->lab.rows[k * t->lab.n_row + v];
            if (t->at[v] < 0 || d < 0) { continue; }
            memcpy(t->gradient + (size_t)k * t->n + t->at[v], t->lab.data[d],
                   (size_t)lab_count(&t->lab, v) * sizeof(double));
        }
    }
}

/* Losses times the tasks' weights; NaN: a task without a label, or of weight 0. */
static void read_losses(struct twin *t, double *ret_loss)
{
    for (int k = 0; k < t->T; k++) {
        const double weight = umb__net_task(t->lab.net, k)->weight;
        t->labelled[k] = false;
        for (int64_t i = 0; i < t->lab.batch; i++) {
            t->labelled[k] = t->labelled[k] || t->s->mask_of[k][i] > 0;
        }
        ret_loss[k] = t->labelled[k] && weight > 0 ? weight * lab_loss(&t->lab, k) : (double)NAN;
    }
}

/* ---- facts ---- */

static double dot(const double *a, const double *b, const bool *among, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += among[i] ? a[i] * b[i] : 0;
    }
    return sum;
}

static void gram_of_rows(const struct twin *t, const double *rows, const bool *among, double *gram)
{
    for (int i = 0; i < t->T * t->T; i++) {
        gram[i] =
            dot(rows + (size_t)(i / t->T) * t->n, rows + (size_t)(i % t->T) * t->n, among, t->n);
    }
}

static void gram_of_block(struct twin *t, double *gram)
{
    bool *among = room(t, t->n, sizeof *among);
    for (int v = 0; v < t->lab.n_row; v++) {
        const char *name = lab_value(t, v)->name;
        if (t->at[v] < 0 || strncmp(name, t->desc.last_block, strlen(t->desc.last_block)) != 0) {
            continue;
        }
        for (int64_t i = 0; i < lab_count(&t->lab, v); i++) {
            among[t->at[v] + i] = true;
        }
    }
    gram_of_rows(t, t->gradient, among, gram);
}

/* Of each task alone, by differentiating its loss. */
static void gram_of_representation(struct twin *t, double *gram)
{
    const int v = t->alone.values.value[t->desc.representation], d = t->alone.gradient[v];
    const size_t n = (size_t)lab_count(&t->alone, v);
    double *rows = room(t, n * (size_t)t->T, sizeof *rows);
    assert_true(d >= 0 && lab_count(&t->alone, d) == (int64_t)n);
    put_inputs(t, &t->alone);
    for (int k = 0; k < t->T; k++) {
        for (int i = 0; i < t->T; i++) {
            t->alone.data[t->alone.dseed[i]][0] =
                i == k ? umb__net_task(t->alone.net, k)->weight : 0;
        }
        (void)lab_evaluate(&t->alone);
        memcpy(rows + (size_t)k * n, t->alone.data[d], n * sizeof *rows);
    }
    for (int i = 0; i < t->T * t->T; i++) {
        gram[i] = 0;
        for (size_t k = 0; k < n; k++) {
            gram[i] += rows[(size_t)(i / t->T) * n + k] * rows[(size_t)(i % t->T) * n + k];
        }
    }
}

static void find_gram(struct twin *t, const double *loss, double *gram)
{
    const enum umb_gradients which = t->desc.balancing->gradients;
    if (which == UMB_GRADIENTS_SHARED) {
        gram_of_rows(t, t->gradient, t->shared, gram);
    } else if (which == UMB_GRADIENTS_LAST_BLOCK) {
        gram_of_block(t, gram);
    } else {
        gram_of_representation(t, gram);
    }
    for (int i = 0; i < t->T * t->T; i++) {
        if (isnan(loss[i / t->T]) || isnan(loss[i % t->T])) { gram[i] = 0; }
    }
}

static void find_excess(struct twin *t, double *excess)
{
    for (int k = 0; k < t->T; k++) {
        excess[k] = 0;
        for (size_t i = 0; i < t->n; i++) {
            const double g = t->shared[i] ? t->gradient[(size_t)k * t->n + i] : 0;
            double *h = &t->kept[(size_t)k * t->n + i];
            *h += g * g;
            excess[k] += g * g / sqrt(*h + 1e-7);
        }
    }
}

/* Rows that are kept take in this step's; the Gram matrix becomes theirs. */
static void mix(struct twin *t, const struct umb_balance_facts *f, double *gram)
{
    double keep[UMB_MAX_TASKS], take[UMB_MAX_TASKS];
    for (int k = 0; k < t->T; k++) {
        keep[k] = 1;
        take[k] = 0;
    }
    t->row->mix(t->attrs, f, t->state, keep, take);
    for (size_t i = 0; i < t->n * (size_t)t->T; i++) {
        const size_t k = i / t->n;
        t->kept[i] = keep[k] * t->kept[i] + take[k] * t->gradient[i];
    }
    gram_of_rows(t, t->kept, t->shared, gram);
}

/* ---- a step ---- */

static struct umb_balance_facts facts_of(const struct twin *t, double rate)
{
    const int64_t per = t->desc.balancing->epoch_steps;
    return (struct umb_balance_facts){.ctx = t->s->ctx,
                                      .n_tasks = t->T,
                                      .step = t->step,
                                      .epoch = per > 0 ? (t->step - 1) / per + 1 : 1,
                                      .epoch_begins =
                                          per > 0 ? (t->step - 1) % per == 0 : t->step == 1,
                                      .seed = t->s->tr->seed,
                                      .rate = rate,
                                      .sgd = true};
}

static void weigh(struct twin *t, const struct umb_balance_facts *f)
{
    struct umb_balance_result r = {.weight = t->weight};
    must(t, t->row->weigh(t->attrs, f, t->state, &r));
    double squares = 0;
    for (int i = 0; r.clip > 0 && i < t->T * t->T; i++) {
        squares += t->weight[i / t->T] * t->weight[i % t->T] * f->gram[i];
    }
    for (int k = 0; r.clip > 0 && sqrt(squares) > r.clip && k < t->T; k++) {
        t->weight[k] *= r.clip / sqrt(squares);
    }
}

static double leak_of(const struct twin *t)
{
    assert_string_equal(t->row->attrs[0].name, "leak");
    return *(const double *)(const void *)((const char *)t->attrs + t->row->attrs[0].offset);
}

/* GradDrop's draw for number i of the shared parameters, which lie first. */
static double dropped(const struct twin *t, size_t i)
{
    const uint64_t seed = t->s->tr->seed;
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)(t->step - 1), 0, UMB_RNG_BALANCER};
    uint32_t word[4];
    double g[UMB_MAX_TASKS];
    umb__philox(key, counter, word);
    for (int k = 0; k < t->T; k++) {
        g[k] = t->gradient[(size_t)k * t->n + i];
    }
    return umb__graddrop_element(t->T, g, (double)(word[i % 4] >> 8) * 0x1p-24, leak_of(t));
}

static void update(struct twin *t, double rate)
{
    const enum umb_heads heads = t->desc.balancing->heads;
    const bool weighs =
        heads == UMB_HEADS_USUAL ? t->row->weighs_heads : heads == UMB_HEADS_WEIGHTED;
    const bool drops = t->row->needs == UMB_BALANCE_ELEMENTS;
    const double *rows = t->row->needs == UMB_BALANCE_MIXED ? t->kept : t->gradient;
    for (size_t i = 0; i < t->n; i++) {
        double sum = 0;
        for (int k = 0; k < t->T; k++) {
            const size_t at = (size_t)k * t->n + i;
            sum += t->shared[i] ? t->weight[k] * rows[at]
                                : (weighs ? t->weight[k] : 1) * t->gradient[at];
        }
        if (drops && t->shared[i]) { sum = dropped(t, i); }
        t->theta[i] -= rate * sum;
    }
}

/* Losses of the same batch behind the update, where the trainer has the balancer learn from them.
 */
static void learn(struct twin *t, struct umb_balance_facts *f)
{
    double after[UMB_MAX_TASKS];
    if (t->row->needs_second_forward) {
        put_inputs(t, &t->lab);
        (void)lab_evaluate(&t->lab);
        read_losses(t, after);
        f->loss_after = after;
    }
    if (t->row->learn) { t->row->learn(t->attrs, f, t->state); }
    f->loss_after = NULL;
}

void twin_step(struct twin *t, double rate)
{
    double loss[UMB_MAX_TASKS], gram[UMB_MAX_TASKS * UMB_MAX_TASKS], excess[UMB_MAX_TASKS];
    const enum umb_balance_needs needs = t->row->needs;
    const int64_t every = t->desc.balancing->every > 1 ? t->desc.balancing->every : 1;
    t->step++;
    t->compared = false;
    put_inputs(t, &t->lab);
    (void)lab_evaluate(&t->lab);
    read_losses(t, loss);
    read_gradients(t);
    if ((t->step - 1) % every != 0) {
        update(t, rate);
        return;
    }
    struct umb_balance_facts f = facts_of(t, rate);
    f.loss = needs == UMB_BALANCE_NOTHING ? NULL : loss;
    if (needs == UMB_BALANCE_GRAM || needs == UMB_BALANCE_MIXED) {
        find_gram(t, loss, gram);
        f.gram = gram;
        memcpy(t->own, gram, (size_t)(t->T * t->T) * sizeof *gram);
        t->compared = true;
        umb__pair_watch_add(&t->watch, gram);
    }
    if (needs == UMB_BALANCE_EXCESS) {
        find_excess(t, excess);
        f.excess = excess;
    }
    if (needs == UMB_BALANCE_MIXED) { mix(t, &f, gram); }
    weigh(t, &f);
    update(t, rate);
    f.loss = loss;
    learn(t, &f);
}

/* ---- comparing ---- */

static const char *name_at(const struct twin *t, size_t i)
{
    for (int v = 0; v < t->lab.n_row; v++) {
        if (t->at[v] < 0 || (int64_t)i < t->at[v]) { continue; }
        if ((int64_t)i < t->at[v] + lab_count(&t->lab, v)) { return lab_value(t, v)->name; }
    }
    return "between parameters";
}

static void compare_weights(const struct twin *t, double tolerance, const char *what)
{
    const struct umb_balance_step got = umb__trainer_balance_step(t->s->tr, 0);
    double largest = 0;
    assert_int_equal(got.step, t->step);
    for (int k = 0; k < t->T; k++) {
        largest = fmax(largest, fabs(t->weight[k]));
    }
    for (int k = 0; k < t->T; k++) {
        const double expected = t->labelled[k] ? t->weight[k] : 0;
        if (!(fabs(got.weight[k] - expected) <= tolerance * largest)) {
            fail_msg("%s, step %lld: task %d has the weight %.9g, expected %.9g", what,
                     (long long)t->step, k, got.weight[k], expected);
        }
    }
}

static void assert_figure(const struct twin *t, const char *name, double got, double expected,
                          double tolerance, const char *what)
{
    if (fabs(got - expected) <= tolerance) { return; }
    fail_msg("%s, step %lld: the %s is %.9g, expected %.9g", what, (long long)t->step, name, got,
             expected);
}

/* How far gradients agree. The share of conflicts is not asked for where a cosine is about 0. */
static void compare_cosines(const struct twin *t, double tolerance, const char *what)
{
    const struct umb_balance_step got = umb__trainer_balance_step(t->s->tr, 0);
    double sum = 0, least = 1, nearest = 1;
    int n = 0, below = 0;
    for (int i = 0; t->compared && i < t->T; i++) {
        const double norm = sqrt(t->own[i * t->T + i]);
        assert_figure(t, "norm", got.norm[i], norm, tolerance * norm, what);
        for (int j = 0; j < i; j++) {
            const double size = norm * sqrt(t->own[j * t->T + j]);
            if (!(size > 0)) { continue; }
            const double cosine = t->own[i * t->T + j] / size;
            sum += cosine;
            least = fmin(least, cosine);
            nearest = fmin(nearest, fabs(cosine));
            below += cosine < 0;
            n++;
        }
    }
    assert_int_equal(got.compared, n > 0);
    if (!n) { return; }
    assert_figure(t, "mean cosine", got.mean_cosine, sum / n, tolerance, what);
    assert_figure(t, "least cosine", got.least_cosine, least, tolerance, what);
    if (nearest <= tolerance) { return; }
    assert_figure(t, "share of conflicts", got.conflicts, (double)below / n, 1e-9, what);
}

static void compare_pairs(const struct twin *t, double tolerance, const char *what)
{
    const struct umb_pair_watch *got = &t->s->tr->balance->watch;
    for (int64_t i = 0; i < umb__pair_watch_pairs(&t->watch); i++) {
        assert_int_equal(got->pair[i].looks, t->watch.pair[i].looks);
        const double n = fmax(1, (double)t->watch.pair[i].looks);
        assert_figure(t, "mean of a pair", got->pair[i].sum / n, t->watch.pair[i].sum / n,
                      tolerance, what);
    }
}

void twin_compare(const struct twin *t, double tolerance, const char *what)
{
    compare_weights(t, tolerance, what);
    compare_pairs(t, tolerance, what);
    compare_cosines(t, tolerance, what);
    twin_compare_parameters(t, tolerance, what);
}

void twin_compare_parameters(const struct twin *t, double tolerance, const char *what)
{
    size_t n;
    double farthest = 0;
    for (size_t i = 0; i < t->n; i++) {
        farthest = fmax(farthest, fabs(t->theta[i] - t->first[i]));
    }
    assert_true(farthest > 1e-4);
    float *now = session_buffer(t->s, "parameters", &n);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)now[i] - t->theta[i]) <= tolerance * farthest)) {
            fail_msg("%s, step %lld: %s, number %zu, is %.9g, expected %.9g from %.9g", what,
                     (long long)t->step, name_at(t, i), i, (double)now[i], t->theta[i],
                     t->first[i]);
        }
    }
    umb__free(now);
}
