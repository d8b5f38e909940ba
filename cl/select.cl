/*
 * select.cl: the samples that a step learns from: the share with the highest score.
 *
 * A sample's score is the mean, over its labels that count, of the loss or of the entropy of what
 * was answered:
 *   cross-entropy   log Σ exp x − x_y,                        −Σ_c p_c log p_c, p = softmax x
 *   binary          (1−y) s(x) + y s(−x), s(x) = log(1 + eˣ),  s(x) − x p,      p = 1/(1 + e⁻ˣ)
 *   numbers         e², |e|, or huber's, e = x − y
 * and −1 where none counts. One that is no number counts as the highest there is.
 *
 * score [N]; NDRange [N], a sample an item. OF and BY are run-time arguments, as in select.c.
 */

enum { OF_CLASSES, OF_BINARY, OF_MSE, OF_L1, OF_HUBER };

static inline float softplus(float x)
{
    return fmax(x, 0.0f) + log1p(exp(-fabs(x)));
}

/* Of one row of C logits. */
static float class_score(__global const float *x, int label, int n_classes, int by_entropy)
{
    float high = x[0], sum = 0.0f, weighted = 0.0f;
    for (int c = 1; c < n_classes; ++c) { high = fmax(high, x[c]); }
    for (int c = 0; c < n_classes; ++c) {
        const float z = x[c] - high, e = exp(z);
        sum += e;
        if (e > 0.0f) { weighted += e * z; }
    }
    return by_entropy ? log(sum) - weighted / sum : log(sum) - (x[label] - high);
}

static float entry_score(float x, float y, int of, int by_entropy, float delta)
{
    if (of == OF_BINARY && by_entropy) { return softplus(x) - x / (1.0f + exp(-x)); }
    if (of == OF_BINARY) { return (1.0f - y) * softplus(x) + y * softplus(-x); }
    const float e = fabs(x - y);
    if (of == OF_MSE) { return e * e; }
    return of == OF_L1 ? e : e > delta ? delta * (e - delta / 2.0f) : e * e / 2.0f;
}

static float finish_score(float sum, float count, float mask)
{
    if (!(mask > 0.0f) || count == 0.0f) { return -1.0f; }
    return isnan(sum) ? INFINITY : fmax(sum / count, 0.0f);
}

/* prediction [N,per,C], labels i32 [N,per], mask [N]. */
__kernel void select_classes(__global const float *prediction, ulong prediction_at,
                             __global const int *labels, ulong labels_at,
                             __global const float *mask, ulong mask_at, __global float *score,
                             ulong score_at, int per, int n_classes, int ignore, int by_entropy)
{
    const int n = get_global_id(0);
    float sum = 0.0f, count = 0.0f;
    for (int row = n * per; row < (n + 1) * per; ++row) {
        const int y = labels[labels_at + row];
        if (y < 0 || y >= n_classes || y == ignore) { continue; }
        sum += class_score(prediction + prediction_at + row * n_classes, y, n_classes, by_entropy);
        count += 1.0f;
    }
    score[score_at + n] = finish_score(sum, count, mask[mask_at + n]);
}

/* prediction, labels [N,per], mask [N]; a label that is NaN does not count. */
__kernel void select_entries(__global const float *prediction, ulong prediction_at,
                             __global const float *labels, ulong labels_at,
                             __global const float *mask, ulong mask_at, __global float *score,
                             ulong score_at, int per, int of, int by_entropy, float delta)
{
    const int n = get_global_id(0);
    float sum = 0.0f, count = 0.0f;
    for (int i = n * per; i < (n + 1) * per; ++i) {
        const float y = labels[labels_at + i];
        if (isnan(y)) { continue; }
        sum += entry_score(prediction[prediction_at + i], y, of, by_entropy, delta);
        count += 1.0f;
    }
    score[score_at + n] = finish_score(sum, count, mask[mask_at + n]);
}

/*
 * chosen [N] = mask where fewer than ⌈share·counting⌉ samples go before n: those of a higher score,
 * or of the same and a lower index; else 0. share in 1/65536. NDRange [N].
 */
__kernel void select_highest(__global const float *score, ulong score_at,
                             __global const float *mask, ulong mask_at, __global float *chosen,
                             ulong chosen_at, int n_samples, int share)
{
    const int n = get_global_id(0);
    const float own = score[score_at + n];
    int before = 0, counting = 0;
    for (int i = 0; i < n_samples; ++i) {
        const float other = score[score_at + i];
        counting += other >= 0.0f;
        before += other > own || (other == own && i < n);
    }
    const long most = ((long)counting * share + 65535) >> 16;
    chosen[chosen_at + n] = own >= 0.0f && before < most ? mask[mask_at + n] : 0.0f;
}
