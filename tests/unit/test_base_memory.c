/* test_base_memory.c: counted allocations, checked sizes, arenas, contexts and messages. */
#include "alloc.h"
#include "fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct umb_context *make_context(const struct umb_context_desc *desc)
{
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(desc, &ctx), UMB_OK);
    return ctx;
}

static void sizes_add(void **state)
{
    (void)state;
    size_t r = 7;
    assert_true(umb__add_size(SIZE_MAX - 1, 1, &r));
    assert_true(r == SIZE_MAX);
    r = 7;
    assert_false(umb__add_size(SIZE_MAX, 1, &r));
    assert_false(umb__add_size(SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, &r));
    assert_int_equal(r, 7);
}

static void sizes_multiply(void **state)
{
    (void)state;
    size_t r = 7;
    assert_true(umb__mul_size(SIZE_MAX, 1, &r));
    assert_true(r == SIZE_MAX);
    assert_true(umb__mul_size(SIZE_MAX, 0, &r));
    assert_int_equal(r, 0);
    assert_true(umb__mul_size(0, SIZE_MAX, &r));
    r = 7;
    assert_false(umb__mul_size(SIZE_MAX / 2 + 1, 2, &r));
    assert_false(umb__mul_size((size_t)1 << 32, (size_t)1 << 32, &r));
    assert_int_equal(r, 7);
}

static void blocks_are_zeroed_and_counted(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live();
    unsigned char *p = umb__calloc(NULL, 100, 3), *empty = umb__calloc(NULL, 0, 8);
    assert_non_null(p);
    assert_non_null(empty);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(p[i], 0);
    }
    assert_int_equal(umb__alloc_live() - before, 2);
    umb__free(p);
    umb__free(empty);
    umb__free(NULL);
    assert_int_equal(umb__alloc_live(), before);
}

static void overflow_is_no_memory(void **state)
{
    (void)state;
    struct umb_context *ctx = make_context(NULL);
    assert_null(umb__calloc(ctx, SIZE_MAX / 2, 3));
    assert_non_null(strstr(umb_context_error(ctx), "out of memory"));
    umb_context_destroy(ctx);
}

static void growing_keeps_and_zeroes(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live();
    int *p = umb__grow(NULL, NULL, 0, 2, sizeof *p);
    assert_non_null(p);
    p[0] = 5;
    p[1] = 6;
    int *q = umb__grow(NULL, p, 2, 1000, sizeof *q);
    assert_non_null(q);
    assert_int_equal(q[0], 5);
    assert_int_equal(q[1], 6);
    for (int i = 2; i < 1000; i++) {
        assert_int_equal(q[i], 0);
    }
    assert_null(umb__grow(NULL, q, 1000, SIZE_MAX / 2, sizeof *q));
    assert_int_equal(q[1], 6); /* still valid */
    umb__free(q);
    assert_int_equal(umb__alloc_live(), before);
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    umb__alloc_fail_at(2);
    void *first = umb__calloc(NULL, 1, 1), *second = umb__calloc(NULL, 1, 1);
    void *third = umb__calloc(NULL, 1, 1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    umb__free(first);
    umb__free(third);
    umb__alloc_fail_at(1);
    umb__alloc_fail_at(0);
    void *after = umb__calloc(NULL, 1, 1);
    assert_non_null(after);
    umb__free(after);
}

static void arena_blocks_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live();
    struct umb_arena *arena = NULL;
    assert_int_equal(umb__arena_create(NULL, &arena), UMB_OK);
    enum { N = 3000 };
    unsigned char *blocks[N];
    for (int i = 0; i < N; i++) {
        size_t n = (size_t)i % 97;
        blocks[i] = umb__arena_calloc(arena, n, 1);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(blocks[i][k], 0);
        }
        memset(blocks[i], i & 0xFF, n);
    }
    for (int i = 0; i < N; i++) {
        for (size_t k = 0; k < (size_t)i % 97; k++) {
            assert_int_equal(blocks[i][k], i & 0xFF);
        }
    }
    umb__arena_destroy(arena);
    umb__arena_destroy(NULL);
    assert_int_equal(umb__alloc_live(), before);
}

static void arena_holds_large_blocks_and_texts(void **state)
{
    (void)state;
    struct umb_context *ctx = make_context(NULL);
    struct umb_arena *arena = NULL;
    assert_int_equal(umb__arena_create(ctx, &arena), UMB_OK);
    char *large = umb__arena_calloc(arena, 3, 1 << 20);
    assert_non_null(large);
    large[3 * (1 << 20) - 1] = 1;
    assert_string_equal(umb__arena_strdup(arena, "umbel"), "umbel");
    assert_string_equal(umb__arena_printf(arena, "%s-%d", "conv", 12), "conv-12");
    assert_null(umb__arena_calloc(arena, SIZE_MAX, 2));
    assert_null(umb__arena_calloc(arena, SIZE_MAX, 1));
    assert_non_null(strstr(umb_context_error(ctx), "out of memory"));
    umb__arena_destroy(arena);
    umb_context_destroy(ctx);
}

/* Makes allocation 1, 2, 3 … of a use of the arena fail until the use succeeds. */
static void arena_survives_failures(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live();
    bool succeeded = false;
    int tries = 0;
    while (!succeeded) {
        struct umb_arena *arena = NULL;
        umb__alloc_fail_at((uint64_t)++tries);
        enum umb_status st = umb__arena_create(NULL, &arena);
        for (int i = 0; st == UMB_OK && i < 10; i++) {
            if (!umb__arena_calloc(arena, 1, 3000)) { st = UMB_ERR_NO_MEMORY; }
        }
        umb__alloc_fail_at(0);
        umb__arena_destroy(arena);
        assert_int_equal(umb__alloc_live(), before);
        succeeded = st == UMB_OK;
    }
    assert_in_range(tries, 4, 50);
}

static void a_context_may_fail_to_be_made(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    umb__alloc_fail_at(1);
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_ERR_NO_MEMORY);
    assert_null(ctx);
    umb_context_destroy(NULL);
    assert_string_equal(umb_context_error(NULL), "");
}

static void messages_are_kept(void **state)
{
    (void)state;
    struct umb_context *ctx = make_context(NULL);
    assert_string_equal(umb_context_error(ctx), "");
    assert_int_equal(umb__fail(ctx, UMB_ERR_IO, "%s: line %d", "a.yaml", 3), UMB_ERR_IO);
    assert_string_equal(umb_context_error(ctx), "a.yaml: line 3");
    assert_int_equal(umb__fail_prefix(ctx, UMB_ERR_FORMAT, "data %d", 1), UMB_ERR_FORMAT);
    assert_string_equal(umb_context_error(ctx), "data 1: a.yaml: line 3");
    umb__fail(ctx, UMB_ERR_IO, "again: %s", umb_context_error(ctx));
    assert_string_equal(umb_context_error(ctx), "again: data 1: a.yaml: line 3");
    assert_int_equal(umb__fail(NULL, UMB_ERR_IO, "x"), UMB_ERR_IO);
    umb_context_destroy(ctx);
}

static void messages_are_one_line(void **state)
{
    (void)state;
    struct umb_context *ctx = make_context(NULL);
    umb__fail(ctx, UMB_ERR_BUILD, "a\nb\tc\033[31m\177");
    assert_string_equal(umb_context_error(ctx), "a b c?[31m?");
    umb_context_destroy(ctx);
}

static void long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    static char text[6001];
    struct umb_context *ctx = make_context(NULL);
    memset(text, 'a', 6000);
    umb__fail(ctx, UMB_ERR_BUILD, "%s", text);
    assert_int_equal(strlen(umb_context_error(ctx)), 4095);
    for (size_t i = 0; i < 6000; i += 2) {
        memcpy(text + i, "\xC3\xA9", 2);
    }
    umb__fail(ctx, UMB_ERR_BUILD, "%s", text);
    assert_int_equal(strlen(umb_context_error(ctx)), 4094);
    umb__fail_prefix(ctx, UMB_ERR_BUILD, "ab");
    assert_int_equal(strlen(umb_context_error(ctx)), 4094); /* "ab: " and 4090 of 4091 bytes */
    memset(text, 'b', 6000);
    umb__fail_prefix(ctx, UMB_ERR_BUILD, "%s", text);
    assert_int_equal(strlen(umb_context_error(ctx)), 4095);
    umb_context_destroy(ctx);
}

struct heard {
    int lines;
    enum umb_log_level level;
    char last[64];
};

static void hear(void *user, enum umb_log_level level, const char *line)
{
    struct heard *heard = user;
    heard->lines++;
    heard->level = level;
    strncpy(heard->last, line, sizeof heard->last - 1);
}

static void the_log_takes_lines_up_to_its_level(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct umb_context_desc desc = {.log = hear, .log_user = &heard, .log_level = UMB_LOG_INFO};
    struct umb_context *ctx = make_context(&desc);
    assert_true(umb__log_wants(ctx, UMB_LOG_INFO));
    assert_false(umb__log_wants(ctx, UMB_LOG_DEBUG));
    umb__log(ctx, UMB_LOG_DEBUG, "no");
    assert_int_equal(heard.lines, 0);
    umb__log(ctx, UMB_LOG_WARN, "step %d", 7);
    assert_int_equal(heard.lines, 1);
    assert_int_equal(heard.level, UMB_LOG_WARN);
    assert_string_equal(heard.last, "step 7");
    umb_context_destroy(ctx);
    umb__log(NULL, UMB_LOG_ERROR, "nobody");
    struct umb_context *mute = make_context(NULL);
    assert_false(umb__log_wants(mute, UMB_LOG_ERROR));
    umb_context_destroy(mute);
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < UMB_STATUS_COUNT; i++) {
        const char *name = umb_status_name((enum umb_status)i);
        assert_non_null(name);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(name, umb_status_name((enum umb_status)k));
        }
    }
    assert_string_equal(umb_status_name(UMB_ERR_INVALID), "invalid");
    assert_string_equal(umb_status_name(UMB_STATUS_COUNT), "unknown status");
    assert_string_equal(umb_status_name((enum umb_status) - 1), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_add),
        cmocka_unit_test(sizes_multiply),
        cmocka_unit_test(blocks_are_zeroed_and_counted),
        cmocka_unit_test(overflow_is_no_memory),
        cmocka_unit_test(growing_keeps_and_zeroes),
        cmocka_unit_test(the_nth_allocation_fails_once),
        cmocka_unit_test(arena_blocks_are_zeroed_aligned_and_apart),
        cmocka_unit_test(arena_holds_large_blocks_and_texts),
        cmocka_unit_test(arena_survives_failures),
        cmocka_unit_test(a_context_may_fail_to_be_made),
        cmocka_unit_test(messages_are_kept),
        cmocka_unit_test(messages_are_one_line),
        cmocka_unit_test(long_messages_are_cut_between_characters),
        cmocka_unit_test(the_log_takes_lines_up_to_its_level),
        cmocka_unit_test(every_status_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
