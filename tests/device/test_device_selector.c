/* test_device_selector.c: selectors over made-up machines; no OpenCL is needed. */
#include "known_bad.h"
#include "selector.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N 7
enum { NVIDIA, NVIDIA_SMALL, INTEL_GPU, INTEL_CPU, POCL, LLVMPIPE, CLOVER };

/* One machine with a bit of everything, in the order that its loader lists it. */
static struct umb_device_caps caps[N] = {
    [NVIDIA] = {.name = "NVIDIA H200",
                .vendor = "NVIDIA Corporation",
                .platform = "NVIDIA CUDA",
                .driver = "550.54",
                .type = UMB_DEVICE_GPU,
                .compute_units = 132,
                .clock_mhz = 1980,
                .float_width = 1},
    [NVIDIA_SMALL] = {.name = "NVIDIA T400",
                      .vendor = "NVIDIA Corporation",
                      .platform = "NVIDIA CUDA",
                      .driver = "550.54",
                      .type = UMB_DEVICE_GPU,
                      .compute_units = 6,
                      .clock_mhz = 1425,
                      .float_width = 1},
    [INTEL_GPU] = {.name = "Intel(R) UHD Graphics 770",
                   .vendor = "Intel(R) Corporation",
                   .platform = "Intel(R) OpenCL Graphics",
                   .driver = "23.22",
                   .type = UMB_DEVICE_GPU,
                   .compute_units = 32,
                   .clock_mhz = 1550,
                   .float_width = 1},
    [INTEL_CPU] = {.name = "12th Gen Intel(R) Core(TM) i7",
                   .vendor = "Intel(R) Corporation",
                   .platform = "Intel(R) OpenCL",
                   .driver = "2026.2",
                   .type = UMB_DEVICE_CPU,
                   .compute_units = 20,
                   .max_parts = 20,
                   .clock_mhz = 0,
                   .float_width = 8},
    [POCL] = {.name = "cpu-alderlake-12th Gen Intel(R) Core(TM) i7",
              .vendor = "GenuineIntel",
              .platform = "Portable Computing Language",
              .driver = "3.1, OpenCL 3.0 PoCL 3.1",
              .type = UMB_DEVICE_CPU,
              .compute_units = 20,
              .max_parts = 4,
              .clock_mhz = 4900,
              .float_width = 8},
    [LLVMPIPE] = {.name = "llvmpipe (LLVM 15.0.6, 256 bits)",
                  .vendor = "Mesa/X.org",
                  .platform = "rusticl",
                  .driver = "22.3.6",
                  .type = UMB_DEVICE_CPU,
                  .software = true,
                  .compute_units = 8,
                  .clock_mhz = 300,
                  .float_width = 1},
    [CLOVER] = {.name = "AMD Radeon RX 580",
                .vendor = "AMD",
                .platform = "Clover",
                .driver = "22.3.6",
                .type = UMB_DEVICE_GPU,
                .compute_units = 36,
                .clock_mhz = 1340,
                .float_width = 1},
};
static struct umb_candidate machine[N] = {
    [NVIDIA] = {&caps[NVIDIA], "NVIDIA Corporation", UMB_USE_FREELY},
    [NVIDIA_SMALL] = {&caps[NVIDIA_SMALL], "NVIDIA Corporation", UMB_USE_FREELY},
    [INTEL_GPU] = {&caps[INTEL_GPU], "Intel(R) Corporation", UMB_USE_FREELY},
    [INTEL_CPU] = {&caps[INTEL_CPU], "Intel(R) Corporation", UMB_USE_FREELY},
    [POCL] = {&caps[POCL], "The pocl project", UMB_USE_FREELY},
    [LLVMPIPE] = {&caps[LLVMPIPE], "Mesa/X.org", UMB_USE_WHEN_NAMED},
    [CLOVER] = {&caps[CLOVER], "Mesa", UMB_USE_NEVER},
};

/* want: a digit per device, in the order that the selector takes them, and "[first+units]" behind
 * that of a part; "!" and what is said where a device has not those parts; NULL: malformed. */
static const struct row {
    const char *selector, *want;
} rows[] = {
    {"gpu", "012"},
    {"GPU", "012"},
    {"cpu", "34"},
    {"accelerator", ""},
    {"all", "01234"},
    {"gpu,cpu", "01234"},
    {"cpu,gpu", "34012"},
    {"cpu , gpu#0", "340"},
    {" gpu ", "012"},
    {"gpu#0", "0"},
    {"gpu#1", "1"},
    {"gpu#2", "2"},
    {"gpu#3", ""}, /* Clover's must be named */
    {"gpu#99", ""},
    {"gpu#000000001", "1"},
    {"gpu #1", "1"},
    {"gpu,gpu", "012"},
    {"gpu#1,gpu", "102"},
    {"nvidia", "01"},
    {"NVidia", "01"},
    {"h200", "0"},
    {"nvidia#1", "1"},
    {"t400,pocl", "14"},
    {"intel", "234"},
    {"intel#1", "3"},
    {"intel:gpu", "2"},
    {"intel:cpu", "3"},
    {"pocl", "4"},
    {"pocl:cpu", "4"},
    {"POCL : CPU", "4"},
    {"pocl:gpu", ""},
    {"pocl:all", "4"},
    {"pocl:intel", "4"},
    {"portable", "4"},
    {"nvidia:t400", "1"},
    {"nvidia:gpu#1", "1"},
    {"clover:gpu", "6"},
    {"radeon", "6"},
    {"llvmpipe", "5"},
    {"rusticl", "5"},
    {"rusticl:cpu", "5"},
    {"mesa:all", "56"},
    {"llvmpipe,cpu", "534"},
    {"foo", ""},
    {"foo,cpu", "34"},
    {"foo:cpu", ""},
    {"Core(TM) i7", "34"},
    {"", NULL},
    {" ", NULL},
    {",", NULL},
    {"gpu,", NULL},
    {",gpu", NULL},
    {"gpu,,cpu", NULL},
    {"pocl:", NULL},
    {"pocl: #1", NULL},
    {":cpu", NULL},
    {":", NULL},
    {"#", NULL},
    {"#1", NULL},
    {"gpu#", NULL},
    {"gpu#x", NULL},
    {"gpu#1x", NULL},
    {"gpu#-1", NULL},
    {"gpu#+1", NULL},
    {"gpu# 1", NULL},
    {"gpu#1#2x", NULL},
    {"gpu#99999999999999999999", NULL},
    {"cpu,gpu#x", NULL},
    /* parts: of one device, unless all are asked for */
    {"cpu/2", "3[0+10]3[10+10]"},
    {"cpu/3", "3[0+6]3[6+6]3[12+6]"},
    {"CPU / 2", NULL},
    {" cpu /2 ", "3[0+10]3[10+10]"},
    {"cpu/20#19", "3[19+1]"},
    {"cpu/2#0", "3[0+10]"},
    {"cpu/2#1", "3[10+10]"},
    {"cpu/2 #1", "3[10+10]"},
    {"cpu/2#*", "3[0+10]3[10+10]"},
    {"cpu/12+8", "3[0+12]3[12+8]"},
    {"cpu/3+1+1#2", "3[4+1]"},
    {"cpu/1+000000002", "3[0+1]3[1+2]"},
    {"cpu#1/2", "4[0+10]4[10+10]"},
    {"cpu#1/2#1", "4[10+10]"},
    {"cpu#*/2", "3[0+10]3[10+10]4[0+10]4[10+10]"},
    {"cpu#*/2#1", "3[10+10]4[10+10]"},
    {"cpu#2/2", ""},
    {"pocl:cpu/2", "4[0+10]4[10+10]"},
    {"foo/2", ""},
    {"pocl/2,gpu", "4[0+10]4[10+10]012"},
    /* a unit is given once */
    {"cpu/2#1,cpu/2", "3[10+10]3[0+10]"},
    {"cpu/2,cpu/2", "3[0+10]3[10+10]4[0+10]4[10+10]"},
    {"pocl/2,pocl/2", "4[0+10]4[10+10]"},
    {"pocl/2#0,pocl/10+1", "4[0+10]4[10+1]"},
    {"pocl/2#0,pocl/11+1", "4[0+10]4[11+1]"},
    {"cpu/2,cpu", "3[0+10]3[10+10]4"},
    {"cpu,pocl/2", "34"},
    {"cpu/", NULL},
    {"cpu/0", NULL},
    {"cpu/1", NULL},
    {"cpu/1#0", NULL},
    {"cpu/x", NULL},
    {"cpu/2x", NULL},
    {"cpu/2/2", NULL},
    {"cpu/-2", NULL},
    {"cpu/+2", NULL},
    {"cpu/2+", NULL},
    {"cpu/2++1", NULL},
    {"cpu/2+0", NULL},
    {"cpu/0+0", NULL},
    {"cpu/2 + 1", NULL},
    {"cpu/2#", NULL},
    {"cpu/2#2", NULL},
    {"cpu/3+1#2", NULL},
    {"cpu/2#x", NULL},
    {"cpu/#1", NULL},
    {"cpu/2:1", NULL},
    {"cpu#x/2", NULL},
    {"/2", NULL},
    {"#1/2", NULL},
    {"pocl:/2", NULL},
    {"cpu/9999999999", NULL},
    {"cpu/99999999999999999999+1", NULL},
    {"cpu/21", "!take 21 units or more; expected no more than the 20 of 12th Gen"},
    {"cpu/999999999", "!take 999999999 units"},
    {"cpu/20+1", "!take 21 units"},
    {"cpu/999999999+999999999+999999999+999999999+999999999", "!take 4999999995 units"},
    {"pocl/5", "!no more than the 4 parts that the driver of cpu-alderlake"},
    {"pocl/1+1+1+1+1", "!no more than the 4 parts"},
    {"gpu/2", "!NVIDIA H200 is not cut into parts by its driver"},
    {"all#*/2", "!NVIDIA H200 is not cut"},
    {"clover/2", "!RX 580 is not cut"},
};

/* The same where an item takes one device. */
static const struct row team_rows[] = {
    {"gpu", "0"},
    {"gpu,gpu", "01"},
    {"gpu#*", "012"},
    {"gpu,cpu", "03"},
    {"cpu/2", "3[0+10]3[10+10]"},
    {"cpu/2,gpu", "3[0+10]3[10+10]0"},
    {"cpu/2,cpu", "3[0+10]3[10+10]4"},
    {"cpu/2,cpu/15+5", "3[0+10]3[10+10]4[0+15]4[15+5]"},
    {"cpu,cpu/2", "34[0+10]4[10+10]"},
    {"cpu#*/2", "3[0+10]3[10+10]4[0+10]4[10+10]"},
    {"pocl,pocl/2", "4"},
};

#define ROOM (N + UMB_MAX_PARTS)

typedef enum umb_status (*take_fn)(struct umb_context *ctx, const char *source,
                                   const char *selector, const struct umb_candidate *candidates,
                                   size_t n, struct umb_pick *ret_picks, size_t *ret_n_picks);

static void check(const struct row *row, take_fn take)
{
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    struct umb_pick picks[ROOM];
    size_t n = 99, length = 0;
    enum umb_status st = take(ctx, "UMBEL_DEVICE", row->selector, machine, N, picks, &n);
    const char *refused = !row->want            ? "devices such as"
                          : row->want[0] == '!' ? row->want + 1
                                                : NULL;
    if (refused) {
        assert_string_equal(umb_status_name(st), "invalid");
        assert_int_equal(n, 99);
        assert_non_null(strstr(umb_context_error(ctx), "UMBEL_DEVICE: '"));
        assert_non_null(strstr(umb_context_error(ctx), "expected"));
        if (!strstr(umb_context_error(ctx), refused)) { fail_msg("%s", umb_context_error(ctx)); }
    } else {
        char got[ROOM * 16] = "";
        assert_string_equal(umb_status_name(st), "ok");
        for (size_t i = 0; i < n; i++) {
            const struct umb_pick *p = &picks[i];
            length += (size_t)sprintf(got + length, "%zu", p->device);
            if (!p->units) { continue; }
            length += (size_t)sprintf(got + length, "[%u+%u]", p->first, p->units);
        }
        assert_string_equal(got, row->want);
    }
    umb_context_destroy(ctx);
}

static void check_row(void **state)
{
    check(*state, umb__selector_take);
}

static void check_team_row(void **state)
{
    check(*state, umb__selector_team);
}

/* As many parts as there is room for, and one more. */
static void parts_are_limited(void **state)
{
    (void)state;
    struct umb_device_caps large = caps[POCL];
    const struct umb_candidate one = {&large, "", UMB_USE_FREELY};
    struct umb_pick picks[1 + UMB_MAX_PARTS];
    struct umb_context *ctx = NULL;
    size_t n = 0;
    large.compute_units = large.max_parts = 1000;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__selector_take(ctx, "device", "cpu/64", &one, 1, picks, &n), UMB_OK);
    assert_int_equal(n, UMB_MAX_PARTS);
    assert_int_equal(umb__selector_take(ctx, "device", "cpu/65", &one, 1, picks, &n),
                     UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(ctx), "device: 'cpu/65': expected 64 parts at most");
    assert_int_equal(umb__selector_take(ctx, "device", "cpu/1000#999", &one, 1, picks, &n), UMB_OK);
    assert_int_equal(n, 1);
    assert_int_equal(picks[0].first, 999);
    umb_context_destroy(ctx);
}

static void the_default_is_the_strongest_gpu(void **state)
{
    (void)state;
    assert_int_equal(umb__selector_default(machine, N), NVIDIA);
    /* An Intel unit counts 8 lanes, an NVIDIA one 128: 6 of these beat 32 of those. */
    assert_int_equal(umb__selector_default(machine + 1, N - 1) + 1, NVIDIA_SMALL);
    assert_int_equal(umb__selector_default(machine + 2, N - 2) + 2, INTEL_GPU);
}

static void the_default_is_else_a_cpu(void **state)
{
    (void)state;
    assert_int_equal(umb__selector_default(machine + 3, N - 3) + 3, POCL); /* the higher clock */
    assert_int_equal(umb__selector_default(machine + 4, N - 4) + 4, POCL);
}

static void the_default_is_no_rasterizer(void **state)
{
    (void)state;
    assert_int_equal(umb__selector_default(machine + LLVMPIPE, 2), 2);
    assert_int_equal(umb__selector_default(machine, 0), 0);
}

static const char *shortest(struct umb_arena *arena, const struct umb_candidate *m, size_t n,
                            size_t i)
{
    const char *s = umb__selector_shortest(arena, m, n, i);
    assert_non_null(s);
    struct umb_pick taken[ROOM];
    size_t n_taken = 0;
    assert_int_equal(umb__selector_take(NULL, "", s, m, n, taken, &n_taken), UMB_OK);
    if (n_taken != 1 || taken[0].device != i) {
        fail_msg("'%s' does not take device %zu alone", s, i);
    }
    return s;
}

static void every_device_has_a_selector_of_its_own(void **state)
{
    (void)state;
    struct umb_arena *arena = NULL;
    assert_int_equal(umb__arena_create(NULL, &arena), UMB_OK);
    assert_string_equal(shortest(arena, machine, N, NVIDIA), "h200");
    assert_string_equal(shortest(arena, machine, N, NVIDIA_SMALL), "t400");
    assert_string_equal(shortest(arena, machine, N, INTEL_GPU), "intel:gpu");
    assert_string_equal(shortest(arena, machine, N, INTEL_CPU), "intel:cpu");
    assert_string_equal(shortest(arena, machine, N, POCL), "pocl");
    assert_string_equal(shortest(arena, machine, N, LLVMPIPE), "rusticl");
    assert_string_equal(shortest(arena, machine, N, CLOVER), "amd");
    assert_string_equal(shortest(arena, machine + POCL, 1, 0), "cpu");
    assert_string_equal(shortest(arena, machine + POCL, 2, 0), "cpu");
    umb__arena_destroy(arena);
}

static void twins_are_told_apart_by_index(void **state)
{
    (void)state;
    struct umb_candidate twins[] = {machine[POCL], machine[INTEL_GPU], machine[POCL]};
    struct umb_arena *arena = NULL;
    assert_int_equal(umb__arena_create(NULL, &arena), UMB_OK);
    assert_string_equal(shortest(arena, twins, 3, 0), "cpu#0");
    assert_string_equal(shortest(arena, twins, 3, 1), "gpu");
    assert_string_equal(shortest(arena, twins, 3, 2), "cpu#1");
    umb__arena_destroy(arena);
}

static void no_match_lists_every_device(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    caps[POCL].selector = "cpu";
    caps[LLVMPIPE].selector = "rusticl";
    assert_int_equal(umb__selector_no_match(ctx, "UMBEL_DEVICE", "nvidia", machine + POCL, 2),
                     UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(ctx),
                        "UMBEL_DEVICE: no device matches 'nvidia'; expected one of: cpu "
                        "(cpu-alderlake-12th Gen Intel(R) Core(TM) i7, Portable Computing "
                        "Language), rusticl (llvmpipe (LLVM 15.0.6, 256 bits), rusticl)");
    assert_int_equal(umb__selector_no_match(ctx, "UMBEL_DEVICE", NULL, machine + LLVMPIPE, 1),
                     UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(ctx), "set it to one of: rusticl"));
    assert_int_equal(umb__selector_no_match(ctx, "device", "gpu", machine, 0), UMB_ERR_DEVICE);
    assert_non_null(strstr(umb_context_error(ctx), "install an OpenCL driver"));
    umb__alloc_fail_at(1);
    assert_int_equal(umb__selector_no_match(ctx, "device", "x", machine + POCL, 2),
                     UMB_ERR_NO_MEMORY);
    umb__alloc_fail_at(0);
    umb_context_destroy(ctx);
}

static void known_faults(void **state)
{
    (void)state;
    const char *issue = NULL;
    enum umb_device_use use = UMB_USE_FREELY;
    struct umb_device_caps c = caps[POCL];
    assert_false(umb__known_bad(&c, &issue, &use));
    assert_null(issue);
    c.driver = "6.0-6+b1, OpenCL 3.0 PoCL 6.0  Linux";
    assert_true(umb__known_bad(&c, &issue, &use));
    assert_non_null(strstr(issue, "6.0"));
    assert_int_equal(use, UMB_USE_FREELY);
    c.driver = "6.01, OpenCL 3.0 PoCL 6.01  Linux";
    assert_false(umb__known_bad(&c, &issue, &use));
    assert_true(umb__known_bad(&caps[CLOVER], &issue, &use));
    assert_int_equal(use, UMB_USE_WHEN_NAMED);
    assert_true(umb__known_bad(&caps[LLVMPIPE], &issue, &use));
    assert_false(umb__known_bad(&caps[NVIDIA], &issue, &use));
}

#define N_ROWS (sizeof rows / sizeof *rows)
#define N_TEAM_ROWS (sizeof team_rows / sizeof *team_rows)

static struct CMUnitTest row_test(const struct row *row, const char *what, CMUnitTestFunction f,
                                  char name[64])
{
    snprintf(name, 64, "%s '%.40s'", what, row->selector);
    for (char *c = name; *c; c++) {
        if (*c == '#') { *c = '@'; } /* TAP reads what is behind a # as a directive */
    }
    return (struct CMUnitTest){
        .name = name, .test_func = f, .initial_state = (void *)(uintptr_t)row};
}

int main(void)
{
    static char names[N_ROWS + N_TEAM_ROWS][64];
    static struct CMUnitTest tests[N_ROWS + N_TEAM_ROWS + 8];
    size_t n = 0;
    for (size_t i = 0; i < N_ROWS; i++, n++) {
        tests[n] = row_test(&rows[i], "selector", check_row, names[n]);
    }
    for (size_t i = 0; i < N_TEAM_ROWS; i++, n++) {
        tests[n] = row_test(&team_rows[i], "devices of", check_team_row, names[n]);
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(parts_are_limited);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(the_default_is_the_strongest_gpu);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(the_default_is_else_a_cpu);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(the_default_is_no_rasterizer);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_device_has_a_selector_of_its_own);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(twins_are_told_apart_by_index);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(no_match_lists_every_device);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(known_faults);
    return cmocka_run_group_tests_name("selectors", tests, NULL, NULL);
}
