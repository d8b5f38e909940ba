/* test_tensor.c: shapes, types, and parameters from the device's order to that of files and back.
 */
#include "alloc.h"
#include "tensor.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct umb_shape shape_of(int rank, const int64_t *dim)
{
    struct umb_shape s = {.rank = rank};
    for (int i = 0; i < rank && i < UMB_MAX_RANK; i++) {
        s.dim[i] = dim[i];
    }
    return s;
}
#define SHAPE(...) \
    shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
static const struct umb_shape scalar = {0};

static void dtype_sizes(void **state)
{
    (void)state;
    assert_int_equal(umb__dtype_bytes(UMB_F32), 4);
    assert_int_equal(umb__dtype_bytes(UMB_I32), 4);
    assert_int_equal(umb__dtype_bytes(UMB_U8), 1);
}

static void counts_of_shapes(void **state)
{
    (void)state;
    struct umb_shape s = SHAPE(64, 28, 27, 3), one = SHAPE(7);
    assert_int_equal(umb__shape_count(&s), 64 * 28 * 27 * 3);
    assert_int_equal(umb__shape_rows(&s), 64 * 28 * 27);
    assert_int_equal(umb__shape_channels(&s), 3);
    assert_int_equal(umb__shape_rows(&one), 1);
    assert_int_equal(umb__shape_channels(&one), 7);
}

static void counts_of_a_scalar(void **state)
{
    (void)state;
    assert_int_equal(umb__shape_count(&scalar), 1);
    assert_int_equal(umb__shape_rows(&scalar), 1);
    assert_int_equal(umb__shape_channels(&scalar), 1);
}

static void a_count_saturates(void **state)
{
    (void)state;
    struct umb_shape s = SHAPE(INT64_MAX, 2, 3);
    assert_true(umb__shape_count(&s) == INT64_MAX);
}

static void equality(void **state)
{
    (void)state;
    struct umb_shape a = SHAPE(2, 3), b = SHAPE(2, 3), c = SHAPE(3, 2), d = SHAPE(2, 3, 1);
    b.dim[2] = 9; /* beyond the rank: no matter */
    assert_true(umb__shape_equal(&a, &b));
    assert_false(umb__shape_equal(&a, &c));
    assert_false(umb__shape_equal(&a, &d));
    assert_true(umb__shape_equal(&scalar, &scalar));
}

static void bytes_of_types(void **state)
{
    (void)state;
    struct umb_type t = {.dtype = UMB_F32, .shape = SHAPE(5, 7)};
    assert_int_equal(umb__type_bytes(&t), 140);
    t.dtype = UMB_U8;
    assert_int_equal(umb__type_bytes(&t), 35);
}

static void texts(void **state)
{
    (void)state;
    char text[UMB_SHAPE_TEXT];
    struct umb_shape s = SHAPE(64, 28, 28, 1), one = SHAPE(10);
    assert_string_equal(umb__shape_text(&s, text, sizeof text), "[64,28,28,1]");
    assert_string_equal(umb__shape_text(&one, text, sizeof text), "[10]");
    assert_string_equal(umb__shape_text(&scalar, text, sizeof text), "[]");
}

static void a_text_never_leaves_its_buffer(void **state)
{
    (void)state;
    struct umb_shape s = SHAPE(INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN);
    for (size_t size = 1; size <= UMB_SHAPE_TEXT; size++) {
        char *text = malloc(size); /* exactly as large, for the address sanitizer */
        assert_true(strlen(umb__shape_text(&s, text, size)) < size);
        free(text);
    }
}

static void expect_answer(struct umb_shape s, enum umb_status expected, const char *part)
{
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    enum umb_status st = umb__shape_check(ctx, &s);
    if (st != expected || !strstr(umb_context_error(ctx), part)) {
        fail_msg("status %s, message \"%s\"; expected %s and \"%s\" in it", umb_status_name(st),
                 umb_context_error(ctx), umb_status_name(expected), part);
    }
    umb_context_destroy(ctx);
}

static void good_shapes_pass(void **state)
{
    (void)state;
    expect_answer(SHAPE(64, 28, 28, 1), UMB_OK, "");
    expect_answer(scalar, UMB_OK, "");
    expect_answer(SHAPE(1, 1, 1, 1, 1), UMB_OK, "");
}

static void extents_below_one_fail(void **state)
{
    (void)state;
    expect_answer(SHAPE(64, 0, 28, 1), UMB_ERR_INVALID, "shape [64,0,28,1]: extent 0 of axis 1");
    expect_answer(SHAPE(-3), UMB_ERR_INVALID, "extent -3 of axis 0");
    expect_answer(SHAPE(-2, -2), UMB_ERR_INVALID, "axis 0");
}

static void ranks_out_of_range_fail(void **state)
{
    (void)state;
    struct umb_shape s = SHAPE(1, 1, 1, 1, 1);
    s.rank = 6;
    expect_answer(s, UMB_ERR_INVALID, "rank 6; expected 0 to 5");
    s.rank = -1;
    expect_answer(s, UMB_ERR_INVALID, "rank -1");
}

static void the_bound_of_the_count(void **state)
{
    (void)state;
    expect_answer(SHAPE(2147483647), UMB_OK, "");
    expect_answer(SHAPE(INT64_C(2147483648)), UMB_ERR_INVALID, "too many elements");
    expect_answer(SHAPE(65536, 32768), UMB_ERR_INVALID, "too many elements");
    expect_answer(SHAPE(65536, 32767), UMB_OK, "");
}

static void products_that_wrap_fail(void **state)
{
    (void)state;
    /* 2³² · 2³² = 2⁶⁴, which is 0 where it wraps */
    expect_answer(SHAPE(INT64_C(1) << 32, INT64_C(1) << 32), UMB_ERR_INVALID, "too many elements");
    expect_answer(SHAPE(INT64_MAX, INT64_MAX, 1), UMB_ERR_INVALID, "too many elements");
}

/* Where element (index along the device's axes) lies in the file, by the definition. */
static size_t file_place(const struct umb_layout *l, const int64_t *index)
{
    size_t place = 0;
    for (int i = 0; i < l->dim.rank; i++) {
        place = place * (size_t)l->dim.dim[l->perm[i]] + (size_t)index[l->perm[i]];
    }
    return place;
}

/* to_file against the definition, and from_file as its inverse. */
static void check_layout(const struct umb_layout *l)
{
    size_t n = (size_t)umb__shape_count(&l->dim);
    uint32_t *device = calloc(n, 4), *file = calloc(n, 4), *back = calloc(n, 4);
    for (size_t i = 0; i < n; i++) {
        device[i] = (uint32_t)i * 2654435761u + 1;
    }
    umb__layout_to_file(l, device, file);
    for (size_t i = 0; i < n; i++) {
        int64_t index[UMB_MAX_RANK] = {0};
        size_t left = i;
        for (int axis = l->dim.rank - 1; axis >= 0; axis--) {
            index[axis] = (int64_t)(left % (size_t)l->dim.dim[axis]);
            left /= (size_t)l->dim.dim[axis];
        }
        size_t place = file_place(l, index);
        if (file[place] != device[i]) {
            fail_msg("element %zu, place %zu in the file: %u; expected %u", i, place, file[place],
                     device[i]);
        }
    }
    umb__layout_from_file(l, file, back);
    assert_memory_equal(device, back, n * 4);
    free(device);
    free(file);
    free(back);
}

static struct umb_layout layout_of(struct umb_shape dim, const int *perm)
{
    struct umb_layout l = {.dim = dim};
    memcpy(l.perm, perm, (size_t)dim.rank * sizeof perm[0]);
    return l;
}

static void layout_conv(void **state)
{
    (void)state;
    struct umb_layout l = layout_of(SHAPE(3, 3, 16, 32), (int[]){3, 2, 0, 1});
    check_layout(&l);
}

static void layout_conv_with_primes(void **state)
{
    (void)state;
    struct umb_layout l = layout_of(SHAPE(5, 2, 7, 11), (int[]){3, 2, 0, 1});
    check_layout(&l);
}

static void layout_conv_by_hand(void **state)
{
    (void)state;
    /* [R,S,C,K] = [1,2,2,2], value = 100·s + 10·c + k; files hold [K,C,R,S] */
    const uint32_t device[8] = {0, 1, 10, 11, 100, 101, 110, 111};
    const uint32_t expected[8] = {0, 100, 10, 110, 1, 101, 11, 111};
    uint32_t file[8] = {0};
    struct umb_layout l = layout_of(SHAPE(1, 2, 2, 2), (int[]){3, 2, 0, 1});
    umb__layout_to_file(&l, device, file);
    assert_memory_equal(file, expected, sizeof file);
}

static void layout_dense(void **state)
{
    (void)state;
    struct umb_layout l = layout_of(SHAPE(13, 10), (int[]){1, 0});
    check_layout(&l);
}

static void layout_dense_behind_a_flatten(void **state)
{
    (void)state;
    struct umb_layout l = layout_of(SHAPE(5, 3, 7, 11), (int[]){3, 2, 0, 1});
    l.file_shape = SHAPE(11, 105);
    check_layout(&l);
}

static void layout_with_extents_of_one(void **state)
{
    (void)state;
    struct umb_layout conv = layout_of(SHAPE(1, 1, 17, 1), (int[]){3, 2, 0, 1});
    struct umb_layout all = layout_of(SHAPE(1, 1, 1, 1, 1), (int[]){4, 3, 2, 1, 0});
    check_layout(&conv);
    check_layout(&all);
}

static void layout_of_rank_five(void **state)
{
    (void)state;
    struct umb_layout l = layout_of(SHAPE(2, 3, 5, 7, 2), (int[]){4, 1, 3, 0, 2});
    check_layout(&l);
}

static void plain_layouts_copy(void **state)
{
    (void)state;
    struct umb_shape vector = SHAPE(31), matrix = SHAPE(5, 7);
    const struct umb_shape *const shapes[] = {&vector, &matrix, &scalar};
    for (size_t i = 0; i < 3; i++) {
        struct umb_layout l = umb__layout_plain(shapes[i]);
        uint32_t data[35], file[35] = {0};
        for (uint32_t k = 0; k < 35; k++) {
            data[k] = k + 1;
        }
        assert_true(umb__shape_equal(&l.file_shape, shapes[i]));
        umb__layout_to_file(&l, data, file);
        assert_memory_equal(file, data, 4 * (size_t)umb__shape_count(shapes[i]));
        check_layout(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtype_sizes),
        cmocka_unit_test(counts_of_shapes),
        cmocka_unit_test(counts_of_a_scalar),
        cmocka_unit_test(a_count_saturates),
        cmocka_unit_test(equality),
        cmocka_unit_test(bytes_of_types),
        cmocka_unit_test(texts),
        cmocka_unit_test(a_text_never_leaves_its_buffer),
        cmocka_unit_test(good_shapes_pass),
        cmocka_unit_test(extents_below_one_fail),
        cmocka_unit_test(ranks_out_of_range_fail),
        cmocka_unit_test(the_bound_of_the_count),
        cmocka_unit_test(products_that_wrap_fail),
        cmocka_unit_test(layout_conv),
        cmocka_unit_test(layout_conv_with_primes),
        cmocka_unit_test(layout_conv_by_hand),
        cmocka_unit_test(layout_dense),
        cmocka_unit_test(layout_dense_behind_a_flatten),
        cmocka_unit_test(layout_with_extents_of_one),
        cmocka_unit_test(layout_of_rank_five),
        cmocka_unit_test(plain_layouts_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
