/*
 * test_cli_balancer.c: training with every balancer by the command, and what its metrics tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balance.h"
#include "cli_fixture.h"
#include "room.h"

#define SMALL                                                                       \
    "--set data.pictures.count=80 --set train.batch=16 --set train.epochs=1 --set " \
    "train.log_every=1 "
#define CHECK "python3 \"$UMBEL_TEST_SOURCE\"/tests/fault/check_balancer.py "

static void trains_and_tells(void **state)
{
    const struct umb_balancer *row = *state;
    const bool fixed = strcmp(row->name, "fixed") == 0;
    char line[1024], told[64];
    snprintf(line, sizeof line,
             "umbel train shapes " SMALL "--set 'train.balancer=%s' --out %s >log.txt 2>&1 || "
             "{ cat log.txt; false; } && " CHECK "%s/metrics.jsonl %s",
             fixed ? "{fixed: {weights: [1, 2, 0.5, 1]}}" : row->name, row->name, row->name,
             row->name);
    snprintf(told, sizeof told, "%s: ", row->name);
    expect(line, 0, told);
}

/* Weights stay between two looks, and only those tell of gradients. */
static void looks_are_told(void **state)
{
    (void)state;
    expect("umbel train shapes " SMALL "--set 'train.balancer={cagrad: {every: 2, gradient: "
           "representation}}' --out looks",
           0, "report: looks/report.html");
    expect("grep -c '\"event\": *\"step\"' looks/metrics.jsonl", 0, "5\n");
    expect("grep -c conflict looks/metrics.jsonl", 0, "3\n");
}

int main(void)
{
    enum { MOST = 64 };
    static char names[MOST][64];
    static struct CMUnitTest tests[MOST + 1];
    size_t n = 0;
    for (int i = 0; umb__balancers[i]; i++) {
        expect_room(n, MOST, "test_cli_balancer");
        snprintf(names[n], sizeof names[n], "%s trains and tells", umb__balancers[i]->name);
        tests[n] = (struct CMUnitTest){.name = names[n],
                                       .test_func = trains_and_tells,
                                       .initial_state = (void *)(uintptr_t)umb__balancers[i]};
        n++;
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(looks_are_told);
    return _cmocka_run_group_tests("cli_balancer", tests, n, enter, leave);
}
