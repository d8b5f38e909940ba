/*
 * balance_nets.h: small nets of three tasks for tests of balancers: a trunk of two layers with
 * weights, the second called "last", and heads of one layer.
 */
#ifndef UMB_TEST_BALANCE_NETS_H
#define UMB_TEST_BALANCE_NETS_H

#include "balance.h"
#include <umbel/net.h>

#define BALANCE_BATCH 4
#define BALANCE_NETS 3

struct balance_net {
    const char *name;
    struct umb_net *net; /* the caller's to destroy */
    int representation;  /* the value that heads read */
};
/* 0: one stream for all; 1: two, the second for two tasks; 2: three, where a head leaves the trunk
 * early and one task weighs 0.25. */
struct balance_net balance_net(struct umb_context *ctx, int which);
/* The same without batch norm, so that what becomes of rows does not depend on other rows. */
struct balance_net balance_net_plain(struct umb_context *ctx, int which);
/* What the row does not do without, for three tasks; NULL: nothing. */
const char *balance_options(const struct umb_balancer *row);

#endif
