/*
 * multi_mnist.c: two digits in one picture, made from MNIST's files (idx.c) as they are read.
 *
 *     0      6                28     34  36
 *   0 ┌──────────────────────┐           ┐
 *   6 │ left  ┌──────────────┼──────┐    │   the greater of both where they overlap,
 *     │       │              │      │    │   then 36×36 → 28×28 by nearest pixels
 *  28 └───────┼──────────────┘      │    │
 *  34         └─────────────── right┘    │
 *
 * Sample i of a split has the split's i-th digit on the left; the one on the right is drawn from
 * the same split by (seed, split, i). Five sixths of the training files' digits train, the last
 * sixth validates, so that no digit is seen in both.
 */
#include "idx.h"
#include "image.h"
#include "rng.h"
#include <string.h>

#define DIGIT 28
#define SHIFT 6
#define CANVAS 36
#define STREAM 16 /* of draws: those below are other formats' */

struct multi_set {
    struct umb_memory_set digits; /* first: umb__memory_set_close frees it by ds->set */
    uint64_t seed;
    size_t n_train; /* digits of the training files that train */
};

static enum umb_status check_digits(struct umb_dataset *ds, const struct umb_dataset_desc *desc,
                                    const struct umb_memory_set *digits)
{
    if (digits->shape[0] != DIGIT || digits->shape[1] != DIGIT) {
        return umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s: images of %lld×%lld; expected %d×%d",
                         desc->path, (long long)digits->shape[0], (long long)digits->shape[1],
                         DIGIT, DIGIT);
    }
    if (digits->part[0].n >= 6) { return UMB_OK; }
    return umb__fail(ds->ctx, UMB_ERR_FORMAT, "%s: %zu training images; expected at least 6",
                     desc->path, digits->part[0].n);
}

/* "label" of the digits becomes "left" and "right". */
static enum umb_status set_targets(struct umb_dataset *ds)
{
    static const char *const names[2] = {"left", "right"};
    const struct umb_target_info label = ds->targets[0];
    const enum umb_status st = umb__dataset_reserve_targets(ds, 2);
    for (int i = 0; st == UMB_OK && i < 2; i++) {
        ds->targets[i] = label;
        ds->targets[i].name = names[i];
    }
    return st;
}

static enum umb_status multi_open(struct umb_dataset *ds, const struct umb_dataset_desc *desc)
{
    struct multi_set *set = ds->set = umb__calloc(ds->ctx, 1, sizeof *set);
    enum umb_status st = set ? umb__idx_load(ds, desc->path, &set->digits) : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) { st = check_digits(ds, desc, &set->digits); }
    if (st == UMB_OK) { st = umb__memory_set_finish(ds, desc, 0, NULL); }
    if (st == UMB_OK) { st = set_targets(ds); }
    if (st != UMB_OK) { return st; }
    const size_t n = set->digits.part[0].n;
    set->seed = desc->seed;
    set->n_train = n - n / 6;
    memset(ds->split_of + set->n_train, UMB_SPLIT_VALIDATION, n / 6);
    return UMB_OK;
}

/* The digits of one split: `n` of a part, from `first` on. */
struct digits {
    const struct umb_memory_part *part;
    enum umb_split split;
    size_t first, n;
};

/* Those that the record is among, and which of them it is. */
static struct digits digits_of(const struct multi_set *set, size_t record, size_t *ret_index)
{
    const struct umb_memory_part *train = &set->digits.part[0], *test = &set->digits.part[1];
    struct digits d = {train, UMB_SPLIT_TRAIN, 0, set->n_train};
    if (record >= train->n) {
        d = (struct digits){test, UMB_SPLIT_TEST, 0, test->n};
        record -= train->n;
    } else if (record >= set->n_train) {
        d = (struct digits){train, UMB_SPLIT_VALIDATION, set->n_train, train->n - set->n_train};
    }
    *ret_index = record - d.first;
    return d;
}

/* Which digit is beside digit `index` of the split; by 64-bit multiplication, so that its chance is
 * off by n/2³² at most. */
static size_t draw_right(const struct multi_set *set, const struct digits *d, size_t index)
{
    const uint32_t word =
        umb__random_u32(set->seed, UMB_RNG_DATA, STREAM + (uint32_t)d->split, index);
    return (size_t)((uint64_t)word * d->n >> 32);
}

static void lay(const uint8_t *digit, int shift, uint8_t canvas[CANVAS * CANVAS])
{
    for (int y = 0; y < DIGIT; y++) {
        for (int x = 0; x < DIGIT; x++) {
            uint8_t *at = &canvas[(y + shift) * CANVAS + x + shift];
            if (digit[y * DIGIT + x] > *at) { *at = digit[y * DIGIT + x]; }
        }
    }
}

static enum umb_status multi_read(struct umb_dataset *ds, uint32_t record, uint8_t *image,
                                  void *const *targets)
{
    const struct multi_set *set = ds->set;
    size_t index;
    const struct digits d = digits_of(set, record, &index);
    const size_t left = d.first + index, right = d.first + draw_right(set, &d, index);
    if (targets && targets[0]) { *(int32_t *)targets[0] = d.part->labels[left]; }
    if (targets && targets[1]) { *(int32_t *)targets[1] = d.part->labels[right]; }
    uint8_t canvas[CANVAS * CANVAS] = {0}, small[DIGIT * DIGIT];
    lay(d.part->pixels + left * DIGIT * DIGIT, 0, canvas);
    lay(d.part->pixels + right * DIGIT * DIGIT, SHIFT, canvas);
    const struct umb_image whole = {CANVAS, CANVAS, 1, canvas};
    umb__scale_nearest(&whole, DIGIT, DIGIT, small);
    const struct umb_image source = {DIGIT, DIGIT, 1, small};
    return umb__image_fit(ds->ctx, &source, ds->shape, image);
}

const struct umb_format umb__format_multi_mnist = {
    .name = "multi_mnist",
    .takes = UMB_TAKES_PATH,
    .open = multi_open,
    .read = multi_read,
    .close = umb__memory_set_close,
};
