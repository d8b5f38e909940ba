/* predict_images.h: the images that `umbel predict` gives a net: files, a few a sample. */
#ifndef PREDICT_IMAGES_H
#define PREDICT_IMAGES_H

#include "experiment.h"
#include "trainer.h"
#include <jansson.h>

struct predict_images {
    const struct umb_experiment *exp;       /* with its net built; outlives this */
    struct umb_batch batch[UMB_MAX_IMAGES]; /* for umb_trainer_predict */
    uint8_t *images[UMB_MAX_IMAGES];
    size_t n_images; /* of the net */
    size_t n_inputs; /* files of a sample */
};

/* Room for a batch. UMB_ERR_INVALID: n_files make no whole samples, or data sets differ in how many
 * images theirs have. Zeroed before; release takes what is there, also on failure. */
UMB_MUST_USE enum umb_status predict_images_prepare(struct predict_images *p,
                                                    const struct umb_experiment *exp,
                                                    size_t n_files);
void predict_images_release(struct predict_images *p);
/* n samples, n ≤ the batch: paths [n · n_inputs], for every stream in its own sizes. */
UMB_MUST_USE enum umb_status predict_images_load(struct predict_images *p, const char *const *paths,
                                                 int64_t n);
/* A sample's files: "a.png b.png" and the end of the line; or under "image" or "images" in map. */
void predict_images_print(const struct predict_images *p, const char *const *paths);
void predict_images_json(const struct predict_images *p, const char *const *paths, json_t *map);

#endif
