/* feed.c: see feed.h. */
#include "feed.h"

#include "alloc.h"
#include "fail.h"
#include "labels.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* One stream's part: its samples, and where their targets are put before they become labels. */
struct source {
    const struct umb_exp_data *data;
    struct umb_sampler *sampler; /* NULL: no samples in this split */
    uint32_t *index;             /* [batch] */
    void **target;               /* [n_targets], NULL: no task wants it */
};

struct umb_feed {
    struct umb_context *ctx;
    struct umb_feed_desc desc;
    struct source source[UMB_MAX_STREAMS];
    int64_t batches;
    bool once; /* a stream that ran out stays out */
    pthread_t thread;
    bool running;
    struct umb_feed_batch filled[UMB_TRAINER_SLOTS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. Batches below `ready` are filled, below `taken` handed out, below `free` done
     * with; ready ≤ free + SLOTS. */
    int64_t ready, taken, free, last;
    bool stop;
    enum umb_status status;
    char message[1024];
};

/* Filling. */

static enum umb_status choose_samples(struct umb_feed *f, struct source *s, int64_t batch,
                                      int64_t *ret_n)
{
    *ret_n = 0;
    if (!s->sampler || (f->once && batch >= umb__sampler_batches(s->sampler))) { return UMB_OK; }
    return umb__sampler_batch(s->sampler, batch, s->index, ret_n);
}

static enum umb_status fill_labels(struct umb_feed *f, const struct umb_slot_view *view,
                                   const int64_t *n)
{
    const struct umb_experiment *exp = f->desc.exp;
    enum umb_status st = UMB_OK;
    for (size_t t = 0; st == UMB_OK && t < exp->n_tasks; t++) {
        const struct umb_exp_task *task = &exp->task[t];
        int stream = exp->data[task->data].stream;
        const struct source *s = &f->source[stream];
        st = umb__labels_fill(exp, task, s->target[task->target], s->index, n[stream],
                              view->labels[t], view->mask[t]);
    }
    return st;
}

/* Image k of n samples; targets come with the first. A sample's place in the run, over all its
 * batches, addresses what is drawn for it: the same for all its images. */
static enum umb_status read_image(struct umb_feed *f, size_t stream, size_t k, int64_t batch,
                                  int64_t n, uint8_t *images)
{
    const struct source *s = &f->source[stream];
    const struct umb_exp_train *train = &f->desc.exp->train;
    const bool changes = s->data->augments && f->desc.mode == UMB_TRAINER_TRAIN && !f->desc.plain;
    const struct umb_read read = {.dataset = umb__exp_input(s->data, k)->dataset,
                                  .split = f->desc.split,
                                  .indices = s->index,
                                  .n = n,
                                  .images = images,
                                  .targets = k ? NULL : s->target,
                                  .augment = changes ? &s->data->augment : NULL,
                                  .seed = train->seed,
                                  .stream = (uint32_t)stream,
                                  .first = (uint64_t)(batch * train->batch)};
    return umb__reader_run(f->desc.reader, &read);
}

static enum umb_status read_images(struct umb_feed *f, size_t stream, int64_t batch, int64_t n,
                                   const struct umb_slot_view *view)
{
    const struct umb_exp_data *data = f->source[stream].data;
    enum umb_status st = UMB_OK;
    for (size_t k = 0; st == UMB_OK && k <= data->n_more; k++) {
        st = read_image(f, stream, k, batch, n, view->images[(size_t)data->image + k]);
    }
    return st;
}

static enum umb_status fill(struct umb_feed *f, int64_t batch)
{
    int slot = (int)(batch % UMB_TRAINER_SLOTS);
    struct umb_feed_batch *filled = &f->filled[slot];
    struct umb_slot_view view;
    int64_t n[UMB_MAX_STREAMS] = {0};
    umb__trainer_slot(f->desc.trainer, f->desc.mode, slot, &view);
    *filled = (struct umb_feed_batch){.slot = slot};
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < f->desc.exp->n_streams; i++) {
        struct source *s = &f->source[i];
        st = choose_samples(f, s, batch, &n[i]);
        filled->images += n[i] * (int64_t)(1 + s->data->n_more);
        if (st == UMB_OK && n[i] > 0) { st = read_images(f, i, batch, n[i], &view); }
    }
    if (st == UMB_OK) { st = fill_labels(f, &view, n); }
    if (st == UMB_OK) { umb__trainer_set_rows(f->desc.trainer, f->desc.mode, slot, n); }
    return st;
}

/* The next batch to fill once its slot is free; false: there is nothing more to do. */
static bool wait_for_slot(struct umb_feed *f, int64_t *ret_batch)
{
    pthread_mutex_lock(&f->lock);
    while (!f->stop && f->ready < f->last && f->ready >= f->free + UMB_TRAINER_SLOTS) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    bool more = !f->stop && f->ready < f->last;
    *ret_batch = f->ready;
    pthread_mutex_unlock(&f->lock);
    return more;
}

static void report(struct umb_feed *f, enum umb_status st)
{
    pthread_mutex_lock(&f->lock);
    if (st == UMB_OK) {
        f->ready++;
    } else {
        f->status = st;
        umb__fail_message(f->ctx, f->message, sizeof f->message);
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void *work(void *user)
{
    struct umb_feed *f = user;
    int64_t batch;
    enum umb_status st = UMB_OK;
    while (st == UMB_OK && wait_for_slot(f, &batch)) {
        st = fill(f, batch);
        report(f, st);
    }
    return NULL;
}

/* Starting and stopping. */

/* Signals are the main thread's: none is delivered to the feed's. */
static int start_thread(struct umb_feed *f)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&f->thread, NULL, work, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

enum umb_status umb__feed_start(struct umb_feed *f, int64_t first, int64_t last)
{
    umb__feed_stop(f);
    f->ready = f->taken = f->free = first;
    f->last = last;
    f->stop = false;
    f->status = UMB_OK;
    int code = start_thread(f);
    if (code != 0) {
        return umb__fail(f->ctx, UMB_ERR_NO_MEMORY, "no thread for reading data: %s",
                         strerror(code));
    }
    f->running = true;
    return UMB_OK;
}

enum umb_status umb__feed_next(struct umb_feed *f, struct umb_feed_batch *ret_batch)
{
    pthread_mutex_lock(&f->lock);
    while (f->status == UMB_OK && f->ready == f->taken) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    enum umb_status st = f->ready > f->taken ? UMB_OK : f->status;
    if (st == UMB_OK) { *ret_batch = f->filled[f->taken++ % UMB_TRAINER_SLOTS]; }
    pthread_mutex_unlock(&f->lock);
    return st == UMB_OK ? st : umb__fail(f->ctx, st, "%s", f->message);
}

void umb__feed_done(struct umb_feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->free++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void umb__feed_stop(struct umb_feed *f)
{
    if (!f->running) { return; }
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    f->running = false;
}

int64_t umb__feed_batches(const struct umb_feed *f)
{
    return f->batches;
}

/* Creation. */

static bool wanted(const struct umb_experiment *exp, const struct umb_exp_data *d, size_t target)
{
    for (size_t t = 0; t < exp->n_tasks; t++) {
        if (&exp->data[exp->task[t].data] == d && exp->task[t].target == target) { return true; }
    }
    return false;
}

static enum umb_status create_targets(struct umb_feed *f, struct source *s)
{
    const struct umb_exp_data *d = s->data;
    size_t batch = (size_t)f->desc.exp->train.batch;
    s->index = umb__calloc(f->ctx, batch, sizeof *s->index);
    s->target = umb__calloc(f->ctx, d->n_targets + 1, sizeof *s->target);
    if (!s->index || !s->target) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < d->n_targets; i++) {
        if (!wanted(f->desc.exp, d, i)) { continue; }
        s->target[i] = umb__calloc(f->ctx, batch, umb__target_bytes(&d->target[i]));
        if (!s->target[i]) { return UMB_ERR_NO_MEMORY; }
    }
    return UMB_OK;
}

static enum umb_status create_source(struct umb_feed *f, size_t stream)
{
    const struct umb_experiment *exp = f->desc.exp;
    struct source *s = &f->source[stream];
    s->data = &exp->data[exp->stream[stream]];
    enum umb_status st = create_targets(f, s);
    if (st != UMB_OK || umb_dataset_count(s->data->dataset, f->desc.split) == 0) { return st; }
    const size_t order = f->desc.plain ? umb__exp_first_alike(exp, stream) : stream;
    struct umb_sampler_desc desc = {.dataset = s->data->dataset,
                                    .split = f->desc.split,
                                    .batch = exp->train.batch,
                                    .seed = exp->train.seed,
                                    .stream = (uint32_t)order,
                                    .shuffle = f->desc.mode == UMB_TRAINER_TRAIN};
    if (desc.shuffle && !f->desc.plain) { desc.balance = s->data->balance; }
    st = umb__sampler_create(f->ctx, &desc, &s->sampler);
    if (st != UMB_OK) { return st; }
    int64_t n = umb__sampler_batches(s->sampler);
    if (n > f->batches) { f->batches = n; }
    return UMB_OK;
}

enum umb_status umb__feed_create(struct umb_context *ctx, const struct umb_feed_desc *desc,
                                 struct umb_feed **ret_feed)
{
    struct umb_feed *f = umb__calloc(ctx, 1, sizeof *f);
    if (!f) { return UMB_ERR_NO_MEMORY; }
    f->ctx = ctx;
    f->desc = *desc;
    f->once = desc->mode == UMB_TRAINER_EVALUATE || desc->plain;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < desc->exp->n_streams; i++) {
        st = create_source(f, i);
    }
    if (st != UMB_OK) {
        umb__feed_destroy(f);
        return st;
    }
    *ret_feed = f;
    return UMB_OK;
}

void umb__feed_destroy(struct umb_feed *f)
{
    if (!f) { return; }
    umb__feed_stop(f);
    for (size_t i = 0; i < f->desc.exp->n_streams; i++) {
        struct source *s = &f->source[i];
        for (size_t k = 0; s->target && k < s->data->n_targets; k++) {
            umb__free(s->target[k]);
        }
        umb__free(s->target);
        umb__free(s->index);
        umb__sampler_destroy(s->sampler);
    }
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    umb__free(f);
}
