/*
 * Beginning with a file's tensors: matched by name and map, of every size of float, with a report;
 * and files that do not fit, which change nothing.
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

#include "nets.h"
#include "safetensors_float.h"
#include "session.h"
#include "text.h"
#include "world.h"

static char path[64];

static int open_all(void **state)
{
    snprintf(path, sizeof path, "/tmp/umbel-init-%ld.safetensors", (long)getpid());
    return open_world(state);
}

static int close_all(void **state)
{
    unlink(path);
    return close_world(state);
}

static struct session open_session(const struct umb_net *net, uint64_t seed)
{
    const struct session_desc desc = {
        .device = world.device, .net = net, .batch = 4, .optimizer = "sgd", .seed = seed};
    return session_open(world.ctx, &desc);
}

static void keep_line(void *user, const char *line)
{
    umb__text_printf(user, "%s\n", line);
}

static void expect_in(const char *text, const char *part)
{
    if (!strstr(text, part)) { fail_msg("'%s' says nothing of '%s'", text, part); }
}

/* ---- files ---- */

static struct umb_safetensors *new_file(void)
{
    struct umb_safetensors *file = NULL;
    must(umb__safetensors_create(world.ctx, &file));
    return file;
}

static void add(struct umb_safetensors *file, const char *name, int rank, const int64_t *dim,
                float first)
{
    struct umb_shape shape = {.rank = rank};
    int64_t n = 1;
    for (int i = 0; i < rank; i++) {
        shape.dim[i] = dim[i];
        n *= dim[i];
    }
    float *data = umb__calloc(world.ctx, (size_t)n, sizeof *data);
    assert_non_null(data);
    for (int64_t i = 0; i < n; i++) {
        data[i] = first + (float)i / 64;
    }
    must(umb__safetensors_add(file, name, "F32", &shape, data));
    umb__free(data);
}

static void write_file(struct umb_safetensors *file)
{
    must(umb__safetensors_write(file, path));
    umb__safetensors_destroy(file);
}

/* What another tool might have: two of the named net's layers, a head of another size, a counter.
 */
static struct umb_safetensors *foreign(void)
{
    struct umb_safetensors *file = new_file();
    const int64_t one = 1, counter = 12;
    add(file, "features.0.weight", 4, (const int64_t[]){6, 2, 3, 3}, -0.5f);
    add(file, "features.0.bias", 1, (const int64_t[]){6}, 0.25f);
    add(file, "features.1.running_mean", 1, (const int64_t[]){6}, 1);
    add(file, "classifier.weight", 2, (const int64_t[]){1000, 17}, 0);
    must(umb__safetensors_add(file, "features.1.num_batches_tracked", "I64",
                              &(struct umb_shape){1, {one}}, &counter));
    return file;
}
static const struct umb_init_map map[] = {{"features.0.*", "conv1.*"},
                                          {"features.1.*", "batch_norm1.*"}};

/* ---- matching ---- */

static void an_own_checkpoint_fits_whole(void **state)
{
    struct umb_net *net = test_net_two_residual(world.ctx);
    struct session a = open_session(net, 4), b = open_session(net, 5);
    (void)state;
    session_train(&a, 0, 2);
    must(umb_trainer_save(a.tr, path));
    must(umb_trainer_init_from(b.tr, &(struct umb_init_desc){.path = path, .strict = true}));
    assert_same_checkpoints(&a, &b, "begun with the file");
    assert_int_equal(umb_trainer_n_steps(b.tr), 0);
    session_train(&b, 0, 1);
    assert_int_equal(umb_trainer_init_from(b.tr, &(struct umb_init_desc){.path = path}),
                     UMB_ERR_INVALID);
    expect_in(umb_context_error(world.ctx), "has made 1 steps");
    session_close(&a);
    session_close(&b);
    umb_net_destroy(net);
}

static const float *tensor(const struct umb_safetensors *file, const char *name)
{
    const struct umb_safetensors_entry *e = umb__safetensors_find(file, name);
    assert_non_null(e);
    return e->data;
}

static void names_go_by_the_map_and_are_reported(void **state)
{
    struct umb_net *net = test_net_named(world.ctx);
    struct session s = open_session(net, 4), untouched = open_session(net, 4);
    struct umb_text lines = {0};
    const struct umb_init_desc desc = {
        .path = path, .map = map, .n_map = 2, .listen = keep_line, .user = &lines};
    (void)state;
    write_file(foreign());
    must(umb_trainer_init_from(s.tr, &desc));
    struct umb_safetensors *now = session_collect(&s), *before = session_collect(&untouched);
    for (int i = 0; i < 6 * 2 * 9; i++) {
        const float expected = -0.5f + (float)i / 64;
        assert_memory_equal(&tensor(now, "conv1.weight")[i], &expected, sizeof expected);
    }
    assert_true(tensor(now, "batch_norm1.running_mean")[5] > 1.07f);
    assert_memory_equal(tensor(now, "dense1.weight"), tensor(before, "dense1.weight"), 17 * 36);
    expect_in(umb__text_string(&lines), "begins with 3 tensors (120 numbers) of ");
    expect_in(umb__text_string(&lines),
              "11 keep their own beginning, 2 of the file are not used\n");
    expect_in(umb__text_string(&lines), "conv1.weight [6,2,3,3] from features.0.weight\n");
    expect_in(umb__text_string(&lines),
              "batch_norm1.running_var [6] keeps its beginning: the file has none of that name\n");
    expect_in(umb__text_string(&lines), "not used: classifier.weight F32 [1000,17]\n");
    umb__text_finish(&lines);
    umb__safetensors_destroy(now);
    umb__safetensors_destroy(before);
    session_close(&s);
    session_close(&untouched);
    umb_net_destroy(net);
}

/* Statistics of one stream serve the two of this net. */
static void statistics_go_to_every_stream(void **state)
{
    struct umb_net *net = test_net_two_residual(world.ctx);
    struct session s = open_session(net, 4);
    struct umb_safetensors *file = new_file();
    (void)state;
    add(file, "batch_norm1.running_var", 1, (const int64_t[]){5}, 2);
    write_file(file);
    must(umb_trainer_init_from(s.tr, &(struct umb_init_desc){.path = path}));
    struct umb_safetensors *now = session_collect(&s);
    for (int i = 0; i < 10; i++) {
        const float expected = 2 + (float)(i % 5) / 64;
        assert_memory_equal(&tensor(now, "batch_norm1.running_var")[i], &expected, sizeof expected);
    }
    umb__safetensors_destroy(now);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- floats ---- */

static void check_floats(const char *dtype, const void *data, size_t n, const float *expected)
{
    float *x = umb__float_to_f32(world.ctx, dtype, data, n);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        if (isnan(expected[i]) ? !isnan(x[i]) : memcmp(&x[i], &expected[i], sizeof *x) != 0) {
            fail_msg("%s %zu: %g, expected %g", dtype, i, (double)x[i], (double)expected[i]);
        }
    }
    umb__free(x);
}

/* Ordinary ones, the largest, the least above 0, one below the normal ones, infinite, none. */
static void other_floats_are_read(void **state)
{
    static const uint16_t half[] = {0x3c00, 0xc100, 0x7bff, 0x0001, 0x03ff, 0x8000, 0xfc00, 0x7e00};
    static const uint16_t brain[] = {0x3f80, 0xc020, 0x7f7f, 0x0001, 0x8000, 0xff80, 0x7fc0};
    static const double whole[] = {1, -2.5, 0.1, 1e300, -0.0};
    static const uint32_t least = 0x00010000;
    float least_brain, largest_brain;
    const uint32_t largest = 0x7f7f0000;
    (void)state;
    memcpy(&least_brain, &least, sizeof least);
    memcpy(&largest_brain, &largest, sizeof largest);
    const float of_half[] = {1,         -2.5f, 65504, 0x1p-24f, 0x3ffp-24f, -0.0f, (float)-INFINITY,
                             (float)NAN};
    const float of_brain[] = {1,         -2.5f, largest_brain, least_brain, -0.0f, (float)-INFINITY,
                              (float)NAN};
    const float of_whole[] = {1, -2.5f, 0.1f, (float)INFINITY, -0.0f};
    check_floats("F16", half, 8, of_half);
    check_floats("BF16", brain, 7, of_brain);
    check_floats("F64", whole, 5, of_whole);
}

/* conv1.bias [6] in 16 bits: 1, 2 … 6. */
static void write_halves(const uint16_t *halves)
{
    char header[] = "{\"conv1.bias\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]}}";
    const uint64_t length = sizeof header - 1;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(&length, 8, 1, f), 1);
    assert_int_equal(fwrite(header, length, 1, f), 1);
    assert_int_equal(fwrite(halves, 12, 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

static void a_file_of_halves_serves(void **state)
{
    static const uint16_t halves[] = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600};
    struct umb_net *net = test_net_named(world.ctx);
    struct session s = open_session(net, 4);
    (void)state;
    write_halves(halves);
    must(umb_trainer_init_from(s.tr, &(struct umb_init_desc){.path = path}));
    struct umb_safetensors *now = session_collect(&s);
    for (int i = 0; i < 6; i++) {
        assert_true(fabsf(tensor(now, "conv1.bias")[i] - (float)(i + 1)) < 1e-6f);
    }
    umb__safetensors_destroy(now);
    session_close(&s);
    umb_net_destroy(net);
}

/* ---- refusals ---- */

static void refuse(struct session *s, struct umb_init_desc desc, const char *said)
{
    struct umb_safetensors *before = session_collect(s);
    desc.path = path;
    assert_int_equal(umb_trainer_init_from(s->tr, &desc), UMB_ERR_INVALID);
    expect_in(umb_context_error(world.ctx), path);
    expect_in(umb_context_error(world.ctx), said);
    struct umb_safetensors *after = session_collect(s);
    for (size_t i = 0; i < umb__safetensors_count(before); i++) {
        const struct umb_safetensors_entry *e = umb__safetensors_at(before, i);
        if (strcmp(e->dtype, "F32") != 0) { continue; }
        assert_memory_equal(e->data, tensor(after, e->name),
                            (size_t)umb__shape_count(&e->shape) * sizeof(float));
    }
    umb__safetensors_destroy(before);
    umb__safetensors_destroy(after);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const struct umb_init_map head[] = {{"features.0.*", "conv1.*"},
                                               {"classifier.*", "kind.dense1.*"}},
                                     twice[] = {{"features.*.bias", "conv1.bias"}},
                                     both[] = {{"features.0.weight", "conv1.weight"},
                                               {"features.0.bias", "conv1.weight"}},
                                     nowhere[] = {{"layers.*", "conv1.*"}};
    static const uint16_t infinite[] = {0x3c00, 0x4000, 0x7c00, 0x4400, 0x4500, 0x4600};
    const char *const skip[] = {"kind.*"};
    struct umb_net *net = test_net_named(world.ctx);
    struct session s = open_session(net, 4);
    (void)state;
    write_file(foreign());
    refuse(&s, (struct umb_init_desc){.map = NULL}, "none of its tensors is called");
    refuse(&s, (struct umb_init_desc){.map = head, .n_map = 2},
           "classifier.weight is F32 [1000,17], and kind.dense1.weight is F32 [5,17]");
    refuse(&s, (struct umb_init_desc){.map = both, .n_map = 2}, "are both meant for conv1.weight");
    refuse(&s, (struct umb_init_desc){.map = nowhere, .n_map = 1}, "'layers.*' fits none");
    refuse(&s, (struct umb_init_desc){.map = map, .n_map = 2, .strict = true}, "it has none for ");
    must(umb_trainer_init_from(
        s.tr,
        &(struct umb_init_desc){.path = path, .map = head, .n_map = 2, .skip = skip, .n_skip = 1}));
    assert_int_equal(umb_trainer_init_from(
                         s.tr, &(struct umb_init_desc){.path = path, .map = twice, .n_map = 1}),
                     UMB_ERR_INVALID);
    expect_in(umb_context_error(world.ctx), "one * in both");
    write_halves(infinite);
    refuse(&s, (struct umb_init_desc){.map = NULL}, "conv1.bias has inf at number 2");
    session_close(&s);
    umb_net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_own_checkpoint_fits_whole),
        cmocka_unit_test(names_go_by_the_map_and_are_reported),
        cmocka_unit_test(statistics_go_to_every_stream),
        cmocka_unit_test(other_floats_are_read),
        cmocka_unit_test(a_file_of_halves_serves),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
