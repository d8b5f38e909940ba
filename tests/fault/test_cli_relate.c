/* test_cli_relate.c: umbel relate from outside: tables, JSON and page agree, and what it cannot do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli_fixture.h"

#define SAME(experiment, folder)                                             \
    "umbel relate " experiment " --out " folder " && "                       \
    "umbel relate " experiment " --json --out " folder "-again > r.json && " \
    "cmp " folder "/relate.html " folder "-again/relate.html && "            \
    "python3 \"$UMBEL_TEST_SOURCE\"/tests/fault/check_relate.py " folder " r.json"

static void the_forms_agree(void **state)
{
    (void)state;
    expect(SAME("shapes --set data.pictures.count=200", "r"), 0, "2 heat maps show what is said");
    expect("umbel relate shapes --set data.pictures.count=200 --out r", 0, "r/relate.svg");
    expect("umbel relate shapes --set data.pictures.count=200 --out r", 0,
           "mask      mask      2 classes a pixel       200  100.0 %");
    expect("umbel relate shapes --json --set data.pictures.count=200 && test ! -e relate.html", 0,
           "\"mutual_information\"");
    expect("umbel relate shapes --set data.pictures.count=200 && ls", 0, "relate.html");
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Three tasks; one has no label, one only one class. */
static const char poor[] =
    "name: poor\n"
    "data:\n"
    "  t:\n"
    "    format: csv\n"
    "    path: t.csv\n"
    "    size: 4\n"
    "    channels: 1\n"
    "    targets: {a: {column: a}, b: {column: b, classes: [x, y]}, c: {column: c, classes: [x, "
    "y]}}\n"
    "trunk: [{flatten: {}}]\n"
    "tasks:\n"
    "  a: {target: a, loss: binary_cross_entropy, head: [{dense: {units: 1}}]}\n"
    "  b: {target: b, loss: binary_cross_entropy, head: [{dense: {units: 1}}]}\n"
    "  c: {target: c, loss: binary_cross_entropy, head: [{dense: {units: 1}}]}\n"
    "train: {epochs: 1, batch: 2, seed: 1}\n";

/* A black image, 4×4. */
static const char grey_png[] =
    "import struct, zlib\n"
    "def chunk(kind, data):\n"
    "    body = kind + data\n"
    "    return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))\n"
    "open('i.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' +\n"
    "    chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 0, 0, 0, 0)) +\n"
    "    chunk(b'IDAT', zlib.compress(bytes(20))) + chunk(b'IEND', b''))\n";

static void tasks_without_labels_are_named(void **state)
{
    (void)state;
    put("poor.yaml", poor);
    put("t.csv", "path,a,b,c\ni.png,0,,x\ni.png,1,,x\n");
    expect("umbel relate poor.yaml", 2, "i.png: cannot be opened");
    put("png.py", grey_png);
    expect("python3 png.py", 0, "");
    expect("umbel relate poor.yaml", 0, "warn: task 'b' has no label among 2 training samples");
    expect("umbel relate poor.yaml", 0, "warn: task 'c' has one class alone among 2 training");
    expect(SAME("poor.yaml", "p") " 2>&1 | tail -1", 0, "3 heat maps show what is said");
}

static void one_task_has_no_pairs(void **state)
{
    (void)state;
    put("one.yaml",
        "name: one\ndata: {s: {format: shapes, count: 20}}\ntrunk: [{flatten: {}}]\n"
        "tasks: {t: {target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}}\n"
        "train: {epochs: 1, batch: 2, seed: 1}\n");
    expect(SAME("one.yaml", "o"), 0, "0 heat maps show what is said");
    expect("umbel relate one.yaml --out o", 0, "one task: there are no pairs to relate");
    expect("test -e o/relate.svg", 1, "");
}

/* Of many pairs the most related are shown, and it is said that there are more. */
static void many_tasks_are_cut(void **state)
{
    (void)state;
    expect("{ echo 'name: many'; echo 'data: {s: {format: shapes, count: 100}}'; "
           "echo 'trunk: [{flatten: {}}]'; echo 'tasks:'; for i in $(seq 20); do "
           "echo \"  t$i: {target: colour, head: [{dense: {units: 6}}], loss: cross_entropy}\"; "
           "done; echo 'train: {epochs: 1, batch: 2, seed: 1}'; } > many.yaml",
           0, "");
    expect("umbel relate many.yaml --out m", 0, "the 66 most related of 190 pairs");
    expect(SAME("many.yaml", "m"), 0, "4 heat maps show what is said");
}

#define SOME "shapes --set data.pictures.count=60 --set train.batch=20 --set train.epochs=1 "

/* Of gradients too; and the same numbers from the run that trained as long. */
static void gradients_are_compared(void **state)
{
    (void)state;
    static char first[sizeof output];
    expect("umbel relate " SOME "--batches 3 --threshold 0.1 --rate 0.01 --out g", 0,
           "gradients of 3 batches after 3 steps");
    assert_non_null(strstr(output, "conflict: cosine below 0.1; affinity of a step of 0.01; "));
    assert_non_null(strstr(output, "training for 3 steps"));
    assert_non_null(strstr(output, "conv1 "));
    expect(SAME(SOME "--gradients", "h"), 0, "17 heat maps show what is said");
    expect("umbel train " SOME "--out run", 0, "");
    expect("umbel relate " SOME "--epochs 1 --json 2>/dev/null", 0, "\"affinity_exact\"");
    memcpy(first, output, sizeof first);
    expect("umbel relate " SOME "--from run --json 2>/dev/null", 0, "\"affinity_correlation\"");
    assert_string_equal(first, output);
    expect("umbel relate " SOME "--epochs 2 --json 2>/dev/null", 0, "");
    assert_string_not_equal(first, output);
}

/* A net a task, each with its own stream, of the same samples. */
static const char apart[] =
    "name: apart\n"
    "data: {a: {format: shapes, count: 60}, b: {format: shapes, count: 60, size: 16}}\n"
    "trunks:\n"
    "  one: [{conv: {filters: 4, size: 3}}, {global_avg_pool: {}}, {dense: {units: 6}}]\n"
    "  two: [{conv: {filters: 4, size: 3}}, {global_avg_pool: {}}, {dense: {units: 6}}]\n"
    "tasks:\n"
    "  x: {data: a, trunk: one, target: shape, head: [{dense: {units: 4}}], loss: cross_entropy}\n"
    "  y: {data: b, trunk: two, target: colour, head: [{dense: {units: 6}}], loss: "
    "cross_entropy}\n"
    "train: {epochs: 1, batch: 16, seed: 1}\n";

/* Where there are no gradients to compare there may be features, and the other way round. */
static void features_are_compared_alone(void **state)
{
    (void)state;
    put("apart.yaml", apart);
    expect(
        "umbel relate apart.yaml --gradients --out f", 0,
        "share no parameter that is trained, so gradients are not compared; cka: of 60 samples\n");
    expect("umbel relate apart.yaml --gradients --out f", 0, "both_labels     cka\n");
    expect(SAME("apart.yaml --gradients", "f") " 2>&1 | tail -1", 0, "heat maps show what is said");
    expect("umbel relate " SOME "--gradients --set 'train.freeze=[conv*, coarse*]'", 0,
           "gradients are not compared; cka: of 60 samples");
    expect("umbel relate apart.yaml --gradients --set data.b.seed=2 --set data.b.size=32 --set "
           "tasks.y.trunk=one --set 'trunks={one: [{conv: {filters: 4, size: 3}}, "
           "{global_avg_pool: {}}]}'",
           0, "cka: of 60 samples, none for 1 of 1 pairs, as x and y: their data are not the same");
}

static void gradients_that_cannot_be(void **state)
{
    (void)state;
    expect("umbel relate " SOME "--rate none", 2, "--rate: 'none' is no number");
    expect("umbel relate " SOME "--threshold 2", 2,
           "--threshold: '2' is no number, expected -1 to 1");
    expect("umbel relate " SOME "--from nowhere", 2, "nowhere: is no run");
    expect("umbel relate " SOME "--from a --epochs 2", 2, "expected one of them");
    expect("umbel relate " SOME "--gradients --device 99", 2, "99");
    expect("umbel relate one.yaml --gradients", 2, "no parameter");
    put("apart.yaml", apart);
    expect("umbel relate apart.yaml --gradients --set data.b.seed=2", 2, "share no parameter");
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    expect("umbel relate", 2, "expected FILE");
    expect("umbel relate --help", 0, "example:\n  umbel relate shapes --out relations");
    expect("umbel relate nowhere.yaml", 2, "no such experiment");
    expect("umbel relate shapes --jso", 2, "did you mean '--json'?");
    expect("umbel relate shapes --set data.pictures.count=0", 2, "data.pictures.count");
    expect("umbel relate shapes --run nowhere", 2, "nowhere: is no run");
    expect("touch plain; umbel relate shapes --set data.pictures.count=20 --out plain", 1, "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forms_agree),
        cmocka_unit_test(tasks_without_labels_are_named),
        cmocka_unit_test(one_task_has_no_pairs),
        cmocka_unit_test(many_tasks_are_cut),
        cmocka_unit_test(gradients_are_compared),
        cmocka_unit_test(features_are_compared_alone),
        cmocka_unit_test(gradients_that_cannot_be),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
