/* Filling slots, running steps, and adding up what they report. */
#include <math.h>
#include <string.h>

#include "trainer_balance.h"
#include "trainer_internal.h"
#include "trainer_soft.h"

/* The device counts in 32 bits: its counters are emptied before this many labels. */
#define DRAIN_AT (INT64_C(1) << 30)

static void *input(struct umb_trainer *tr, int mode, int slot, int value)
{
    return umb__plan_input(tr->side[mode].plan, slot, value);
}

void umb__trainer_slot(struct umb_trainer *tr, enum umb_trainer_mode mode, int slot,
                       struct umb_slot_view *ret_view)
{
    const struct umb_trainer_side *side = &tr->side[mode];
    for (int i = 0; i < tr->n_images; i++) {
        ret_view->images[i] = input(tr, (int)mode, slot, side->net.image[i]);
    }
    for (int t = 0; t < tr->n_tasks; t++) {
        ret_view->labels[t] = input(tr, (int)mode, slot, side->task[t].labels);
        ret_view->mask[t] = input(tr, (int)mode, slot, side->task[t].mask);
    }
}

/* Rows per stream into the ambient inputs, where some op wants them: of a part of the batch, those
 * that lie in it. */
static void set_ambient_rows(struct umb_trainer *tr, int mode, int slot, const int64_t *n)
{
    struct umb_trainer_side *side = &tr->side[mode];
    int64_t first = 0;
    for (int s = 0; s < tr->n_streams; s++) {
        side->rows[slot][s] = n[s];
    }
    for (int d = 0; d < tr->n_devices; d++) {
        const int64_t count =
            umb__trainer_shares(tr) && mode == UMB_TRAINER_TRAIN ? tr->share[d] : tr->batch;
        int32_t *rows =
            side->rows_value[d] >= 0 ? input(tr, mode, slot, side->rows_value[d]) : NULL;
        for (int s = 0; rows && s < tr->n_streams; s++) {
            const int64_t real = n[s] - first;
            rows[s] = (int32_t)(real < 0 ? 0 : real > count ? count : real);
        }
        first += count;
    }
}

void umb__trainer_set_rows(struct umb_trainer *tr, enum umb_trainer_mode mode, int slot,
                           const int64_t *n)
{
    set_ambient_rows(tr, (int)mode, slot, n);
    for (int t = 0; t < tr->n_tasks; t++) {
        float *mask = input(tr, (int)mode, slot, tr->side[mode].task[t].mask);
        for (int64_t i = n[umb__net_task(tr->net, t)->stream]; i < tr->batch; i++) {
            mask[i] = 0;
        }
    }
}

/* ---- what changes from step to step ---- */

static enum umb_status set_weights(struct umb_trainer *tr, int slot, double rate)
{
    const int weights = tr->side[UMB_TRAINER_TRAIN].weights;
    return umb__balancing_prepare(tr, slot, rate,
                                  weights < 0 ? NULL : input(tr, UMB_TRAINER_TRAIN, slot, weights));
}

static void set_random(struct umb_trainer *tr, int mode, int slot)
{
    int value = tr->side[mode].graph->random_value;
    if (value < 0) { return; }
    uint32_t key[4] = {(uint32_t)tr->seed, (uint32_t)(tr->seed >> 32), (uint32_t)tr->n_steps,
                       (uint32_t)((uint64_t)tr->n_steps >> 32)};
    memcpy(input(tr, mode, slot, value), key, sizeof key);
}

/* Labels that one batch can add to a counter. */
static int64_t labels_per_batch(const struct umb_trainer *tr)
{
    int64_t most = 0;
    for (int t = 0; t < tr->n_tasks; t++) {
        int64_t n = tr->batch * umb__shape_count(&umb__net_task(tr->net, t)->label.shape);
        most = n > most ? n : most;
    }
    return most;
}

/* Everything that a run of the slot needs beside its batch. */
static enum umb_status prepare_run(struct umb_trainer *tr, enum umb_trainer_mode mode, int slot,
                                   double rate)
{
    const struct umb_trainer_side *side = &tr->side[mode];
    enum umb_status st = umb__trainer_compile(tr, (int)mode);
    tr->uncounted += labels_per_batch(tr);
    if (st == UMB_OK && tr->uncounted > DRAIN_AT) {
        st = umb__trainer_settle(tr);
        if (st == UMB_OK) { st = umb__trainer_drain(tr); }
        tr->uncounted = labels_per_batch(tr);
    }
    if (st != UMB_OK) { return st; }
    if (mode == UMB_TRAINER_TRAIN) {
        st = umb__soft_prepare(tr, slot);
        if (st != UMB_OK) { return st; }
        umb__trainer_set_hyper(tr, rate, input(tr, (int)mode, slot, side->groups.hyper));
        st = set_weights(tr, slot, rate);
        if (st != UMB_OK) { return st; }
        set_random(tr, (int)mode, slot);
        tr->n_steps++;
        umb__trainer_count_updates(tr);
        tr->folded = false;
        return UMB_OK;
    }
    return umb__trainer_fold(tr, (int)mode);
}

/* Steps between two comparisons of gradients have a plan of their own; a batch that was filled for
 * the other is copied over. */
static bool is_between(const struct umb_trainer *tr)
{
    return tr->balance->every > 1 && (tr->n_steps - 1) % tr->balance->every != 0;
}

static enum umb_status submit_between(struct umb_trainer *tr, int slot)
{
    enum umb_status st = umb__trainer_compile(tr, UMB_TRAINER_BETWEEN);
    const struct umb_graph *from = tr->side[UMB_TRAINER_TRAIN].graph,
                           *to = tr->side[UMB_TRAINER_BETWEEN].graph;
    if (st == UMB_OK) { st = umb__plan_wait(tr->side[UMB_TRAINER_BETWEEN].plan, slot); }
    for (int v = 0; st == UMB_OK && v < to->n_values; v++) {
        if (to->value[v].kind != UMB_VALUE_INPUT || to->value[v].base >= 0) { continue; }
        const int w = umb__graph_find_value(from, to->value[v].name);
        if (w < 0) { continue; }
        memcpy(input(tr, UMB_TRAINER_BETWEEN, slot, v), input(tr, UMB_TRAINER_TRAIN, slot, w),
               umb__type_bytes(&to->value[v].type));
    }
    return st == UMB_OK ? umb__plan_submit(tr->side[UMB_TRAINER_BETWEEN].plan, slot) : st;
}

/* Runs of the two plans do not overlap: each waits for the other's. */
static enum umb_status take_turn(struct umb_trainer *tr, int slot, bool between)
{
    const int other = between ? UMB_TRAINER_TRAIN : UMB_TRAINER_BETWEEN;
    enum umb_status st = UMB_OK;
    for (int s = 0; st == UMB_OK && tr->side[other].plan && s < UMB_TRAINER_SLOTS; s++) {
        st = umb__plan_wait(tr->side[other].plan, s);
    }
    tr->between[slot] = between;
    return st;
}

static enum umb_status submit_train(struct umb_trainer *tr, int slot)
{
    const bool between = is_between(tr);
    const enum umb_status st = take_turn(tr, slot, between);
    if (st != UMB_OK) { return st; }
    if (between) { umb__balancing_between(tr, slot); }
    return between ? submit_between(tr, slot)
                   : umb__plan_submit(tr->side[UMB_TRAINER_TRAIN].plan, slot);
}

enum umb_status umb__trainer_submit(struct umb_trainer *tr, enum umb_trainer_mode mode, int slot,
                                    double rate)
{
    enum umb_status st = prepare_run(tr, mode, slot, rate);
    if (st == UMB_OK && mode == UMB_TRAINER_TRAIN) { return submit_train(tr, slot); }
    return st == UMB_OK ? umb__plan_submit(tr->side[mode].plan, slot) : st;
}

int64_t umb__trainer_period(const struct umb_trainer *tr)
{
    return tr->balance->every;
}

enum umb_status umb__trainer_trace(struct umb_trainer *tr, int slot, double rate)
{
    enum umb_status st = prepare_run(tr, UMB_TRAINER_TRAIN, slot, rate);
    if (st == UMB_OK) { st = take_turn(tr, slot, false); }
    return st == UMB_OK ? umb__plan_trace(tr->side[UMB_TRAINER_TRAIN].plan, slot) : st;
}

enum umb_status umb__trainer_time_alone(struct umb_trainer *tr, int slot, double rate)
{
    enum umb_status st = prepare_run(tr, UMB_TRAINER_TRAIN, slot, rate);
    if (st == UMB_OK) { st = take_turn(tr, slot, false); }
    return st == UMB_OK ? umb__plan_time_alone(tr->side[UMB_TRAINER_TRAIN].plan, slot) : st;
}

/* ---- reports ---- */

static void add_report(struct umb_trainer *tr, int mode, int slot, int task, double *ret_loss)
{
    const struct umb_trainer_side *side = &tr->side[mode];
    const struct umb_task_values *v = &side->task[task];
    struct umb_tally *y = &tr->tally[task];
    double loss = *(const float *)umb__plan_output(side->plan, slot, v->loss);
    double total = *(const float *)umb__plan_output(side->plan, slot, v->total);
    if (total != 0) { y->loss_sum += loss * total; }
    y->loss_total += total;
    if (v->errors >= 0) {
        const float *errors = umb__plan_output(side->plan, slot, v->errors);
        for (int64_t i = 0; i < y->n_values; i++) {
            y->errors[i] += (double)errors[i];
        }
    }
    if (total == 0 && umb__trainer_trains(mode)) { umb__balancing_absent(tr, slot, task); }
    if (ret_loss) { *ret_loss = total != 0 ? loss : NAN; }
}

enum umb_status umb__trainer_wait(struct umb_trainer *tr, enum umb_trainer_mode mode, int slot,
                                  double *ret_losses)
{
    const bool trains = mode == UMB_TRAINER_TRAIN;
    const int side = trains && tr->between[slot] ? UMB_TRAINER_BETWEEN : (int)mode;
    enum umb_status st = umb__plan_wait(tr->side[side].plan, slot);
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        add_report(tr, side, slot, t, ret_losses ? &ret_losses[t] : NULL);
    }
    if (st == UMB_OK && trains) { umb__soft_report(tr, slot); }
    return st == UMB_OK && trains ? umb__balancing_result(tr) : st;
}

enum umb_status umb__trainer_settle(struct umb_trainer *tr)
{
    for (int m = 0; m < UMB_TRAINER_SIDES; m++) {
        for (int s = 0; tr->side[m].plan && s < UMB_TRAINER_SLOTS; s++) {
            enum umb_status st = umb__plan_wait(tr->side[m].plan, s);
            if (st != UMB_OK) { return st; }
        }
    }
    return UMB_OK;
}

static enum umb_status drain_task(struct umb_trainer *tr, int t)
{
    struct umb_tally *y = &tr->tally[t];
    if (!y->n_counts) { return UMB_OK; }
    const struct umb_trainer_side *side = &tr->side[UMB_TRAINER_TRAIN];
    const struct umb_value *v = &side->graph->value[side->task[t].counts];
    const char *all = side->graph->value[v->base].name; /* tasks.c */
    size_t bytes = (size_t)y->n_counts * sizeof(int32_t);
    int32_t *counts = umb__calloc(tr->ctx, (size_t)y->n_counts, sizeof *counts);
    enum umb_status st =
        counts ? umb__store_read(tr->store, all, v->base_offset, bytes, counts) : UMB_ERR_NO_MEMORY;
    for (int64_t i = 0; st == UMB_OK && i < y->n_counts; i++) {
        y->counts[i] += counts[i];
    }
    if (st == UMB_OK) {
        memset(counts, 0, bytes);
        st = umb__store_write(tr->store, all, v->base_offset, bytes, counts);
    }
    umb__free(counts);
    return st;
}

enum umb_status umb__trainer_drain(struct umb_trainer *tr)
{
    enum umb_status st = UMB_OK;
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        st = drain_task(tr, t);
    }
    tr->uncounted = 0;
    return st;
}

void umb__trainer_clear_tallies(struct umb_trainer *tr)
{
    for (int t = 0; t < tr->n_tasks; t++) {
        struct umb_tally *y = &tr->tally[t];
        y->loss_sum = y->loss_total = 0;
        memset(y->counts, 0, (size_t)y->n_counts * sizeof *y->counts);
        memset(y->errors, 0, (size_t)y->n_values * sizeof *y->errors);
    }
}

enum umb_status umb_trainer_results(struct umb_trainer *tr, struct umb_task_result *ret_results)
{
    enum umb_status st = umb__trainer_settle(tr);
    if (st == UMB_OK) { st = umb__trainer_drain(tr); }
    if (st != UMB_OK) { return st; }
    for (int t = 0; t < tr->n_tasks; t++) {
        const struct umb_net_task *task = umb__net_task(tr->net, t);
        const struct umb_tally *y = &tr->tally[t];
        struct umb_task_result *r = &ret_results[t];
        r->loss = y->loss_total != 0 ? y->loss_sum / y->loss_total : NAN;
        r->n_metrics = task->n_metrics;
        for (int m = 0; m < task->n_metrics; m++) {
            r->metric[m].name = task->metric[m]->name;
            r->metric[m].value =
                y->loss_total != 0 ? task->metric[m]->compute(y, task->n_classes) : NAN;
        }
    }
    umb__trainer_clear_tallies(tr);
    return UMB_OK;
}

/* ---- one batch at a time, for programs ---- */

static size_t sample_bytes(const struct umb_trainer *tr, int mode, int value)
{
    return umb__type_bytes(&tr->side[mode].graph->value[value].type) / (size_t)tr->batch;
}

/* ret_n[streams]: how many samples of each stream the batches of its images hold. */
static enum umb_status count_samples(const struct umb_trainer *tr, const struct umb_batch *batches,
                                     int64_t *ret_n)
{
    for (int s = 0; s < tr->n_streams; s++) {
        ret_n[s] = -1;
    }
    for (int i = 0; i < tr->n_images; i++) {
        const char *name = umb__net_image(tr->net, i)->name;
        const int64_t n = batches[i].n;
        int64_t *stream_n = &ret_n[umb__net_image_stream(tr->net, i)];
        if (n < 0 || n > tr->batch) {
            return umb__fail(tr->ctx, UMB_ERR_INVALID,
                             "stream %s: a batch of %lld samples; expected 0 to %lld", name,
                             (long long)n, (long long)tr->batch);
        }
        if (*stream_n >= 0 && n != *stream_n) {
            return umb__fail(tr->ctx, UMB_ERR_INVALID,
                             "image %s: a batch of %lld samples; expected %lld, as its stream's "
                             "first image has",
                             name, (long long)n, (long long)*stream_n);
        }
        *stream_n = n;
    }
    return UMB_OK;
}

static enum umb_status fill_images(struct umb_trainer *tr, int mode,
                                   const struct umb_batch *batches)
{
    int64_t n[UMB_MAX_STREAMS];
    const enum umb_status st = count_samples(tr, batches, n);
    for (int i = 0; st == UMB_OK && i < tr->n_images; i++) {
        const int image = tr->side[mode].net.image[i];
        if (batches[i].n) {
            memcpy(input(tr, mode, 0, image), batches[i].images,
                   (size_t)batches[i].n * sample_bytes(tr, mode, image));
        }
    }
    if (st == UMB_OK) { set_ambient_rows(tr, mode, 0, n); }
    return st;
}

/* The samples of a task's stream, by the stream's first image. */
static int64_t task_samples(const struct umb_trainer *tr, int task, const struct umb_batch *batches)
{
    int i = 0;
    while (umb__net_image_stream(tr->net, i) != umb__net_task(tr->net, task)->stream) {
        i++;
    }
    return batches[i].n;
}

static void fill_labels(struct umb_trainer *tr, int mode, const struct umb_batch *batches,
                        const struct umb_labels *labels)
{
    for (int t = 0; t < tr->n_tasks; t++) {
        const struct umb_task_values *v = &tr->side[mode].task[t];
        const int64_t rows = task_samples(tr, t, batches);
        float *mask = input(tr, mode, 0, v->mask);
        if (rows) {
            memcpy(input(tr, mode, 0, v->labels), labels[t].labels,
                   (size_t)rows * sample_bytes(tr, mode, v->labels));
        }
        for (int64_t i = 0; i < rows; i++) {
            mask[i] = labels[t].mask ? labels[t].mask[i] : 1;
        }
    }
    umb__trainer_set_rows(tr, (enum umb_trainer_mode)mode, 0, tr->side[mode].rows[0]);
}

static enum umb_status run_batch(struct umb_trainer *tr, enum umb_trainer_mode mode,
                                 const struct umb_batch *batches, const struct umb_labels *labels,
                                 double rate, double *ret_losses)
{
    enum umb_status st = umb__trainer_compile(tr, (int)mode);
    if (st == UMB_OK) { st = umb__plan_wait(tr->side[mode].plan, 0); }
    if (st == UMB_OK) { st = fill_images(tr, (int)mode, batches); }
    if (st != UMB_OK) { return st; }
    fill_labels(tr, (int)mode, batches, labels);
    st = umb__trainer_submit(tr, mode, 0, rate);
    return st == UMB_OK ? umb__trainer_wait(tr, mode, 0, ret_losses) : st;
}

enum umb_status umb_trainer_step(struct umb_trainer *tr, const struct umb_batch *batches,
                                 const struct umb_labels *labels, double rate, double *ret_losses)
{
    return run_batch(tr, UMB_TRAINER_TRAIN, batches, labels, rate, ret_losses);
}

enum umb_status umb_trainer_evaluate(struct umb_trainer *tr, const struct umb_batch *batches,
                                     const struct umb_labels *labels)
{
    return run_batch(tr, UMB_TRAINER_EVALUATE, batches, labels, 0, NULL);
}

enum umb_status umb_trainer_predict(struct umb_trainer *tr, const struct umb_batch *batches,
                                    float *const *ret_outputs)
{
    struct umb_trainer_side *side = &tr->side[UMB_TRAINER_PREDICT];
    enum umb_status st = umb__trainer_compile(tr, UMB_TRAINER_PREDICT);
    if (st == UMB_OK) { st = umb__plan_wait(side->plan, 0); }
    if (st == UMB_OK) { st = umb__trainer_fold(tr, UMB_TRAINER_PREDICT); }
    if (st == UMB_OK) { st = fill_images(tr, UMB_TRAINER_PREDICT, batches); }
    if (st == UMB_OK) { st = umb__plan_submit(side->plan, 0); }
    if (st == UMB_OK) { st = umb__plan_wait(side->plan, 0); }
    for (int t = 0; st == UMB_OK && t < tr->n_tasks; t++) {
        const int64_t rows = task_samples(tr, t, batches);
        size_t bytes = (size_t)rows * sample_bytes(tr, UMB_TRAINER_PREDICT, side->answer[t]);
        if (ret_outputs[t] && bytes) {
            memcpy(ret_outputs[t], umb__plan_output(side->plan, 0, side->answer[t]), bytes);
        }
    }
    return st;
}
