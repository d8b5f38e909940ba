/*
 * augment_turn.c: a picture turned, beside all else that moves it: every pixel of the result is
 * sought in the source apart, by what augment.h says the other way round.
 */
#include "augment.h"
#include <math.h>

#define ONE 256 /* weights are parts of this */

/* The source position of pixel (0,0), and its steps along a row and from row to row. */
struct turn {
    double x, y, row_x, row_y, down_x, down_y;
};

static struct turn open_turn(const struct umb_change *c, const int64_t shape[3])
{
    const double W = (double)shape[1], H = (double)shape[0];
    const double u = 0.5 - (double)c->dx - W / 2, v = 0.5 - (double)c->dy - H / 2;
    const double cosine = c->cosine / c->zoom, sine = c->sine / c->zoom, mirror = c->flip ? -1 : 1;
    return (struct turn){.x = W / 2 + mirror * (cosine * u + sine * v),
                         .y = H / 2 - sine * u + cosine * v,
                         .row_x = mirror * cosine,
                         .row_y = -sine,
                         .down_x = mirror * sine,
                         .down_y = cosine};
}

struct place {
    double x, y;
    bool inside;
};

static struct place place_of(const struct turn *t, const int64_t shape[3], int64_t x, int64_t y)
{
    struct place p = {.x = t->x + (double)x * t->row_x + (double)y * t->down_x,
                      .y = t->y + (double)x * t->row_y + (double)y * t->down_y};
    p.inside = p.x >= 0 && p.x < (double)shape[1] && p.y >= 0 && p.y < (double)shape[0];
    return p;
}

static int64_t clamp(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* One axis of a place: the pixels to both sides, and the second's weight. */
struct between {
    int64_t at, next;
    int32_t weight;
};

static struct between between(double s, int64_t n)
{
    const double low = floor(s - 0.5);
    return (struct between){clamp((int64_t)low, n), clamp((int64_t)low + 1, n),
                            (int32_t)((s - 0.5 - low) * ONE + 0.5)};
}

static void mix_pixel(const struct place *p, const int64_t shape[3], const uint8_t *src,
                      uint8_t *dst)
{
    const int64_t W = shape[1], C = shape[2];
    const struct between x = between(p->x, W), y = between(p->y, shape[0]);
    const uint8_t *top = src + y.at * W * C, *bottom = src + y.next * W * C;
    for (int64_t c = 0; c < C; c++) {
        const int32_t above = top[x.at * C + c] * (ONE - x.weight) + top[x.next * C + c] * x.weight;
        const int32_t below =
            bottom[x.at * C + c] * (ONE - x.weight) + bottom[x.next * C + c] * x.weight;
        dst[c] =
            (uint8_t)((above * (ONE - y.weight) + below * y.weight + ONE * ONE / 2) / (ONE * ONE));
    }
}

void umb__turn_image(const struct umb_change *change, const int64_t shape[3], const uint8_t *src,
                     uint8_t *dst)
{
    const struct turn t = open_turn(change, shape);
    const int64_t C = shape[2];
    for (int64_t y = 0; y < shape[0]; y++) {
        for (int64_t x = 0; x < shape[1]; x++, dst += C) {
            const struct place p = place_of(&t, shape, x, y);
            if (p.inside || change->fill < 0) {
                mix_pixel(&p, shape, src, dst);
                continue;
            }
            for (int64_t c = 0; c < C; c++) {
                dst[c] = (uint8_t)change->fill;
            }
        }
    }
}

void umb__turn_mask(const struct umb_change *change, const int64_t shape[3], const int32_t *src,
                    int32_t *dst)
{
    const struct turn t = open_turn(change, shape);
    for (int64_t y = 0; y < shape[0]; y++) {
        for (int64_t x = 0; x < shape[1]; x++) {
            const struct place p = place_of(&t, shape, x, y);
            *dst++ = p.inside ? src[(int64_t)p.y * shape[1] + (int64_t)p.x] : -1;
        }
    }
}
