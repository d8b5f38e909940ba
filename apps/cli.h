/*
 * cli.h: what the subcommands of umbel share: options, messages and exit codes.
 *
 * Exit codes: 0 done; 1 failed while working; 2 wrong usage, experiment or file; 130 interrupted.
 * Messages go to standard error as one line that begins "umbel COMMAND: ".
 */
#ifndef UMBEL_CLI_H
#define UMBEL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <umbel/context.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_WRONG = 2, EXIT_INTERRUPTED = 130 };

enum cli_kind {
    CLI_FLAG, /* bool */
    CLI_TEXT, /* const char * */
    CLI_INT,  /* int64_t, from 1 */
    CLI_LIST, /* struct cli_list, may be given several times */
};
struct cli_list {
    const char **item;
    size_t n;
};
struct cli_option {
    const char *name; /* "--json" */
    enum cli_kind kind;
    void *value;
    const char *argument; /* "DIR" for the help; NULL for a flag */
    const char *help;
};

/* One subcommand's command line. */
struct cli_usage {
    const char *command;  /* "train" */
    const char *synopsis; /* "FILE" */
    const char *text;     /* what it does, a few lines */
    const char *example;
    const struct cli_option *options; /* ends with a NULL name; --device and --help are added */
    size_t min_arguments, max_arguments;
};

struct cli {
    const struct cli_usage *usage;
    const char *device; /* --device, else NULL */
    const char **argument;
    size_t n_arguments;
    struct umb_context *ctx;
    void *allocated; /* argument and lists point into it */
};

/* Parses; false: stop with *ret_exit (help was printed, or a mistake). On true cli_finish is due.
 */
bool cli_start(struct cli *cli, const struct cli_usage *usage, int argc, char **argv,
               int *ret_exit);
void cli_finish(struct cli *cli);

/* Prints "umbel COMMAND: message" and returns the exit code: setup failures that the user can mend
 * (a wrong file, key, value or device) are 2, others 1. */
int cli_fail_setup(const struct cli *cli, enum umb_status st);
int cli_fail_work(const struct cli *cli, enum umb_status st);
int cli_wrong(const struct cli *cli, const char *fmt, ...) UMB_PRINTF(2, 3);

/* Log lines go to standard error, and to this run as well while it is set. */
struct umb_run;
void cli_log_to(struct umb_run *run);

/* "1,234,567", "12.3 MiB", "1 h 02 min", into a caller's buffer; return it. */
#define CLI_NUMBER 32
const char *cli_count(double n, char *buffer);
const char *cli_bytes(double bytes, char *buffer);
const char *cli_duration(double seconds, char *buffer);
/* " TEXT" on standard output, quoted for a shell where it has to be. */
void cli_print_quoted(const char *text);
/* The end of a line that says how to go on: " --resume", and the device if it was given. */
void cli_print_resume(const struct cli *cli);

/* A table on standard output: cells are copied; the first column is flush left, the others right.
 */
struct cli_table {
    size_t n_columns, n_cells, capacity;
    char **cell; /* row by row, the first row is the heading */
};
void cli_table_add(struct cli_table *t, const char *fmt, ...) UMB_PRINTF(2, 3);
void cli_table_print(struct cli_table *t, FILE *out); /* frees the cells */
void cli_table_free(struct cli_table *t);             /* the cells of one that is not printed */

/* The subcommands. */
int cmd_bench(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_group(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_relate(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_selftest(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_tune(int argc, char **argv);

#endif
