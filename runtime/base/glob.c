/* glob.c: patterns of names. */
#include "text.h"

/* A star that does not fit yet takes one letter more; only the latest one need ever do so, since an
 * earlier one that took more would leave less to it. */
bool umb__glob(const char *pattern, const char *text)
{
    const char *star = NULL, *held = NULL; /* behind the latest star, and what it has taken up to */
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            held = text;
        } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++held;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return !*pattern;
}
