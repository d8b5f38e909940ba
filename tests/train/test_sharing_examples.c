/* test_sharing_examples.c: examples in a short form, where their data are: some steps of real
 * samples with finite losses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data_files.h"
#include "small_run.h"

#define STEPS 3

/* Steps of the example; false: its data are absent. */
static bool run(const char *example, const char *data, const char *const *sets, size_t n_sets)
{
    char path[1024], folder[1024];
    const char *source = getenv("UMBEL_TEST_SOURCE"), *found = real_data(data);
    if (!found) { return false; }
    snprintf(folder, sizeof folder, "%.*s", (int)(strlen(found) - strlen(data) - 1), found);
    setenv("UMBEL_DATA", folder, 1);
    snprintf(path, sizeof path, "%s/examples/%s.yaml", source ? source : ".", example);
    struct small_run r = small_run_open(path, sets, n_sets);
    small_run_start(&r, STEPS);
    for (int i = 0; i < STEPS; i++) {
        small_run_step(&r, small_run_batch(&r));
        for (size_t t = 0; t < r.exp->n_tasks; t++) {
            if (!isfinite(r.losses[t])) { fail_msg("%s: loss %g", example, r.losses[t]); }
        }
    }
    small_run_close(&r);
    return true;
}

static const char *const few_pairs[] = {"data.pairs.limit=12", "train.batch=4"};

static void two_inputs(void **state)
{
    (void)state;
    if (!run("two-inputs", "mtfl/labels.csv", few_pairs, 2)) { skip(); }
}

static void two_inputs_untied(void **state)
{
    (void)state;
    static const char *const sets[] = {"data.pairs.limit=12", "train.batch=4",
                                       "trunk.3.share=null"};
    if (!run("two-inputs", "mtfl/labels.csv", sets, 3)) { skip(); }
}

static void two_inputs_joint(void **state)
{
    (void)state;
    if (!run("two-inputs-joint", "mtfl/labels.csv", few_pairs, 2)) { skip(); }
}

static void multi_mnist(void **state)
{
    (void)state;
    static const char *const sets[] = {"data.pairs.limit=64", "train.batch=16"};
    if (!run("multi-mnist", "mnist", sets, 2)) { skip(); }
}

static void cifar10_dense(void **state)
{
    (void)state;
    static const char *const sets[] = {"data.photos.limit=64", "train.batch=16"};
    if (!run("cifar10-dense", "cifar10", sets, 2)) { skip(); }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_inputs), cmocka_unit_test(two_inputs_untied),
        cmocka_unit_test(two_inputs_joint), cmocka_unit_test(multi_mnist),
        cmocka_unit_test(cifar10_dense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
