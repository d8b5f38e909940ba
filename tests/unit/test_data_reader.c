/* test_data_reader.c: which samples a step takes, and threads that bring them. */
#include "alloc.h"
#include "data_files.h"
#include "sampler.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

static struct umb_dataset *shapes(int64_t count)
{
    const struct umb_dataset_desc d = {.format = "shapes", .seed = 3, .count = count};
    return must_open(&d);
}

/* ---- sampler ---- */

static struct umb_sampler *sampler(struct umb_dataset *ds, int64_t batch, uint64_t seed,
                                   uint32_t stream)
{
    const struct umb_sampler_desc d = {.dataset = ds,
                                       .split = UMB_SPLIT_TRAIN,
                                       .batch = batch,
                                       .seed = seed,
                                       .stream = stream,
                                       .shuffle = true};
    struct umb_sampler *s = NULL;
    assert_int_equal(umb__sampler_create(files_context(), &d, &s), UMB_OK);
    return s;
}

/* All indices of one pass, in order. */
static void take_pass(struct umb_sampler *s, int64_t pass, uint32_t *order)
{
    int64_t n_batches = umb__sampler_batches(s), n;
    for (int64_t b = 0; b < n_batches; b++) {
        assert_int_equal(umb__sampler_batch(s, pass * n_batches + b, order, &n), UMB_OK);
        order += n;
    }
}

static void a_pass_has_every_sample_once(void **state)
{
    (void)state;
    struct umb_dataset *ds = shapes(23);
    static const int64_t batches[] = {1, 2, 5, 22, 23, 24, 1000};
    for (size_t k = 0; k < 7; k++) {
        struct umb_sampler *s = sampler(ds, batches[k], 1, 0);
        assert_int_equal(umb__sampler_batches(s), (23 + batches[k] - 1) / batches[k]);
        for (int64_t pass = 0; pass < 3; pass++) {
            uint32_t order[23], seen = 0;
            take_pass(s, pass, order);
            for (int i = 0; i < 23; i++) {
                seen |= 1u << order[i];
            }
            assert_int_equal(seen, (1u << 23) - 1);
        }
        umb__sampler_destroy(s);
    }
    umb_dataset_close(ds);
}

static void the_last_batch_is_partial(void **state)
{
    (void)state;
    struct umb_dataset *ds = shapes(23);
    struct umb_sampler *s = sampler(ds, 10, 1, 0);
    static const int64_t want[6] = {10, 10, 3, 10, 10, 3};
    uint32_t order[10];
    for (int b = 0; b < 6; b++) {
        int64_t n = -1;
        assert_int_equal(umb__sampler_batch(s, b, order, &n), UMB_OK);
        assert_int_equal(n, want[b]);
    }
    umb__sampler_destroy(s);
    umb_dataset_close(ds);
}

/* Asked in any order, by another sampler, after a resume: the same. */
static void batches_depend_on_their_number_alone(void **state)
{
    (void)state;
    struct umb_dataset *ds = shapes(23);
    struct umb_sampler *a = sampler(ds, 4, 7, 2), *b = sampler(ds, 4, 7, 2);
    uint32_t forward[20][4];
    int64_t n_forward[20], n;
    for (int64_t i = 0; i < 20; i++) {
        assert_int_equal(umb__sampler_batch(a, i, forward[i], &n_forward[i]), UMB_OK);
    }
    for (int64_t i = 20; i-- > 0;) {
        uint32_t order[4];
        assert_int_equal(umb__sampler_batch(b, i, order, &n), UMB_OK);
        assert_int_equal(n, n_forward[i]);
        assert_memory_equal(order, forward[i], (size_t)n * sizeof *order);
    }
    umb__sampler_destroy(a);
    umb__sampler_destroy(b);
    umb_dataset_close(ds);
}

static void seeds_streams_and_passes_differ(void **state)
{
    (void)state;
    struct umb_dataset *ds = shapes(100);
    uint32_t order[12][100];
    for (int k = 0; k < 12; k++) {
        struct umb_sampler *s = sampler(ds, 7, (uint64_t)(k / 4), (uint32_t)(k / 2 % 2));
        take_pass(s, k % 2, order[k]);
        umb__sampler_destroy(s);
        for (int j = 0; j < k; j++) {
            assert_memory_not_equal(order[k], order[j], sizeof order[k]);
        }
    }
    umb_dataset_close(ds);
}

static void without_shuffling_samples_come_in_order(void **state)
{
    (void)state;
    struct umb_dataset *ds = shapes(23);
    const struct umb_sampler_desc d = {.dataset = ds, .split = UMB_SPLIT_TEST, .batch = 4};
    struct umb_sampler *s = NULL;
    uint32_t order[5];
    assert_int_equal(umb__sampler_create(files_context(), &d, &s), UMB_OK);
    for (int64_t pass = 0; pass < 2; pass++) {
        take_pass(s, pass, order);
        for (uint32_t i = 0; i < 5; i++) {
            assert_int_equal(order[i], i);
        }
    }
    umb__sampler_destroy(s);
    umb_dataset_close(ds);
}

static void samplers_refuse_what_makes_no_sense(void **state)
{
    (void)state;
    struct umb_dataset *ds = shapes(23);
    struct umb_sampler *s = NULL;
    struct umb_sampler_desc d = {.dataset = ds, .split = UMB_SPLIT_TRAIN, .batch = 0};
    assert_failed(umb__sampler_create(files_context(), &d, &s), UMB_ERR_INVALID,
                  PIECES("batch: 0; expected at least 1"));
    d.batch = 3;
    d.split = UMB_SPLIT_VALIDATION;
    assert_failed(umb__sampler_create(files_context(), &d, &s), UMB_ERR_INVALID,
                  PIECES("no validation samples"));
    assert_null(s);
    s = sampler(ds, 3, 1, 1);
    uint32_t order[3];
    int64_t n;
    assert_failed(umb__sampler_batch(s, -1, order, &n), UMB_ERR_INVALID, PIECES("batch number -1"));
    umb__sampler_destroy(s);
    umb__sampler_destroy(NULL);
    umb_dataset_close(ds);
}

/* ---- reader ---- */

#define N 60
#define IMAGE 3072

/* A batch of the shapes set, with all its targets or none. */
struct batch {
    uint8_t image[N][IMAGE];
    int32_t shape[N], colour[N], mask[N][1024];
    float place[N][2];
};

static struct umb_reader *reader(unsigned n_threads)
{
    struct umb_reader *r = NULL;
    assert_int_equal(umb__reader_create(files_context(), n_threads, &r), UMB_OK);
    return r;
}

static enum umb_status read_batch(struct umb_reader *r, struct umb_dataset *ds, int64_t n,
                                  struct batch *b)
{
    uint32_t indices[N];
    void *targets[4] = {b->shape, b->colour, b->place, b->mask};
    for (uint32_t i = 0; i < N; i++) {
        indices[i] = (i * 7 + 5) % N;
    }
    return umb__reader_read(r, ds, UMB_SPLIT_TRAIN, indices, n, b->image[0], targets);
}

static void assert_batch(struct umb_dataset *ds, const struct batch *b, int64_t n)
{
    static struct batch one;
    void *targets[4] = {one.shape, one.colour, one.place, one.mask};
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(
            umb_dataset_read(ds, UMB_SPLIT_TRAIN, (i * 7 + 5) % N, one.image[0], targets), UMB_OK);
        assert_memory_equal(one.image[0], b->image[i], IMAGE);
        assert_memory_equal(one.mask[0], b->mask[i], sizeof b->mask[i]);
        assert_memory_equal(one.place[0], b->place[i], sizeof b->place[i]);
        assert_int_equal(one.shape[0], b->shape[i]);
        assert_int_equal(one.colour[0], b->colour[i]);
    }
}

static void samples_come_to_their_places(void **state)
{
    (void)state;
    static struct batch b;
    struct umb_dataset *ds = shapes(N);
    for (unsigned n_threads = 1; n_threads <= 8; n_threads *= 2) {
        struct umb_reader *r = reader(n_threads);
        for (int64_t n = 0; n <= N; n += n < 3 ? 1 : 19) {
            memset(&b, 0xee, sizeof b);
            assert_int_equal(read_batch(r, ds, n, &b), UMB_OK);
            assert_batch(ds, &b, n);
            if (n < N) { assert_int_equal(b.image[n][0], 0xee); }
        }
        umb__reader_destroy(r);
    }
    umb_dataset_close(ds);
}

static void unwanted_targets_are_not_touched(void **state)
{
    (void)state;
    static uint8_t images[3][IMAGE];
    struct umb_dataset *ds = shapes(N);
    struct umb_reader *r = reader(2);
    const uint32_t indices[3] = {4, 4, 9};
    int32_t colour[3] = {-7, -7, -7};
    void *targets[4] = {NULL, colour, NULL, NULL};
    assert_int_equal(umb__reader_read(r, ds, UMB_SPLIT_TRAIN, indices, 3, images[0], targets),
                     UMB_OK);
    assert_int_equal(colour[0], colour[1]);
    assert_in_range(colour[2], 0, 5);
    assert_int_equal(umb__reader_read(r, ds, UMB_SPLIT_TRAIN, indices, 3, images[0], NULL), UMB_OK);
    assert_memory_equal(images[0], images[1], IMAGE);
    umb__reader_destroy(r);
    umb_dataset_close(ds);
}

/* The lowest position that fails is told, whichever thread was first. */
static void the_first_error_wins(void **state)
{
    (void)state;
    static struct batch b;
    struct umb_dataset *ds = shapes(N);
    struct umb_reader *r = reader(4);
    uint32_t indices[N];
    for (int round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < N; i++) {
            indices[i] = i < (uint32_t)round % 30 + 3 ? i : 1000 + i;
        }
        char want[32];
        snprintf(want, sizeof want, "sample %d of", 1000 + round % 30 + 3);
        assert_failed(umb__reader_read(r, ds, UMB_SPLIT_TRAIN, indices, N, b.image[0], NULL),
                      UMB_ERR_INVALID, PIECES(want));
    }
    assert_int_equal(read_batch(r, ds, N, &b), UMB_OK); /* and goes on */
    assert_batch(ds, &b, N);
    umb__reader_destroy(r);
    umb_dataset_close(ds);
}

static void damaged_files_are_named(void **state)
{
    (void)state;
    const struct png_plan plan = {2, 2, 8, PNG_COLOR_TYPE_GRAY, false};
    char name[40];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "set/a/%02d.png", i);
        put_blob(name, png_blob(&plan));
        if (i % 10 == 7) { put_text(name, "no image"); }
    }
    const struct umb_dataset_desc d = {
        .format = "folder", .path = in_folder("set"), .height = 3, .width = 3};
    struct umb_dataset *ds = must_open(&d);
    struct umb_reader *r = reader(3);
    uint32_t indices[30];
    uint8_t images[30][9];
    for (uint32_t i = 0; i < 30; i++) {
        indices[i] = 29 - i;
    }
    assert_failed(umb__reader_read(r, ds, UMB_SPLIT_TRAIN, indices, 30, images[0], NULL),
                  UMB_ERR_FORMAT, PIECES("set/a/27.png: neither"));
    umb__reader_destroy(r);
    umb_dataset_close(ds);
}

struct caller {
    pthread_t thread;
    struct umb_reader *reader;
    struct umb_dataset *ds;
    int n_wrong;
    struct batch batch, first;
};

static void *call_often(void *user)
{
    struct caller *c = user;
    for (int i = 0; i < 30; i++) {
        memset(&c->batch, 0xee, sizeof c->batch);
        c->n_wrong += read_batch(c->reader, c->ds, N, &c->batch) != UMB_OK;
        if (i == 0) { c->first = c->batch; }
        c->n_wrong += memcmp(&c->first, &c->batch, sizeof c->batch) != 0;
    }
    return NULL;
}

static void many_callers_share_a_reader(void **state)
{
    (void)state;
    struct umb_dataset *ds = shapes(N);
    struct umb_reader *r = reader(3);
    struct caller *caller = calloc(4, sizeof *caller);
    assert_non_null(caller);
    for (int i = 0; i < 4; i++) {
        caller[i].reader = r;
        caller[i].ds = ds;
        assert_int_equal(pthread_create(&caller[i].thread, NULL, call_often, &caller[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(caller[i].thread, NULL);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(caller[i].n_wrong, 0);
        assert_batch(ds, &caller[i].batch, N);
    }
    free(caller);
    umb__reader_destroy(r);
    umb_dataset_close(ds);
}

/* Threads that read one image at once, before it is kept and after. */
static void many_threads_share_the_kept_images(void **state)
{
    (void)state;
    static uint8_t images[400][64 * 64];
    const struct png_plan plan = {64, 64, 8, PNG_COLOR_TYPE_GRAY, false};
    put_blob("set/a/1.png", png_blob(&plan));
    put_blob("set/a/2.png", png_blob(&plan));
    const struct umb_dataset_desc d = {.format = "folder", .path = in_folder("set")};
    struct umb_dataset *ds = must_open(&d);
    struct umb_reader *r = reader(8);
    uint32_t indices[400];
    for (uint32_t i = 0; i < 400; i++) {
        indices[i] = i % 2;
    }
    assert_int_equal(umb__reader_read(r, ds, UMB_SPLIT_TRAIN, indices, 400, images[0], NULL),
                     UMB_OK);
    for (size_t i = 0; i < 400; i++) {
        assert_memory_equal(images[i], images[0], sizeof images[0]);
    }
    assert_int_equal(images[0][4095], pixel_at(4095));
    umb__reader_destroy(r);
    umb_dataset_close(ds);
}

static void readers_come_and_go(void **state)
{
    (void)state;
    struct umb_reader *r = NULL;
    uint64_t before = umb__alloc_live();
    for (int i = 0; i < 50; i++) {
        umb__reader_destroy(reader(1 + (unsigned)i % 4));
    }
    umb__reader_destroy(NULL);
    assert_failed(umb__reader_create(files_context(), 0, &r), UMB_ERR_INVALID,
                  PIECES("0 threads", "at least 1"));
    assert_null(r);
    assert_int_equal(umb__alloc_live(), before);
}

static void failing_allocations_leave_nothing(void **state)
{
    (void)state;
    static struct batch b;
    struct umb_dataset *ds = shapes(N);
    uint64_t before = umb__alloc_live(), n = 0;
    enum umb_status st;
    do {
        struct umb_reader *r = NULL;
        umb__alloc_fail_at(++n);
        st = umb__reader_create(files_context(), 2, &r);
        if (st == UMB_OK) { st = read_batch(r, ds, 2, &b); }
        umb__reader_destroy(r);
        umb__alloc_fail_at(0);
        if (st != UMB_OK) { assert_int_equal(st, UMB_ERR_NO_MEMORY); }
        assert_int_equal(umb__alloc_live(), before);
    } while (st != UMB_OK);
    assert_in_range(n, 4, 30);
    umb_dataset_close(ds);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, files_set_up, files_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_pass_has_every_sample_once),
        CASE(the_last_batch_is_partial),
        CASE(batches_depend_on_their_number_alone),
        CASE(seeds_streams_and_passes_differ),
        CASE(without_shuffling_samples_come_in_order),
        CASE(samplers_refuse_what_makes_no_sense),
        CASE(samples_come_to_their_places),
        CASE(unwanted_targets_are_not_touched),
        CASE(the_first_error_wins),
        CASE(damaged_files_are_named),
        CASE(many_callers_share_a_reader),
        CASE(many_threads_share_the_kept_images),
        CASE(readers_come_and_go),
        CASE(failing_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
