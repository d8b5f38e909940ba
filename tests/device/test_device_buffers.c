/* test_device_buffers.c: buffers, queues, transfers and events on the machine's CPU device. */
#include "alloc.h"
#include "device_internal.h"
#include "system.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BYTES 4096

static struct umb_context *ctx;
static struct umb_device *device;
static struct umb_queue *queue;

static int open_device(void **state)
{
    (void)state;
    if (umb_context_create(NULL, &ctx) != UMB_OK) { return -1; }
    if (umb_device_open(ctx, "cpu", &device) != UMB_OK ||
        umb__queue_create(device, true, &queue) != UMB_OK) {
        fprintf(stderr, "# %s\n", umb_context_error(ctx));
        return -1;
    }
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    umb__queue_destroy(queue);
    umb_device_close(device);
    umb_context_destroy(ctx);
    return umb__alloc_live() == 0 ? 0 : -1;
}

static struct umb_buffer *make(size_t bytes)
{
    struct umb_buffer *b = NULL;
    assert_int_equal(umb__buffer_create(device, bytes, &b), UMB_OK);
    return b;
}

static void assert_error(enum umb_status st, enum umb_status want, const char *piece)
{
    assert_string_equal(umb_status_name(st), umb_status_name(want));
    if (!strstr(umb_context_error(ctx), piece)) {
        fail_msg("'%s' lacks '%s'", umb_context_error(ctx), piece);
    }
}

static void fill_pattern(unsigned char *data, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        data[i] = (unsigned char)(i * 31 + seed);
    }
}

static void memory_is_accounted(void **state)
{
    (void)state;
    uint64_t before = umb_device_bytes(device);
    struct umb_buffer *a = make(1000), *b = make(500);
    assert_int_equal(umb__buffer_bytes(a), 1000);
    assert_int_equal(umb_device_bytes(device) - before, 1500);
    assert_true(umb_device_peak_bytes(device) >= before + 1500);
    umb__buffer_destroy(a);
    assert_int_equal(umb_device_bytes(device) - before, 500);
    umb__buffer_destroy(b);
    umb__buffer_destroy(NULL);
    assert_int_equal(umb_device_bytes(device), before);
    assert_true(umb_device_peak_bytes(device) >= before + 1500);
}

static void empty_buffers_are_refused(void **state)
{
    (void)state;
    struct umb_buffer *b = NULL;
    assert_error(umb__buffer_create(device, 0, &b), UMB_ERR_INVALID, "0 bytes");
    assert_null(b);
}

static void too_large_buffers_are_refused(void **state)
{
    (void)state;
    struct umb_buffer *b = NULL;
    uint64_t before = umb_device_bytes(device);
    size_t limit = (size_t)umb_device_get_caps(device)->max_alloc_bytes;
    assert_error(umb__buffer_create(device, limit + 1, &b), UMB_ERR_NO_MEMORY, "MiB is too large");
    assert_error(umb__buffer_create(device, SIZE_MAX, &b), UMB_ERR_NO_MEMORY, "MiB in one piece");
    assert_null(b);
    assert_int_equal(umb_device_bytes(device), before);
}

static void written_is_read(void **state)
{
    (void)state;
    unsigned char in[BYTES], out[BYTES] = {0};
    struct umb_buffer *b = make(BYTES);
    fill_pattern(in, BYTES, 1);
    assert_int_equal(umb__queue_write_now(queue, b, 0, BYTES, in), UMB_OK);
    assert_int_equal(umb__queue_read_now(queue, b, 0, BYTES, out), UMB_OK);
    assert_memory_equal(in, out, BYTES);
    assert_int_equal(umb__queue_write_now(queue, b, BYTES - 3, 3, "abc"), UMB_OK);
    assert_int_equal(umb__queue_read_now(queue, b, BYTES - 4, 4, out), UMB_OK);
    assert_int_equal(out[0], in[BYTES - 4]);
    assert_memory_equal(out + 1, "abc", 3);
    umb__buffer_destroy(b);
}

static void copies(void **state)
{
    (void)state;
    unsigned char in[BYTES], out[BYTES];
    struct umb_buffer *a = make(BYTES), *b = make(BYTES);
    fill_pattern(in, BYTES, 2);
    assert_int_equal(umb__queue_write_now(queue, a, 0, BYTES, in), UMB_OK);
    assert_int_equal(umb__queue_fill_zero(queue, b, 0, BYTES, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_copy(queue, a, 100, b, 200, 300, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_copy(queue, a, 0, a, 2000, 2000, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_read_now(queue, b, 0, BYTES, out), UMB_OK);
    assert_memory_equal(out + 200, in + 100, 300);
    assert_int_equal(out[199], 0);
    assert_int_equal(out[500], 0);
    assert_int_equal(umb__queue_read_now(queue, a, 2000, 2000, out), UMB_OK);
    assert_memory_equal(out, in, 2000);
    umb__buffer_destroy(a);
    umb__buffer_destroy(b);
}

/* Offsets and sizes around the widths of the pattern that is filled with. */
static void clearing_clears_just_its_range(void **state)
{
    (void)state;
    const size_t ranges[][2] = {{0, BYTES}, {0, 1},   {1, 1},   {3, 7},  {4, 4},
                                {8, 24},    {16, 16}, {16, 17}, {5, 16}, {BYTES - 1, 1}};
    unsigned char in[BYTES], out[BYTES];
    struct umb_buffer *b = make(BYTES);
    memset(in, 0xAB, BYTES);
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        size_t offset = ranges[r][0], n = ranges[r][1];
        assert_int_equal(umb__queue_write_now(queue, b, 0, BYTES, in), UMB_OK);
        assert_int_equal(umb__queue_fill_zero(queue, b, offset, n, NULL, 0, NULL), UMB_OK);
        assert_int_equal(umb__queue_read_now(queue, b, 0, BYTES, out), UMB_OK);
        for (size_t i = 0; i < BYTES; i++) {
            int want = i >= offset && i - offset < n ? 0 : 0xAB;
            if (out[i] != want) { fail_msg("%zu+%zu: byte %zu is %d", offset, n, i, out[i]); }
        }
    }
    umb__buffer_destroy(b);
}

static void ranges_beyond_the_end_are_refused(void **state)
{
    (void)state;
    char data[16] = {0};
    struct umb_buffer *b = make(8), *large = make(64);
    const size_t bad[][2] = {{0, 9}, {1, 8}, {8, 1}, {9, 1}, {0, 0}, {SIZE_MAX, 2}, {2, SIZE_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t at = bad[i][0], n = bad[i][1];
        assert_error(umb__queue_write_now(queue, b, at, n, data), UMB_ERR_INVALID, "writing");
        assert_error(umb__queue_read_now(queue, b, at, n, data), UMB_ERR_INVALID, "reading");
        assert_error(umb__queue_fill_zero(queue, b, at, n, NULL, 0, NULL), UMB_ERR_INVALID,
                     "clearing");
        assert_error(umb__queue_copy(queue, b, at, large, 0, n, NULL, 0, NULL), UMB_ERR_INVALID,
                     "copying from");
        if (n > 0 && n < 64) {
            assert_error(umb__queue_copy(queue, large, 0, b, at, n, NULL, 0, NULL), UMB_ERR_INVALID,
                         "copying to");
        }
    }
    umb__buffer_destroy(b);
    umb__buffer_destroy(large);
}

static void overlapping_copies_are_refused(void **state)
{
    (void)state;
    struct umb_buffer *b = make(64);
    assert_error(umb__queue_copy(queue, b, 0, b, 7, 8, NULL, 0, NULL), UMB_ERR_INVALID, "overlap");
    assert_error(umb__queue_copy(queue, b, 7, b, 0, 8, NULL, 0, NULL), UMB_ERR_INVALID, "overlap");
    assert_int_equal(umb__queue_copy(queue, b, 0, b, 8, 8, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_finish(queue), UMB_OK);
    umb__buffer_destroy(b);
}

static void events_order_two_queues(void **state)
{
    (void)state;
    struct umb_queue *other = NULL;
    umb_event *written = NULL, *copied = NULL;
    unsigned char in[BYTES], out[BYTES];
    struct umb_buffer *a = make(BYTES), *b = make(BYTES);
    assert_int_equal(umb__queue_create(device, false, &other), UMB_OK);
    assert_ptr_equal(umb__queue_device(other), device);
    for (unsigned round = 0; round < 50; round++) {
        fill_pattern(in, BYTES, round);
        assert_int_equal(umb__queue_write(queue, a, 0, BYTES, in, &copied, 1, &written), UMB_OK);
        umb__event_release(copied);
        umb_event *waits[] = {NULL, written, NULL};
        assert_int_equal(umb__queue_copy(other, a, 0, b, 0, BYTES, waits, 3, &copied), UMB_OK);
        umb__event_release(written);
        assert_int_equal(umb__queue_flush(queue), UMB_OK);
        assert_int_equal(umb__queue_read_now(other, b, 0, BYTES, out), UMB_OK);
        assert_memory_equal(in, out, BYTES);
    }
    umb__event_release(copied);
    umb__queue_destroy(other);
    umb__buffer_destroy(a);
    umb__buffer_destroy(b);
}

static void more_waits_than_fit_on_the_stack(void **state)
{
    (void)state;
    enum { WAITS = 100 };
    umb_event *waits[WAITS] = {0}, *all = NULL;
    for (int i = 0; i < WAITS; i++) {
        assert_int_equal(umb__queue_marker(queue, NULL, 0, &waits[i]), UMB_OK);
    }
    assert_int_equal(umb__queue_marker(queue, waits, WAITS, &all), UMB_OK);
    assert_int_equal(umb__event_wait(device, all), UMB_OK);
    bool done = false;
    for (int i = 0; i < WAITS; i++) {
        assert_int_equal(umb__event_done(device, waits[i], &done), UMB_OK);
        assert_true(done);
        umb__event_release(waits[i]);
    }
    umb__event_release(all);
}

/* A user event stands for a command that takes its time, or fails. */
static umb_event *user_event(void)
{
    cl_int code;
    cl_event e = clCreateUserEvent(umb__device_cl_context(device), &code);
    assert_int_equal(code, CL_SUCCESS);
    umb_event *event = umb__event_from_cl(ctx, e);
    assert_non_null(event);
    return event;
}

static void set_user_event(umb_event *event, cl_int status)
{
    assert_int_equal(clSetUserEventStatus(umb__event_cl(event), status), CL_SUCCESS);
}

static void the_last_of_many_waits_counts(void **state)
{
    (void)state;
    umb_event *waits[50] = {0}, *marker = NULL;
    bool done = true;
    waits[49] = user_event();
    assert_int_equal(umb__queue_marker(queue, waits, 50, &marker), UMB_OK);
    assert_int_equal(umb__queue_flush(queue), UMB_OK);
    umb__sleep_ns(5000000);
    assert_int_equal(umb__event_done(device, marker, &done), UMB_OK);
    assert_false(done);
    set_user_event(waits[49], CL_COMPLETE);
    assert_int_equal(umb__event_wait(device, marker), UMB_OK);
    umb__event_release(waits[49]);
    umb__event_release(marker);
}

static void a_marker_comes_after_what_was_enqueued(void **state)
{
    (void)state;
    umb_event *marker = NULL;
    unsigned char out[BYTES];
    struct umb_buffer *b = make(BYTES);
    assert_int_equal(umb__queue_fill_zero(queue, b, 0, BYTES, NULL, 0, NULL), UMB_OK);
    memset(out, 1, BYTES);
    assert_int_equal(umb__queue_read(queue, b, 0, BYTES, out, NULL, 0, NULL), UMB_OK);
    assert_int_equal(umb__queue_marker(queue, NULL, 0, &marker), UMB_OK);
    assert_int_equal(umb__event_wait(device, marker), UMB_OK);
    for (int i = 0; i < BYTES; i++) {
        assert_int_equal(out[i], 0);
    }
    umb__event_release(marker);
    umb__buffer_destroy(b);
}

static void events_are_counted(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live();
    umb_event *e = NULL;
    assert_int_equal(umb__queue_marker(queue, NULL, 0, &e), UMB_OK);
    assert_ptr_equal(umb__event_retain(e), e);
    umb__event_release(e);
    assert_int_equal(umb__event_wait(device, e), UMB_OK);
    umb__event_release(e);
    umb__event_release(NULL);
    assert_null(umb__event_retain(NULL));
    assert_int_equal(umb__alloc_live(), before);
}

static void no_event_has_happened_already(void **state)
{
    (void)state;
    bool done = false;
    uint64_t queued = 1, start = 1, end = 1;
    assert_int_equal(umb__event_wait(device, NULL), UMB_OK);
    assert_int_equal(umb__event_done(device, NULL, &done), UMB_OK);
    assert_true(done);
    assert_int_equal(umb__event_times(device, NULL, &queued, &start, &end), UMB_OK);
    assert_int_equal(queued + start + end, 0);
}

static void an_open_event_is_not_done(void **state)
{
    (void)state;
    bool done = true;
    umb_event *open = user_event(), *marker = NULL;
    assert_int_equal(umb__event_done(device, open, &done), UMB_OK);
    assert_false(done);
    assert_int_equal(umb__queue_marker(queue, &open, 1, &marker), UMB_OK);
    assert_int_equal(umb__queue_flush(queue), UMB_OK);
    assert_int_equal(umb__event_done(device, marker, &done), UMB_OK);
    assert_false(done);
    set_user_event(open, CL_COMPLETE);
    assert_int_equal(umb__event_wait(device, marker), UMB_OK);
    assert_int_equal(umb__event_done(device, marker, &done), UMB_OK);
    assert_true(done);
    umb__event_release(open);
    umb__event_release(marker);
}

static void a_failed_command_is_an_error(void **state)
{
    (void)state;
    bool done = false;
    umb_event *bad = user_event();
    set_user_event(bad, CL_OUT_OF_RESOURCES);
    assert_error(umb__event_wait(device, bad), UMB_ERR_NO_MEMORY, "CL_OUT_OF_RESOURCES (-5)");
    assert_error(umb__event_done(device, bad, &done), UMB_ERR_NO_MEMORY, "CL_OUT_OF_RESOURCES");
    umb__event_release(bad);
    bad = user_event();
    set_user_event(bad, CL_INVALID_KERNEL);
    assert_error(umb__event_wait(device, bad), UMB_ERR_DEVICE, "CL_INVALID_KERNEL (-48)");
    umb__event_release(bad);
}

static void a_profiling_queue_tells_times(void **state)
{
    (void)state;
    static unsigned char data[1 << 20];
    uint64_t queued = 0, start = 0, end = 0;
    umb_event *e = NULL;
    struct umb_buffer *b = make(sizeof data);
    uint64_t wall = umb__clock_ns();
    assert_int_equal(umb__queue_write(queue, b, 0, sizeof data, data, NULL, 0, &e), UMB_OK);
    assert_int_equal(umb__event_wait(device, e), UMB_OK);
    wall = umb__clock_ns() - wall;
    assert_int_equal(umb__event_times(device, e, &queued, &start, &end), UMB_OK);
    assert_true(queued <= start && start <= end);
    assert_true(end - queued <= wall);
    umb__event_release(e);
    umb__buffer_destroy(b);
}

static void another_queue_tells_no_times(void **state)
{
    (void)state;
    struct umb_queue *plain = NULL;
    umb_event *e = NULL;
    uint64_t queued = 7, start = 7, end = 7;
    char byte = 0;
    struct umb_buffer *b = make(1);
    assert_int_equal(umb__queue_create(device, false, &plain), UMB_OK);
    assert_int_equal(umb__queue_write(plain, b, 0, 1, &byte, NULL, 0, &e), UMB_OK);
    assert_int_equal(umb__event_wait(device, e), UMB_OK);
    assert_error(umb__event_times(device, e, &queued, &start, &end), UMB_ERR_DEVICE,
                 "CL_PROFILING_INFO_NOT_AVAILABLE");
    assert_int_equal(queued + start + end, 21);
    umb__event_release(e);
    umb__queue_destroy(plain);
    umb__buffer_destroy(b);
}

static enum umb_status use_everything(void)
{
    struct umb_queue *q = NULL;
    struct umb_buffer *b = NULL;
    umb_event *e = NULL, *waits[20] = {0};
    char data[64] = {0};
    enum umb_status st = umb__queue_create(device, false, &q);
    if (st == UMB_OK) { st = umb__buffer_create(device, sizeof data, &b); }
    if (st == UMB_OK) { st = umb__queue_write(q, b, 0, sizeof data, data, waits, 20, &e); }
    if (st == UMB_OK) { st = umb__event_wait(device, e); }
    if (st == UMB_OK) { st = umb__queue_read_now(q, b, 0, sizeof data, data); }
    umb__event_release(e);
    umb__buffer_destroy(b);
    umb__queue_destroy(q);
    return st;
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    uint64_t before = umb__alloc_live(), bytes = umb_device_bytes(device), n = 0;
    enum umb_status st;
    do {
        umb__alloc_fail_at(++n);
        st = use_everything();
        umb__alloc_fail_at(0);
        assert_int_equal(umb__alloc_live(), before);
        assert_int_equal(umb_device_bytes(device), bytes);
        assert_true(st == UMB_OK || st == UMB_ERR_NO_MEMORY);
    } while (st != UMB_OK || n < 5);
    assert_in_range(n, 5, 20);
}

static void *complete_later(void *event)
{
    umb__sleep_ns(20000000);
    set_user_event(event, CL_COMPLETE);
    return NULL;
}

/* The way that waits go on NVIDIA, whose own wait keeps a core busy. */
static void asking_between_sleeps(void **state)
{
    (void)state;
    pthread_t thread;
    umb_event *open = user_event(), *marker = NULL;
    device->polls = true;
    assert_int_equal(use_everything(), UMB_OK);
    assert_int_equal(umb__queue_marker(queue, &open, 1, &marker), UMB_OK);
    uint64_t start = umb__clock_ns();
    assert_int_equal(pthread_create(&thread, NULL, complete_later, open), 0);
    assert_int_equal(umb__event_wait(device, marker), UMB_OK);
    assert_true(umb__clock_ns() - start >= 19000000);
    assert_int_equal(umb__event_wait(device, open), UMB_OK);
    pthread_join(thread, NULL);
    umb__event_release(marker);
    umb__event_release(open);
    open = user_event();
    set_user_event(open, CL_INVALID_KERNEL);
    assert_error(umb__event_wait(device, open), UMB_ERR_DEVICE, "CL_INVALID_KERNEL");
    umb__event_release(open);
    device->polls = false;
}

static void errors_have_names(void **state)
{
    (void)state;
    assert_string_equal(umb__cl_error_name(CL_OUT_OF_RESOURCES), "CL_OUT_OF_RESOURCES");
    assert_string_equal(umb__cl_error_name(-1001), "CL_PLATFORM_NOT_FOUND_KHR");
    assert_non_null(umb__cl_error_name(12345));
    assert_int_equal(umb__cl_check(ctx, CL_SUCCESS, "x"), UMB_OK);
    assert_error(umb__cl_check(ctx, CL_INVALID_EVENT, "clWait"), UMB_ERR_DEVICE,
                 "clWait: CL_INVALID_EVENT (-58)");
    assert_error(umb__cl_check(ctx, CL_OUT_OF_HOST_MEMORY, "clBuild"), UMB_ERR_NO_MEMORY,
                 "clBuild: CL_OUT_OF_HOST_MEMORY (-6)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_accounted),
        cmocka_unit_test(empty_buffers_are_refused),
        cmocka_unit_test(too_large_buffers_are_refused),
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(copies),
        cmocka_unit_test(clearing_clears_just_its_range),
        cmocka_unit_test(ranges_beyond_the_end_are_refused),
        cmocka_unit_test(overlapping_copies_are_refused),
        cmocka_unit_test(events_order_two_queues),
        cmocka_unit_test(more_waits_than_fit_on_the_stack),
        cmocka_unit_test(the_last_of_many_waits_counts),
        cmocka_unit_test(a_marker_comes_after_what_was_enqueued),
        cmocka_unit_test(events_are_counted),
        cmocka_unit_test(no_event_has_happened_already),
        cmocka_unit_test(an_open_event_is_not_done),
        cmocka_unit_test(a_failed_command_is_an_error),
        cmocka_unit_test(a_profiling_queue_tells_times),
        cmocka_unit_test(another_queue_tells_no_times),
        cmocka_unit_test(failing_allocations_leave_nothing),
        cmocka_unit_test(asking_between_sleeps),
        cmocka_unit_test(errors_have_names),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
