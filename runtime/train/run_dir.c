/* run_dir.c: making, finding and opening a run's directory, and its two growing files. */
#include "run_dir.h"

#include "fail.h"
#include "system.h"
#include "text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RUNS "runs"
#define MAX_RUNS 1000000
#define DIGITS 7 /* significant ones of numbers in metrics.jsonl */

char *umb__run_file(const struct umb_run *run, const char *name)
{
    return umb__path_join(run->ctx, run->path, name);
}

static enum umb_status refuse(struct umb_context *ctx, const char *path, const char *what)
{
    return umb__fail(ctx, UMB_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* The directory. */

static bool holds_run(struct umb_context *ctx, const char *path)
{
    char *file = umb__path_join(ctx, path, "experiment.yaml");
    bool there = file && umb__is_file(file);
    umb__free(file);
    return there;
}

/* runs/NAME-1, -2 …: mkdir decides, so that two processes never share one. */
enum umb_status umb__runs_make(struct umb_context *ctx, const char *name, char **ret_path)
{
    enum umb_status st = umb__make_folders(ctx, RUNS);
    char path[256];
    for (int i = 1; st == UMB_OK && i < MAX_RUNS; i++) {
        snprintf(path, sizeof path, RUNS "/%.100s-%d", name, i);
        if (mkdir(path, 0777) == 0) {
            *ret_path = umb__strdup(ctx, path);
            return *ret_path ? UMB_OK : UMB_ERR_NO_MEMORY;
        }
        if (errno != EEXIST) { st = refuse(ctx, path, "cannot be made"); }
    }
    return st == UMB_OK ? umb__fail(ctx, UMB_ERR_IO, RUNS ": no free number for %s", name) : st;
}

enum umb_status umb__run_check_free(struct umb_context *ctx, const char *path)
{
    if (!holds_run(ctx, path)) { return UMB_OK; }
    return umb__fail(ctx, UMB_ERR_INVALID,
                     "%s: holds a run already; expected a new folder, or --resume to go on with it",
                     path);
}

static enum umb_status make_named(struct umb_context *ctx, const char *path, char **ret_path)
{
    enum umb_status st = umb__run_check_free(ctx, path);
    if (st == UMB_OK) { st = umb__make_folders(ctx, path); }
    if (st != UMB_OK) { return st; }
    *ret_path = umb__strdup(ctx, path);
    return *ret_path ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status open_append(struct umb_run *run, const char *name, int *ret_fd)
{
    char *path = umb__run_file(run, name);
    if (!path) { return UMB_ERR_NO_MEMORY; }
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    enum umb_status st = *ret_fd < 0 ? refuse(run->ctx, path, "cannot be written") : UMB_OK;
    umb__free(path);
    return st;
}

static enum umb_status open_files(struct umb_run *run)
{
    char *checkpoints = umb__run_file(run, "checkpoints");
    enum umb_status st = checkpoints ? umb__make_folders(run->ctx, checkpoints) : UMB_ERR_NO_MEMORY;
    umb__free(checkpoints);
    if (st == UMB_OK) { st = open_append(run, "log.txt", &run->log); }
    if (st == UMB_OK) { st = open_append(run, "metrics.jsonl", &run->metrics); }
    return st;
}

static struct umb_run *new_run(struct umb_context *ctx)
{
    struct umb_run *run = umb__calloc(ctx, 1, sizeof *run);
    if (!run) { return NULL; }
    run->ctx = ctx;
    run->metrics = run->log = -1;
    return run;
}

/* Takes back a directory that could not be completed. What held other files stays. */
static void undo(struct umb_run *run)
{
    static const char *const files[] = {"log.txt", "metrics.jsonl"};
    for (size_t i = 0; run->path && i < sizeof files / sizeof *files; i++) {
        char *path = umb__run_file(run, files[i]);
        if (path) { unlink(path); }
        umb__free(path);
    }
    char *checkpoints = run->path ? umb__run_file(run, "checkpoints") : NULL;
    if (checkpoints) { rmdir(checkpoints); }
    umb__free(checkpoints);
    if (run->path) { rmdir(run->path); }
}

enum umb_status umb__run_create(struct umb_context *ctx, const struct umb_experiment *exp,
                                const char *path, struct umb_run **ret_run)
{
    struct umb_run *run = new_run(ctx);
    if (!run) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st =
        path ? make_named(ctx, path, &run->path) : umb__runs_make(ctx, exp->name, &run->path);
    if (st == UMB_OK) { st = open_files(run); }
    if (st == UMB_OK) { st = umb__run_keep_experiment(run, exp); }
    if (st != UMB_OK) {
        undo(run);
        umb__run_close(run);
        return st;
    }
    *ret_run = run;
    return UMB_OK;
}

/* The highest N of runs/NAME-N; 0: none. */
static int64_t newest_number(const char *name)
{
    DIR *folder = opendir(RUNS);
    size_t length = strlen(name);
    int64_t newest = 0, number;
    for (struct dirent *e; folder && (e = readdir(folder)) != NULL;) {
        if (strncmp(e->d_name, name, length) != 0 || e->d_name[length] != '-') { continue; }
        bool numbered = umb__parse_int(e->d_name + length + 1, 1, MAX_RUNS, &number);
        if (numbered && number > newest) { newest = number; }
    }
    if (folder) { closedir(folder); }
    return newest;
}

enum umb_status umb__runs_newest(struct umb_context *ctx, const char *name, char **ret_path)
{
    char newest[256];
    int64_t number = newest_number(name);
    if (!number) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "--resume: there is no run " RUNS "/%s-N here; expected one, or --out DIR",
                         name);
    }
    snprintf(newest, sizeof newest, RUNS "/%.100s-%" PRId64, name, number);
    *ret_path = umb__strdup(ctx, newest);
    return *ret_path ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status find_run(struct umb_context *ctx, const char *path, const char *name,
                                char **ret_path)
{
    if (!path) { return umb__runs_newest(ctx, name, ret_path); }
    if (!holds_run(ctx, path)) {
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%s: is no run; expected a folder with experiment.yaml and checkpoints",
                         path);
    }
    *ret_path = umb__strdup(ctx, path);
    return *ret_path ? UMB_OK : UMB_ERR_NO_MEMORY;
}

enum umb_status umb__run_open(struct umb_context *ctx, const char *path, const char *name,
                              bool writing, struct umb_run **ret_run)
{
    struct umb_run *run = new_run(ctx);
    if (!run) { return UMB_ERR_NO_MEMORY; }
    enum umb_status st = find_run(ctx, path, name, &run->path);
    if (st == UMB_OK && writing) { st = open_files(run); }
    if (st != UMB_OK) {
        umb__run_close(run);
        return st;
    }
    *ret_run = run;
    return UMB_OK;
}

void umb__run_close(struct umb_run *run)
{
    if (!run) { return; }
    if (run->metrics >= 0) { close(run->metrics); }
    if (run->log >= 0) { close(run->log); }
    umb__free(run->path);
    umb__free(run);
}

enum umb_status umb__run_keep_experiment(const struct umb_run *run,
                                         const struct umb_experiment *exp)
{
    char *text = NULL, *path = umb__run_file(run, "experiment.yaml");
    enum umb_status st = path ? umb__yaml_write(exp->tree, &text) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__file_write(run->ctx, path, text, strlen(text)); }
    umb__free(text);
    umb__free(path);
    return st;
}

/* Growing files. */

int64_t umb__run_metrics_bytes(const struct umb_run *run)
{
    struct stat info;
    return fstat(run->metrics, &info) == 0 ? (int64_t)info.st_size : 0;
}

/* All of it or nothing: what a full disk took of the line is cut off again. */
static enum umb_status append(struct umb_run *run, const char *line, size_t size)
{
    int64_t before = umb__run_metrics_bytes(run);
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(run->metrics, line + done, size - done);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) {
            enum umb_status st =
                umb__fail(run->ctx, UMB_ERR_IO, "%s/metrics.jsonl: cannot be written: %s",
                          run->path, n < 0 ? strerror(errno) : "nothing was taken");
            if (ftruncate(run->metrics, before) != 0) { return st; }
            return st;
        }
        done += (size_t)n;
    }
    return UMB_OK;
}

enum umb_status umb__run_event(struct umb_run *run, json_t *event)
{
    char *text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) : NULL;
    json_decref(event);
    struct umb_text line = {0};
    if (text) { umb__text_printf(&line, "%s\n", text); }
    free(text);
    enum umb_status st =
        line.length && !line.failed
            ? append(run, line.data, line.length)
            : umb__fail(run->ctx, UMB_ERR_NO_MEMORY, "out of memory: a line of metrics.jsonl");
    umb__text_finish(&line);
    return st;
}

enum umb_status umb__run_cut_metrics(struct umb_run *run, int64_t bytes)
{
    if (bytes < 0 || bytes >= umb__run_metrics_bytes(run)) { return UMB_OK; }
    if (ftruncate(run->metrics, bytes) == 0) { return UMB_OK; }
    return umb__fail(run->ctx, UMB_ERR_IO, "%s/metrics.jsonl: cannot be cut: %s", run->path,
                     strerror(errno));
}

void umb__run_log(struct umb_run *run, const char *line)
{
    char text[1280], now[32] = "";
    time_t seconds = time(NULL);
    struct tm parts;
    if (gmtime_r(&seconds, &parts)) { strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &parts); }
    int n = snprintf(text, sizeof text, "%s %.1200s\n", now, line);
    if (n > 0 && write(run->log, text, (size_t)n) < 0) { return; }
}
