/* umbel report: one HTML file about one or several runs. */
#include "alloc.h"
#include "report.h"
#include "session.h"
#include <stdlib.h>
#include <string.h>

static const char *out;

static const struct cli_option options[] = {
    {"--out", CLI_TEXT, &out, "FILE",
     "where it goes (unset: report.html in the run, or here for several)"},
    {0}};

static const struct cli_usage usage = {
    .command = "report",
    .synopsis = "RUN…",
    .text = "Writes one self-contained HTML file: curves, tables, and the timeline of a step.",
    .example = "umbel report runs/shapes-1 runs/shapes-2 --out shapes.html",
    .options = options,
    .min_arguments = 1,
    .max_arguments = SIZE_MAX};

static int write_report(const struct cli *cli, const struct umb_run *const *runs)
{
    char *own = cli->n_arguments == 1 ? umb__run_file(runs[0], "report.html") : NULL;
    const char *path = out ? out : own ? own : "report.html";
    enum umb_status st = umb__report_write(cli->ctx, runs, cli->n_arguments, path);
    int code = st == UMB_OK ? EXIT_DONE : cli_fail_work(cli, st);
    if (st == UMB_ERR_FORMAT || st == UMB_ERR_INVALID) { code = EXIT_WRONG; }
    if (st == UMB_OK) { printf("%s\n", path); }
    umb__free(own);
    return code;
}

int cmd_report(int argc, char **argv)
{
    struct cli cli;
    int code;
    if (!cli_start(&cli, &usage, argc, argv, &code)) { return code; }
    struct umb_run **runs = calloc(cli.n_arguments, sizeof *runs);
    enum umb_status st = runs ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < cli.n_arguments; i++) {
        st = umb__run_open(cli.ctx, cli.argument[i], NULL, false, &runs[i]);
    }
    code = st == UMB_OK ? write_report(&cli, (const struct umb_run *const *)runs)
                        : cli_fail_setup(&cli, st);
    for (size_t i = 0; runs && i < cli.n_arguments; i++) {
        umb__run_close(runs[i]);
    }
    free(runs);
    cli_finish(&cli);
    return code;
}
