/* test_data_scale.c: bringing images to another size and number of channels. */
#include "data_files.h"
#include "image.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t source[1 << 16], target[1 << 16];

static void smooth(int64_t h, int64_t w, int64_t c, int64_t H, int64_t W)
{
    const struct umb_image src = {h, w, c, source};
    memset(target, 0xee, sizeof target);
    assert_int_equal(umb__scale_smooth(files_context(), &src, H, W, target), UMB_OK);
    assert_int_equal(target[H * W * c], 0xee); /* nothing behind the end */
}

static void assert_pixels(const uint8_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (target[i] != want[i]) { fail_msg("pixel %zu: %d, expected %d", i, target[i], want[i]); }
    }
}

static void the_same_size_is_a_copy(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5 * 7 * 3; i++) {
        source[i] = pixel_at(i);
    }
    smooth(5, 7, 3, 5, 7);
    assert_pixels(source, 5 * 7 * 3);
}

static void an_even_image_stays_even(void **state)
{
    (void)state;
    static const int64_t size[][4] = {{1, 1, 9, 7}, {9, 7, 1, 1},   {5, 5, 2, 11},
                                      {3, 8, 8, 3}, {64, 3, 63, 4}, {100, 100, 3, 3}};
    for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
        for (int value = 0; value < 256; value += 51) {
            memset(source, value, (size_t)(size[k][0] * size[k][1] * 3));
            smooth(size[k][0], size[k][1], 3, size[k][2], size[k][3]);
            for (int64_t i = 0; i < size[k][2] * size[k][3] * 3; i++) {
                assert_int_equal(target[i], value);
            }
        }
    }
}

/* Twice as wide: pixel centres at quarters between the source's. */
static void growing_is_bilinear(void **state)
{
    (void)state;
    const uint8_t two[2] = {0, 100}, want[4] = {0, 25, 75, 100};
    memcpy(source, two, 2);
    smooth(1, 2, 1, 1, 4);
    assert_pixels(want, 4);
    smooth(2, 1, 1, 4, 1);
    assert_pixels(want, 4);
    const uint8_t square[4] = {0, 100, 100, 200}, middle[1] = {100};
    memcpy(source, square, 4);
    smooth(2, 2, 1, 1, 1);
    assert_pixels(middle, 1);
}

/* To half: reach 2, so target 1 takes 2…5 fully or in part with 1/8, 3/8, 3/8, 1/8. */
static void shrinking_is_a_triangle(void **state)
{
    (void)state;
    const uint8_t eight[8] = {0, 80, 0, 0, 160, 0, 0, 240};
    memcpy(source, eight, 8);
    smooth(1, 8, 1, 1, 4);
    /* 0: weights 3 3 1 of 7; 1: 80·1/8 + 160·1/8; 2: 160·3/8; 3: weights 1 3 3 of 7 */
    const uint8_t want[4] = {34, 30, 60, 103};
    assert_pixels(want, 4);
}

/* A fine pattern does not alias: every source pixel counts. */
static void shrinking_takes_every_pixel(void **state)
{
    (void)state;
    for (size_t i = 0; i < 128 * 128; i++) {
        source[i] = (i + i / 128) % 2 ? 255 : 0;
    }
    smooth(128, 128, 1, 9, 9);
    for (size_t i = 0; i < 81; i++) {
        assert_in_range(target[i], 118, 137);
    }
}

static void channels_do_not_mix(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6 * 6; i++) {
        source[3 * i] = 10;
        source[3 * i + 1] = (uint8_t)(7 * i);
        source[3 * i + 2] = 250;
    }
    smooth(6, 6, 3, 4, 9);
    for (size_t i = 0; i < 36; i++) {
        assert_int_equal(target[3 * i], 10);
        assert_int_equal(target[3 * i + 2], 250);
    }
}

static void axes_are_not_exchanged(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8 * 4; i++) {
        source[i] = (uint8_t)(30 * (i / 4));
    }
    smooth(8, 4, 1, 8, 9);
    for (size_t i = 0; i < 8 * 9; i++) {
        assert_int_equal(target[i], 30 * (i / 9));
    }
}

static void nearest_takes_the_pixel_under_the_centre(void **state)
{
    (void)state;
    for (size_t i = 0; i < 30; i++) {
        source[i] = (uint8_t)i;
    }
    const struct umb_image row = {1, 5, 1, source}, grid = {5, 6, 1, source};
    umb__scale_nearest(&row, 1, 3, target);
    const uint8_t third[3] = {0, 2, 4};
    assert_pixels(third, 3);
    umb__scale_nearest(&row, 2, 10, target);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(target[i], i % 10 / 2);
    }
    umb__scale_nearest(&grid, 5, 6, target);
    assert_pixels(source, 30);
    umb__scale_nearest(&grid, 1, 1, target);
    assert_int_equal(target[0], 2 * 6 + 3);
}

static void fit(const struct umb_image *src, int64_t h, int64_t w, int64_t c)
{
    const int64_t shape[3] = {h, w, c};
    memset(target, 0xee, sizeof target);
    assert_int_equal(umb__image_fit(files_context(), src, shape, target), UMB_OK);
    assert_int_equal(target[h * w * c], 0xee);
}

static void grey_becomes_three_equal_channels(void **state)
{
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        source[i] = pixel_at(i);
    }
    const struct umb_image src = {3, 4, 1, source};
    fit(&src, 3, 4, 3);
    for (size_t i = 0; i < 36; i++) {
        assert_int_equal(target[i], pixel_at(i / 3));
    }
}

static void colours_become_grey_by_brightness(void **state)
{
    (void)state;
    const uint8_t rgb[18] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 9, 9, 9};
    const uint8_t want[6] = {76, 150, 29, 255, 0, 9};
    memcpy(source, rgb, sizeof rgb);
    const struct umb_image src = {2, 3, 3, source};
    fit(&src, 2, 3, 1);
    assert_pixels(want, 6);
}

static void size_and_channels_change_together(void **state)
{
    (void)state;
    memset(source, 90, 5 * 4 * 3);
    const struct umb_image colour = {5, 4, 3, source}, grey = {5, 4, 1, source};
    fit(&colour, 2, 9, 1);
    for (size_t i = 0; i < 18; i++) {
        assert_int_equal(target[i], 90);
    }
    fit(&grey, 9, 2, 3);
    for (size_t i = 0; i < 54; i++) {
        assert_int_equal(target[i], 90);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_same_size_is_a_copy),
        CASE(an_even_image_stays_even),
        CASE(growing_is_bilinear),
        CASE(shrinking_is_a_triangle),
        CASE(shrinking_takes_every_pixel),
        CASE(channels_do_not_mix),
        CASE(axes_are_not_exchanged),
        CASE(nearest_takes_the_pixel_under_the_centre),
        CASE(grey_becomes_three_equal_channels),
        CASE(colours_become_grey_by_brightness),
        CASE(size_and_channels_change_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
