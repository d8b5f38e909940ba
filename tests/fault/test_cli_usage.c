/*
 * test_cli_usage.c: what the umbel command says to a line that it cannot take: an exit code, and
 * one line that says what to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli_fixture.h"

static const struct usage {
    const char *line;
    int code;
    const char *expected;
} usages[] = {
    /* commands and options */
    {"umbel", 2, "usage: umbel COMMAND"},
    {"umbel --help", 0, "umbel train shapes"},
    {"umbel --version", 0, "umbel "},
    {"umbel trai", 2, "did you mean 'train'?"},
    {"umbel train", 2, "expected FILE"},
    {"umbel train a b", 2, "'b' is too much"},
    {"umbel train shapes --resum", 2, "did you mean '--resume'?"},
    {"umbel train shapes --out", 2, "a value is missing"},
    {"umbel train shapes --resume=yes", 2, "takes no value"},
    {"umbel bench", 2, "expected op or step"},
    {"umbel bench steps", 2, "expected op or step"},
    {"umbel bench step shapes --steps 0", 2, "--steps: '0' does not fit"},
    {"umbel bench step shapes --steps many", 2, "--steps: 'many' does not fit"},
    {"umbel bench op nosuchop", 2, "'nosuchop' is in no op"},
    {"umbel bench op --shape 1,3,3,2", 2, "--shape wants an op"},
    {"umbel bench op conv --attrs size=3", 2, "--attrs wants --shape"},
    {"umbel bench op con --shape 1,3,3,2", 2, "'con' is no op"},
    {"umbel bench op conv --shape 1,3,3,2", 2, "filters: missing"},
    {"umbel bench op conv --shape 1,3,3,2 --attrs 'filters=3 size=2' --solver none", 2, "solver"},
    {"umbel bench op conv --shape 1,3,3,2 --attrs 'filters=3 size=2' --check --json", 0, "error"},
    {"umbel selftest nosuchop", 2, "'nosuchop' is in no op"},
    {"umbel predict runs/x", 2, "expected RUN IMAGE"},
    {"umbel devices extra", 2, "'extra' is too much"},
    {"umbel train --help", 0, "example:\n  umbel train shapes"},
    {"umbel compare --help", 0, "example:\n  umbel compare shapes --methods"},
    {"umbel eval --help", 0, "example:\n  umbel eval"},
    {"umbel predict --help", 0, "example:\n  umbel predict"},
    {"umbel report --help", 0, "example:\n  umbel report"},
    {"umbel devices --help", 0, "example:\n  umbel devices"},
    {"umbel plan --help", 0, "example:\n  umbel plan"},
    {"umbel bench --help", 0, "example:\n  umbel bench"},
    {"umbel bench op --help", 0, "example:\n  umbel bench op"},
    {"umbel bench step --help", 0, "example:\n  umbel bench step"},
    {"umbel tune --help", 0, "example:\n  umbel tune shapes"},
    {"umbel selftest --help", 0, "example:\n  umbel selftest"},
    /* experiments and runs */
    {"umbel train nowhere.yaml", 2, "nowhere.yaml: no such experiment"},
    {"umbel train shape", 2, "no such experiment"},
    {"umbel train .", 2, "no such experiment"},
    {"umbel train shapes --set train.epochs", 2, "expected KEY=VALUE"},
    {"umbel train shapes --set train.epochs=0", 2, "--set: train.epochs: "},
    {"umbel train shapes --set train.memory=lots", 2, "--set: train.memory: "},
    {"umbel train shapes --set train.memory=1MiB " QUICK, 2, "a memory limit of 1 MiB is too low"},
    {"umbel train shapes --set train.memory=0.0001% " QUICK, 2, "is too low: a step needs "},
    {"umbel train shapes --resume", 2, "there is no run runs/shapes-N"},
    {"umbel train shapes --resume --out nowhere", 2, "nowhere: is no run"},
    {"umbel eval nowhere", 2, "nowhere: is no run"},
    {"umbel report nowhere", 2, "nowhere: is no run"},
    {"umbel predict nowhere a.png", 2, "nowhere: is no run"},
    {"umbel plan nowhere.yaml", 2, "no such experiment"},
    {"umbel plan shapes --svg --json", 2, "--json, --dot and --svg are three forms"},
    {"umbel plan shapes --dot --svg", 2, "expected one"},
    {"umbel plan shapes --dot --json", 2, "expected one"},
    {"umbel tune nowhere.yaml", 2, "no such experiment"},
    {"umbel tune", 2, "expected FILE"},
    {"umbel tune shapes extra", 2, "'extra' is too much"},
    {"umbel tune shapes --ful", 2, "did you mean '--full'?"},
    {"umbel tune shapes --full=yes", 2, "takes no value"},
    /* devices and variables */
    {"umbel train shapes --device nosuchdevice", 2, "nosuchdevice"},
    {"UMBEL_DEVICE=nosuchdevice umbel train shapes", 2, "nosuchdevice"},
    {"UMBEL_DEVICE=gpu#x umbel devices", 2, "gpu#x"},
    {"UMBEL_DEVICE=cpu/x umbel train shapes", 2,
     "UMBEL_DEVICE: 'cpu/x': '/' is not followed by a number"},
    {"umbel devices --device cpu/", 2, "or the units of each as in 3+1"},
    {"umbel devices --device /2", 2, "no device stands before '/'"},
    {"umbel train shapes --device cpu/0", 2, "'cpu/0': a device is cut into 2 parts at least"},
    {"umbel train shapes --device cpu/1", 2, "'cpu/1': a device is cut into 2 parts at least"},
    {"umbel train shapes --device cpu/2+0", 2, "a part has no units"},
    {"umbel bench op --device cpu/2#2", 2, "there is no such part; they are counted from 0"},
    {"umbel train shapes --device nosuchdevice/2", 2, "no device matches 'nosuchdevice/2'"},
    {"umbel train shapes --set tasks.shape.device=cpu/0", 2,
     "tasks.shape.device: device: 'cpu/0': a device is cut"},
    {"UMBEL_TUNE=fast umbel train shapes", 2, "UMBEL_TUNE"},
    {"UMBEL_TUNE=fast umbel devices", 2, "expected off, quick or full"},
    {"umbel devices --device nosuchdevice --json 2>&1 >/dev/null", 2, "nothing matches"},
    {"UMBEL_QUEUES=0 umbel train shapes " QUICK, 2, "UMBEL_QUEUES"},
    {"UMBEL_BUILDERS=9 umbel devices", 2, "UMBEL_BUILDERS"},
    {"UMBEL_QUEUES=many umbel train shapes " QUICK, 2, "UMBEL_QUEUES"},
    {"UMBEL_LOG=loud umbel devices", 2, "UMBEL_LOG"},
};

/* The output after what is said about a driver, such as PoCL 6's. */
static const char *answer(void)
{
    const char *line = output;
    while (strncmp(line, "umbel: warn:", 12) == 0 && strchr(line, '\n')) {
        line = strchr(line, '\n') + 1;
    }
    return line;
}

static void usage_is_answered(void **state)
{
    const struct usage *u = *state;
    expect(u->line, u->code, u->expected);
    const char *end = strchr(answer(), '\n');
    if (u->code == 2 && strcmp(u->line, "umbel") != 0 && end && end[1]) {
        fail_msg("%s: more than one line: '%s'", u->line, output);
    }
}

int main(void)
{
    enum { N_USAGES = sizeof usages / sizeof *usages };
    struct CMUnitTest tests[N_USAGES];
    for (size_t i = 0; i < N_USAGES; i++) {
        tests[i] = (struct CMUnitTest){.name = usages[i].line,
                                       .test_func = usage_is_answered,
                                       .initial_state = (void *)(uintptr_t)&usages[i]};
    }
    return cmocka_run_group_tests(tests, enter, leave);
}
