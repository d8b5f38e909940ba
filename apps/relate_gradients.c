/* relate_gradients.c: see relate_gradients.h. */
#include "relate_gradients.h"

#include "alloc.h"
#include "fail.h"
#include "interrupt.h"

static enum umb_status parse(const struct cli *cli, const char *option, const char *text,
                             double low, double high, double *value)
{
    if (!text || umb__parse_double(text, low, high, value)) { return UMB_OK; }
    return umb__fail(cli->ctx, UMB_ERR_INVALID, "%s: '%.60s' is no number, expected %g to %g",
                     option, text, low, high);
}

static enum umb_status parse_both(const struct cli *cli, const struct gradient_wishes *w,
                                  double *rate, double *threshold)
{
    const enum umb_status st = parse(cli, "--rate", w->rate, 1e-12, 1e6, rate);
    return st == UMB_OK ? parse(cli, "--threshold", w->threshold, -1, 1, threshold) : st;
}

enum umb_status survey_check(const struct cli *cli, const struct gradient_wishes *w)
{
    double rate, threshold;
    return parse_both(cli, w, &rate, &threshold);
}

enum umb_status survey_create(const struct session *s, const struct cli *cli,
                              const struct gradient_wishes *w, const volatile sig_atomic_t *stop,
                              struct umb_gradient_survey **ret_survey)
{
    struct umb_gradient_survey_desc desc = {.exp = s->exp,
                                            .trainer = s->trainer,
                                            .rate = s->exp->train.schedule.rate,
                                            .threshold = 0,
                                            .features = w->features,
                                            .stop = stop};
    const enum umb_status st = parse_both(cli, w, &desc.rate, &desc.threshold);
    return st == UMB_OK ? umb__gradient_survey_create(cli->ctx, &desc, ret_survey) : st;
}

static enum umb_status take_run(struct session *s, const struct cli *cli, const char *path)
{
    enum umb_status st = umb__run_open(cli->ctx, path, NULL, false, &s->run);
    if (st == UMB_OK) {
        st = umb__run_read_checkpoint(s->run, "latest", &s->checkpoint, &s->checkpoint_path);
    }
    return st == UMB_OK ? umb__trainer_restore(s->trainer, s->checkpoint, s->checkpoint_path) : st;
}

/* On standard error, so that it is in nobody's way. */
static enum umb_status train(struct umb_gradient_survey *survey, int64_t epochs)
{
    const int64_t steps = epochs * umb__gradient_survey_epoch(survey);
    fprintf(stderr, "umbel relate: training for %lld step%s\n", (long long)steps,
            steps == 1 ? "" : "s");
    return umb__gradient_survey_train(survey, steps);
}

enum umb_status relate_gradients(struct session *s, const struct cli *cli,
                                 const struct gradient_wishes *w, struct umb_relations *relations,
                                 struct umb_gradient_summary *ret_summary)
{
    struct umb_gradient_survey *survey = NULL;
    enum umb_status st = session_build(s, cli);
    if (st == UMB_OK && w->from) { st = take_run(s, cli, w->from); }
    if (st == UMB_OK) { st = survey_create(s, cli, w, interrupt_catch(), &survey); }
    if (st == UMB_OK && !w->from) { st = train(survey, w->epochs); }
    if (st == UMB_OK) { st = umb__gradient_survey_look(survey, w->batches); }
    if (st == UMB_OK) { st = umb__gradient_survey_relations(survey, relations); }
    if (st == UMB_OK) { st = umb__gradient_survey_summary(survey, ret_summary); }
    umb__gradient_survey_destroy(survey);
    return st;
}
