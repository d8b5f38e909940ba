/* markup.c: see markup.h. */
#include "markup.h"

#include <math.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the UTF-8 character at text that XML allows; 0: none begins here. */
static size_t character(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char first = s[0];
    if (first < 0x80) { return first >= ' ' || first == '\n' || first == '\t'; }
    const size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) { return 0; }
    uint32_t code = first & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) { return 0; }
        code = code << 6 | (s[i] & 0x3fU);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[n] || code > 0x10ffff || surrogate || (code & 0xfffeU) == 0xfffe ? 0 : n;
}

static void add_character(struct umb_text *out, const char *text, size_t n)
{
    static const struct {
        char letter;
        const char *escaped;
    } rows[] = {{'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (*text != rows[i].letter) { continue; }
        umb__text_add(out, rows[i].escaped);
        return;
    }
    umb__text_add_bytes(out, n ? text : REPLACEMENT, n ? n : strlen(REPLACEMENT));
}

void umb__html(struct umb_text *out, const char *text)
{
    umb__html_short(out, text, SIZE_MAX);
}

void umb__html_short(struct umb_text *out, const char *text, size_t n)
{
    const bool whole = n == SIZE_MAX || umb__html_length(text) <= n;
    for (size_t i = 0; *text && (whole || i + 1 < n); i++) {
        const size_t bytes = character(text);
        add_character(out, text, bytes);
        text += bytes ? bytes : 1;
    }
    if (!whole) { umb__text_add(out, "…"); }
}

size_t umb__html_length(const char *text)
{
    size_t length = 0;
    for (; *text; length++) {
        const size_t bytes = character(text);
        text += bytes ? bytes : 1;
    }
    return length;
}

void umb__svg_text(struct umb_text *out, const char *class, const char *anchor, double x, double y,
                   const char *fmt, ...)
{
    struct umb_text value = {0};
    va_list args;
    va_start(args, fmt);
    umb__text_vprintf(&value, fmt, args);
    va_end(args);
    umb__text_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\"", class, x, y);
    if (anchor) { umb__text_printf(out, " text-anchor=\"%s\"", anchor); }
    umb__text_add(out, ">");
    umb__html(out, umb__text_string(&value));
    umb__text_add(out, "</text>\n");
    out->failed = out->failed || value.failed;
    umb__text_finish(&value);
}

double umb__svg_text_width(size_t n, double font)
{
    return 0.6 * font * (double)n;
}

double umb__nice_step(double span, int n)
{
    const double power = pow(10, floor(log10(span / n))), part = span / n / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}
