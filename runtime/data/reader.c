/*
 * reader.c: threads that read the samples of a batch side by side.
 *
 * A call of umb__reader_read is a job on its caller's stack; jobs wait in a list, and a worker
 * takes the next few samples of the first job. Samples are claimed in ascending order, so that the
 * lowest failing one is the same whatever the threads do; the caller then reads that sample once
 * more itself, so that the message in the context is this sample's and nobody else's.
 */
#include "alloc.h"
#include "fail.h"
#include "sampler.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

struct job {
    const struct umb_read *read;
    int64_t n, chunk, shape[3];
    size_t image_bytes, n_targets;
    size_t *target_bytes; /* [n_targets] */
    void **rows;          /* [n_threads + 1, n_targets]: where a thread's present sample goes */
    uint8_t *scratch;     /* [n_threads + 1, scratch_bytes]: the image as it was, and working space;
                             NULL: nothing is changed */
    size_t scratch_bytes, original_bytes;
    /* Under the reader's lock; failed is the lowest position that failed, n: none. */
    int64_t next, failed, n_running;
    struct job *after;
};

struct worker {
    struct umb_reader *reader;
    unsigned index;
    pthread_t thread;
};

struct umb_reader {
    struct umb_context *ctx;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct job *first;
    bool stop;
    unsigned n_threads, n_started;
    struct worker *worker; /* [n_threads] */
};

static size_t target_bytes(const struct umb_target_info *t)
{
    switch (t->kind) {
    case UMB_TARGET_REAL:
        return (size_t)t->n_values * sizeof(float);
    case UMB_TARGET_PIXELS:
        return (size_t)(t->height * t->width) * sizeof(int32_t);
    case UMB_TARGET_CLASS:
        break;
    }
    return sizeof(int32_t);
}

/* Reads the sample beside its place, and changes it on the way there. */
static enum umb_status read_changed(const struct job *job, int64_t at, unsigned thread,
                                    uint8_t *image, void *const *row)
{
    const struct umb_read *read = job->read;
    uint8_t *original = job->scratch + thread * job->scratch_bytes;
    uint8_t *work = original + job->original_bytes;
    enum umb_status st =
        umb_dataset_read(read->dataset, read->split, read->indices[at], original, row);
    if (st != UMB_OK) { return st; }
    struct umb_change change;
    umb__change_draw(read->augment, job->shape, read->seed, read->stream,
                     read->first + (uint64_t)at, &change);
    umb__change_image(&change, job->shape, original, image, work);
    for (size_t t = 0; row && t < job->n_targets; t++) {
        if (!row[t]) { continue; }
        umb__change_target(&change, job->shape, umb_dataset_target(read->dataset, t), row[t], work);
    }
    return UMB_OK;
}

static enum umb_status read_sample(const struct job *job, int64_t at, unsigned thread)
{
    const struct umb_read *read = job->read;
    uint8_t *image = read->images + (size_t)at * job->image_bytes;
    void **row = read->targets ? job->rows + thread * job->n_targets : NULL;
    for (size_t t = 0; row && t < job->n_targets; t++) {
        uint8_t *all = read->targets[t];
        row[t] = all ? all + (size_t)at * job->target_bytes[t] : NULL;
    }
    if (job->scratch) { return read_changed(job, at, thread, image, row); }
    return umb_dataset_read(read->dataset, read->split, read->indices[at], image, row);
}

/* Takes a job whose samples are all claimed, or needless, out of the list. */
static void unlink_job(struct umb_reader *r, struct job *job)
{
    struct job **at = &r->first;
    while (*at != NULL && *at != job) {
        at = &(*at)->after;
    }
    if (*at != NULL) { *at = job->after; }
}

/* Claims samples of the first job and reads them. The lock is held on entry and on return. */
static void work_once(struct umb_reader *r, unsigned thread)
{
    struct job *job = r->first;
    int64_t from = job->next, to = from + job->chunk < job->n ? from + job->chunk : job->n;
    job->next = to;
    job->n_running++;
    if (to == job->n) { unlink_job(r, job); }
    pthread_mutex_unlock(&r->lock);
    int64_t at = from;
    while (at < to && read_sample(job, at, thread) == UMB_OK) {
        at++;
    }
    pthread_mutex_lock(&r->lock);
    if (at < to) {
        if (at < job->failed) { job->failed = at; }
        job->next = job->n;
        unlink_job(r, job);
    }
    if (--job->n_running == 0 && job->next == job->n) { pthread_cond_broadcast(&r->done); }
}

static void *worker_main(void *user)
{
    const struct worker *w = user;
    struct umb_reader *r = w->reader;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        if (r->first == NULL) {
            pthread_cond_wait(&r->work, &r->lock);
        } else {
            work_once(r, w->index);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Signals are the main thread's business: workers start with all of them blocked. */
static enum umb_status start_threads(struct umb_reader *r)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = 0;
    for (; r->n_started < r->n_threads; r->n_started++) {
        struct worker *w = &r->worker[r->n_started];
        w->reader = r;
        w->index = r->n_started;
        code = pthread_create(&w->thread, NULL, worker_main, w);
        if (code != 0) { break; }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) { return UMB_OK; }
    return umb__fail(r->ctx, UMB_ERR_NO_MEMORY, "no thread to read data with: %s", strerror(code));
}

enum umb_status umb__reader_create(struct umb_context *ctx, unsigned n_threads,
                                   struct umb_reader **ret_reader)
{
    if (n_threads == 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "0 threads to read data; expected at least 1");
    }
    struct umb_reader *r = umb__calloc(ctx, 1, sizeof *r);
    if (r == NULL) { return UMB_ERR_NO_MEMORY; }
    r->ctx = ctx;
    r->n_threads = n_threads;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->done, NULL);
    r->worker = umb__calloc(ctx, n_threads, sizeof *r->worker);
    enum umb_status st = r->worker ? start_threads(r) : UMB_ERR_NO_MEMORY;
    if (st != UMB_OK) {
        umb__reader_destroy(r);
        return st;
    }
    *ret_reader = r;
    return UMB_OK;
}

void umb__reader_destroy(struct umb_reader *r)
{
    if (r == NULL) { return; }
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->n_started; i++) {
        pthread_join(r->worker[i].thread, NULL);
    }
    pthread_cond_destroy(&r->done);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    umb__free(r->worker);
    umb__free(r);
}

/* What a thread needs to change images, a multiple of what any type wants to lie at. */
static enum umb_status create_scratch(struct umb_reader *r, struct job *job)
{
    const size_t step = 64;
    if (!job->read->augment) { return UMB_OK; }
    job->original_bytes = (job->image_bytes + step - 1) / step * step;
    job->scratch_bytes =
        job->original_bytes + (umb__change_scratch_bytes(job->shape) + step - 1) / step * step;
    job->scratch = umb__calloc(r->ctx, r->n_threads + 1, job->scratch_bytes);
    return job->scratch ? UMB_OK : UMB_ERR_NO_MEMORY;
}

/* Several claims a thread, so that a slow image holds up little. */
static enum umb_status job_init(struct umb_reader *r, struct job *job)
{
    const struct umb_read *read = job->read;
    umb_dataset_image_shape(read->dataset, job->shape);
    job->image_bytes = (size_t)(job->shape[0] * job->shape[1] * job->shape[2]);
    job->chunk = job->n / (4 * (int64_t)r->n_threads) + 1;
    job->failed = job->n;
    job->n_targets = umb_dataset_n_targets(read->dataset);
    job->target_bytes = umb__calloc(r->ctx, job->n_targets, sizeof *job->target_bytes);
    job->rows = umb__calloc(r->ctx, job->n_targets, (r->n_threads + 1) * sizeof *job->rows);
    if (job->target_bytes == NULL || job->rows == NULL) { return UMB_ERR_NO_MEMORY; }
    for (size_t t = 0; t < job->n_targets; t++) {
        job->target_bytes[t] = target_bytes(umb_dataset_target(read->dataset, t));
    }
    return create_scratch(r, job);
}

static void run_job(struct umb_reader *r, struct job *job)
{
    pthread_mutex_lock(&r->lock);
    struct job **last = &r->first;
    while (*last != NULL) {
        last = &(*last)->after;
    }
    *last = job;
    pthread_cond_broadcast(&r->work);
    while (job->next < job->n || job->n_running > 0) {
        pthread_cond_wait(&r->done, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

enum umb_status umb__reader_run(struct umb_reader *r, const struct umb_read *read)
{
    if (read->n <= 0) { return UMB_OK; }
    struct job job = {.read = read, .n = read->n};
    enum umb_status st = job_init(r, &job);
    if (st == UMB_OK) { run_job(r, &job); }
    /* What failed, and what was skipped for it, is read here: it fails again with its own message,
     * or has healed. */
    for (int64_t at = job.failed; at < job.n && st == UMB_OK; at++) {
        st = read_sample(&job, at, r->n_threads);
    }
    umb__free(job.scratch);
    umb__free(job.rows);
    umb__free(job.target_bytes);
    return st;
}

enum umb_status umb__reader_read(struct umb_reader *r, struct umb_dataset *ds, enum umb_split split,
                                 const uint32_t *indices, int64_t n, uint8_t *images,
                                 void *const *targets)
{
    const struct umb_read read = {.dataset = ds,
                                  .split = split,
                                  .indices = indices,
                                  .n = n,
                                  .images = images,
                                  .targets = targets};
    return umb__reader_run(r, &read);
}
