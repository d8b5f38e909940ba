/*
 * Prints docs/layers.md from the ops' own tables: `layers_page > docs/layers.md`. A test compares
 * the two, so the page cannot fall behind.
 */
#include <stdio.h>
#include <string.h>

#include "op.h"

static const char *type_text(const struct umb_attr_desc *d)
{
    static const char *const names[] = {[UMB_ATTR_INT] = "whole number",
                                        [UMB_ATTR_FLOAT] = "number",
                                        [UMB_ATTR_BOOL] = "true or false",
                                        [UMB_ATTR_CHOICE] = "",
                                        [UMB_ATTR_PAIR] = "one or two whole numbers",
                                        [UMB_ATTR_FLOATS] = "list of numbers"};
    return names[d->type];
}

static void print_choices(const struct umb_attr_desc *d)
{
    for (const char *const *c = d->choices; c && *c; c++) {
        printf("%s`%s`", c == d->choices ? "" : ", ", *c);
    }
}

static void print_attr(const struct umb_attr_desc *d)
{
    printf("| `%s` | %s", d->name, type_text(d));
    if (d->choices && d->type != UMB_ATTR_CHOICE) { printf(", or "); }
    print_choices(d);
    if (d->required) {
        printf(" | must be given | %s |\n", d->help);
    } else {
        printf(" | %s%s%s | %s |\n", d->fallback ? "`" : "", d->fallback ? d->fallback : "none",
               d->fallback ? "`" : "", d->help);
    }
}

/* Attributes without help are the program's own. */
static bool has_keys(const struct umb_op *op)
{
    for (const struct umb_attr_desc *d = op->attrs; d && d->name; d++) {
        if (d->help) { return true; }
    }
    return false;
}

static void print_op(const struct umb_op *op)
{
    printf("\n### %s\n\n%s.\n", op->name, op->help);
    if (!has_keys(op)) { return; }
    printf("\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    for (const struct umb_attr_desc *d = op->attrs; d->name; d++) {
        if (d->help) { print_attr(d); }
    }
}

static void print_section(const char *title, const char *text, unsigned flag)
{
    printf("\n## %s\n\n%s\n", title, text);
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *op = *family; *op; op++) {
            if (((*op)->flags & flag) && (*op)->help) { print_op(*op); }
        }
    }
}

int main(void)
{
    printf("# Layers and losses\n\n"
           "Every layer and loss with its keys, as an experiment writes them. This page is printed "
           "from the tables that the\n"
           "program itself reads (`docs/layers_page.c`). Activations are [N,H,W,C]: batch, height, "
           "width, channels; behind a\n"
           "`flatten`, [N,C]. Defaults are PyTorch's, except that `padding: same` with a stride is "
           "Keras's (the odd pixel of the\n"
           "padding goes behind). Weights start as U(−1/√fan_in, 1/√fan_in), biases too.\n");
    print_section(
        "Layers",
        "A layer is a map of one key: `- conv: {filters: 32, size: 3}`. Any layer may "
        "have `name`, `from` and `share`,\n"
        "one with weights `init` ([how they begin](experiment.md#beginning-freezing-rates)).",
        UMB_OP_LAYER);
    print_section("Losses",
                  "A task's `loss` is a name, or a name with keys: `loss: {cross_entropy: "
                  "{label_smoothing: 0.1}}`.",
                  UMB_OP_LOSS);
    return 0;
}
