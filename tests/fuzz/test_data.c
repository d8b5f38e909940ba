/*
 * test_data.c: small valid data files, damaged thousandfold: each is read or refused with a status
 * and one line that names it, nothing is left behind, nothing crashes.
 *
 * Round i of a case draws from random stream CASE alone, so that a failing round can be repeated.
 */
#include "alloc.h"
#include "data_files.h"
#include "image.h"
#include "rng.h"
#include "system.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <png.h>

#define SEED 20240607
#define DRAWS_A_ROUND 64

enum kind { PNG, JPEG, CSV, IDX, GZIP, CIFAR };

/* The draws of one round. */
struct dice {
    enum kind kind;
    uint64_t round, next;
};

static uint32_t below(struct dice *d, size_t n)
{
    uint64_t i = d->round * DRAWS_A_ROUND + d->next++ % DRAWS_A_ROUND;
    uint64_t word = umb__random_u32(SEED, UMB_RNG_TEST, (uint32_t)d->kind, i);
    return (uint32_t)(word * n >> 32);
}

/* ---- damage ---- */

static void flip_bit(struct dice *d, struct blob *b)
{
    b->data[below(d, b->n)] ^= (uint8_t)(1u << below(d, 8));
}

/* Numbers that sizes and counts go wrong at. */
static void set_byte(struct dice *d, struct blob *b)
{
    static const uint8_t value[] = {0, 1, 0x7f, 0x80, 0xff, '"', ',', '\n', '\r', '9'};
    b->data[below(d, b->n)] = value[below(d, sizeof value)];
}

static void truncate_end(struct dice *d, struct blob *b)
{
    b->n = below(d, b->n + 1);
}

/* Overwrites a stretch with another of the same file. */
static void splice(struct dice *d, struct blob *b)
{
    size_t from = below(d, b->n), to = below(d, b->n), most = b->n - (from > to ? from : to);
    memmove(b->data + to, b->data + from, below(d, most + 1));
}

static void cut_out(struct dice *d, struct blob *b)
{
    size_t at = below(d, b->n), n = below(d, (b->n - at) / 4 + 1);
    memmove(b->data + at, b->data + at + n, b->n - at - n);
    b->n -= n;
}

static struct blob damaged(struct dice *d, const struct blob *original)
{
    static void (*const ways[])(struct dice *, struct blob *) = {
        flip_bit, flip_bit, set_byte, set_byte, truncate_end, splice, cut_out};
    struct blob b = blob_copy(original->data, original->n);
    for (uint32_t n = 1 + below(d, 4); n > 0 && b.n > 0; n--) {
        ways[below(d, sizeof ways / sizeof ways[0])](d, &b);
    }
    return b;
}

/* ---- what has to hold ---- */

static void check_status(const struct dice *d, enum umb_status st, const char *name)
{
    const char *message = umb_context_error(files_context());
    bool known = st == UMB_OK || st == UMB_ERR_FORMAT || st == UMB_ERR_INVALID ||
                 st == UMB_ERR_NO_MEMORY || st == UMB_ERR_IO;
    bool said = st == UMB_OK || (message[0] && !strchr(message, '\n') && strstr(message, name));
    if (!known || !said) {
        fail_msg("kind %d, round %d: %s: '%s'", (int)d->kind, (int)d->round, umb_status_name(st),
                 message);
    }
}

/* Uses every byte, so that a sanitizer sees one too few. */
static unsigned sum_of(const uint8_t *data, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += data[i];
    }
    return sum;
}

static bool decode(const struct dice *d, const struct blob *b)
{
    static const enum umb_decode_mode modes[] = {UMB_DECODE_IMAGE, UMB_DECODE_INDICES,
                                                 UMB_DECODE_HEADER};
    bool any = false;
    for (int i = 0; i < 3; i++) {
        struct umb_image image = {.pixels = NULL};
        const struct umb_encoded file = {files_context(), "this.file", b->data, b->n};
        enum umb_status st = umb__image_decode(&file, modes[i], &image);
        check_status(d, st, "this.file");
        if (st == UMB_OK && i < 2) {
            size_t n = (size_t)(image.height * image.width * image.channels);
            assert_in_range(n, 1, UMB_IMAGE_MAX_BYTES);
            assert_true(sum_of(image.pixels, n) <= 255 * n);
        }
        umb_image_free(&image);
        any |= st == UMB_OK;
    }
    return any;
}

static bool open_and_read(const struct dice *d, const struct umb_dataset_desc *desc,
                          const char *name)
{
    static uint8_t image[1 << 16];
    static int32_t target[2][1 << 10];
    void *targets[2] = {target[0], target[1]};
    struct umb_dataset *ds = NULL;
    enum umb_status st = umb_dataset_open(files_context(), desc, &ds);
    check_status(d, st, name);
    for (int64_t i = 0; st == UMB_OK && i < 3 && i < umb_dataset_count(ds, UMB_SPLIT_TRAIN); i++) {
        check_status(d, umb_dataset_read(ds, UMB_SPLIT_TRAIN, i, image, targets), name);
    }
    umb_dataset_close(ds);
    return st == UMB_OK;
}

/* Both happened: a harness whose files are all refused, or all fine, shows little. */
static void assert_mixed(int n_read, int n_rounds)
{
    if (n_read == 0 || n_read == n_rounds) {
        fail_msg("%d of %d damaged files were read", n_read, n_rounds);
    }
}

/* ---- the formats ---- */

/* Mends the checksums, so that damage gets past them. */
static void mend_png(struct blob *b)
{
    for (size_t at = 8; at + 12 <= b->n;) {
        const uint8_t *p = b->data + at;
        size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (n > b->n - at - 12) { return; }
        uint32_t crc = umb__crc32(0, p + 4, n + 4);
        for (int k = 0; k < 4; k++) {
            b->data[at + 8 + n + (size_t)k] = (uint8_t)(crc >> (24 - 8 * k));
        }
        at += n + 12;
    }
}

static void damaged_png(void **state)
{
    (void)state;
    static const struct png_plan plans[] = {{9, 7, 8, PNG_COLOR_TYPE_GRAY, false},
                                            {9, 7, 2, PNG_COLOR_TYPE_PALETTE, true},
                                            {9, 7, 8, PNG_COLOR_TYPE_PALETTE, false},
                                            {9, 7, 16, PNG_COLOR_TYPE_RGB_ALPHA, true},
                                            {9, 7, 8, PNG_COLOR_TYPE_RGB, false}};
    const int n_rounds = 4000;
    struct blob original[5];
    int n_read = 0;
    uint64_t before = umb__alloc_live();
    for (int i = 0; i < 5; i++) {
        original[i] = png_blob(&plans[i]);
    }
    for (int i = 0; i < n_rounds; i++) {
        struct dice d = {.kind = PNG, .round = (uint64_t)i};
        struct blob b = damaged(&d, &original[i % 5]);
        if (i % 4) { mend_png(&b); }
        n_read += decode(&d, &b);
        blob_free(&b);
        assert_int_equal(umb__alloc_live(), before);
    }
    for (int i = 0; i < 5; i++) {
        blob_free(&original[i]);
    }
    assert_mixed(n_read, n_rounds);
}

static void damaged_jpeg(void **state)
{
    (void)state;
    static const struct jpeg_plan plans[] = {
        {17, 19, 1, false}, {17, 19, 3, false}, {17, 19, 3, true}, {8, 8, 4, false}};
    const int n_rounds = 4000;
    struct blob original[4];
    int n_read = 0;
    uint64_t before = umb__alloc_live();
    for (int i = 0; i < 4; i++) {
        original[i] = jpeg_blob(&plans[i]);
    }
    for (int i = 0; i < n_rounds; i++) {
        struct dice d = {.kind = JPEG, .round = (uint64_t)i};
        struct blob b = damaged(&d, &original[i % 4]);
        n_read += decode(&d, &b);
        blob_free(&b);
        assert_int_equal(umb__alloc_live(), before);
    }
    for (int i = 0; i < 4; i++) {
        blob_free(&original[i]);
    }
    assert_mixed(n_read, n_rounds);
}

/* Writes damaged files of one kind in place of a good one, and opens the set. */
static void damage_file(enum kind kind, int n_rounds, const struct umb_dataset_desc *desc,
                        const char *name, const struct blob *original)
{
    int n_read = 0;
    uint64_t before = umb__alloc_live();
    for (int i = 0; i < n_rounds; i++) {
        struct dice d = {.kind = kind, .round = (uint64_t)i};
        struct blob b = damaged(&d, original);
        if (kind == GZIP && i % 2) { b = gzip_blob(b); } /* a sound packing of damage */
        put_blob(name, b);
        n_read += open_and_read(&d, desc, "test_data-");
        assert_int_equal(umb__alloc_live(), before);
    }
    assert_mixed(n_read, n_rounds);
}

static void damaged_csv(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbfpath,part,kind,x,\"y\"\r\na.png,train,1,2.5,\"3\"\n"
                               "\"a.png\",val,0,-1e3,\n\na.png,test,1,,\"\"\n"
                               "a.png,train,0,\"0.125\",7\n";
    static const char *const column_xy[] = {"x", "y"}, *const column_kind[] = {"kind"};
    const struct umb_csv_target targets[2] = {
        {.name = "kind", .kind = UMB_TARGET_CLASS, .columns = column_kind, .n_columns = 1},
        {.name = "xy", .kind = UMB_TARGET_REAL, .columns = column_xy, .n_columns = 2}};
    const struct png_plan plan = {2, 2, 8, PNG_COLOR_TYPE_GRAY, false};
    char path[300];
    snprintf(path, sizeof path, "%s", in_folder("a.csv"));
    const struct umb_dataset_desc desc = {
        .format = "csv", .path = path, .split_column = "part", .targets = targets, .n_targets = 2};
    struct blob original = blob_copy(text, sizeof text - 1);
    put_blob("a.png", png_blob(&plan));
    damage_file(CSV, 3000, &desc, "a.csv", &original);
    blob_free(&original);
}

static void damage_set(const char *format, enum kind kind, int n_rounds, const char *name,
                       struct blob original)
{
    char path[300];
    snprintf(path, sizeof path, "%s", in_folder(""));
    const struct umb_dataset_desc desc = {
        .format = format, .path = path, .height = 4, .width = 4, .channels = 1};
    damage_file(kind, n_rounds, &desc, name, &original);
    blob_free(&original);
}

static void damaged_idx(void **state)
{
    (void)state;
    put_idx_set(5, 3);
    damage_set("idx", IDX, 2000, "train-images-idx3-ubyte", idx_images(5, 3, 2));
    put_idx_set(5, 3);
    damage_set("idx", IDX, 1000, "t10k-labels-idx1-ubyte", idx_labels(3, 3));
}

static void damaged_gzip(void **state)
{
    (void)state;
    put_idx_set(50, 3);
    damage_set("idx", GZIP, 2000, "train-images-idx3-ubyte", idx_images(50, 3, 2));
    damage_set("idx", IDX, 2000, "train-images-idx3-ubyte", gzip_blob(idx_images(50, 3, 2)));
}

static void damaged_cifar10(void **state)
{
    (void)state;
    put_blob("test_batch.bin", cifar_batch(1, 0));
    damage_set("cifar10", CIFAR, 400, "data_batch_1.bin", cifar_batch(3, 0));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(damaged_png), CASE(damaged_jpeg), CASE(damaged_csv),
        CASE(damaged_idx), CASE(damaged_gzip), CASE(damaged_cifar10),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
