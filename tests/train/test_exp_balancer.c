/* `train.balancer`: what is read, and what mistakes are answered with. */
#include "experiment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "exp-balancer.yaml"
#define REST                                                                   \
    "data: {a: {format: shapes, count: 40}}\n"                                 \
    "trunk: [flatten]\n"                                                       \
    "tasks:\n"                                                                 \
    "  s: {target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n" \
    "  c: {target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\n"

struct rig {
    struct umb_context *ctx;
    struct umb_experiment *exp;
};

/* An experiment without a balancer, and one read into it from `text` as its `train` would be. */
static enum umb_status read_balancer(struct rig *r, const char *text)
{
    struct umb_yaml_tree *tree = NULL;
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fputs(REST, f);
    assert_int_equal(fclose(f), 0);
    *r = (struct rig){0};
    assert_int_equal(umb_context_create(NULL, &r->ctx), UMB_OK);
    assert_int_equal(umb__experiment_read(r->ctx, FILE_NAME, NULL, 0, &r->exp), UMB_OK);
    unlink(FILE_NAME);
    assert_ptr_equal(r->exp->train.balancer.row, umb__balancer_find("equal"));
    assert_int_equal(umb__yaml_parse(r->ctx, "e.yaml", text, strlen(text), &tree), UMB_OK);
    const enum umb_status st =
        umb__exp_read_balancer(r->exp, umb__yaml_get(tree->root, "balancer"));
    umb__yaml_destroy(tree);
    return st;
}

static void drop(struct rig *r)
{
    umb__experiment_destroy(r->exp);
    umb_context_destroy(r->ctx);
}

static void every_balancer_is_read_by_name(void **state)
{
    (void)state;
    for (int i = 0; umb__balancers[i]; i++) {
        struct rig r;
        char text[64];
        snprintf(text, sizeof text, "balancer: %s\n", umb__balancers[i]->name);
        if (strcmp(umb__balancers[i]->name, "fixed") == 0) { continue; }
        if (read_balancer(&r, text) != UMB_OK) { fail_msg("%s", umb_context_error(r.ctx)); }
        const struct umb_exp_balancer *b = &r.exp->train.balancer;
        assert_ptr_equal(b->row, umb__balancers[i]);
        assert_int_equal(b->every, 1);
        assert_int_equal(b->gradient, UMB_GRADIENTS_SHARED);
        assert_int_equal(b->weighs_heads, b->row->class_letter == 'A');
        assert_string_equal(b->options, "");
        drop(&r);
    }
}

static void options_are_read(void **state)
{
    (void)state;
    struct rig r;
    assert_int_equal(read_balancer(&r, "balancer: {cagrad: {c: 0.25, gradient: last_block, "
                                       "every: 10, heads: weighted}}\n"),
                     UMB_OK);
    const struct umb_exp_balancer *b = &r.exp->train.balancer;
    assert_true(*(const double *)b->attrs == 0.25);
    assert_string_equal(b->options, "c=0.25");
    assert_int_equal(b->every, 10);
    assert_int_equal(b->gradient, UMB_GRADIENTS_LAST_BLOCK);
    assert_true(b->weighs_heads);
    drop(&r);
    assert_int_equal(
        read_balancer(&r, "balancer: {uncertainty: {form: classification, heads: unweighted}}\n"),
        UMB_OK);
    assert_false(r.exp->train.balancer.weighs_heads);
    drop(&r);
    assert_int_equal(read_balancer(&r, "balancer: {fixed: {weights: [1, 0.5]}}\n"), UMB_OK);
    assert_string_equal(r.exp->train.balancer.options, "weights=1,0.5");
    drop(&r);
    assert_int_equal(read_balancer(&r, "balancer: {mgda: {gradient: representation}}\n"), UMB_OK);
    assert_int_equal(r.exp->train.balancer.gradient, UMB_GRADIENTS_REPRESENTATION);
    drop(&r);
}

static void mistakes_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"balancer: cagard\n",
         "e.yaml:1: balancer: unknown balancer 'cagard'; did you mean 'cagrad'?"},
        {"balancer:\n  imtlg: {}\n",
         "e.yaml:2: balancer.imtlg: unknown balancer; did you mean 'imtl_g'?"},
        {"balancer: [equal]\n",
         "e.yaml:1: balancer: is no balancer; expected NAME or {NAME: {KEY: VALUE, …}}"},
        {"balancer: {cagrad: {d: 1}}\n",
         "e.yaml:1: balancer.cagrad.d: unknown key; did you mean 'c'?"},
        {"balancer: {cagrad: {c: -1}}\n",
         "e.yaml:1: balancer.cagrad.c: '-1' is wrong; expected a number of 0…10"},
        {"balancer: {cagrad: {gradient: shard}}\n",
         "e.yaml:1: balancer.cagrad.gradient: unknown gradient 'shard'; did you mean 'shared'?"},
        {"balancer: {cagrad: {every: 0}}\n", "e.yaml:1: balancer.cagrad.every: "},
        {"balancer: {cagrad: {heads: both}}\n",
         "e.yaml:1: balancer.cagrad.heads: unknown heads 'both'; expected unweighted or weighted"},
        {"balancer: {dwa: {gradient: shared}}\n", "e.yaml:1: balancer.dwa.gradient: dwa does not "
                                                  "look at gradients; expected no gradient, or "
                                                  "a balancer that does, as cagrad"},
        {"balancer: {gls: {every: 2}}\n",
         "e.yaml:1: balancer.gls.every: gls does not look at gradients; expected no every, or a "
         "balancer that does, as cagrad"},
        {"balancer: {db_mtl: {every: 2}}\n",
         "e.yaml:1: balancer.db_mtl.every: db_mtl looks at every shared parameter's gradient in "
         "every step; expected no every, or a balancer of class B, as cagrad"},
        {"balancer: {graddrop: {gradient: representation}}\n",
         "e.yaml:1: balancer.graddrop.gradient: graddrop looks at every"},
        {"balancer: fixed\n", "e.yaml:1: balancer: fixed: weights: missing; expected a weight for "
                              "each task, in the order of the tasks"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        assert_int_equal(read_balancer(&r, rows[i].text), UMB_ERR_INVALID);
        if (strncmp(umb_context_error(r.ctx), rows[i].message, strlen(rows[i].message)) != 0) {
            fail_msg("'%s' instead of '%s'", umb_context_error(r.ctx), rows[i].message);
        }
        drop(&r);
    }
}

/* Tasks are counted once they are read. */
static void fixed_has_a_weight_for_each_task(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    struct umb_experiment *exp = NULL;
    const char *set = "train.balancer={fixed: {weights: [1, 2, 3]}}";
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    fputs(REST, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__experiment_read(ctx, FILE_NAME, &set, 1, &exp), UMB_ERR_INVALID);
    assert_string_equal(umb_context_error(ctx),
                        "--set: train.balancer.fixed: weights: 3 are there; "
                        "expected 2, one for each task");
    set = "train.balancer=equal";
    assert_int_equal(umb__experiment_read(ctx, FILE_NAME, &set, 1, &exp), UMB_OK);
    umb__experiment_destroy(exp);
    unlink(FILE_NAME);
    umb_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_balancer_is_read_by_name),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(mistakes_are_answered),
        cmocka_unit_test(fixed_has_a_weight_for_each_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
