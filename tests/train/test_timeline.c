/*
 * test_timeline.c: pictures of made-up timelines: well-formed whatever names say, a lane a queue, a
 * box a launch, an arrow a wait; colours that can be told apart. No device is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "timeline_draw.h"

/* Markup. */

/* One piece of markup at s, a tag or an entity; returns its length, 0 for what is none. */
static size_t piece(const char *s, int *depth)
{
    if (*s == '&') {
        const size_t n = strcspn(s, ";");
        return n < 7 && s[n] == ';' ? n + 1 : 0;
    }
    const size_t n = strcspn(s, ">");
    if (s[n] != '>' || memchr(s + 1, '<', n - 1)) { return 0; }
    size_t quotes = 0;
    for (size_t i = 0; i < n; i++) {
        quotes += s[i] == '"';
    }
    *depth += s[1] == '/' ? -1 : s[n - 1] == '/' ? 0 : 1;
    return quotes % 2 || *depth < 0 ? 0 : n + 1;
}

/* Tags close, attributes end, and text has no sign of markup and no control characters. */
static void assert_well_formed(const char *s)
{
    int depth = 0;
    for (const char *at = s; *at;) {
        size_t n = strcspn(at, "<>&");
        for (size_t i = 0; i < n; i++) {
            if ((unsigned char)at[i] < ' ' && at[i] != '\n') { fail_msg("control: %.60s", at); }
        }
        at += n;
        if (!*at) { break; }
        n = *at == '>' ? 0 : piece(at, &depth);
        if (n == 0) { fail_msg("not well-formed: %.60s", at); }
        at += n;
    }
    assert_int_equal(depth, 0);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what)) {
        n++;
    }
    return n;
}

static void text_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        size_t most;
    } rows[] = {
        {"a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;", SIZE_MAX},
        {"gr\xc3\xb6\xc3\x9f"
         "e",
         "gr\xc3\xb6\xc3\x9f"
         "e",
         5},
        {"gr\xc3\xb6\xc3\x9f"
         "er",
         "gr\xc3\xb6\xc3\x9f…", 5},
        {"\x01\x7f", "\xef\xbf\xbd\x7f", SIZE_MAX},
        {"\xff<\xc3", "\xef\xbf\xbd&lt;\xef\xbf\xbd", SIZE_MAX}, /* cut off */
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", SIZE_MAX},      /* longer than need be */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", SIZE_MAX}, /* half a pair */
        {"\xf0\x9f\x8c\xbc", "\xf0\x9f\x8c\xbc", SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct umb_text out = {0};
        umb__html_short(&out, rows[i].in, rows[i].most);
        assert_string_equal(umb__text_string(&out), rows[i].out);
        umb__text_finish(&out);
    }
}

/* Pictures. */

#define LONG                                                                                       \
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
    "nnnnnnnn"

static const char *const names[] = {"</title><script>", "&amp;\"'<", "\x01\xff\xc3",
                                    "größe🌼",           LONG LONG,   ""};
enum { N_NAMES = sizeof names / sizeof *names };
static const int parts[] = {UMB_PART_TRUNK, 0, 1, 2, 3, 4, 5}, waits[] = {0, 1};

/* Launch i runs on lane i % n_lanes and waits for the first two; every third is merged. */
static struct umb_timeline made_up(struct umb_timeline_box *box, size_t n, size_t n_lanes)
{
    for (size_t i = 0; i < n; i++) {
        box[i] = (struct umb_timeline_box){.node = names + i % N_NAMES,
                                           .n_nodes = i % 3 ? 1 : N_NAMES - i % N_NAMES,
                                           .kernel = names[i % N_NAMES],
                                           .solver = names[(i + 1) % N_NAMES],
                                           .part = parts,
                                           .n_parts = 1 + i % 7,
                                           .wait = waits,
                                           .n_waits = i > 1 ? 2 : 0,
                                           .lane = (int)(i % n_lanes),
                                           .phase = (int)(i % 4),
                                           .start_ms = (double)i,
                                           .end_ms = (double)i + 0.9,
                                           .critical = i % 2};
    }
    return (struct umb_timeline){.title = names[0],
                                 .device = names[1],
                                 .lane = names,
                                 .n_lanes = n_lanes,
                                 .head = names,
                                 .n_heads = N_NAMES,
                                 .box = box,
                                 .n_boxes = n,
                                 .n_launches = n,
                                 .makespan_ms = (double)n - 0.1,
                                 .bound_ms = (double)n / 2};
}

static void pictures_hold_everything(void **state)
{
    (void)state;
    static struct umb_timeline_box box[300];
    static const size_t sizes[][2] = {{1, 1}, {12, 1}, {13, 5}, {300, 4}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t n = sizes[i][0], lanes = sizes[i][1];
        const struct umb_timeline t = made_up(box, n, lanes);
        struct umb_text out = {0}, legend = {0};
        umb__draw_timeline(&out, &t, 1000);
        umb__draw_legend(&legend, &t, 0, 1000);
        const char *svg = umb__text_string(&out);
        assert_well_formed(svg);
        assert_int_equal(count(svg, "class=\"lane\""), lanes);
        assert_int_equal(count(svg, "class=\"launch\""), n);
        assert_int_equal(count(svg, "\"s-wait") - count(umb__text_string(&legend), "\"s-wait"),
                         n > 2 ? 2 * (n - 2) : 0);
        assert_int_equal(count(svg, "<rect class=\"s-critical\""), n / 2);
        assert_int_equal(count(svg, "makespan"), 1);
        assert_true(umb__timeline_height(&t, 1000) > 70 * (double)lanes);
        umb__text_finish(&out);
        umb__text_finish(&legend);
    }
}

/* Without a bound there is no mark of it. */
static void what_is_not_known_is_not_drawn(void **state)
{
    (void)state;
    struct umb_timeline_box box[4];
    struct umb_timeline t = made_up(box, 4, 2);
    t.bound_ms = 0;
    struct umb_text out = {0};
    umb__draw_timeline(&out, &t, 500);
    assert_null(strstr(umb__text_string(&out), "s-bound"));
    umb__text_finish(&out);
}

/* Names. */

static void launches_have_short_names(void **state)
{
    (void)state;
    static const char *const heads[] = {"digit", "garment"};
    static const struct {
        const char *node[2];
        const char *expected;
    } rows[] = {{{"conv2.conv_backward_weights"}, "conv2 ∂w"},
                {{"digit.dense1"}, "dense1"},
                {{"digit.dense1.dense_backward_data", "garment.dense1.dense_backward_data"},
                 "dense1 ∂x ×2"},
                {{"digit.loss", "garment.count"}, "loss +1"},
                {{"_backward"}, "_backward"},
                {{"digits.normalize"}, "digits.normalize"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct umb_timeline t = {.head = heads, .n_heads = 2};
        const struct umb_timeline_box box = {.node = rows[i].node,
                                             .n_nodes = rows[i].node[1] ? 2 : 1};
        struct umb_text out = {0};
        umb__short_name(&out, &t, &box);
        assert_string_equal(umb__text_string(&out), rows[i].expected);
        umb__text_finish(&out);
    }
}

/* Colours. */

static double distance(const char *a, const char *b)
{
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        const char x[3] = {a[1 + 2 * i], a[2 + 2 * i], 0}, y[3] = {b[1 + 2 * i], b[2 + 2 * i], 0};
        const double d = (double)(strtol(x, NULL, 16) - strtol(y, NULL, 16));
        sum += d * d;
    }
    return sum;
}

/* Up to eight parts, in every phase. */
static void colours_can_be_told_apart(void **state)
{
    (void)state;
    char colour[32][UMB_COLOUR_TEXT];
    int n = 0;
    for (int part = UMB_PART_TRUNK; part < 7; part++) {
        for (int phase = 0; phase < 4; phase++) {
            umb__part_colour(part, 7, (enum umb_phase)phase, colour[n]);
            assert_int_equal(strlen(colour[n]), 7);
            for (int k = 0; k < n; k++) {
                if (distance(colour[n], colour[k]) < 12 * 12) {
                    fail_msg("%s and %s are too alike", colour[n], colour[k]);
                }
            }
            n++;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(pictures_hold_everything),
        cmocka_unit_test(what_is_not_known_is_not_drawn),
        cmocka_unit_test(launches_have_short_names),
        cmocka_unit_test(colours_can_be_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
