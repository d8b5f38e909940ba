/* test_data_augment.c: pictures changed at random, and their labels with them. */
#include "augment.h"
#include "data_files.h"
#include "sampler.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Nothing changes. */
static const struct umb_change still = {
    .zoom = 1, .cosine = 1, .bright = 1, .contrast = 1, .fill = UMB_FILL_EDGE};

static _Alignas(16) uint8_t scratch[1 << 16];

static void expect_image(const struct umb_change *c, const int64_t shape[3], const uint8_t *src,
                         const uint8_t *want)
{
    uint8_t got[256];
    assert_true(umb__change_scratch_bytes(shape) <= sizeof scratch);
    umb__change_image(c, shape, src, got, scratch);
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2]; i++) {
        if (got[i] != want[i]) {
            fail_msg("byte %d: got %d, expected %d", (int)i, got[i], want[i]);
        }
    }
}

static void expect_mask(const struct umb_change *c, const int64_t shape[3],
                        const struct umb_target_info *info, const int32_t *src, const int32_t *want)
{
    int32_t got[256];
    const size_t n = (size_t)(shape[0] * shape[1]);
    memcpy(got, src, n * sizeof *got);
    umb__change_target(c, shape, info, got, scratch);
    for (size_t i = 0; i < n; i++) {
        if (got[i] != want[i]) {
            fail_msg("pixel %d: got %d, expected %d", (int)i, got[i], want[i]);
        }
    }
}

static const struct umb_target_info mask_info = {.kind = UMB_TARGET_PIXELS, .n_classes = 9};

static void a_flip_mirrors_pixels_and_keeps_colours(void **state)
{
    (void)state;
    struct umb_change c = still;
    c.flip = true;
    const uint8_t grey[6] = {1, 2, 3, 4, 5, 6}, mirrored[6] = {3, 2, 1, 6, 5, 4};
    const uint8_t rgb[6] = {10, 20, 30, 40, 50, 60}, swapped[6] = {40, 50, 60, 10, 20, 30};
    const int32_t mask[6] = {0, 1, -1, 3, 4, 5}, turned[6] = {-1, 2, 0, 5, 4, 3};
    struct umb_target_info info = mask_info;
    const struct umb_swap swap = {1, 2};
    info.swap = &swap;
    info.n_swaps = 1;
    expect_image(&c, (const int64_t[3]){2, 3, 1}, grey, mirrored);
    expect_image(&c, (const int64_t[3]){1, 2, 3}, rgb, swapped);
    expect_mask(&c, (const int64_t[3]){2, 3, 1}, &info, mask, turned);
    expect_image(&still, (const int64_t[3]){2, 3, 1}, grey, grey);
    expect_mask(&still, (const int64_t[3]){2, 3, 1}, &info, mask, mask);
}

static void a_shift_brings_in_edges_or_a_fill(void **state)
{
    (void)state;
    const int64_t shape[3] = {3, 3, 1};
    struct umb_change c = still;
    c.dx = 1;
    c.dy = -1;
    const uint8_t image[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const uint8_t edge[9] = {4, 4, 5, 7, 7, 8, 7, 7, 8};
    const uint8_t filled[9] = {99, 4, 5, 99, 7, 8, 99, 99, 99};
    const int32_t mask[9] = {1, 2, 3, 4, 5, 6, 7, 8, 0};
    const int32_t moved[9] = {-1, 4, 5, -1, 7, 8, -1, -1, -1};
    expect_image(&c, shape, image, edge);
    c.fill = 99;
    expect_image(&c, shape, image, filled);
    expect_mask(&c, shape, &mask_info, mask, moved);
}

/* By half: pixel 0 of 4 lies at −1½, outside; pixels 1 and 2 are means of two. */
static void a_zoom_is_about_the_centre(void **state)
{
    (void)state;
    const int64_t row[3] = {1, 4, 1}, large[3] = {2, 4, 1};
    struct umb_change c = still;
    const uint8_t image[4] = {10, 20, 40, 80};
    const uint8_t half[4] = {10, 15, 60, 80}, half_filled[4] = {7, 15, 60, 7};
    c.zoom = 0.5;
    expect_image(&c, row, image, half);
    c.fill = 7;
    expect_image(&c, row, image, half_filled);
    c = still;
    c.zoom = 2; /* columns 0…3 lie at 1¼, 1¾, 2¼, 2¾, rows at ¾ and 1¼ */
    const uint8_t two[8] = {10, 20, 40, 80, 50, 60, 70, 90};
    uint8_t want[8];
    for (int y = 0; y < 2; y++) {
        for (int x = 0; x < 4; x++) {
            const double at = 1 + (x + 0.5) / 2 - 0.5, wy = y ? 0.75 : 0.25;
            const int low = (int)floor(at);
            const double wx = at - low;
            const double top = two[low] * (1 - wx) + two[low + 1] * wx;
            const double bottom = two[4 + low] * (1 - wx) + two[5 + low] * wx;
            want[y * 4 + x] = (uint8_t)(top * (1 - wy) + bottom * wy + 0.5);
        }
    }
    expect_image(&c, large, two, want);
    const int32_t mask[4] = {1, 2, 3, 4}, near[4] = {2, 2, 3, 3};
    expect_mask(&c, row, &mask_info, mask, near);
}

/* Clockwise by a quarter, exactly: left column up, and so on; a mirror comes before it. */
static void a_turn_is_clockwise(void **state)
{
    (void)state;
    const int64_t shape[3] = {3, 3, 1}, wide[3] = {1, 3, 1};
    struct umb_change c = still;
    c.cosine = 0;
    c.sine = 1;
    const uint8_t image[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const uint8_t turned[9] = {7, 4, 1, 8, 5, 2, 9, 6, 3},
                  mirrored[9] = {9, 6, 3, 8, 5, 2, 7, 4, 1};
    const int32_t mask[9] = {1, 2, 3, 4, 5, 6, 7, 8, 0}, after[9] = {7, 4, 1, 8, 5, 2, 0, 6, 3};
    const uint8_t row[3] = {1, 2, 3}, filled[3] = {50, 2, 50};
    expect_image(&c, shape, image, turned);
    expect_mask(&c, shape, &mask_info, mask, after);
    c.fill = 50;
    expect_image(&c, wide, row, filled); /* what came from above and below is not known */
    c.flip = true;
    expect_image(&c, shape, image, mirrored);
}

static void tones_are_cut_and_rounded(void **state)
{
    (void)state;
    const int64_t shape[3] = {1, 4, 1};
    struct umb_change c = still;
    const uint8_t image[4] = {0, 101, 99, 200}; /* their mean is 100 */
    const uint8_t bright[4] = {0, 152, 149, 255}, flat[4] = {50, 101, 100, 150};
    c.tones = true;
    c.bright = 1.5;
    expect_image(&c, shape, image, bright);
    c.bright = 1;
    c.contrast = 0.5;
    expect_image(&c, shape, image, flat);
}

static void classes_change_places_in_pairs(void **state)
{
    (void)state;
    const struct umb_swap swap[2] = {{0, 4}, {3, 1}};
    const struct umb_target_info info = {
        .kind = UMB_TARGET_CLASS, .n_classes = 5, .swap = swap, .n_swaps = 2};
    static const int32_t want[6] = {-1, 4, 3, 2, 1, 0};
    const int64_t shape[3] = {1, 1, 1};
    struct umb_change c = still;
    for (int32_t label = -1; label < 5; label++) {
        int32_t got = label;
        umb__change_target(&c, shape, &info, &got, scratch);
        assert_int_equal(got, label);
        c.flip = true;
        umb__change_target(&c, shape, &info, &got, scratch);
        assert_int_equal(got, want[label + 1]);
        c.flip = false;
    }
}

/* Eyes, nose, mouth in the columns' order of mtfl, 80 wide as shares. */
static void landmarks_change_places_with_both_numbers(void **state)
{
    (void)state;
    const struct umb_swap swap[2] = {{0, 1}, {3, 4}};
    struct umb_target_info info = {.kind = UMB_TARGET_REAL,
                                   .n_values = 10,
                                   .points = UMB_POINTS_XXYY,
                                   .span = {1, 1},
                                   .swap = swap,
                                   .n_swaps = 2};
    const int64_t shape[3] = {40, 40, 1};
    const float face[10] = {.25f, .75f, .5f, .375f, .625f, .3f, .4f, .5f, .6f, .7f};
    const float mirrored[10] = {.25f, .75f, .5f, .375f, .625f, .4f, .3f, .5f, .7f, .6f};
    struct umb_change c = still;
    float value[10];
    c.flip = true;
    memcpy(value, face, sizeof value);
    umb__change_target(&c, shape, &info, value, scratch);
    for (int i = 0; i < 10; i++) {
        assert_float_equal(value[i], mirrored[i], 1e-6);
    }
    umb__change_target(&c, shape, &info, value, scratch); /* twice is not at all */
    for (int i = 0; i < 10; i++) {
        assert_float_equal(value[i], face[i], 1e-6);
    }
    value[0] = NAN;
    memcpy(value + 1, face + 1, 9 * sizeof *value);
    umb__change_target(&c, shape, &info, value, scratch);
    assert_true(isnan(value[0])); /* no label stays none */
    info.points = UMB_POINTS_NONE;
    memcpy(value, face, sizeof value);
    umb__change_target(&c, shape, &info, value, scratch);
    assert_memory_equal(value, face, sizeof face);
}

/* ---- what belongs together stays together ---- */

#define SIDE_H 32
#define SIDE_W 48

/* A spot of 5×5 around pixel (x,y), and class 1 under it. */
static void draw_spot(int x, int y, uint8_t *image, int32_t *mask)
{
    memset(image, 0, SIDE_H * SIDE_W);
    memset(mask, 0, SIDE_H * SIDE_W * sizeof *mask);
    for (int j = y - 2; j <= y + 2; j++) {
        for (int i = x - 2; i <= x + 2; i++) {
            image[j * SIDE_W + i] = 200;
            mask[j * SIDE_W + i] = 1;
        }
    }
}

struct centre {
    double x, y, sum;
};

static void add(struct centre *c, int i, double weight)
{
    c->x += weight * (i % SIDE_W + 0.5);
    c->y += weight * (i / SIDE_W + 0.5);
    c->sum += weight;
}

static void near(const char *what, int trial, const struct centre *c, double x, double y)
{
    if (fabs(c->x / c->sum - x) < 0.6 && fabs(c->y / c->sum - y) < 0.6) { return; }
    fail_msg("trial %d: %s at %g %g, its point at %g %g", trial, what, c->x / c->sum, c->y / c->sum,
             x, y);
}

/* Points are given in units of their own, with an offset. */
static void spots_masks_and_points_go_together(void **state)
{
    (void)state;
    const int64_t shape[3] = {SIDE_H, SIDE_W, 1};
    const struct umb_augment a = {
        .flip = 0.5, .shift = 0.1, .rotate = 40, .zoom = {0.7, 1.4}, .fill = 0};
    const struct umb_target_info point = {.kind = UMB_TARGET_REAL,
                                          .n_values = 2,
                                          .points = UMB_POINTS_XYXY,
                                          .span = {10, 20},
                                          .offset = 3};
    struct umb_augment straight = a;
    straight.rotate = 0;
    uint8_t image[SIDE_H * SIDE_W], changed[SIDE_H * SIDE_W];
    int32_t mask[SIDE_H * SIDE_W];
    int flips = 0;
    double off_x = 0, off_y = 0; /* no side is favoured */
    for (int t = 0; t < 200; t++) {
        const int x = 16 + t % 17, y = 13 + t % 7;
        float p[2] = {3 + 10 * ((float)x + 0.5f) / SIDE_W, 3 + 20 * ((float)y + 0.5f) / SIDE_H};
        struct umb_change c;
        struct centre spot = {0}, area = {0};
        draw_spot(x, y, image, mask);
        umb__change_draw(t % 2 ? &a : &straight, shape, 5, 1, (uint64_t)t, &c);
        umb__change_image(&c, shape, image, changed, scratch);
        umb__change_target(&c, shape, &mask_info, mask, scratch);
        umb__change_target(&c, shape, &point, p, scratch);
        for (int i = 0; i < SIDE_H * SIDE_W; i++) {
            add(&spot, i, changed[i]);
            add(&area, i, mask[i] == 1);
        }
        const double px = (p[0] - 3) / 10 * SIDE_W, py = (p[1] - 3) / 20 * SIDE_H;
        near("spot", t, &spot, px, py);
        near("mask", t, &area, px, py);
        off_x += spot.x / spot.sum - px;
        off_y += spot.y / spot.sum - py;
        flips += c.flip;
    }
    assert_in_range(flips, 70, 130);
    if (fabs(off_x / 200) > 0.02 || fabs(off_y / 200) > 0.02) {
        fail_msg("spots lie %g %g pixels beside their points", off_x / 200, off_y / 200);
    }
}

/* ---- draws ---- */

static void draws_keep_their_bounds_and_their_place(void **state)
{
    (void)state;
    const int64_t shape[3] = {40, 80, 3};
    const struct umb_augment a = {.flip = 0.25,
                                  .shift = 0.1,
                                  .zoom = {0.9, 1.5},
                                  .rotate = 20,
                                  .brightness = 0.2,
                                  .contrast = 0.3,
                                  .fill = 17};
    const struct umb_augment none = {.fill = UMB_FILL_EDGE};
    int seen_dx[17] = {0}, flips = 0, left = 0;
    struct umb_change c, again, other;
    for (uint64_t i = 0; i < 2000; i++) {
        umb__change_draw(&a, shape, 9, 0, i, &c);
        assert_true(c.dy >= -4 && c.dy <= 4 && c.dx >= -8 && c.dx <= 8);
        assert_true(c.cosine >= cos(0.35)); /* 20° */
        left += c.sine < 0;
        assert_true(c.zoom >= 0.9 && c.zoom <= 1.5 && fabs(c.bright - 1) <= 0.2);
        assert_true(fabs(c.contrast - 1) <= 0.3 && c.tones && c.fill == 17);
        seen_dx[c.dx + 8]++;
        flips += c.flip;
        umb__change_draw(&a, shape, 9, 0, i, &again);
        assert_memory_equal(&c, &again, sizeof c);
        umb__change_draw(&a, shape, 9, 1, i, &other);
        assert_true(other.zoom != c.zoom);
        umb__change_draw(&a, shape, 10, 0, i, &other);
        assert_true(other.zoom != c.zoom);
        umb__change_draw(&none, shape, 9, 0, i, &c);
        assert_true(!c.flip && !c.tones && c.zoom == 1 && c.sine == 0 && c.dx == 0 && c.dy == 0);
    }
    assert_in_range(flips, 420, 580);
    assert_in_range(left, 900, 1100);
    for (int i = 0; i < 17; i++) {
        assert_in_range(seen_dx[i], 70, 170);
    }
}

/* ---- through the reader ---- */

#define N 40

struct batch {
    uint8_t image[N][3072];
    int32_t mask[N][1024];
    float place[N][2];
};

static void read_run(struct umb_dataset *ds, unsigned n_threads, int64_t cut,
                     const struct umb_augment *augment, struct batch *b)
{
    struct umb_reader *r = NULL;
    uint32_t indices[N];
    for (uint32_t i = 0; i < N; i++) {
        indices[i] = i * 3 % N;
    }
    memset(b, 0, sizeof *b);
    assert_int_equal(umb__reader_create(files_context(), n_threads, &r), UMB_OK);
    for (int64_t at = 0; at < N; at += cut) {
        void *targets[4] = {NULL, NULL, b->place[at], b->mask[at]};
        const struct umb_read read = {.dataset = ds,
                                      .indices = indices + at,
                                      .n = N - at < cut ? N - at : cut,
                                      .images = b->image[at],
                                      .targets = targets,
                                      .augment = augment,
                                      .seed = 4,
                                      .first = (uint64_t)at,
                                      .stream = 2};
        assert_int_equal(umb__reader_run(r, &read), UMB_OK);
    }
    umb__reader_destroy(r);
}

static void threads_and_batches_change_no_byte(void **state)
{
    (void)state;
    static struct batch plain, one, other;
    const struct umb_dataset_desc d = {.format = "shapes", .seed = 3, .count = N};
    const struct umb_augment a = {.flip = 0.5,
                                  .shift = 0.2,
                                  .zoom = {0.8, 1.2},
                                  .rotate = 10,
                                  .brightness = 0.3,
                                  .contrast = 0.3,
                                  .fill = UMB_FILL_EDGE};
    const struct umb_augment none = {.fill = UMB_FILL_EDGE};
    struct umb_dataset *ds = must_open(&d);
    read_run(ds, 1, N, NULL, &plain);
    read_run(ds, 3, N, &none, &one);
    assert_memory_equal(&plain, &one, sizeof one);
    read_run(ds, 1, N, &a, &one);
    assert_memory_not_equal(&plain, &one, sizeof one);
    for (unsigned n_threads = 1; n_threads <= 4; n_threads *= 2) {
        read_run(ds, n_threads, 7, &a, &other);
        assert_memory_equal(&one, &other, sizeof one);
    }
    umb_dataset_close(ds);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_flip_mirrors_pixels_and_keeps_colours),
        CASE(a_shift_brings_in_edges_or_a_fill),
        CASE(a_zoom_is_about_the_centre),
        CASE(a_turn_is_clockwise),
        CASE(tones_are_cut_and_rounded),
        CASE(classes_change_places_in_pairs),
        CASE(landmarks_change_places_with_both_numbers),
        CASE(spots_masks_and_points_go_together),
        CASE(draws_keep_their_bounds_and_their_place),
        CASE(threads_and_batches_change_no_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
