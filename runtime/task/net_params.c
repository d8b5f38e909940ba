/* net_params.c: see net_params.h. */
#include "net_params.h"

#include <stdio.h>
#include <string.h>

#include "init.h"
#include "net_internal.h"
#include "text.h"

static bool is_of_a_head(const struct umb_net *net, const char *param)
{
    for (int t = 0; t < net->n_tasks; t++) {
        const size_t n = strlen(net->task[t].name);
        if (strncmp(param, net->task[t].name, n) == 0 && param[n] == '.') { return true; }
    }
    return false;
}

bool umb__net_matches(const struct umb_net *net, const char *pattern, const char *param)
{
    char longer[256 + 8];
    if (umb__glob(pattern, param)) { return true; }
    snprintf(longer, sizeof longer, "trunk.%s", param);
    return !is_of_a_head(net, param) && umb__glob(pattern, longer);
}

const char *umb__net_param(const struct umb_net *net, int index)
{
    const struct umb_graph *g = net->probe;
    for (int i = 0; i < g->n_specs; i++) {
        if (g->spec[i].kind == UMB_PARAM_TRAINED && index-- == 0) { return g->spec[i].name; }
    }
    return NULL;
}

int umb__net_init(const struct umb_net *net, const char *param)
{
    char layer[256];
    const char *dot = strrchr(param, '.');
    snprintf(layer, sizeof layer, "%.*s", dot ? (int)(dot - param) : 0, param);
    const int l = umb__names_find(&net->layer_names, layer);
    return l < 0 ? UMB_INIT_USUAL : net->layer[l].init;
}

/* Something of the layer is drawn. */
static bool draws(const struct umb_net *net, const struct layer *l)
{
    const size_t n = strlen(l->name);
    for (int i = 0; i < net->probe->n_specs; i++) {
        const struct umb_param_spec *spec = &net->probe->spec[i];
        const bool own = strncmp(spec->name, l->name, n) == 0 && spec->name[n] == '.';
        if (own && umb__init_draws(spec)) { return true; }
    }
    return false;
}

enum umb_status umb__net_set_init(struct umb_net *net, const char *name, const char *init)
{
    struct layer *l = &net->layer[umb__names_find(&net->layer_names, name)];
    l->init = umb__init_find(net->ctx, init);
    if (l->init < 0) {
        l->init = UMB_INIT_USUAL;
        return umb__fail_prefix(net->ctx, UMB_ERR_INVALID, "%s: init", name);
    }
    if (draws(net, l)) { return UMB_OK; }
    return umb__fail(net->ctx, UMB_ERR_INVALID,
                     "%s: init: %s has no weights of its own that are drawn; expected none", name,
                     l->op->name);
}
