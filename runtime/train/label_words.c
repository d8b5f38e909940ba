/* label_words.c: see label_words.h. */
#include "label_words.h"

#include "relate.h"
#include <math.h>
#include <stdio.h>

size_t umb__label_classes(const struct umb_label_set *s)
{
    size_t n = 0;
    for (size_t c = 0; c < s->n_classes; c++) {
        n += s->count[c] > 0 ? 1 : 0;
    }
    return n;
}

static void say_most(const struct umb_label_set *s, struct umb_label_words *w)
{
    const char *const *names = s->task->class_names;
    uint64_t all = 0;
    size_t most = 0;
    for (size_t c = 0; c < s->n_classes; c++) {
        all += s->count[c];
        if (s->count[c] > s->count[most]) { most = c; }
    }
    if (all == 0) { return; }
    const double share = 100 * (double)s->count[most] / (double)all;
    if (names) {
        snprintf(w->spread, sizeof w->spread, "%.80s: %.1f %%", names[most], share);
    } else {
        snprintf(w->spread, sizeof w->spread, "%zu: %.1f %%", most, share);
    }
    snprintf(w->entropy, sizeof w->entropy, "%.2f", umb__relate_entropy(s->n_classes, s->count));
}

static void say_range(const struct umb_label_set *s, struct umb_label_words *w)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < s->n * s->V; i++) {
        if (!isfinite(s->number[i])) { continue; }
        low = fmin(low, (double)s->number[i]);
        high = fmax(high, (double)s->number[i]);
    }
    if (low <= high) { snprintf(w->spread, sizeof w->spread, "%.4g … %.4g", low, high); }
}

void umb__label_words(const struct umb_label_set *s, struct umb_label_words *ret_words)
{
    *ret_words = (struct umb_label_words){.share = "–", .entropy = "–", .spread = "–"};
    const bool numbers = s->kind == UMB_TARGET_REAL;
    const size_t n = numbers ? s->V : s->n_classes;
    snprintf(ret_words->kind, sizeof ret_words->kind, "%zu %s%s%s", n, numbers ? "number" : "class",
             n == 1    ? ""
             : numbers ? "s"
                       : "es",
             s->kind == UMB_TARGET_PIXELS ? " a pixel" : "");
    if (s->n > 0) {
        snprintf(ret_words->share, sizeof ret_words->share, "%.1f %%",
                 100 * (double)s->n_labelled / (double)s->n);
    }
    if (numbers) {
        say_range(s, ret_words);
    } else {
        say_most(s, ret_words);
    }
}
