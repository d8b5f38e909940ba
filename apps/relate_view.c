/* relate_view.c: see relate_view.h. */
#include "relate_view.h"

#include "label_words.h"
#include "relate.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PAIRS 66 /* of 12 tasks all */

static void print_labels(const struct umb_label_set *sets, size_t T)
{
    static const char *const heading[] = {"task",
                                          "target",
                                          "labels are",
                                          "labelled",
                                          "share",
                                          "entropy, bits",
                                          "most frequent, or range"};
    struct cli_table table = {.n_columns = sizeof heading / sizeof *heading};
    for (size_t i = 0; i < table.n_columns; i++) {
        cli_table_add(&table, "%s", heading[i]);
    }
    for (size_t t = 0; t < T; t++) {
        struct umb_label_words words;
        umb__label_words(&sets[t], &words);
        cli_table_add(&table, "%s", sets[t].task->name);
        cli_table_add(&table, "%s", sets[t].target);
        cli_table_add(&table, "%s", words.kind);
        cli_table_add(&table, "%zu", sets[t].n_labelled);
        cli_table_add(&table, "%s", words.share);
        cli_table_add(&table, "%s", words.entropy);
        cli_table_add(&table, "%s", words.spread);
    }
    cli_table_print(&table, stdout);
}

/* Pairs. */

struct pair {
    size_t s, t;
    double weight; /* of the first relation; −1: undefined */
};

static int by_weight(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->weight > y->weight || x->weight < y->weight) { return x->weight < y->weight ? 1 : -1; }
    return x->s != y->s ? (x->s > y->s) - (x->s < y->s) : (x->t > y->t) - (x->t < y->t);
}

/* All pairs [T(T−1)/2], the most related first where there are many; NULL: no memory, or none. */
static struct pair *list_pairs(const struct umb_relations *r, size_t *ret_n)
{
    const size_t n = r->T * (r->T - 1) / 2;
    struct pair *list = n > 0 ? calloc(n, sizeof *list) : NULL;
    size_t i = 0;
    for (size_t s = 0; list && s < r->T; s++) {
        for (size_t t = s + 1; t < r->T; t++) {
            const double weight = r->n > 0 ? r->relation[0].value[s * r->T + t] : (double)NAN;
            list[i++] = (struct pair){s, t, isnan(weight) ? -1 : weight};
        }
    }
    if (list && n > MOST_PAIRS) { qsort(list, n, sizeof *list, by_weight); }
    *ret_n = list ? n : 0;
    return list;
}

static void add_value(struct cli_table *table, double value)
{
    if (isnan(value)) {
        cli_table_add(table, "–");
    } else if (isinf(value)) {
        cli_table_add(table, value < 0 ? "−∞" : "∞");
    } else {
        cli_table_add(table, fabs(value) < 0.01 && fabs(value) > 0 ? "%.1e" : "%.4f", value);
    }
}

static void add_heading(struct cli_table *table, const struct umb_relation *relation)
{
    if (!relation->measure->directed) {
        cli_table_add(table, "%s", relation->measure->name);
        return;
    }
    cli_table_add(table, "%s →", relation->measure->name);
    cli_table_add(table, "%s ←", relation->measure->name);
}

static void print_pairs(const struct umb_relations *r, const struct pair *list, size_t n)
{
    struct cli_table table = {.n_columns = 2};
    cli_table_add(&table, "task");
    cli_table_add(&table, "and task");
    for (size_t i = 0; i < r->n; i++) {
        if (r->relation[i].part) { continue; }
        table.n_columns += r->relation[i].measure->directed ? 2 : 1;
        add_heading(&table, &r->relation[i]);
    }
    for (size_t p = 0; p < n; p++) {
        const size_t there = list[p].s * r->T + list[p].t, back = list[p].t * r->T + list[p].s;
        cli_table_add(&table, "%s", r->task[list[p].s]);
        cli_table_add(&table, "%s", r->task[list[p].t]);
        for (size_t i = 0; i < r->n; i++) {
            if (r->relation[i].part) { continue; }
            add_value(&table, r->relation[i].value[there]);
            if (r->relation[i].measure->directed) { add_value(&table, r->relation[i].value[back]); }
        }
    }
    cli_table_print(&table, stdout);
}

/* Layers: of each what its pairs have in the mean. */

/* Over pairs, and where the least is; NaN: no pair is defined. */
static double mean_of_pairs(const double *value, size_t T, size_t *ret_least)
{
    double sum = 0, least = INFINITY;
    size_t n = 0;
    for (size_t i = 0; value && i < T * T; i++) {
        if (i / T >= i % T || isnan(value[i])) { continue; }
        sum += value[i];
        n++;
        if (value[i] < least) {
            least = value[i];
            *ret_least = i;
        }
    }
    return n ? sum / (double)n : (double)NAN;
}

static void add_layer(struct cli_table *table, const struct umb_relations *r, const char *part)
{
    size_t least = 0, other;
    const double *cosine = umb__relations_find(r, "cosine", part);
    const double mean = mean_of_pairs(cosine, r->T, &least);
    cli_table_add(table, "%s", part ? part : "all");
    add_value(table, mean);
    add_value(table, isnan(mean) ? mean : cosine[least]);
    if (isnan(mean)) {
        cli_table_add(table, "–");
    } else {
        cli_table_add(table, "%s, %s", r->task[least / r->T], r->task[least % r->T]);
    }
    add_value(table, mean_of_pairs(umb__relations_find(r, "magnitude", part), r->T, &other));
    add_value(table, mean_of_pairs(umb__relations_find(r, "conflict", part), r->T, &other));
}

static void print_layers(const struct umb_relations *r)
{
    static const char *const heading[] = {"layer", "cosine",    "least",
                                          "of",    "magnitude", "conflict"};
    struct cli_table table = {.n_columns = sizeof heading / sizeof *heading};
    for (size_t i = 0; i < table.n_columns; i++) {
        cli_table_add(&table, "%s", heading[i]);
    }
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->relation[i].measure->name, "cosine") == 0) {
            add_layer(&table, r, r->relation[i].part);
        }
    }
    printf("\n");
    cli_table_print(&table, stdout);
}

static void print_gradients(const struct umb_relate_page *page)
{
    struct umb_text note = {0};
    if (page->gradients->gradients) { print_layers(page->relations); }
    umb__relate_gradients_note(page->gradients, &note);
    printf("%s\n", umb__text_string(&note));
    umb__text_finish(&note);
}

void relate_text(const struct umb_relate_page *page)
{
    const struct umb_relations *r = page->relations;
    size_t n;
    print_labels(page->sets, r->T);
    if (r->T < 2) {
        printf("\none task: there are no pairs to relate\n");
        return;
    }
    struct pair *list = list_pairs(r, &n);
    printf("\n");
    print_pairs(r, list, n < MOST_PAIRS ? n : MOST_PAIRS);
    if (n > MOST_PAIRS) {
        printf("the %d most related of %zu pairs; the page and --json have all\n", MOST_PAIRS, n);
    }
    free(list);
    if (page->gradients) { print_gradients(page); }
}

/* JSON. */

static json_t *value_json(double value)
{
    if (isnan(value)) { return json_null(); }
    return isfinite(value) ? json_real(value) : json_string(value < 0 ? "-infinite" : "infinite");
}

static json_t *labels_json(const struct umb_label_set *s)
{
    static const char *const kinds[] = {[UMB_TARGET_CLASS] = "class",
                                        [UMB_TARGET_REAL] = "numbers",
                                        [UMB_TARGET_PIXELS] = "pixels"};
    json_t *counts = json_array();
    for (size_t c = 0; c < s->n_classes; c++) {
        json_array_append_new(counts, json_integer((json_int_t)s->count[c]));
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "task", s->task->name, "kind",
                     kinds[s->kind], "samples", (json_int_t)s->n, "labelled",
                     (json_int_t)s->n_labelled, "counts", counts, "entropy",
                     value_json(umb__relate_entropy(s->n_classes, s->count)));
}

static json_t *relation_json(const struct umb_relation *relation, size_t T)
{
    json_t *rows = json_array();
    for (size_t s = 0; s < T; s++) {
        json_t *row = json_array();
        for (size_t t = 0; t < T; t++) {
            json_array_append_new(row, value_json(relation->value[s * T + t]));
        }
        json_array_append_new(rows, row);
    }
    return json_pack("{s:s, s:s?, s:s, s:o}", "measure", relation->measure->name, "part",
                     relation->part, "title", relation->measure->title, "matrix", rows);
}

static json_t *gradients_json(const struct umb_gradient_summary *s)
{
    json_t *apart = *s->apart ? json_string(s->apart) : json_null();
    return json_pack("{s:I, s:I, s:f, s:f, s:{s:o, s:o}, s:b, s:I, s:o}", "batches",
                     (json_int_t)s->batches, "steps", (json_int_t)s->steps, "rate", s->rate,
                     "threshold", s->threshold, "affinity_correlation", "pearson",
                     value_json(s->pearson), "spearman", value_json(s->spearman), "compared",
                     s->gradients, "cka_samples", (json_int_t)s->samples, "cka_apart", apart);
}

void relate_json(const struct umb_relate_page *page)
{
    const struct umb_relations *r = page->relations;
    json_t *tasks = json_array(), *relations = json_array();
    for (size_t t = 0; t < r->T; t++) {
        json_array_append_new(tasks, labels_json(&page->sets[t]));
    }
    for (size_t i = 0; i < r->n; i++) {
        json_array_append_new(relations, relation_json(&r->relation[i], r->T));
    }
    json_t *all = json_pack("{s:s, s:o, s:o}", "experiment", page->name, "tasks", tasks,
                            "relations", relations);
    if (page->gradients) { json_object_set_new(all, "gradients", gradients_json(page->gradients)); }
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(all);
}
