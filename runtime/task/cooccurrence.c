/* cooccurrence.c: see cooccurrence.h. */
#include "cooccurrence.h"

#include "alloc.h"
#include <math.h>

enum umb_status umb__cooccurrence_init(struct umb_context *ctx, int n, struct umb_cooccurrence *c)
{
    const size_t pairs = (size_t)n * (size_t)n;
    *c = (struct umb_cooccurrence){.n = n};
    c->both = umb__calloc(ctx, pairs, sizeof *c->both);
    c->given = umb__calloc(ctx, pairs, sizeof *c->given);
    if (c->both && c->given) { return UMB_OK; }
    umb__cooccurrence_finish(c);
    return UMB_ERR_NO_MEMORY;
}

void umb__cooccurrence_finish(struct umb_cooccurrence *c)
{
    umb__free(c->both);
    umb__free(c->given);
    c->both = c->given = NULL;
}

void umb__cooccurrence_add(struct umb_cooccurrence *c, const signed char *holds)
{
    for (int i = 0; i < c->n; i++) {
        for (int j = 0; j < c->n && holds[i] == 1; j++) {
            c->both[i * c->n + j] += holds[j] == 1;
            c->given[i * c->n + j] += holds[j] >= 0;
        }
    }
}

void umb__cooccurrence_shares(const struct umb_cooccurrence *c, double *ret_shares)
{
    for (int i = 0; i < c->n * c->n; i++) {
        ret_shares[i] = c->given[i] ? (double)c->both[i] / (double)c->given[i] : 0;
    }
}

/* 1 for the pairs from the threshold on, then their share of the row's weight. */
static void weigh_row(const struct umb_adjacency_desc *desc, int n, int i, double *row)
{
    int related = 0;
    for (int j = 0; j < n; j++) {
        row[j] = j != i && row[j] >= desc->threshold;
        related += row[j] > 0;
    }
    for (int j = 0; j < n && related; j++) {
        row[j] *= desc->weight / related;
    }
}

void umb__adjacency_of_shares(const struct umb_adjacency_desc *desc, int n, double *matrix,
                              double *scratch)
{
    for (int i = 0; i < n; i++) {
        weigh_row(desc, n, i, matrix + (size_t)i * (size_t)n);
    }
    umb__adjacency_complete(desc, n, matrix, scratch);
}

/* The row's sum to the power of −½. */
static double root_of_row(int n, const double *row)
{
    double sum = 0;
    for (int j = 0; j < n; j++) {
        sum += row[j];
    }
    return sum > 0 ? 1 / sqrt(sum) : 1;
}

void umb__adjacency_complete(const struct umb_adjacency_desc *desc, int n, double *matrix,
                             double *scratch)
{
    for (int i = 0; i < n; i++) {
        matrix[i * n + i] += desc->self ? 1 : 0;
        scratch[i] = root_of_row(n, matrix + (size_t)i * (size_t)n);
    }
    for (int i = 0; i < n * n && desc->normalize; i++) {
        matrix[i] *= scratch[i / n] * scratch[i % n];
    }
}
