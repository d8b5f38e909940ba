/* Attributes from text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "op.h"
#include <cmocka.h>
#include <string.h>

struct attrs {
    int64_t count;
    double share;
    bool open;
    int mode;
    int64_t window[2];
    struct umb_floats list;
};

static const char *const modes[] = {"nearest", "bilinear", NULL};
static const char *const words[] = {"same", "valid", NULL};

#define AT(field) offsetof(struct attrs, field)
static const struct umb_attr_desc descs[] = {
    {"count", UMB_ATTR_INT, AT(count), true, 1, 64, NULL, NULL, "how many"},
    {"share", UMB_ATTR_FLOAT, AT(share), false, 0, 1, "0.5", NULL, "the share"},
    {"open", UMB_ATTR_BOOL, AT(open), false, 0, 0, "true", NULL, "whether open"},
    {"mode", UMB_ATTR_CHOICE, AT(mode), false, 0, 0, "nearest", modes, "the mode"},
    {"window", UMB_ATTR_PAIR, AT(window), false, 0, 9, "1", words, "the window"},
    {"list", UMB_ATTR_FLOATS, AT(list), false, -1, 1, NULL, NULL, "numbers"},
    {0}};

static const struct umb_op op = {
    .name = "thing", .attrs = descs, .attrs_bytes = sizeof(struct attrs)};
static const struct umb_op bare = {.name = "bare"};

struct fixture {
    struct umb_context *ctx;
    struct umb_arena *arena;
    struct attrs a;
};

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    assert_int_equal(umb_context_create(NULL, &f.ctx), UMB_OK);
    assert_int_equal(umb__arena_create(f.ctx, &f.arena), UMB_OK);
    umb__attrs_default(&op, &f.a);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    umb__arena_destroy(f->arena);
    umb_context_destroy(f->ctx);
    return 0;
}

static void defaults(void **state)
{
    const struct fixture *f = *state;
    assert_true(f->a.share >= 0.5 && f->a.share <= 0.5);
    assert_true(f->a.open);
    assert_int_equal(f->a.mode, 0);
    assert_int_equal(f->a.window[0], 1);
    assert_int_equal(f->a.window[1], 1);
    assert_int_equal(f->a.list.n, 0);
}

static void everything_set(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &op, &f->a,
                                      " count=7  share=1e-1 open=no mode=bilinear window=2,3 "
                                      "list=0.5,-1,0 "),
                     UMB_OK);
    assert_int_equal(f->a.count, 7);
    assert_true(f->a.share > 0.0999 && f->a.share < 0.1001);
    assert_false(f->a.open);
    assert_int_equal(f->a.mode, 1);
    assert_int_equal(f->a.window[0], 2);
    assert_int_equal(f->a.window[1], 3);
    assert_int_equal(f->a.list.n, 3);
    assert_true(f->a.list.value[1] <= -1);
}

static void lists_of_texts(void **state)
{
    struct fixture *f = *state;
    const char *const two[] = {"4", "5"};
    assert_int_equal(umb__attrs_set(f->ctx, f->arena, &op, &f->a, "window", two, 2), UMB_OK);
    assert_int_equal(f->a.window[1], 5);
    const char *const numbers[] = {"0.25", " 0.75 "};
    assert_int_equal(umb__attrs_set(f->ctx, f->arena, &op, &f->a, "list", numbers, 2), UMB_OK);
    assert_int_equal(f->a.list.n, 2);
    assert_true(f->a.list.value[1] >= 0.75);
}

static void a_word_for_a_pair(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &op, &f->a, "count=1 window=same"), UMB_OK);
    assert_int_equal(f->a.window[0], -1);
    assert_int_equal(f->a.window[1], -1);
    char text[256];
    assert_string_equal(umb__attrs_text(&op, &f->a, text, sizeof text), "count=1 window=same");
}

static void text_and_back(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"count=7", "count=64 open=false mode=bilinear window=2,3",
                                        "count=1 share=0.10000000000000001 window=4",
                                        "count=2 list=0.5,-0.25"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[256];
        umb__attrs_default(&op, &f->a);
        assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &op, &f->a, texts[i]), UMB_OK);
        assert_string_equal(umb__attrs_text(&op, &f->a, text, sizeof text), texts[i]);
    }
}

static void text_that_does_not_fit_is_cut(void **state)
{
    struct fixture *f = *state;
    char text[6];
    assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &op, &f->a, "count=64"), UMB_OK);
    assert_string_equal(umb__attrs_text(&op, &f->a, text, sizeof text), "count");
}

static void mistakes(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "thing: count: missing; expected how many"},
        {"share=0.5", "thing: count: missing; expected how many"},
        {"coumt=3", "thing: coumt: unknown key; did you mean 'count'?"},
        {"zzz=3", "thing: zzz: unknown key; expected one of count, share, open, mode, window, "
                  "list"},
        {"count", "thing: 'count': expected KEY=VALUE"},
        {"count=", "thing: count: '' is wrong; expected an integer of 1…64"},
        {"count=0", "thing: count: '0' is wrong; expected an integer of 1…64"},
        {"count=65", "thing: count: '65' is wrong; expected an integer of 1…64"},
        {"count=3.5", "thing: count: '3.5' is wrong; expected an integer of 1…64"},
        {"count=3,4", "thing: count: '3,4' is wrong; expected an integer of 1…64"},
        {"count=99999999999999999999",
         "thing: count: '99999999999999999999' is wrong; expected an integer of 1…64"},
        {"share=2", "thing: share: '2' is wrong; expected a number of 0…1"},
        {"share=nan", "thing: share: 'nan' is wrong; expected a number of 0…1"},
        {"share=0.5x", "thing: share: '0.5x' is wrong; expected a number of 0…1"},
        {"open=maybe", "thing: open: 'maybe' is wrong; expected true or false"},
        {"mode=bilinaer", "thing: mode: 'bilinaer' is wrong; expected one of nearest, bilinear; "
                          "did you mean 'bilinear'?"},
        {"mode=7", "thing: mode: '7' is wrong; expected one of nearest, bilinear"},
        {"list=2", "thing: list: '2' is wrong; expected numbers of -1…1"},
        {"list=0,,1", "thing: list: '0,,1' is wrong; expected numbers of -1…1"},
        {"list=", "thing: list: '' is wrong; expected numbers of -1…1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        umb__attrs_default(&op, &f->a);
        assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &op, &f->a, rows[i].text),
                         UMB_ERR_INVALID);
        assert_string_equal(umb_context_error(f->ctx), rows[i].message);
    }
}

static void pairs_that_are_none(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"1,2,3", "1,", "a", "10", "-1", "saem", "1,same"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const enum umb_status st =
            umb__attrs_set(f->ctx, f->arena, &op, &f->a, "window", &texts[i], 1);
        if (st != UMB_ERR_INVALID) { fail_msg("window=%s was taken", texts[i]); }
        assert_non_null(strstr(umb_context_error(f->ctx), "one integer or two"));
    }
}

static void very_long_value(void **state)
{
    struct fixture *f = *state;
    char text[2000] = "count=";
    memset(text + 6, '1', sizeof text - 7);
    assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &op, &f->a, text), UMB_ERR_INVALID);
    assert_true(strlen(umb_context_error(f->ctx)) < 200);
}

static void an_op_without_any(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &bare, NULL, NULL), UMB_OK);
    assert_int_equal(umb__attrs_parse(f->ctx, f->arena, &bare, NULL, "size=2"), UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(f->ctx), "bare: size: unknown key; bare takes none");
}

/* Every row of the table: fallbacks parse, names are unique, layers have help. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *row = *family; *row; row++) {
            const struct umb_op *o = *row;
            char space[512] = {0};
            assert_ptr_equal(umb__op_find(o->name), o);
            assert_true(o->attrs_bytes <= sizeof space);
            umb__attrs_default(o, space);
            assert_non_null(o->infer);
            assert_non_null(o->reference);
            assert_true(o->solvers || (o->flags & UMB_OP_VIEW));
            if (o->flags & (UMB_OP_LAYER | UMB_OP_LOSS)) {
                if (!o->help || !o->cases) { fail_msg("%s lacks help or cases", o->name); }
            }
        }
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(defaults),          CASE(everything_set),      CASE(lists_of_texts),
        CASE(a_word_for_a_pair), CASE(text_and_back),       CASE(text_that_does_not_fit_is_cut),
        CASE(mistakes),          CASE(pairs_that_are_none), CASE(very_long_value),
        CASE(an_op_without_any), CASE(the_table_is_sound),
    };
    return cmocka_run_group_tests_name("attrs", tests, NULL, NULL);
}
