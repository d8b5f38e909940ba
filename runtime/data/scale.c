/*
 * scale.c: one separable filter for growing and shrinking, and nearest for class indices.
 *
 * For target pixel o of an axis that goes from n to m pixels, with step = n/m:
 *     centre = (o + ½)·step,   reach = max(step, 1)
 *     weight of source pixel i ∝ max(0, 1 − |i + ½ − centre| / reach),   summing to 1
 * A target row is mixed from source rows first and then along itself, so that one row of floats is
 * all the memory it takes.
 */
#include "alloc.h"
#include "image.h"
#include <math.h>

/* The weights of one axis: target o takes count[o] source pixels from first[o] on. */
struct axis {
    int64_t *first, *count;
    float *weight; /* [m][stride] */
    int64_t stride;
};

static void axis_finish(struct axis *a)
{
    umb__free(a->first);
    umb__free(a->count);
    umb__free(a->weight);
}

static void fill_target(struct axis *a, int64_t n, double step, int64_t o)
{
    double reach = fmax(step, 1.0), centre = ((double)o + 0.5) * step, sum = 0.0;
    int64_t from = (int64_t)fmax(ceil(centre - reach - 0.5), 0.0);
    int64_t to = (int64_t)fmin(floor(centre + reach - 0.5), (double)(n - 1));
    float *weight = a->weight + o * a->stride;
    for (int64_t i = from; i <= to; i++) {
        sum += fmax(0.0, 1.0 - fabs((double)i + 0.5 - centre) / reach);
    }
    for (int64_t i = from; i <= to; i++) {
        double w = fmax(0.0, 1.0 - fabs((double)i + 0.5 - centre) / reach);
        weight[i - from] = (float)(w / sum);
    }
    a->first[o] = from;
    a->count[o] = to - from + 1;
}

static enum umb_status axis_init(struct umb_context *ctx, int64_t n, int64_t m, struct axis *a)
{
    double step = (double)n / (double)m;
    a->stride = (int64_t)ceil(2.0 * fmax(step, 1.0)) + 1;
    a->first = umb__calloc(ctx, (size_t)m, sizeof *a->first);
    a->count = umb__calloc(ctx, (size_t)m, sizeof *a->count);
    a->weight = umb__calloc(ctx, (size_t)m, (size_t)a->stride * sizeof *a->weight);
    if (!a->first || !a->count || !a->weight) { return UMB_ERR_NO_MEMORY; }
    for (int64_t o = 0; o < m; o++) {
        fill_target(a, n, step, o);
    }
    return UMB_OK;
}

/* mixed[w·c] = the source rows that target row y takes, weighted. */
static void mix_rows(const struct umb_image *src, const struct axis *rows, int64_t y, float *mixed)
{
    int64_t n = src->width * src->channels;
    const uint8_t *row = src->pixels + rows->first[y] * n;
    const float *weight = rows->weight + y * rows->stride;
    for (int64_t x = 0; x < n; x++) {
        mixed[x] = 0.0f;
    }
    for (int64_t i = 0; i < rows->count[y]; i++, row += n) {
        for (int64_t x = 0; x < n; x++) {
            mixed[x] += weight[i] * (float)row[x];
        }
    }
}

static void mix_columns(const float *mixed, int64_t channels, const struct axis *columns,
                        int64_t width, uint8_t *dst)
{
    for (int64_t x = 0; x < width; x++) {
        const float *weight = columns->weight + x * columns->stride;
        for (int64_t c = 0; c < channels; c++) {
            const float *pixel = mixed + columns->first[x] * channels + c;
            float sum = 0.0f;
            for (int64_t i = 0; i < columns->count[x]; i++) {
                sum += weight[i] * pixel[i * channels];
            }
            dst[x * channels + c] = (uint8_t)fminf(fmaxf(sum + 0.5f, 0.0f), 255.0f);
        }
    }
}

enum umb_status umb__scale_smooth(struct umb_context *ctx, const struct umb_image *src,
                                  int64_t height, int64_t width, uint8_t *dst)
{
    struct axis rows = {.stride = 0}, columns = {.stride = 0};
    float *mixed = umb__calloc(ctx, (size_t)(src->width * src->channels), sizeof *mixed);
    enum umb_status st = mixed ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = axis_init(ctx, src->height, height, &rows); }
    if (st == UMB_OK) { st = axis_init(ctx, src->width, width, &columns); }
    for (int64_t y = 0; y < height && st == UMB_OK; y++) {
        mix_rows(src, &rows, y, mixed);
        mix_columns(mixed, src->channels, &columns, width, dst + y * width * src->channels);
    }
    axis_finish(&columns);
    axis_finish(&rows);
    umb__free(mixed);
    return st;
}

void umb__scale_nearest(const struct umb_image *src, int64_t height, int64_t width, uint8_t *dst)
{
    for (int64_t y = 0; y < height; y++) {
        /* floor((y + ½)·h/H), in whole numbers */
        const uint8_t *row = src->pixels + (2 * y + 1) * src->height / (2 * height) * src->width;
        for (int64_t x = 0; x < width; x++) {
            dst[y * width + x] = row[(2 * x + 1) * src->width / (2 * width)];
        }
    }
}
