/*
 * net_params.h: a net's trained parameters by name, for patterns that users write.
 *
 * Names are those of checkpoints: "conv1.weight", "digit.dense1.bias". What is no task's head
 * counts as the trunk's.
 */
#ifndef UMB_NET_PARAMS_H
#define UMB_NET_PARAMS_H

#include "tasks.h"

/* Whether the pattern (umb__glob) fits the name; or "trunk.NAME", where the name does not begin
 * with that of a task and a dot. */
bool umb__net_matches(const struct umb_net *net, const char *pattern, const char *param);
/* Name of trained parameter 0, 1 … in the order of creation; NULL behind the last. */
const char *umb__net_param(const struct umb_net *net, int index);
/* How the parameter's layer says that it begins (init.h), UMB_INIT_USUAL where it says nothing. */
int umb__net_init(const struct umb_net *net, const char *param);

#endif
