/*
 * test_inputs.c: experiments with several images a sample: they stay together, whatever the order;
 * branches share parameters or do not; what cannot be is refused.
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

#include "alloc.h"
#include "data_files.h"
#include "small_run.h"

#define ROWS 24
#define TRAINED 18 /* the others validate */
#define BATCH 5
#define LEFT (6 * 5)
#define RIGHT (3 * 3)

/* Left 6×5, right 4×4, which is scaled to 3×3; %s: where the table is, and the right branch's key.
 */
static const char text[] =
    "data:\n"
    "  pairs:\n"
    "    format: csv\n"
    "    path: %s\n"
    "    inputs: {left: l, right: {column: r, size: 3, normalize: {mean: 0.5, std: 0.25}}}\n"
    "    targets: {kind: {column: kind}, half: {column: half}}\n"
    "    validation: 0.25\n"
    "trunk:\n"
    "  - {conv: {filters: 2, size: 3}, from: left, name: a}\n"
    "  - {flatten: {}, name: left_end}\n"
    "  - {conv: {filters: 2, size: 3}, from: right%s}\n"
    "  - {flatten: {}, name: right_end}\n"
    "tasks:\n"
    "  kind: {target: kind, head: [{dense: {from: left_end, units: 3}}], loss: cross_entropy}\n"
    "  half: {target: half, head: [{dense: {units: 2}}], loss: cross_entropy}\n"
    "train: {batch: 5, optimizer: {sgd: {rate: 0.01}}}\n";

static const char shapes[] =
    "{\"pairs\": {\"shape\": [6, 5, 1], \"more\": [[3, 3, 1]], \"targets\": ["
    "{\"name\": \"kind\", \"kind\": 0, \"classes\": 3, \"values\": 0, \"height\": 0, \"width\": 0, "
    "\"class_names\": null},"
    "{\"name\": \"half\", \"kind\": 0, \"classes\": 2, \"values\": 0, \"height\": 0, \"width\": 0, "
    "\"class_names\": null}]}}";

static void put_image(const char *side, int row, uint32_t height, uint32_t width, int grey)
{
    uint8_t pixels[64];
    char name[32];
    memset(pixels, grey, sizeof pixels);
    snprintf(name, sizeof name, "%s%d.png", side, row);
    put_blob(name, png_grey(height, width, pixels));
}

/* Row i: left all 10 + i, right all 100 + i, kind i%3, half i%2. */
static void put_pairs(void)
{
    char table[ROWS * 32 + 32] = "l,r,kind,half\n";
    for (int i = 0; i < ROWS; i++) {
        put_image("l", i, 6, 5, 10 + i);
        put_image("r", i, 4, 4, 100 + i);
        snprintf(table + strlen(table), 32, "l%d.png,r%d.png,%d,%d\n", i, i, i % 3, i % 2);
    }
    put_text("pairs.csv", table);
}

static struct small_run open_pairs(const char *path, const char *more, const char *given_shapes)
{
    char all[2048];
    snprintf(all, sizeof all, text, path, more);
    return small_run_open_text(all, given_shapes);
}

/* The row that sample i of the slot is of, once all that belongs to it has been looked at. */
static int row_of(const struct umb_slot_view *view, int i)
{
    const uint8_t *left = view->images[0] + i * LEFT, *right = view->images[1] + i * RIGHT;
    const int row = left[0] - 10;
    for (int k = 0; k < LEFT; k++) {
        assert_int_equal(left[k], 10 + row);
    }
    for (int k = 0; k < RIGHT; k++) {
        assert_int_equal(right[k], 100 + row);
    }
    for (int t = 0; t < 2; t++) {
        assert_int_equal(((const int32_t *)view->labels[t])[i], row % (t ? 2 : 3));
        assert_true(view->mask[t][i] == 1);
    }
    return row;
}

static void images_of_a_sample_stay_together(void **state)
{
    (void)state;
    put_pairs();
    struct small_run r = open_pairs(in_folder("pairs.csv"), "", NULL);
    const int batches = (TRAINED + BATCH - 1) / BATCH;
    int sorted = 0;
    small_run_start(&r, 2 * batches);
    for (int pass = 0; pass < 2; pass++) {
        int seen[ROWS] = {0}, before = -1;
        for (int b = 0; b < batches; b++) {
            struct umb_slot_view view;
            const int slot = small_run_batch(&r), n = b + 1 < batches ? BATCH : TRAINED % BATCH;
            umb__trainer_slot(r.trainer, UMB_TRAINER_TRAIN, slot, &view);
            for (int i = 0; i < n; i++) {
                const int row = row_of(&view, i);
                assert_in_range(row, 0, ROWS - 1);
                assert_int_equal(seen[row]++, 0);
                sorted += row > before;
                before = row;
            }
            small_run_step(&r, slot);
            assert_true(isfinite(r.losses[0]) && isfinite(r.losses[1]));
        }
    }
    assert_in_range(sorted, 0, 2 * TRAINED - 4);
    small_run_close(&r);
}

static int64_t count_parameters(const char *share)
{
    struct small_run r = open_pairs("nowhere.csv", share, shapes);
    small_run_compile(&r);
    const int64_t n = umb_trainer_n_parameters(r.trainer);
    small_run_close(&r);
    return n;
}

/* Heads: 4·3·2 = 24 inputs and 3 classes, 2 inputs and 2 classes. A convolution: 18 + 2. */
static void branches_share_or_do_not(void **state)
{
    (void)state;
    const int64_t heads = 24 * 3 + 3 + 2 * 2 + 2;
    assert_int_equal(count_parameters(""), heads + 2 * 20);
    assert_int_equal(count_parameters(", share: null"), heads + 2 * 20);
    assert_int_equal(count_parameters(", share: a"), heads + 20);
}

/* A layer of one head takes the parameters of the other head's. */
static void heads_share_with_heads_and_the_trunk(void **state)
{
    (void)state;
    struct small_run r = small_run_open_text(
        "data: {p: {format: shapes, count: 40}}\n"
        "trunk: [{conv: {filters: 3, size: 1, name: c}}, {max_pool: {size: 8}}]\n"
        "tasks:\n"
        "  a: {target: shape, head: [{conv: {filters: 3, size: 1, share: c}}, flatten, {dense: "
        "{units: 4, name: d}}], loss: cross_entropy}\n"
        "  b: {target: shape, head: [flatten, {dense: {units: 4, share: a.d}}], loss: "
        "cross_entropy}\n",
        NULL);
    small_run_compile(&r);
    assert_int_equal(umb_trainer_n_parameters(r.trainer), 3 * 3 + 3 + 48 * 4 + 4);
    small_run_close(&r);
}

static void a_checkpoint_knows_the_shapes(void **state)
{
    (void)state;
    put_pairs();
    struct small_run r = open_pairs(in_folder("pairs.csv"), "", NULL);
    char *json = NULL;
    assert_int_equal(umb__experiment_shapes(r.exp, &json), UMB_OK);
    struct small_run again = open_pairs("nowhere.csv", "", json);
    assert_int_equal(again.exp->data[0].shape[0], 6);
    assert_int_equal(again.exp->data[0].more[0].shape[0], 3);
    char *damaged = strstr(json, "\"more\"");
    assert_non_null(damaged);
    damaged[1] = 'n';
    assert_int_equal(umb__experiment_bind(again.exp, json, "a checkpoint"), UMB_ERR_FORMAT);
    umb__free(json);
    small_run_close(&again);
    small_run_close(&r);
}

/* Heads on the images themselves, and two data sets of which each has its run of the trunk. */
static void trunks_and_heads_take_images_by_name(void **state)
{
    (void)state;
    static const char both[] =
        "data:\n"
        "  p: &p {format: csv, path: x, inputs: {left: l, right: r}, targets: {kind: {column: "
        "k}}}\n"
        "  q: *p\n"
        "trunk: [{conv: {filters: 2, size: 2}, from: right, name: c}]\n"
        "tasks:\n"
        "  a: {data: p, head: [flatten, {dense: {units: 3}}], loss: cross_entropy}\n"
        "  b: {data: q, head: [flatten, {dense: {units: 3}}], loss: cross_entropy}\n"
        "  e: {data: q, head: [{flatten: {from: left}}, {dense: {units: 3}}], loss: "
        "cross_entropy}\n";
    char given[2048];
    const char *one = strstr(shapes, "pairs") + 6;
    snprintf(given, sizeof given, "{\"p\"%.*s, \"q\"%s", (int)strlen(one) - 1, one, one);
    struct small_run r = small_run_open_text(both, given);
    assert_int_equal(umb_net_n_images(r.net), 4);
    small_run_compile(&r);
    assert_int_equal(umb_trainer_n_parameters(r.trainer), 10 + 2 * (8 * 3 + 3) + LEFT * 3 + 3);
    small_run_close(&r);
}

/* What stands in the data's and the trunk's place, and what the message has. */
static const struct {
    const char *what, *data, *trunk, *where, *message;
} mistakes[] = {
    {"one input", "inputs: {left: l}", "", ":1: data.p.inputs: ", "has 1 images; expected 2"},
    {"a list", "inputs: [l, r]", "", ":1: data.p.inputs: ", "map"},
    {"two ways", "image_column: l, inputs: {left: l, right: r}", "",
     ":1: data.p.image_column: ", "not both"},
    {"the taken name", "inputs: {input: l, right: r}", "",
     ":1: data.p.inputs.input: ", "expected another name"},
    {"no column", "inputs: {left: l, right: {size: 3}}", "",
     ":1: data.p.inputs.right: ", "column: is missing"},
    {"an unknown key", "inputs: {left: l, right: {colum: r}}", "",
     ":1: data.p.inputs.right.colum: ", "did you mean 'column'?"},
    {"channels of 2", "inputs: {left: l, right: {column: r, channels: 2}}", "",
     ":1: data.p.inputs.right.channels: ", "1 (grey) or 3"},
    {"means for three channels",
     "inputs: {left: l, right: {column: r, normalize: {mean: [0, 0, 0]}}}", "flatten: {from: left}",
     ":1: data.p.inputs.right.normalize: ", "one a channel"},
    {"the data set's means, for three channels",
     "normalize: {mean: [0, 0, 0]}, inputs: {left: l, right: r}", "flatten: {from: left}",
     ":1: data.p.normalize: ", "one a channel"},
    {"the data set's means, for an input's channels",
     "normalize: {mean: [0, 0, 0]}, inputs: {left: {column: l, normalize: {}}, right: r}",
     "flatten: {from: left}", ":1: data.p.inputs.right: ", "one a channel"},
    {"nothing to begin from", NULL, "flatten: {}", ":2: trunk.0: ", "from: is missing"},
    {"a bare op", NULL, "flatten", ":2: trunk.0: ", "from: is missing"},
    {"input", NULL, "flatten: {from: input}", ":2: trunk.0.flatten.from: ", "left"},
    {"images that do not fit", NULL, "concat: {from: [left, right]}",
     ":2: trunk.0.concat: ", "[1,3,3,1]"},
    {"an unknown layer", NULL, "conv: {filters: 1, size: 1, from: left, share: lefft}",
     ":2: trunk.0.conv.share: ", "lefft"},
    {"an image", NULL, "conv: {filters: 1, size: 1, from: left, share: left}",
     ":2: trunk.0.conv.share: ", "left"},
    {"a layer elsewhere that is not", NULL,
     "conv: {filters: 1, size: 1, from: left, share: k.dense9}",
     ":2: trunk.0.conv: ", "no layer named 'k.dense9'"},
    {"a layer of another op", NULL,
     "flatten: {from: left, name: f}}, {dense: {units: 3, name: g}}, {conv: {filters: 1, size: 1, "
     "from: left, share: g}",
     ":2: trunk.2.conv: ", "cannot share"},
    {"parameters of another shape", NULL,
     "conv: {filters: 1, size: 1, from: left, name: f}}, {conv: {filters: 2, size: 1, from: left, "
     "share: f}",
     ":2: trunk.1.conv: ", "f.weight"},
    {"a residual block", NULL,
     "residual: {from: left, body: [{conv: {filters: 1, size: 1}}]}, share: left",
     ":2: trunk.0.share: ", "residual is no layer"},
};

static enum umb_status try_it(struct umb_context *ctx, const char *path)
{
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    char given[1024];
    snprintf(given, sizeof given, "{\"p%s", strstr(shapes, "pairs") + 5);
    enum umb_status st = umb__experiment_read(ctx, path, NULL, 0, &exp);
    if (st == UMB_OK) { st = umb__experiment_bind(exp, given, "shapes"); }
    if (st == UMB_OK) { st = umb__experiment_net(exp, &net); }
    umb_net_destroy(net);
    umb__experiment_destroy(exp);
    return st;
}

static void mistakes_are_answered_with_line_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char all[1024];
        snprintf(all, sizeof all,
                 "data: {p: {format: csv, path: t.csv, %s, targets: {kind: {column: k}}}}\n"
                 "trunk: [{%s}]\n"
                 "tasks: {k: {head: [flatten, {dense: {units: 3}}], loss: cross_entropy}}\n",
                 mistakes[i].data ? mistakes[i].data : "inputs: {left: l, right: r}",
                 mistakes[i].trunk[0] ? mistakes[i].trunk : "flatten: {from: left}");
        put_text("wrong.yaml", all);
        struct umb_context *ctx = files_context();
        const enum umb_status st = try_it(ctx, in_folder("wrong.yaml"));
        const char *message = umb_context_error(ctx);
        if (st == UMB_OK) { fail_msg("%s: no error", mistakes[i].what); }
        if (!strstr(message, mistakes[i].where) || !strstr(message, mistakes[i].message)) {
            fail_msg("%s: '%s' lacks '%s' or '%s'", mistakes[i].what, message, mistakes[i].where,
                     mistakes[i].message);
        }
    }
}

/* A file of a further image that is damaged is named with its row and column. */
static void a_damaged_image_is_named(void **state)
{
    (void)state;
    put_pairs();
    put_text("r3.png", "no image");
    char all[2048];
    struct umb_experiment *exp = NULL;
    snprintf(all, sizeof all, text, "pairs.csv", ""); /* beside the experiment */
    put_text("pairs.yaml", all);
    struct umb_context *ctx = files_context();
    const char *const all_trained = "data.pairs.validation=0";
    assert_int_equal(umb__experiment_read(ctx, in_folder("pairs.yaml"), &all_trained, 1, &exp),
                     UMB_OK);
    if (umb__experiment_open(exp) != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    uint8_t image[RIGHT];
    assert_failed(umb_dataset_read(exp->data[0].more[0].dataset, UMB_SPLIT_TRAIN, 3, image, NULL),
                  UMB_ERR_FORMAT, PIECES("pairs.csv:5: r: ", "r3.png"));
    umb__experiment_destroy(exp);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_FOLDER(images_of_a_sample_stay_together),
                                       IN_FOLDER(branches_share_or_do_not),
                                       IN_FOLDER(heads_share_with_heads_and_the_trunk),
                                       IN_FOLDER(trunks_and_heads_take_images_by_name),
                                       IN_FOLDER(a_checkpoint_knows_the_shapes),
                                       IN_FOLDER(mistakes_are_answered_with_line_and_key),
                                       IN_FOLDER(a_damaged_image_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
