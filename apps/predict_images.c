/* predict_images.c: see predict_images.h. */
#include "predict_images.h"

#include "fail.h"
#include <stdlib.h>
#include <string.h>

/* Image k of the stream's samples. */
static const struct umb_exp_data *input_of(const struct predict_images *p, size_t stream, size_t k)
{
    return umb__exp_input(&p->exp->data[p->exp->stream[stream]], k);
}

static enum umb_status count_inputs(struct predict_images *p, size_t n_files)
{
    const struct umb_exp_data *first = input_of(p, 0, 0);
    p->n_inputs = 1 + first->n_more;
    for (size_t s = 1; s < p->exp->n_streams; s++) {
        if (input_of(p, s, 0)->n_more == first->n_more) { continue; }
        return umb__fail(p->exp->ctx, UMB_ERR_INVALID,
                         "samples of '%s' and '%s' have different numbers of images; predict "
                         "cannot tell which file is whose",
                         first->name, input_of(p, s, 0)->name);
    }
    if (n_files % p->n_inputs == 0) { return UMB_OK; }
    return umb__fail(p->exp->ctx, UMB_ERR_INVALID,
                     "%zu files; expected a multiple of %zu, the images of a sample of '%s'",
                     n_files, p->n_inputs, first->name);
}

static enum umb_status allocate(struct predict_images *p, const struct umb_exp_data *d)
{
    const size_t bytes = (size_t)(d->shape[0] * d->shape[1] * d->shape[2]);
    uint8_t *images = calloc((size_t)p->exp->train.batch, bytes);
    if (!images) { return umb__fail(p->exp->ctx, UMB_ERR_NO_MEMORY, "out of memory"); }
    p->batch[p->n_images].images = images;
    p->images[p->n_images++] = images;
    return UMB_OK;
}

enum umb_status predict_images_prepare(struct predict_images *p, const struct umb_experiment *exp,
                                       size_t n_files)
{
    p->exp = exp;
    enum umb_status st = count_inputs(p, n_files);
    for (size_t s = 0; st == UMB_OK && s < exp->n_streams; s++) {
        for (size_t k = 0; st == UMB_OK && k < p->n_inputs; k++) {
            st = allocate(p, input_of(p, s, k));
        }
    }
    return st;
}

void predict_images_release(struct predict_images *p)
{
    for (size_t i = 0; i < p->n_images; i++) {
        free(p->images[i]);
    }
}

static enum umb_status load_file(struct predict_images *p, const struct umb_exp_data *d,
                                 const char *path, uint8_t *ret_pixels)
{
    const int64_t *shape = d->shape;
    struct umb_image image = {0};
    enum umb_status st = umb_image_load(p->exp->ctx, path, shape[0], shape[1], shape[2], &image);
    if (st != UMB_OK) { return st; }
    memcpy(ret_pixels, image.pixels, (size_t)(shape[0] * shape[1] * shape[2]));
    umb_image_free(&image);
    return UMB_OK;
}

static enum umb_status load_sample(struct predict_images *p, const char *const *paths, int64_t row)
{
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < p->n_images; i++) {
        const size_t k = i % p->n_inputs;
        const struct umb_exp_data *d = input_of(p, i / p->n_inputs, k);
        const size_t bytes = (size_t)(d->shape[0] * d->shape[1] * d->shape[2]);
        st = load_file(p, d, paths[k], p->images[i] + (size_t)row * bytes);
    }
    return st;
}

enum umb_status predict_images_load(struct predict_images *p, const char *const *paths, int64_t n)
{
    enum umb_status st = UMB_OK;
    for (int64_t row = 0; st == UMB_OK && row < n; row++) {
        st = load_sample(p, paths + (size_t)row * p->n_inputs, row);
    }
    for (size_t i = 0; i < p->n_images; i++) {
        p->batch[i].n = n;
    }
    return st;
}

void predict_images_print(const struct predict_images *p, const char *const *paths)
{
    for (size_t k = 0; k < p->n_inputs; k++) {
        printf("%s%s", k ? " " : "", paths[k]);
    }
    putchar('\n');
}

void predict_images_json(const struct predict_images *p, const char *const *paths, json_t *map)
{
    json_t *files = p->n_inputs > 1 ? json_object() : json_string(paths[0]);
    for (size_t k = 0; p->n_inputs > 1 && k < p->n_inputs; k++) {
        json_object_set_new(files, input_of(p, 0, k)->input, json_string(paths[k]));
    }
    json_object_set_new(map, p->n_inputs > 1 ? "images" : "image", files);
}
