/*
 * Heat maps as SVG: well-formed whatever names and numbers are, a cell a pair, colours that follow
 * values, and text that is read on its colour.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "colour.h"
#include "heat_map.h"
#include "markup.h"
#include "relate_page.h"

static size_t count(const char *text, const char *piece)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, piece)); at += strlen(piece)) {
        n++;
    }
    return n;
}

/* Every element that begins ends, in turn, and no attribute or text has a loose mark. */
static void assert_well_formed(const char *text)
{
    char open[32][16];
    size_t depth = 0;
    for (const char *at = text; (at = strchr(at, '<')); at++) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        char name[16] = "";
        const bool closing = at[1] == '/';
        sscanf(at + 1 + closing, "%15[a-z]", name);
        assert_int_equal(count(at, "\"") % 2, count(end, "\"") % 2);
        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(name, open[--depth]);
        } else if (end[-1] != '/') {
            assert_true(depth < 32);
            strcpy(open[depth++], name);
        }
    }
    assert_int_equal(depth, 0);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
}

static const char *const three_names[] = {"digit", "<b>&\"'\xff",
                                          "a name that is far too long to show"};
static const double three[9] = {1, -0.5, (double)NAN, 0.25, 1, (double)INFINITY, -2, 0.0001, 1};

static struct umb_heat_map map_of(size_t T, const char *const *names, const double *value)
{
    return (struct umb_heat_map){.title = "a < b",
                                 .note = "a & b",
                                 .T = T,
                                 .name = names,
                                 .value = value,
                                 .low = -1,
                                 .high = 1};
}

static void a_cell_a_pair(void **state)
{
    (void)state;
    struct umb_text out = {0};
    struct umb_heat_map m = map_of(3, three_names, three);
    umb__draw_heat_map(&out, &m);
    assert_false(out.failed);
    assert_well_formed(out.data);
    assert_int_equal(count(out.data, "class=\"cell\""), 6);
    assert_int_equal(count(out.data, ">−0.50<"), 1);
    assert_int_equal(count(out.data, ">−2.00<"), 1);
    assert_int_equal(count(out.data, ">∞<"), 1);
    assert_int_equal(count(out.data, ">–<"), 1); /* its title has it behind names */
    assert_int_equal(count(out.data, "class=\"s-lane\""), 1);
    assert_int_equal(count(out.data, "&lt;b&gt;&amp;&quot;&#39;\xef\xbf\xbd, digit: 0.25</title>"),
                     1);
    assert_int_equal(count(out.data, "a name that is fa…<"), 2);
    umb__text_finish(&out);
    m.self = true;
    umb__draw_heat_map(&out, &m);
    assert_int_equal(count(out.data, "class=\"cell\""), 9);
    umb__text_finish(&out);
}

/* Cells of 20 tasks are small; their titles still have the numbers. */
static void many_tasks_have_small_cells(void **state)
{
    (void)state;
    enum { T = 20 };
    const char *names[T];
    double value[T * T];
    struct umb_text out = {0};
    for (size_t i = 0; i < T * T; i++) {
        names[i % T] = "t";
        value[i] = 0.125;
    }
    const struct umb_heat_map m = map_of(T, names, value);
    umb__draw_heat_map(&out, &m);
    assert_well_formed(out.data);
    assert_int_equal(count(out.data, "t: 0.12</title>"), T * (T - 1));
    assert_int_equal(count(out.data, ">0.12</text>"), 0);
    assert_true(umb__heat_map_width(&m) < 500);
    umb__text_finish(&out);
}

/* All that is drawn lies within the size that is told: names, cells and strip. */
static void it_fits(void **state)
{
    (void)state;
    struct umb_text out = {0};
    const struct umb_heat_map m = map_of(3, three_names, three);
    const double w = umb__heat_map_width(&m), h = umb__heat_map_height(&m);
    umb__draw_heat_map(&out, &m);
    for (const char *at = out.data; (at = strstr(at, "<rect x=")); at++) {
        double x, y, rect_w, rect_h;
        assert_int_equal(sscanf(at, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\"", &x,
                                &y, &rect_w, &rect_h),
                         4);
        assert_true(x >= 0 && y >= 0 && x + rect_w <= w && y + rect_h <= h);
    }
    umb__text_finish(&out);
}

/* Two maps side by side where there is room, else below each other. */
static void a_file_of_several(void **state)
{
    (void)state;
    struct umb_text wide = {0}, narrow = {0};
    const struct umb_heat_map m[2] = {map_of(3, three_names, three), map_of(3, three_names, three)};
    double w, h, narrow_w, narrow_h;
    umb__heat_maps_file(&wide, "two & two", m, 2, 2000);
    umb__heat_maps_file(&narrow, "two & two", m, 2, 100);
    assert_well_formed(wide.data);
    assert_int_equal(count(wide.data, "class=\"heat-map\""), 2);
    sscanf(strstr(wide.data, "viewBox"), "viewBox=\"0 0 %lf %lf\"", &w, &h);
    sscanf(strstr(narrow.data, "viewBox"), "viewBox=\"0 0 %lf %lf\"", &narrow_w, &narrow_h);
    assert_true(w > 2 * umb__heat_map_width(&m[0]));
    assert_true(narrow_w < w && narrow_h > h);
    assert_int_equal(count(wide.data, "two &amp; two"), 1);
    umb__text_finish(&wide);
    umb__text_finish(&narrow);
}

/* ---- colours ---- */

/* Relative luminance as WCAG 2 has it. */
static double luminance(const char *colour)
{
    static const double weight[] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        char byte[3] = {colour[1 + 2 * i], colour[2 + 2 * i], 0};
        const double v = (double)strtol(byte, NULL, 16) / 255;
        sum += weight[i] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static void text_is_read_on_every_colour(void **state)
{
    (void)state;
    for (int neutral = 0; neutral < 2; neutral++) {
        for (int i = -100; i <= 100; i++) {
            char colour[UMB_COLOUR_TEXT];
            bool dark;
            umb__value_colour(i / 100.0, neutral, colour, &dark);
            const double behind = luminance(colour), text = dark ? 1 : luminance("#14160f");
            const double contrast = (fmax(behind, text) + 0.05) / (fmin(behind, text) + 0.05);
            if (contrast < 3.9) { fail_msg("%d %% is %s: contrast %.2f", i, colour, contrast); }
        }
    }
}

static void colours_follow_values(void **state)
{
    (void)state;
    char zero[UMB_COLOUR_TEXT], below[UMB_COLOUR_TEXT], above[UMB_COLOUR_TEXT],
        more[UMB_COLOUR_TEXT];
    bool dark;
    umb__value_colour(0, true, zero, &dark);
    assert_false(dark);
    umb__value_colour(-1, true, below, &dark);
    assert_true(dark);
    umb__value_colour(1, true, above, &dark);
    umb__value_colour(7, true, more, &dark);
    assert_string_equal(above, more);
    assert_true(strtol((char[]){below[1], below[2], 0}, NULL, 16) >
                strtol((char[]){below[5], below[6], 0}, NULL, 16)); /* red */
    assert_true(strtol((char[]){above[1], above[2], 0}, NULL, 16) <
                strtol((char[]){above[5], above[6], 0}, NULL, 16)); /* blue */
    for (double v = 0.1, last = luminance(zero); v <= 1; v += 0.1) {
        umb__value_colour(v, true, above, &dark);
        assert_true(luminance(above) < last);
        last = luminance(above);
    }
}

/* ---- relations as maps ---- */

static void relations_become_maps(void **state)
{
    (void)state;
    const char *const names[] = {"a", "b"};
    struct umb_relations *r;
    double *cosine, *kl, *layer, *again;
    char title[UMB_RELATION_TITLE];
    struct umb_heat_map m;
    assert_int_equal(umb__relations_create(NULL, 2, names, &r), UMB_OK);
    assert_int_equal(umb__relations_add(r, "cosine", NULL, &cosine), UMB_OK);
    assert_int_equal(umb__relations_add(r, "kl", NULL, &kl), UMB_OK);
    assert_int_equal(umb__relations_add(r, "cosine", "conv1", &layer), UMB_OK);
    assert_int_equal(umb__relations_add(r, "cosine", "conv1", &again), UMB_ERR_INVALID);
    assert_int_equal(umb__relations_add(r, "likeness", NULL, &again), UMB_ERR_INVALID);
    assert_false(umb__relation_map(r, 0, title, &m)); /* nothing is defined yet */
    cosine[1] = -0.5;
    assert_true(umb__relation_map(r, 0, title, &m));
    assert_true(m.low == -1 && m.high == 1 && !m.self);
    kl[1] = INFINITY;
    kl[2] = 2.5;
    assert_true(umb__relation_map(r, 1, title, &m));
    assert_true(m.low == 0 && m.high == 2.5);
    layer[1] = 1;
    assert_true(umb__relation_map(r, 2, title, &m));
    assert_string_equal(title, "cosine of gradients, conv1");
    assert_ptr_equal(umb__relations_find(r, "cosine", "conv1"), layer);
    assert_null(umb__relations_find(r, "cosine", "conv2"));
    umb__relations_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_a_pair),
        cmocka_unit_test(many_tasks_have_small_cells),
        cmocka_unit_test(it_fits),
        cmocka_unit_test(a_file_of_several),
        cmocka_unit_test(text_is_read_on_every_colour),
        cmocka_unit_test(colours_follow_values),
        cmocka_unit_test(relations_become_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
