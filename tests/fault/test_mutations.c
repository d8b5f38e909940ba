/*
 * test_mutations.c: thousands of experiments and checkpoints, each damaged a little, by numbers
 * that come again. Whatever becomes of them, nothing crashes, nothing leaks, and a refusal has a
 * message. Run it under AddressSanitizer to see more.
 */
#include "experiment.h"

#include "fail.h"
#include "rng.h"
#include "safetensors.h"
#include "system.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS 3000
#define SEED 7

/* Draws of one round. */
struct draw {
    uint32_t round;
    uint64_t i;
};

static size_t below(struct draw *d, size_t n)
{
    return umb__random_u32(SEED, UMB_RNG_TEST, d->round, d->i++) % n;
}

static const char *const pieces[] = {"[",
                                     "]",
                                     "{",
                                     "}",
                                     ": ",
                                     "- ",
                                     "\n",
                                     "\n  ",
                                     ",",
                                     "'",
                                     "\"",
                                     "&a ",
                                     "*a",
                                     "!x ",
                                     "#",
                                     "-1",
                                     "0",
                                     "99999999999999999999",
                                     "1e999",
                                     "nan",
                                     "~",
                                     "null",
                                     "true",
                                     "from: low",
                                     "name: low",
                                     "repeat: {times: 1000, body: [relu]}",
                                     "residual: {body: []}",
                                     "\t",
                                     "\x01",
                                     "\xc3",
                                     "|",
                                     ">"};

/* Replaces, inserts or removes a few pieces in place; text has room. */
static void mutate(struct draw *d, char *text, size_t room)
{
    for (size_t n = 1 + below(d, 3); n > 0; n--) {
        size_t length = strlen(text), at = below(d, length + 1);
        size_t gone = below(d, 3) ? below(d, 6) : 0;
        if (gone > length - at) { gone = length - at; }
        const char *piece = below(d, 4) ? pieces[below(d, sizeof pieces / sizeof *pieces)] : "";
        size_t put = strlen(piece);
        if (length - gone + put + 1 > room) { continue; }
        memmove(text + at + put, text + at + gone, length - at - gone + 1);
        memcpy(text + at, piece, put);
    }
}

static const char experiment[] =
    "name: small\n"
    "data:\n"
    "  a: {format: shapes, count: 60, normalize: {mean: [0.5, 0.4, 0.3], std: 0.2}}\n"
    "  b: {format: shapes, count: 40, size: 16}\n"
    "trunk:\n"
    "  - conv: {filters: 4, size: 3, padding: same, activation: relu, name: low}\n"
    "  - residual: {body: [{conv: {filters: 4, size: 3, padding: 1}}], activation: relu}\n"
    "  - repeat: {times: 2, body: [{conv: {filters: 4, size: 1}}, batch_norm]}\n"
    "  - add: {from: [low, low]}\n"
    "  - global_avg_pool\n"
    "tasks:\n"
    "  x: {data: a, target: shape, map: {p: [0], q: [1, 2]}, head: [{dense: {units: 1}}], loss: "
    "binary_cross_entropy}\n"
    "  y: {data: b, target: colour, head: [{dense: {units: 6}}], loss: {cross_entropy: "
    "{label_smoothing: 0.1}}, metrics: [f1, accuracy]}\n"
    "train: {epochs: 3, optimizer: {sgd: {momentum: 0.9}}, schedule: {cosine: {warmup: 1}}, "
    "early_stop: {patience: 3, metric: y.f1}}\n";

static const char shapes[] =
    "{\"a\":{\"shape\":[32,32,3],\"targets\":[{\"name\":\"shape\",\"kind\":0,\"classes\":4,"
    "\"values\":0,\"height\":0,\"width\":0,\"class_names\":null}]},"
    "\"b\":{\"shape\":[16,16,3],\"targets\":[{\"name\":\"colour\",\"kind\":0,\"classes\":6,"
    "\"values\":0,\"height\":0,\"width\":0,\"class_names\":null}]}}";

static enum umb_status build(struct umb_context *ctx, const char *path, const char *json)
{
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    char *text = NULL;
    enum umb_status st = umb__experiment_read(ctx, path, NULL, 0, &exp);
    if (st == UMB_OK) { st = umb__yaml_write(exp->tree, &text); }
    if (st == UMB_OK) { st = umb__experiment_bind(exp, json, "checkpoint"); }
    if (st == UMB_OK) { st = umb__experiment_net(exp, &net); }
    umb__free(text);
    umb_net_destroy(net);
    umb__experiment_destroy(exp);
    return st;
}

static void put(const char *path, const char *data, size_t size)
{
    unlink(path); /* or some file systems wait for the disk */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

struct place {
    struct umb_context *ctx;
    char path[64];
    int fine, refused;
};

static int open_place(void **state)
{
    static struct place p;
    p = (struct place){0};
    snprintf(p.path, sizeof p.path, "mutation-%ld", (long)getpid());
    *state = &p;
    return umb_context_create(NULL, &p.ctx) == UMB_OK ? 0 : -1;
}

static int close_place(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    umb_context_destroy(p->ctx);
    return 0;
}

/* What every round must hold. */
static void judge(struct place *p, enum umb_status st, uint32_t round, uint64_t live)
{
    bool message = st == UMB_OK || *umb_context_error(p->ctx);
    bool status = st == UMB_OK || st == UMB_ERR_INVALID || st == UMB_ERR_FORMAT;
    if (!message || !status || umb__alloc_live() != live) {
        fail_msg("round %u: status %s, message '%s', %llu allocations more", round,
                 umb_status_name(st), umb_context_error(p->ctx),
                 (unsigned long long)(umb__alloc_live() - live));
    }
    if (st == UMB_OK) {
        p->fine++;
    } else {
        p->refused++;
    }
}

static void experiments(void **state)
{
    struct place *p = *state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct draw d = {.round = round};
        char text[4096];
        uint64_t live = umb__alloc_live();
        strcpy(text, experiment);
        if (round > 0) { mutate(&d, text, sizeof text); }
        put(p->path, text, strlen(text));
        umb__fail(p->ctx, UMB_OK, "%s", "");
        enum umb_status st = build(p->ctx, p->path, shapes);
        if (round == 0 && st != UMB_OK) { fail_msg("%s", umb_context_error(p->ctx)); }
        judge(p, st, round, live);
    }
    assert_true(p->fine > ROUNDS / 50 && p->refused > ROUNDS / 2);
}

static void shapes_of_checkpoints(void **state)
{
    struct place *p = *state;
    put(p->path, experiment, strlen(experiment));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct draw d = {.round = round};
        char json[2048];
        uint64_t live = umb__alloc_live();
        strcpy(json, shapes);
        if (round > 0) { mutate(&d, json, sizeof json); }
        judge(p, build(p->ctx, p->path, json), round, live);
    }
    assert_true(p->fine > 0 && p->refused > ROUNDS / 2);
}

static void checkpoints(void **state)
{
    struct place *p = *state;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const struct umb_shape shape = {2, {2, 3}};
    struct umb_safetensors *f = NULL;
    char *whole = NULL;
    size_t size = 0;
    assert_int_equal(umb__safetensors_create(p->ctx, &f), UMB_OK);
    assert_int_equal(umb__safetensors_add(f, "x", "F32", &shape, x), UMB_OK);
    assert_int_equal(umb__safetensors_add(f, "y", "I32", &shape, x), UMB_OK);
    assert_int_equal(umb__safetensors_add_text(f, "k", "v"), UMB_OK);
    assert_int_equal(umb__safetensors_write(f, p->path), UMB_OK);
    umb__safetensors_destroy(f);
    assert_int_equal(umb__file_read(p->ctx, p->path, 1 << 20, &whole, &size), UMB_OK);
    char bytes[1024];
    assert_true(size <= sizeof bytes);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct draw d = {.round = round};
        uint64_t live = umb__alloc_live();
        memcpy(bytes, whole, size);
        for (size_t n = 1 + below(&d, 3); n > 0; n--) {
            bytes[below(&d, size)] = (char)below(&d, 256);
        }
        put(p->path, bytes, size - (below(&d, 8) ? 0 : below(&d, size)));
        f = NULL;
        enum umb_status st = umb__safetensors_read(p->ctx, p->path, &f);
        umb__safetensors_destroy(f);
        judge(p, st, round, live);
    }
    umb__free(whole);
    assert_true(p->fine > 0 && p->refused > ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(experiments, open_place, close_place),
        cmocka_unit_test_setup_teardown(shapes_of_checkpoints, open_place, close_place),
        cmocka_unit_test_setup_teardown(checkpoints, open_place, close_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
