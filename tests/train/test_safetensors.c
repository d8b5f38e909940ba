/* test_safetensors.c: files that come back as written, and files that lie. */
#include "safetensors.h"

#include "alloc.h"
#include "system.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    struct umb_context *ctx;
    char path[64];
};

static int open_place(void **state)
{
    static struct place place;
    assert_int_equal(umb_context_create(NULL, &place.ctx), UMB_OK);
    snprintf(place.path, sizeof place.path, "safetensors-%ld.safetensors", (long)getpid());
    *state = &place;
    return 0;
}

static int close_place(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    umb_context_destroy(p->ctx);
    return 0;
}

static void put_file(const struct place *p, const char *header, size_t header_bytes, size_t n_data)
{
    FILE *f = fopen(p->path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < 8; i++) {
        fputc((int)(header_bytes >> (8 * i) & 255), f);
    }
    fputs(header, f);
    for (size_t i = 0; i < n_data; i++) {
        fputc((int)i, f);
    }
    assert_int_equal(fclose(f), 0);
}

static const struct bad_file {
    const char *name, *header;
    size_t n_data;
    const char *expected;
} bad_files[] = {
    {"not json", "{", 0, "not JSON"},
    {"a list", "[1,2]", 0, "no JSON object"},
    {"tensor is no object", "{\"a\":3}", 0, "'a': is no object"},
    {"no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is 'no text'"},
    {"unknown dtype", "{\"a\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
     "dtype is 'I16'"},
    {"too few halves", "{\"a\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,4]}}", 4,
     "dtype and shape say other"},
    {"half a double", "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "dtype and shape say other"},
    {"no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape is not a list"},
    {"extent 0", "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
     "shape[0] is not"},
    {"negative extent", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
     "shape[0] is not"},
    {"fractional extent", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4,
     "shape[0] is not"},
    {"rank 6", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
     "at most 5"},
    {"shape overflows",
     "{\"a\":{\"dtype\":\"I64\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", 8,
     "dtype and shape say other"},
    {"shape larger than span", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
     4, "span 4 bytes"},
    {"offsets missing", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets is not"},
    {"offsets of three", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4,
     "data_offsets is not"},
    {"offsets backwards", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
     "lie outside"},
    {"offsets beyond", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 4,
     "lie outside"},
    {"negative offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4,
     "lie outside"},
    {"huge offset",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4,
     "lie outside"},
    {"hole in front", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
     "leaves a hole"},
    {"overlap",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
     8, "overlaps"},
    {"bytes behind", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9,
     "5 bytes behind"},
    {"name twice",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, "duplicate"},
    {"empty name", "{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     "not a name"},
    {"metadata is a number", "{\"__metadata__\":{\"step\":3}}", 0, "'step' is not a text"},
    {"metadata is a list", "{\"__metadata__\":[]}", 0, "__metadata__ is no object"},
    {"NUL in a name", "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     "not JSON"},
    {"not UTF-8", "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     "not JSON"},
};

static void refuses(const struct place *p, enum umb_status status, const char *name,
                    const char *expected)
{
    uint64_t live = umb__alloc_live();
    struct umb_safetensors *f = NULL;
    enum umb_status st = umb__safetensors_read(p->ctx, p->path, &f);
    const char *message = umb_context_error(p->ctx);
    if (st != status || !strstr(message, expected) || !strstr(message, p->path)) {
        fail_msg("%s: status %s, message '%s'; expected %s and '%s'", name, umb_status_name(st),
                 message, umb_status_name(status), expected);
    }
    assert_null(f);
    assert_int_equal(umb__alloc_live(), live);
}

static void refuses_bad_headers(void **state)
{
    const struct place *p = *state;
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        const struct bad_file *b = &bad_files[i];
        put_file(p, b->header, strlen(b->header), b->n_data);
        refuses(p, UMB_ERR_FORMAT, b->name, b->expected);
    }
}

static void refuses_lying_sizes(void **state)
{
    const struct place *p = *state;
    put_file(p, "{}", 3, 0);
    refuses(p, UMB_ERR_FORMAT, "header longer than file", "says its header has 3 bytes");
    put_file(p, "{}", SIZE_MAX, 0);
    refuses(p, UMB_ERR_FORMAT, "header of 2^64 - 1 bytes", "says its header has");
    FILE *f = fopen(p->path, "wb");
    assert_non_null(f);
    fputs("{}", f);
    assert_int_equal(fclose(f), 0);
    refuses(p, UMB_ERR_FORMAT, "two bytes", "2 bytes; expected");
    unlink(p->path);
    refuses(p, UMB_ERR_IO, "missing", p->path);
}

static void returns_what_was_written(void **state)
{
    const struct place *p = *state;
    const float weight[6] = {1, -2, 3.5f, 0x1p-130f, 5, 6};
    const int64_t steps = INT64_C(1) << 40;
    const struct umb_shape shape = {2, {2, 3}}, scalar = {0};
    struct umb_safetensors *f = NULL;
    assert_int_equal(umb__safetensors_create(p->ctx, &f), UMB_OK);
    assert_int_equal(umb__safetensors_add(f, "weight", "F32", &shape, weight), UMB_OK);
    assert_int_equal(umb__safetensors_add(f, "steps", "I64", &scalar, &steps), UMB_OK);
    assert_int_equal(umb__safetensors_add_text(f, "note", "\"two\nlines\""), UMB_OK);
    assert_int_equal(umb__safetensors_write(f, p->path), UMB_OK);
    umb__safetensors_destroy(f);

    assert_int_equal(umb__safetensors_read(p->ctx, p->path, &f), UMB_OK);
    assert_int_equal(umb__safetensors_count(f), 2);
    assert_string_equal(umb__safetensors_at(f, 0)->name, "steps");
    assert_null(umb__safetensors_at(f, 2));
    const struct umb_safetensors_entry *e = umb__safetensors_find(f, "weight");
    assert_non_null(e);
    assert_int_equal(e->shape.rank, 2);
    assert_int_equal(e->shape.dim[1], 3);
    assert_memory_equal(e->data, weight, sizeof weight);
    assert_memory_equal(umb__safetensors_find(f, "steps")->data, &steps, sizeof steps);
    assert_string_equal(umb__safetensors_text(f, "note"), "\"two\nlines\"");
    assert_null(umb__safetensors_text(f, "notes"));
    umb__safetensors_destroy(f);
}

static void equal_sets_make_equal_files(void **state)
{
    const struct place *p = *state;
    const unsigned char byte = 7;
    const struct umb_shape one = {1, {1}};
    const char *const order[2][2] = {{"a", "b"}, {"b", "a"}};
    char *text[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        struct umb_safetensors *f = NULL;
        assert_int_equal(umb__safetensors_create(p->ctx, &f), UMB_OK);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(umb__safetensors_add(f, order[i][k], "U8", &one, &byte), UMB_OK);
        }
        assert_int_equal(umb__safetensors_write(f, p->path), UMB_OK);
        umb__safetensors_destroy(f);
        assert_int_equal(umb__file_read(p->ctx, p->path, 1 << 20, &text[i], &size[i]), UMB_OK);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(text[0], text[1], size[0]);
    umb__free(text[0]);
    umb__free(text[1]);
}

static void refuses_what_cannot_be_kept(void **state)
{
    const struct place *p = *state;
    const float x = 1;
    const struct umb_shape one = {1, {1}}, none = {1, {0}};
    struct umb_safetensors *f = NULL;
    assert_int_equal(umb__safetensors_create(p->ctx, &f), UMB_OK);
    assert_int_equal(umb__safetensors_add(f, "x", "F32", &one, &x), UMB_OK);
    assert_int_equal(umb__safetensors_add(f, "x", "F32", &one, &x), UMB_ERR_INVALID);
    assert_int_equal(umb__safetensors_add(f, "y", "F64", &one, &x), UMB_ERR_INVALID);
    assert_int_equal(umb__safetensors_add(f, "y", "F32", &none, &x), UMB_ERR_INVALID);
    assert_int_equal(umb__safetensors_add(f, "__metadata__", "F32", &one, &x), UMB_ERR_INVALID);
    assert_int_equal(umb__safetensors_add_text(f, "k", "v"), UMB_OK);
    assert_int_equal(umb__safetensors_add_text(f, "k", "w"), UMB_ERR_INVALID);
    assert_int_equal(umb__safetensors_add_text(f, "bytes", "\xff"), UMB_OK);
    assert_int_equal(umb__safetensors_write(f, p->path), UMB_ERR_INVALID);
    assert_false(umb__is_file(p->path));
    umb__safetensors_destroy(f);
}

/* Makes allocation 1, 2, 3 … fail until reading succeeds; nothing may be left over. */
static void survives_every_failed_allocation(void **state)
{
    const struct place *p = *state;
    const char *header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                         "\"__metadata__\":{\"k\":\"v\"}}";
    put_file(p, header, strlen(header), 3);
    enum umb_status st = UMB_ERR_NO_MEMORY;
    for (uint64_t n = 1; st != UMB_OK && n < 100; n++) {
        uint64_t live = umb__alloc_live();
        struct umb_safetensors *f = NULL;
        umb__alloc_fail_at(n);
        st = umb__safetensors_read(p->ctx, p->path, &f);
        umb__alloc_fail_at(0);
        if (st != UMB_OK) { assert_int_equal(st, UMB_ERR_NO_MEMORY); }
        umb__safetensors_destroy(f);
        assert_int_equal(umb__alloc_live(), live);
    }
    assert_int_equal(st, UMB_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(returns_what_was_written, open_place, close_place),
        cmocka_unit_test_setup_teardown(equal_sets_make_equal_files, open_place, close_place),
        cmocka_unit_test_setup_teardown(refuses_bad_headers, open_place, close_place),
        cmocka_unit_test_setup_teardown(refuses_lying_sizes, open_place, close_place),
        cmocka_unit_test_setup_teardown(refuses_what_cannot_be_kept, open_place, close_place),
        cmocka_unit_test_setup_teardown(survives_every_failed_allocation, open_place, close_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
