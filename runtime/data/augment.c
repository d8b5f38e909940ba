/*
 * augment.c: what is drawn for a sample, and what it does to classes, points and masks.
 *
 * Every axis is walked apart: flip, zoom and shift send column x of the result to a column of the
 * source that depends on x alone, and rows likewise (axis.h).
 */
#include "augment.h"
#include "axis.h"
#include "rng.h"
#include <math.h>
#include <string.h>

/* Random words of a sample: these, and room for more without moving anyone's. */
enum { DRAW_FLIP, DRAW_X, DRAW_Y, DRAW_ZOOM, DRAW_BRIGHT, DRAW_CONTRAST, DRAW_ANGLE, DRAWS = 16 };

#define PI 3.14159265358979323846

struct draws {
    uint64_t seed, first;
    uint32_t stream;
};

static double draw(const struct draws *d, uint64_t which)
{
    return (double)umb__random_unit(d->seed, UMB_RNG_AUGMENT, d->stream, d->first + which);
}

/* 1 ± amount. */
static double factor(const struct draws *d, uint64_t which, double amount)
{
    return 1 + amount * (2 * draw(d, which) - 1);
}

/* from … to. */
static double between(const struct draws *d, uint64_t which, const double range[2])
{
    if (range[0] == range[1]) { return range[0] > 0 ? range[0] : 1; }
    return range[0] + (range[1] - range[0]) * draw(d, which);
}

/* −most … most pixels, each as likely. */
static int64_t pixels(const struct draws *d, uint64_t which, double share, int64_t side)
{
    const int64_t most = (int64_t)(share * (double)side + 0.5);
    return (int64_t)(draw(d, which) * (double)(2 * most + 1)) - most;
}

void umb__change_draw(const struct umb_augment *augment, const int64_t shape[3], uint64_t seed,
                      uint32_t stream, uint64_t place, struct umb_change *ret_change)
{
    const struct draws d = {seed, place * DRAWS, stream};
    const double angle = augment->rotate * (2 * draw(&d, DRAW_ANGLE) - 1) * (PI / 180);
    *ret_change = (struct umb_change){.flip = draw(&d, DRAW_FLIP) < augment->flip,
                                      .dy = pixels(&d, DRAW_Y, augment->shift, shape[0]),
                                      .dx = pixels(&d, DRAW_X, augment->shift, shape[1]),
                                      .zoom = between(&d, DRAW_ZOOM, augment->zoom),
                                      .cosine = cos(angle),
                                      .sine = sin(angle),
                                      .bright = factor(&d, DRAW_BRIGHT, augment->brightness),
                                      .contrast = factor(&d, DRAW_CONTRAST, augment->contrast),
                                      .fill = augment->fill};
    ret_change->tones = ret_change->bright != 1 || ret_change->contrast != 1;
}

/* Classes. */

/* The class that stands in the mirrored picture for this one. */
static int32_t mirrored(const struct umb_target_info *info, int32_t label)
{
    for (size_t i = 0; i < info->n_swaps; i++) {
        if (label == (int32_t)info->swap[i].a) { return (int32_t)info->swap[i].b; }
        if (label == (int32_t)info->swap[i].b) { return (int32_t)info->swap[i].a; }
    }
    return label;
}

static void change_classes(const struct umb_change *c, const struct umb_target_info *info,
                           int32_t *label, int64_t n)
{
    if (!c->flip || info->n_swaps == 0) { return; }
    for (int64_t i = 0; i < n; i++) {
        label[i] = mirrored(info, label[i]);
    }
}

/* Masks. */

static void change_mask(const struct umb_change *c, const int64_t shape[3], int32_t *mask,
                        void *scratch)
{
    const int64_t H = shape[0], W = shape[1];
    int32_t *source = scratch; /* [H,W] */
    struct umb_axis *rows = (struct umb_axis *)(source + H * W), *columns = rows + H;
    memcpy(source, mask, (size_t)(H * W) * sizeof *mask);
    if (c->sine != 0) {
        umb__turn_mask(c, shape, source, mask);
        return;
    }
    umb__axis_fill(rows, H, false, c->zoom, c->dy);
    umb__axis_fill(columns, W, c->flip, c->zoom, c->dx);
    for (int64_t y = 0; y < H; y++) {
        for (int64_t x = 0; x < W; x++) {
            const bool known = rows[y].inside && columns[x].inside;
            mask[y * W + x] = known ? source[rows[y].nearest * W + columns[x].nearest] : -1;
        }
    }
}

/* Points. */

/* Where the values of a target's points lie. */
struct layout {
    int64_t n, next, y; /* points; from one to the next; from x to y */
};

static struct layout layout_of(const struct umb_target_info *info)
{
    const int64_t n = info->n_values / 2;
    return info->points == UMB_POINTS_XYXY ? (struct layout){n, 2, 1} : (struct layout){n, 1, n};
}

static void move(const struct umb_change *c, const int64_t shape[3],
                 const struct umb_target_info *info, float *x, float *y)
{
    const double W = (double)shape[1], H = (double)shape[0], *span = info->span;
    double u = (((double)*x - info->offset) / span[0] - 0.5) * W;
    const double v = (((double)*y - info->offset) / span[1] - 0.5) * H;
    if (c->flip) { u = -u; }
    const double at_x = c->zoom * (u * c->cosine - v * c->sine) + (double)c->dx;
    const double at_y = c->zoom * (u * c->sine + v * c->cosine) + (double)c->dy;
    *x = (float)(info->offset + span[0] * (0.5 + at_x / W));
    *y = (float)(info->offset + span[1] * (0.5 + at_y / H));
}

/* Whether anything lies elsewhere now. */
static bool moves(const struct umb_change *c)
{
    return c->flip || c->zoom != 1 || c->sine != 0 || c->dx != 0 || c->dy != 0;
}

static void swap_values(float *a, float *b)
{
    const float kept = *a;
    *a = *b;
    *b = kept;
}

static void change_points(const struct umb_change *c, const int64_t shape[3],
                          const struct umb_target_info *info, float *value)
{
    const struct layout l = layout_of(info);
    if (isnan(value[0]) || !moves(c)) { return; }
    for (int64_t i = 0; i < l.n; i++) {
        move(c, shape, info, &value[i * l.next], &value[i * l.next + l.y]);
    }
    for (size_t i = 0; c->flip && i < info->n_swaps; i++) {
        float *a = value + info->swap[i].a * l.next, *b = value + info->swap[i].b * l.next;
        swap_values(a, b);
        swap_values(a + l.y, b + l.y);
    }
}

void umb__change_target(const struct umb_change *change, const int64_t shape[3],
                        const struct umb_target_info *info, void *value, void *scratch)
{
    switch (info->kind) {
    case UMB_TARGET_CLASS:
        change_classes(change, info, value, 1);
        break;
    case UMB_TARGET_REAL:
        if (info->points >= UMB_POINTS_XYXY) { change_points(change, shape, info, value); }
        break;
    case UMB_TARGET_PIXELS:
        change_mask(change, shape, value, scratch);
        change_classes(change, info, value, shape[0] * shape[1]);
        break;
    }
}
