/* selector.c: parsing selectors and matching them. */
#include "cut.h"
#include "fail.h"
#include "text.h"
#include <ctype.h>
#include <string.h>

struct slice {
    const char *at;
    size_t n;
};

/* "#index" or "#*", or neither. */
struct number {
    bool indexed, every;
    size_t index;
};

struct item {
    struct slice platform; /* at NULL: any */
    struct slice what;
    bool is_type, any_type;
    enum umb_device_type type;
    struct number number;
    struct umb_cut cut;
    struct number part;
};

/* A selector being read, and what it took so far. */
struct taking {
    struct umb_context *ctx;
    const char *source, *selector;
    bool one; /* an item takes one device */
    const struct umb_candidate *candidates;
    size_t n;
    struct umb_pick *picks;
    size_t n_picks, n_parts;
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
static const char *parse_number(struct slice *s, struct number *ret_number)
{
    size_t hash = s->n;
    while (hash > 0 && s->at[hash - 1] != '#') {
        hash--;
    }
    if (hash == 0) { return NULL; }
    struct number number = {.every = s->n - hash == 1 && s->at[hash] == '*'};
    number.indexed = !number.every;
    bool fine = hash < s->n && s->n - hash <= 9;
    for (size_t i = hash; fine && number.indexed && i < s->n; i++) {
        fine = isdigit((unsigned char)s->at[i]) != 0;
        number.index = number.index * 10 + (size_t)(s->at[i] - '0');
    }
    if (!fine) { return "'#' is not followed by a number or '*'"; }
    *s = trim((struct slice){s->at, hash - 1});
    *ret_number = number;
    return NULL;
}

/* Cuts "/cut", with its number, off s. */
static const char *parse_cut(struct slice *s, struct item *item)
{
    const char *slash = memchr(s->at, '/', s->n);
    if (!slash) { return NULL; }
    struct slice cut = {slash + 1, s->n - (size_t)(slash + 1 - s->at)};
    *s = trim((struct slice){s->at, (size_t)(slash - s->at)});
    const char *wrong = parse_number(&cut, &item->part);
    if (!wrong) { wrong = umb__cut_parse(cut.at, cut.n, &item->cut); }
    if (wrong) { return wrong; }
    if (s->n == 0) { return "no device stands before '/'"; }
    const bool there = !item->part.indexed || item->part.index < item->cut.n_parts;
    return there ? NULL : "there is no such part; they are counted from 0";
}

/* What is wrong with the item, or NULL. */
static const char *parse_item(struct slice s, struct item *ret_item)
{
    struct item item = {0};
    s = trim(s);
    if (s.n == 0) { return "an item is empty"; }
    const char *wrong = parse_cut(&s, &item);
    if (!wrong) { wrong = parse_number(&s, &item.number); }
    if (wrong) { return wrong; }
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

/* Whether no unit of it was taken yet. */
static bool is_free(const struct taking *t, const struct umb_pick *pick)
{
    for (size_t i = 0; i < t->n_picks; i++) {
        const struct umb_pick *p = &t->picks[i];
        const bool whole = p->units == 0 || pick->units == 0;
        if (p->device == pick->device && (whole || (p->first < pick->first + pick->units &&
                                                    pick->first < p->first + p->units))) {
            return false;
        }
    }
    return true;
}

static enum umb_status take_pick(struct taking *t, struct umb_pick pick)
{
    if (!is_free(t, &pick)) { return UMB_OK; }
    if (pick.units && t->n_parts++ == UMB_MAX_PARTS) {
        return umb__fail(t->ctx, UMB_ERR_INVALID, "%s: '%.80s': expected %d parts at most",
                         t->source, t->selector, UMB_MAX_PARTS);
    }
    t->picks[t->n_picks++] = pick;
    return UMB_OK;
}

static enum umb_status take_parts(struct taking *t, const struct item *item, size_t device)
{
    const struct umb_device_caps *caps = t->candidates[device].caps;
    enum umb_status st = umb__cut_check(t->ctx, t->source, t->selector, &item->cut, caps);
    for (uint64_t i = 0; st == UMB_OK && i < item->cut.n_parts; i++) {
        if (item->part.indexed && i != item->part.index) { continue; }
        st = take_pick(t, umb__cut_part(&item->cut, device, caps->compute_units, i));
    }
    return st;
}

static enum umb_status take_item(struct taking *t, const struct item *item)
{
    const size_t before = t->n_picks;
    const bool one = (t->one || item->cut.text) && !item->number.every;
    enum umb_status st = UMB_OK;
    size_t seen = 0;
    for (size_t i = 0; st == UMB_OK && i < t->n && !(one && t->n_picks > before); i++) {
        if (!item_matches(item, &t->candidates[i])) { continue; }
        if (item->number.indexed && seen++ != item->number.index) { continue; }
        st = item->cut.text ? take_parts(t, item, i) : take_pick(t, (struct umb_pick){.device = i});
    }
    return st;
}

static enum umb_status take(struct taking *t, bool one, size_t *ret_n_picks)
{
    t->one = one;
    for (const char *at = t->selector;;) {
        size_t length = strcspn(at, ",");
        struct item item;
        const char *wrong = parse_item((struct slice){at, length}, &item);
        if (wrong) {
            return umb__fail(t->ctx, UMB_ERR_INVALID,
                             "%s: '%.80s': %s; expected devices such as gpu, nvidia, pocl:cpu, "
                             "intel#1, cpu/2, or several with commas between",
                             t->source, t->selector, wrong);
        }
        const enum umb_status st = take_item(t, &item);
        if (st != UMB_OK) { return st; }
        if (!at[length]) { break; }
        at += length + 1;
    }
    *ret_n_picks = t->n_picks;
    return UMB_OK;
}

enum umb_status umb__selector_take(struct umb_context *ctx, const char *source,
                                   const char *selector, const struct umb_candidate *candidates,
                                   size_t n, struct umb_pick *ret_picks, size_t *ret_n_picks)
{
    struct taking t = {ctx, source, selector, .candidates = candidates, .n = n, .picks = ret_picks};
    return take(&t, false, ret_n_picks);
}

enum umb_status umb__selector_team(struct umb_context *ctx, const char *source,
                                   const char *selector, const struct umb_candidate *candidates,
                                   size_t n, struct umb_pick *ret_picks, size_t *ret_n_picks)
{
    struct taking t = {ctx, source, selector, .candidates = candidates, .n = n, .picks = ret_picks};
    return take(&t, true, ret_n_picks);
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
