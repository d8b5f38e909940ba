/* trainer_ranges.c: frozen parameters, groups, and the ranges that updates walk, in a graph. */
#include "trainer_parts.h"

#include <stdlib.h>
#include <string.h>

#include "net_params.h"
#include "trainer_internal.h"

static bool is_trained(const struct umb_value *v)
{
    return v->kind == UMB_VALUE_PARAM && v->spec >= 0;
}

/* ---- frozen ---- */

enum umb_status umb__trainer_frozen(const struct umb_trainer *tr, struct umb_graph *g,
                                    bool **ret_frozen)
{
    bool running;
    *ret_frozen = NULL;
    if (!tr->parts.frozen || !*tr->parts.frozen) { return UMB_OK; }
    bool *frozen = umb__arena_calloc(g->arena, (size_t)g->n_values, sizeof *frozen);
    if (!frozen) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < g->n_values; v++) {
        frozen[v] =
            is_trained(&g->value[v]) && umb__trainer_is_frozen(tr, g->value[v].name, &running);
    }
    *ret_frozen = frozen;
    return UMB_OK;
}

/* All the node's parameters are, and none with its statistics going on. */
static bool is_at_rest(const struct umb_trainer *tr, const struct umb_graph *g,
                       const struct umb_node *n)
{
    int n_params = 0;
    for (int k = 0; k < n->n_in; k++) {
        const struct umb_value *v = &g->value[n->in[k]];
        bool running;
        if (!is_trained(v)) { continue; }
        n_params++;
        if (!umb__trainer_is_frozen(tr, v->name, &running) || running) { return false; }
    }
    return n_params > 0;
}

static bool *frozen_flag(const struct umb_node *n)
{
    for (const struct umb_attr_desc *d = n->op->inner; d && d->name; d++) {
        if (strcmp(d->name, "frozen") == 0) {
            return (bool *)(void *)((char *)n->attrs + d->offset);
        }
    }
    return NULL;
}

enum umb_status umb__trainer_freeze_statistics(const struct umb_trainer *tr, struct umb_graph *g)
{
    if (!tr->parts.frozen || !*tr->parts.frozen) { return UMB_OK; }
    for (int i = 0; i < g->n_nodes; i++) {
        bool *flag = frozen_flag(&g->node[i]);
        if (!flag || !is_at_rest(tr, g, &g->node[i])) { continue; }
        if (umb__trainer_shares(tr)) {
            return umb__fail(tr->ctx, UMB_ERR_UNSUPPORTED,
                             "%s: statistics cannot be frozen where devices share batches, since "
                             "each keeps its own; expected running ones",
                             g->node[i].name);
        }
        *flag = true;
    }
    return UMB_OK;
}

/* ---- groups ---- */

/* The latest of the patterns that fit. */
static int part_of(const struct umb_trainer *tr, const char *param)
{
    int p = tr->parts.n - 1;
    while (p > 0 && !umb__net_matches(tr->net, tr->parts.part[p].pattern, param)) {
        p--;
    }
    return p;
}

/* The group of parameter `param` of that part, a new one where none has had as many updates. */
static int group_of(const struct umb_trainer *tr, struct umb_trainer_groups *groups, int part,
                    int param)
{
    const int64_t *updates = tr->parts.updates;
    for (int k = 0; k < groups->n; k++) {
        const struct umb_trainer_group *group = &groups->group[k];
        if (group->part == part && updates[group->param] == updates[param]) { return k; }
    }
    groups->group[groups->n] = (struct umb_trainer_group){part, param};
    return groups->n++;
}

static enum umb_status add_hyper(struct umb_graph *g, struct umb_trainer_groups *groups)
{
    const struct umb_type type = {.dtype = UMB_F32, .shape = {1, {groups->n * UMB_HYPER_COUNT}}};
    groups->hyper = umb__graph_value(g, "hyper", UMB_VALUE_INPUT, &type);
    return groups->hyper < 0 ? UMB_ERR_NO_MEMORY : UMB_OK;
}

enum umb_status umb__trainer_group(const struct umb_trainer *tr, struct umb_graph *g, int *gradient,
                                   int n_gradient, struct umb_trainer_groups *ret_groups)
{
    const size_t room = (size_t)tr->parts.n_params + 1;
    struct umb_trainer_groups groups = {.n = 0};
    int param = 0;
    bool running;
    groups.group = umb__arena_calloc(g->arena, room, sizeof *groups.group);
    groups.of = umb__arena_calloc(g->arena, room, sizeof *groups.of);
    if (!groups.group || !groups.of) { return UMB_ERR_NO_MEMORY; }
    for (int v = 0; v < n_gradient && param < tr->parts.n_params; v++) {
        if (!is_trained(&g->value[v])) { continue; }
        const char *name = g->value[v].name;
        const bool frozen = umb__trainer_is_frozen(tr, name, &running);
        if (frozen) { gradient[v] = UMB_GRADIENT_FROZEN; }
        groups.of[param] = frozen ? -1 : group_of(tr, &groups, part_of(tr, name), param);
        param++;
    }
    const enum umb_status st = add_hyper(g, &groups);
    if (st == UMB_OK) { *ret_groups = groups; }
    return st;
}

/* ---- ranges ---- */

/* Bytes of the packed parameters that one group has. */
struct range {
    size_t begin, end;
    int group;
};

static int by_begin(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Neighbours of a group, and the gaps between them, as one. */
static int join(struct range *r, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if (kept && r[kept - 1].group == r[i].group) {
            r[kept - 1].end = r[i].end;
        } else {
            r[kept++] = r[i];
        }
    }
    return kept;
}

/* The parameters that lie in `packed`, in their order. */
static int find_ranges(const struct umb_graph *g, const struct umb_trainer_groups *groups,
                       int packed, struct range *ret)
{
    int n = 0, param = 0;
    for (int v = 0; v < packed; v++) {
        const struct umb_value *value = &g->value[v];
        if (!is_trained(value)) { continue; }
        const int group = groups->of[param++];
        if (value->base != packed) { continue; }
        const size_t bytes = umb__type_bytes(&value->type);
        ret[n++] = (struct range){value->base_offset,
                                  value->base_offset + (bytes + UMB_PACK_BYTES - 1) /
                                                           UMB_PACK_BYTES * UMB_PACK_BYTES,
                                  group};
    }
    if (n) { qsort(ret, (size_t)n, sizeof *ret, by_begin); }
    return join(ret, n);
}

static int piece_of(struct umb_graph *g, int base, const char *name, size_t offset,
                    const struct umb_type *type)
{
    const char *full = umb__arena_printf(g->arena, "%s(%s)", g->value[base].name, name);
    const int v = full ? umb__graph_value(g, full, g->value[base].kind, type) : -1;
    if (v < 0) { return -1; }
    g->value[v].base = base;
    g->value[v].base_offset = offset;
    return v;
}

/* The update of one range, in[n_in] being pieces of those of the whole. */
static enum umb_status add_range(const struct umb_trainer *tr, struct umb_graph *g,
                                 const struct umb_trainer_groups *groups, const struct range *r,
                                 const char *name, int n_in, const int *whole)
{
    const struct umb_type hyper = {.dtype = UMB_F32, .shape = {1, {UMB_HYPER_COUNT}}};
    const struct umb_type type = {.dtype = UMB_F32,
                                  .shape = {1, {(int64_t)((r->end - r->begin) / sizeof(float))}}};
    const bool all = type.shape.dim[0] == umb__shape_count(&g->value[whole[0]].type.shape);
    int in[UMB_OP_MAX_PARAMS], out[UMB_OP_MAX_OUT], k = 0;
    memcpy(in, whole, (size_t)n_in * sizeof *in);
    for (; !all && whole[k] != groups->hyper; k++) {
        in[k] = piece_of(g, whole[k], name, r->begin, &type);
        if (in[k] < 0) { return UMB_ERR_NO_MEMORY; }
    }
    while (whole[k] != groups->hyper) {
        k++;
    }
    if (groups->n > 1) {
        in[k] = piece_of(g, groups->hyper, name, (size_t)r->group * UMB_HYPER_COUNT * sizeof(float),
                         &hyper);
        if (in[k] < 0) { return UMB_ERR_NO_MEMORY; }
    }
    const struct umb_graph_node_desc desc = {.op = tr->optimizer,
                                             .attrs =
                                                 tr->parts.part[groups->group[r->group].part].attrs,
                                             .name = name,
                                             .phase = UMB_PHASE_UPDATE,
                                             .n_in = n_in,
                                             .in = in};
    return umb__graph_node_raw(g, &desc, out);
}

enum umb_status umb__trainer_add_ranges(const struct umb_trainer *tr, struct umb_graph *g,
                                        const struct umb_trainer_groups *groups, const char *name,
                                        int n_in, const int *in)
{
    struct range *r = umb__arena_calloc(g->arena, (size_t)tr->parts.n_params + 1, sizeof *r);
    if (!r) { return UMB_ERR_NO_MEMORY; }
    const int n = find_ranges(g, groups, in[0], r);
    enum umb_status st = UMB_OK;
    for (int i = 0, made = 0; st == UMB_OK && i < n; i++) {
        if (r[i].group < 0) { continue; }
        const char *own = made++ ? umb__arena_printf(g->arena, "%s_%d", name, made) : name;
        st = own ? add_range(tr, g, groups, &r[i], own, n_in, in) : UMB_ERR_NO_MEMORY;
    }
    return st;
}
