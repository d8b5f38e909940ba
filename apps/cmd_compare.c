/* umbel compare: every task alone and all of them by several methods, side by side. */
#include "compare.h"

#include "alloc.h"
#include "interrupt.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

static const char *methods, *out;
static int64_t seeds = 3;
static bool json, resume;
static struct cli_list sets;

static const struct cli_option options[] = {
    {"--methods", CLI_TEXT, &methods, "A,B",
     "balancers of the tasks' losses or gradients: equal, and what train.balancer takes"},
    {"--seeds", CLI_INT, &seeds, "N", "how many, from the experiment's on (unset: 3)"},
    {"--out", CLI_TEXT, &out, "DIR", "a folder for the runs (unset: runs/NAME-compare-1, -2 …)"},
    {"--set", CLI_LIST, &sets, "KEY=VALUE", "overrides a key: train.epochs=1 (any number of them)"},
    {"--resume", CLI_FLAG, &resume, NULL,
     "goes on in DIR (unset: the newest), also with more methods or seeds"},
    {"--json", CLI_FLAG, &json, NULL, "one JSON value instead of a table"},
    {0}};

static const struct cli_usage usage = {
    .command = "compare",
    .synopsis = "FILE",
    .text =
        "Trains every task of the experiment FILE alone, and all of them together by each method, "
        "with\n"
        "several seeds. Prints each metric's mean and 95 % interval, its change against "
        "single-task\n"
        "runs (> 0 is better), paired t tests, Δm, and which tasks lost by being trained together.",
    .example = "umbel compare shapes --methods equal --seeds 3 --set train.validation=0.1",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1};

/* Methods. */

static bool is_name(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const size_t n = strlen(text);
    return n > 0 && n < 64 && strspn(text, letters) == n;
}

static int add_method(struct compare *c, const struct cli *cli, const char **method,
                      const char *name)
{
    if (!is_name(name)) {
        return cli_wrong(cli, "--methods: '%s' is no name, expected some as in equal,uncertainty",
                         name);
    }
    if (strcmp(name, "single") == 0) {
        return cli_wrong(cli, "--methods: single is always trained, expected balancers");
    }
    for (size_t i = 0; i < c->n_methods; i++) {
        if (strcmp(method[i], name) == 0) {
            return cli_wrong(cli, "--methods: %s is there twice, expected it once", name);
        }
    }
    method[c->n_methods++] = name;
    return EXIT_DONE;
}

/* Cuts text at its commas; the methods point into it. */
static int split_methods(struct compare *c, const struct cli *cli, char *text, const char **method)
{
    int code = EXIT_DONE;
    for (char *comma; code == EXIT_DONE && text; text = comma ? comma + 1 : NULL) {
        comma = strchr(text, ',');
        if (comma) { *comma = 0; }
        code = add_method(c, cli, method, text);
    }
    c->method = method;
    return code;
}

/* The command. */

static void say_how_to_resume(const struct compare *c)
{
    printf("to go on: umbel compare");
    cli_print_quoted(c->file);
    printf(" --methods");
    cli_print_quoted(methods);
    printf(" --seeds %zu --out", c->n_seeds);
    cli_print_quoted(c->path);
    for (size_t i = 0; i < sets.n; i++) {
        printf(" --set");
        cli_print_quoted(sets.item[i]);
    }
    cli_print_resume(c->cli);
}

static void announce(const struct compare *c)
{
    const struct umb_comparison *t = c->table;
    fprintf(c->progress.out, "%s: %zu task%s alone and %zu method%s, %zu seed%s: %zu runs\n",
            t->name, t->n_tasks, t->n_tasks == 1 ? "" : "s", c->n_methods,
            c->n_methods == 1 ? "" : "s", c->n_seeds, c->n_seeds == 1 ? "" : "s",
            t->n_runs * c->n_seeds);
    fflush(c->progress.out);
}

static int compare(struct compare *c)
{
    enum umb_status st = compare_prepare(c);
    if (st != UMB_OK) { return cli_fail_setup(c->cli, st); }
    announce(c);
    return compare_end(c, compare_train(c), json, say_how_to_resume);
}

static int start(struct compare *c, const struct cli *cli)
{
    if (!methods) {
        return cli_wrong(cli, "--methods is missing, expected one or several, as in equal,pcgrad");
    }
    if (seeds > UMB_COMPARISON_MAX_SEEDS) {
        return cli_wrong(cli, "--seeds: %lld are too many, expected at most %d", (long long)seeds,
                         UMB_COMPARISON_MAX_SEEDS);
    }
    char *text = umb__strdup(cli->ctx, methods);
    const char **method = umb__calloc(cli->ctx, strlen(methods) + 1, sizeof *method);
    int code = text && method ? split_methods(c, cli, text, method)
                              : cli_fail_setup(cli, UMB_ERR_NO_MEMORY);
    if (code == EXIT_DONE) { code = compare(c); }
    umb__free(method);
    umb__free(text);
    return code;
}

int cmd_compare(int argc, char **argv)
{
    struct cli cli;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct compare c = {.cli = &cli,
                        .file = cli.argument[0],
                        .sets = &sets,
                        .n_seeds = (size_t)seeds,
                        .out = out,
                        .resume = resume,
                        .stop = interrupt_catch(),
                        .progress = progress_create(json ? stderr : stdout)};
    code = start(&c, &cli);
    compare_finish(&c);
    cli_finish(&cli);
    return code;
}
