#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "cli_fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

char program[512], output[65536];

int run(const char *line)
{
    char command[2048];
    snprintf(command, sizeof command, "umbel() { '%s' \"$@\"; }; { %s; } 2>&1", program, line);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t n = fread(output, 1, sizeof output - 1, f);
    output[n] = 0;
    for (char rest[4096]; fread(rest, 1, sizeof rest, f) > 0;) {}
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void expect(const char *line, int code, const char *expected)
{
    int is = run(line);
    if (is != code || !strstr(output, expected)) {
        fail_msg("%s\nexit %d, output '%s'\nexpected exit %d and '%s'", line, is, output, code,
                 expected);
    }
}

static char folder[] = "/tmp/umbel-cli-XXXXXX";

int enter(void **state)
{
    (void)state;
    const char *build = getenv("UMBEL_TEST_BUILD");
    snprintf(program, sizeof program, "%s/apps/umbel", build ? build : ".");
    unsetenv("UMBEL_DATA");
    return access(program, X_OK) == 0 && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int drop(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

int leave(void **state)
{
    (void)state;
    return chdir("/") == 0 && nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

json_t *read_json(const char *path)
{
    json_error_t error;
    json_t *all = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!all) { fail_msg("%s:%d: %s", path, error.line, error.text); }
    return all;
}
