/*
 * test_cli_examples.c: the examples, trained in a short form by the command. Those whose data are
 * not there are skipped, and said to be. Two inputs, MultiMNIST and cifar10-dense:
 * tests/train/test_sharing_examples.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli_fixture.h"

#define FEW_FACES "--set data.faces.limit=64"
#define FEW_IMAGES "--set data.digits.limit=64 --set data.clothes.limit=64"
#define FEW_DIGITS "--set data.digits.limit=64"
#define FEW_PHOTOS "--set data.photos.limit=32"
#define FEW_PICTURES "--set data.pictures.count=64 "

static char data_root[512]; /* $UMBEL_DATA, which the fixture takes out, or what lies beside */

/* Trains and evaluates an example, whose results name `task`. */
static void train(const char *name, const char *limits, const char *data, const char *task)
{
    const char *source = getenv("UMBEL_TEST_SOURCE");
    char line[2048], there[1024];
    snprintf(there, sizeof there, "%s/%s", data_root, data ? data : "");
    if (data && access(there, R_OK) != 0) {
        print_message("# %s: its data are not here\n", name);
        skip();
    }
    snprintf(line, sizeof line,
             "export UMBEL_DATA='%s'; umbel train '%s/examples/%s.yaml' %s "
             "--set train.epochs=1 --set train.batch=16 --out %s >log.txt 2>&1 && umbel eval %s "
             "|| { cat log.txt; false; }",
             data_root, source, name, limits, name, name);
    expect(line, 0, task);
}

static void residual_sharing(void **state)
{
    (void)state;
    train("residual-sharing", FEW_IMAGES, "fashion-mnist", "garment");
}

static void cross_stitch(void **state)
{
    (void)state;
    train("cross-stitch", FEW_FACES, "mtfl/labels.csv", "smile");
}

static void mixture(void **state)
{
    (void)state;
    train("mixture", FEW_FACES, "mtfl/labels.csv", "pose");
}

static void attention(void **state)
{
    (void)state;
    train("attention", FEW_FACES, "mtfl/labels.csv", "smile");
}

static void task_graph(void **state)
{
    (void)state;
    train("task-graph", FEW_FACES, "mtfl/labels.csv", "glasses");
}

static void class_vectors(void **state)
{
    (void)state;
    train("class-vectors", FEW_PICTURES, NULL, "colour");
}

/* A 32×32 PNG. */
#define RED                                                                                        \
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAJ0lEQVR42u3NsQkAAAjAsP7/tF7hIASyp6lTCQQCgUAg" \
    "EAgEgi/BAjLD/C5w/SM9AAAAAElFTkSuQmCC"

/* Behind the first checkpoint the file may be gone; a new run says that it is. */
static void a_run_needs_no_vectors(void **state)
{
    (void)state;
    char line[2048];
    snprintf(line, sizeof line,
             "cp '%s'/examples/class-vectors.* . && printf " RED " | base64 -d > red.png",
             getenv("UMBEL_TEST_SOURCE"));
    expect(line, 0, "");
    expect("umbel train class-vectors.yaml --out v --set train.epochs=1 " FEW_PICTURES, 0,
           "report");
    expect("mv class-vectors.txt gone.txt; umbel eval v", 0, "colour");
    expect("umbel predict v red.png", 0, "colour");
    expect("umbel train class-vectors.yaml --out v --resume --set train.epochs=2 " FEW_PICTURES, 0,
           "report");
    expect("umbel predict v red.png", 0, "shape");
    expect("umbel train class-vectors.yaml --out w " FEW_PICTURES, 2,
           "class-vectors.yaml:18: trunk.8.embedding.file: 'class-vectors.txt' is not there");
    expect("mv gone.txt class-vectors.txt && sed -e '/graph_mix/d' -e 's/tasks: .shape, "
           "colour./names: "
           "[circle, square, triangle, cross, red, green, blue, yellow, magenta, cyan]/' "
           "class-vectors.yaml >names.yaml && umbel compare names.yaml --methods equal --seeds 1 "
           "--out c --set train.epochs=1 " FEW_PICTURES,
           0, "equal");
    expect(
        "rm class-vectors.txt; umbel compare names.yaml --methods equal --seeds 1 --out c --resume "
        "--set train.epochs=2 " FEW_PICTURES,
        0, "equal");
}

static void mnist_fashion(void **state)
{
    (void)state;
    train("mnist-fashion", FEW_IMAGES " --set train.balancer=mgda", "fashion-mnist", "garment");
}

static void balancing(void **state)
{
    (void)state;
    train("balancing", "--set data.shapes.count=64", NULL, "position");
}

static void soft_sharing(void **state)
{
    (void)state;
    train("soft-sharing", FEW_IMAGES, "fashion-mnist", "garment");
}

static void related_tasks(void **state)
{
    (void)state;
    train("related-tasks", FEW_FACES, "mtfl/labels.csv", "glasses");
}

static void faces(void **state)
{
    (void)state;
    train("faces", FEW_FACES, "mtfl/labels.csv", "landmarks");
}

static void cifar10(void **state)
{
    (void)state;
    train("cifar10", FEW_PHOTOS, "cifar10", "object");
}

static void many_heads(void **state)
{
    (void)state;
    train("many-heads", FEW_DIGITS, "mnist", "head16");
}

static void fine_tune(void **state)
{
    (void)state;
    train("fine-tune", "--set data.clothes.limit=64", "fashion-mnist", "garment");
}

static void street(void **state)
{
    (void)state;
    train("street", "--set data.scenes.limit=32", "camvid", "dominant");
}

static void resnet18(void **state)
{
    (void)state;
    train("resnet18", "--set data.photos.limit=16", "cifar10", "object");
}

static void two_devices(void **state)
{
    (void)state;
    train("two-devices", FEW_IMAGES, "fashion-mnist", "garment");
}

int main(void)
{
    const char *data = getenv("UMBEL_DATA"), *source = getenv("UMBEL_TEST_SOURCE");
    snprintf(data_root, sizeof data_root, "%s%s",
             data     ? data
             : source ? source
                      : ".",
             data ? "" : "/../shared/data");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residual_sharing), cmocka_unit_test(cross_stitch),
        cmocka_unit_test(mixture),          cmocka_unit_test(attention),
        cmocka_unit_test(task_graph),       cmocka_unit_test(mnist_fashion),
        cmocka_unit_test(balancing),        cmocka_unit_test(soft_sharing),
        cmocka_unit_test(related_tasks),    cmocka_unit_test(faces),
        cmocka_unit_test(cifar10),          cmocka_unit_test(many_heads),
        cmocka_unit_test(fine_tune),        cmocka_unit_test(street),
        cmocka_unit_test(resnet18),         cmocka_unit_test(two_devices),
        cmocka_unit_test(class_vectors),    cmocka_unit_test(a_run_needs_no_vectors),
    };
    return cmocka_run_group_tests_name("cli_examples", tests, enter, leave);
}
