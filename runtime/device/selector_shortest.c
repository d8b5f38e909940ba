/*
 * selector_shortest.c: the selector that a person would type for one device.
 *
 * Rounds of proposals, plainest first: a type; a usual name; platform:type; a word of the device's
 * name. The shortest of the first round that has one that takes this device alone is the answer; if
 * no round has any, the same proposals with #index are tried.
 */
#include "selector.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LONGEST 64 /* with the NUL; longer words are no shorter selectors */
#define SHORTEST_WORD 3

struct search {
    const struct umb_candidate *candidates;
    size_t n, wanted;
    struct umb_pick *taken; /* [n + UMB_MAX_PARTS], scratch */
    bool indexed;
    char best[LONGEST];
};

static const char *const type_words[] = {
    [UMB_DEVICE_CPU] = "cpu", [UMB_DEVICE_GPU] = "gpu", [UMB_DEVICE_ACCELERATOR] = "accelerator"};

/* Makers' and drivers' names as people say them. */
static const char *const usual_names[] = {"nvidia",   "amd",    "intel",   "apple",      "qualcomm",
                                          "mali",     "pocl",   "rusticl", "arm",        "clover",
                                          "llvmpipe", "radeon", "geforce", "swiftshader"};
#define N_USUAL_NAMES (sizeof usual_names / sizeof *usual_names)

/* Whether the text takes the wanted device, at *ret_place among n_taken. */
static bool takes(struct search *s, const char *text, size_t *ret_n_taken, size_t *ret_place)
{
    if (umb__selector_take(NULL, "", text, s->candidates, s->n, s->taken, ret_n_taken) != UMB_OK) {
        return false;
    }
    for (size_t i = 0; i < *ret_n_taken; i++) {
        *ret_place = i;
        if (s->taken[i].device == s->wanted && !s->taken[i].units) { return true; }
    }
    return false;
}

static void propose(struct search *s, const char *text)
{
    size_t n_taken, place;
    char whole[LONGEST];
    if (!takes(s, text, &n_taken, &place)) { return; }
    if (!s->indexed && n_taken != 1) { return; }
    int length = s->indexed ? snprintf(whole, sizeof whole, "%s#%zu", text, place)
                            : snprintf(whole, sizeof whole, "%s", text);
    if (length >= LONGEST || (s->best[0] && strlen(s->best) <= (size_t)length)) { return; }
    memcpy(s->best, whole, (size_t)length + 1);
}

static void propose_types(struct search *s)
{
    propose(s, type_words[s->candidates[s->wanted].caps->type]);
}

static void propose_usual_names(struct search *s)
{
    for (size_t i = 0; i < N_USUAL_NAMES; i++) {
        propose(s, usual_names[i]);
    }
}

static void propose_platform_types(struct search *s)
{
    char text[LONGEST];
    for (size_t i = 0; i < N_USUAL_NAMES; i++) {
        snprintf(text, sizeof text, "%s:%s", usual_names[i],
                 type_words[s->candidates[s->wanted].caps->type]);
        propose(s, text);
    }
}

/* Runs of letters and digits, in lower case. */
static void propose_words(struct search *s, const char *name)
{
    char word[LONGEST];
    size_t length = 0;
    for (const char *c = name;; c++) {
        if (isalnum((unsigned char)*c) && length < sizeof word - 1) {
            word[length++] = (char)tolower((unsigned char)*c);
            continue;
        }
        word[length] = 0;
        if (length >= SHORTEST_WORD) { propose(s, word); }
        length = 0;
        if (!*c) { return; }
    }
}

static void propose_all(struct search *s)
{
    const struct umb_device_caps *caps = s->candidates[s->wanted].caps;
    propose_types(s);
    if (!s->best[0]) { propose_usual_names(s); }
    if (!s->best[0]) { propose_platform_types(s); }
    if (!s->best[0]) { propose_words(s, caps->name); }
    if (!s->best[0]) { propose_words(s, caps->platform); }
    if (!s->best[0]) { propose(s, caps->name); }
}

const char *umb__selector_shortest(struct umb_arena *arena, const struct umb_candidate *candidates,
                                   size_t n, size_t i)
{
    struct search s = {.candidates = candidates, .n = n, .wanted = i};
    s.taken = umb__arena_calloc(arena, n + UMB_MAX_PARTS, sizeof *s.taken);
    if (!s.taken) { return NULL; }
    propose_all(&s);
    if (!s.best[0]) {
        s.indexed = true;
        propose_all(&s);
    }
    if (s.best[0]) { return umb__arena_strdup(arena, s.best); }
    /* "all" leaves out devices that must be named; those have a name of some kind. */
    return umb__arena_strdup(arena, candidates[i].caps->name);
}
