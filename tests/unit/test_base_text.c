/* test_base_text.c: growing strings, nearest names, strict numbers, environment, hashes, clocks. */
#include "alloc.h"
#include "names.h"
#include "system.h"
#include "text.h"
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void texts_grow(void **state)
{
    (void)state;
    struct umb_text t = {0};
    assert_string_equal(umb__text_string(&t), "");
    umb__text_add(&t, "");
    umb__text_add(&t, "conv");
    umb__text_printf(&t, " %d×%d", 3, 3);
    umb__text_add_bytes(&t, "!?", 1);
    assert_string_equal(umb__text_string(&t), "conv 3×3!");
    assert_int_equal(t.length, strlen(t.data));
    for (int i = 0; i < 1000; i++) {
        umb__text_printf(&t, "%d,", i);
    }
    assert_int_equal(umb__text_status(NULL, &t), UMB_OK);
    assert_string_equal(t.data + t.length - 8, "998,999,");
    umb__text_finish(&t);
    assert_string_equal(umb__text_string(&t), "");
}

static void texts_remember_failure(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live();
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    int tries = 0;
    enum umb_status st;
    do {
        struct umb_text t = {0};
        umb__alloc_fail_at((uint64_t)++tries);
        for (int i = 0; i < 200; i++) {
            umb__text_printf(&t, "%d ", i);
        }
        umb__alloc_fail_at(0);
        st = umb__text_status(ctx, &t);
        if (st != UMB_OK) { assert_non_null(strstr(umb_context_error(ctx), "out of memory")); }
        umb__text_finish(&t);
    } while (st != UMB_OK);
    assert_in_range(tries, 3, 30);
    umb_context_destroy(ctx);
    assert_int_equal(umb__alloc_live(), before);
}

static const char *const layers[] = {"conv", "dense", "max_pool", "avg_pool", "flatten", "relu"};
#define NEAREST(name) umb__nearest(name, layers, sizeof layers / sizeof *layers)

static void nearest_names(void **state)
{
    (void)state;
    assert_string_equal(NEAREST("conv"), "conv");
    assert_string_equal(NEAREST("con"), "conv");
    assert_string_equal(NEAREST("densse"), "dense");
    assert_string_equal(NEAREST("max_pol"), "max_pool");
    assert_string_equal(NEAREST("avgpool"), "avg_pool");
    assert_string_equal(NEAREST("rel"), "relu");
    assert_string_equal(NEAREST("flaten"), "flatten");
}

/* Two letters that changed places are one mistake, which even a short name may have. */
static void nearest_names_of_swapped_letters(void **state)
{
    (void)state;
    assert_string_equal(NEAREST("cnov"), "conv");
    assert_string_equal(NEAREST("ocnv"), "conv");
    assert_string_equal(NEAREST("covn"), "conv");
    assert_string_equal(NEAREST("rleu"), "relu");
    assert_string_equal(NEAREST("dnese"), "dense");
    assert_null(NEAREST("vnoc"));
}

static void too_far_names_have_none(void **state)
{
    (void)state;
    assert_null(NEAREST("attention"));
    assert_null(NEAREST("")); /* anything would do */
    assert_null(NEAREST("cxxv"));
    static char longest[200];
    memset(longest, 'c', sizeof longest - 1);
    assert_null(NEAREST(longest));
    assert_null(umb__nearest("conv", NULL, 0));
}

static void check_int(const char *s, bool good, int64_t want)
{
    int64_t value = 99;
    if (umb__parse_int(s, INT64_MIN, INT64_MAX, &value) != good) {
        fail_msg("'%s' should %sbe a whole number", s, good ? "" : "not ");
    }
    if (value != (good ? want : 99)) { fail_msg("'%s' gave %lld", s, (long long)value); }
}

static void whole_numbers(void **state)
{
    (void)state;
    check_int("0", true, 0);
    check_int("-12", true, -12);
    check_int("+7", true, 7);
    check_int("007", true, 7);
    check_int("9223372036854775807", true, INT64_MAX);
    check_int("-9223372036854775808", true, INT64_MIN);
}

static void not_whole_numbers(void **state)
{
    (void)state;
    const char *const bad[] = {"",    " 1",  "1 ",  "1x",  "x",
                               "-",   "+",   "--1", "0x1", "1.0",
                               "1e3", "\n1", "٣",   "+-1", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_int(bad[i], false, 0);
    }
}

static void whole_numbers_in_range(void **state)
{
    (void)state;
    int64_t v = 0;
    assert_true(umb__parse_int("8", 1, 8, &v));
    assert_false(umb__parse_int("9", 1, 8, &v));
    assert_false(umb__parse_int("0", 1, 8, &v));
    assert_int_equal(v, 8);
}

static void check_double(const char *s, bool good, double want)
{
    double value = 99;
    if (umb__parse_double(s, -1e308, 1e308, &value) != good) {
        fail_msg("'%s' should %sbe a number", s, good ? "" : "not ");
    }
    if (value != (good ? want : 99)) { fail_msg("'%s' gave %.17g", s, value); }
}

static void numbers(void **state)
{
    (void)state;
    check_double("0.001", true, 0.001);
    check_double("-1.5e-3", true, -0.0015);
    check_double("+2", true, 2);
    check_double(".5", true, 0.5);
    check_double("5.", true, 5);
    check_double("1E5", true, 1e5);
    check_double("1e-400", true, 0);
}

static void not_numbers(void **state)
{
    (void)state;
    const char *const bad[] = {"",      ".",         "e5",  "1e",    "1e+", "nan",
                               "inf",   "-infinity", "0x1", " 1",    "1 ",  "1,5",
                               "1.2.3", "1e5x",      "+",   "1e999", "--1", "1e1.5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_double(bad[i], false, 0);
    }
    double v = 3;
    assert_false(umb__parse_double("1.01", 0, 1, &v));
    assert_false(umb__parse_double("-0.01", 0, 1, &v));
    assert_true(v == 3);
}

static void numbers_do_not_follow_the_locale(void **state)
{
    (void)state;
    /* Where neither is installed, this is one more check of the plain case. */
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) { setlocale(LC_NUMERIC, "fr_FR.UTF-8"); }
    check_double("0.25", true, 0.25);
    setlocale(LC_NUMERIC, "C");
}

static void truth_values(void **state)
{
    (void)state;
    bool v = false;
    assert_true(umb__parse_bool("yes", &v) && v);
    assert_true(umb__parse_bool("off", &v) && !v);
    assert_true(umb__parse_bool("true", &v) && v);
    assert_true(umb__parse_bool("false", &v) && !v);
    assert_true(umb__parse_bool("on", &v) && v);
    assert_true(umb__parse_bool("no", &v) && !v);
    assert_false(umb__parse_bool("1", &v));
    assert_false(umb__parse_bool("", &v));
    assert_false(umb__parse_bool("yess", &v));
}

#define VARIABLE "UMBEL_TEST_VARIABLE"

static void bytes_with_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } row[] = {{"1B", 1},
               {"512MiB", UINT64_C(512) << 20},
               {"512 MiB", UINT64_C(512) << 20},
               {"2GB", UINT64_C(2000000000)},
               {"2gb", UINT64_C(2000000000)},
               {"1.5GiB", UINT64_C(3) << 29},
               {"0.25kB", 250},
               {"3KiB", 3072},
               {"4EiB", UINT64_C(1) << 62}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        uint64_t bytes = 0;
        if (!umb__parse_bytes(row[i].text, &bytes) || bytes != row[i].bytes) {
            fail_msg("%s: %llu; expected %llu", row[i].text, (unsigned long long)bytes,
                     (unsigned long long)row[i].bytes);
        }
    }
}

static void not_bytes(void **state)
{
    (void)state;
    static const char *const text[] = {"",     "MiB",   "512",  "-1MiB",  "+1MiB",   "1.2.3MiB",
                                       "1e3B", "0B",    "0.9B", "4.1EiB", "99EB",    "1MiBs",
                                       "1M",   "1 i B", "1iB",  " 1MiB",  "0x10MiB", "1BB"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        uint64_t bytes = 7;
        if (umb__parse_bytes(text[i], &bytes) || bytes != 7) {
            fail_msg("'%s' was taken as %llu", text[i], (unsigned long long)bytes);
        }
    }
}

/* What is named suffices: nothing is rounded down. */
static void texts_of_bytes(void **state)
{
    (void)state;
    char text[UMB_BYTES_TEXT];
    assert_string_equal(umb__bytes_text(0, text), "0 B");
    assert_string_equal(umb__bytes_text(1023, text), "1023 B");
    assert_string_equal(umb__bytes_text(1024, text), "1 KiB");
    assert_string_equal(umb__bytes_text(UINT64_C(512) << 20, text), "512 MiB");
    assert_string_equal(umb__bytes_text((UINT64_C(512) << 20) + 1, text), "512.01 MiB");
    for (uint64_t n = 1; n < UINT64_C(1) << 60; n = n * 7 + 3) {
        uint64_t back = 0;
        assert_true(umb__parse_bytes(umb__bytes_text(n, text), &back));
        assert_true(back >= n);
    }
}

static void environment_defaults(void **state)
{
    (void)state;
    int64_t v = 0;
    unsetenv(VARIABLE);
    assert_null(umb__env_text(VARIABLE));
    assert_int_equal(umb__env_int(NULL, VARIABLE, 1, 8, 3, &v), UMB_OK);
    assert_int_equal(v, 3);
    setenv(VARIABLE, "", 1);
    assert_null(umb__env_text(VARIABLE));
    assert_int_equal(umb__env_int(NULL, VARIABLE, 1, 8, 4, &v), UMB_OK);
    assert_int_equal(v, 4);
    unsetenv(VARIABLE);
}

static void environment_numbers(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    int64_t v = 0;
    setenv(VARIABLE, "8", 1);
    assert_int_equal(umb__env_int(ctx, VARIABLE, 1, 8, 3, &v), UMB_OK);
    assert_int_equal(v, 8);
    const char *const bad[] = {"9", "0", "many", "1.5", " 2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv(VARIABLE, bad[i], 1);
        assert_int_equal(umb__env_int(ctx, VARIABLE, 1, 8, 3, &v), UMB_ERR_INVALID);
        assert_int_equal(v, 8);
        assert_non_null(strstr(umb_context_error(ctx), VARIABLE ": '"));
        assert_non_null(strstr(umb_context_error(ctx), "from 1 to 8"));
    }
    unsetenv(VARIABLE);
    umb_context_destroy(ctx);
}

static void environment_choices(void **state)
{
    (void)state;
    static const char *const names[] = {"off", "quick", "full"};
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    size_t v = 9;
    unsetenv(VARIABLE);
    assert_int_equal(umb__env_choice(ctx, VARIABLE, names, 3, 1, &v), UMB_OK);
    assert_int_equal(v, 1);
    setenv(VARIABLE, "full", 1);
    assert_int_equal(umb__env_choice(ctx, VARIABLE, names, 3, 1, &v), UMB_OK);
    assert_int_equal(v, 2);
    setenv(VARIABLE, "Full", 1);
    assert_int_equal(umb__env_choice(ctx, VARIABLE, names, 3, 1, &v), UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(ctx),
                        VARIABLE ": 'Full' is not understood; expected off, quick or full");
    umb__alloc_fail_at(1);
    assert_int_equal(umb__env_choice(ctx, VARIABLE, names, 3, 1, &v), UMB_ERR_NO_MEMORY);
    umb__alloc_fail_at(0);
    unsetenv(VARIABLE);
    umb_context_destroy(ctx);
}

static void fnv_has_its_known_values(void **state)
{
    (void)state;
    assert_true(umb__hash(UMB_HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(umb__hash(UMB_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    uint64_t whole = umb__hash(UMB_HASH_START, "foobar", 6);
    assert_true(whole == UINT64_C(0x85944171f73967e8));
    assert_true(umb__hash(umb__hash(UMB_HASH_START, "foo", 3), "bar", 3) == whole);
}

static void crc_has_its_known_value(void **state)
{
    (void)state;
    assert_int_equal(umb__crc32(0, "123456789", 9), 0xCBF43926);
    assert_int_equal(umb__crc32(umb__crc32(0, "1234", 4), "56789", 5), 0xCBF43926);
    assert_int_equal(umb__crc32(0, "", 0), 0);
}

static void clocks_go_on(void **state)
{
    (void)state;
    uint64_t a = umb__clock_ns(), age = umb__process_age_ns();
    umb__sleep_ns(30000000);
    uint64_t slept = umb__clock_ns() - a;
    assert_true(slept >= 30000000);
    uint64_t later = umb__process_age_ns();
    assert_true(later > age);
    assert_true(later < UINT64_C(3600000000000)); /* a test lives less than an hour */
}

static void the_process_has_memory_and_processors(void **state)
{
    (void)state;
    double mib = umb__peak_rss_mib();
    assert_true(mib > 0.5 && mib < 1e6);
    assert_in_range(umb__cpu_count(), 1, 100000);
    size_t n = (size_t)64 << 20;
    char *p = umb__calloc(NULL, n, 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i += 4096) {
        p[i] = 1;
    }
    double grown = umb__peak_rss_mib();
    umb__free(p);
    assert_true(grown > mib + 50);
}

static void names_have_numbers(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char name[N][16];
    struct umb_names t = {0};
    assert_int_equal(umb__names_find(&t, "layer0"), -1);
    for (int i = 0; i < N; i++) {
        snprintf(name[i], sizeof name[i], "layer%d", i);
        assert_int_equal(umb__names_add(NULL, &t, name[i], 3 * i), UMB_OK);
    }
    assert_int_equal(umb__names_add(NULL, &t, "layer7", 1), UMB_OK); /* it keeps its number */
    assert_int_equal(umb__names_add(NULL, &t, "", 1), UMB_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(umb__names_find(&t, name[i]), 3 * i);
    }
    assert_int_equal(umb__names_find(&t, ""), 1);
    assert_int_equal(umb__names_find(&t, "layer5000"), -1);
    assert_int_equal(t.n, N + 1);
    umb__names_finish(&t);
    assert_int_equal(umb__names_find(&t, "layer7"), -1);
}

static void patterns_fit_whole_names(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool fits;
    } rows[] = {{"conv1.weight", "conv1.weight", true},
                {"conv1", "conv1.weight", false},
                {"conv1.*", "conv1.weight", true},
                {"conv1.*", "conv10.weight", false},
                {"conv?.weight", "conv2.weight", true},
                {"conv?.weight", "conv.weight", false},
                {"*.bias", "a.b.bias", true},
                {"*.bias", "a.b.bias2", false},
                {"*a*b*c", "xaxbxbc", true},
                {"*a*b*c", "xaxcxb", false},
                {"*", "", true},
                {"", "", true},
                {"", "a", false},
                {"?", "", false},
                {"**x**", "x", true},
                {"a*", "ba", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (umb__glob(rows[i].pattern, rows[i].text) != rows[i].fits) {
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
        }
    }
    /* A hostile pattern takes no more than the product of both lengths. */
    char pattern[401], text[2001];
    for (size_t i = 0; i < 400; i++) {
        pattern[i] = i % 2 ? 'a' : '*';
    }
    pattern[399] = 'b';
    pattern[400] = 0;
    memset(text, 'a', 2000);
    text[2000] = 0;
    assert_false(umb__glob(pattern, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_grow),
        cmocka_unit_test(patterns_fit_whole_names),
        cmocka_unit_test(texts_remember_failure),
        cmocka_unit_test(nearest_names),
        cmocka_unit_test(nearest_names_of_swapped_letters),
        cmocka_unit_test(too_far_names_have_none),
        cmocka_unit_test(names_have_numbers),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(not_whole_numbers),
        cmocka_unit_test(whole_numbers_in_range),
        cmocka_unit_test(numbers),
        cmocka_unit_test(not_numbers),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
        cmocka_unit_test(truth_values),
        cmocka_unit_test(bytes_with_units),
        cmocka_unit_test(not_bytes),
        cmocka_unit_test(texts_of_bytes),
        cmocka_unit_test(environment_defaults),
        cmocka_unit_test(environment_numbers),
        cmocka_unit_test(environment_choices),
        cmocka_unit_test(fnv_has_its_known_values),
        cmocka_unit_test(crc_has_its_known_value),
        cmocka_unit_test(clocks_go_on),
        cmocka_unit_test(the_process_has_memory_and_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
