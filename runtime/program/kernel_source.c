/* kernel_source.c: finding kernel files, and putting their includes in place. */
#include "kernel_source.h"
#include "alloc.h"
#include "embedded.h"
#include "fail.h"
#include "program.h"
#include "system.h"
#include <string.h>

#define MAX_DEPTH 16
#define MAX_NAME 64
#define MAX_FILE_BYTES ((size_t)4 << 20)
#define MAX_PROGRAM_BYTES ((size_t)16 << 20)

struct expansion {
    struct umb_context *ctx;
    const char *folder; /* UMBEL_KERNEL_DIR, or NULL */
    struct umb_text *out;
    const char *open[MAX_DEPTH]; /* the files being included now, outermost first */
    int depth;
};

const char *umb__program_source(const char *file, size_t *ret_size)
{
    for (size_t i = 0; i < umb__n_embedded_sources; i++) {
        if (strcmp(umb__embedded_sources[i].name, file) == 0) {
            if (ret_size) { *ret_size = umb__embedded_sources[i].size; }
            return umb__embedded_sources[i].text;
        }
    }
    return NULL;
}

/* Names go into paths and #line directives, so they are plain: no folders, quotes or blanks. */
static bool name_is_plain(const char *name)
{
    size_t plain =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return plain > 0 && plain < MAX_NAME && name[plain] == '\0' && name[0] != '.';
}

/* *ret_owned is to be freed when the text was read from the folder; *ret_text NULL: not there. */
static enum umb_status find_text(const struct expansion *x, const char *name, char **ret_owned,
                                 const char **ret_text)
{
    char *path = NULL;
    size_t size = 0;
    enum umb_status st = UMB_OK;
    if (x->folder) {
        path = umb__path_join(x->ctx, x->folder, name);
        if (!path) { return UMB_ERR_NO_MEMORY; }
    }
    if (path && umb__is_file(path)) {
        st = umb__file_read(x->ctx, path, MAX_FILE_BYTES, ret_owned, &size);
        if (st == UMB_OK && strlen(*ret_owned) != size) {
            umb__free(*ret_owned);
            *ret_owned = NULL;
            st = umb__fail(x->ctx, UMB_ERR_BUILD, "%s: a NUL byte inside; expected OpenCL C", path);
        }
        *ret_text = *ret_owned;
    } else {
        *ret_text = umb__program_source(name, &size);
    }
    umb__free(path);
    return st;
}

/* Whether a block comment is open behind the line [s,end), if `open` says so for its start. */
static bool comment_behind(const char *s, const char *end, bool open)
{
    while (s < end) {
        bool pair = s + 1 < end;
        if (open) {
            open = !(pair && s[0] == '*' && s[1] == '/');
            s += open ? 1 : 2;
        } else if (pair && s[0] == '/' && s[1] == '*') {
            open = true;
            s += 2;
        } else if (pair && s[0] == '/' && s[1] == '/') {
            return false;
        } else if (*s == '"') {
            for (s++; s < end && *s != '"'; s++) {
                if (*s == '\\' && s + 1 < end) { s++; }
            }
            s += s < end;
        } else {
            s++;
        }
    }
    return open;
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* What stands behind `#include "NAME"` on the line, or NULL if it is no such line; any other form
 * is left to the driver's compiler. */
static const char *include_name(const char *line, char name[MAX_NAME])
{
    const char *s = skip_blanks(line);
    if (*s != '#') { return NULL; }
    s = skip_blanks(s + 1);
    if (strncmp(s, "include", 7) != 0) { return NULL; }
    s = skip_blanks(s + 7);
    if (*s != '"') { return NULL; }
    size_t length = strcspn(s + 1, "\"\r\n");
    if (s[1 + length] != '"' || length >= MAX_NAME) { return NULL; }
    memcpy(name, s + 1, length);
    name[length] = '\0';
    return s + length + 2;
}

static enum umb_status expand(struct expansion *x, const char *name, const char *from, int line);

static enum umb_status expand_lines(struct expansion *x, const char *name, const char *text)
{
    char included[MAX_NAME];
    bool comment = false;
    int number = 1;
    umb__text_printf(x->out, "#line 1 \"%s\"\n", name);
    while (*text) {
        const char *end = text + strcspn(text, "\n");
        const char *rest = comment ? NULL : include_name(text, included);
        if (rest) {
            enum umb_status st = expand(x, included, name, number);
            if (st != UMB_OK) { return st; }
            umb__text_printf(x->out, "#line %d \"%s\"\n", number, name);
        }
        const char *kept = rest ? rest : text;
        umb__text_add_bytes(x->out, kept, (size_t)(end - kept));
        umb__text_add(x->out, "\n");
        comment = comment_behind(text, end, comment);
        text = *end ? end + 1 : end;
        number++;
    }
    if (x->out->length > MAX_PROGRAM_BYTES) {
        return umb__fail(x->ctx, UMB_ERR_BUILD, "%s: more than %zu bytes with its includes",
                         x->open[0], MAX_PROGRAM_BYTES);
    }
    return UMB_OK;
}

/* Why `name` may not be opened now, or NULL. */
static const char *refusal(const struct expansion *x, const char *name)
{
    if (!name_is_plain(name)) { return "expected the plain name of a kernel file"; }
    if (x->depth == MAX_DEPTH) { return "includes are nested too deep"; }
    for (int i = 0; i < x->depth; i++) {
        if (strcmp(x->open[i], name) == 0) { return "the file includes itself"; }
    }
    return NULL;
}

/* from is NULL for the program's own file. */
static enum umb_status expand(struct expansion *x, const char *name, const char *from, int line)
{
    char *owned = NULL;
    const char *text = NULL, *why = refusal(x, name);
    if (!why) {
        enum umb_status st = find_text(x, name, &owned, &text);
        if (st != UMB_OK) { return st; }
        if (!text) {
            why = x->folder ? "no such kernel file, in UMBEL_KERNEL_DIR or embedded"
                            : "no such kernel file";
        }
    }
    if (why) {
        return from ? umb__fail(x->ctx, UMB_ERR_BUILD, "%s:%d: include of \"%s\": %s", from, line,
                                name, why)
                    : umb__fail(x->ctx, UMB_ERR_BUILD, "%s: %s", name, why);
    }
    x->open[x->depth++] = name;
    enum umb_status st = expand_lines(x, name, text);
    x->depth--;
    umb__free(owned);
    return st;
}

static enum umb_status check_folder(const struct expansion *x)
{
    if (!x->folder || umb__is_folder(x->folder)) { return UMB_OK; }
    return umb__fail(x->ctx, UMB_ERR_INVALID,
                     "UMBEL_KERNEL_DIR: %s is no folder; expected one with .cl files", x->folder);
}

enum umb_status umb__kernel_source(struct umb_context *ctx, const char *file, struct umb_text *text)
{
    struct expansion x = {.ctx = ctx, .folder = umb__env_text("UMBEL_KERNEL_DIR"), .out = text};
    enum umb_status st = check_folder(&x);
    if (st == UMB_OK) { st = expand(&x, file, NULL, 0); }
    return st == UMB_OK ? umb__text_status(ctx, text) : st;
}

enum umb_status umb__kernels_hash(struct umb_context *ctx, uint64_t *ret_hash)
{
    struct expansion x = {.ctx = ctx, .folder = umb__env_text("UMBEL_KERNEL_DIR")};
    uint64_t hash = UMB_HASH_START;
    enum umb_status st = check_folder(&x);
    for (size_t i = 0; i < umb__n_embedded_sources && st == UMB_OK; i++) {
        char *owned = NULL;
        const char *text = NULL;
        st = find_text(&x, umb__embedded_sources[i].name, &owned, &text);
        if (st == UMB_OK) { hash = umb__hash(hash, text, strlen(text) + 1); }
        umb__free(owned);
    }
    if (st == UMB_OK) { *ret_hash = hash; }
    return st;
}
