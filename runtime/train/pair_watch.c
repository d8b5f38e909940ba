/* pair_watch.c: see pair_watch.h. */
#include "pair_watch.h"

#include "alloc.h"
#include <math.h>
#include <string.h>

bool umb__pair_watch_make(struct umb_arena *arena, int T, struct umb_pair_watch *ret_watch)
{
    const size_t n = (size_t)(T * (T - 1) / 2) + 1;
    *ret_watch = (struct umb_pair_watch){.T = T};
    ret_watch->pair = umb__arena_calloc(arena, n, sizeof *ret_watch->pair);
    ret_watch->found = umb__arena_calloc(arena, n, sizeof *ret_watch->found);
    if (ret_watch->pair) { umb__pair_watch_read(ret_watch, NULL); }
    return ret_watch->pair && ret_watch->found;
}

static void look(struct umb_pair_state *p, double cosine)
{
    p->decayed = UMB_PAIR_DECAY * p->decayed + (1 - UMB_PAIR_DECAY) * cosine;
    p->left *= UMB_PAIR_DECAY;
    p->looks++;
    const double mean = p->decayed / (1 - p->left);
    p->most = p->n++ ? fmax(p->most, mean) : mean;
    p->sum += cosine;
}

void umb__pair_watch_add(struct umb_pair_watch *w, const double *gram)
{
    struct umb_pair_state *p = w->pair;
    for (int b = 1; b < w->T; b++) {
        for (int a = 0; a < b; a++, p++) {
            const double size = sqrt(gram[a * w->T + a]) * sqrt(gram[b * w->T + b]);
            const double cosine = gram[a * w->T + b] / size;
            if (size > 0 && isfinite(cosine)) { look(p, cosine); }
        }
    }
}

size_t umb__pair_watch_epoch(struct umb_pair_watch *w)
{
    struct umb_pair_state *p = w->pair;
    size_t n = 0;
    for (int b = 1; b < w->T; b++) {
        for (int a = 0; a < b; a++, p++) {
            if (!p->told && p->n > 0 && p->looks >= UMB_PAIR_LEAST && p->most < 0) {
                w->found[n++] = (struct umb_pair){a, b, p->sum / (double)p->n};
                p->told = true;
            }
            p->sum = p->most = 0;
            p->n = 0;
        }
    }
    return n;
}

/* ---- words ---- */

int64_t umb__pair_watch_pairs(const struct umb_pair_watch *w)
{
    return (int64_t)w->T * (w->T - 1) / 2;
}

void umb__pair_watch_write(const struct umb_pair_watch *w, int64_t *ret_words)
{
    for (int64_t i = 0; i < umb__pair_watch_pairs(w); i++) {
        const struct umb_pair_state *p = &w->pair[i];
        int64_t *words = ret_words + i * UMB_PAIR_WORDS;
        const double numbers[4] = {p->decayed, p->left, p->sum, p->most};
        memcpy(words, numbers, sizeof numbers);
        words[4] = p->looks;
        words[5] = p->n;
        words[6] = p->told;
    }
}

/* Far beyond what anyone looks at, and nowhere near an overflow. */
#define MOST_LOOKS ((int64_t)1 << 53)

/* What is expected of that word of a pair's; NULL: it is so. */
static const char *wants(const int64_t *words, int at, double *ret_value)
{
    static const char *const expected[UMB_PAIR_WORDS] = {
        "finite numbers", "a share from 0 to 1", "finite numbers",
        "finite numbers", "a count, 0 or more",  "a count, 0 or more and no more than all looks",
        "0 or 1"};
    const int64_t n = words[at], most[3] = {MOST_LOOKS, words[4], 1};
    double x;
    memcpy(&x, &words[at], sizeof x);
    const bool fine = at >= 4   ? n >= 0 && n <= most[at - 4]
                      : at == 1 ? x >= 0 && x <= 1
                                : isfinite(x);
    *ret_value = at >= 4 ? (double)n : x;
    return fine ? NULL : expected[at];
}

int64_t umb__pair_watch_fault(const struct umb_pair_watch *w, const int64_t *words,
                              double *ret_value, const char **ret_expected)
{
    for (int64_t i = 0; i < umb__pair_watch_pairs(w) * UMB_PAIR_WORDS; i++) {
        const int at = (int)(i % UMB_PAIR_WORDS);
        *ret_expected = wants(words + i - at, at, ret_value);
        if (*ret_expected) { return i; }
    }
    return -1;
}

void umb__pair_watch_read(struct umb_pair_watch *w, const int64_t *words)
{
    for (int64_t i = 0; i < umb__pair_watch_pairs(w); i++) {
        const int64_t *own = words ? words + i * UMB_PAIR_WORDS : NULL;
        double x[4] = {0, 1, 0, 0};
        if (own) { memcpy(x, own, sizeof x); }
        w->pair[i] = (struct umb_pair_state){.decayed = x[0],
                                             .left = x[1],
                                             .sum = x[2],
                                             .most = x[3],
                                             .looks = own ? own[4] : 0,
                                             .n = own ? own[5] : 0,
                                             .told = own && own[6]};
    }
}
