/*
 * augment.c: how many images a second a loading thread changes.
 *
 *   augment CSV SIDE CHANNELS
 *
 * Reads the training images of a table with a column `path` once, so that they are decoded, and
 * then again and again with one change at a time. Times are of the processor, of one thread, so
 * that what else runs on the machine counts for little.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "alloc.h"
#include "sampler.h"
#include "text.h"

#define BATCH 64
#define ROUNDS 3

static const struct change {
    const char *name;
    struct umb_augment augment;
} changes[] = {
    {"flip", {.flip = 0.5, .fill = UMB_FILL_EDGE}},
    {"flip, shift", {.flip = 0.5, .shift = 0.1, .fill = UMB_FILL_EDGE}},
    {"flip, shift, tones",
     {.flip = 0.5, .shift = 0.1, .brightness = 0.2, .contrast = 0.2, .fill = UMB_FILL_EDGE}},
    {"flip, shift, tones, zoom",
     {.flip = 0.5,
      .shift = 0.1,
      .zoom = {0.8, 1.2},
      .brightness = 0.2,
      .contrast = 0.2,
      .fill = UMB_FILL_EDGE}},
    {"flip, shift, tones, zoom, rotate",
     {.flip = 0.5,
      .shift = 0.1,
      .rotate = 20,
      .zoom = {0.8, 1.2},
      .brightness = 0.2,
      .contrast = 0.2,
      .fill = UMB_FILL_EDGE}},
};

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One walk through the training split. */
static enum umb_status walk(struct umb_reader *r, struct umb_dataset *ds,
                            const struct umb_augment *augment, uint8_t *images)
{
    enum umb_status st = UMB_OK;
    const int64_t n = umb_dataset_count(ds, UMB_SPLIT_TRAIN);
    for (int64_t first = 0; st == UMB_OK && first + BATCH <= n; first += BATCH) {
        uint32_t index[BATCH];
        for (uint32_t i = 0; i < BATCH; i++) {
            index[i] = (uint32_t)first + i;
        }
        const struct umb_read read = {.dataset = ds,
                                      .indices = index,
                                      .n = BATCH,
                                      .images = images,
                                      .augment = augment,
                                      .first = (uint64_t)first};
        st = umb__reader_run(r, &read);
    }
    return st;
}

static enum umb_status measure(struct umb_reader *r, struct umb_dataset *ds, const struct change *c,
                               uint8_t *images)
{
    const double n = (double)(umb_dataset_count(ds, UMB_SPLIT_TRAIN) / BATCH * BATCH);
    double best = 1e30;
    enum umb_status st = UMB_OK;
    for (int i = 0; st == UMB_OK && i < ROUNDS; i++) {
        const double begun = processor_seconds();
        st = walk(r, ds, c ? &c->augment : NULL, images);
        const double took = processor_seconds() - begun;
        best = took < best ? took : best;
    }
    printf("%-34s %9.0f images/s %7.1f µs each\n", c ? c->name : "as they are", n / best,
           1e6 * best / n);
    return st;
}

static enum umb_status run(struct umb_context *ctx, const char *path, int64_t side,
                           int64_t channels)
{
    static const char *const column[] = {"path"};
    const struct umb_csv_target none = {.name = "none",
                                        .kind = UMB_TARGET_PIXELS,
                                        .columns = column,
                                        .n_columns = 1,
                                        .n_classes = 2};
    const struct umb_dataset_desc desc = {.format = "csv",
                                          .path = path,
                                          .height = side,
                                          .width = side,
                                          .channels = channels,
                                          .targets = &none,
                                          .n_targets = 1};
    struct umb_dataset *ds = NULL;
    struct umb_reader *r = NULL;
    uint8_t *images = umb__calloc(ctx, BATCH, (size_t)(side * side * channels));
    enum umb_status st = images ? umb_dataset_open(ctx, &desc, &ds) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = umb__reader_create(ctx, 1, &r); }
    if (st == UMB_OK) { st = walk(r, ds, NULL, images); }
    if (st == UMB_OK) { st = measure(r, ds, NULL, images); }
    for (size_t i = 0; st == UMB_OK && i < sizeof changes / sizeof *changes; i++) {
        st = measure(r, ds, &changes[i], images);
    }
    umb__reader_destroy(r);
    umb_dataset_close(ds);
    umb__free(images);
    return st;
}

int main(int argc, char **argv)
{
    struct umb_context *ctx = NULL;
    int64_t side, channels;
    if (argc != 4 || !umb__parse_int(argv[2], 1, 4096, &side) ||
        !umb__parse_int(argv[3], 1, 3, &channels)) {
        fprintf(stderr, "usage: augment CSV SIDE CHANNELS\n");
        return 2;
    }
    enum umb_status st = umb_context_create(NULL, &ctx);
    if (st == UMB_OK) { st = run(ctx, argv[1], side, channels); }
    if (st != UMB_OK) { fprintf(stderr, "augment: %s\n", umb_context_error(ctx)); }
    umb_context_destroy(ctx);
    return st == UMB_OK ? 0 : 1;
}
