/*
 * augment.h: training pictures changed at random, and their labels with them.
 *
 * An amount says how far a change may go; a change is what one sample gets. It is drawn by Philox
 * from (seed, stream, place) alone, the place being the sample's in the order of a run, so that it
 * is the same for any number of threads and after any resume. Pixels are 8 bits and stay so.
 */
#ifndef UMB_AUGMENT_H
#define UMB_AUGMENT_H

#include <umbel/data.h>

#define UMB_FILL_EDGE (-1)

/* All 0: nothing is changed. */
struct umb_augment {
    double flip;       /* probability of mirroring left and right, 0…1 */
    double shift;      /* by whole pixels, up to this share of each side, 0…0.5 */
    double zoom[2];    /* by a factor from … to … about the centre, 0.25…4; both 0: not */
    double rotate;     /* by up to this many degrees either way about the centre, 0…180 */
    double brightness; /* pixels times 1 ± this, 0…1 */
    double contrast;   /* differences from the picture's mean times 1 ± this, 0…1 */
    int fill; /* what comes in from outside: 0…255, or UMB_FILL_EDGE: the nearest pixel */
};

/* What one sample gets: what lies at (u,v) pixels from the centre goes to
 *     zoom·(u·cosine − v·sine) + dx,  zoom·(u·sine + v·cosine) + dy,   with −u for u where
 * mirrored, so it turns clockwise. */
struct umb_change {
    bool flip, tones; /* tones: bright or contrast is not 1 */
    int64_t dy, dx;   /* pixels */
    double zoom, cosine, sine, bright, contrast;
    int fill;
};

/* shape: H, W, C, here and below. */
void umb__change_draw(const struct umb_augment *augment, const int64_t shape[3], uint64_t seed,
                      uint32_t stream, uint64_t place, struct umb_change *ret_change);

/* Bytes of scratch that a thread needs for images (and masks) of a shape. */
size_t umb__change_scratch_bytes(const int64_t shape[3]);
/* src [H,W,C] → dst [H,W,C], which do not overlap; bilinear where it is
 * zoomed or turned. */
void umb__change_image(const struct umb_change *change, const int64_t shape[3], const uint8_t *src,
                       uint8_t *dst, void *scratch);
/*
 * A target's value of the sample, as umb_dataset_read wrote it, in place. Points move; beyond the
 * picture they go on. Classes change places where the picture is mirrored. A mask's pixels take the
 * nearest one's class, and −1 where nothing is known of them.
 */
void umb__change_target(const struct umb_change *change, const int64_t shape[3],
                        const struct umb_target_info *info, void *value, void *scratch);

/* Both for a picture that is turned; augment_turn.c. */
void umb__turn_image(const struct umb_change *change, const int64_t shape[3], const uint8_t *src,
                     uint8_t *dst);
void umb__turn_mask(const struct umb_change *change, const int64_t shape[3], const int32_t *src,
                    int32_t *dst);

#endif
