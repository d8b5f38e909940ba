/* bench_peak.c: the device's peak, by the kernels of cl/peak.cl. */
#include "bench.h"
#include "program.h"

#define FLOATS 16 /* a work-item, in both kernels */
#define CHAINS 12 /* as in the kernel */
#define ROUNDS 20000
#define ITEMS_A_UNIT 256
#define COPY_BYTES ((size_t)64 << 20)
#define LOCAL 64
#define TRIES 10

static const struct umb_kernel fma_kernel = {"peak_fma", "peak.cl", "peak_fma", "wiff"};
static const struct umb_kernel copy_kernel = {"peak_copy", "peak.cl", "peak_copy", "rw"};

/* The shortest of several runs. */
static enum umb_status time_launch(struct umb_device *device, const struct umb_launch_desc *desc,
                                   double *ret_ns)
{
    struct umb_launch *launch = NULL;
    struct umb_queue *queue = NULL;
    enum umb_status st = umb__launch_create(device, desc, &launch);
    if (st == UMB_OK) { st = umb__queue_create(device, true, &queue); }
    *ret_ns = 0;
    for (int i = 0; st == UMB_OK && i < TRIES; i++) {
        umb_event *event = NULL;
        uint64_t queued = 0, start = 0, end = 0;
        st = umb__launch_enqueue(launch, queue, NULL, 0, &event);
        if (st == UMB_OK) { st = umb__queue_flush(queue); }
        if (st == UMB_OK) { st = umb__event_wait(device, event); }
        if (st == UMB_OK) { st = umb__event_times(device, event, &queued, &start, &end); }
        umb__event_release(event);
        double ns = (double)(end - start);
        if (st == UMB_OK && (*ret_ns <= 0 || ns < *ret_ns)) { *ret_ns = ns; }
    }
    umb__queue_destroy(queue);
    umb__launch_destroy(launch);
    return st;
}

static enum umb_status measure_fma(struct umb_device *device, double *ret_gflops)
{
    size_t items = (size_t)ITEMS_A_UNIT * umb_device_get_caps(device)->compute_units;
    struct umb_buffer *y = NULL;
    double ns = 0;
    enum umb_status st = umb__buffer_create(device, items * FLOATS * sizeof(float), &y);
    struct umb_launch_arg args[] = {
        {.buffer = y}, {.u.i = ROUNDS}, {.u.f = 0.999F}, {.u.f = 0.001F}};
    struct umb_launch_desc desc = {.kernel = &fma_kernel,
                                   .dimensions = 1,
                                   .global = {items},
                                   .local = {LOCAL},
                                   .args = args,
                                   .n_args = 4};
    if (st == UMB_OK) { st = time_launch(device, &desc, &ns); }
    umb__buffer_destroy(y);
    if (st == UMB_OK) { *ret_gflops = 2.0 * FLOATS * CHAINS * ROUNDS * (double)items / ns; }
    return st;
}

static enum umb_status measure_copy(struct umb_device *device, double *ret_gbs)
{
    struct umb_buffer *x = NULL, *y = NULL;
    double ns = 0;
    enum umb_status st = umb__buffer_create(device, COPY_BYTES, &x);
    if (st == UMB_OK) { st = umb__buffer_create(device, COPY_BYTES, &y); }
    struct umb_launch_arg args[] = {{.buffer = x}, {.buffer = y}};
    struct umb_launch_desc desc = {.kernel = &copy_kernel,
                                   .dimensions = 1,
                                   .global = {COPY_BYTES / sizeof(float) / FLOATS},
                                   .local = {LOCAL},
                                   .args = args,
                                   .n_args = 2};
    if (st == UMB_OK) { st = time_launch(device, &desc, &ns); }
    umb__buffer_destroy(x);
    umb__buffer_destroy(y);
    if (st == UMB_OK) { *ret_gbs = 2.0 * (double)COPY_BYTES / ns; }
    return st;
}

enum umb_status bench_measure_peak(struct umb_device *device, struct bench_peak *ret_peak)
{
    enum umb_status st = measure_fma(device, &ret_peak->gflops);
    return st == UMB_OK ? measure_copy(device, &ret_peak->gbs) : st;
}
