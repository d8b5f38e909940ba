/*
 * heap.h: steps in a heap, for what takes them by priority. Room is the owner's: as many as there
 * can be at once.
 */
#ifndef UMB_HEAP_H
#define UMB_HEAP_H

#include <stdbool.h>

struct umb_heap {
    int *step, n;
    const double *priority; /* by step: the highest comes first, of equals the lowest step; NULL:
                               all are equal */
};

static inline bool umb__heap_ahead(const struct umb_heap *h, int x, int y)
{
    if (!h->priority || (h->priority[x] >= h->priority[y] && h->priority[x] <= h->priority[y])) {
        return x < y;
    }
    return h->priority[x] > h->priority[y];
}

static inline void umb__heap_push(struct umb_heap *h, int step)
{
    int i = h->n++;
    for (; i > 0 && umb__heap_ahead(h, step, h->step[(i - 1) / 2]); i = (i - 1) / 2) {
        h->step[i] = h->step[(i - 1) / 2];
    }
    h->step[i] = step;
}

/* There must be one. */
static inline int umb__heap_pop(struct umb_heap *h)
{
    const int top = h->step[0], last = h->step[--h->n];
    int i = 0;
    for (int child = 1; child < h->n; child = 2 * i + 1) {
        if (child + 1 < h->n && umb__heap_ahead(h, h->step[child + 1], h->step[child])) { child++; }
        if (!umb__heap_ahead(h, h->step[child], last)) { break; }
        h->step[i] = h->step[child];
        i = child;
    }
    h->step[i] = last;
    return top;
}

#endif
