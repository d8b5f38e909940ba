/*
 * peak.cl: what a device can do at most, for `umbel bench op` to compare with.
 *
 * peak_fma   y[i] = Σ over 12 chains of x ← x·a + b, `rounds` times: 2·16·12·rounds flops a
 *            work-item, nothing but registers. The chains hide the latency of one multiply-add (4
 *            cycles on two ports of a CPU want 8).
 * peak_copy  y[i] = x[i], 16 floats a work-item: 128 bytes of traffic.
 *
 * NDRange: one dimension; y has 16 floats a work-item.
 */
#define CHAINS(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11)
#define BEGIN(c) float16 x##c = (float16)((float)(i + c) * 1e-6f);
#define STEP(c) x##c = fma(x##c, va, vb);
#define ADD(c) sum += x##c;

__kernel void peak_fma(__global float *y, ulong y_offset, int rounds, float a, float b)
{
    const size_t i = get_global_id(0);
    const float16 va = (float16)a, vb = (float16)b;
    CHAINS(BEGIN)
    for (int r = 0; r < rounds; r++) {
        CHAINS(STEP)
    }
    float16 sum = (float16)0;
    CHAINS(ADD)
    vstore16(sum, i, y + y_offset);
}

__kernel void peak_copy(__global const float *x, ulong x_offset, __global float *y, ulong y_offset)
{
    const size_t i = get_global_id(0);
    vstore16(vload16(i, x + x_offset), i, y + y_offset);
}
