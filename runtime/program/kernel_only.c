/*
 * kernel_only.c: one kernel's text out of a file of several.
 *
 * Two things make kernels: a definition, "__kernel" at the start of a line to a brace at the start
 * of one; and the call, at the start of a line, of a macro whose body begins with "__kernel" and
 * whose first argument begins the kernel's name: FORWARD(relu, …) makes relu_forward.
 */
#include "kernel_parts.h"
#include "kernel_source.h"
#include <string.h>

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

static bool starts_definition(const char *line)
{
    return strncmp(line, "__kernel ", 9) == 0;
}

static const char *definition_end(const char *line)
{
    while (*line && *line != '}') {
        line = next_line(line);
    }
    return next_line(line);
}

/* The word behind "void", up to the bracket. */
static bool defines(const char *line, const char *entry)
{
    const char *name = strstr(line, "void ");
    if (!name || name >= definition_end(line)) { return false; }
    name += strspn(name + 4, " \n") + 4;
    size_t n = strlen(entry);
    return strncmp(name, entry, n) == 0 && name[n] == '(';
}

/* Whether "#define word(…)" somewhere in the text has a body that begins with __kernel. */
static bool makes_kernels(const char *text, const char *word, size_t n)
{
    for (const char *at = text; (at = strstr(at, "#define ")); at++) {
        const char *name = at + 8;
        if (strncmp(name, word, n) != 0 || name[n] != '(') { continue; }
        const char *body = strchr(name, ')');
        if (!body) { return false; }
        body += 1 + strspn(body + 1, " \t\\\n");
        return strncmp(body, "__kernel ", 9) == 0;
    }
    return false;
}

static bool starts_call(const char *text, const char *line)
{
    size_t n = strspn(line, UMB_WORD_CHARS);
    return n > 0 && line[n] == '(' && makes_kernels(text, line, n);
}

static const char *call_end(const char *line)
{
    int depth = 0;
    const char *c = strchr(line, '(');
    do {
        depth += *c == '(' ? 1 : *c == ')' ? -1 : 0;
    } while (depth > 0 && *++c);
    return next_line(c);
}

static bool call_makes(const char *line, const char *entry)
{
    const char *first = strchr(line, '(') + 1;
    size_t n = strspn(first, UMB_WORD_CHARS);
    return n > 0 && strncmp(first, entry, n) == 0 && entry[n] == '_';
}

/* What makes kernels at `line`: NULL, or its end. */
static const char *maker_end(const char *text, const char *line, const char *entry,
                             bool *ret_wanted)
{
    if (starts_definition(line)) {
        *ret_wanted = defines(line, entry);
        return definition_end(line);
    }
    if (!starts_call(text, line)) { return NULL; }
    *ret_wanted = call_makes(line, entry);
    return call_end(line);
}

static void blank(char *from, const char *end)
{
    for (char *c = from; c < end; c++) {
        if (*c != '\n') { *c = ' '; }
    }
}

void umb__kernel_source_keep_only(struct umb_text *text, const char *entry)
{
    bool found = false;
    for (int pass = 0; pass < 2; pass++) {
        for (char *line = text->data; *line;) {
            bool wanted = false;
            const char *end = maker_end(text->data, line, entry, &wanted);
            found = found || (end && wanted);
            if (end && !wanted && pass == 1) { blank(line, end); }
            end = end ? end : next_line(line);
            line = text->data + (end - text->data);
        }
        if (!found) { return; }
    }
}
