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
    struct umb_dataset *ds;
    enum umb_split split;
    const uint32_t *indices;
    int64_t n, chunk;
    uint8_t *images;
    size_t image_bytes;
    void *const *targets; /* NULL: none wanted */
    size_t n_targets;
    size_t *target_bytes; /* [n_targets] */
    void **rows;          /* [n_threads + 1, n_targets]: where a thread's present sample goes */
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

static enum umb_status read_sample(const struct job *job, int64_t at, unsigned thread)
{
    void **row = job->rows + thread * job->n_targets;
    for (size_t t = 0; job->targets && t < job->n_targets; t++) {
        uint8_t *all = job->targets[t];
        row[t] = all ? all + (size_t)at * job->target_bytes[t] : NULL;
    }
    return umb_dataset_read(job->ds, job->split, job->indices[at],
                            job->images + (size_t)at * job->image_bytes, job->targets ? row : NULL);
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

/* Several claims a thread, so that a slow image holds up little. */
static enum umb_status job_init(struct umb_reader *r, struct job *job)
{
    int64_t shape[3];
    umb_dataset_image_shape(job->ds, shape);
    job->image_bytes = (size_t)(shape[0] * shape[1] * shape[2]);
    job->chunk = job->n / (4 * (int64_t)r->n_threads) + 1;
    job->failed = job->n;
    job->n_targets = umb_dataset_n_targets(job->ds);
    job->target_bytes = umb__calloc(r->ctx, job->n_targets, sizeof *job->target_bytes);
    job->rows = umb__calloc(r->ctx, job->n_targets, (r->n_threads + 1) * sizeof *job->rows);
    if (job->target_bytes == NULL || job->rows == NULL) { return UMB_ERR_NO_MEMORY; }
    for (size_t t = 0; t < job->n_targets; t++) {
        job->target_bytes[t] = target_bytes(umb_dataset_target(job->ds, t));
    }
    return UMB_OK;
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

enum umb_status umb__reader_read(struct umb_reader *r, struct umb_dataset *ds, enum umb_split split,
                                 const uint32_t *indices, int64_t n, uint8_t *images,
                                 void *const *targets)
{
    if (n <= 0) { return UMB_OK; }
    struct job job = {
        .ds = ds, .split = split, .indices = indices, .n = n, .images = images, .targets = targets};
    enum umb_status st = job_init(r, &job);
    if (st == UMB_OK) { run_job(r, &job); }
    /* What failed, and what was skipped for it, is read here: it fails again with its own message,
     * or has healed. */
    for (int64_t at = job.failed; at < n && st == UMB_OK; at++) {
        st = read_sample(&job, at, r->n_threads);
    }
    umb__free(job.rows);
    umb__free(job.target_bytes);
    return st;
}
