/*
 * shapes.c: the built-in data set: one coloured shape on a noisy background.
 *
 * A sample is a pure function of (seed, split, index): training samples draw from random stream 0,
 * test samples from stream 1, each from its own stretch of numbers. The background is a greyish
 * slope with noise, the shape keeps its hue but varies in strength, size, place and turn, and lies
 * wholly inside the image: its points are within `radius` of its centre.
 */
#include "dataset.h"
#include "image.h"
#include "rng.h"
#include <math.h>

#define SIDE 32
#define DEFAULT_COUNT 4000
#define N_SHAPES 4
#define N_COLOURS 6
/* Numbers of one sample: first those of `scene`, then a word of noise a pixel. */
#define N_SCENE 32
#define N_DRAWS (N_SCENE + SIDE * SIDE)

static const char *const shape_names[N_SHAPES] = {"circle", "square", "triangle", "cross"};
static const char *const colour_names[N_COLOURS] = {"red",    "green",   "blue",
                                                    "yellow", "magenta", "cyan"};
/* Which of R, G, B a colour has. */
static const float colour_rgb[N_COLOURS][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1},
                                               {1, 1, 0}, {1, 0, 1}, {0, 1, 1}};

struct shapes_set {
    uint64_t seed;
    size_t n_train;
};

/* Where a sample's numbers begin. */
struct draws {
    uint64_t seed, base;
    uint32_t stream;
};

struct scene {
    int shape, colour;
    float x, y, radius; /* in pixels */
    float cosine, sine; /* of its turn */
    float paint[3];
    float ground[3], slope_x, slope_y; /* brightness at the centre, and its change a pixel */
    float noise;                       /* the most a pixel is off */
};

static float between(const struct draws *d, uint32_t i, float low, float high)
{
    return low + (high - low) * umb__random_unit(d->seed, UMB_RNG_DATA, d->stream, d->base + i);
}

static int choice(const struct draws *d, uint32_t i, int n)
{
    uint64_t word = umb__random_u32(d->seed, UMB_RNG_DATA, d->stream, d->base + i);
    return (int)(word * (uint64_t)n >> 32);
}

static struct scene make_scene(const struct draws *d)
{
    struct scene s = {.shape = choice(d, 0, N_SHAPES), .colour = choice(d, 1, N_COLOURS)};
    s.radius = between(d, 2, 6.0f, 11.0f);
    s.x = between(d, 3, s.radius + 1.0f, (float)SIDE - 1.0f - s.radius);
    s.y = between(d, 4, s.radius + 1.0f, (float)SIDE - 1.0f - s.radius);
    /* Tangent of half the turn: cosine and sine from it are the same bits with every C library. */
    float t = between(d, 5, -0.125f, 0.125f);
    s.cosine = (1.0f - t * t) / (1.0f + t * t);
    s.sine = 2.0f * t / (1.0f + t * t);
    float strong = between(d, 6, 150.0f, 245.0f), weak = between(d, 7, 10.0f, 80.0f);
    float grey = between(d, 8, 40.0f, 170.0f);
    for (uint32_t c = 0; c < 3; c++) {
        float share = colour_rgb[s.colour][c];
        s.paint[c] = share * strong + (1.0f - share) * weak + between(d, 9 + c, -15.0f, 15.0f);
        s.ground[c] = grey + between(d, 12 + c, -18.0f, 18.0f);
    }
    s.slope_x = between(d, 15, -2.0f, 2.0f);
    s.slope_y = between(d, 16, -2.0f, 2.0f);
    s.noise = between(d, 17, 8.0f, 40.0f);
    return s;
}

/* Is the point (u, v), from the centre and in radii, within the shape? All lie in the unit circle.
 */
static bool is_inside(int shape, float u, float v)
{
    const float half_square = 0.7071f, arm = 0.3f, arm_end = 0.9539f; /* arm² + end² ≤ 1 */
    switch (shape) {
    case 0:
        return u * u + v * v <= 0.72f; /* about the square's area */
    case 1:
        return fabsf(u) <= half_square && fabsf(v) <= half_square;
    /* Upright and equilateral: base at v = ½, tip at v = −1, sides of slope √3. */
    case 2:
        return v <= 0.5f && 1.7320508f * fabsf(u) <= v + 1.0f;
    default:
        return (fabsf(u) <= arm && fabsf(v) <= arm_end) || (fabsf(v) <= arm && fabsf(u) <= arm_end);
    }
}

static bool covers(const struct scene *s, int x, int y)
{
    float dx = ((float)x + 0.5f - s->x) / s->radius, dy = ((float)y + 0.5f - s->y) / s->radius;
    return is_inside(s->shape, s->cosine * dx + s->sine * dy, s->cosine * dy - s->sine * dx);
}

static void paint(const struct draws *d, const struct scene *s, uint8_t *pixels, uint8_t *mask)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            int i = y * SIDE + x;
            uint32_t word =
                umb__random_u32(d->seed, UMB_RNG_DATA, d->stream, d->base + N_SCENE + (uint64_t)i);
            float slope = s->slope_x * (float)(x - SIDE / 2) + s->slope_y * (float)(y - SIDE / 2);
            mask[i] = covers(s, x, y);
            for (int c = 0; c < 3; c++, word >>= 8) {
                float noise = s->noise * ((float)(word & 255u) / 127.5f - 1.0f);
                float value = (mask[i] ? s->paint[c] : s->ground[c] + slope) + noise;
                pixels[3 * i + c] = (uint8_t)fminf(fmaxf(value + 0.5f, 0.0f), 255.0f);
            }
        }
    }
}

static enum umb_status shapes_open(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    struct shapes_set *set = ds->set = umb__calloc(ds->ctx, 1, sizeof *set);
    if (set == NULL) { return UMB_ERR_NO_MEMORY; }
    set->seed = desc->seed;
    set->n_train = desc->count ? (size_t)desc->count : DEFAULT_COUNT;
    size_t n_test = set->n_train / 4 ? set->n_train / 4 : 1;
    enum umb_status st = umb__dataset_reserve_targets(ds, 4);
    if (st == UMB_OK) { st = umb__dataset_reserve(ds, set->n_train + n_test); }
    if (st != UMB_OK) { return st; }
    for (size_t i = 0; i < n_test; i++) {
        ds->split_of[set->n_train + i] = UMB_SPLIT_TEST;
    }
    const struct umb_target_info targets[4] = {
        {.name = "shape",
         .kind = UMB_TARGET_CLASS,
         .n_classes = N_SHAPES,
         .class_names = shape_names},
        {.name = "colour",
         .kind = UMB_TARGET_CLASS,
         .n_classes = N_COLOURS,
         .class_names = colour_names},
        {.name = "position",
         .kind = UMB_TARGET_REAL,
         .n_values = 2,
         .points = UMB_POINTS_XYXY,
         .span = {1, 1}},
        {.name = "mask", .kind = UMB_TARGET_PIXELS, .n_classes = 2}};
    for (int i = 0; i < 4; i++) {
        ds->targets[i] = targets[i];
    }
    umb__dataset_set_shape(ds, desc, SIDE, SIDE, 3);
    return UMB_OK;
}

static enum umb_status read_mask(struct umb_dataset *ds, uint8_t *mask, int32_t *ret_class)
{
    const struct umb_image source = {SIDE, SIDE, 1, mask};
    size_t area = (size_t)(ds->shape[0] * ds->shape[1]);
    uint8_t *scaled = umb__calloc(ds->ctx, area, 1);
    if (scaled == NULL) { return UMB_ERR_NO_MEMORY; }
    umb__scale_nearest(&source, ds->shape[0], ds->shape[1], scaled);
    for (size_t i = 0; i < area; i++) {
        ret_class[i] = scaled[i];
    }
    umb__free(scaled);
    return UMB_OK;
}

static enum umb_status shapes_read(struct umb_dataset *ds, uint32_t record, uint8_t *image,
                                   void *const *targets)
{
    const struct shapes_set *set = ds->set;
    bool is_test = record >= set->n_train;
    uint64_t index = is_test ? record - set->n_train : record;
    const struct draws draws = {set->seed, index * N_DRAWS, is_test};
    const struct scene scene = make_scene(&draws);
    uint8_t pixels[3 * SIDE * SIDE], mask[SIDE * SIDE];
    paint(&draws, &scene, pixels, mask);
    const struct umb_image source = {SIDE, SIDE, 3, pixels};
    enum umb_status st = image ? umb__image_fit(ds->ctx, &source, ds->shape, image) : UMB_OK;
    if (st != UMB_OK || targets == NULL) { return st; }
    if (targets[0]) { *(int32_t *)targets[0] = scene.shape; }
    if (targets[1]) { *(int32_t *)targets[1] = scene.colour; }
    if (targets[2]) {
        float *position = targets[2];
        position[0] = scene.x / (float)SIDE;
        position[1] = scene.y / (float)SIDE;
    }
    return targets[3] ? read_mask(ds, mask, targets[3]) : UMB_OK;
}

static void shapes_close(struct umb_dataset *ds)
{
    umb__free(ds->set);
}

const struct umb_format umb__format_shapes = {
    .name = "shapes",
    .takes = UMB_TAKES_COUNT,
    .open = shapes_open,
    .read = shapes_read,
    .close = shapes_close,
};
