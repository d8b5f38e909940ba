/*
 * start.h: a training that begins with the numbers of a file or another run (train.init.from).
 */
#ifndef UMBEL_START_H
#define UMBEL_START_H

#include "session.h"

/* Takes them; what was done stays in session.start. Nothing, where the experiment names none. */
UMB_MUST_USE enum umb_status start_take(struct session *s, const struct cli *cli);
/* One line on standard output, and everything into the run's log. */
void start_tell(const struct session *s);

#endif
