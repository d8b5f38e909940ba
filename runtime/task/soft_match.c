/* soft_match.c: see soft_match.h. */
#include "soft_match.h"

#include <stdio.h>
#include <string.h>

#include "net_internal.h"
#include "text.h"

struct matching {
    const struct umb_graph *g;
    const struct umb_soft_sharing *d;
    struct umb_soft_match *match;
    struct umb_text left_out;
};

/* "conv1.weight" of trunk t's "a.conv1.weight"; NULL for what is not t's, or not trained. */
static const char *behind_trunk(const struct matching *m, const struct umb_param_spec *spec, int t)
{
    const char *trunk = m->d->trunk[t];
    const size_t n = strlen(trunk);
    const bool is_its = spec->kind == UMB_PARAM_TRAINED && strncmp(spec->name, trunk, n) == 0 &&
                        spec->name[n] == '.';
    return is_its ? spec->name + n + 1 : NULL;
}

/* The value of trunk t's parameter of that name; −1: none. */
static int find(const struct matching *m, int t, const char *name)
{
    char full[256];
    const int n = snprintf(full, sizeof full, "%s.%s", m->d->trunk[t], name);
    return n < (int)sizeof full ? umb__names_find(&m->g->params, full) : -1;
}

/* Whether parameter `name` is one of layer's, "conv1". */
static bool is_of(const char *name, const char *layer)
{
    const char *dot = strrchr(name, '.');
    return dot && strlen(layer) == (size_t)(dot - name) && strncmp(name, layer, strlen(layer)) == 0;
}

static bool is_wanted(const struct matching *m, const char *name)
{
    const char *dot = strrchr(name, '.');
    if (m->d->without_biases && dot && strcmp(dot, ".bias") == 0) { return false; }
    bool listed = !m->d->layer;
    for (int i = 0; m->d->layer && m->d->layer[i]; i++) {
        listed = listed || is_of(name, m->d->layer[i]);
    }
    return listed;
}

/* The same numbers in the same places, on the device as in files. */
static bool agree(const struct umb_graph *g, int a, int b)
{
    const struct umb_value *x = &g->value[a], *y = &g->value[b];
    const struct umb_layout *l = &g->spec[x->spec].layout, *k = &g->spec[y->spec].layout;
    return umb__shape_equal(&x->type.shape, &y->type.shape) && umb__shape_equal(&l->dim, &k->dim) &&
           umb__shape_equal(&l->file_shape, &k->file_shape);
}

static const char *shape_of(const struct matching *m, int value, char *text)
{
    const struct umb_layout *l = &m->g->spec[m->g->value[value].spec].layout;
    return umb__shape_text(&l->file_shape, text, UMB_SHAPE_TEXT);
}

/* Why trunk t's parameter has no counterpart in all others, as an error. */
static enum umb_status explain(const struct matching *m, int t, const char *name)
{
    char a[UMB_SHAPE_TEXT], b[UMB_SHAPE_TEXT];
    const int own = find(m, t, name);
    for (int s = 0; s < m->d->n_trunks; s++) {
        const int other = find(m, s, name);
        if (other < 0) {
            return umb__fail(m->g->ctx, UMB_ERR_INVALID,
                             "trunk %s has %s and trunk %s has not; expected it in every trunk",
                             m->d->trunk[t], name, m->d->trunk[s]);
        }
        if (agree(m->g, own, other)) { continue; }
        return umb__fail(m->g->ctx, UMB_ERR_INVALID,
                         "%s is %s in trunk %s and %s in trunk %s; expected equal shapes", name,
                         shape_of(m, own, a), m->d->trunk[t], shape_of(m, other, b),
                         m->d->trunk[s]);
    }
    return UMB_OK;
}

/* Fills value [T]; false where some trunk has none that agrees. */
static bool find_all(const struct matching *m, const char *name, int *value)
{
    for (int t = 0; t < m->d->n_trunks; t++) {
        value[t] = find(m, t, name);
        if (value[t] < 0 || !agree(m->g, value[0], value[t])) { return false; }
    }
    return true;
}

static enum umb_status add(struct matching *m, int t, const char *name)
{
    struct umb_soft_match *r = m->match;
    int *value = r->value + r->n * m->d->n_trunks;
    if (find_all(m, name, value)) {
        if (t > 0) { return UMB_OK; } /* was found from the first trunk */
        r->count += umb__shape_count(&m->g->value[value[0]].type.shape);
        r->name[r->n++] = name;
        return UMB_OK;
    }
    if (m->d->layer) { return explain(m, t, name); }
    umb__text_printf(&m->left_out, "%s%s.%s", m->left_out.length ? ", " : "", m->d->trunk[t], name);
    return UMB_OK;
}

static enum umb_status walk(struct matching *m)
{
    enum umb_status st = UMB_OK;
    for (int t = 0; t < m->d->n_trunks; t++) {
        for (int i = 0; st == UMB_OK && i < m->g->n_specs; i++) {
            const char *name = behind_trunk(m, &m->g->spec[i], t);
            if (name && is_wanted(m, name)) { st = add(m, t, name); }
        }
    }
    return st;
}

/* Every layer that was asked for has something. */
static enum umb_status check_layers(const struct matching *m)
{
    for (int i = 0; m->d->layer && m->d->layer[i]; i++) {
        bool found = false;
        for (int k = 0; k < m->match->n; k++) {
            found = found || is_of(m->match->name[k], m->d->layer[i]);
        }
        if (found) { continue; }
        return umb__fail(m->g->ctx, UMB_ERR_INVALID,
                         "layer '%s' of the trunks has no parameters to share; expected layers by "
                         "name, as conv1",
                         m->d->layer[i]);
    }
    if (m->match->n) { return UMB_OK; }
    return umb__fail(
        m->g->ctx, UMB_ERR_INVALID,
        "no parameter is in every trunk with one shape; expected layers of equal names "
        "and shapes%s%s",
        m->left_out.length ? ", found " : "", umb__text_string(&m->left_out));
}

static enum umb_status describe(struct matching *m, struct umb_arena *arena)
{
    struct umb_text out = {0};
    for (int k = 0; k < m->match->n; k++) {
        umb__text_printf(&out, "%s%s", k ? ", " : "", m->match->name[k]);
    }
    umb__text_printf(&out, " (%lld numbers of each trunk)", (long long)m->match->count);
    if (m->left_out.length) {
        umb__text_printf(&out, "; left out: %s", umb__text_string(&m->left_out));
    }
    enum umb_status st = umb__text_status(m->g->ctx, &out);
    if (st == UMB_OK) {
        m->match->text = umb__arena_strdup(arena, umb__text_string(&out));
        st = m->match->text ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    umb__text_finish(&out);
    return st;
}

enum umb_status umb__soft_match(const struct umb_graph *g, const struct umb_soft_sharing *d,
                                struct umb_arena *arena, struct umb_soft_match *ret_match)
{
    const size_t most = (size_t)g->n_specs + 1;
    *ret_match = (struct umb_soft_match){
        .name = umb__arena_calloc(arena, most, sizeof *ret_match->name),
        .value = umb__arena_calloc(arena, most * (size_t)d->n_trunks, sizeof(int))};
    if (!ret_match->name || !ret_match->value) { return UMB_ERR_NO_MEMORY; }
    struct matching m = {.g = g, .d = d, .match = ret_match};
    enum umb_status st = walk(&m);
    if (st == UMB_OK) { st = umb__text_status(g->ctx, &m.left_out); }
    if (st == UMB_OK) { st = check_layers(&m); }
    if (st == UMB_OK) { st = describe(&m, arena); }
    umb__text_finish(&m.left_out);
    return st;
}

enum umb_status umb__soft_match_net(const struct umb_net *net, const struct umb_soft_sharing *d,
                                    struct umb_arena *arena, struct umb_soft_match *ret_match)
{
    return umb__soft_match(net->probe, d, arena, ret_match);
}
