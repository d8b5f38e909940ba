/*
 * pair_watch.h: pairs of tasks that pull against each other while they train.
 *
 * Every look at the gradients gives each pair's cosine. Its mean, in which later looks weigh more
 * (0.99^k, with what is missing at the beginning made up for), must stay below 0 for all of an
 * epoch before the pair is told of, once: noise about 0 does not. A pair whose looks are few is not
 * told of.
 *
 * What was seen so far is words that a checkpoint keeps, so that a resumed run tells of the same
 * pairs at the same time.
 */
#ifndef UMB_PAIR_WATCH_H
#define UMB_PAIR_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct umb_arena;

#define UMB_PAIR_DECAY 0.99
#define UMB_PAIR_LEAST 32 /* looks at a pair, from the first on */

struct umb_pair {
    int a, b;      /* tasks, a < b */
    double cosine; /* the epoch's plain mean */
};

struct umb_pair_watch {
    int T;
    struct umb_pair_state {
        double decayed, left; /* Σ (1−β)·β^k·cosine; β^looks: what is missing of its weights */
        double sum, most;     /* of the epoch: cosines; the greatest mean */
        int64_t looks, n;     /* at all, in the epoch */
        bool told;
    } * pair;               /* [T(T−1)/2] */
    struct umb_pair *found; /* as many */
};

/* In the arena; false: no memory. */
bool umb__pair_watch_make(struct umb_arena *arena, int T, struct umb_pair_watch *ret_watch);
/* A look: gram [T,T]. Pairs of which one has no gradient, or none that is finite, are as before. */
void umb__pair_watch_add(struct umb_pair_watch *w, const double *gram);
/* The epoch is over: the pairs to be told of, in found; returns how many. */
size_t umb__pair_watch_epoch(struct umb_pair_watch *w);

/* As words [pairs][UMB_PAIR_WORDS], doubles by their bits: decayed, left, sum, most, looks, n,
 * told. */
#define UMB_PAIR_WORDS 7
int64_t umb__pair_watch_pairs(const struct umb_pair_watch *w); /* T(T−1)/2 */
void umb__pair_watch_write(const struct umb_pair_watch *w, int64_t *ret_words);
/* The first word that no watch has, with its value and what was expected; −1: there is none. */
int64_t umb__pair_watch_fault(const struct umb_pair_watch *w, const int64_t *words,
                              double *ret_value, const char **ret_expected);
/* Words without a fault; NULL: nothing was seen yet. */
void umb__pair_watch_read(struct umb_pair_watch *w, const int64_t *words);

#endif
