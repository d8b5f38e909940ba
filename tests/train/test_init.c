/*
 * Named ways to begin: mean, variance and bounds of what is drawn, by the formulas of init.h; the
 * same seed gives the same bits; layers' own words go before the whole's.
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

#include "init.h"
#include "nets.h"
#include "session.h"
#include "world.h"

/* A file's [K,C,R,S] or, with rank 2, [K,C]. */
static struct umb_param_spec spec_of(int rank, int64_t k, int64_t c, int64_t r)
{
    const struct umb_shape file = {rank, {k, c, r, r}};
    return (struct umb_param_spec){.name = "x.weight",
                                   .type = {.dtype = UMB_F32, .shape = file},
                                   .layout = umb__layout_plain(&file),
                                   .init = UMB_INIT_FAN_IN,
                                   .fan_in = (double)(c * (rank > 2 ? r * r : 1))};
}

static float *drawn(const char *name, const struct umb_param_spec *spec, uint64_t seed,
                    int64_t *ret_n)
{
    *ret_n = umb__shape_count(&spec->layout.file_shape);
    float *x = umb__calloc(world.ctx, (size_t)*ret_n, sizeof *x);
    const int way = umb__init_find(world.ctx, name);
    assert_non_null(x);
    assert_true(way > 0);
    must(umb__init_draw(world.ctx, way, spec, seed, 7, x));
    return x;
}

/* The estimates' own spread: σ/√n of a mean, about σ²·√(2/n) of a variance. */
static void check_numbers(const char *name, const float *x, int64_t n, double variance, bool bound)
{
    double sum = 0, squares = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
        most = fabs((double)x[i]) > most ? fabs((double)x[i]) : most;
    }
    const double mean = sum / (double)n, found = squares / (double)n - mean * mean;
    const double edge = sqrt(3 * variance); /* of a uniform distribution */
    if (!(fabs(mean) < 4 * sqrt(variance / (double)n)) ||
        !(fabs(found / variance - 1) < 6 * sqrt(2 / (double)n))) {
        fail_msg("%s: mean %g, variance %g; expected 0 and %g", name, mean, found, variance);
    }
    if (bound ? !(most <= edge * (1 + 1e-6) && most > 0.99 * edge) : !(most > 1.7 * edge)) {
        fail_msg("%s: the largest is %g; a uniform one's would be %g", name, most, edge);
    }
}

static void numbers_have_their_spread(void **state)
{
    (void)state;
    /* conv: fan_in 24·9 = 216, fan_out 40·9 = 360; dense: 96 and 150 */
    const struct umb_param_spec conv = spec_of(4, 40, 24, 3), dense = spec_of(2, 150, 96, 1);
    static const struct {
        const char *name;
        double of_conv, of_dense;
        bool bound;
    } rows[] = {{"he_normal", 2.0 / 216, 2.0 / 96, false},
                {"he_uniform", 2.0 / 216, 2.0 / 96, true},
                {"glorot_normal", 2.0 / 576, 2.0 / 246, false},
                {"glorot_uniform", 2.0 / 576, 2.0 / 246, true},
                {"lecun_normal", 1.0 / 216, 1.0 / 96, false},
                {"lecun_uniform", 1.0 / 216, 1.0 / 96, true},
                {"normal", 0.0025, 0.0025, false},
                {"uniform", 0.0025 / 3, 0.0025 / 3, true}};
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        int64_t n;
        float *x = drawn(rows[i / 2].name, i % 2 ? &dense : &conv, 3, &n);
        check_numbers(rows[i / 2].name, x, n, i % 2 ? rows[i / 2].of_dense : rows[i / 2].of_conv,
                      rows[i / 2].bound);
        umb__free(x);
    }
}

/* W·Wᵀ, or Wᵀ·W where there are more rows, is the unit matrix. */
static void check_orthogonal(const struct umb_param_spec *spec)
{
    int64_t n;
    float *x = drawn("orthogonal", spec, 5, &n);
    const int64_t rows = spec->layout.file_shape.dim[0], columns = n / rows;
    const bool wide = rows < columns;
    const int64_t m = wide ? rows : columns, length = wide ? columns : rows;
    for (int64_t a = 0; a < m; a++) {
        for (int64_t b = 0; b <= a; b++) {
            double dot = 0;
            for (int64_t i = 0; i < length; i++) {
                dot += (double)x[wide ? a * columns + i : i * columns + a] *
                       (double)x[wide ? b * columns + i : i * columns + b];
            }
            if (!(fabs(dot - (a == b)) < 1e-6)) {
                fail_msg("%lld·%lld is %g", (long long)a, (long long)b, dot);
            }
        }
    }
    umb__free(x);
}

static void orthogonal_ones_are(void **state)
{
    const struct umb_param_spec specs[] = {spec_of(2, 17, 40, 1), spec_of(2, 40, 17, 1),
                                           spec_of(2, 23, 23, 1), spec_of(4, 16, 5, 3),
                                           spec_of(2, 1, 1, 1)};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        check_orthogonal(&specs[i]);
    }
}

static void constants_are_constant(void **state)
{
    const struct umb_param_spec spec = spec_of(4, 3, 5, 2);
    int64_t n;
    (void)state;
    float *ones = drawn("ones", &spec, 1, &n), *zeros = drawn("zeros", &spec, 1, &n);
    for (int64_t i = 0; i < n; i++) {
        assert_true(ones[i] > 0.99999f && ones[i] < 1.00001f);
        assert_true(zeros[i] < 1e-30f && zeros[i] > -1e-30f);
    }
    umb__free(ones);
    umb__free(zeros);
}

static void a_seed_is_its_bits(void **state)
{
    const struct umb_param_spec spec = spec_of(4, 8, 5, 3);
    int64_t n;
    (void)state;
    for (int way = 1; umb__init_names[way]; way++) {
        const char *name = umb__init_names[way];
        float *a = drawn(name, &spec, 3, &n), *b = drawn(name, &spec, 3, &n),
              *c = drawn(name, &spec, 4, &n);
        const size_t bytes = (size_t)n * sizeof *a;
        const bool fixed = strcmp(name, "zeros") == 0 || strcmp(name, "ones") == 0;
        assert_memory_equal(a, b, bytes);
        assert_true((memcmp(a, c, bytes) == 0) == fixed);
        umb__free(a);
        umb__free(b);
        umb__free(c);
    }
}

/* ---- in a network ---- */

static struct umb_net *net_of(const char *init)
{
    struct umb_net *net = test_net(world.ctx);
    int h = test_stream(world.ctx, net, "image", 9, 9, 3);
    const struct umb_layer_desc conv = {
        .op = "conv", .attrs = "filters=32 size=3", .name = "c", .init = init, .in = &h, .n_in = 1};
    int out;
    must(umb_net_layer(net, &conv, &out));
    out = test_layer(world.ctx, net, "batch_norm", NULL, out);
    out = test_layer(world.ctx, net, "flatten", NULL, out);
    out = test_layer(world.ctx, net, "dense", "units=20", out);
    test_task(world.ctx, net, "kind", out, "cross_entropy", 1);
    return net;
}

static void check_tensor(const struct umb_safetensors *file, const char *name, double variance)
{
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, name);
    assert_non_null(e);
    check_numbers(name, e->data, umb__shape_count(&e->shape), variance, false);
}

static void check_constant(const struct umb_safetensors *file, const char *name, double value)
{
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, name);
    assert_non_null(e);
    for (int64_t i = 0; i < umb__shape_count(&e->shape); i++) {
        assert_true(fabs((double)((const float *)e->data)[i] - value) < 1e-30);
    }
}

/* The layer says he_normal, the trainer lecun_normal; batch norm keeps its ones and zeros. */
static void layers_go_before_the_whole(void **state)
{
    const struct umb_trainer_desc parts = {.init = "lecun_normal"};
    struct umb_net *net = net_of("he_normal");
    const struct session_desc desc = {
        .device = world.device, .net = net, .batch = 2, .seed = 9, .parts = &parts};
    struct session s = session_open(world.ctx, &desc);
    struct umb_safetensors *file = session_collect(&s);
    (void)state;
    check_tensor(file, "c.weight", 2.0 / 27);
    check_tensor(file, "dense1.weight", 1.0 / (32 * 49));
    check_constant(file, "c.bias", 0);
    check_constant(file, "dense1.bias", 0);
    check_constant(file, "batch_norm1.weight", 1);
    check_constant(file, "batch_norm1.bias", 0);
    umb__safetensors_destroy(file);
    session_close(&s);
    umb_net_destroy(net);
}

static void wrong_names_are_refused(void **state)
{
    struct umb_net *net = net_of(NULL);
    struct umb_trainer *tr = NULL;
    int h = test_stream(world.ctx, net, "other", 9, 9, 3), out;
    struct umb_layer_desc layer = {.op = "relu", .init = "he_normal", .in = &h, .n_in = 1};
    struct umb_trainer_desc desc = {
        .device = world.device, .net = net, .batch = 2, .optimizer = "sgd", .init = "he_norml"};
    (void)state;
    assert_int_equal(umb_net_layer(net, &layer, &out), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "relu has no weights"));
    layer = (struct umb_layer_desc){
        .op = "conv", .attrs = "filters=2 size=1", .init = "xavier", .in = &h, .n_in = 1};
    assert_int_equal(umb_net_layer(net, &layer, &out), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "'xavier'"));
    assert_int_equal(umb_trainer_create(world.ctx, &desc, &tr), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(world.ctx), "did you mean 'he_normal'?"));
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_their_spread),  cmocka_unit_test(orthogonal_ones_are),
        cmocka_unit_test(constants_are_constant),     cmocka_unit_test(a_seed_is_its_bits),
        cmocka_unit_test(layers_go_before_the_whole), cmocka_unit_test(wrong_names_are_refused),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
