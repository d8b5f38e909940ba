/*
 * vectors.h: a table of numbers out of a file: a vector a class or task, as other tools write them.
 *
 *   cat 0.1 0.2 0.3      text: a row a line, numbers behind a name (GloVe; word2vec, whose first
 *   dog,0.4,0.5,0.6      line is `rows size`) or without one, apart by blanks or, in all rows,
 * commas x.safetensors        a tensor of two dimensions
 *
 * A text file is read line by line and may be of any size; only the rows that are asked for are
 * kept. Numbers are finite, and every row has as many.
 */
#ifndef UMB_VECTORS_H
#define UMB_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

#define UMB_VECTORS_MOST 65536 /* numbers: what an attribute may have */

struct umb_vectors_desc {
    const char *path;
    const char *const *names; /* [n_names] rows to take, in this order; a blank in one is `_` in */
    size_t n_names;           /* files that have no commas. 0: all rows, in the file's order */
    const char *tensor;       /* of a safetensors file; NULL: the only one of two dimensions */
};

struct umb_vectors {
    int64_t rows, size;
    double *value; /* [rows,size]; umb__free */
};

/* Errors name the path, and of text the line: UMB_ERR_IO, UMB_ERR_FORMAT (not such a file),
 * UMB_ERR_INVALID (a name or tensor that is not there, too many numbers). */
UMB_MUST_USE enum umb_status umb__vectors_read(struct umb_context *ctx,
                                               const struct umb_vectors_desc *desc,
                                               struct umb_vectors *ret_vectors);

/* vectors_text.c. */
UMB_MUST_USE enum umb_status umb__vectors_text(struct umb_context *ctx,
                                               const struct umb_vectors_desc *desc,
                                               struct umb_vectors *ret_vectors);

bool umb__vectors_are_tensors(const char *path); /* by its ending, .safetensors */

#endif
