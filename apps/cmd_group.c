/* umbel group: which tasks to train together, by their affinities, and whether it pays. */
#include "compare.h"

#include "affinity_rows.h"
#include "alloc.h"
#include "fail.h"
#include "interrupt.h"
#include "relate_gradients.h"
#include "system.h"
#include <string.h>

static const char *out;
static int64_t n_groups, n_seeds = 3, epochs;
static bool json, resume;
static struct cli_list sets;
static struct gradient_wishes wishes = {.batches = 20};

static const struct cli_option options[] = {
    {"--groups", CLI_INT, &n_groups, "K", "how many at most"},
    {"--seeds", CLI_INT, &n_seeds, "N", "how many, from the experiment's on (unset: 3)"},
    {"--epochs", CLI_INT, &epochs, "N", "of every run (unset: the experiment's)"},
    {"--batches", CLI_INT, &wishes.batches, "N",
     "whose gradients are looked at behind each epoch (unset: 20)"},
    {"--rate", CLI_TEXT, &wishes.rate, "R",
     "of the steps that affinity tries (unset: the experiment's)"},
    {"--out", CLI_TEXT, &out, "DIR", "a folder for the runs (unset: runs/NAME-group-1, -2 …)"},
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key of the experiment"},
    {"--resume", CLI_FLAG, &resume, NULL, "goes on in DIR (unset: the newest)"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON value instead of a table"},
    {0}};

static const struct cli_usage usage = {
    .command = "group",
    .synopsis = "FILE",
    .text = "Trains all tasks of the experiment FILE together and looks at what a step for one "
            "does to\n"
            "the others, finds the K groups in which tasks do each other most good, trains each "
            "group,\n"
            "and each task alone, and compares: metrics with 95 % intervals, Δm, tests.",
    .example = "umbel group shapes --groups 2 --seeds 3 --epochs 3",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

/* Looking. */

struct grouping {
    struct umb_gradient_survey *survey; /* of the run that trains */
};

static enum umb_status look(struct compare *c, const struct session *s, int64_t epoch)
{
    struct grouping *g = c->user;
    enum umb_status st = UMB_OK;
    if (!g->survey) { st = survey_create(s, c->cli, &wishes, c->stop, &g->survey); }
    if (st == UMB_OK) { st = umb__gradient_survey_look(g->survey, wishes.batches); }
    if (st == UMB_OK) { st = umb__affinity_row(s->run, g->survey, epoch); }
    if (st == UMB_OK) { umb__gradient_survey_forget(g->survey); }
    return st;
}

static void done(struct compare *c)
{
    struct grouping *g = c->user;
    umb__gradient_survey_destroy(g->survey);
    g->survey = NULL;
}

/* Grouping. */

static enum umb_status add_seed(const struct compare *c, size_t seed,
                                struct umb_affinity_mean *mean)
{
    char folder[UMB_COMPARISON_FOLDER];
    struct umb_run *run = NULL;
    if (!c->table->run[seed * c->table->n_runs + c->table->n_tasks].done) { return UMB_OK; }
    umb__comparison_folder(c->table, c->table->n_tasks, seed, folder);
    char *path = umb__path_join(c->cli->ctx, c->path, folder);
    enum umb_status st =
        path ? umb__run_open(c->cli->ctx, path, NULL, false, &run) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__affinity_mean_add(mean, run); }
    umb__run_close(run);
    umb__free(path);
    return st;
}

static void warn_undefined(size_t n)
{
    if (n == 0) { return; }
    fprintf(stderr, "umbel group: warn: %zu affinities were never defined and count as 0\n", n);
}

static enum umb_status find_groups(const struct compare *c, const struct umb_affinity_mean *mean,
                                   double *affinity)
{
    struct umb_grouping groups;
    warn_undefined(umb__affinity_mean_read(mean, affinity));
    const struct umb_grouping_desc desc = {
        .T = c->table->n_tasks, .affinity = affinity, .K = (size_t)n_groups};
    const enum umb_status st = umb__group_tasks(c->cli->ctx, &desc, &groups);
    return st == UMB_OK ? umb__comparison_add_groups(c->table, &groups, affinity) : st;
}

/* From the runs of all tasks to groups. */
static enum umb_status group(struct compare *c)
{
    const size_t T = c->table->n_tasks;
    struct umb_affinity_mean *mean = NULL;
    double *affinity = umb__calloc(c->cli->ctx, T * T, sizeof *affinity);
    enum umb_status st =
        affinity ? umb__affinity_mean_create(c->cli->ctx, T, &mean) : UMB_ERR_NO_MEMORY;
    for (size_t s = 0; st == UMB_OK && s < c->n_seeds; s++) {
        st = add_seed(c, s, mean);
    }
    if (st == UMB_OK && !mean->n_rows) {
        st = umb__fail(c->cli->ctx, UMB_ERR_INVALID,
                       "no run of all tasks ended, so there is nothing to group them by");
    }
    if (st == UMB_OK) { st = find_groups(c, mean, affinity); }
    umb__affinity_mean_destroy(mean);
    umb__free(affinity);
    return st;
}

static void tell_groups(const struct compare *c)
{
    struct umb_text text = {0};
    umb__comparison_groups_notes(c->table, &text);
    fprintf(c->progress.out, "%s", umb__text_string(&text));
    fflush(c->progress.out);
    umb__text_finish(&text);
}

/* Runs of all tasks, then those that follow from them; the first are there by then. */
static enum umb_status train(struct compare *c)
{
    const size_t T = c->table->n_tasks;
    enum umb_status st = compare_train_some(c, T, T + 1);
    if (st == UMB_OK) { st = group(c); }
    if (st != UMB_OK) { return st; }
    tell_groups(c);
    c->resume = true;
    return compare_train_some(c, 0, c->table->n_runs);
}

/* The command. */

static void say_how_to_resume(const struct compare *c)
{
    printf("to go on: umbel group");
    cli_print_quoted(c->file);
    printf(" --groups %lld --seeds %zu --batches %lld", (long long)n_groups, c->n_seeds,
           (long long)wishes.batches);
    if (wishes.rate) {
        printf(" --rate");
        cli_print_quoted(wishes.rate);
    }
    printf(" --out");
    cli_print_quoted(c->path);
    for (size_t i = 0; i < c->sets->n; i++) {
        printf(" --set");
        cli_print_quoted(c->sets->item[i]);
    }
    cli_print_resume(c->cli);
}

static int start(struct compare *c)
{
    if (!n_groups) { return cli_wrong(c->cli, "--groups is missing, expected how many"); }
    if (n_seeds > UMB_COMPARISON_MAX_SEEDS) {
        return cli_wrong(c->cli, "--seeds: %lld are too many, expected at most %d",
                         (long long)n_seeds, UMB_COMPARISON_MAX_SEEDS);
    }
    enum umb_status st = survey_check(c->cli, &wishes);
    if (st == UMB_OK) { st = compare_prepare(c); }
    if (st == UMB_OK && c->table->n_tasks < 2) {
        st = umb__fail(c->cli->ctx, UMB_ERR_INVALID, "%s: one task makes no groups; expected more",
                       c->file);
    }
    if (st != UMB_OK) { return cli_fail_setup(c->cli, st); }
    fprintf(c->progress.out, "%s: %zu tasks together, then in at most %lld groups and alone\n",
            c->table->name, c->table->n_tasks, (long long)n_groups);
    return compare_end(c, train(c), json, say_how_to_resume);
}

int cmd_group(int argc, char **argv)
{
    static const char *const together[] = {"together"};
    struct cli cli;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    char key[48];
    snprintf(key, sizeof key, "train.epochs=%lld", (long long)epochs);
    struct cli_list all = {.item = umb__calloc(cli.ctx, sets.n + 1, sizeof *all.item), .n = sets.n};
    struct grouping grouping = {0};
    struct compare c = {.cli = &cli,
                        .file = cli.argument[0],
                        .sets = &all,
                        .method = together,
                        .n_methods = 1,
                        .n_seeds = (size_t)n_seeds,
                        .out = out,
                        .resume = resume,
                        .stop = interrupt_catch(),
                        .progress = progress_create(json ? stderr : stdout),
                        .groups = true,
                        .look = look,
                        .done = done,
                        .user = &grouping};
    if (all.item) {
        if (sets.n) { memcpy(all.item, sets.item, sets.n * sizeof *all.item); }
        if (epochs) { all.item[all.n++] = key; }
        code = start(&c);
    } else {
        code = cli_fail_setup(&cli, UMB_ERR_NO_MEMORY);
    }
    compare_finish(&c);
    umb__free(all.item);
    cli_finish(&cli);
    return code;
}
