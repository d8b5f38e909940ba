/*
 * whole.h: whole numbers, as tiles and shares of work need them.
 */
#ifndef UMB_WHOLE_H
#define UMB_WHOLE_H

#include <stdint.h>

/* How many parts of b cover a; a ≥ 0, b > 0. */
static inline int umb__ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static inline int64_t umb__ceil_div64(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int umb__smaller(int a, int b)
{
    return a < b ? a : b;
}

#endif
