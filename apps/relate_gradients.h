/*
 * relate_gradients.h: what `umbel relate --gradients` and `umbel group` ask of a net: options as
 * they were given, and the survey made of them.
 */
#ifndef UMBEL_RELATE_GRADIENTS_H
#define UMBEL_RELATE_GRADIENTS_H

#include "gradient_survey.h"
#include "session.h"

/* Options; text that is NULL was not given. */
struct gradient_wishes {
    const char *rate, *threshold;
    const char *from; /* a run whose parameters are taken */
    int64_t epochs, batches;
    bool features; /* CKA too */
};

/* Whether they are numbers that can be. */
UMB_MUST_USE enum umb_status survey_check(const struct cli *cli, const struct gradient_wishes *w);
/* The survey of a trainer that is built. Without a rate it is the experiment's first. */
UMB_MUST_USE enum umb_status survey_create(const struct session *s, const struct cli *cli,
                                           const struct gradient_wishes *w,
                                           const volatile sig_atomic_t *stop,
                                           struct umb_gradient_survey **ret_survey);
/* Opens the device, trains or takes the run's parameters, looks, and fills the relations. The
 * experiment of the session is open. */
UMB_MUST_USE enum umb_status relate_gradients(struct session *s, const struct cli *cli,
                                              const struct gradient_wishes *w,
                                              struct umb_relations *relations,
                                              struct umb_gradient_summary *ret_summary);

#endif
