/*
 * csv.h: reading a CSV file: RFC 4180, with LF or CRLF, a byte order mark and blank lines allowed.
 *
 * The file is read whole and cut into cells in place. The first row is the header; every row has as
 * many cells as it. Errors name PATH:LINE, the line a row or an open quote begins on.
 */
#ifndef UMB_CSV_H
#define UMB_CSV_H

#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

struct umb_csv {
    char *text;
    size_t n_columns, n_rows; /* rows without the header */
    uint32_t header_line;     /* from 1; blank lines may go before it */
    const char **header;      /* [n_columns]; within text */
    const char **cell;        /* [n_rows, n_columns]; within text */
    uint32_t *line;           /* [n_rows], from 1 */
    size_t cell_capacity, line_capacity;
};

/* On failure there is nothing to finish. */
UMB_MUST_USE enum umb_status umb__csv_read(struct umb_context *ctx, const char *path,
                                           struct umb_csv *ret_csv);
void umb__csv_finish(struct umb_csv *csv);

/* Finds a column of the header; missing or there twice: an error that names what is near. */
UMB_MUST_USE enum umb_status umb__csv_column(struct umb_context *ctx, const char *path,
                                             const struct umb_csv *csv, const char *name,
                                             size_t *ret_column);

#endif
