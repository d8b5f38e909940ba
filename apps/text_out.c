/* text_out.c: numbers and tables for people. */
#include "cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *cli_count(double n, char *buffer)
{
    char digits[CLI_NUMBER];
    int length = snprintf(digits, sizeof digits, "%.0f", n < 0 || n > 1e15 ? 0 : n), out = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) { buffer[out++] = ','; }
        buffer[out++] = digits[i];
    }
    buffer[out] = 0;
    return buffer;
}

const char *cli_bytes(double bytes, char *buffer)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t u = 0;
    while (bytes >= 1024 && u < 4) {
        bytes /= 1024;
        u++;
    }
    snprintf(buffer, CLI_NUMBER, bytes < 10 && u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return buffer;
}

const char *cli_duration(double seconds, char *buffer)
{
    if (!isfinite(seconds) || seconds < 0) {
        snprintf(buffer, CLI_NUMBER, "–");
    } else if (seconds < 60) {
        snprintf(buffer, CLI_NUMBER, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    } else if (seconds < 3600) {
        snprintf(buffer, CLI_NUMBER, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    } else {
        snprintf(buffer, CLI_NUMBER, "%.0f h %02d min", floor(seconds / 3600),
                 (int)fmod(seconds / 60, 60));
    }
    return buffer;
}

void cli_print_quoted(const char *text)
{
    bool plain = *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789_-./=:,+")];
    if (plain) {
        printf(" %s", text);
        return;
    }
    printf(" '");
    for (; *text; text++) {
        printf(*text == '\'' ? "'\\''" : "%c", *text);
    }
    printf("'");
}

void cli_print_resume(const struct cli *cli)
{
    if (cli->device) {
        printf(" --device");
        cli_print_quoted(cli->device);
    }
    printf(" --resume\n");
}

/* Tables. */

void cli_table_add(struct cli_table *t, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (t->n_cells == t->capacity) {
        size_t more = t->capacity ? 2 * t->capacity : 64;
        char **p = realloc(t->cell, more * sizeof *p);
        if (!p) { return; }
        t->cell = p;
        t->capacity = more;
    }
    t->cell[t->n_cells] = strdup(text);
    if (t->cell[t->n_cells]) { t->n_cells++; }
}

/* Columns on a terminal: bytes that begin a character. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

static size_t column_width(const struct cli_table *t, size_t column)
{
    size_t widest = 0;
    for (size_t i = column; i < t->n_cells; i += t->n_columns) {
        size_t w = width(t->cell[i]);
        widest = w > widest ? w : widest;
    }
    return widest;
}

/* A column of numbers is flush right: digits under digits. */
static bool is_numeric(const struct cli_table *t, size_t column)
{
    for (size_t i = column + t->n_columns; i < t->n_cells; i += t->n_columns) {
        const char *cell = t->cell[i];
        bool number = strspn(cell, "0123456789.,-+e %") == strlen(cell);
        if (!number && strcmp(cell, "–") != 0 && strcmp(cell, "∞") != 0 &&
            strcmp(cell, "nan") != 0) {
            return false;
        }
    }
    return true;
}

void cli_table_print(struct cli_table *t, FILE *out)
{
    size_t widths[32];
    bool right[32];
    for (size_t c = 0; c < t->n_columns && c < 32; c++) {
        widths[c] = column_width(t, c);
        right[c] = is_numeric(t, c);
    }
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t c = i % t->n_columns, last = c + 1 == t->n_columns || i + 1 == t->n_cells;
        int pad = (int)(widths[c] - width(t->cell[i]));
        if (c > 0) { fprintf(out, "  "); }
        fprintf(out, "%*s%s%*s", right[c] ? pad : 0, "", t->cell[i], right[c] || last ? 0 : pad,
                "");
        if (last) { fputc('\n', out); }
    }
    cli_table_free(t);
}

void cli_table_free(struct cli_table *t)
{
    for (size_t i = 0; i < t->n_cells; i++) {
        free(t->cell[i]);
    }
    free(t->cell);
    *t = (struct cli_table){.n_columns = t->n_columns};
}
