/* cli.c: see cli.h. */
#include "cli.h"

#include "run_dir.h"
#include "system.h"
#include "text.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A process has one command, and its log two receivers: standard error up to a level, and a run. */
static struct umb_run *log_run;
static enum umb_log_level shown_level = UMB_LOG_WARN;

void cli_log_to(struct umb_run *run)
{
    log_run = run;
}

static void receive_log(void *user, enum umb_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    (void)user;
    if (level <= shown_level) { fprintf(stderr, "umbel: %s: %s\n", names[level], line); }
    if (log_run) { umb__run_log(log_run, line); }
}

/* Messages. */

int cli_wrong(const struct cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "umbel %s: ", cli->usage->command);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "; see umbel %s --help\n", cli->usage->command);
    va_end(args);
    return EXIT_WRONG;
}

static void complain(const struct cli *cli)
{
    fprintf(stderr, "umbel %s: %s\n", cli->usage->command, umb_context_error(cli->ctx));
}

int cli_fail_setup(const struct cli *cli, enum umb_status st)
{
    complain(cli);
    switch (st) {
    case UMB_ERR_INVALID:
    case UMB_ERR_FORMAT:
    case UMB_ERR_IO:
    case UMB_ERR_UNSUPPORTED:
        return EXIT_WRONG;
    default:
        return EXIT_FAILED;
    }
}

int cli_fail_work(const struct cli *cli, enum umb_status st)
{
    complain(cli);
    return st == UMB_ERR_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_FAILED;
}

/* Help. */

static void print_option(const char *name, const char *argument, const char *help)
{
    char left[40];
    snprintf(left, sizeof left, "%s%s%s", name, argument ? " " : "", argument ? argument : "");
    printf("  %-20s %s\n", left, help);
}

static void print_help(const struct cli_usage *u)
{
    printf("usage: umbel %s %s%s[options]\n\n%s\n\noptions:\n", u->command, u->synopsis,
           *u->synopsis ? " " : "", u->text);
    for (const struct cli_option *o = u->options; o && o->name; o++) {
        print_option(o->name, o->argument, o->help);
    }
    print_option("--device SELECTOR", NULL, "which device, as UMBEL_DEVICE: gpu, cpu, pocl:cpu …");
    print_option("--help", NULL, "this text");
    printf("\nexample:\n  %s\n", u->example);
}

/* Parsing. */

static int unknown_option(const struct cli *cli, const char *name)
{
    const char *names[32] = {"--device", "--help"};
    size_t n = 2;
    for (const struct cli_option *o = cli->usage->options; o && o->name && n < 32; o++) {
        names[n++] = o->name;
    }
    const char *near = umb__nearest(name, names, n);
    if (!near) { return cli_wrong(cli, "%s: unknown option", name); }
    return cli_wrong(cli, "%s: unknown option, did you mean '%s'?", name, near);
}

static const struct cli_option *find_option(const struct cli *cli, const char *name, size_t length)
{
    for (const struct cli_option *o = cli->usage->options; o && o->name; o++) {
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0) { return o; }
    }
    return NULL;
}

static int set_option(const struct cli *cli, const struct cli_option *o, const char *value)
{
    struct cli_list *list = o->value;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->value = true;
        break;
    case CLI_TEXT:
        *(const char **)o->value = value;
        break;
    case CLI_INT:
        if (!umb__parse_int(value, 1, INT32_MAX, o->value)) {
            return cli_wrong(cli, "%s: '%s' does not fit, expected a whole number from 1", o->name,
                             value);
        }
        break;
    case CLI_LIST:
        list->item[list->n++] = value;
        break;
    }
    return EXIT_DONE;
}

/* Takes "--name value" or "--name=value" at argv[*i]; EXIT_DONE or an exit code. */
static int take_option(struct cli *cli, int argc, char **argv, int *i)
{
    const char *text = argv[*i], *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    bool device = length == strlen("--device") && strncmp(text, "--device", length) == 0;
    const struct cli_option *o = device ? NULL : find_option(cli, text, length);
    if (!device && !o) { return unknown_option(cli, text); }
    if (o && o->kind == CLI_FLAG) {
        return equals ? cli_wrong(cli, "%s: takes no value", o->name) : set_option(cli, o, NULL);
    }
    const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (!value) {
        return cli_wrong(cli, "%s: a value is missing, expected %s", text,
                         device ? "a selector" : o->argument);
    }
    if (!device) { return set_option(cli, o, value); }
    cli->device = value;
    return EXIT_DONE;
}

/* Room for every argument in each list and in the arguments themselves. */
static bool allocate(struct cli *cli, int argc)
{
    size_t lists = 1;
    for (const struct cli_option *o = cli->usage->options; o && o->name; o++) {
        lists += o->kind == CLI_LIST;
    }
    const char **room = calloc(lists * (size_t)(argc + 1), sizeof *room);
    if (!room) { return false; }
    cli->allocated = room;
    cli->argument = room;
    for (const struct cli_option *o = cli->usage->options; o && o->name; o++) {
        if (o->kind == CLI_LIST) {
            *(struct cli_list *)o->value = (struct cli_list){room += argc + 1, 0};
        }
    }
    return true;
}

static int parse(struct cli *cli, int argc, char **argv)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            int code = take_option(cli, argc, argv, &i);
            if (code != EXIT_DONE) { return code; }
        } else {
            cli->argument[cli->n_arguments++] = argv[i];
        }
    }
    const struct cli_usage *u = cli->usage;
    if (cli->n_arguments < u->min_arguments) {
        return cli_wrong(cli, "%zu arguments, expected %s", cli->n_arguments, u->synopsis);
    }
    if (cli->n_arguments > u->max_arguments) {
        return cli_wrong(cli, "'%s' is too much, expected %s", cli->argument[u->max_arguments],
                         *u->synopsis ? u->synopsis : "options only");
    }
    return EXIT_DONE;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) { return true; }
    }
    return false;
}

/* Variables that hold nonsense stop every command, also one that would not use them. */
static enum umb_status check_environment(struct umb_context *ctx, size_t *ret_level)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", "trace"};
    static const char *const tunings[] = {"off", "quick", "full"};
    int64_t queues, builders;
    size_t tuning;
    enum umb_status st = umb__env_choice(ctx, "UMBEL_LOG", levels, 5, UMB_LOG_WARN, ret_level);
    if (st == UMB_OK) { st = umb__env_int(ctx, "UMBEL_QUEUES", 1, 8, 1, &queues); }
    if (st == UMB_OK) { st = umb__env_int(ctx, "UMBEL_BUILDERS", 0, 8, 1, &builders); }
    if (st == UMB_OK) { st = umb__env_choice(ctx, "UMBEL_TUNE", tunings, 3, 0, &tuning); }
    return st;
}

/* This program, so that it can build kernels in more than one process; NULL where no system says.
 */
static const char *own_path(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    return n > 0 ? path : NULL;
}

/* The first context only keeps the message of a bad variable: the level of the log is one. */
static enum umb_status create_context(struct cli *cli)
{
    enum umb_status st = umb_context_create(NULL, &cli->ctx);
    size_t level = UMB_LOG_WARN;
    if (st == UMB_OK) { st = check_environment(cli->ctx, &level); }
    if (st != UMB_OK) { return st; }
    umb_context_destroy(cli->ctx);
    shown_level = (enum umb_log_level)level;
    struct umb_context_desc desc = {.builder = own_path(),
                                    .log = receive_log,
                                    .log_level = level > UMB_LOG_INFO ? shown_level : UMB_LOG_INFO};
    cli->ctx = NULL;
    return umb_context_create(&desc, &cli->ctx);
}

bool cli_start(struct cli *cli, const struct cli_usage *usage, int argc, char **argv, int *ret_exit)
{
    *cli = (struct cli){.usage = usage};
    *ret_exit = EXIT_DONE;
    if (wants_help(argc, argv)) {
        print_help(usage);
        return false;
    }
    if (!allocate(cli, argc)) {
        fprintf(stderr, "umbel %s: out of memory\n", usage->command);
        *ret_exit = EXIT_FAILED;
        return false;
    }
    *ret_exit = parse(cli, argc, argv);
    if (*ret_exit == EXIT_DONE) {
        enum umb_status st = create_context(cli);
        if (st != UMB_OK && cli->ctx) { *ret_exit = cli_fail_setup(cli, st); }
        if (st != UMB_OK && !cli->ctx) { *ret_exit = EXIT_FAILED; }
    }
    if (*ret_exit == EXIT_DONE) { return true; }
    cli_finish(cli);
    return false;
}

void cli_finish(struct cli *cli)
{
    umb_context_destroy(cli->ctx);
    free(cli->allocated);
}
