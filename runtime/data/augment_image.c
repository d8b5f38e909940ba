/*
 * augment_image.c: a picture flipped, zoomed, shifted, made brighter or darker.
 *
 * A row of the result is mixed from two source rows, then along itself, in whole numbers; without a
 * zoom both steps are copies. Tones are a table of 256 bytes:
 *     v → bright · (m + contrast · (v − m)),   m the mean of the source's pixels,
 * rounded to the nearest and cut to 0…255.
 */
#include "augment.h"
#include "axis.h"
#include <math.h>
#include <string.h>

static int32_t clamp(int64_t i, int64_t n)
{
    return (int32_t)(i < 0 ? 0 : i >= n ? n - 1 : i);
}

void umb__axis_fill(struct umb_axis *axis, int64_t n, bool mirror, double zoom, int64_t shift)
{
    const double centre = (double)n / 2;
    for (int64_t x = 0; x < n; x++) {
        double s = centre + ((double)(x - shift) + 0.5 - centre) / zoom;
        if (mirror) { s = (double)n - s; }
        const double low = floor(s - 0.5);
        axis[x] = (struct umb_axis){.at = clamp((int64_t)low, n),
                                    .next = clamp((int64_t)low + 1, n),
                                    .nearest = clamp((int64_t)floor(s), n),
                                    .weight = (int32_t)((s - 0.5 - low) * UMB_AXIS_ONE + 0.5),
                                    .inside = s >= 0 && s < (double)n};
    }
}

/* A mask's copy and both axes, or an image's row and both axes. */
size_t umb__change_scratch_bytes(const int64_t shape[3])
{
    const int64_t H = shape[0], W = shape[1];
    const int64_t mask = H * W * (int64_t)sizeof(int32_t),
                  row = W * shape[2] * (int64_t)sizeof(int32_t);
    return (size_t)((mask > row ? mask : row) + (H + W) * (int64_t)sizeof(struct umb_axis));
}

/* Tones. */

static double mean_of(const uint8_t *pixels, int64_t n)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += pixels[i];
    }
    return (double)sum / (double)n;
}

static void change_tones(const struct umb_change *c, double mean, uint8_t *pixels, int64_t n)
{
    uint8_t tone[256];
    for (int v = 0; v < 256; v++) {
        const double t = c->bright * (mean + c->contrast * (v - mean));
        tone[v] = (uint8_t)(fmin(fmax(t, 0), 255) + 0.5);
    }
    for (int64_t i = 0; i < n; i++) {
        pixels[i] = tone[pixels[i]];
    }
}

/* Places. */

/* mixed [W,C], in parts of UMB_AXIS_ONE. */
static void mix_rows(const struct umb_axis *a, const uint8_t *src, int64_t n, int32_t *mixed)
{
    const uint8_t *at = src + a->at * n, *next = src + a->next * n;
    for (int64_t i = 0; i < n; i++) {
        mixed[i] = at[i] * (UMB_AXIS_ONE - a->weight) + next[i] * a->weight;
    }
}

static void mix_columns(const struct umb_axis *columns, const int32_t *mixed, int64_t W, int64_t C,
                        uint8_t *dst)
{
    for (int64_t x = 0; x < W; x++) {
        const int32_t *at = mixed + columns[x].at * C, *next = mixed + columns[x].next * C;
        const int32_t weight = columns[x].weight, rest = UMB_AXIS_ONE - weight;
        for (int64_t c = 0; c < C; c++) {
            const int32_t sum = at[c] * rest + next[c] * weight;
            dst[x * C + c] = (uint8_t)((sum + UMB_AXIS_ONE * UMB_AXIS_ONE / 2) >> 16);
        }
    }
}

static void copy_columns(const struct umb_axis *columns, const uint8_t *src, int64_t W, int64_t C,
                         uint8_t *dst)
{
    for (int64_t x = 0; x < W; x++) {
        const uint8_t *pixel = src + columns[x].nearest * C;
        for (int64_t c = 0; c < C; c++) {
            dst[x * C + c] = pixel[c];
        }
    }
}

static void fill_columns(const struct umb_axis *columns, int fill, int64_t W, int64_t C,
                         uint8_t *dst)
{
    for (int64_t x = 0; x < W; x++) {
        if (!columns[x].inside) { memset(dst + x * C, fill, (size_t)C); }
    }
}

static void change_places(const struct umb_change *c, const int64_t shape[3], const uint8_t *src,
                          uint8_t *dst, void *scratch)
{
    const int64_t H = shape[0], W = shape[1], C = shape[2], row = W * C;
    struct umb_axis *rows = scratch, *columns = rows + H;
    int32_t *mixed = (int32_t *)(columns + W); /* [W,C] */
    umb__axis_fill(rows, H, false, c->zoom, c->dy);
    umb__axis_fill(columns, W, c->flip, c->zoom, c->dx);
    for (int64_t y = 0; y < H; y++, dst += row) {
        if (c->fill >= 0 && !rows[y].inside) {
            memset(dst, c->fill, (size_t)row);
            continue;
        }
        if (c->zoom != 1) {
            mix_rows(&rows[y], src, row, mixed);
            mix_columns(columns, mixed, W, C, dst);
        } else {
            copy_columns(columns, src + rows[y].nearest * row, W, C, dst);
        }
        if (c->fill >= 0) { fill_columns(columns, c->fill, W, C, dst); }
    }
}

void umb__change_image(const struct umb_change *change, const int64_t shape[3], const uint8_t *src,
                       uint8_t *dst, void *scratch)
{
    const int64_t n = shape[0] * shape[1] * shape[2];
    if (change->sine != 0) {
        umb__turn_image(change, shape, src, dst);
    } else if (change->flip || change->zoom != 1 || change->dx != 0 || change->dy != 0) {
        change_places(change, shape, src, dst, scratch);
    } else {
        memcpy(dst, src, (size_t)n);
    }
    if (change->tones) { change_tones(change, mean_of(src, n), dst, n); }
}
