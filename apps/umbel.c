/* umbel.c: finds the subcommand. */
#include "cli.h"

#include "program.h"
#include "text.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"train", "train an experiment into a run's directory", cmd_train},
    {"compare", "train every task alone and by several methods, side by side", cmd_compare},
    {"eval", "measure a run's tasks on its test data", cmd_eval},
    {"predict", "every task's answer for images", cmd_predict},
    {"report", "one HTML file of curves, tables and timeline", cmd_report},
    {"relate", "how related an experiment's tasks are", cmd_relate},
    {"group", "which tasks to train together, and whether it pays", cmd_group},
    {"devices", "list the OpenCL devices and which one is chosen", cmd_devices},
    {"plan", "show the compiled graph of an experiment", cmd_plan},
    {"bench", "measure ops, or a whole training step", cmd_bench},
    {"tune", "measure an experiment's solvers and keep the best", cmd_tune},
    {"selftest", "check every kernel against its reference", cmd_selftest},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void print_help(void)
{
    printf("usage: umbel COMMAND …\n\n"
           "Trains convolutional networks with many tasks on one trunk, on any OpenCL device.\n\n"
           "commands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    printf("\numbel COMMAND --help says more. Environment: UMBEL_DEVICE, UMBEL_DATA, UMBEL_CACHE,\n"
           "UMBEL_TUNE, UMBEL_QUEUES, UMBEL_LOG, UMBEL_KERNEL_DIR.\n\n"
           "example:\n  umbel train shapes\n");
}

static int unknown(const char *name)
{
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
    }
    const char *near = umb__nearest(name, names, N_COMMANDS);
    fprintf(stderr, "umbel: %s: unknown command%s%s%s; see umbel --help\n", name,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return EXIT_WRONG;
}

int main(int argc, char **argv)
{
    /* One compilation a kernel, whatever its work-groups, which a program's binary then holds too.
     * PoCL's other way is no faster with work-groups of one item (0.99 to 1.03 of a step's time,
     * 2026-11-21), and compiles each kernel twice before it gives a binary. */
    setenv("POCL_WORK_GROUP_SPECIALIZATION", "0", 0);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error with a message */
    if (argc < 2) {
        print_help();
        return EXIT_WRONG;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("umbel " UMBEL_VERSION "\n");
        return EXIT_DONE;
    }
    if (argc == 2 && strcmp(argv[1], UMB_BUILD_COMMAND) == 0) { _exit(umb__build_serve()); }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, argv[1]) == 0) { return commands[i].run(argc - 1, argv + 1); }
    }
    return unknown(argv[1]);
}
