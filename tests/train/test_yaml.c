/* test_yaml.c: trees, their lines and paths, --set, and text that is not one. */
#include "yaml_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int open_context(void **state)
{
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    *state = ctx;
    return 0;
}

static int close_context(void **state)
{
    umb_context_destroy(*state);
    return 0;
}

static struct umb_yaml_tree *parse(struct umb_context *ctx, const char *text)
{
    struct umb_yaml_tree *tree = NULL;
    enum umb_status st = umb__yaml_parse(ctx, "x.yaml", text, strlen(text), &tree);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    return tree;
}

static void knows_lines_and_paths(void **state)
{
    struct umb_yaml_tree *tree = parse(*state, "a: 1\nb:\n  - x\n  - {c: 'two'}\n");
    const struct umb_yaml *list = umb__yaml_get(tree->root, "b");
    assert_int_equal(list->line, 2);
    const struct umb_yaml *c = umb__yaml_get(list->item[1], "c");
    assert_int_equal(c->line, 4);
    assert_true(c->quoted);
    char path[UMB_YAML_PATH];
    assert_string_equal(umb__yaml_path(c, path, sizeof path), "b.1.c");
    assert_string_equal(umb__yaml_path(tree->root, path, sizeof path), "");
    umb__yaml_fail(*state, c, "is wrong");
    assert_string_equal(umb_context_error(*state), "x.yaml:4: b.1.c: is wrong");
    umb__yaml_destroy(tree);
}

static void copies_aliases(void **state)
{
    struct umb_yaml_tree *tree = parse(*state, "a: &x {k: 1}\nb: *x\n");
    assert_int_equal(umb__yaml_set(tree, "b.k=2"), UMB_OK);
    assert_string_equal(umb__yaml_get(umb__yaml_get(tree->root, "a"), "k")->text, "1");
    assert_string_equal(umb__yaml_get(umb__yaml_get(tree->root, "b"), "k")->text, "2");
    umb__yaml_destroy(tree);
}

static const struct {
    const char *name, *text, *expected;
} bad_texts[] = {
    {"empty", "", "x.yaml:1: holds nothing"},
    {"open bracket", "a: 1\nb: [1, 2\n", "x.yaml:3: not YAML"},
    {"tab for indentation", "a:\n\tb: 1\n", "x.yaml:2: not YAML"},
    {"key twice", "a: 1\nb: 2\na: 3\n", "x.yaml:3: a: the key is in line 1 already"},
    {"key is a list", "? [1]\n: 2\n", "x.yaml:1: a key that is no text"},
    {"empty key", "'': 2\n", "x.yaml:1: a key that is no text"},
    {"tag", "a: !!int 3\n", "x.yaml:1: a tag"},
    {"unknown alias", "a: *b\n", "x.yaml:1: *b: no such anchor"},
    {"alias inside its anchor", "a: &a [*a]\n", "x.yaml:1: *a: no such anchor"},
    {"two documents", "a: 1\n---\nb: 2\n", "x.yaml:2: a second document"},
    {"NUL", "a: \"x\\0y\"\n", "x.yaml:1: a NUL byte"},
    {"not UTF-8", "a: \xff\xfe\n", "not YAML"},
    {"control byte", "a: \x01\n", "not YAML"},
};

static void refuses_bad_text(void **state)
{
    for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
        struct umb_yaml_tree *tree = NULL;
        const char *text = bad_texts[i].text;
        enum umb_status st = umb__yaml_parse(*state, "x.yaml", text, strlen(text), &tree);
        const char *message = umb_context_error(*state);
        if (st != UMB_ERR_FORMAT || !strstr(message, bad_texts[i].expected)) {
            fail_msg("%s: status %s, message '%s'; expected format and '%s'", bad_texts[i].name,
                     umb_status_name(st), message, bad_texts[i].expected);
        }
    }
}

static void bounds_laughs(void **state)
{
    char text[2048] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 12; i++) {
        char line[128];
        snprintf(line, sizeof line, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        strcat(text, line);
    }
    struct umb_yaml_tree *tree = NULL;
    assert_int_equal(umb__yaml_parse(*state, "x.yaml", text, strlen(text), &tree), UMB_ERR_FORMAT);
    assert_non_null(strstr(umb_context_error(*state), "more than 100000 values"));
}

static void bounds_depth(void **state)
{
    char text[4096];
    memset(text, '[', 2000);
    text[2000] = 0;
    struct umb_yaml_tree *tree = NULL;
    assert_int_equal(umb__yaml_parse(*state, "x.yaml", text, 2000, &tree), UMB_ERR_FORMAT);
    assert_non_null(strstr(umb_context_error(*state), "x.yaml:1: nested too deeply"));
    const char *deep = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
               *shut = "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
    snprintf(text, sizeof text, "a: &a %s%s\nb: &b %s*a%s\nc: %s*b%s\n", deep, shut, deep, shut,
             deep, shut);
    assert_int_equal(umb__yaml_parse(*state, "x.yaml", text, strlen(text), &tree), UMB_ERR_FORMAT);
    assert_non_null(strstr(umb_context_error(*state), "nested too deeply"));
}

static void sets_values(void **state)
{
    struct umb_yaml_tree *tree = parse(*state, "train: {epochs: 5}\nlist: [{a: 1}, b]\nnone:\n");
    assert_int_equal(umb__yaml_set(tree, "train.epochs=1"), UMB_OK);
    assert_int_equal(umb__yaml_set(tree, "train.optimizer={sgd: {rate: 0.1}}"), UMB_OK);
    assert_int_equal(umb__yaml_set(tree, "list.0.a=[x, y]"), UMB_OK);
    assert_int_equal(umb__yaml_set(tree, "none.k=v=w"), UMB_OK);
    assert_int_equal(umb__yaml_set(tree, "name="), UMB_OK);
    char *text = NULL;
    assert_int_equal(umb__yaml_write(tree, &text), UMB_OK);
    assert_string_equal(text, "train: {epochs: 1, optimizer: {sgd: {rate: 0.1}}}\n"
                              "list: [{a: [x, y]}, b]\nnone:\n  k: v=w\nname: ''\n");
    umb__free(text);
    const struct umb_yaml *epochs = umb__yaml_get(umb__yaml_get(tree->root, "train"), "epochs");
    umb__yaml_fail(*state, epochs, "is wrong");
    assert_string_equal(umb_context_error(*state), "--set: train.epochs: is wrong");
    umb__yaml_destroy(tree);
}

static const struct {
    const char *assignment, *expected;
} bad_sets[] = {
    {"train.epochs", "is no assignment"}, {"=3", "is no assignment"},
    {".a=3", "is no assignment"},         {"a.=3", "is no assignment"},
    {"a..b=3", "is no assignment"},       {"train.epochs.x=3", "inside the value '5'"},
    {"list.7=3", "'7' is no item"},       {"list.first=3", "'first' is no item"},
    {"train.epochs=[1", ": not YAML"},    {"train.epochs={a: 1, a: 2}", "--set:1: a: the key"},
};

static void refuses_bad_sets(void **state)
{
    struct umb_yaml_tree *tree = parse(*state, "train: {epochs: 5}\nlist: [a, b]\n");
    for (size_t i = 0; i < sizeof bad_sets / sizeof *bad_sets; i++) {
        enum umb_status st = umb__yaml_set(tree, bad_sets[i].assignment);
        const char *message = umb_context_error(*state);
        if (st == UMB_OK || !strstr(message, bad_sets[i].expected) || !strstr(message, "--set")) {
            fail_msg("%s: status %s, message '%s'; expected '%s'", bad_sets[i].assignment,
                     umb_status_name(st), message, bad_sets[i].expected);
        }
    }
    umb__yaml_destroy(tree);
}

static void reads_typed_values(void **state)
{
    struct umb_yaml_tree *tree =
        parse(*state, "i: 9\nf: 1e-3\nb: yes\nt: conv\nn:\nq_facter: '9'\n");
    const struct umb_yaml *r = tree->root;
    int64_t i = 0;
    double f = 0;
    bool b = false;
    assert_int_equal(umb__yaml_int(*state, umb__yaml_get(r, "i"), 1, 9, &i), UMB_OK);
    assert_int_equal(umb__yaml_double(*state, umb__yaml_get(r, "f"), 0, 1, &f), UMB_OK);
    assert_int_equal(umb__yaml_bool(*state, umb__yaml_get(r, "b"), &b), UMB_OK);
    assert_true(i == 9 && f == 1e-3 && b);
    assert_int_equal(umb__yaml_int(*state, umb__yaml_get(r, "i"), 1, 8, &i), UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(*state),
                        "x.yaml:1: i: '9' does not fit; expected a whole number from 1 to 8");
    assert_int_equal(umb__yaml_int(*state, umb__yaml_get(r, "q_facter"), 1, 9, &i),
                     UMB_ERR_INVALID);
    assert_true(umb__yaml_is_null(umb__yaml_get(r, "n")));
    static const char *const known[] = {"i", "f", "b", "t", "n", "q_factor"};
    assert_int_equal(umb__yaml_keys(*state, r, known, 6), UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(*state),
                        "x.yaml:6: q_facter: unknown key; did you mean 'q_factor'?");
    umb__yaml_destroy(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(knows_lines_and_paths, open_context, close_context),
        cmocka_unit_test_setup_teardown(copies_aliases, open_context, close_context),
        cmocka_unit_test_setup_teardown(refuses_bad_text, open_context, close_context),
        cmocka_unit_test_setup_teardown(bounds_laughs, open_context, close_context),
        cmocka_unit_test_setup_teardown(bounds_depth, open_context, close_context),
        cmocka_unit_test_setup_teardown(sets_values, open_context, close_context),
        cmocka_unit_test_setup_teardown(refuses_bad_sets, open_context, close_context),
        cmocka_unit_test_setup_teardown(reads_typed_values, open_context, close_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
