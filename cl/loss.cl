/*
 * loss.cl: losses and their gradients.
 *
 *   loss = Σ ℓ / total,   total = Σ w,   0 where total is 0; both sums over what counts.
 *   dprediction = dloss · ∂loss/∂prediction, exactly 0 for what does not count.
 *
 * What does not count (a sample with mask ≤ 0, an ignored label) is left out by selection, never by
 * a product, so NaN and infinity in it reach nothing.
 *
 * Forward: NDRange [groups·L]; each group sums its span (lanes.cl) to sums[group] = {Σℓ, Σw}; with
 * one group it writes the loss too, else loss_finish does, in one group. Backward: the same walk.
 * Sums are in a fixed order for a given NDRange.
 *
 * Tunables: VW (lanes.cl). WEIGHTS and N_WEIGHTS: a list of float literals and its length, where
 * the loss has weights of classes or columns.
 */
#include "walk.cl"

#ifdef WEIGHTS
__constant float weights[N_WEIGHTS] = {WEIGHTS};
#define WEIGHT(i) weights[(i) % N_WEIGHTS]
#else
#define WEIGHT(i) 1.0f
#endif

#ifndef UMB_ONCE /* builtins.cl has it where a compiler would copy kernels */
#define UMB_ONCE
#endif

/*
 * Masks of the samples that `left` elements from i on belong to, `per` elements a sample; 0 in lanes
 * beyond. Samples of one element, and blocks within a sample, are what there is most of.
 */
static inline lanes_t load_mask(__global const float *mask, int i, int per, int left)
{
    if (per == 1) { return lanes_load(mask + i, left); }
    const int n = i / per;
    if (left >= VW && i - n * per + VW <= per) { return (lanes_t)(mask[n]); }
    float t[VW];
    FOR_LANES(l) { t[l] = l < left ? mask[(i + l) / per] : 0.0f; }
    return LANES_LOAD(t);
}

/* With one group: loss and total from the group's own sums; else the sums for loss_finish. */
static void put_sums(float loss_sum, float weight_sum, __global float *sums, __global float *loss,
                     __global float *total, int group, int n_groups)
{
    if (get_local_id(0) != 0) { return; }
    if (n_groups == 1) {
        loss[0] = weight_sum > 0.0f ? loss_sum / weight_sum : 0.0f;
        total[0] = weight_sum;
    } else {
        sums[2 * group] = loss_sum;
        sums[2 * group + 1] = weight_sum;
    }
}

/* sums [n_sums,2] → loss [1], total [1]. One group. */
__kernel void loss_finish(__global const float *sums, ulong sums_at, __global float *loss,
                          ulong loss_at, __global float *total, ulong total_at, int n_sums,
                          __local float *scratch)
{
    sums += sums_at;
    float loss_sum = 0.0f, weight_sum = 0.0f;
    for (int i = get_local_id(0); i < n_sums; i += get_local_size(0)) {
        loss_sum += sums[2 * i];
        weight_sum += sums[2 * i + 1];
    }
    loss_sum = group_sum(loss_sum, scratch);
    weight_sum = group_sum(weight_sum, scratch);
    put_sums(loss_sum, weight_sum, 0, loss + loss_at, total + total_at, get_group_id(0),
             get_num_groups(0));
}

/*
 * Cross-entropy, PyTorch's definition, over rows (samples or pixels) of C logits x; y the label:
 *   ℓ = (1−ε) w_y (−log p_y) + ε/C Σ_c w_c (−log p_c),   log p_c = z_c − log Σ exp z,  z = x − max x
 *   ∂ℓ/∂x_c = p_c · A − (ε/C) w_c − [c = y] (1−ε) w_y,   A = (1−ε) w_y + (ε/C) Σ w
 * prediction [rows,C], labels i32 [rows], mask [rows/per]. A lane is a row.
 */
struct rows {
    __global const float *x;
    __global const int *labels;
    __global const float *mask;
    int end, per, n_classes, ignore;
};

/* A block of rows, by lane. */
struct row_block {
    lanes_int label, counts; /* label: −1 where the row does not count */
    int at[VW];              /* where its logits begin; the last row's where there is no row */
};

/* A label that is no class counts as ignored: nothing is read or written out of bounds for it. */
static inline void load_rows(const struct rows *in, int row, struct row_block *b)
{
    const int left = in->end - row;
    int y[VW];
    FOR_LANES(l)
    {
        const int r = l < left ? row + l : in->end - 1;
        b->at[l] = r * in->n_classes;
        y[l] = in->labels[r];
    }
    const lanes_int label = LANES_LOAD(y);
    const lanes_t mask = load_mask(in->mask, row, in->per, left);
    b->counts = (label >= 0) & (label < in->n_classes) & (label != in->ignore) & (mask > 0.0f);
    b->label = b->counts ? label : (lanes_int)(-1);
}

/* Logit c of each row. */
static inline lanes_t load_class(const struct rows *in, const struct row_block *b, int c)
{
    __global const float *x = in->x + c;
    float t[VW];
    FOR_LANES(l) { t[l] = x[b->at[l]]; }
    return LANES_LOAD(t);
}

static inline lanes_t row_max(const struct rows *in, const struct row_block *b)
{
    lanes_t high = load_class(in, b, 0);
    for (int c = 1; c < in->n_classes; ++c) { high = fmax(high, load_class(in, b, c)); }
    return high;
}

/* The logit at each row's label, and w_y; of class 0 where the row does not count. */
static inline lanes_t load_own(const struct rows *in, const struct row_block *b, lanes_t *ret_weight)
{
    int y[VW];
    float own[VW], weight[VW];
    const lanes_int label = b->counts ? b->label : (lanes_int)(0);
    LANES_STORE(label, y);
    FOR_LANES(l)
    {
        own[l] = in->x[b->at[l] + y[l]];
        weight[l] = WEIGHT(y[l]);
    }
    *ret_weight = LANES_LOAD(weight);
    return LANES_LOAD(own);
}

/* Σℓ of a block of rows, by lane; *ret_weight: their w_y. */
static UMB_ONCE lanes_t cross_entropy_rows(const struct rows *in, int row, float smoothing,
                                           float weight_total, lanes_t *ret_weight)
{
    struct row_block b;
    load_rows(in, row, &b);
    const lanes_t high = row_max(in, &b);
    lanes_t sum = 0.0f, weighted = 0.0f, w;
    for (int c = 0; c < in->n_classes; ++c) {
        const lanes_t z = load_class(in, &b, c) - high;
        sum += exp(z);
        if (smoothing > 0.0f) { weighted += WEIGHT(c) * z; }
    }
    const lanes_t own = load_own(in, &b, &w) - high, log_sum = log(sum);
    lanes_t loss = (1.0f - smoothing) * w * (log_sum - own);
    if (smoothing > 0.0f) {
        loss += smoothing / (float)in->n_classes * (weight_total * log_sum - weighted);
    }
    *ret_weight = b.counts ? w : (lanes_t)(0.0f);
    return b.counts ? loss : (lanes_t)(0.0f);
}

__kernel void cross_entropy_forward(__global const float *prediction, ulong prediction_at,
                                    __global const int *labels, ulong labels_at,
                                    __global const float *mask, ulong mask_at,
                                    __global float *sums, ulong sums_at, __global float *loss,
                                    ulong loss_at, __global float *total, ulong total_at,
                                    int n_rows, int per, int n_classes, int ignore, int span,
                                    float smoothing, float weight_total, __local float *scratch)
{
    const int first = get_group_id(0) * span;
    const struct rows in = {prediction + prediction_at, labels + labels_at, mask + mask_at,
                            min(n_rows - first, span) + first, per, n_classes, ignore};
    lanes_t loss_sum = 0.0f, weight_sum = 0.0f;
    const int step = get_local_size(0) * VW;
    for (int row = first + get_local_id(0) * VW; row < in.end; row += step) {
        lanes_t w;
        loss_sum += cross_entropy_rows(&in, row, smoothing, weight_total, &w);
        weight_sum += w;
    }
    const float group_loss = group_sum(lanes_sum(loss_sum), scratch);
    const float group_weight = group_sum(lanes_sum(weight_sum), scratch);
    put_sums(group_loss, group_weight, sums + sums_at, loss + loss_at, total + total_at,
             get_group_id(0), get_num_groups(0));
}

static UMB_ONCE void cross_entropy_rows_backward(const struct rows *in, int row, float scale,
                                                 float smoothing, float weight_total,
                                                 __global float *dx)
{
    struct row_block b;
    load_rows(in, row, &b);
    const int left = in->end - row;
    const lanes_t high = row_max(in, &b);
    const float share = smoothing / (float)in->n_classes;
    lanes_t sum = 0.0f, w;
    for (int c = 0; c < in->n_classes; ++c) { sum += exp(load_class(in, &b, c) - high); }
    load_own(in, &b, &w);
    const lanes_t own = (1.0f - smoothing) * w, slope = (own + share * weight_total) / sum;
    for (int c = 0; c < in->n_classes; ++c) {
        lanes_t d = exp(load_class(in, &b, c) - high) * slope - share * WEIGHT(c);
        d = scale * (b.label == c ? d - own : d);
        float t[VW];
        LANES_STORE(b.counts ? d : (lanes_t)(0.0f), t);
        FOR_LANES(l)
        {
            if (l < left) { dx[b.at[l] + c] = t[l]; }
        }
    }
}

__kernel void cross_entropy_backward(__global const float *prediction, ulong prediction_at,
                                     __global const int *labels, ulong labels_at,
                                     __global const float *mask, ulong mask_at,
                                     __global const float *total, ulong total_at,
                                     __global const float *dloss, ulong dloss_at,
                                     __global float *dprediction, ulong dprediction_at, int n_rows,
                                     int per, int n_classes, int ignore, int span, float smoothing,
                                     float weight_total)
{
    const int first = get_group_id(0) * span;
    const struct rows in = {prediction + prediction_at, labels + labels_at, mask + mask_at,
                            min(n_rows - first, span) + first, per, n_classes, ignore};
    const float sum = total[total_at];
    const float scale = sum > 0.0f ? dloss[dloss_at] / sum : 0.0f;
    const int step = get_local_size(0) * VW;
    for (int row = first + get_local_id(0) * VW; row < in.end; row += step) {
        cross_entropy_rows_backward(&in, row, scale, smoothing, weight_total,
                                    dprediction + dprediction_at);
    }
}

/*
 * Losses that compare entry with entry, ℓ(x, y); every counted entry has w = 1. An entry whose
 * label is NaN does not count. prediction, labels [N,per], mask [N]. A lane is an entry.
 *
 *   mse    e²                      2e                     e = x − y
 *   l1     |e|                     sign e
 *   huber  ½e² or δ(|e| − ½δ)      e cut at ±δ            the second where |e| > δ
 *   bce    (1−y) s(x) + w y s(−x)  (1−y) σ(x) − w y σ(−x) on logits; s(x) = log(1 + exp x)
 */
#define KIND_MSE 0
#define KIND_L1 1
#define KIND_HUBER 2
#define KIND_BCE 3

struct entries {
    __global const float *x, *y, *mask;
    int end, per, kind;
    float delta;
};
struct block {
    lanes_int counts;
    lanes_t x, y, weight; /* 0, 0 and any where the lane does not count */
};

static inline void load_block(const struct entries *in, int i, struct block *b)
{
    const int left = in->end - i;
    const lanes_t x = lanes_load(in->x + i, left), y = lanes_load(in->y + i, left);
    float weight[VW];
    FOR_LANES(l) { weight[l] = WEIGHT(i + l); }
    b->counts = (y == y) & (load_mask(in->mask, i, in->per, left) > 0.0f);
    b->x = b->counts ? x : (lanes_t)(0.0f);
    b->y = b->counts ? y : (lanes_t)(0.0f);
    b->weight = LANES_LOAD(weight);
}

static inline lanes_t entry_loss(const struct entries *in, const struct block *b)
{
    const lanes_t e = b->x - b->y, a = fabs(e);
    switch (in->kind) {
    case KIND_MSE:
        return e * e;
    case KIND_L1:
        return a;
    case KIND_HUBER:
        return select(0.5f * e * e, in->delta * (a - 0.5f * in->delta), a > in->delta);
    default: {
        const lanes_t tail = log1p(exp(-fabs(b->x)));
        return (1.0f - b->y) * (fmax(b->x, (lanes_t)0.0f) + tail) +
               b->weight * b->y * (fmax(-b->x, (lanes_t)0.0f) + tail);
    }
    }
}

static inline lanes_t entry_slope(const struct entries *in, const struct block *b)
{
    const lanes_t e = b->x - b->y;
    switch (in->kind) {
    case KIND_MSE:
        return 2.0f * e;
    case KIND_L1:
        return sign(e);
    case KIND_HUBER:
        return select(e, copysign((lanes_t)in->delta, e), fabs(e) > in->delta);
    default: {
        const lanes_t t = exp(-fabs(b->x)), high = 1.0f / (1.0f + t), low = t * high;
        const lanes_t positive = select(low, high, b->x > 0.0f); /* σ(x) */
        const lanes_t negative = select(high, low, b->x > 0.0f); /* σ(−x) */
        return (1.0f - b->y) * positive - b->weight * b->y * negative;
    }
    }
}

__kernel void entry_loss_forward(__global const float *prediction, ulong prediction_at,
                                 __global const float *labels, ulong labels_at,
                                 __global const float *mask, ulong mask_at, __global float *sums,
                                 ulong sums_at, __global float *loss, ulong loss_at,
                                 __global float *total, ulong total_at, int n, int per, int kind,
                                 int span, float delta, __local float *scratch)
{
    const int first = get_group_id(0) * span;
    const struct entries in = {prediction + prediction_at, labels + labels_at, mask + mask_at,
                               min(n - first, span) + first, per, kind, delta};
    lanes_t loss_sum = 0.0f, count = 0.0f;
    const int step = get_local_size(0) * VW;
    for (int i = first + get_local_id(0) * VW; i < in.end; i += step) {
        struct block b;
        load_block(&in, i, &b);
        loss_sum += b.counts ? entry_loss(&in, &b) : (lanes_t)(0.0f);
        count += b.counts ? (lanes_t)(1.0f) : (lanes_t)(0.0f);
    }
    const float group_loss = group_sum(lanes_sum(loss_sum), scratch);
    const float group_count = group_sum(lanes_sum(count), scratch);
    put_sums(group_loss, group_count, sums + sums_at, loss + loss_at, total + total_at,
             get_group_id(0), get_num_groups(0));
}

__kernel void entry_loss_backward(__global const float *prediction, ulong prediction_at,
                                  __global const float *labels, ulong labels_at,
                                  __global const float *mask, ulong mask_at,
                                  __global const float *total, ulong total_at,
                                  __global const float *dloss, ulong dloss_at,
                                  __global float *dprediction, ulong dprediction_at, int n,
                                  int per, int kind, int span, float delta)
{
    const int first = get_group_id(0) * span;
    const struct entries in = {prediction + prediction_at, labels + labels_at, mask + mask_at,
                               min(n - first, span) + first, per, kind, delta};
    const float sum = total[total_at];
    const float scale = sum > 0.0f ? dloss[dloss_at] / sum : 0.0f;
    const int step = get_local_size(0) * VW;
    for (int i = first + get_local_id(0) * VW; i < in.end; i += step) {
        struct block b;
        load_block(&in, i, &b);
        const lanes_t d = b.counts ? scale * entry_slope(&in, &b) : (lanes_t)(0.0f);
        lanes_store(d, dprediction + dprediction_at + i, in.end - i);
    }
}
