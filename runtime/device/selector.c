/* selector.c: parsing selectors and matching them. */
#include "selector.h"
#include "fail.h"
#include "text.h"
#include <ctype.h>
#include <string.h>

struct slice {
    const char *at;
    size_t n;
};

struct item {
    struct slice platform; /* at NULL: any */
    struct slice what;
    bool is_type, any_type;
    enum umb_device_type type;
    bool indexed, every;
    size_t index;
};

static struct slice trim(struct slice s)
{
    while (s.n > 0 && isspace((unsigned char)s.at[0])) {
        s.at++;
        s.n--;
    }
    while (s.n > 0 && isspace((unsigned char)s.at[s.n - 1])) {
        s.n--;
    }
    return s;
}

static bool same(struct slice s, const char *word)
{
    return s.n == strlen(word) && umb__selector_contains(word, s.at, s.n);
}

bool umb__selector_contains(const char *text, const char *piece, size_t length)
{
    for (const char *start = text; *start; start++) {
        size_t i = 0;
        while (i < length && start[i] &&
               tolower((unsigned char)start[i]) == tolower((unsigned char)piece[i])) {
            i++;
        }
        if (i == length) { return true; }
    }
    return length == 0;
}

static void recognise_type(struct item *item)
{
    static const struct {
        const char *word;
        enum umb_device_type type;
    } types[] = {
        {"gpu", UMB_DEVICE_GPU}, {"cpu", UMB_DEVICE_CPU}, {"accelerator", UMB_DEVICE_ACCELERATOR}};
    item->any_type = item->is_type = same(item->what, "all");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!same(item->what, types[i].word)) { continue; }
        item->is_type = true;
        item->type = types[i].type;
    }
}

/* Cuts "#index" or "#*" off s. Nine digits are more devices than there are, and fit. */
static bool parse_index(struct slice *s, struct item *item)
{
    size_t hash = s->n;
    while (hash > 0 && s->at[hash - 1] != '#') {
        hash--;
    }
    if (hash == 0) { return true; }
    if (hash == s->n || s->n - hash > 9) { return false; }
    item->every = s->n - hash == 1 && s->at[hash] == '*';
    item->indexed = !item->every;
    for (size_t i = hash; item->indexed && i < s->n; i++) {
        if (!isdigit((unsigned char)s->at[i])) { return false; }
        item->index = item->index * 10 + (size_t)(s->at[i] - '0');
    }
    s->n = hash - 1;
    return true;
}

/* What is wrong with the item, or NULL. */
static const char *parse_item(struct slice s, struct item *ret_item)
{
    struct item item = {0};
    s = trim(s);
    if (s.n == 0) { return "an item is empty"; }
    if (!parse_index(&s, &item)) { return "'#' is not followed by a number or '*'"; }
    const char *colon = memchr(s.at, ':', s.n);
    item.what = s;
    if (colon) {
        item.platform = trim((struct slice){s.at, (size_t)(colon - s.at)});
        if (item.platform.n == 0) { return "no platform stands before ':'"; }
        item.what = (struct slice){colon + 1, s.n - (size_t)(colon + 1 - s.at)};
    }
    item.what = trim(item.what);
    if (item.what.n == 0) { return colon ? "no device stands after ':'" : "'#' has no name"; }
    recognise_type(&item);
    *ret_item = item;
    return NULL;
}

static bool on_platform(const struct umb_candidate *c, struct slice piece)
{
    return umb__selector_contains(c->caps->platform, piece.at, piece.n) ||
           umb__selector_contains(c->platform_vendor, piece.at, piece.n);
}

static bool item_matches(const struct item *item, const struct umb_candidate *c)
{
    if (item->platform.at && !on_platform(c, item->platform)) { return false; }
    if (!item->is_type) {
        return umb__selector_contains(c->caps->name, item->what.at, item->what.n) ||
               umb__selector_contains(c->caps->vendor, item->what.at, item->what.n) ||
               on_platform(c, item->what);
    }
    bool named = item->platform.at != NULL;
    if (!named && (c->caps->software || c->use != UMB_USE_FREELY)) { return false; }
    return item->any_type || item->type == c->caps->type;
}

static void take_item(const struct item *item, bool one, const struct umb_candidate *candidates,
                      size_t n, size_t *taken, size_t *n_taken)
{
    const size_t before = *n_taken;
    size_t seen = 0;
    for (size_t i = 0; i < n && !(one && !item->every && *n_taken > before); i++) {
        if (!item_matches(item, &candidates[i])) { continue; }
        if (item->indexed && seen++ != item->index) { continue; }
        bool already = false;
        for (size_t k = 0; k < *n_taken; k++) {
            already = already || taken[k] == i;
        }
        if (!already) { taken[(*n_taken)++] = i; }
    }
}

static enum umb_status take(struct umb_context *ctx, const char *source, const char *selector,
                            bool one, const struct umb_candidate *candidates, size_t n,
                            size_t *ret_taken, size_t *ret_n_taken)
{
    size_t n_taken = 0;
    for (const char *at = selector;;) {
        size_t length = strcspn(at, ",");
        struct item item;
        const char *wrong = parse_item((struct slice){at, length}, &item);
        if (wrong) {
            return umb__fail(ctx, UMB_ERR_INVALID,
                             "%s: '%.80s': %s; expected devices such as gpu, nvidia, pocl:cpu, "
                             "intel#1, or several with commas between",
                             source, selector, wrong);
        }
        take_item(&item, one, candidates, n, ret_taken, &n_taken);
        if (!at[length]) { break; }
        at += length + 1;
    }
    *ret_n_taken = n_taken;
    return UMB_OK;
}

enum umb_status umb__selector_take(struct umb_context *ctx, const char *source,
                                   const char *selector, const struct umb_candidate *candidates,
                                   size_t n, size_t *ret_taken, size_t *ret_n_taken)
{
    return take(ctx, source, selector, false, candidates, n, ret_taken, ret_n_taken);
}

enum umb_status umb__selector_team(struct umb_context *ctx, const char *source,
                                   const char *selector, const struct umb_candidate *candidates,
                                   size_t n, size_t *ret_taken, size_t *ret_n_taken)
{
    return take(ctx, source, selector, true, candidates, n, ret_taken, ret_n_taken);
}

enum umb_status umb__selector_no_match(struct umb_context *ctx, const char *source,
                                       const char *selector, const struct umb_candidate *candidates,
                                       size_t n)
{
    if (n == 0) {
        return umb__fail(ctx, UMB_ERR_DEVICE,
                         "no OpenCL device found; install an OpenCL driver, for example "
                         "pocl-opencl-icd");
    }
    struct umb_text list = {0};
    for (size_t i = 0; i < n; i++) {
        const struct umb_device_caps *caps = candidates[i].caps;
        umb__text_printf(&list, "%s%s (%s, %s)", i ? ", " : "", caps->selector, caps->name,
                         caps->platform);
    }
    enum umb_status st = umb__text_status(ctx, &list);
    if (st == UMB_OK && selector) {
        st = umb__fail(ctx, UMB_ERR_INVALID, "%s: no device matches '%.80s'; expected one of: %s",
                       source, selector, umb__text_string(&list));
    } else if (st == UMB_OK) {
        st = umb__fail(ctx, UMB_ERR_INVALID,
                       "%s: no device is chosen by default here; set it to one of: %s", source,
                       umb__text_string(&list));
    }
    umb__text_finish(&list);
    return st;
}
