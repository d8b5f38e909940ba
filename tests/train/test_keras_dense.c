/*
 * test_keras_dense.c: examples/cifar10-dense.yaml computes what Keras does: a dense layer on the
 * last axis of a feature map, then Flatten and a dense layer, probabilities within 1e-6. Keras's
 * are made by tests/golden/make_cifar10_dense.py.
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

#include "golden_cifar10_dense.h"
#include "small_run.h"

#define PIXELS (32 * 32 * 3)

static const char shapes[] =
    "{\"photos\": {\"shape\": [32, 32, 3], \"targets\": [{\"name\": \"label\", \"kind\": 0, "
    "\"classes\": 10, \"values\": 0, \"height\": 0, \"width\": 0, \"class_names\": null}]}}";

static char *read_example(const char *name)
{
    char path[1024];
    const char *source = getenv("UMBEL_TEST_SOURCE");
    snprintf(path, sizeof path, "%s/examples/%s.yaml", source ? source : ".", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_in_range(fread(text, 1, 65535, f), 1, 65534);
    fclose(f);
    return text;
}

static void fill(uint8_t images[2 * PIXELS])
{
    for (int i = 0; i < 2 * PIXELS; i++) {
        images[i] = (uint8_t)((i * 37 + i / 96 * 11 + i / 3072 * 5) % 256);
    }
}

static void dense_on_a_feature_map_is_kerass(void **state)
{
    (void)state;
    static uint8_t images[2 * PIXELS];
    char *text = read_example("cifar10-dense");
    struct small_run r = small_run_open_text(text, shapes);
    small_run_compile(&r);
    assert_int_equal(umb_trainer_n_parameters(r.trainer),
                     32 * 27 + 32 + 64 * 32 + 64 + 10 * 57600 + 10);
    float answer[2][10];
    float *const outputs[1] = {answer[0]};
    fill(images);
    const struct umb_batch batch = {2, images};
    assert_int_equal(umb_trainer_predict(r.trainer, &batch, outputs), UMB_OK);
    double worst = 0;
    for (int n = 0; n < 2; n++) {
        for (int k = 0; k < 10; k++) {
            const double off = fabs((double)answer[n][k] - keras_probability[n][k]);
            worst = fmax(worst, off);
            if (!(off <= 1e-6)) {
                fail_msg("image %d, class %d: %.9f, Keras's %.9f", n, k, (double)answer[n][k],
                         keras_probability[n][k]);
            }
        }
    }
    print_message("# probabilities off by %.1e\n", worst);
    small_run_close(&r);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dense_on_a_feature_map_is_kerass)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
