/* umbel train: an experiment, from its file to a finished run. */
#include "alloc.h"
#include "fail.h"
#include "interrupt.h"
#include "progress.h"
#include "session.h"
#include "start.h"

static const volatile sig_atomic_t *stop;
static const char *out;
static bool resume;
static struct cli_list sets;

static const struct cli_option options[] = {
    {"--out", CLI_TEXT, &out, "DIR", "the run's directory (unset: runs/NAME-1, -2 …)"},
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key: train.epochs=1 (any number of them)"},
    {"--resume", CLI_FLAG, &resume, NULL,
     "goes on with the latest checkpoint of DIR (unset: of the newest runs/NAME-N)"},
    {0}};

static const struct cli_usage usage = {
    .command = "train",
    .synopsis = "FILE",
    .text =
        "Trains the experiment FILE, or the built-in one of that name (shapes). Ctrl-C saves a\n"
        "checkpoint and says how to go on.",
    .example = "umbel train shapes --set train.epochs=3",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

/* A run is resumed with the experiment that it was started with. */
static enum umb_status open_run(struct session *s, const struct cli *cli)
{
    struct umb_experiment *before = NULL;
    enum umb_status st = umb__run_open(cli->ctx, out, s->exp->name, true, &s->run);
    char *path = st == UMB_OK ? umb__run_file(s->run, "experiment.yaml") : NULL;
    if (st == UMB_OK && !path) { st = UMB_ERR_NO_MEMORY; }
    if (st == UMB_OK) { st = umb__experiment_read(cli->ctx, path, NULL, 0, &before); }
    if (st == UMB_OK) { st = umb__experiment_same(before, s->exp); }
    if (st == UMB_OK) { st = umb__experiment_resume(before, s->exp); }
    umb__experiment_destroy(before);
    umb__free(path);
    return st;
}

static enum umb_status prepare(struct session *s, const struct cli *cli)
{
    enum umb_status st = session_read(s, cli, cli->argument[0], &sets);
    if (st == UMB_OK && resume) { st = umb__experiment_find(s->exp); }
    if (st == UMB_OK && resume) { st = open_run(s, cli); }
    if (st == UMB_OK && !resume && out) { st = umb__run_check_free(cli->ctx, out); }
    if (st == UMB_OK) { st = umb__experiment_open(s->exp); }
    if (st == UMB_OK) { st = session_build(s, cli); }
    return st == UMB_OK && !resume ? start_take(s, cli) : st;
}

static void announce(const struct session *s)
{
    char parameters[CLI_NUMBER], images[CLI_NUMBER];
    double n = 0;
    for (size_t i = 0; i < s->exp->n_data; i++) {
        const struct umb_exp_data *d = &s->exp->data[i];
        n += (double)umb_dataset_count(d->dataset, UMB_SPLIT_TRAIN) * (double)(1 + d->n_more);
    }
    printf("%s: %zu task%s, %s parameters, %s training images, on %s, into %s\n", s->exp->name,
           s->exp->n_tasks, s->exp->n_tasks == 1 ? "" : "s",
           cli_count((double)umb_trainer_n_parameters(s->trainer), parameters),
           cli_count(n, images), s->device_name, s->run->path);
    fflush(stdout);
}

static enum umb_status train(struct session *s, const struct cli *cli, struct progress *progress)
{
    enum umb_status st = resume ? umb__run_keep_experiment(s->run, s->exp)
                                : umb__run_create(cli->ctx, s->exp, out, &s->run);
    if (st != UMB_OK) { return st; }
    cli_log_to(s->run);
    announce(s);
    start_tell(s);
    struct umb_loop_desc desc = {.exp = s->exp,
                                 .trainer = s->trainer,
                                 .device_name = s->device_name,
                                 .run = s->run,
                                 .resume = resume,
                                 .stop = stop,
                                 .listener = progress_listen,
                                 .user = progress};
    return umb__loop_run(cli->ctx, &desc);
}

static void say_how_to_resume(const struct session *s, const struct cli *cli)
{
    printf("to go on: umbel train");
    cli_print_quoted(cli->argument[0]);
    printf(" --out");
    cli_print_quoted(s->run->path);
    for (size_t i = 0; i < sets.n; i++) {
        printf(" --set");
        cli_print_quoted(sets.item[i]);
    }
    cli_print_resume(cli);
}

static int finish(struct session *s, const struct cli *cli, struct progress *progress,
                  enum umb_status st)
{
    progress_break(progress);
    if (st == UMB_OK) {
        printf("\nreport: %s/report.html\n", s->run->path);
        return EXIT_DONE;
    }
    fflush(stdout);
    if (s->run) { umb__run_log(s->run, umb_context_error(cli->ctx)); }
    int code = progress->began ? cli_fail_work(cli, st) : cli_fail_setup(cli, st);
    if (st == UMB_ERR_INTERRUPTED) { say_how_to_resume(s, cli); }
    return code;
}

int cmd_train(int argc, char **argv)
{
    struct cli cli;
    struct session s = {0};
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct progress progress = progress_create(stdout);
    stop = interrupt_catch();
    enum umb_status st = prepare(&s, &cli);
    code = st == UMB_OK ? finish(&s, &cli, &progress, train(&s, &cli, &progress))
                        : cli_fail_setup(&cli, st);
    session_finish(&s);
    cli_finish(&cli);
    return code;
}
