/* Soft sharing: the pull that follows from its description; what a step needs and tells. */
#include <string.h>

#include "mtrl.h"
#include "trainer_soft.h"

/* α·A. */
static void pull_by_relations(const struct umb_soft_sharing *d, double *pull)
{
    const int T = d->n_trunks;
    for (int t = 0; t < T; t++) {
        for (int s = 0; s < T; s++) {
            const double a = d->relations ? d->relations[t * T + s] : 1;
            pull[t * T + s] = t == s ? 0 : d->alpha * a;
        }
    }
}

/* α·R·Rᵀ. */
static void square_of_combinations(const struct umb_soft_sharing *d, double *b)
{
    const int T = d->n_trunks, n = d->n_combinations;
    for (int t = 0; t < T; t++) {
        for (int s = 0; s < T; s++) {
            double sum = 0;
            for (int k = 0; k < n; k++) {
                sum += d->combinations[t * n + k] * d->combinations[s * n + k];
            }
            b[t * T + s] = d->alpha * sum;
        }
    }
}

/* λ₁/2·I + λ₂/2·Ω⁻¹, where b is Ω⁻¹ at first. */
static void weigh_inverse(const struct umb_soft_sharing *d, double *b)
{
    const int T = d->n_trunks;
    for (int i = 0; i < T * T; i++) {
        b[i] = d->lambda2 / 2 * b[i] + (i % (T + 1) == 0 ? d->lambda1 / 2 : 0);
    }
}

/* P[t,s] = −B[t,s], P[t,t] = Σ_s B[t,s]: ops/soft_share.c. */
static void pull_of(int T, const double *b, double *pull)
{
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int s = 0; s < T; s++) {
            sum += b[t * T + s];
            pull[t * T + s] = -b[t * T + s];
        }
        pull[t * T + t] = sum;
    }
}

/* The pull by what is given, and by Ω as it is. */
enum umb_status umb__soft_renew_pull(struct umb_trainer *tr)
{
    struct umb_trainer_soft *soft = tr->soft;
    const struct umb_soft_sharing *d = &soft->desc;
    if (!d->every && !d->combinations) {
        pull_by_relations(d, soft->pull);
        return UMB_OK;
    }
    if (d->combinations) {
        square_of_combinations(d, soft->matrix);
    } else {
        const enum umb_status st =
            umb__mtrl_inverse(tr->ctx, d->n_trunks, soft->omega, soft->matrix);
        if (st != UMB_OK) { return st; }
        weigh_inverse(d, soft->matrix);
    }
    pull_of(d->n_trunks, soft->matrix, soft->pull);
    return UMB_OK;
}

enum umb_status umb__soft_create(struct umb_trainer *tr, const struct umb_soft_sharing *desc)
{
    if (!desc) { return UMB_OK; }
    enum umb_status st = umb__soft_verify(tr->ctx, desc);
    if (st != UMB_OK) { return umb__fail_prefix(tr->ctx, st, "soft sharing"); }
    struct umb_trainer_soft *soft = umb__arena_calloc(tr->arena, 1, sizeof *soft);
    const size_t n = (size_t)desc->n_trunks * (size_t)desc->n_trunks;
    if (!soft) { return UMB_ERR_NO_MEMORY; }
    soft->desc = *desc;
    soft->pull = umb__arena_calloc(tr->arena, 3 * n, sizeof *soft->pull);
    if (!soft->pull || !umb__soft_copy(tr->arena, &soft->desc)) { return UMB_ERR_NO_MEMORY; }
    soft->omega = soft->pull + n;
    soft->matrix = soft->omega + n;
    tr->soft = soft;
    if (desc->every) { /* the Gram matrix is zeros here */
        st =
            umb__mtrl_covariance(tr->ctx, desc->n_trunks, soft->matrix, desc->epsilon, soft->omega);
    }
    return st == UMB_OK ? umb__soft_renew_pull(tr) : st;
}

enum umb_status umb__soft_prepare(struct umb_trainer *tr, int slot)
{
    struct umb_trainer_soft *soft = tr->soft;
    const struct umb_trainer_side *side = &tr->side[UMB_TRAINER_TRAIN];
    if (!soft) { return UMB_OK; }
    if (soft->desc.every && tr->n_steps > 0 && tr->n_steps % soft->desc.every == 0) {
        const enum umb_status st = umb__soft_renew_omega(tr);
        if (st != UMB_OK) { return st; }
    }
    if (side->soft->pull < 0) { return UMB_OK; }
    float *pull = umb__plan_input(side->plan, slot, side->soft->pull);
    for (int i = 0; i < soft->desc.n_trunks * soft->desc.n_trunks; i++) {
        pull[i] = (float)soft->pull[i];
    }
    return UMB_OK;
}

void umb__soft_report(struct umb_trainer *tr, int slot)
{
    const struct umb_trainer_side *side = &tr->side[UMB_TRAINER_TRAIN];
    if (!tr->soft || side->soft->pull < 0) { return; }
    double sum = 0;
    for (int k = 0; k < side->soft->match.n; k++) {
        const float *penalty = umb__plan_output(side->plan, slot, side->soft->penalty[k]);
        sum += (double)*penalty;
    }
    tr->soft->penalty = sum;
}

double umb_trainer_penalty(const struct umb_trainer *tr)
{
    return tr->soft ? tr->soft->penalty : 0;
}

bool umb_trainer_relations(const struct umb_trainer *tr, double *ret_omega)
{
    if (!tr->soft || !tr->soft->desc.every) { return false; }
    const size_t n = (size_t)tr->soft->desc.n_trunks * (size_t)tr->soft->desc.n_trunks;
    memcpy(ret_omega, tr->soft->omega, n * sizeof *ret_omega);
    return true;
}
