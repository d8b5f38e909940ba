/* vectors.c: see vectors.h; tensors of safetensors files. */
#include "vectors.h"

#include <math.h>
#include <string.h>

#include "alloc.h"
#include "fail.h"
#include "safetensors.h"
#include "tensor.h"

#define ENDING ".safetensors"
#define LARGEST 1e6

bool umb__vectors_are_tensors(const char *path)
{
    const size_t n = strlen(path), ending = strlen(ENDING);
    return n > ending && strcmp(path + n - ending, ENDING) == 0;
}

/* The tensor that is named, or the only one of two dimensions; NULL: message is set. */
static const struct umb_safetensors_entry *find(struct umb_context *ctx,
                                                const struct umb_vectors_desc *desc,
                                                const struct umb_safetensors *file)
{
    const struct umb_safetensors_entry *found = NULL;
    int n_found = 0;
    for (size_t i = 0; !desc->tensor && i < umb__safetensors_count(file); i++) {
        const struct umb_safetensors_entry *e = umb__safetensors_at(file, i);
        if (e->shape.rank != 2) { continue; }
        found = e;
        n_found++;
    }
    if (desc->tensor) { found = umb__safetensors_find(file, desc->tensor); }
    if (found && n_found <= 1) { return found; }
    if (desc->tensor) {
        umb__fail(ctx, UMB_ERR_INVALID, "%s: has no tensor '%.80s'%s%.80s", desc->path,
                  desc->tensor,
                  umb__safetensors_count(file) ? "; expected one of its own, as " : "",
                  umb__safetensors_count(file) ? umb__safetensors_at(file, 0)->name : "");
    } else {
        umb__fail(ctx, UMB_ERR_INVALID,
                  "%s: has %d tensors of two dimensions; expected one, or `tensor` to say which",
                  desc->path, n_found);
    }
    return NULL;
}

static enum umb_status take(struct umb_context *ctx, const char *path,
                            const struct umb_safetensors_entry *e, struct umb_vectors *v)
{
    char text[UMB_SHAPE_TEXT];
    const int64_t n = umb__shape_count(&e->shape);
    if (e->shape.rank != 2 || strcmp(e->dtype, "F32") != 0) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: %s is %s %s; expected numbers [rows,size]",
                         path, e->name, e->dtype, umb__shape_text(&e->shape, text, sizeof text));
    }
    if (n < 1 || n > UMB_VECTORS_MOST) {
        return umb__fail(ctx, UMB_ERR_INVALID, "%s: %s %s has %lld numbers; expected 1 to %d", path,
                         e->name, umb__shape_text(&e->shape, text, sizeof text), (long long)n,
                         UMB_VECTORS_MOST);
    }
    *v = (struct umb_vectors){.rows = e->shape.dim[0], .size = e->shape.dim[1]};
    v->value = umb__calloc(ctx, (size_t)n, sizeof *v->value);
    if (!v->value) { return UMB_ERR_NO_MEMORY; }
    for (int64_t i = 0; i < n; i++) {
        v->value[i] = (double)((const float *)e->data)[i];
        if (fabs(v->value[i]) <= LARGEST) { continue; } /* not so of NaN */
        return umb__fail(ctx, UMB_ERR_INVALID,
                         "%s: %s has %g at number %lld; expected finite numbers of ±1e6", path,
                         e->name, v->value[i], (long long)i);
    }
    return UMB_OK;
}

static enum umb_status read_tensor(struct umb_context *ctx, const struct umb_vectors_desc *desc,
                                   struct umb_vectors *v)
{
    struct umb_safetensors *file = NULL;
    enum umb_status st = umb__safetensors_read(ctx, desc->path, &file);
    const struct umb_safetensors_entry *e = st == UMB_OK ? find(ctx, desc, file) : NULL;
    if (st == UMB_OK) { st = e ? take(ctx, desc->path, e, v) : UMB_ERR_INVALID; }
    umb__safetensors_destroy(file);
    return st;
}

enum umb_status umb__vectors_read(struct umb_context *ctx, const struct umb_vectors_desc *desc,
                                  struct umb_vectors *ret_vectors)
{
    struct umb_vectors v = {0};
    const enum umb_status st = umb__vectors_are_tensors(desc->path)
                                   ? read_tensor(ctx, desc, &v)
                                   : umb__vectors_text(ctx, desc, &v);
    if (st != UMB_OK) {
        umb__free(v.value);
        return st;
    }
    *ret_vectors = v;
    return UMB_OK;
}
