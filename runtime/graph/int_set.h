/*
 * int_set.h: a set of numbers below a bound, in order: what is next to a number is found by a few
 * words, whatever the set holds. A tree of bits: a bit of a level says that 64 of the level below
 * are not all zero.
 */
#ifndef UMB_INT_SET_H
#define UMB_INT_SET_H

#include "alloc.h"

#define UMB_INT_SET_LEVELS 6 /* 64⁶ numbers are more than an int has */

struct umb_int_set {
    uint64_t *level[UMB_INT_SET_LEVELS]; /* the numbers first */
    int n_levels;
};

UMB_MUST_USE enum umb_status umb__int_set_init(struct umb_context *ctx, int n,
                                               struct umb_int_set *s);
void umb__int_set_finish(struct umb_int_set *s);
void umb__int_set_add(struct umb_int_set *s, int i);
void umb__int_set_remove(struct umb_int_set *s, int i);
/* The largest in it that is less than i, the smallest that is more; −1: none. */
int umb__int_set_below(const struct umb_int_set *s, int i);
int umb__int_set_above(const struct umb_int_set *s, int i);

#endif
