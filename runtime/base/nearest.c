/* nearest.c: which known name an unknown one was probably meant to be. */
#include "text.h"
#include <stdbool.h>
#include <string.h>

#define LONGEST 63 /* names above this get no suggestion; keeps the rows on the stack */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/*
 * Damerau and Levenshtein's distance in its restricted form: a letter put in, left out or changed
 * counts 1, and so do two neighbours that changed places (where nothing else happens between
 * them). row[i % 3][j] is the distance from the first i characters of a to the first j of b.
 */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t row[3][LONGEST + 1];
    for (size_t j = 0; j <= n_b; j++) {
        row[0][j] = j;
    }
    for (size_t i = 1; i <= n_a; i++) {
        size_t *now = row[i % 3];
        const size_t *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            now[j] = min3(above[j - 1] + (a[i - 1] != b[j - 1]), above[j] + 1, now[j - 1] + 1);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && two_above[j - 2] + 1 < now[j]) { now[j] = two_above[j - 2] + 1; }
        }
    }
    return row[n_a % 3][n_b];
}

const char *umb__nearest(const char *name, const char *const *candidates, size_t n)
{
    size_t length = strlen(name);
    if (length == 0 || length > LONGEST) { return NULL; }
    size_t best = length / 3 > 1 ? length / 3 : 1;
    const char *found = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]);
        if (other > LONGEST) { continue; }
        size_t d = distance(name, length, candidates[i], other);
        if (d < best || (d == best && !found)) {
            best = d;
            found = candidates[i];
        }
    }
    return found;
}
