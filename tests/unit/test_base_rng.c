/* test_base_rng.c: Philox against Random123's published answers; draws and permutations. */
#include "rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void known_answer(const uint32_t counter[4], const uint32_t key[2], const uint32_t want[4])
{
    uint32_t words[4];
    umb__philox(key, counter, words);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(words[i], want[i]);
    }
}

static void philox_of_zeros(void **state)
{
    (void)state;
    known_answer((uint32_t[]){0, 0, 0, 0}, (uint32_t[]){0, 0},
                 (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
}

static void philox_of_ones(void **state)
{
    (void)state;
    const uint32_t f = 0xffffffff;
    known_answer((uint32_t[]){f, f, f, f}, (uint32_t[]){f, f},
                 (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

static void philox_of_pi(void **state)
{
    (void)state;
    known_answer((uint32_t[]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                 (uint32_t[]){0xa4093822, 0x299f31d0},
                 (uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

static void a_draw_has_its_address(void **state)
{
    (void)state;
    const uint64_t seed = UINT64_C(0x123456789abcdef0), i = (UINT64_C(5) << 34) + 4 * 77 + 2;
    uint32_t words[4];
    umb__philox((uint32_t[]){0x9abcdef0, 0x12345678},
                (uint32_t[]){(uint32_t)(i / 4), (uint32_t)(i / 4 >> 32), 9, UMB_RNG_DROPOUT},
                words);
    assert_int_equal(umb__random_u32(seed, UMB_RNG_DROPOUT, 9, i), words[2]);
    assert_int_not_equal(umb__random_u32(seed, UMB_RNG_DROPOUT, 8, i), words[2]);
    assert_int_not_equal(umb__random_u32(seed, UMB_RNG_SHUFFLE, 9, i), words[2]);
    assert_int_not_equal(umb__random_u32(seed + 1, UMB_RNG_DROPOUT, 9, i), words[2]);
}

static void units_lie_in_range_and_spread(void **state)
{
    (void)state;
    double sum = 0;
    int low = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        float u = umb__random_unit(3, UMB_RNG_TEST, 0, i);
        assert_true(u >= 0 && u < 1);
        sum += (double)u;
        low += u < 0.1f;
    }
    assert_true(sum / 20000 > 0.49 && sum / 20000 < 0.51);
    assert_in_range(low, 1850, 2150);
}

static void check_permutation(size_t n, uint64_t seed)
{
    static uint32_t index[5000];
    static unsigned char seen[5000];
    memset(seen, 0, sizeof seen);
    umb__random_permutation(seed, UMB_RNG_SHUFFLE, 1, index, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(index[i] < n);
        assert_int_equal(seen[index[i]], 0);
        seen[index[i]] = 1;
    }
}

static void permutations_hold_every_index_once(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 2, 3, 7, 64, 1000, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_permutation(sizes[i], 11);
    }
}

static void permutations_repeat_by_seed(void **state)
{
    (void)state;
    uint32_t a[100], b[100], c[100];
    umb__random_permutation(1, UMB_RNG_SHUFFLE, 0, a, 100);
    umb__random_permutation(1, UMB_RNG_SHUFFLE, 0, b, 100);
    umb__random_permutation(2, UMB_RNG_SHUFFLE, 0, c, 100);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
}

/* Each of the 24 orders of four, 24,000 draws: 1000 ± 5 standard deviations of 31. */
static void permutations_are_equally_likely(void **state)
{
    (void)state;
    int counts[256] = {0}, orders = 0;
    for (uint32_t stream = 0; stream < 24000; stream++) {
        uint32_t p[4];
        umb__random_permutation(5, UMB_RNG_SHUFFLE, stream, p, 4);
        counts[p[0] + 4 * p[1] + 16 * p[2] + 64 * p[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        if (counts[i] == 0) { continue; }
        orders++;
        assert_in_range(counts[i], 845, 1155);
    }
    assert_int_equal(orders, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_of_zeros),
        cmocka_unit_test(philox_of_ones),
        cmocka_unit_test(philox_of_pi),
        cmocka_unit_test(a_draw_has_its_address),
        cmocka_unit_test(units_lie_in_range_and_spread),
        cmocka_unit_test(permutations_hold_every_index_once),
        cmocka_unit_test(permutations_repeat_by_seed),
        cmocka_unit_test(permutations_are_equally_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
