/* trainer_tune.c: a trainer's measured solvers: what UMBEL_TUNE says, and measuring before a plan.
 */
#include "trainer_internal.h"

#include "clblast.h"
#include "system.h"
#include <string.h>

enum { TUNE_OFF, TUNE_QUICK, TUNE_FULL, TUNE_UNSET };

enum umb_status umb__trainer_open_tuning(struct umb_trainer *tr,
                                         const struct umb_trainer_tuning *asked)
{
    static const char *const known[] = {"off", "quick", "full"};
    size_t choice;
    enum umb_status st = umb__env_choice(tr->ctx, "UMBEL_TUNE", known, 3, TUNE_UNSET, &choice);
    if (st != UMB_OK || (!asked && choice == TUNE_OFF)) { return st; }
    if (asked) {
        tr->measure = *asked;
    } else {
        tr->measure.wanted = choice != TUNE_UNSET;
        tr->measure.full = choice == TUNE_FULL;
    }
    st = umb__tuning_open(tr->ctx, umb_device_get_caps(tr->device), &tr->tuning);
    for (int i = 0; st == UMB_OK && i < tr->n_devices - 1; i++) {
        st = umb__tuning_open(tr->ctx, tr->more_caps[i], &tr->more_tuning[i]);
        tr->more[i].tuning = tr->more_tuning[i];
    }
    if (st == UMB_OK && !tr->measure.clblast) {
        umb__trainer_use_clblast(tr, umb__tuned_clblast(tr->tuning));
    }
    return st == UMB_OK && asked ? umb__tuning_check(tr->tuning) : st;
}

void umb__trainer_use_clblast(struct umb_trainer *tr, const char *set)
{
    if (umb__clblast_use(tr->device, set) == UMB_OK) { return; }
    umb__log(tr->ctx, UMB_LOG_WARN, "%s: going on with those, equal within rounding",
             umb_context_error(tr->ctx));
}

/* For trainings; who listens has heard it all. */
static void say(struct umb_trainer *tr, const struct umb_tune_summary *s, uint64_t ns)
{
    if (tr->measure.listen) { return; }
    if (s->n_wrong) {
        umb__log(tr->ctx, UMB_LOG_WARN,
                 "tuning: %d solver%s gave wrong results on this device and will not be chosen; "
                 "umbel tune shows which",
                 s->n_wrong, s->n_wrong == 1 ? "" : "s");
    }
    if (s->n_hopeless) {
        umb__log(tr->ctx, UMB_LOG_WARN,
                 "tuning: for %d problem%s no solver is right on this device", s->n_hopeless,
                 s->n_hopeless == 1 ? "" : "s");
    }
    umb__log(tr->ctx, UMB_LOG_INFO, "tuning: %d of %d problems measured in %.1f s, %d left",
             s->n_measured, s->n_problems, (double)ns * 1e-9, s->n_left);
}

/* Who asked for measurements wants them kept; a training goes on without. */
static enum umb_status save(struct umb_trainer *tr, struct umb_tuning *tuning)
{
    const enum umb_status st = umb__tuning_save(tuning);
    if (st == UMB_OK || tr->measure.keep) { return st; }
    umb__log(tr->ctx, UMB_LOG_WARN, "tuning: %s; what was measured serves this run alone",
             umb_context_error(tr->ctx));
    return UMB_OK;
}

static enum umb_status tune_device(struct umb_trainer *tr, int mode, int device)
{
    const uint64_t start = umb__clock_ns();
    const struct umb_tune_desc desc = {.device = device ? tr->more[device - 1].device : tr->device,
                                       .graph = tr->side[mode].graph,
                                       .member = device,
                                       .tuning = device ? tr->more_tuning[device - 1] : tr->tuning,
                                       .full = tr->measure.full,
                                       .again = tr->measure.again && mode == UMB_TRAINER_TRAIN,
                                       .listen = tr->measure.listen,
                                       .user = tr->measure.user};
    if (tr->measure.clblast) {
        const enum umb_status st = umb__tune_clblast(tr->ctx, &desc);
        return st == UMB_OK ? save(tr, desc.tuning) : st;
    }
    struct umb_tune_summary sum;
    enum umb_status st = umb__tune_graph(tr->ctx, &desc, &sum);
    if (st != UMB_OK || sum.n_measured == 0) { return st; }
    say(tr, &sum, umb__clock_ns() - start);
    return save(tr, desc.tuning);
}

enum umb_status umb__trainer_tune(struct umb_trainer *tr, int mode)
{
    if (!tr->measure.wanted || (tr->measure.clblast && mode != UMB_TRAINER_TRAIN)) {
        return UMB_OK;
    }
    enum umb_status st = UMB_OK;
    for (int d = 0; st == UMB_OK && d < (tr->measure.clblast ? 1 : tr->n_devices); d++) {
        st = tune_device(tr, mode, d);
    }
    return st;
}

const struct umb_tuning *umb__trainer_tuning(const struct umb_trainer *tr)
{
    return tr->tuning;
}
