/* kernel_only.c: one kernel's text out of a file of several. */
#include "kernel_source.h"
#include <string.h>

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

static bool starts_kernel(const char *line)
{
    return strncmp(line, "__kernel ", 9) == 0;
}

/* Behind the brace that ends the definition at `line`, or at the text's end. */
static const char *definition_end(const char *line)
{
    while (*line && *line != '}') {
        line = next_line(line);
    }
    return next_line(line);
}

/* Whether the definition at `line` is of `entry`: the word behind "void", up to the bracket. */
static bool defines(const char *line, const char *entry)
{
    const char *name = strstr(line, "void ");
    if (!name || name >= definition_end(line)) { return false; }
    name += strspn(name + 4, " \n") + 4;
    size_t n = strlen(entry);
    return strncmp(name, entry, n) == 0 && name[n] == '(';
}

void umb__kernel_source_keep_only(struct umb_text *text, const char *entry)
{
    bool found = false;
    for (const char *line = text->data; *line && !found; line = next_line(line)) {
        found = starts_kernel(line) && defines(line, entry);
    }
    if (!found) { return; }
    for (char *line = text->data; *line;) {
        char *end = text->data + (next_line(line) - text->data);
        if (starts_kernel(line)) { end = text->data + (definition_end(line) - text->data); }
        bool other = starts_kernel(line) && !defines(line, entry);
        for (char *c = line; other && c < end; c++) {
            if (*c != '\n') { *c = ' '; }
        }
        line = end;
    }
}
