#include "update.h"
#include <string.h>

static const struct {
    const char *op;
    int (*rule)(const void *attrs, struct umb_update_rule *r);
} rules[] = {{"adam", umb__adam_rule}, {"sgd", umb__sgd_rule}};
#define N_RULES (int)(sizeof rules / sizeof *rules)

static int moments(const struct umb_problem *p, struct umb_update_rule *r)
{
    for (int i = 0; i < N_RULES; i++) {
        if (strcmp(p->op->name, rules[i].op) == 0) { return rules[i].rule(p->attrs, r); }
    }
    return -1;
}

bool umb__update_is_known(const struct umb_problem *p)
{
    struct umb_update_rule r = {0};
    const int n = moments(p, &r);
    return n >= 0 && p->n_in == n + 3; /* and no scale */
}

struct umb_update_rule umb__update_rule(const struct umb_emit_update *u)
{
    struct umb_update_rule r = {.param = u->in[0]};
    const int n = moments(&u->p, &r);
    for (int i = 0; i < 2; i++) {
        r.moment[i] = i < n ? u->in[2 + i] : r.param;
    }
    r.hyper = u->in[2 + n];
    return r;
}
