/* test_program_random.c: cl/random.cl's numbers beside the host's. */
#include "program_fixture.h"
#include "rng.h"
#include <stdio.h>
#include <string.h>

#define WORDS 4096
static const uint64_t seeds[] = {0, 1, UINT64_C(0xfedcba9876543210), UINT64_MAX};

/* Word i of each sequence, from a place that crosses 2^32 and 2^34 too. */
static void random_words_are_the_hosts(void **state)
{
    static int32_t words[WORDS];
    static const uint64_t bases[] = {0, 1, UINT64_C(0xffffff00), UINT64_C(0x3fffffff8),
                                     UINT64_C(0xfffffffffffff000)};
    write_kernel(*state, "words.cl",
                 "#include \"random.cl\"\n__kernel void words(__global int *y, ulong o)\n{\n"
                 "    ulong i = BASE + get_global_id(0);\n"
                 "    y[o + get_global_id(0)] = as_int(umb_random_u32(\n"
                 "        (uint2)((uint)SEED, (uint)(SEED >> 32)), PURPOSE, 7, i));\n}\n");
    for (size_t k = 0; k < sizeof bases / sizeof bases[0]; k++) {
        uint64_t seed = seeds[k % 4];
        char options[160];
        snprintf(options, sizeof options, "-DBASE=%lluul -DSEED=%lluul -DPURPOSE=%d",
                 (unsigned long long)bases[k], (unsigned long long)seed, (int)UMB_RNG_DROPOUT);
        run_ints(*state, "words.cl", "words", options, WORDS, words);
        for (size_t i = 0; i < WORDS; i++) {
            uint32_t expected = umb__random_u32(seed, UMB_RNG_DROPOUT, 7, bases[k] + i);
            if ((uint32_t)words[i] != expected) {
                fail_msg("seed %llx, index %llx: %08x; expected %08x", (unsigned long long)seed,
                         (unsigned long long)(bases[k] + i), (uint32_t)words[i], expected);
            }
        }
    }
}

/* The known answers that come with Random123, 10 rounds. */
static void philox_gives_the_published_words(void **state)
{
    static const char *const options[] = {"-DK=0x0u,0x0u -DC=0x0u,0x0u,0x0u,0x0u",
                                          "-DK=~0u,~0u -DC=~0u,~0u,~0u,~0u",
                                          ("-DK=0xa4093822u,0x299f31d0u "
                                           "-DC=0x243f6a88u,0x85a308d3u,0x13198a2eu,0x03707344u")};
    static const uint32_t expected[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                            {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                            {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    write_kernel(*state, "block.cl",
                 "#include \"random.cl\"\n__kernel void block(__global int *y, ulong o)\n{\n"
                 "    vstore4(as_int4(umb_philox((uint2)(K), (uint4)(C))), 0, y + o);\n}\n");
    for (size_t k = 0; k < 3; k++) {
        int32_t words[4] = {0};
        run_ints(*state, "block.cl", "block", options[k], 4, words);
        for (size_t i = 0; i < 4; i++) {
            if ((uint32_t)words[i] != expected[k][i]) {
                fail_msg("%s, word %zu: %08x; expected %08x", options[k], i, (uint32_t)words[i],
                         expected[k][i]);
            }
        }
    }
}

static void random_units_are_the_hosts(void **state)
{
    static int32_t bits[WORDS];
    write_kernel(*state, "units.cl",
                 "#include \"random.cl\"\n__kernel void units(__global int *y, ulong o)\n{\n"
                 "    size_t i = get_global_id(0);\n"
                 "    y[o + i] = as_int(umb_random_unit((uint2)(9, 8), 3, 2, i));\n}\n");
    run_ints(*state, "units.cl", "units", NULL, WORDS, bits);
    for (size_t i = 0; i < WORDS; i++) {
        float unit, expected = umb__random_unit((UINT64_C(8) << 32) | 9, UMB_RNG_DROPOUT, 2, i);
        memcpy(&unit, &bits[i], sizeof unit);
        if (unit != expected) {
            fail_msg("index %zu: %.9g; expected %.9g", i, (double)unit, (double)expected);
        }
        assert_true(unit >= 0 && unit < 1);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(philox_gives_the_published_words),
        CASE(random_words_are_the_hosts),
        CASE(random_units_are_the_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
