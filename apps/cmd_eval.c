/* umbel eval: the metrics of a run's tasks on its test data. */
#include "progress.h"
#include "session.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *checkpoint = "latest", *split_name = "test";
static bool json;

static const struct cli_option options[] = {
    {"--checkpoint", CLI_TEXT, &checkpoint, "NAME", "latest (as set), best, epoch-3 …"},
    {"--split", CLI_TEXT, &split_name, "SPLIT", "test (as set), validation or train"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON value instead of a table"},
    {0}};

static const struct cli_usage usage = {
    .command = "eval",
    .synopsis = "RUN",
    .text = "Measures the tasks of a run on its test data, with its latest checkpoint.",
    .example = "umbel eval runs/shapes-1 --checkpoint best",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

static bool find_split(enum umb_split *ret_split)
{
    for (int s = 0; s < UMB_SPLIT_COUNT; s++) {
        *ret_split = (enum umb_split)s;
        if (strcmp(umb__split_names[s], split_name) == 0) { return true; }
    }
    return false;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(const struct session *s, const struct umb_split_results *r)
{
    json_t *tasks = json_object();
    for (size_t t = 0; t < s->exp->n_tasks; t++) {
        json_t *row = json_pack("{s:o}", "loss", number(r->task[t].loss));
        for (int m = 0; m < r->task[t].n_metrics; m++) {
            json_object_set_new(row, r->task[t].metric[m].name, number(r->task[t].metric[m].value));
        }
        json_object_set_new(tasks, s->exp->task[t].name, row);
    }
    json_t *all =
        json_pack("{s:s, s:s, s:s, s:o, s:o}", "run", s->run->path, "checkpoint", checkpoint,
                  "split", split_name, "tasks", tasks, "score", number(r->score));
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(all);
}

static int evaluate(const struct session *s, const struct cli *cli, enum umb_split split)
{
    struct umb_split_results *r = calloc(1, sizeof *r);
    if (!r) { return cli_wrong(cli, "out of memory"); }
    enum umb_status st = umb__loop_evaluate(cli->ctx, s->exp, s->trainer, split, r);
    int code = EXIT_DONE;
    if (st != UMB_OK) {
        code = cli_fail_work(cli, st);
    } else if (!r->present) {
        code = cli_wrong(cli, "%s has no %s data", s->run->path, split_name);
    } else if (json) {
        print_json(s, r);
    } else {
        print_results(stdout, s->exp, r);
    }
    free(r);
    return code;
}

int cmd_eval(int argc, char **argv)
{
    struct cli cli;
    struct session s = {0};
    enum umb_split split;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    if (!find_split(&split)) {
        code = cli_wrong(&cli, "--split: '%s' is none, expected test, validation or train",
                         split_name);
    } else {
        enum umb_status st = session_open_run(&s, &cli, cli.argument[0], checkpoint, true);
        /* A checkpoint within an epoch holds the sums so far: they are not this split's. */
        struct umb_task_result dropped[UMB_MAX_TASKS];
        if (st == UMB_OK) { st = umb_trainer_results(s.trainer, dropped); }
        code = st == UMB_OK ? evaluate(&s, &cli, split) : cli_fail_setup(&cli, st);
    }
    session_finish(&s);
    cli_finish(&cli);
    return code;
}
