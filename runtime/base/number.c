/*
 * number.c: numbers and truth values read strictly. The characters are checked before the C library
 * sees them, so no blanks, hexadecimal, "nan" or "inf" pass, and the program's locale has no say.
 */
#define _GNU_SOURCE /* strtod_l */
#include "text.h"
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool umb__parse_int(const char *s, int64_t min, int64_t max, int64_t *ret_value)
{
    const char *digits = s + (*s == '-' || *s == '+');
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || digits[n]) { return false; }
    errno = 0;
    long long value = strtoll(s, NULL, 10);
    if (errno || value < min || value > max) { return false; }
    *ret_value = value;
    return true;
}

/* [sign] digits [. digits] [e [sign] digits], with a digit on one side of the point at least. */
static bool looks_like_a_number(const char *s)
{
    const char *const digits = "0123456789";
    s += *s == '-' || *s == '+';
    size_t whole = strspn(s, digits), fraction = 0;
    s += whole;
    if (*s == '.') {
        fraction = strspn(s + 1, digits);
        s += 1 + fraction;
    }
    if (whole + fraction == 0) { return false; }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        size_t exponent = strspn(s, digits);
        if (exponent == 0) { return false; }
        s += exponent;
    }
    return *s == 0;
}

bool umb__parse_double(const char *s, double min, double max, double *ret_value)
{
    if (!looks_like_a_number(s)) { return false; }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) { return false; }
    double value = strtod_l(s, NULL, plain);
    freelocale(plain);
    if (!isfinite(value) || value < min || value > max) { return false; }
    *ret_value = value;
    return true;
}

bool umb__parse_bool(const char *s, bool *ret_value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(s, words[i]) == 0) {
            *ret_value = i % 2;
            return true;
        }
    }
    return false;
}
