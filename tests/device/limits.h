/*
 * limits.h: nets trained within a limit of device memory, on one device or several, for tests of
 * what is given up for it.
 */
#ifndef UMB_TEST_LIMITS_H
#define UMB_TEST_LIMITS_H

#include "session.h"
#include "several.h"

/* A net, and how it is spread: over devices that `seed` draws, or by its batch. */
struct spread {
    struct umb_net *(*make)(struct umb_context *ctx);
    int n_more; /* devices beside the first */
    uint32_t seed;
    const int64_t *shares;
    bool in_order; /* the order is all that there is to give up: one node needs the rest */
};

/* Branches beside each other, whose values may not share memory where queues run them at once. */
struct umb_net *limit_net_branches(struct umb_context *ctx);
/* A chain whose middle is read by nothing but the next: it can be made again as a whole only. */
struct umb_net *limit_net_chain(struct umb_context *ctx);
/* ResNet-18 on images of 16×16, and of more pixels and fewer parameters. */
struct umb_net *limit_net_resnet18(struct umb_context *ctx);
struct umb_net *limit_net_large_images(struct umb_context *ctx);

#define LIMIT_BATCH 6
struct umb_net *spread_net(const struct spread *how);
struct session open_within(const struct spread *how, const struct umb_net *net, int queues,
                           uint64_t memory);
struct umb_plan *plan_of(const struct session *s);
struct umb_fit fit_of(const struct session *s);

/* Whether a trainer can be made within the limit; else it says INVALID, why, and, of several
 * devices, on which. */
bool opens(const struct spread *how, const struct umb_net *net, int queues, uint64_t memory);
/* What is said to be needed where there is nothing: it is enough, and a little less is not. */
uint64_t lowest(const struct spread *how, const struct umb_net *net);

/* Fails unless both have the same parameters, states, moments and latest losses. */
void assert_same_training(struct session *a, struct session *b, const char *what);
/* Fails unless every copy is where its original is, with all that it reads and makes, and nothing
 * crosses for it; how many there are. */
int assert_copies_stay(const struct umb_graph *g);

/* A row of a test program. */
#define SPREAD_TEST(test, how)                 \
    {                                          \
#test " " #how, test, NULL, NULL, &how \
    }

#endif
