/*
 * Rules from the eigenvalues of Gram matrices: aligned (Senushkin et al., "Independent component
 * alignment for multi-task learning", CVPR 2023), imtl_g (Liu et al., "Towards impartial multi-task
 * learning", ICLR 2021), config (Liu, Chu, Thuerey, "ConFIG: towards conflict-free training of
 * physics informed neural networks", ICLR 2025). Eigenvalues up to T times float32's epsilon of the
 * largest count as 0, for Gram matrices come from float32.
 */
#include <math.h>

#include "balance_internal.h"

struct spectrum {
    int n;
    umb_matrix v;                             /* rows λ_i v_i */
    double lambda[UMB_SMALL], least, largest; /* least: of those that count */
    bool orthogonal;
};

static void find_spectrum(int n, const umb_matrix a, struct spectrum *s)
{
    s->n = n;
    s->orthogonal = umb__small_eigen(n, a, s->lambda, s->v);
    s->largest = 0;
    for (int i = 0; i < n; i++) {
        s->largest = fmax(s->largest, s->lambda[i]);
    }
    s->least = s->largest;
    for (int i = 0; i < n; i++) {
        if (s->lambda[i] <= s->largest * n * UMB_BALANCE_FLOAT_EPS) { s->lambda[i] = 0; }
        if (s->lambda[i] > 0) { s->least = fmin(s->least, s->lambda[i]); }
    }
}

/* y = Σ λ_i^power v_i v_iᵀ x over the eigenvalues that count. */
static void apply_power(const struct spectrum *s, double power, const double *x, double *ret_y)
{
    for (int k = 0; k < s->n; k++) {
        ret_y[k] = 0;
    }
    for (int i = 0; i < s->n; i++) {
        if (s->lambda[i] <= 0) { continue; }
        const double along = umb__small_dot(s->n, s->v[i], x) * pow(s->lambda[i], power - 2);
        for (int k = 0; k < s->n; k++) {
            ret_y[k] += along * s->v[i][k];
        }
    }
}

static void aligned_rule(const void *attrs, const struct umb_balance_facts *f,
                         const struct umb_gram *g, double *state, double *w,
                         struct umb_balance_result *r)
{
    struct spectrum s;
    double ones[UMB_SMALL];
    (void)attrs;
    (void)f;
    (void)state;
    for (int k = 0; k < g->n; k++) {
        ones[k] = 1;
    }
    find_spectrum(g->n, g->g, &s);
    apply_power(&s, -0.5, ones, w);
    for (int k = 0; k < g->n; k++) {
        w[k] *= sqrt(s.least);
    }
    r->fell_back = !s.orthogonal;
}

/* q = C⁺1 of the gradients that are not 0, which are counted; C the matrix of their cosines. */
static int inverse_cosines(const struct umb_gram *g, int *ret_index, double *ret_q,
                           umb_matrix ret_c, struct umb_balance_result *r)
{
    struct umb_gram some;
    struct spectrum s;
    double ones[UMB_SMALL];
    umb__gram_nonzero(g, &some, ret_index);
    umb__gram_cosines(&some, ret_c);
    for (int k = 0; k < some.n; k++) {
        ones[k] = 1;
    }
    find_spectrum(some.n, ret_c, &s);
    apply_power(&s, -1, ones, ret_q);
    r->fell_back = !s.orthogonal;
    return some.n;
}

/* D⁻¹C⁺1 is G⁺d where G is regular, and where it is not, decides what is singular by angles alone,
 * however different the gradients' lengths are. */
static void imtl_g_rule(const void *attrs, const struct umb_balance_facts *f,
                        const struct umb_gram *g, double *state, double *w,
                        struct umb_balance_result *r)
{
    umb_matrix c;
    int index[UMB_SMALL];
    double q[UMB_SMALL], sum = 0, size = 0;
    (void)attrs;
    (void)f;
    (void)state;
    const int n = inverse_cosines(g, index, q, c, r);
    for (int i = 0; i < n; i++) {
        q[i] /= g->d[index[i]];
        sum += q[i];
        size += fabs(q[i]);
    }
    for (int k = 0; k < g->n; k++) {
        w[k] = 0;
    }
    for (int i = 0; i < n && fabs(sum) > 1e-12 * size; i++) {
        w[index[i]] = q[i] / sum * n;
    }
}

static void config_rule(const void *attrs, const struct umb_balance_facts *f,
                        const struct umb_gram *g, double *state, double *w,
                        struct umb_balance_result *r)
{
    umb_matrix c;
    int index[UMB_SMALL];
    double q[UMB_SMALL], cq[UMB_SMALL], length = 0;
    (void)attrs;
    (void)f;
    (void)state;
    const int n = inverse_cosines(g, index, q, c, r);
    umb__small_times(n, c, q, cq);
    const double square = umb__small_dot(n, q, cq); /* of Σ (q_t/d_t) g_t */
    for (int i = 0; i < n; i++) {
        length += g->d[index[i]] * cq[i]; /* Σ⟨u,g_t⟩, u of that length */
    }
    for (int k = 0; k < g->n; k++) {
        w[k] = 0;
    }
    for (int i = 0; i < n && square > 1e-12; i++) {
        w[index[i]] = q[i] / g->d[index[i]] * length / square;
    }
}

static enum umb_status aligned_weigh(const void *attrs, const struct umb_balance_facts *f,
                                     double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, aligned_rule, attrs, f, state, r);
}

static enum umb_status imtl_g_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, imtl_g_rule, attrs, f, state, r);
}

static enum umb_status config_weigh(const void *attrs, const struct umb_balance_facts *f,
                                    double *state, struct umb_balance_result *r)
{
    return umb__balance_by_gram(UMB_BALANCE_GRAM, config_rule, attrs, f, state, r);
}

const struct umb_balancer umb__balance_aligned = {
    .name = "aligned",
    .help = "the gradients' matrix with all its singular values made equal",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = aligned_weigh};

const struct umb_balancer umb__balance_imtl_g = {
    .name = "imtl_g",
    .help = "the direction whose projections on all gradients are equally long",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = imtl_g_weigh};

const struct umb_balancer umb__balance_config = {
    .name = "config",
    .help = "the direction with the same angle to all gradients, as long as they reach along it",
    .class_letter = 'B',
    .needs = UMB_BALANCE_GRAM,
    .n_state = umb__balance_no_state,
    .start = umb__balance_start_nothing,
    .weigh = config_weigh};
