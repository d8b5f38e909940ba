/*
 * test_cli.c: the umbel command from outside: runs, plans, tuning, nothing half-written, and
 * Ctrl-C.
 */
#define _XOPEN_SOURCE 700 /* nftw */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli_fixture.h"

static void a_run_is_made_used_and_guarded(void **state)
{
    (void)state;
    expect("umbel train shapes " QUICK "--out one", 0, "report: one/report.html");
    expect("umbel train shapes " QUICK "--out one", 2, "one: holds a run already");
    expect("umbel train shapes " QUICK "--out one --resume", 0, "the run is complete");
    expect("umbel train shapes " QUICK "--set train.batch=8 --out one --resume", 2,
           "train.batch: the run has 32, the experiment 8");
    expect("umbel eval one", 0, "colour");
    expect("umbel eval one --json", 0, "\"score\"");
    expect("umbel eval one --split validation", 2, "has no validation data");
    expect("umbel eval one --split tests", 2, "'tests' is none");
    expect("umbel eval one --checkpoint epoch-9", 2, "epoch-9.safetensors: is not there");
    expect("umbel report one", 0, "one/report.html");
    expect("umbel predict one nowhere.png", 2, "nowhere.png");
    expect("umbel predict one one/metrics.jsonl", 2, "one/metrics.jsonl");
    expect("umbel plan shapes --json | python3 -m json.tool", 0, "bound_ms");
    expect("umbel plan shapes --simulate", 0, "scratch memory\n     1 ");
    expect("umbel plan shapes --simulate --json | python3 -m json.tool", 0, "\"grid\"");
    expect("umbel bench step shapes --steps 2 --json | python3 -m json.tool", 0, "\"makespan_ms\"");
    expect("umbel bench step shapes --steps 11", 0, "  simulated    ");
    expect("umbel devices --json | python3 -m json.tool", 0, "\"selector\"");
}

/* The three forms of one plan, compared by check_plan.py. */
#define FORMS(queues, experiment)                                                            \
    "export UMBEL_QUEUES=" queues "; umbel plan " experiment " --json > p.json && "          \
    "umbel plan " experiment " --svg > p.svg && umbel plan " experiment " --dot > p.dot && " \
    "python3 \"$UMBEL_TEST_SOURCE\"/tests/fault/check_plan.py p.json p.svg p.dot"

static void plans_are_drawn(void **state)
{
    (void)state;
    expect(FORMS("1", "shapes"), 0, "the forms agree");
    expect(FORMS("3", "shapes"), 0, "the forms agree");
}

#define A20 "aaaaaaaaaaaaaaaaaaaa"

/* The longest names that an experiment can give. */
static const char long_names[] =
    "name: x" A20 A20 A20 "\n"
    "data:\n  p" A20 A20 A20 ": {format: shapes, count: 48, normalize: {mean: 0.5, std: 0.25}}\n"
    "trunk:\n  - conv: {filters: 3, size: 3, name: c" A20 A20 A20 "}\n  - flatten: {}\n"
    "tasks:\n"
    "  t" A20 A20 A20 ": {target: shape, loss: cross_entropy, head: [{dense: {units: 4}}]}\n"
    "  u" A20 A20 A20 ": {target: colour, loss: cross_entropy, head: [{dense: {units: 6}}]}\n"
    "  b: {target: position, loss: mse, head: [{dense: {units: 2, name: d" A20 A20 "}}]}\n"
    "train: {epochs: 1, batch: 12, optimizer: {adam: {rate: 0.001}}, seed: 1}\n";

static void long_names_are_drawn(void **state)
{
    (void)state;
    FILE *f = fopen("long.yaml", "w");
    assert_non_null(f);
    assert_true(fputs(long_names, f) >= 0 && fclose(f) == 0);
    expect(FORMS("2", "long.yaml"), 0, "of 3 heads");
}

/* A run has its step's timeline with the bound, and a trace of any text draws a page that is whole.
 */
#define REPORT(run) "python3 \"$UMBEL_TEST_SOURCE\"/tests/fault/check_report.py " run "/report.html"
static void a_step_is_drawn(void **state)
{
    (void)state;
    expect("UMBEL_QUEUES=2 umbel train shapes --set data.pictures.count=320 --set train.epochs=1 "
           "--out drawn && " REPORT("drawn"),
           0, "drawings are well-formed");
    expect("python3 \"$UMBEL_TEST_SOURCE\"/tests/fault/check_trace.py drawn/trace.json", 0,
           "is whole");
    expect("python3 \"$UMBEL_TEST_SOURCE\"/tests/fault/check_trace.py drawn/trace.json --spoil && "
           "umbel report drawn && " REPORT("drawn"),
           0, "drawings are well-formed");
}

/* Two of PoCL's, as two devices of one kind; they share cores. */
#define TWO "POCL_DEVICES='pthread pthread' UMBEL_DEVICE=pocl#0,pocl#1 "

static void a_run_uses_several_devices(void **state)
{
    (void)state;
    if (run(TWO "umbel plan shapes --dot") != 0) {
        print_message("no two devices of PoCL here\n");
        return;
    }
    expect(TWO "umbel train shapes " QUICK "--out shared", 0, "report: shared/report.html");
    expect(TWO "umbel train shapes " QUICK "--set train.epochs=2 --out shared --resume", 0,
           "report: shared/report.html");
    expect(TWO "umbel train shapes " QUICK "--set train.parallel=heads --out apart", 0,
           "report: apart/report.html");
    expect("umbel eval apart", 0, "colour");
    expect(TWO "umbel plan shapes --set train.parallel=heads | grep -m1 transfer", 0, "host");
    expect(TWO "umbel plan shapes --set train.parallel=heads --json | python3 -m json.tool | "
               "grep -m1 deliver",
           0, "\"deliver\"");
    expect(TWO "umbel plan shapes --set train.parallel=heads --svg | grep -m1 -o 'dev 1 in'", 0,
           "dev 1 in");
    expect(TWO "umbel plan shapes --simulate", 0, "64 ");
    expect(TWO "umbel bench step shapes --steps 5", 0, "lower bound");
    expect(TWO "umbel train shapes --set tasks.shape.device=pocl#1 --set train.parallel=heads", 2,
           "stands beside device keys");
    expect("umbel train shapes --set tasks.shape.device=nosuch", 2,
           "tasks.shape.device: device: no device matches 'nosuch'");
    expect("POCL_DEVICES='pthread basic' UMBEL_DEVICE=pocl#0,pocl#1 umbel train shapes", 2,
           "comes to a standstill");
}

/* PoCL's with four units, cut. */
#define FOUR "POCL_DEVICES=pthread POCL_MAX_PTHREAD_COUNT=4 POCL_CPU_MAX_CU_COUNT=4 "
#define CUT(how) FOUR "UMBEL_DEVICE=pocl/" how " "

static void a_run_uses_parts_of_a_device(void **state)
{
    (void)state;
    if (run("POCL_DEVICES=basic UMBEL_DEVICE=pocl umbel devices") != 0) {
        print_message("# no PoCL here\n");
        return;
    }
    expect("POCL_DEVICES=basic umbel train shapes --device pocl/2", 2,
           "is not cut into parts by its driver");
    const int code = run(CUT("2") "umbel devices");
    if (code == 2 && strstr(output, "cut into parts")) {
        print_message("# PoCL cuts nothing here\n");
        return;
    }
    if (code != 0) { fail_msg("exit %d: %s", code, output); }
    expect(CUT("2") "umbel devices | grep -A3 '★.*/2#1'", 0, "compute    2 units");
    expect(CUT("3+1#1") "umbel devices --json | grep -A20 '/3.1#1'", 0, "\"compute_units\": 1,");
    expect(CUT("5") "umbel train shapes", 2, "take 5 units or more; expected no more than the 4");
    expect(CUT("3+2") "umbel train shapes", 2, "take 5 units or more");
    expect(CUT("2") "umbel train shapes " QUICK "--out halves", 0, "report: halves/report.html");
    expect(CUT("2") "umbel train shapes " QUICK "--set train.epochs=2 --out halves --resume", 0,
           "report: halves/report.html");
    expect(CUT("3+1") "umbel train shapes " QUICK "--set train.parallel=data --out unequal", 0,
           "report: unequal/report.html");
    expect(CUT("3+1") "umbel train shapes " QUICK "--out heads", 0, "report: heads/report.html");
    expect("umbel eval halves --device cpu", 0, "colour");
    expect(FOUR "umbel plan shapes --set tasks.shape.device=pocl/2#1 | grep -m1 transfer", 0,
           "host");
    expect(CUT("2#0") "umbel bench step shapes --steps 5", 0, "lower bound");
}

static void numbered_runs_count_up(void **state)
{
    (void)state;
    expect("umbel train shapes " QUICK, 0, "report: runs/shapes-1/report.html");
    expect("umbel train shapes " QUICK, 0, "report: runs/shapes-2/report.html");
    expect("umbel train shapes " QUICK "--set train.epochs=2 --resume", 0, "runs/shapes-2");
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void damage(const char *command, const char *expected)
{
    expect("rm -rf bad; cp -a one bad", 0, "");
    expect(command, 0, "");
    expect("umbel eval bad", 2, expected);
    expect("umbel train shapes " QUICK "--set train.epochs=2 --out bad --resume", 2, expected);
}

static void damaged_checkpoints_are_refused(void **state)
{
    (void)state;
    damage("rm bad/checkpoints/latest", "checkpoints/latest: is not there");
    damage("truncate -s 100 bad/checkpoints/epoch-1.safetensors", "bad/checkpoints/latest: ");
    damage("truncate -s -4 bad/checkpoints/epoch-1.safetensors", "bad/checkpoints/latest: ");
    damage(": > bad/checkpoints/epoch-1.safetensors", "bad/checkpoints/latest: ");
    damage("echo nonsense > bad/checkpoints/epoch-1.safetensors", "bad/checkpoints/latest: ");
    damage(
        "sed -i s/colour.dense1.weight/colour.dense9.weight/ bad/checkpoints/epoch-1.safetensors",
        "no tensor colour.dense1.weight");
    damage("echo 'data: [' > bad/experiment.yaml", "bad/experiment.yaml:");
}

/* Tuning. */

/* A net with a problem for every kind of kernel, and few of each: every solver of each is built. */
#define TUNE "umbel tune tiny.yaml"

static const char tiny[] = "name: tiny\n"
                           "data: {pictures: {format: shapes, count: 48}}\n"
                           "trunk:\n"
                           "  - conv: {filters: 16, size: 3, activation: relu}\n"
                           "  - max_pool: {size: 2}\n"
                           "  - conv: {filters: 16, size: 3}\n"
                           "  - global_avg_pool: {}\n"
                           "tasks:\n"
                           "  shape: {target: shape, head: [{dense: {units: 4}}], loss: "
                           "cross_entropy}\n"
                           "train: {epochs: 1, batch: 4}\n";

static void what_is_tuned_is_used(void **state)
{
    (void)state;
    put("tiny.yaml", tiny);
    setenv("UMBEL_CACHE", "tuned", 1);
    unsetenv("UMBEL_TUNE");
    expect(TUNE, 0, "kept in tuned/tuning-");
    expect("ls tuned/tuning-*.txt", 0, "tuned/tuning-");
    if (run(TWO "umbel plan tiny.yaml --dot") == 0) {
        expect(TWO TUNE " --set train.parallel=heads", 0, "kept in tuned/tuning-");
    }
    const char *plan = "umbel plan tiny.yaml";
    char line[512];
    snprintf(line, sizeof line, "%s --json | python3 -m json.tool", plan);
    expect(line, 0, "\"chosen_by\": \"measured\"");
    snprintf(line, sizeof line, "UMBEL_TUNE=off %s --json | grep -c measured", plan);
    expect(line, 1, "0");
    expect("sed -i '3s/[0-9]/7/' tuned/tuning-*.txt", 0, "");
    expect(plan, 0, "damaged");
    expect("sed -i '1s/.*/umbel tuning 99/' tuned/tuning-*.txt", 0, "");
    expect(plan, 0, "of another version of Umbel; nothing measured is used");
    expect("UMBEL_TUNE=quick umbel bench step tiny.yaml --steps 1; tail -c 13 tuned/tuning-*.txt",
           0, "end ");
    setenv("UMBEL_TUNE", "off", 1);
    unsetenv("UMBEL_CACHE");
}

static void measurements_that_cannot_be_kept_are_refused_at_once(void **state)
{
    (void)state;
    expect(": > plain; UMBEL_CACHE=plain " TUNE, 2, "UMBEL_CACHE: plain is no folder");
    expect("UMBEL_CACHE=plain/below " TUNE, 2, "cannot be made");
    expect("(unset UMBEL_CACHE XDG_CACHE_HOME HOME; " TUNE ")", 2, "UMBEL_CACHE");
}

/* A driver that miscompiles, or does not compile, all kernels but the safe ones: their sources are
 * changed on purpose. */
static void miscompiled_kernels_lose(void **state)
{
    (void)state;
    expect("mkdir kernels && cp \"$UMBEL_TEST_SOURCE\"/cl/*.cl kernels && cd kernels && "
           "sed -i 's/\\bfma(/2.0f * fma(/' conv_direct.cl conv_thin.cl conv_weights.cl "
           "gemm_packed.cl && echo 'no OpenCL C' | tee -a conv_winograd.cl "
           "conv_winograd_weights.cl",
           0, "");
    setenv("UMBEL_CACHE", "tuned", 1);
    setenv("UMBEL_KERNEL_DIR", "kernels", 1);
    expect(TUNE, 0, "WRONG: output 0 at ");
    if (!strstr(output, "FAILED: ") || !strstr(output, "lost for being wrong or not working") ||
        !strstr(output, "* naive")) {
        fail_msg("'%s'; expected solvers that failed, and the naive one as the best", output);
    }
    unsetenv("UMBEL_KERNEL_DIR");
    unsetenv("UMBEL_CACHE");
}

/* Disks. */

static int leftovers;

static int look(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    leftovers += strstr(path, ".tmp") != NULL;
    return 0;
}

static void a_full_disk_is_said(void **state)
{
    (void)state;
    /* 1 MiB a file: kernels fit, the checkpoint does not. */
    expect("ulimit -f 2048; umbel train shapes " QUICK "--out full", 1, "cannot be written");
    leftovers = 0;
    assert_int_equal(nftw("full", look, 16, FTW_PHYS), 0);
    assert_int_equal(leftovers, 0);
    expect("test -e full/checkpoints/latest", 1, "");
}

static void a_place_that_cannot_be_written_is_said(void **state)
{
    (void)state;
    expect("touch file; umbel train shapes " QUICK "--out file/run", 2, "file");
    expect("test -d file", 1, "");
}

/* Ctrl-C. */

static pid_t start(const char *log)
{
    pid_t child = fork();
    if (child != 0) { return child; }
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execl(program, program, "train", "shapes", "--set", "train.epochs=1000", "--set",
          "data.pictures.count=400", "--set", "train.log_every=1", "--out", "long", (char *)NULL);
    _exit(127);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void an_interrupt_saves_and_says_how_to_go_on(void **state)
{
    (void)state;
    pid_t child = start("long.log");
    assert_true(child > 0);
    for (int i = 0; i < 3000 && run("grep -q '\"event\":\"step\"' long/metrics.jsonl") != 0; i++) {
        nap();
    }
    int status = 0;
    assert_int_equal(kill(child, SIGINT), 0);
    nap(); /* twice, as `timeout` does */
    kill(child, SIGINT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    expect("cat long.log", 0, "to go on: umbel train shapes --out long --set train.epochs=1000");
    expect("readlink long/checkpoints/latest", 0, ".safetensors");
    expect("umbel train shapes --set train.epochs=1 --set data.pictures.count=400 --set "
           "train.log_every=1 --out long --resume",
           0, "going on in epoch ");
}

/* Data beside the experiment: a run finds it again from its own folder, and predicts without it. */
static void data_beside_the_experiment(void **state)
{
    (void)state;
    run("mkdir -p mine/pictures && head -c 30730 /dev/zero > mine/pictures/data_batch_1.bin && "
        "cp mine/pictures/data_batch_1.bin mine/pictures/test_batch.bin && "
        "printf '%s\\n' 'name: mine' 'data: {p: {format: cifar10, path: pictures}}' "
        "'trunk: [{flatten: {}}]' 'tasks: {t: {head: [{dense: {units: 10}}], loss: "
        "cross_entropy}}' "
        "'train: {epochs: 1, batch: 5}' > mine/e.yaml");
    expect("umbel train mine/e.yaml --out beside", 0, "report: beside/report.html");
    expect("umbel train mine/e.yaml --out beside --set train.epochs=2 --resume", 0, "report: ");
    expect("umbel eval beside", 0, "accuracy");
    run("mv mine/pictures mine/gone");
    expect("umbel eval beside", 2, "data.p.path: ");
    expect("umbel train mine/e.yaml --out beside --set train.epochs=3 --resume", 2, "is not there");
    expect("printf x > x.png; umbel predict beside x.png", 2, "neither a PNG nor a JPEG");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_made_used_and_guarded),
        cmocka_unit_test(plans_are_drawn),
        cmocka_unit_test(long_names_are_drawn),
        cmocka_unit_test(a_step_is_drawn),
        cmocka_unit_test(a_run_uses_several_devices),
        cmocka_unit_test(a_run_uses_parts_of_a_device),
        cmocka_unit_test(numbered_runs_count_up),
        cmocka_unit_test(damaged_checkpoints_are_refused),
        cmocka_unit_test(what_is_tuned_is_used),
        cmocka_unit_test(measurements_that_cannot_be_kept_are_refused_at_once),
        cmocka_unit_test(miscompiled_kernels_lose),
        cmocka_unit_test(a_full_disk_is_said),
        cmocka_unit_test(a_place_that_cannot_be_written_is_said),
        cmocka_unit_test(data_beside_the_experiment),
        cmocka_unit_test(an_interrupt_saves_and_says_how_to_go_on),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
