/* bytes.c: counts of bytes as people write them: units of 1024 with an i, of 1000 without. */
#include "text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char letters[] = "kmgtpe", capitals[] = "KMGTPE";

const char *umb__bytes_text(uint64_t bytes, char *buffer)
{
    double n = (double)bytes;
    size_t u = 0;
    for (; n >= 1024 && u + 1 < sizeof capitals; u++) {
        n /= 1024;
    }
    n = ceil(n * 100) / 100;
    if (u == 0) {
        snprintf(buffer, UMB_BYTES_TEXT, "%.0f B", n);
    } else {
        snprintf(buffer, UMB_BYTES_TEXT, "%.*f %ciB", floor(n) < n ? 2 : 0, n, capitals[u - 1]);
    }
    return buffer;
}

/* 1, 1000, 1024, … of "B", "kB", "KiB", …; 0 for anything else. */
static double unit(const char *s)
{
    if (strcasecmp(s, "B") == 0) { return 1; }
    size_t power = 0;
    while (letters[power] && letters[power] != *s && capitals[power] != *s) {
        power++;
    }
    if (!letters[power]) { return 0; }
    const bool binary = strcasecmp(s + 1, "iB") == 0;
    return binary || strcasecmp(s + 1, "B") == 0 ? pow(binary ? 1024 : 1000, (double)power + 1) : 0;
}

bool umb__parse_bytes(const char *s, uint64_t *ret_bytes)
{
    char digits[32];
    const size_t n = strspn(s, "0123456789.");
    if (n == 0 || n >= sizeof digits) { return false; }
    memcpy(digits, s, n);
    digits[n] = 0;
    double value;
    const double factor = unit(s + n + strspn(s + n, " "));
    if (factor < 1 || !umb__parse_double(digits, 0, 0x1p62, &value)) { return false; }
    value = floor(value * factor);
    if (value < 1 || value > 0x1p62) { return false; }
    *ret_bytes = (uint64_t)value;
    return true;
}
