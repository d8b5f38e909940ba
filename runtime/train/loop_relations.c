/* loop_relations.c: what soft sharing adds to the rows of metrics.jsonl. */
#include "loop_internal.h"

#include <math.h>

#include "alloc.h"
#include "fail.h"
#include "mtrl.h"
#include "trainer_soft.h"

void umb__loop_log_sharing(struct umb_loop *l)
{
    const struct umb_soft_values *v = l->desc->trainer->side[UMB_TRAINER_TRAIN].soft;
    if (v) { umb__loop_log(l, "soft sharing: %s", v->match.text); }
}

void umb__loop_add_penalty(const struct umb_loop *l, json_t *losses)
{
    if (!l->desc->trainer->soft) { return; }
    const double penalty = umb_trainer_penalty(l->desc->trainer);
    json_object_set_new(losses, "share", isfinite(penalty) ? json_real(penalty) : json_null());
}

static json_t *matrix_of(int T, const double *values)
{
    json_t *rows = json_array();
    for (int t = 0; t < T; t++) {
        json_t *row = json_array();
        for (int s = 0; s < T; s++) {
            const double x = values[t * T + s];
            json_array_append_new(row, isfinite(x) ? json_real(x) : json_null());
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *names_of(const struct umb_soft_sharing *d)
{
    json_t *names = json_array();
    for (int t = 0; t < d->n_trunks; t++) {
        json_array_append_new(names, json_string(d->trunk[t]));
    }
    return names;
}

enum umb_status umb__loop_row_relations(struct umb_loop *l, int64_t epoch)
{
    const struct umb_trainer *tr = l->desc->trainer;
    if (!tr->soft || !tr->soft->desc.every) { return UMB_OK; }
    const int T = tr->soft->desc.n_trunks;
    double *r = umb__calloc(l->ctx, (size_t)(2 * T * T), sizeof *r);
    if (!r || !umb_trainer_relations(tr, r)) { return UMB_ERR_NO_MEMORY; }
    umb__mtrl_correlations(T, r, r + T * T);
    json_t *row = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "event", "relations", "epoch",
                            (json_int_t)epoch, "step", (json_int_t)umb_trainer_n_steps(tr),
                            "trunks", names_of(&tr->soft->desc), "omega", matrix_of(T, r),
                            "correlations", matrix_of(T, r + T * T));
    umb__free(r);
    return umb__run_event(l->desc->run, row);
}
