/* tuning_text.c: the tuning database to text and back; see tuning.h for the lines. */
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include "text.h"
#include "tuning.h"
#include <inttypes.h>
#include <string.h>

#define FIRST_LINE "umbel tuning 1"
#define MAX_NAME 64 /* of a solver */

static const char *const verdicts[] = {[UMB_VERDICT_RIGHT] = "right",
                                       [UMB_VERDICT_ROUGH] = "rough",
                                       [UMB_VERDICT_ALONE] = "alone",
                                       [UMB_VERDICT_WRONG] = "wrong",
                                       [UMB_VERDICT_FAILED] = "failed"};
#define N_VERDICTS (sizeof verdicts / sizeof *verdicts)

/* The list. */

struct umb_tuned *umb__tuned_find(const struct umb_tuned_list *list, const char *problem)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->entry[i]->problem, problem) == 0) { return list->entry[i]; }
    }
    return NULL;
}

/* A copy of one line without control bytes, cut where the reader would refuse it. */
static char *copy_line(struct umb_arena *arena, const char *s)
{
    size_t n = strlen(s);
    if (n > UMB_TUNED_TEXT) { n = UMB_TUNED_TEXT; }
    char *copy = umb__arena_calloc(arena, n + 1, 1);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = (unsigned char)s[i] < ' ' || s[i] == 127 ? ' ' : s[i];
    }
    return copy;
}

static enum umb_status copy_tuned(struct umb_arena *arena, const struct umb_tuned *from,
                                  struct umb_tuned *to)
{
    struct umb_tuned copy = *from;
    copy.problem = copy_line(arena, from->problem);
    if (!copy.problem) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < from->n; i++) {
        copy.solver[i].name = copy_line(arena, from->solver[i].name);
        copy.solver[i].note = copy_line(arena, from->solver[i].note);
        if (!copy.solver[i].name || !copy.solver[i].note) { return UMB_ERR_NO_MEMORY; }
    }
    *to = copy;
    return UMB_OK;
}

static enum umb_status append(struct umb_context *ctx, struct umb_tuned_list *list,
                              struct umb_tuned *entry)
{
    if (list->n == list->capacity) {
        size_t capacity = 2 * list->capacity + 32;
        void *grown =
            umb__grow(ctx, list->entry, list->capacity, capacity, sizeof(struct umb_tuned *));
        if (!grown) { return UMB_ERR_NO_MEMORY; }
        list->entry = grown;
        list->capacity = capacity;
    }
    list->entry[list->n++] = entry;
    return UMB_OK;
}

enum umb_status umb__tuned_put(struct umb_context *ctx, struct umb_tuned_list *list,
                               const struct umb_tuned *tuned)
{
    struct umb_tuned *present = umb__tuned_find(list, tuned->problem);
    if (present) { return copy_tuned(list->arena, tuned, present); }
    struct umb_tuned *entry = umb__arena_calloc(list->arena, 1, sizeof *entry);
    enum umb_status st = entry ? copy_tuned(list->arena, tuned, entry) : UMB_ERR_NO_MEMORY;
    return st == UMB_OK ? append(ctx, list, entry) : st;
}

/* Writing. */

void umb__tuning_encode(const struct umb_tuned_list *list, const char *device,
                        struct umb_text *text)
{
    umb__text_printf(text, FIRST_LINE "\ndevice %s\n", device);
    for (size_t i = 0; i < list->n; i++) {
        const struct umb_tuned *e = list->entry[i];
        umb__text_printf(text, "problem %s %s\n", e->full ? "full" : "quick", e->problem);
        for (size_t k = 0; k < e->n; k++) {
            const struct umb_tuned_solver *s = &e->solver[k];
            umb__text_printf(text, "%s %" PRIu64 " %s %s\n", verdicts[s->verdict], s->ns, s->name,
                             s->note);
        }
    }
    const char *body = umb__text_string(text);
    umb__text_printf(text, "end %08" PRIx32 "\n", umb__crc32(0, body, text->length));
}

/* Reading. */

/* What is left of the file: whole lines. */
struct lines {
    const char *at, *end;
    char text[UMB_TUNED_TEXT + 128]; /* the present one */
};

/* False at the end, or at a line that is too long or holds a control byte: *ret_fine tells. */
static bool next_line(struct lines *l, bool *ret_fine)
{
    *ret_fine = true;
    if (l->at == l->end) { return false; }
    const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
    size_t n = newline ? (size_t)(newline - l->at) : sizeof l->text;
    *ret_fine = n < sizeof l->text;
    for (size_t i = 0; *ret_fine && i < n; i++) {
        *ret_fine = (unsigned char)l->at[i] >= ' ' && l->at[i] != 127;
    }
    if (!*ret_fine) { return false; }
    memcpy(l->text, l->at, n);
    l->text[n] = 0;
    l->at = newline + 1;
    return true;
}

/* Cuts the word before the first blank off *s; NULL when there is no blank behind it. */
static char *cut_word(char **s)
{
    char *word = *s, *blank = strchr(word, ' ');
    if (!blank || blank == word) { return NULL; }
    *blank = 0;
    *s = blank + 1;
    return word;
}

/* "right 1234 direct NOTE"; the strings point into line. */
static bool read_solver(char *line, struct umb_tuned_solver *ret_solver)
{
    char *rest = line, *verdict = cut_word(&rest), *number = verdict ? cut_word(&rest) : NULL;
    char *name = number ? cut_word(&rest) : NULL;
    int64_t ns;
    size_t v = 0;
    while (verdict && v < N_VERDICTS && strcmp(verdicts[v], verdict) != 0) {
        v++;
    }
    if (!name || v == N_VERDICTS || strlen(name) > MAX_NAME || strlen(rest) > UMB_TUNED_TEXT ||
        !umb__parse_int(number, 0, INT64_MAX, &ns)) {
        return false;
    }
    bool right = v != UMB_VERDICT_WRONG && v != UMB_VERDICT_FAILED;
    if (right != (ns > 0)) { return false; }
    *ret_solver = (struct umb_tuned_solver){(enum umb_verdict)v, (uint64_t)ns, name, rest};
    return true;
}

static bool read_problem(char *line, struct umb_tuned *ret_tuned)
{
    char *rest = line, *word = cut_word(&rest), *how = word ? cut_word(&rest) : NULL;
    bool full = how && strcmp(how, "full") == 0;
    if (!how || strcmp(word, "problem") != 0 || (!full && strcmp(how, "quick") != 0) || !*rest ||
        strlen(rest) > UMB_TUNED_TEXT) {
        return false;
    }
    *ret_tuned = (struct umb_tuned){.problem = rest, .full = full};
    return true;
}

/* Adds problems and solvers to list; *ret_fine false: a line is none of ours. */
static enum umb_status read_entries(struct umb_context *ctx, struct lines *l,
                                    struct umb_tuned_list *list, bool *ret_fine)
{
    struct umb_tuned *entry = NULL;
    while (next_line(l, ret_fine)) {
        struct umb_tuned tuned;
        struct umb_tuned_solver solver;
        *ret_fine = false;
        if (strncmp(l->text, "problem ", 8) == 0) {
            if (!read_problem(l->text, &tuned) || umb__tuned_find(list, tuned.problem) ||
                (entry && entry->n == 0)) {
                return UMB_OK;
            }
            enum umb_status st = umb__tuned_put(ctx, list, &tuned);
            if (st != UMB_OK) { return st; }
            entry = list->entry[list->n - 1];
            continue;
        }
        if (!entry || entry->n == UMB_TUNED_SOLVERS || !read_solver(l->text, &solver)) {
            return UMB_OK;
        }
        solver.name = umb__arena_strdup(list->arena, solver.name);
        solver.note = umb__arena_strdup(list->arena, solver.note);
        if (!solver.name || !solver.note) { return UMB_ERR_NO_MEMORY; }
        entry->solver[entry->n++] = solver;
    }
    if (entry && entry->n == 0) { *ret_fine = false; }
    return UMB_OK;
}

/* The last line's checksum fits what is above it: *ret_size is the size of that. */
static bool is_whole(struct umb_bytes file, size_t *ret_size)
{
    enum { END = 13 }; /* "end 01234567\n" */
    const char *data = file.data;
    char expected[END + 1];
    if (file.size < END) { return false; }
    *ret_size = file.size - END;
    struct umb_text t = {0};
    umb__text_printf(&t, "end %08" PRIx32 "\n", umb__crc32(0, data, *ret_size));
    memset(expected, 0, sizeof expected);
    if (t.length == END) { memcpy(expected, t.data, END); }
    umb__text_finish(&t);
    return memcmp(data + *ret_size, expected, END) == 0;
}

/* Reads the two lines at the top; NULL: they are ours. */
static const char *read_head(struct lines *l, const char *device)
{
    bool fine;
    if (!next_line(l, &fine) || strncmp(l->text, "umbel tuning ", 13) != 0) {
        return "no tuning database";
    }
    if (strcmp(l->text, FIRST_LINE) != 0) { return "of another version of Umbel"; }
    if (!next_line(l, &fine) || strncmp(l->text, "device ", 7) != 0 ||
        strcmp(l->text + 7, device) != 0) {
        return "measured on another device";
    }
    return NULL;
}

enum umb_status umb__tuning_decode(struct umb_context *ctx, struct umb_bytes file,
                                   const char *device, struct umb_tuned_list *list,
                                   const char **ret_wrong)
{
    struct lines l = {.at = file.data, .end = (const char *)file.data + file.size};
    size_t body = 0, before = list->n;
    bool fine = false;
    const char *wrong = read_head(&l, device);
    /* a newer version may end otherwise, so its first line is looked at before */
    if (!wrong && !is_whole(file, &body)) { wrong = "damaged (a wrong checksum)"; }
    enum umb_status st = UMB_OK;
    if (!wrong) {
        l.end = (const char *)file.data + body;
        st = read_entries(ctx, &l, list, &fine);
        if (st == UMB_OK && !fine) { wrong = "damaged (a line that is none of its own)"; }
    }
    if (wrong || st != UMB_OK) { list->n = before; }
    if (st == UMB_OK) { *ret_wrong = wrong; }
    return st;
}
