/* compare_runs.c: the runs of a comparison: what each trains, and going on with those there are. */
#include "compare.h"

#include "alloc.h"
#include "exp_edit.h"
#include "fail.h"
#include "system.h"
#include <inttypes.h>

/* What a run trains. */

struct way {
    const char *task, *method;        /* one of the two; both NULL: the experiment as it is */
    const char *group[UMB_MAX_TASKS]; /* [n_group] or of these tasks; 0: all */
    size_t n_group;
    uint64_t seed;
};

static enum umb_status edit(const void *user, struct umb_yaml_tree *tree)
{
    const struct way *way = user;
    enum umb_status st = umb__exp_set_seed(tree, way->seed);
    if (st == UMB_OK && way->task) { umb__exp_keep_tasks(tree, &way->task, 1); }
    if (st == UMB_OK && way->n_group) { umb__exp_keep_tasks(tree, way->group, way->n_group); }
    if (st != UMB_OK || !way->method) { return st; }
    const char *source = umb__arena_printf(tree->arena, "--methods %s", way->method);
    return source ? umb__exp_set_balancer(tree, way->method, source) : UMB_ERR_NO_MEMORY;
}

static enum umb_status read_way(const struct compare *c, size_t r, size_t s,
                                struct umb_experiment **ret_exp)
{
    struct way way = {.task = umb__comparison_task(c->table, r), .seed = c->table->seed + s};
    const uint64_t group = umb__comparison_group(c->table, r);
    if (!c->groups) { way.method = umb__comparison_method(c->table, r); }
    for (size_t t = 0; group && t < c->table->n_tasks; t++) {
        if (group >> t & 1) { way.group[way.n_group++] = c->table->task[t]; }
    }
    struct umb_context *ctx = c->cli->ctx;
    const enum umb_status st =
        umb__experiment_read_edited(ctx, c->file, c->sets->item, c->sets->n, edit, &way, ret_exp);
    return st != UMB_OK && way.task ? umb__fail_prefix(ctx, st, "task '%s' alone", way.task) : st;
}

/* With the last seed, so that one that is too large shows too. */
static enum umb_status check_ways(const struct compare *c)
{
    enum umb_status st = UMB_OK;
    for (size_t r = 0; st == UMB_OK && r < c->table->n_runs; r++) {
        struct umb_experiment *exp = NULL;
        st = read_way(c, r, c->n_seeds - 1, &exp);
        umb__experiment_destroy(exp);
    }
    return st;
}

/* A run. */

struct job {
    size_t r, s;
    char folder[UMB_COMPARISON_FOLDER], prefix[UMB_COMPARISON_FOLDER + 48];
    char *path;  /* NULL: the comparison has no folder yet */
    bool resume; /* from its latest checkpoint */
    bool done;
    struct session session;
};

/* One that was stopped before its first checkpoint begins anew. */
static enum umb_status check_checkpoint(const struct compare *c, struct job *j)
{
    const enum umb_status st =
        compare_is_there(c->cli->ctx, j->path, "checkpoints/latest", &j->resume);
    j->session.exp->from_checkpoint = j->resume;
    return st != UMB_OK || j->resume ? st : umb__run_cut_metrics(j->session.run, 0);
}

/* Opens the run that is there, made with the same experiment; done: there is nothing left to do. A
 * row of metrics that a killed process left half is no hindrance: training cuts it off. */
static enum umb_status open_there(struct compare *c, struct job *j)
{
    struct umb_context *ctx = c->cli->ctx;
    struct umb_experiment *before = NULL, *now = j->session.exp;
    enum umb_status st = umb__experiment_find(now);
    if (st == UMB_OK) { st = umb__run_open(ctx, j->path, NULL, true, &j->session.run); }
    char *path = st == UMB_OK ? umb__run_file(j->session.run, "experiment.yaml") : NULL;
    if (st == UMB_OK && !path) { st = UMB_ERR_NO_MEMORY; }
    if (st == UMB_OK) { st = umb__experiment_read(ctx, path, NULL, 0, &before); }
    if (st == UMB_OK) { st = umb__experiment_same(before, now); }
    if (st == UMB_OK) { st = umb__experiment_resume(before, now); }
    umb__experiment_destroy(before);
    umb__free(path);
    if (st != UMB_OK) { return umb__fail_prefix(ctx, st, "%s", j->path); }
    st = umb__comparison_take(c->table, j->r, j->s, j->session.run, now->train.epochs, &j->done);
    if (st == UMB_ERR_FORMAT) { st = UMB_OK; }
    return st == UMB_OK && !j->done ? check_checkpoint(c, j) : st;
}

static enum umb_status find_run(struct compare *c, struct job *j)
{
    bool there = false;
    if (!c->path) { return UMB_OK; }
    j->path = umb__path_join(c->cli->ctx, c->path, j->folder);
    if (!j->path) { return UMB_ERR_NO_MEMORY; }
    const enum umb_status st = compare_is_there(c->cli->ctx, j->path, "experiment.yaml", &there);
    return st == UMB_OK && there && c->resume ? open_there(c, j) : st;
}

static enum umb_status make_run(struct compare *c, struct job *j)
{
    if (j->session.run) { return umb__run_keep_experiment(j->session.run, j->session.exp); }
    enum umb_status st = compare_make_folder(c);
    if (st == UMB_OK && !j->path) {
        j->path = umb__path_join(c->cli->ctx, c->path, j->folder);
        if (!j->path) { st = UMB_ERR_NO_MEMORY; }
    }
    return st == UMB_OK ? umb__run_create(c->cli->ctx, j->session.exp, j->path, &j->session.run)
                        : st;
}

/* Who is told of a training. */
struct listening {
    struct compare *c;
    const struct session *s;
    bool looks;
    enum umb_status status; /* of the looks */
    char message[512];
    volatile sig_atomic_t stop; /* the training: as it was asked, or a look failed */
};

/* A look's message is kept, for more may go wrong until the training has ended. */
static void look(struct listening *l, int64_t epoch)
{
    l->status = l->c->look(l->c, l->s, epoch);
    if (l->status == UMB_OK) { return; }
    snprintf(l->message, sizeof l->message, "%s", umb_context_error(l->c->cli->ctx));
}

/* Of what a training tells, the moving line; and looks behind its epochs. */
static void listen(void *user, const struct umb_loop_report *report)
{
    struct listening *l = user;
    struct progress *p = &l->c->progress;
    if (report->news == UMB_NEWS_EPOCH && l->looks && l->status == UMB_OK) {
        look(l, report->epoch);
    }
    l->stop = *l->c->stop || l->status != UMB_OK;
    if (report->news == UMB_NEWS_BEGIN) { p->began = true; }
    if (report->news == UMB_NEWS_STEP || report->news == UMB_NEWS_EVALUATING) {
        progress_listen(p, report);
    }
}

/* Numbers that are not finite end a run, not the comparison: the table goes without it. */
static enum umb_status leave_out(struct compare *c, const struct job *j)
{
    progress_break(&c->progress);
    fprintf(stderr, "umbel %s: warn: %s is left out: %s\n", c->cli->usage->command, j->folder,
            umb_context_error(c->cli->ctx));
    umb__run_log(j->session.run, umb_context_error(c->cli->ctx));
    c->n_failed++;
    return UMB_OK;
}

static enum umb_status train(struct compare *c, struct job *j)
{
    struct session *s = &j->session;
    enum umb_status st = umb__experiment_open(s->exp);
    if (st == UMB_OK) { st = session_build(s, c->cli); }
    if (st == UMB_OK) { st = make_run(c, j); }
    if (st != UMB_OK) { return st; }
    cli_log_to(s->run);
    const bool began = c->progress.began;
    c->progress.began = false;
    struct listening l = {.c = c,
                          .s = s,
                          .looks = c->look && umb__comparison_method(c->table, j->r),
                          .stop = *c->stop};
    struct umb_loop_desc desc = {.exp = s->exp,
                                 .trainer = s->trainer,
                                 .device_name = s->device_name,
                                 .run = s->run,
                                 .resume = j->resume,
                                 .stop = &l.stop,
                                 .listener = listen,
                                 .user = &l};
    st = umb__loop_run(c->cli->ctx, &desc);
    if (l.looks) { c->done(c); }
    const bool failed = l.status != UMB_OK && l.status != UMB_ERR_INTERRUPTED;
    if (failed || (st == UMB_OK && l.status != UMB_OK)) {
        return umb__fail(c->cli->ctx, l.status, "%s", l.message);
    }
    if (st == UMB_ERR_INVALID && c->progress.began) { return leave_out(c, j); }
    c->progress.began = c->progress.began || began;
    if (st != UMB_OK) { return st; }
    return umb__comparison_take(c->table, j->r, j->s, s->run, s->exp->train.epochs, &j->done);
}

static void say_done(struct compare *c, const struct job *j, bool was_there)
{
    const struct umb_comparison_run *run = &c->table->run[j->s * c->table->n_runs + j->r];
    char time[CLI_NUMBER];
    progress_break(&c->progress);
    fprintf(c->progress.out, "%sepoch %" PRId64 " counts, %s%s\n", j->prefix, run->epoch,
            cli_duration(run->seconds, time), was_there ? ", was there" : "");
    fflush(c->progress.out);
}

static enum umb_status do_run(struct compare *c, struct job *j)
{
    enum umb_status st = read_way(c, j->r, j->s, &j->session.exp);
    if (st == UMB_OK) { st = find_run(c, j); }
    const bool was_there = j->done;
    if (st == UMB_OK && !j->done) { st = train(c, j); }
    if (st == UMB_OK && j->done) { say_done(c, j, was_there); }
    return st == UMB_OK ? compare_write(c) : st;
}

/* All of it. */

enum umb_status compare_prepare(struct compare *c)
{
    enum umb_status st =
        umb__experiment_read(c->cli->ctx, c->file, c->sets->item, c->sets->n, &c->exp);
    if (st == UMB_OK) {
        st = umb__comparison_create(c->exp, c->method, c->n_methods, c->n_seeds, &c->table);
    }
    if (st == UMB_OK) { st = check_ways(c); }
    if (st == UMB_OK && c->resume) { return compare_find_folder(c); }
    return st == UMB_OK && c->out ? compare_check_free(c) : st;
}

static enum umb_status train_one(struct compare *c, size_t r, size_t s, size_t number, size_t of)
{
    struct job j = {.r = r, .s = s};
    umb__comparison_folder(c->table, r, s, j.folder);
    snprintf(j.prefix, sizeof j.prefix, "%zu/%zu %s: ", number, of, j.folder);
    c->progress.prefix = j.prefix;
    const enum umb_status st = do_run(c, &j);
    c->progress.prefix = NULL;
    if (st != UMB_OK && j.session.run) {
        umb__run_log(j.session.run, umb_context_error(c->cli->ctx));
    }
    session_finish(&j.session);
    umb__free(j.path);
    return st;
}

enum umb_status compare_train_some(struct compare *c, size_t first, size_t last)
{
    const size_t n = last - first, all = c->n_seeds * n;
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < all; i++) {
        const size_t r = first + i % n, s = i / n;
        if (c->table->run[s * c->table->n_runs + r].done) { continue; }
        if (*c->stop) { return umb__fail(c->cli->ctx, UMB_ERR_INTERRUPTED, "interrupted"); }
        st = train_one(c, r, s, i + 1, all);
    }
    return st;
}

enum umb_status compare_train(struct compare *c)
{
    return compare_train_some(c, 0, c->table->n_runs);
}

void compare_finish(struct compare *c)
{
    umb__comparison_destroy(c->table);
    umb__experiment_destroy(c->exp);
    umb__free(c->path);
}
