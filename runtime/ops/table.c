/*
 * The list of op families: one row a file. The rows come in the order of docs and `umbel` lists.
 */
#include "op.h"
#include <string.h>

/* clang-format off */
#define FAMILIES(row) \
    row(conv) \
    row(dense) \
    row(dense_sum) \
    row(activation) \
    row(batch_norm) \
    row(cross_entropy) \
    row(entry_loss) \
    row(sgd) \
    row(adam) \
    row(clip_scale) \
    row(soft_share) \
    row(metric) \
    row(select) \
    row(max_pool) \
    row(avg_pool) \
    row(bias) \
    row(softmax) \
    row(add) \
    row(multiply) \
    row(mixture) \
    row(cross_stitch) \
    row(embedding) \
    row(graph_mix) \
    row(match) \
    row(pick) \
    row(concat) \
    row(rows) \
    row(stack) \
    row(flatten) \
    row(normalize) \
    row(dropout) \
    row(upsample) \
    row(gradient_rows) \
    row(gather) \
    row(loss_weights) \
    row(transfer) \
    row(host)
/* clang-format on */

#define DECLARE(name) extern const struct umb_op *const umb__ops_##name[];
#define LIST(name) umb__ops_##name,

FAMILIES(DECLARE)

const umb_op_family umb__op_table[] = {FAMILIES(LIST) NULL};

const struct umb_op *umb__op_find(const char *name)
{
    for (const umb_op_family *family = umb__op_table; *family; family++) {
        for (const struct umb_op *const *op = *family; *op; op++) {
            if (strcmp((*op)->name, name) == 0) { return *op; }
        }
    }
    return NULL;
}

size_t umb__op_view_offset(const struct umb_op *op, const void *attrs, const struct umb_type *in,
                           const struct umb_type *out)
{
    if (op->view_offset) { return op->view_offset(attrs, in); }
    if (in->n_segments == 0) { return 0; }
    const size_t segment_bytes = umb__type_bytes(in) / (size_t)in->n_segments;
    return segment_bytes * (size_t)(out->segment - in->segment);
}
