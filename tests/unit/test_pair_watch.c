/* Pairs of tasks that pull against each other: told of once, and not for noise. */
#include "pair_watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "rng.h"

struct rig {
    struct umb_context *ctx;
    struct umb_arena *arena;
    struct umb_pair_watch w;
};

static struct rig open_rig(int T)
{
    struct rig r = {0};
    assert_int_equal(umb_context_create(NULL, &r.ctx), UMB_OK);
    assert_int_equal(umb__arena_create(r.ctx, &r.arena), UMB_OK);
    assert_true(umb__pair_watch_make(r.arena, T, &r.w));
    return r;
}

static void close_rig(struct rig *r)
{
    umb__arena_destroy(r->arena);
    umb_context_destroy(r->ctx);
}

/* Lengths 1, 2 and 3; only tasks 1 and 2 are not at right angles. */
static void add(struct rig *r, double cosine)
{
    const double gram[9] = {1, 0, 0, 0, 4, 6 * cosine, 0, 6 * cosine, 9};
    umb__pair_watch_add(&r->w, gram);
}

static void a_pair_is_told_of_once(void **state)
{
    (void)state;
    struct rig r = open_rig(3);
    for (int i = 0; i < UMB_PAIR_LEAST - 1; i++) {
        add(&r, -0.25);
    }
    assert_int_equal(umb__pair_watch_epoch(&r.w), 0); /* too few */
    add(&r, -0.5);
    add(&r, -0.25);
    assert_int_equal(umb__pair_watch_epoch(&r.w), 1);
    assert_true(r.w.found[0].a == 1 && r.w.found[0].b == 2);
    assert_true(fabs(r.w.found[0].cosine + 0.375) < 1e-15);
    for (int i = 0; i < 20; i++) {
        add(&r, -0.5);
    }
    assert_int_equal(umb__pair_watch_epoch(&r.w), 0);
    close_rig(&r);
}

/* A mean that comes above 0 once in the epoch is no warning then, and may be one later. */
static void it_stays_below_for_a_whole_epoch(void **state)
{
    (void)state;
    struct rig r = open_rig(3);
    add(&r, 0.5);
    for (int i = 0; i < 100; i++) {
        add(&r, -0.25);
    }
    assert_int_equal(umb__pair_watch_epoch(&r.w), 0);
    add(&r, 0.5); /* one look does not turn the mean of a hundred */
    assert_int_equal(umb__pair_watch_epoch(&r.w), 1);
    assert_true(r.w.found[0].cosine > 0);
    close_rig(&r);
}

static void noise_is_not_told_of(void **state)
{
    (void)state;
    struct rig r = open_rig(3);
    size_t told = 0;
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        for (uint64_t i = 0; i < 500; i++) {
            add(&r, 2 * (double)umb__random_unit(1, UMB_RNG_TEST, 7, epoch * 500 + i) - 1 + 0.1);
        }
        told += umb__pair_watch_epoch(&r.w);
    }
    assert_int_equal(told, 0);
    close_rig(&r);
}

/* Tasks without a gradient, and looks of which nothing is known. */
static void what_is_undefined_does_not_count(void **state)
{
    (void)state;
    struct rig r = open_rig(2);
    const double none[4] = {0, 0, 0, 1}, wild[4] = {1, NAN, NAN, 1}, against[4] = {1, -1, -1, 1};
    for (int i = 0; i < 50; i++) {
        umb__pair_watch_add(&r.w, none);
        umb__pair_watch_add(&r.w, wild);
    }
    assert_int_equal(umb__pair_watch_epoch(&r.w), 0);
    for (int i = 0; i < UMB_PAIR_LEAST; i++) {
        umb__pair_watch_add(&r.w, against);
        umb__pair_watch_add(&r.w, none);
    }
    assert_int_equal(umb__pair_watch_epoch(&r.w), 1);
    assert_true(r.w.found[0].cosine <= -1 && r.w.found[0].cosine >= -1);
    close_rig(&r);
    r = open_rig(1);
    umb__pair_watch_add(&r.w, against);
    assert_int_equal(umb__pair_watch_epoch(&r.w), 0);
    close_rig(&r);
}

/* Words in the midst of an epoch; whoever reads them goes on as their writer does. */
static void it_goes_on_from_words(void **state)
{
    (void)state;
    struct rig whole = open_rig(3), other = open_rig(3);
    int64_t words[3 * UMB_PAIR_WORDS], again[3 * UMB_PAIR_WORDS];
    assert_int_equal(umb__pair_watch_pairs(&whole.w), 3);
    for (int i = 0; i < 30; i++) {
        add(&whole, -0.25);
        add(&other, 0.5);
    }
    umb__pair_watch_write(&whole.w, words);
    umb__pair_watch_read(&other.w, words);
    for (int i = 0; i < UMB_PAIR_LEAST - 30; i++) {
        add(&whole, -0.5);
        add(&other, -0.5);
    }
    assert_int_equal(umb__pair_watch_epoch(&whole.w), 1);
    assert_int_equal(umb__pair_watch_epoch(&other.w), 1);
    assert_true(other.w.found[0].a == 1 && other.w.found[0].b == 2);
    assert_memory_equal(&whole.w.found[0].cosine, &other.w.found[0].cosine, sizeof(double));
    umb__pair_watch_write(&whole.w, words);
    umb__pair_watch_read(&other.w, words);
    umb__pair_watch_write(&other.w, again);
    assert_memory_equal(words, again, sizeof words);
    add(&other, -0.5);
    assert_int_equal(umb__pair_watch_epoch(&other.w), 0); /* told of before */
    umb__pair_watch_read(&other.w, NULL);
    umb__pair_watch_write(&other.w, again);
    close_rig(&whole);
    whole = open_rig(3);
    umb__pair_watch_write(&whole.w, words);
    assert_memory_equal(words, again, sizeof words);
    close_rig(&whole);
    close_rig(&other);
}

static int64_t bits(double x)
{
    int64_t word;
    memcpy(&word, &x, sizeof word);
    return word;
}

static void words_that_no_watch_has_are_found(void **state)
{
    (void)state;
    const struct {
        int at; /* of the second pair's words */
        int64_t word;
        bool fine;
    } cases[] = {{0, bits(NAN), false},
                 {0, bits(-0.5), true},
                 {1, bits(1.5), false},
                 {1, bits(-0.1), false},
                 {1, bits(NAN), false},
                 {1, 0, true},
                 {2, bits(INFINITY), false},
                 {3, bits(-INFINITY), false},
                 {4, -1, false},
                 {4, INT64_MAX, false},
                 {4, 39, false},
                 {4, 1000, true},
                 {5, -1, false},
                 {5, 41, false},
                 {5, 0, true},
                 {6, 2, false},
                 {6, -1, false},
                 {6, 1, true}};
    struct rig r = open_rig(3);
    double value;
    const char *expected;
    for (int i = 0; i < 40; i++) {
        add(&r, -0.25);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t words[3 * UMB_PAIR_WORDS];
        umb__pair_watch_write(&r.w, words);
        words[UMB_PAIR_WORDS + cases[i].at] = cases[i].word;
        const int64_t at = umb__pair_watch_fault(&r.w, words, &value, &expected);
        /* Fewer looks than those of the epoch are told of where the epoch's stand. */
        const int fault = cases[i].word == 39 ? 5 : cases[i].at;
        const int64_t wanted = cases[i].fine ? -1 : UMB_PAIR_WORDS + fault;
        if (at != wanted) {
            fail_msg("case %zu: the fault is at %lld, expected %lld", i, (long long)at,
                     (long long)wanted);
        }
        if (!cases[i].fine) { assert_non_null(expected); }
    }
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_pair_is_told_of_once),
        cmocka_unit_test(it_stays_below_for_a_whole_epoch),
        cmocka_unit_test(noise_is_not_told_of),
        cmocka_unit_test(what_is_undefined_does_not_count),
        cmocka_unit_test(it_goes_on_from_words),
        cmocka_unit_test(words_that_no_watch_has_are_found),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
