/*
 * metric.cl: exact counts and sums from which metrics are computed.
 *
 * Counts are added to integers that the caller zeroes once a pass over the data; integer addition
 * is exact in any order. A sample with mask ≤ 0 counts nothing.
 */

/* Few enough cells for an item to count for itself before it adds. */
#define OWN_CELLS 64

/* The row's cell, label·C + argmax, or −1 where its label is no class. */
static inline int class_cell(__global const float *x, int label, int n_classes)
{
    int best = 0;
    for (int c = 1; c < n_classes; ++c) { best = x[c] > x[best] ? c : best; }
    return label >= 0 && label < n_classes ? label * n_classes + best : -1;
}

/*
 * counts[label][argmax] += 1, [C,C]; ties and NaN go to the lowest index that no other exceeds.
 * prediction [rows,C], labels i32 [rows] (no class: skipped), mask [rows/per]. NDRange [items]:
 * item i takes rows i·span …; where there are many classes, it adds equal cells in a run at once.
 */
__kernel void class_counts(__global const float *prediction, ulong prediction_at,
                           __global const int *labels, ulong labels_at,
                           __global const float *mask, ulong mask_at, __global int *counts,
                           ulong counts_at, int n_rows, int per, int n_classes, int span)
{
    const int first = get_global_id(0) * span, end = min(n_rows - first, span) + first;
    const int n_cells = n_classes * n_classes <= OWN_CELLS ? n_classes * n_classes : 0;
    int own[OWN_CELLS], run = 0, run_cell = 0;
    prediction += prediction_at;
    labels += labels_at;
    mask += mask_at;
    counts += counts_at;
    for (int i = 0; i < n_cells; ++i) { own[i] = 0; }
    for (int row = first; row < end;) {
        const int n = row / per, sample_end = min((n + 1) * per, end);
        if (!(mask[n] > 0.0f)) {
            row = sample_end;
            continue;
        }
        for (; row < sample_end; ++row) {
            const int cell = class_cell(prediction + row * n_classes, labels[row], n_classes);
            if (cell < 0) { continue; }
            if (n_cells > 0) {
                ++own[cell];
                continue;
            }
            if (cell != run_cell && run > 0) {
                atomic_add(counts + run_cell, run);
                run = 0;
            }
            run_cell = cell;
            ++run;
        }
    }
    if (run > 0) { atomic_add(counts + run_cell, run); }
    for (int i = 0; i < n_cells; ++i) {
        if (own[i] > 0) { atomic_add(counts + i, own[i]); }
    }
}

/*
 * counts[d] += {tn, fp, fn, tp}, [D,4]: a logit > 0 says yes, a label > ½ is yes, a NaN label is
 * skipped. prediction, labels [rows,D], mask [rows/per]. NDRange [D, items].
 */
__kernel void binary_counts(__global const float *prediction, ulong prediction_at,
                            __global const float *labels, ulong labels_at,
                            __global const float *mask, ulong mask_at, __global int *counts,
                            ulong counts_at, int n_rows, int per, int columns, int span)
{
    const int d = get_global_id(0), first = get_global_id(1) * span, n = min(n_rows - first, span);
    int cell[4] = {0, 0, 0, 0};
    for (int row = first; row < first + n; ++row) {
        const float y = labels[labels_at + row * columns + d];
        if (isnan(y) || !(mask[mask_at + row / per] > 0.0f)) { continue; }
        ++cell[2 * (y > 0.5f) + (prediction[prediction_at + row * columns + d] > 0.0f)];
    }
    for (int k = 0; k < 4; ++k) {
        if (cell[k] > 0) { atomic_add(counts + counts_at + 4 * d + k, cell[k]); }
    }
}

/*
 * partial [chunks,wide,5], of each chunk the first D = {entries, Σ|e|, Σe², Σy, Σy²} with e = x − y, of entries whose label is no
 * NaN. prediction, labels [rows,D], mask [rows/per]. NDRange [D, chunks].
 */
__kernel void error_partials(__global const float *prediction, ulong prediction_at,
                             __global const float *labels, ulong labels_at,
                             __global const float *mask, ulong mask_at, __global float *partial,
                             ulong partial_at, int n_rows, int per, int columns, int wide,
                             int span)
{
    const int d = get_global_id(0), first = get_global_id(1) * span, n = min(n_rows - first, span);
    if (n <= 0) { return; }
    float sum[5] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    for (int row = first; row < first + n; ++row) {
        const float y = labels[labels_at + row * columns + d];
        if (isnan(y) || !(mask[mask_at + row / per] > 0.0f)) { continue; }
        const float e = prediction[prediction_at + row * columns + d] - y;
        sum[0] += 1.0f;
        sum[1] += fabs(e);
        sum[2] += e * e;
        sum[3] += y;
        sum[4] += y * y;
    }
    partial += partial_at + (get_global_id(1) * wide + d) * 5;
    for (int k = 0; k < 5; ++k) { partial[k] = sum[k]; }
}

/* The distance of two points of [points,2] or [2,points]: next to the next point, y from x to y. */
static inline float distance_of(__global const float *a, __global const float *b, int y)
{
    const float dx = a[0] - b[0], dy = a[y] - b[y];
    return sqrt(fma(dx, dx, dy * dy));
}

/*
 * partial [chunks,D+1,5], of each chunk the last = {samples, Σ e, 0, 0, 0}, with
 *     e = 1/points Σ_i |x_i − y_i| / |y_a − y_b|
 * over samples whose labels are no NaN and whose points a and b lie apart. prediction, labels [N,D],
 * D = 2·points, where point i has its x at i·next and its y that much behind by `y`. NDRange
 * [chunks].
 */
__kernel void landmark_partials(__global const float *prediction, ulong prediction_at,
                                __global const float *labels, ulong labels_at,
                                __global const float *mask, ulong mask_at, __global float *partial,
                                ulong partial_at, int n_rows, int columns, int span, int next,
                                int y, int a, int b)
{
    const int first = get_global_id(0) * span, n = min(n_rows - first, span);
    const int n_points = columns / 2;
    float sum = 0.0f, count = 0.0f;
    if (n <= 0) { return; }
    for (int row = first; row < first + n; ++row) {
        __global const float *truth = labels + labels_at + row * columns;
        __global const float *answer = prediction + prediction_at + row * columns;
        const float unit = distance_of(truth + a * next, truth + b * next, y);
        float error = 0.0f;
        bool counts = mask[mask_at + row] > 0.0f && unit > 0.0f;
        for (int i = 0; i < n_points; ++i) {
            counts = counts && !isnan(truth[i * next]) && !isnan(truth[i * next + y]);
            error += distance_of(answer + i * next, truth + i * next, y);
        }
        if (!counts) { continue; }
        sum += error / (unit * (float)n_points);
        count += 1.0f;
    }
    partial += partial_at + (get_global_id(0) * (columns + 1) + columns) * 5;
    partial[0] = count;
    partial[1] = sum;
    partial[2] = partial[3] = partial[4] = 0.0f;
}

/* sums [n] = Σ over chunks of partial [chunks,n], in order. NDRange [n]. */
__kernel void error_sums(__global const float *partial, ulong partial_at, __global float *sums,
                         ulong sums_at, int n, int chunks)
{
    const int i = get_global_id(0);
    float sum = 0.0f;
    for (int k = 0; k < chunks; ++k) { sum += partial[partial_at + k * n + i]; }
    sums[sums_at + i] = sum;
}
