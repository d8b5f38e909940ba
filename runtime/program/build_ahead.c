/*
 * build_ahead.c: building what a plan needs in other processes, because the driver builds one
 * kernel after another in this one (PoCL holds locks that all of a process share).
 *
 *   kernels whose program is not in the cache ─► a helper a core: build it, run it once, so that
 *   the driver compiles it, put its binary into the cache ─► this process goes on, and loads it
 */
#define _POSIX_C_SOURCE 200809L
#include "alloc.h"
#include "build_helper.h"
#include "build_job.h"
#include "fail.h"
#include "program_table.h"
#include "system.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HELPERS 8
#define PATIENCE_MS 120000 /* for one kernel; the largest took 3 s in a cold PoCL */

/* A kernel that is to be built: one of the launches that name it. */
struct unit {
    size_t launch; /* index into ahead.descs */
    size_t source_bytes;
};

struct ahead {
    struct umb_device *device;
    const struct umb_launch_desc *descs;
    struct unit *unit;
    size_t n_units, next;
};

struct worker {
    struct umb_build_helper helper;
    bool busy;
    const struct umb_kernel *kernel; /* that it builds, since: */
    uint64_t began_ns;
};

/* What there is to build. */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool known(const struct ahead *a, const struct umb_launch_desc *d)
{
    for (size_t i = 0; i < a->n_units; i++) {
        const struct umb_launch_desc *other = &a->descs[a->unit[i].launch];
        if (same_text(other->kernel->file, d->kernel->file) &&
            same_text(other->kernel->entry, d->kernel->entry) &&
            same_text(other->options, d->options)) {
            return true;
        }
    }
    return false;
}

/* The longest source first: what takes longest must not come last. */
static int longest_first(const void *x, const void *y)
{
    const struct unit *a = x, *b = y;
    return (a->source_bytes < b->source_bytes) - (a->source_bytes > b->source_bytes);
}

static bool collect(struct ahead *a, size_t n)
{
    a->unit = umb__calloc(NULL, n, sizeof *a->unit);
    if (!a->unit) { return false; }
    for (size_t i = 0; i < n; i++) {
        if (!known(a, &a->descs[i])) { a->unit[a->n_units++] = (struct unit){.launch = i}; }
    }
    /* Only now, and so once for each program: it takes making its text. */
    size_t n_missing = 0;
    for (size_t i = 0; i < a->n_units; i++) {
        struct unit u = a->unit[i];
        const struct umb_launch_desc *d = &a->descs[u.launch];
        if (umb__program_missing(a->device, d->kernel, d->options, &u.source_bytes)) {
            a->unit[n_missing++] = u;
        }
    }
    a->n_units = n_missing;
    qsort(a->unit, a->n_units, sizeof *a->unit, longest_first);
    return true;
}

/* Handing it out. */

/* Sends the worker what comes next; one that is gone, or has no more to do, is not busy. */
static void hand_out(struct ahead *a, struct worker *w)
{
    w->busy = a->next < a->n_units;
    if (!w->busy) { return; }
    struct umb_text t = {0};
    const struct umb_launch_desc *desc = &a->descs[a->unit[a->next++].launch];
    w->kernel = desc->kernel;
    w->began_ns = umb__clock_ns();
    umb__job_put_number(&t, UMB_BUILD_LAUNCH);
    umb__job_put_launch(&t, desc);
    w->busy = umb__job_send(w->helper.fd, &t);
    umb__text_finish(&t);
}

static void take_answer(struct ahead *a, struct worker *w)
{
    w->busy = umb__build_helper_answer(&w->helper);
    if (!w->busy) { return; }
    umb__log(umb__device_context(a->device), UMB_LOG_TRACE, "%s built in %.0f ms", w->kernel->name,
             (double)(umb__clock_ns() - w->began_ns) * 1e-6);
    hand_out(a, w);
}

/* Waits until every worker has no more to do; those that stand still are left alone. */
static void run(struct ahead *a, struct worker *workers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hand_out(a, &workers[i]);
    }
    for (;;) {
        struct pollfd files[MAX_HELPERS];
        struct worker *owner[MAX_HELPERS];
        nfds_t n_files = 0;
        for (size_t i = 0; i < n; i++) {
            if (!workers[i].busy) { continue; }
            owner[n_files] = &workers[i];
            files[n_files++] = (struct pollfd){.fd = workers[i].helper.fd, .events = POLLIN};
        }
        if (n_files == 0) { return; }
        int ready = poll(files, n_files, PATIENCE_MS);
        if (ready < 0 && errno == EINTR) { continue; }
        if (ready <= 0) { return; }
        for (nfds_t i = 0; i < n_files; i++) {
            if (files[i].revents) { take_answer(a, owner[i]); }
        }
    }
}

static void build_all(struct ahead *a, size_t most)
{
    struct worker workers[MAX_HELPERS] = {0};
    size_t n = 0;
    while (n < most && n < a->n_units && umb__build_helper_init(&workers[n].helper, a->device)) {
        n++;
    }
    run(a, workers, n);
    for (size_t i = 0; i < n; i++) {
        umb__build_helper_finish(&workers[i].helper);
    }
}

/* UMBEL_BUILDERS; what is nonsense counts as unset, for nothing here may fail. */
static size_t most_helpers(struct umb_context *ctx)
{
    int64_t most = 0, cores = umb__cpu_count();
    if (umb__env_int(ctx, "UMBEL_BUILDERS", 0, MAX_HELPERS, cores, &most) != UMB_OK) {
        most = cores;
    }
    return (size_t)(most < MAX_HELPERS ? most : MAX_HELPERS);
}

void umb__build_ahead(struct umb_device *device, const struct umb_launch_desc *descs, size_t n)
{
    struct umb_context *ctx = umb__device_context(device);
    const char *builder = umb__context_builder(ctx);
    if (!builder || !builder[0] || n == 0 || !umb__program_builds_apart(device)) { return; }
    size_t most = most_helpers(ctx);
    struct ahead a = {.device = device, .descs = descs};
    if (most > 0 && collect(&a, n) && a.n_units > 0) {
        uint64_t start = umb__clock_ns();
        build_all(&a, most);
        umb__log(ctx, UMB_LOG_DEBUG, "%zu kernels built ahead in %.0f ms", a.n_units,
                 (double)(umb__clock_ns() - start) * 1e-6);
    }
    umb__free(a.unit);
}
