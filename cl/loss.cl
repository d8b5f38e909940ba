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
#include "lanes.cl"

#ifdef WEIGHTS
__constant float weights[N_WEIGHTS] = {WEIGHTS};
#define WEIGHT(i) weights[(i) % N_WEIGHTS]
#else
#define WEIGHT(i) 1.0f
#endif

/* With one group: loss and total from the group's own sums; else the sums for loss_finish. */
static void put_sums(float loss_sum, float weight_sum, __global float *sums, __global float *loss,
                     __global float *total)
{
    if (get_local_id(0) != 0) { return; }
    if (get_num_groups(0) == 1) {
        loss[0] = weight_sum > 0.0f ? loss_sum / weight_sum : 0.0f;
        total[0] = weight_sum;
    } else {
        sums[2 * get_group_id(0)] = loss_sum;
        sums[2 * get_group_id(0) + 1] = weight_sum;
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
    put_sums(loss_sum, weight_sum, 0, loss + loss_at, total + total_at);
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

/* Labels of rows `row`…, −1 where a row does not count. A label that is no class counts as ignored:
 * nothing is read or written out of bounds for it. */
static inline void load_labels(const struct rows *in, int row, int *label)
{
    int n = row / in->per, rest = row - n * in->per;
    FOR_LANES(l)
    {
        int y = -1;
        if (row + l < in->end) {
            y = in->labels[row + l];
            if (y < 0 || y >= in->n_classes || y == in->ignore || !(in->mask[n] > 0.0f)) { y = -1; }
        }
        label[l] = y;
        if (++rest == in->per) {
            rest = 0;
            ++n;
        }
    }
}

/* Logit c of each lane's row; 0 in rows that do not count. */
static inline lanes_t load_class(const struct rows *in, int row, int c, const int *label)
{
    float t[VW];
    FOR_LANES(l) { t[l] = label[l] < 0 ? 0.0f : in->x[(row + l) * in->n_classes + c]; }
    return LANES_LOAD(t);
}

static inline lanes_t row_max(const struct rows *in, int row, const int *label)
{
    lanes_t high = load_class(in, row, 0, label);
    for (int c = 1; c < in->n_classes; ++c) { high = fmax(high, load_class(in, row, c, label)); }
    return high;
}

/* Σℓ of a block of rows, by lane; *ret_weight: their w_y. */
static lanes_t cross_entropy_rows(const struct rows *in, int row, float smoothing,
                                  float weight_total, lanes_t *ret_weight)
{
    int label[VW];
    load_labels(in, row, label);
    const lanes_t high = row_max(in, row, label);
    lanes_t sum = 0.0f, weighted = 0.0f;
    for (int c = 0; c < in->n_classes; ++c) {
        const lanes_t z = load_class(in, row, c, label) - high;
        sum += exp(z);
        if (smoothing > 0.0f) { weighted += WEIGHT(c) * z; }
    }
    float own[VW], weight[VW];
    FOR_LANES(l)
    {
        own[l] = label[l] < 0 ? 0.0f : in->x[(row + l) * in->n_classes + label[l]];
        weight[l] = label[l] < 0 ? 0.0f : WEIGHT(label[l]);
    }
    const lanes_t w = LANES_LOAD(weight), log_sum = log(sum);
    lanes_t loss = (1.0f - smoothing) * w * (log_sum - (LANES_LOAD(own) - high));
    if (smoothing > 0.0f) {
        loss += smoothing / (float)in->n_classes * (weight_total * log_sum - weighted);
    }
    float t[VW];
    LANES_STORE(loss, t);
    FOR_LANES(l) { t[l] = label[l] < 0 ? 0.0f : t[l]; }
    *ret_weight = w;
    return LANES_LOAD(t);
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
    put_sums(group_loss, group_weight, sums + sums_at, loss + loss_at, total + total_at);
}

static void cross_entropy_rows_backward(const struct rows *in, int row, float scale,
                                        float smoothing, float weight_total, __global float *dx)
{
    int label[VW];
    load_labels(in, row, label);
    const lanes_t high = row_max(in, row, label);
    lanes_t sum = 0.0f;
    for (int c = 0; c < in->n_classes; ++c) { sum += exp(load_class(in, row, c, label) - high); }
    const float share = smoothing / (float)in->n_classes;
    float own[VW];
    FOR_LANES(l) { own[l] = label[l] < 0 ? 0.0f : (1.0f - smoothing) * WEIGHT(label[l]); }
    const lanes_t slope = (LANES_LOAD(own) + share * weight_total) / sum;
    for (int c = 0; c < in->n_classes; ++c) {
        const lanes_t p = exp(load_class(in, row, c, label) - high) * slope;
        float t[VW];
        LANES_STORE(p - share * WEIGHT(c), t);
        FOR_LANES(l)
        {
            const float d = scale * (label[l] == c ? t[l] - own[l] : t[l]);
            if (row + l < in->end) { dx[(row + l) * in->n_classes + c] = label[l] < 0 ? 0.0f : d; }
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
    int count[VW];
    lanes_t x, y, weight; /* 0, 0 and any where the lane does not count */
};

static inline void load_block(const struct entries *in, int i, struct block *b)
{
    int n = i / in->per, rest = i - n * in->per;
    float x[VW], y[VW], weight[VW];
    FOR_LANES(l)
    {
        const bool there = i + l < in->end;
        y[l] = there ? in->y[i + l] : NAN;
        b->count[l] = there && !isnan(y[l]) && in->mask[n] > 0.0f;
        x[l] = b->count[l] ? in->x[i + l] : 0.0f;
        y[l] = b->count[l] ? y[l] : 0.0f;
        weight[l] = WEIGHT(i + l);
        if (++rest == in->per) {
            rest = 0;
            n += there;
        }
    }
    b->x = LANES_LOAD(x);
    b->y = LANES_LOAD(y);
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
    float loss_sum = 0.0f;
    int count = 0;
    const int step = get_local_size(0) * VW;
    for (int i = first + get_local_id(0) * VW; i < in.end; i += step) {
        struct block b;
        load_block(&in, i, &b);
        float t[VW];
        LANES_STORE(entry_loss(&in, &b), t);
        FOR_LANES(l)
        {
            t[l] = b.count[l] ? t[l] : 0.0f;
            count += b.count[l];
        }
        loss_sum += lanes_sum(LANES_LOAD(t));
    }
    const float group_loss = group_sum(loss_sum, scratch);
    const float group_count = group_sum((float)count, scratch);
    put_sums(group_loss, group_count, sums + sums_at, loss + loss_at, total + total_at);
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
        float t[VW];
        LANES_STORE(scale * entry_slope(&in, &b), t);
        FOR_LANES(l) { t[l] = b.count[l] ? t[l] : 0.0f; }
        lanes_store(LANES_LOAD(t), dprediction + dprediction_at + i, in.end - i);
    }
}
