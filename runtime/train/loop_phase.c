/* loop_phase.c: what is frozen changes where an epoch begins. */
#include "loop_internal.h"

#include "trainer_internal.h"
#include <stdio.h>

/* Trained numbers of all. */
static int64_t count_trained(const struct umb_trainer *tr)
{
    const struct umb_graph *g = umb__trainer_graph(tr, UMB_TRAINER_TRAIN);
    int64_t n = 0;
    bool running;
    for (int v = 0; v < g->n_values; v++) {
        const struct umb_value *value = &g->value[v];
        const bool counts = value->kind == UMB_VALUE_PARAM && value->spec >= 0;
        if (counts && !umb__trainer_is_frozen(tr, value->name, &running)) {
            n += umb__shape_count(&value->type.shape);
        }
    }
    return n;
}

static void log_phase(struct umb_loop *l, const struct umb_frozen *frozen, size_t n)
{
    char patterns[512] = "nothing";
    size_t at = 0;
    for (size_t i = 0; i < n && at + 1 < sizeof patterns; i++) {
        const int wrote =
            snprintf(patterns + at, sizeof patterns - at, "%s%s", i ? ", " : "", frozen[i].pattern);
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    umb__loop_log(l, "epoch %lld: frozen: %s; %lld of %lld numbers are trained",
                  (long long)l->state.epoch + 1, patterns,
                  (long long)count_trained(l->desc->trainer),
                  (long long)umb_trainer_n_parameters(l->desc->trainer));
}

enum umb_status umb__loop_phase(struct umb_loop *l)
{
    struct umb_frozen frozen[UMB_EXP_MAX_PATTERNS], before[UMB_EXP_MAX_PATTERNS];
    if (!l->exp->train.parts.n_freeze) { return UMB_OK; }
    const int64_t epoch = l->state.epoch + 1;
    const size_t n = umb__exp_frozen(l->exp, epoch, frozen),
                 n_before = umb__exp_frozen(l->exp, epoch - 1, before);
    bool same = n == n_before;
    for (size_t i = 0; same && i < n; i++) {
        same = frozen[i].pattern == before[i].pattern;
    }
    const enum umb_status st = umb_trainer_freeze(l->desc->trainer, frozen, (int)n);
    if (st == UMB_OK && (epoch == 1 || !same)) { log_phase(l, frozen, n); }
    return st;
}
