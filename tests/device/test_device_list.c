/*
 * test_device_list.c: several devices and platforms in one process: PoCL's pthread and basic
 * devices (cpu and cpu-minimal since PoCL 4), which share a name's end, and rusticl on llvmpipe
 * where Mesa's driver is installed.
 */
#include "alloc.h"
#include "buffer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct umb_context *ctx;

/* The selectors of the two. */
static char basic[256], pthread[256];

static int make_context(void **state)
{
    (void)state;
    return umb_context_create(NULL, &ctx) == UMB_OK ? 0 : -1;
}

static int free_context(void **state)
{
    (void)state;
    unsetenv("UMBEL_DEVICE");
    umb_context_destroy(ctx);
    return umb__alloc_live() == 0 ? 0 : -1;
}

static struct umb_device_list *list_of(const char *selector, bool probe)
{
    struct umb_device_list *list = NULL;
    if (umb_device_list_create(ctx, selector, probe, &list) != UMB_OK) {
        fail_msg("%s", umb_context_error(ctx));
    }
    return list;
}

static bool is_basic(const char *name)
{
    return strncmp(name, "basic", 5) == 0 || strncmp(name, "cpu-minimal", 11) == 0;
}

static int find_selectors(void **state)
{
    if (make_context(state) != 0) { return -1; }
    struct umb_device_list *list = list_of("pocl:cpu", false);
    for (size_t i = 0; i < list->n; i++) {
        const struct umb_device_caps *c = &list->caps[i];
        if (c->chosen) {
            char *selector = is_basic(c->name) ? basic : pthread;
            snprintf(selector, sizeof basic, "%s", c->selector);
        }
    }
    umb_device_list_destroy(list);
    return basic[0] && pthread[0] ? free_context(state) : -1;
}

static size_t count_chosen(const struct umb_device_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        n += list->caps[i].chosen;
    }
    return n;
}

static void records_are_filled(void **state)
{
    (void)state;
    struct umb_device_list *list = list_of(NULL, false);
    assert_true(list->n >= 2);
    for (size_t i = 0; i < list->n; i++) {
        const struct umb_device_caps *c = &list->caps[i];
        assert_true(c->name[0] && c->platform[0] && c->driver[0] && c->selector[0]);
        assert_true(c->compute_units >= 1 && c->float_width >= 1 && c->max_work_group >= 1);
        assert_true(c->global_bytes >= c->max_alloc_bytes && c->max_alloc_bytes > 0);
        assert_false(c->probed);
    }
    umb_device_list_destroy(list);
    umb_device_list_destroy(NULL);
}

static void one_device_is_chosen_by_default(void **state)
{
    (void)state;
    struct umb_device_list *list = list_of(NULL, false);
    assert_int_equal(count_chosen(list), 1);
    for (size_t i = 0; i < list->n; i++) {
        if (list->caps[i].chosen) { assert_false(list->caps[i].software); }
    }
    umb_device_list_destroy(list);
}

static void selectors_mark_their_devices(void **state)
{
    (void)state;
    struct umb_device_list *list = list_of("pocl:cpu", false);
    assert_int_equal(count_chosen(list), 2);
    umb_device_list_destroy(list);
    list = list_of(basic, false);
    assert_int_equal(count_chosen(list), 1);
    umb_device_list_destroy(list);
    list = list_of("no such device", false);
    assert_int_equal(count_chosen(list), 0);
    umb_device_list_destroy(list);
}

static void the_variable_counts_where_no_selector_is_given(void **state)
{
    (void)state;
    char both[sizeof basic + sizeof pthread + 1];
    snprintf(both, sizeof both, "%s,%s", basic, pthread);
    setenv("UMBEL_DEVICE", both, 1);
    struct umb_device_list *list = list_of(NULL, false);
    assert_int_equal(count_chosen(list), 2);
    umb_device_list_destroy(list);
    list = list_of(basic, false);
    assert_int_equal(count_chosen(list), 1);
    umb_device_list_destroy(list);
}

static void each_device_opens_by_its_selector(void **state)
{
    (void)state;
    struct umb_device_list *list = list_of(NULL, false);
    for (size_t i = 0; i < list->n; i++) {
        struct umb_device *d = NULL;
        if (umb_device_open(ctx, list->caps[i].selector, &d) != UMB_OK) {
            assert_non_null(list->caps[i].issue); /* such as Clover's, which says why */
            continue;
        }
        assert_string_equal(umb_device_get_caps(d)->name, list->caps[i].name);
        assert_string_equal(umb_device_get_caps(d)->platform, list->caps[i].platform);
        assert_ptr_equal(umb__device_context(d), ctx);
        umb_device_close(d);
    }
    umb_device_list_destroy(list);
}

static void check_round_trip(struct umb_device *d, unsigned char seed)
{
    unsigned char in[256], out[256] = {0};
    struct umb_queue *q = NULL;
    struct umb_buffer *a = NULL, *b = NULL;
    umb_event *e = NULL;
    for (int i = 0; i < 256; i++) {
        in[i] = (unsigned char)(i ^ seed);
    }
    assert_int_equal(umb__queue_create(d, true, &q), UMB_OK);
    assert_int_equal(umb__buffer_create(d, 256, &a), UMB_OK);
    assert_int_equal(umb__buffer_create(d, 256, &b), UMB_OK);
    assert_int_equal(umb__queue_fill_zero(q, b, 0, 256, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_write(q, a, 0, 256, in, NULL, 0, &e), UMB_OK);
    assert_int_equal(umb__queue_copy(q, a, 0, b, 16, 240, &e, 1, NULL), UMB_OK);
    umb__event_release(e);
    assert_int_equal(umb__queue_read_now(q, b, 0, 256, out), UMB_OK);
    for (int i = 0; i < 256; i++) {
        assert_int_equal(out[i], i < 16 ? 0 : in[i - 16]);
    }
    umb__buffer_destroy(a);
    umb__buffer_destroy(b);
    umb__queue_destroy(q);
}

/* All at the same time, each with its own context. */
static void devices_of_every_platform_work_together(void **state)
{
    (void)state;
    struct umb_device *open[16] = {0};
    struct umb_device_list *list = list_of(NULL, false);
    size_t n = 0;
    for (size_t i = 0; i < list->n && n < 16; i++) {
        if (umb_device_open(ctx, list->caps[i].selector, &open[n]) == UMB_OK) { n++; }
    }
    assert_true(n >= 2);
    for (size_t i = 0; i < n; i++) {
        check_round_trip(open[i], (unsigned char)i);
    }
    for (size_t i = 0; i < n; i++) {
        umb_device_close(open[i]);
    }
    umb_device_list_destroy(list);
}

static void llvmpipe_is_there_only_when_named(void **state)
{
    (void)state;
    struct umb_device_list *list = list_of("all", false);
    for (size_t i = 0; i < list->n; i++) {
        if (!strstr(list->caps[i].name, "llvmpipe")) { continue; }
        assert_true(list->caps[i].software);
        assert_non_null(list->caps[i].issue);
        assert_false(list->caps[i].chosen);
        struct umb_device_list *named = list_of("llvmpipe", false);
        assert_true(named->caps[i].chosen);
        umb_device_list_destroy(named);
    }
    umb_device_list_destroy(list);
}

/* The load of other programs can fool the probe, but hardly five times. */
static bool overlap_is_steady(size_t device)
{
    bool overlap = true;
    for (int i = 0; i < 5 && overlap; i++) {
        struct umb_device_list *list = list_of(NULL, true);
        overlap = list->caps[device].queues_overlap;
        umb_device_list_destroy(list);
    }
    return overlap;
}

static void probes_run(void **state)
{
    (void)state;
    struct umb_device_list *list = list_of(NULL, true);
    for (size_t i = 0; i < list->n; i++) {
        const struct umb_device_caps *c = &list->caps[i];
        if (strstr(c->platform, "Clover")) { continue; }
        assert_true(c->probed);
        if (!strstr(c->platform, "NVIDIA")) {
            assert_false(c->inline_ptx || c->mma_tf32 || c->mma_fp16);
        }
        /* PoCL's basic device runs everything in the thread that enqueues or waits. */
        if (is_basic(c->name) && c->queues_overlap) { assert_false(overlap_is_steady(i)); }
    }
    umb_device_list_destroy(list);
}

static void malformed_selectors_name_their_source(void **state)
{
    (void)state;
    struct umb_device_list *list = NULL;
    struct umb_device *d = NULL;
    assert_int_equal(umb_device_list_create(ctx, "gpu,", false, &list), UMB_ERR_INVALID);
    assert_null(list);
    assert_non_null(strstr(umb_context_error(ctx), "device: 'gpu,': an item is empty"));
    setenv("UMBEL_DEVICE", "pocl:", 1);
    assert_int_equal(umb_device_open(ctx, NULL, &d), UMB_ERR_INVALID);
    assert_null(d);
    assert_non_null(strstr(umb_context_error(ctx), "UMBEL_DEVICE: 'pocl:': no device"));
}

/* The message offers the device: its selector, then its name in brackets. */
static void assert_offered(const char *message, const char *selector)
{
    char expected[sizeof basic + 2];
    snprintf(expected, sizeof expected, "%s (", selector);
    if (!strstr(message, expected)) { fail_msg("'%s'; expected '%s'", message, expected); }
}

static void an_unknown_device_is_answered_with_the_list(void **state)
{
    (void)state;
    struct umb_device *d = NULL;
    setenv("UMBEL_DEVICE", "quantum", 1);
    assert_int_equal(umb_device_open(ctx, NULL, &d), UMB_ERR_INVALID);
    assert_null(d);
    const char *message = umb_context_error(ctx);
    assert_non_null(strstr(message, "UMBEL_DEVICE: no device matches 'quantum'"));
    assert_offered(message, basic);
    assert_offered(message, pthread);
    assert_int_equal(umb_device_open(ctx, "cpu#99", &d), UMB_ERR_INVALID);
}

/* Makes allocation 1, 2, 3 … fail until the device opens. */
static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live(), n = 0;
    enum umb_status st;
    do {
        struct umb_device *d = NULL;
        struct umb_device_list *list = NULL;
        umb__alloc_fail_at(++n);
        st = umb_device_open(ctx, basic, &d);
        if (st == UMB_OK) { st = umb_device_list_create(ctx, basic, false, &list); }
        umb__alloc_fail_at(0);
        assert_true(st == UMB_OK || st == UMB_ERR_NO_MEMORY);
        umb_device_close(d);
        umb_device_list_destroy(list);
        assert_int_equal(umb__alloc_live(), before);
    } while (st != UMB_OK);
    assert_in_range(n, 5, 60);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_context, free_context)

int main(void)
{
    setenv("RUSTICL_ENABLE", "llvmpipe", 1);
    setenv("POCL_DEVICES", "pthread basic", 1);
    unsetenv("UMBEL_DEVICE");
    const struct CMUnitTest tests[] = {
        CASE(records_are_filled),
        CASE(one_device_is_chosen_by_default),
        CASE(selectors_mark_their_devices),
        CASE(the_variable_counts_where_no_selector_is_given),
        CASE(each_device_opens_by_its_selector),
        CASE(devices_of_every_platform_work_together),
        CASE(llvmpipe_is_there_only_when_named),
        CASE(probes_run),
        CASE(malformed_selectors_name_their_source),
        CASE(an_unknown_device_is_answered_with_the_list),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, find_selectors, NULL);
}
