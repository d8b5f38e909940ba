/* exp_parts.c: `train.freeze` and `train.rates`. */
#include "experiment.h"

#include "fail.h"
#include "net_params.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_EPOCH 1000000
#define MAX_NAMES 1024

static enum umb_status check_pattern(struct umb_experiment *exp, const struct umb_yaml *node,
                                     const char *pattern)
{
    if (!strpbrk(pattern, " \t\n=")) { return UMB_OK; }
    return umb__yaml_fail(exp->ctx, node,
                          "'%.80s' has a blank or '='; expected a pattern of parameters' names, as "
                          "conv1.* or trunk.*",
                          pattern);
}

/* ---- freeze ---- */

static enum umb_status read_statistics(struct umb_experiment *exp, const struct umb_yaml *node,
                                       bool *ret_running)
{
    static const char *const names[] = {"frozen", "running"};
    const char *name = NULL;
    enum umb_status st = umb__yaml_text(exp->ctx, node, &name);
    if (st != UMB_OK) { return st; }
    *ret_running = strcmp(name, "running") == 0;
    if (*ret_running || strcmp(name, "frozen") == 0) { return UMB_OK; }
    return umb__yaml_unknown(exp->ctx, node, "kind of statistics", name, names, COUNT(names));
}

static enum umb_status read_freeze_map(struct umb_experiment *exp, const struct umb_yaml *node,
                                       struct umb_exp_freeze *f)
{
    static const char *const keys[] = {"pattern", "from", "until", "statistics"};
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    const struct umb_yaml *pattern = umb__yaml_get(node, "pattern"),
                          *from = umb__yaml_get(node, "from"),
                          *until = umb__yaml_get(node, "until"),
                          *statistics = umb__yaml_get(node, "statistics");
    if (st == UMB_OK && !pattern) {
        st = umb__yaml_fail(exp->ctx, node,
                            "pattern: is missing; expected one of parameters' names, as trunk.*");
    }
    if (st == UMB_OK) { st = umb__yaml_text(exp->ctx, pattern, &f->pattern); }
    if (st == UMB_OK && from) { st = umb__yaml_int(exp->ctx, from, 1, MAX_EPOCH, &f->from); }
    if (st == UMB_OK && until) {
        st = umb__yaml_int(exp->ctx, until, f->from, MAX_EPOCH, &f->until);
    }
    if (st == UMB_OK && statistics) { st = read_statistics(exp, statistics, &f->running); }
    return st;
}

static enum umb_status read_freeze_item(struct umb_experiment *exp, const struct umb_yaml *node,
                                        struct umb_exp_freeze *f)
{
    *f = (struct umb_exp_freeze){.node = node, .from = 1, .until = INT64_MAX};
    const enum umb_status st = node->kind == UMB_YAML_MAP
                                   ? read_freeze_map(exp, node, f)
                                   : umb__yaml_text(exp->ctx, node, &f->pattern);
    return st == UMB_OK ? check_pattern(exp, node, f->pattern) : st;
}

static enum umb_status read_freeze(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_exp_parts *parts = &exp->train.parts;
    const bool list = node->kind == UMB_YAML_LIST;
    const size_t n = list ? node->n_items : 1;
    if (n > UMB_EXP_MAX_PATTERNS) {
        return umb__yaml_fail(exp->ctx, node, "has %zu patterns; expected at most %d", n,
                              UMB_EXP_MAX_PATTERNS);
    }
    parts->freeze = umb__arena_calloc(exp->tree->arena, n + 1, sizeof *parts->freeze);
    enum umb_status st = parts->freeze ? UMB_OK : UMB_ERR_NO_MEMORY;
    for (size_t i = 0; st == UMB_OK && i < n; i++) {
        st = read_freeze_item(exp, list ? node->item[i] : node, &parts->freeze[i]);
    }
    parts->n_freeze = n;
    return st;
}

size_t umb__exp_frozen(const struct umb_experiment *exp, int64_t epoch, struct umb_frozen *ret)
{
    const struct umb_exp_parts *parts = &exp->train.parts;
    size_t n = 0;
    for (size_t i = 0; i < parts->n_freeze; i++) {
        const struct umb_exp_freeze *f = &parts->freeze[i];
        if (epoch < f->from || epoch > f->until) { continue; }
        ret[n++] = (struct umb_frozen){f->pattern, f->running};
    }
    return n;
}

/* ---- rates ---- */

static enum umb_status read_rate_map(struct umb_experiment *exp, const struct umb_yaml *node,
                                     struct umb_part *part)
{
    static const char *const keys[] = {"rate", "weight_decay"};
    enum umb_status st = umb__yaml_keys(exp->ctx, node, keys, COUNT(keys));
    const struct umb_yaml *rate = umb__yaml_get(node, "rate"),
                          *decay = umb__yaml_get(node, "weight_decay");
    if (st == UMB_OK && rate) { st = umb__yaml_double(exp->ctx, rate, 1e-9, 1e6, &part->rate); }
    if (st == UMB_OK && decay) {
        st = umb__yaml_double(exp->ctx, decay, 0, 1e3, &part->weight_decay);
    }
    return st;
}

static enum umb_status read_rates(struct umb_experiment *exp, const struct umb_yaml *node)
{
    struct umb_exp_parts *parts = &exp->train.parts;
    enum umb_status st = umb__yaml_want(exp->ctx, node, UMB_YAML_MAP);
    if (st == UMB_OK && node->n_items > UMB_EXP_MAX_PATTERNS) {
        st = umb__yaml_fail(exp->ctx, node, "has %zu patterns; expected at most %d", node->n_items,
                            UMB_EXP_MAX_PATTERNS);
    }
    if (st != UMB_OK) { return st; }
    parts->rate = umb__arena_calloc(exp->tree->arena, node->n_items + 1, sizeof *parts->rate);
    if (!parts->rate) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; st == UMB_OK && i < node->n_items; i++) {
        const struct umb_yaml *item = node->item[i];
        struct umb_exp_rate *r = &parts->rate[i];
        *r = (struct umb_exp_rate){item, {item->key, 1, -1}};
        st = check_pattern(exp, item, item->key);
        if (st != UMB_OK) { break; }
        st = item->kind == UMB_YAML_MAP
                 ? read_rate_map(exp, item, &r->part)
                 : umb__yaml_double(exp->ctx, item, 1e-9, 1e6, &r->part.rate);
    }
    parts->n_rates = node->n_items;
    return st;
}

enum umb_status umb__exp_read_parts(struct umb_experiment *exp, const struct umb_yaml *train)
{
    const struct umb_yaml *freeze = umb__yaml_get(train, "freeze"),
                          *rates = umb__yaml_get(train, "rates");
    struct umb_yaml *init = umb__yaml_get(train, "init");
    enum umb_status st = freeze ? read_freeze(exp, freeze) : UMB_OK;
    if (st == UMB_OK && rates) { st = read_rates(exp, rates); }
    return st == UMB_OK && init ? umb__exp_read_init(exp, init) : st;
}

/* ---- against the net ---- */

static enum umb_status check_fits(const struct umb_experiment *exp, const struct umb_net *net,
                                  const struct umb_yaml *node, const char *pattern)
{
    const char *name, *names[MAX_NAMES];
    size_t n = 0;
    for (int i = 0; (name = umb__net_param(net, i)) != NULL; i++) {
        if (umb__net_matches(net, pattern, name)) { return UMB_OK; }
        if (n < MAX_NAMES) { names[n++] = name; }
    }
    const char *near = umb__nearest(pattern, names, n);
    return umb__yaml_fail(exp->ctx, node,
                          "'%.80s' fits no parameter; expected a pattern of names as %s%s%s%s",
                          pattern, n ? names[0] : "those of a net with parameters",
                          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Something is trained in that epoch. */
static bool trains(const struct umb_experiment *exp, const struct umb_net *net, int64_t epoch)
{
    struct umb_frozen frozen[UMB_EXP_MAX_PATTERNS];
    const size_t n = umb__exp_frozen(exp, epoch, frozen);
    const char *name;
    for (int i = 0; (name = umb__net_param(net, i)) != NULL; i++) {
        bool any = false;
        for (size_t k = 0; k < n; k++) {
            any |= umb__net_matches(net, frozen[k].pattern, name);
        }
        if (!any) { return true; }
    }
    return n == 0;
}

/* What is frozen grows where some pattern begins, only there. */
enum umb_status umb__exp_check_parts(const struct umb_experiment *exp, const struct umb_net *net)
{
    const struct umb_exp_parts *parts = &exp->train.parts;
    enum umb_status st = UMB_OK;
    for (size_t i = 0; st == UMB_OK && i < parts->n_rates; i++) {
        st = check_fits(exp, net, parts->rate[i].node, parts->rate[i].part.pattern);
    }
    for (size_t i = 0; st == UMB_OK && i < parts->n_freeze; i++) {
        const struct umb_exp_freeze *f = &parts->freeze[i];
        st = check_fits(exp, net, f->node, f->pattern);
        if (st == UMB_OK && !trains(exp, net, f->from)) {
            st = umb__yaml_fail(exp->ctx, f->node,
                                "with it every parameter is frozen in epoch %lld; expected some "
                                "that are trained",
                                (long long)f->from);
        }
    }
    return st;
}

enum umb_status umb__exp_trainer_parts(const struct umb_experiment *exp,
                                       struct umb_trainer_desc *desc)
{
    const struct umb_exp_parts *parts = &exp->train.parts;
    struct umb_arena *arena = exp->tree->arena;
    struct umb_frozen *frozen = umb__arena_calloc(arena, parts->n_freeze + 1, sizeof *frozen);
    struct umb_part *part = umb__arena_calloc(arena, parts->n_rates + 1, sizeof *part);
    if (!frozen || !part) { return UMB_ERR_NO_MEMORY; }
    for (size_t i = 0; i < parts->n_rates; i++) {
        part[i] = parts->rate[i].part;
    }
    desc->init = exp->train.init.name;
    desc->parts = part;
    desc->n_parts = (int)parts->n_rates;
    desc->frozen = frozen;
    desc->n_frozen = (int)umb__exp_frozen(exp, 1, frozen);
    desc->refreezes = parts->n_freeze > 0;
    return UMB_OK;
}
