/*
 * dense.h: what the files of the dense layer share: its products and who computes them.
 *
 * dense: x [rows,C], weight [C,K], bias [K] if there is one → y [rows,K]; rows are all axes but the
 * last. dense_backward_data: dy, weight, x (for its type only) → dx. dense_backward_weights: x, dy.
 *
 * What the fuse pass sets: mask (dense_backward_data): dx is 0 wherever x ≤ 0, and x is read; dbias
 * (dense_backward_weights): output 1 is db [K] = Σ dy over all rows. A solver that does not know
 * what is fused must not apply.
 */
#ifndef UMB_DENSE_H
#define UMB_DENSE_H

#include "steps.h"

struct umb_dense_attrs {
    int64_t units;
    bool bias;
    int activation;   /* of enum umb_activation; the kernels know linear and relu */
    bool mask, dbias; /* inner: see above */
    int64_t beside;   /* inner: so many layers read x and merge; 0: few */
};

/* out [M,N] = A [M,L] · B [L,N] (+ bias [N], then relu). A transposed operand lies as [L,M] or
 * [N,L]. */
struct umb_gemm {
    int M, N, L;
    bool transpose_a, transpose_b;
    bool bias, relu;
    int beside; /* one of so many products that fill the device together; 0: alone */
    /* Only where a product's own function says so, and without bias and relu. */
    bool add;         /* to what is there; the naive product alone knows it */
    bool mask;        /* in place of bias comes a value [M,N]: where it is ≤ 0, out is 0 */
    bool column_sums; /* the value in place of bias, [N], is written: Σ_l B(l,j) */
};

/* bias: any value's id where there is none. Naive: cl/gemm.cl on any device. */
UMB_MUST_USE enum umb_status umb__emit_gemm_naive(struct umb_emit *e, const struct umb_gemm *g,
                                                  int a, int b, int bias, int out);
/* y = relu(y + bias), what of it g asks for; no step if nothing. */
UMB_MUST_USE enum umb_status umb__emit_gemm_finish(struct umb_emit *e, const struct umb_gemm *g,
                                                   int bias, int y);

/* By packed panels on a CPU: cl/gemm_packed.cl. */
bool umb__gemm_packed_applies(const struct umb_device_caps *caps);
bool umb__gemm_packed_fuses(const struct umb_device_caps *caps, const struct umb_gemm *g);
UMB_MUST_USE enum umb_status umb__emit_gemm_packed(struct umb_emit *e, const struct umb_gemm *g,
                                                   int a, int b, int bias, int out);

/* out = Σ_t A_t·B_t of n equal products g, as one of their terms one after another: mask is all
 * that may be fused. */
bool umb__gemm_packed_several_applies(const struct umb_device_caps *caps, const struct umb_gemm *g,
                                      int n);
UMB_MUST_USE enum umb_status umb__emit_gemm_packed_several(struct umb_emit *e,
                                                           const struct umb_gemm *g, int n,
                                                           const int *a, const int *b, int mask,
                                                           int out);

/* With A, not transposed, read where it lies, on a CPU: cl/gemm_rows.cl. Where it pays it is to be
 * preferred to packed panels. */
bool umb__gemm_rows_applies(const struct umb_device_caps *caps, const struct umb_gemm *g);
bool umb__gemm_rows_pays(const struct umb_gemm *g);
UMB_MUST_USE enum umb_status umb__emit_gemm_rows(struct umb_emit *e, const struct umb_gemm *g,
                                                 int a, int b, int bias, int out);

/* Of few rows by a matrix larger than the caches, which is read once, on a CPU: cl/gemm_few.cl. */
bool umb__gemm_few_applies(const struct umb_device_caps *caps, const struct umb_gemm *g);
bool umb__gemm_few_pays(const struct umb_gemm *g);
/* out = Σ_t a_t·b_tᵀ as one product, a_t [M,terms_t], b_t [N,terms_t]; g's L does not count. Two or
 * more, where it applies. */
struct umb_several {
    int n;
    const int *terms, *a, *b; /* [n]; values, which applies does not ask for */
};
bool umb__gemm_few_several_applies(const struct umb_device_caps *caps, const struct umb_gemm *g,
                                   const struct umb_several *of);
UMB_MUST_USE enum umb_status umb__emit_gemm_few_several(struct umb_emit *e,
                                                        const struct umb_gemm *g,
                                                        const struct umb_several *of, int mask,
                                                        int out);
UMB_MUST_USE enum umb_status umb__emit_gemm_few(struct umb_emit *e, const struct umb_gemm *g, int a,
                                                int b, int bias, int out);

/* Of few rows by a narrow matrix, read where it lies, on a CPU: cl/gemm_narrow.cl. */
bool umb__gemm_narrow_applies(const struct umb_device_caps *caps, const struct umb_gemm *g);
UMB_MUST_USE enum umb_status umb__emit_gemm_narrow(struct umb_emit *e, const struct umb_gemm *g,
                                                   int a, int b, int bias, int out);

/* By CLBlast, where the build has it: 2 on a GPU, 1 (after the naive kernel) elsewhere, else 0. */
int umb__clblast_rank(const struct umb_device_caps *caps, const struct umb_gemm *g);
UMB_MUST_USE enum umb_status umb__emit_gemm_clblast(struct umb_emit *e, const struct umb_gemm *g,
                                                    int a, int b, int bias, int out);

/* out = dx where x > 0, else 0, for kernels that know no mask. */
UMB_MUST_USE enum umb_status umb__emit_dense_mask(struct umb_emit *e, int x, int dx);

extern const struct umb_solver umb__dense_forward_solvers[];
extern const struct umb_solver umb__dense_data_solvers[];
extern const struct umb_solver umb__dense_weights_solvers[];
extern const char *const umb__dense_updating[];

/* The product of a forward or backward problem of a dense layer. */
struct umb_gemm umb__dense_forward_gemm(const struct umb_problem *p);
struct umb_gemm umb__dense_data_gemm(const struct umb_problem *p);
struct umb_gemm umb__dense_weights_gemm(const struct umb_problem *p);

#endif
