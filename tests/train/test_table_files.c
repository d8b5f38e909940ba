/*
 * test_table_files.c: tables that begin with a file, in whole experiments: what they begin with,
 * which are trained, that checkpoints stand for the file, and what an experiment may not say.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data_files.h"
#include "small_run.h"
#include "trainer_internal.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ROWS 10
#define SIZE 3

static const char *const words[ROWS] = {"circle", "square", "triangle", "cross",   "red",
                                        "green",  "blue",   "yellow",   "magenta", "cyan"};

/* An experiment of shapes whose tasks are compared with a table of that description. */
static void put_experiment(const char *embedding)
{
    char text[4096];
    snprintf(text, sizeof text,
             "data: {a: {format: shapes, count: 60}}\n"
             "trunk: [{max_pool: {size: 8}}, flatten, {dense: {units: 6, name: features}},\n"
             "  {embedding: {%s}}, {dense: {units: 6, bias: false, name: table}},\n"
             "  {match: {from: [features, table], name: scores}}]\n"
             "tasks:\n"
             "  shape: {target: shape, head: [{pick: {from: scores, first: 0, count: 4}}], "
             "loss: cross_entropy}\n"
             "  colour: {target: colour, head: [{pick: {from: scores, first: 4, count: 6}}], "
             "loss: cross_entropy}\n"
             "  red: {target: colour, map: {other: [1, 2, 3, 4, 5], red: [0]}, head: [{pick: "
             "{from: scores, first: 4}}], loss: binary_cross_entropy}\n"
             "  place: {target: position, head: [{pick: {from: scores, first: 0, count: 2}}], "
             "loss: mse}\n"
             "train: {batch: 8, optimizer: {sgd: {rate: 0.5}}}\n",
             embedding);
    put_text("table.yaml", text);
}

static double number(int row, int i)
{
    return 0.25 * row - i + 0.125;
}

/* The words in reverse order, among others. */
static void put_words(void)
{
    char text[4096] = "other 9 9 9\n";
    for (int r = ROWS; r-- > 0;) {
        char line[128];
        snprintf(line, sizeof line, "%s %g %g %g\n", words[r], number(r, 0), number(r, 1),
                 number(r, 2));
        strcat(text, line);
    }
    put_text("words.txt", text);
}

static struct small_run open_run(void)
{
    return small_run_open(in_folder("table.yaml"), NULL, 0);
}

static float *read_table(struct small_run *r)
{
    struct umb_safetensors *file = NULL;
    float *table = calloc(ROWS * SIZE, sizeof *table);
    assert_int_equal(umb_trainer_save(r->trainer, in_folder("x.safetensors")), UMB_OK);
    assert_int_equal(umb__safetensors_read(r->ctx, in_folder("x.safetensors"), &file), UMB_OK);
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, "embedding1.table");
    assert_non_null(e);
    assert_int_equal(e->shape.dim[0], ROWS);
    assert_int_equal(e->shape.dim[1], SIZE);
    memcpy(table, e->data, ROWS * SIZE * sizeof *table);
    umb__safetensors_destroy(file);
    return table;
}

static int count_changed(const float *table)
{
    int n = 0;
    for (int i = 0; i < ROWS * SIZE; i++) {
        n += table[i] != (float)number(i / SIZE, i % SIZE);
    }
    return n;
}

static void train(struct small_run *r, int n)
{
    small_run_start(r, n);
    for (int i = 0; i < n; i++) {
        small_run_step(r, small_run_batch(r));
    }
}

/* ---- what they begin with ---- */

static void begins_with(const char *embedding)
{
    put_experiment(embedding);
    struct small_run r = open_run();
    small_run_compile(&r);
    float *table = read_table(&r);
    if (count_changed(table)) { fail_msg("%s: %d are others", embedding, count_changed(table)); }
    free(table);
    small_run_close(&r);
}

static void put_tensor(void)
{
    struct umb_context *ctx = files_context();
    struct umb_safetensors *file = NULL;
    float table[ROWS * SIZE];
    for (int i = 0; i < ROWS * SIZE; i++) {
        table[i] = (float)number(i / SIZE, i % SIZE);
    }
    assert_int_equal(umb__safetensors_create(ctx, &file), UMB_OK);
    assert_int_equal(
        umb__safetensors_add(file, "w", "F32", &(struct umb_shape){2, {ROWS, SIZE}}, table),
        UMB_OK);
    assert_int_equal(umb__safetensors_write(file, in_folder("w.safetensors")), UMB_OK);
    umb__safetensors_destroy(file);
}

static void tables_begin_with_the_file(void **state)
{
    (void)state;
    char text[2048] = "";
    put_words();
    put_tensor();
    for (int r = 0; r < ROWS; r++) {
        char line[128];
        snprintf(line, sizeof line, "%g,%g,%g\n", number(r, 0), number(r, 1), number(r, 2));
        strcat(text, line);
    }
    put_text("rows.csv", text);
    begins_with("file: words.txt, tasks: [shape, colour]");
    begins_with("file: words.txt, rows: 10, size: 3, names: [circle, square, triangle, cross, red, "
                "green, blue, yellow, magenta, cyan]");
    begins_with("file: rows.csv");
    begins_with("file: rows.csv, trained: false");
    begins_with("file: w.safetensors");
    begins_with("file: w.safetensors, tensor: w");
}

/* ---- training and checkpoints ---- */

static void only_trained_tables_change(void **state)
{
    (void)state;
    static const char *const kept[] = {"true", "false"};
    put_words();
    for (int i = 0; i < 2; i++) {
        char text[128];
        snprintf(text, sizeof text, "file: words.txt, tasks: [shape, colour], trained: %s",
                 kept[i]);
        put_experiment(text);
        struct small_run r = open_run();
        train(&r, 3);
        float *table = read_table(&r);
        const int n = count_changed(table);
        if (i ? n != 0 : n < ROWS * SIZE / 2) { fail_msg("%s: %d have changed", text, n); }
        assert_int_equal(umb_trainer_n_parameters(r.trainer),
                         (3 * 16 * 6 + 6) + SIZE * 6 + (i ? 0 : ROWS * SIZE));
        free(table);
        small_run_close(&r);
    }
}

/* What a batch of made-up pictures gives; also that the table was made apart. */
static void predict(struct small_run *r, float *ret_scores)
{
    uint8_t *image = malloc(32 * 32 * 3);
    for (size_t i = 0; i < 32 * 32 * 3; i++) {
        image[i] = pixel_at(i);
    }
    const struct umb_batch batch = {.images = image, .n = 1};
    float *outputs[] = {ret_scores, ret_scores + 4, NULL, NULL};
    if (umb_trainer_predict(r->trainer, &batch, outputs) != UMB_OK) {
        fail_msg("%s", umb_context_error(r->ctx));
    }
    assert_int_equal(r->trainer->side[UMB_TRAINER_PREDICT].n_folded, 1);
    free(image);
}

static void write_tree(const struct small_run *r, const char *name)
{
    char *text = NULL;
    assert_int_equal(umb__yaml_write(r->exp->tree, &text), UMB_OK);
    put_text(name, text);
    umb__free(text);
}

/* Once trained, neither prediction nor what is resumed reads the file. */
static void checkpoints_stand_for_the_file(const char *trained)
{
    char text[128];
    float before[10], after[10];
    put_words();
    snprintf(text, sizeof text, "file: words.txt, tasks: [shape, colour], trained: %s", trained);
    put_experiment(text);
    struct small_run r = open_run();
    train(&r, 3);
    predict(&r, before);
    char *shapes = NULL;
    assert_int_equal(umb__experiment_shapes(r.exp, &shapes), UMB_OK);
    assert_int_equal(umb_trainer_save(r.trainer, in_folder("run.safetensors")), UMB_OK);
    write_tree(&r, "run.yaml");
    small_run_close(&r);
    assert_int_equal(unlink(in_folder("words.txt")), 0);
    char *kept = read_text(in_folder("run.yaml"));
    assert_non_null(strstr(kept, "rows: 10"));
    r = small_run_open_text(kept, shapes);
    small_run_compile(&r);
    assert_int_equal(umb_trainer_load(r.trainer, in_folder("run.safetensors")), UMB_OK);
    predict(&r, after);
    assert_memory_equal(before, after, sizeof before);
    small_run_close(&r);
    umb__free(kept);
    umb__free(shapes);
}

static void a_checkpoint_has_the_numbers(void **state)
{
    (void)state;
    checkpoints_stand_for_the_file("true");
    checkpoints_stand_for_the_file("false");
}

static struct umb_experiment *read_experiment(const char *name)
{
    struct umb_experiment *exp = NULL;
    if (umb__experiment_read(files_context(), in_folder(name), NULL, 0, &exp) != UMB_OK) {
        fail_msg("%s", umb_context_error(files_context()));
    }
    return exp;
}

static void a_run_is_resumed_without_the_file(void **state)
{
    (void)state;
    struct umb_net *net = NULL;
    put_words();
    put_experiment("file: words.txt, tasks: [shape, colour]");
    struct small_run r = open_run();
    write_tree(&r, "run.yaml");
    small_run_close(&r);
    assert_int_equal(unlink(in_folder("words.txt")), 0);
    struct umb_experiment *before = read_experiment("run.yaml"),
                          *now = read_experiment("table.yaml");
    assert_int_equal(umb__experiment_same(before, now), UMB_OK);
    assert_int_equal(umb__experiment_resume(before, now), UMB_OK);
    umb__experiment_destroy(before);
    assert_int_equal(umb__experiment_open(now), UMB_OK);
    assert_int_equal(umb__experiment_net(now, &net), UMB_OK);
    char *text = NULL; /* what the resumed run keeps is as before */
    assert_int_equal(umb__yaml_write(now->tree, &text), UMB_OK);
    assert_non_null(strstr(text, in_folder("words.txt")));
    assert_non_null(strstr(text, "size: 3"));
    umb__free(text);
    umb_net_destroy(net);
    umb__experiment_destroy(now);
    put_experiment("rows: 10, size: 3"); /* not the same */
    now = read_experiment("table.yaml");
    before = read_experiment("run.yaml");
    assert_int_equal(umb__experiment_same(before, now), UMB_ERR_INVALID);
    umb__experiment_destroy(now);
    umb__experiment_destroy(before);
}

/* ---- what is refused ---- */

static void wrong_keys_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *embedding, *message;
    } rows[] = {
        {"file: nowhere.txt", "embedding.file: '"},
        {"file: []", "embedding.file: "},
        {"file: words.txt, tasks: [shape], values: [1]", "values: stands beside file"},
        {"file: words.txt, tasks: [shape], names: [red]", "tasks: stands beside names"},
        {"file: words.txt, tensor: w", "tensor: is not for text"},
        {"file: w.safetensors, names: [red]", "names: is not for safetensors"},
        {"file: w.safetensors, tasks: [shape]", "tasks: is not for safetensors"},
        {"file: words.txt, names: []", "names: is empty"},
        {"file: words.txt, names: red", "embedding.names: "},
        {"file: words.txt, tasks: [shap]", "unknown task 'shap'"},
        {"file: words.txt, tasks: [place]", "'place' has no names for its answers"},
        {"file: words.txt, names: [red, rod]", "none of its 11 rows is called 'rod'"},
        {"file: words.txt, names: [red, green], rows: 3", "rows: is 3, the file has 2"},
        {"file: words.txt, names: [red, green], size: 4", "size: is 4, the file has 3"},
        {"file: words.txt, names: [red, green], colour: 4", "colour: unknown key"},
        {"names: [red], rows: 1, size: 1", "names: unknown key"},
        {"file: words.txt, names: [red, green]", "channels 0 to 3 of an input with 2"},
    };
    put_words();
    put_tensor();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct umb_net *net = NULL;
        put_experiment(rows[i].embedding);
        struct umb_experiment *exp = read_experiment("table.yaml");
        assert_int_equal(umb__experiment_open(exp), UMB_OK);
        assert_int_not_equal(umb__experiment_net(exp, &net), UMB_OK);
        const char *is = umb_context_error(files_context());
        if (!strstr(is, rows[i].message) || !strstr(is, "table.yaml:")) {
            fail_msg("%s: '%s', expected '%s'", rows[i].embedding, is, rows[i].message);
        }
        umb__experiment_destroy(exp);
    }
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    enum umb_status st = UMB_ERR_NO_MEMORY;
    put_words();
    put_experiment("file: words.txt, tasks: [shape, colour]");
    for (uint64_t n = 1; st != UMB_OK; n++) {
        struct umb_net *net = NULL;
        struct umb_experiment *exp = read_experiment("table.yaml");
        assert_int_equal(umb__experiment_open(exp), UMB_OK);
        umb__alloc_fail_at(n);
        st = umb__experiment_net(exp, &net);
        umb__alloc_fail_at(0);
        if (st != UMB_OK && st != UMB_ERR_NO_MEMORY) {
            fail_msg("allocation %d: %s", (int)n, umb_context_error(files_context()));
        }
        umb_net_destroy(net);
        umb__experiment_destroy(exp);
    }
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(tables_begin_with_the_file),   IN_FOLDER(only_trained_tables_change),
        IN_FOLDER(a_checkpoint_has_the_numbers), IN_FOLDER(a_run_is_resumed_without_the_file),
        IN_FOLDER(wrong_keys_are_refused),       IN_FOLDER(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests_name("table_files", tests, NULL, NULL);
}
