/*
 * test_device_parts.c: parts of a device as devices: their records, opening them, what refuses to
 * be cut. PoCL is told to have four units, whatever the machine has; its basic device has none to
 * give. The linker puts itself between us and the driver, to count handles and to refuse.
 */
#include "alloc.h"
#include "cl_handles.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNITS 4

static struct umb_context *ctx;

/* The selectors of PoCL's two, and what is behind that of a part: "SELECTOR/2". */
static char basic[256], whole[256], halves[300], unequal[300], second[300];

static int handles; /* made and not released: as many as there were different parts */
static cl_int refusal;

cl_int __real_clCreateSubDevices(cl_device_id device, const cl_device_partition_property *how,
                                 cl_uint n, cl_device_id *made, cl_uint *ret_n);
cl_int __wrap_clCreateSubDevices(cl_device_id device, const cl_device_partition_property *how,
                                 cl_uint n, cl_device_id *made, cl_uint *ret_n);
cl_int __real_clReleaseDevice(cl_device_id device);
cl_int __wrap_clReleaseDevice(cl_device_id device);

cl_int __wrap_clCreateSubDevices(cl_device_id device, const cl_device_partition_property *how,
                                 cl_uint n, cl_device_id *made, cl_uint *ret_n)
{
    if (refusal) { return refusal; }
    const cl_int code = __real_clCreateSubDevices(device, how, n, made, ret_n);
    for (cl_uint i = 0; code == CL_SUCCESS && i < n; i++) {
        handles += made[i] != NULL;
    }
    return code;
}

cl_int __wrap_clReleaseDevice(cl_device_id device)
{
    handles--;
    return __real_clReleaseDevice(device);
}

static int make_context(void **state)
{
    (void)state;
    refusal = 0;
    return umb_context_create(NULL, &ctx) == UMB_OK ? 0 : -1;
}

static int free_context(void **state)
{
    (void)state;
    umb_context_destroy(ctx);
    return umb__alloc_live() == 0 ? 0 : -1;
}

static struct umb_device_list *list_of(const char *selector)
{
    struct umb_device_list *list = NULL;
    if (umb_device_list_create(ctx, selector, false, &list) != UMB_OK) {
        fail_msg("%s", umb_context_error(ctx));
    }
    return list;
}

/* A PoCL that was built to be conformant, or with OpenMP, cuts nothing; then nothing is tested. */
static int find_selectors(void **state)
{
    if (make_context(state) != 0) { return -1; }
    struct umb_device_list *list = list_of("pocl:cpu");
    for (size_t i = 0; i < list->n; i++) {
        const struct umb_device_caps *c = &list->caps[i];
        if (!c->chosen) { continue; }
        const bool cut = c->max_parts == UNITS && c->compute_units == UNITS;
        snprintf(cut ? whole : basic, sizeof whole, "%s", c->selector);
    }
    snprintf(halves, sizeof halves, "%s/2", whole);
    snprintf(unequal, sizeof unequal, "%s/3+1", whole);
    snprintf(second, sizeof second, "%s/2#1", whole);
    umb_device_list_destroy(list);
    return free_context(state);
}

static void open_two(const char *selector, struct umb_device *ret_parts[2])
{
    struct umb_device *parts[UMB_MAX_DEVICES];
    size_t n = 0;
    if (umb_devices_open(ctx, selector, parts, &n) != UMB_OK) {
        fail_msg("%s", umb_context_error(ctx));
    }
    assert_int_equal(n, 2);
    memcpy(ret_parts, parts, sizeof *parts * 2);
}

static void close_two(struct umb_device *parts[2])
{
    umb_device_close(parts[0]);
    umb_device_close(parts[1]);
}

static void parts_are_listed_behind_the_devices(void **state)
{
    (void)state;
    if (!whole[0]) { skip(); }
    struct umb_device_list *all = list_of(whole), *list = list_of(unequal);
    assert_int_equal(list->n, all->n + 2);
    for (size_t i = 0; i < all->n; i++) {
        assert_false(list->caps[i].chosen);
        if (all->caps[i].chosen) { assert_int_equal(all->caps[i].max_parts, UNITS); }
    }
    for (size_t i = 0; i < 2; i++) {
        const struct umb_device_caps *c = &list->caps[all->n + i];
        char selector[sizeof unequal + 8];
        snprintf(selector, sizeof selector, "%s#%zu", unequal, i);
        assert_string_equal(c->selector, selector);
        assert_true(c->chosen);
        assert_int_equal(c->compute_units, i ? 1 : 3);
        assert_int_equal(c->max_parts, 0);
    }
    umb_device_list_destroy(list);
    umb_device_list_destroy(all);
}

static void a_part_is_a_device(void **state)
{
    (void)state;
    if (!whole[0]) { skip(); }
    struct umb_device *parts[2], *one = NULL;
    open_two(halves, parts);
    assert_int_equal(umb_device_open(ctx, whole, &one), UMB_OK);
    const struct umb_device_caps *w = umb_device_get_caps(one);
    for (int i = 0; i < 2; i++) {
        const struct umb_device_caps *c = umb_device_get_caps(parts[i]);
        assert_string_equal(c->name, w->name);
        assert_string_equal(c->platform, w->platform);
        assert_string_equal(c->driver, w->driver);
        assert_int_equal(c->compute_units, UNITS / 2);
        assert_int_equal(c->type, w->type);
        assert_true(c->global_bytes > 0 && c->global_bytes <= w->global_bytes);
        assert_true(c->max_alloc_bytes > 0 && c->max_alloc_bytes <= w->max_alloc_bytes);
        assert_true((c->alone != NULL) == (w->alone != NULL));
        assert_true((c->issue != NULL) == (w->issue != NULL));
        assert_false(umb_device_is(one, parts[i]));
    }
    assert_false(umb_device_is(parts[0], parts[1]));
    umb_device_close(one);
    close_two(parts);
}

/* By whatever selector, and however often: it is made once. */
static void a_part_is_its_units(void **state)
{
    (void)state;
    if (!whole[0]) { skip(); }
    static const struct {
        const char *cut;
        bool same;
    } rows[] = {{"/2#1", true},  {"/2+2#1", true},    {"/1+1+2#2", true},
                {"/2#0", false}, {"/2+1+1#1", false}, {"/4#2", false}};
    struct umb_device *half = NULL;
    assert_int_equal(umb_device_open(ctx, second, &half), UMB_OK);
    const int before = handles;
    assert_string_equal(umb_device_get_caps(half)->selector, second);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct umb_device *d = NULL;
        char selector[300];
        snprintf(selector, sizeof selector, "%s%s", whole, rows[i].cut);
        assert_int_equal(umb_device_open(ctx, selector, &d), UMB_OK);
        if (umb_device_is(half, d) != rows[i].same) { fail_msg("%s", selector); }
        assert_true(umb_device_is(d, d));
        if (rows[i].same) { assert_int_equal(handles, before); }
        umb_device_close(d);
    }
    umb_device_close(half);
}

/* One device of a list of parts is the first. */
static void the_first_part_is_opened(void **state)
{
    (void)state;
    if (!whole[0]) { skip(); }
    struct umb_device *d = NULL;
    assert_int_equal(umb_device_open(ctx, unequal, &d), UMB_OK);
    assert_int_equal(umb_device_get_caps(d)->compute_units, 3);
    umb_device_close(d);
}

static void expect_refusal(const char *device, const char *cut, enum umb_status code,
                           const char *piece)
{
    struct umb_device *parts[UMB_MAX_DEVICES], *d = NULL;
    struct umb_device_list *list = NULL;
    char selector[300];
    size_t n = 0;
    snprintf(selector, sizeof selector, "%s%s", device, cut);
    assert_int_equal(umb_devices_open(ctx, selector, parts, &n), code);
    if (!strstr(umb_context_error(ctx), piece)) { fail_msg("%s", umb_context_error(ctx)); }
    assert_int_equal(umb_device_open(ctx, selector, &d), code);
    assert_int_equal(umb_device_list_create(ctx, selector, false, &list), code);
    assert_true(!d && !list && n == 0);
}

static void what_cannot_be_cut_is_refused(void **state)
{
    (void)state;
    if (!whole[0]) { skip(); }
    expect_refusal(whole, "/5", UMB_ERR_INVALID,
                   "take 5 units or more; expected no more than the 4");
    expect_refusal(whole, "/3+2", UMB_ERR_INVALID, "take 5 units");
    expect_refusal(whole, "/0", UMB_ERR_INVALID, "2 parts at least");
    if (basic[0]) { expect_refusal(basic, "/2", UMB_ERR_INVALID, "is not cut into parts"); }
    refusal = CL_DEVICE_PARTITION_FAILED;
    /* parts that no other case has made */
    expect_refusal(whole, "/1+3", UMB_ERR_DEVICE, "clCreateSubDevices");
}

/* Makes allocation 1, 2, 3 … fail until the parts are listed and open. */
static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    if (!whole[0]) { skip(); }
    uint64_t before = umb__alloc_live(), n = 0;
    enum umb_status st;
    do {
        struct umb_device *parts[UMB_MAX_DEVICES];
        struct umb_device_list *list = NULL;
        size_t n_parts = 0;
        umb__alloc_fail_at(++n);
        st = umb_devices_open(ctx, unequal, parts, &n_parts);
        if (st == UMB_OK) { st = umb_device_list_create(ctx, unequal, false, &list); }
        umb__alloc_fail_at(0);
        assert_true(st == UMB_OK || st == UMB_ERR_NO_MEMORY);
        for (size_t i = 0; i < n_parts; i++) {
            umb_device_close(parts[i]);
        }
        umb_device_list_destroy(list);
        assert_int_equal(umb__alloc_live(), before);
    } while (st != UMB_OK);
    assert_in_range(n, 9, 120);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_context, free_context)

int main(void)
{
    setenv("POCL_DEVICES", "pthread basic", 1);
    setenv("POCL_MAX_PTHREAD_COUNT", "4", 1);
    setenv("POCL_CPU_MAX_CU_COUNT", "4", 1);
    unsetenv("UMBEL_DEVICE");
    const struct CMUnitTest tests[] = {
        CASE(parts_are_listed_behind_the_devices),
        CASE(a_part_is_a_device),
        CASE(a_part_is_its_units),
        CASE(the_first_part_is_opened),
        CASE(what_cannot_be_cut_is_refused),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, find_selectors, NULL);
}
