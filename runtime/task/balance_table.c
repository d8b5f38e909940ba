/* The balancers by name, and the checks of facts that all of them share. */
#include "balance_internal.h"
#include <math.h>
#include <string.h>

const struct umb_balancer *const umb__balancers[] = {
    &umb__balance_equal,    &umb__balance_fixed,
    &umb__balance_random,   &umb__balance_uncertainty,
    &umb__balance_dwa,      &umb__balance_gls,
    &umb__balance_stch,     &umb__balance_famo,
    &umb__balance_imtl_l,   &umb__balance_gradnorm,
    &umb__balance_mgda,     &umb__balance_pcgrad,
    &umb__balance_gradvac,  &umb__balance_cagrad,
    &umb__balance_imtl_g,   &umb__balance_nash,
    &umb__balance_fairgrad, &umb__balance_aligned,
    &umb__balance_upgrad,   &umb__balance_dualproj,
    &umb__balance_config,   &umb__balance_db_mtl,
    &umb__balance_moco,     &umb__balance_excessmtl,
    &umb__balance_graddrop, NULL};

const struct umb_balancer *umb__balancer_find(const char *name)
{
    for (size_t i = 0; umb__balancers[i]; i++) {
        if (strcmp(umb__balancers[i]->name, name) == 0) { return umb__balancers[i]; }
    }
    return NULL;
}

size_t umb__balancer_names(const char **names, size_t max)
{
    size_t n = 0;
    for (; umb__balancers[n] && n < max; n++) {
        names[n] = umb__balancers[n]->name;
    }
    return n;
}

struct umb_op umb__balancer_options(const struct umb_balancer *row)
{
    return (struct umb_op){
        .name = row->name, .help = row->help, .attrs = row->attrs, .attrs_bytes = row->attrs_bytes};
}

enum umb_status umb__balancer_check(struct umb_context *ctx, const struct umb_balancer *row,
                                    const void *attrs, int n_tasks)
{
    return row == &umb__balance_fixed ? umb__balance_fixed_check(ctx, attrs, n_tasks) : UMB_OK;
}

int64_t umb__balancer_warmup(const struct umb_balancer *row, const void *attrs)
{
    return row == &umb__balance_stch ? umb__balance_stch_warmup(attrs) : 0;
}

int64_t umb__balance_no_state(const void *attrs, int n_tasks)
{
    (void)attrs;
    (void)n_tasks;
    return 0;
}

void umb__balance_start_nothing(const void *attrs, int n_tasks, double *state)
{
    (void)attrs;
    (void)n_tasks;
    (void)state;
}

/* Facts. */

static enum umb_status check_losses(const struct umb_balance_facts *f)
{
    for (int t = 0; f->loss && t < f->n_tasks; t++) {
        if (isinf(f->loss[t])) {
            return umb__fail(f->ctx, UMB_ERR_INVALID,
                             "task %d: its loss is infinite; expected a finite one", t);
        }
    }
    return UMB_OK;
}

static enum umb_status check_gram_row(enum umb_balance_needs needs,
                                      const struct umb_balance_facts *f, int t)
{
    const double *row = f->gram + (ptrdiff_t)t * f->n_tasks;
    for (int s = 0; s < f->n_tasks; s++) {
        if (!isfinite(row[s])) {
            return umb__fail(f->ctx, UMB_ERR_INVALID,
                             "task %d: its gradient's product with that of task %d is not finite; "
                             "expected finite gradients",
                             t, s);
        }
    }
    if (needs == UMB_BALANCE_GRAM && f->loss && isnan(f->loss[t]) && row[t] > 0) {
        return umb__fail(f->ctx, UMB_ERR_INVALID,
                         "task %d: its loss is NaN, though it has a gradient; expected a number",
                         t);
    }
    return UMB_OK;
}

static enum umb_status check_excess(const struct umb_balance_facts *f)
{
    for (int t = 0; t < f->n_tasks; t++) {
        if (!(f->excess[t] >= 0) || isinf(f->excess[t])) {
            return umb__fail(f->ctx, UMB_ERR_INVALID,
                             "task %d: its excess risk is %g; expected a number from 0", t,
                             f->excess[t]);
        }
    }
    return UMB_OK;
}

enum umb_status umb__balance_check(enum umb_balance_needs needs, const struct umb_balance_facts *f)
{
    if (f->n_tasks < 1 || f->n_tasks > UMB_BALANCE_MAX_TASKS) {
        return umb__fail(f->ctx, UMB_ERR_INVALID, "%d tasks to balance; expected 1 to %d",
                         f->n_tasks, UMB_BALANCE_MAX_TASKS);
    }
    const bool gram = needs == UMB_BALANCE_GRAM || needs == UMB_BALANCE_MIXED;
    if ((needs != UMB_BALANCE_NOTHING && !f->loss) || (gram && !f->gram) ||
        (needs == UMB_BALANCE_EXCESS && !f->excess)) {
        return umb__fail(f->ctx, UMB_ERR_INVALID, "facts that the balancer needs are missing");
    }
    enum umb_status st = check_losses(f);
    for (int t = 0; st == UMB_OK && gram && t < f->n_tasks; t++) {
        st = check_gram_row(needs, f, t);
    }
    return st == UMB_OK && needs == UMB_BALANCE_EXCESS ? check_excess(f) : st;
}

enum umb_status umb__balance_begin(enum umb_balance_needs needs, const struct umb_balance_facts *f,
                                   struct umb_balance_result *r, struct umb_present *ret_present)
{
    const enum umb_status st = umb__balance_check(needs, f);
    if (st != UMB_OK) { return st; }
    r->clip = r->residual = 0;
    r->fell_back = false;
    ret_present->n = 0;
    for (int t = 0; t < f->n_tasks; t++) {
        r->weight[t] = 0;
        if (f->loss && isnan(f->loss[t])) { continue; }
        ret_present->task[ret_present->n] = t;
        ret_present->loss[ret_present->n++] = f->loss ? f->loss[t] : 1;
    }
    return UMB_OK;
}

void umb__balance_scatter(const struct umb_present *p, const double *w,
                          struct umb_balance_result *r)
{
    for (int k = 0; k < p->n; k++) {
        r->weight[p->task[k]] = w[k];
    }
}

void umb__softmax(int n, double *x)
{
    double most = x[0], sum = 0;
    for (int k = 1; k < n; k++) {
        most = fmax(most, x[k]);
    }
    for (int k = 0; k < n; k++) {
        x[k] = exp(x[k] - most);
        sum += x[k];
    }
    for (int k = 0; k < n; k++) {
        x[k] /= sum;
    }
}
