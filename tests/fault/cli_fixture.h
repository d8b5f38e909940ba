/*
 * cli_fixture.h: the umbel command run from outside, in a folder of the test program's own.
 */
#ifndef UMB_TEST_CLI_FIXTURE_H
#define UMB_TEST_CLI_FIXTURE_H

#include <jansson.h>

extern char program[512], output[65536];

/* cmocka's set-up and tear-down of a group. */
int enter(void **state);
int leave(void **state);

/* Runs a shell line in which "umbel" is the program; what it wrote is in output. */
int run(const char *line);
/* Fails the test that runs unless the line ends so and writes that. */
void expect(const char *line, int code, const char *expected);

void write_file(const char *path, const char *text);
/* Fails the test that runs unless it is JSON. */
json_t *read_json(const char *path);

/* The small experiment of these tests: trained in a second. */
#define QUICK "--set data.pictures.count=48 --set train.epochs=1 "

#endif
