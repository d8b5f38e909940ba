/* pair_watch.c: see pair_watch.h. */
#include "pair_watch.h"

#include "alloc.h"
#include <math.h>

bool umb__pair_watch_make(struct umb_arena *arena, int T, struct umb_pair_watch *ret_watch)
{
    const size_t n = (size_t)(T * (T - 1) / 2) + 1;
    *ret_watch = (struct umb_pair_watch){.T = T};
    ret_watch->pair = umb__arena_calloc(arena, n, sizeof *ret_watch->pair);
    ret_watch->found = umb__arena_calloc(arena, n, sizeof *ret_watch->found);
    for (size_t i = 0; ret_watch->pair && i < n; i++) {
        ret_watch->pair[i].left = 1;
    }
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
