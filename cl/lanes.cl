/*
 * lanes.cl: VW float32 numbers computed side by side, for kernels that are the same at every width.
 *
 * Tunable: VW = 1, 2, 4, 8 or 16, the device's native width on CPUs and 1 elsewhere. Hosts cut a
 * walk over n elements with umb__spread (runtime/ops/spread.h): group g takes elements
 * g·span … min(n, (g+1)·span) − 1, item l of L in it the blocks at l·VW + i·L·VW. Where VW > 1,
 * a group is one item.
 */
#include "shuffle.cl"

#ifndef VW
#define VW 1
#endif
#define LANES_CAT_(a, b) a##b
#define LANES_CAT(a, b) LANES_CAT_(a, b)

#if VW == 1
typedef float lanes_t;
#define LANES_LOAD(p) (*(p))
#define LANES_STORE(v, p) (*(p) = (v))
#else
typedef LANES_CAT(float, VW) lanes_t;
#define LANES_LOAD(p) LANES_CAT(vload, VW)(0, p)
#define LANES_STORE(v, p) LANES_CAT(vstore, VW)(v, 0, p)
#endif
typedef lanes_t loose_lanes_t __attribute__((aligned(4)));

#define INLINED inline __attribute__((always_inline))
#define FOR_LANES(l) _Pragma("unroll") for (int l = 0; l < VW; ++l)

/* Elements p[0] … p[min(n, VW)−1]; the other lanes are 0. */
static INLINED lanes_t lanes_load(__global const float *p, int n)
{
    if (n >= VW) { return LANES_LOAD(p); }
    float t[VW];
    FOR_LANES(l) { t[l] = l < n ? p[l] : 0.0f; }
    return LANES_LOAD(t);
}

static INLINED void lanes_store(lanes_t v, __global float *p, int n)
{
    if (n >= VW) { /* not by vstore, which PoCL cuts into pieces of 16 bytes */
        *(__global loose_lanes_t *)p = v;
        return;
    }
    float t[VW];
    LANES_STORE(v, t);
    FOR_LANES(l)
    {
        if (l < n) { p[l] = t[l]; }
    }
}

/* A whole vector past the caches, where the compiler can: p must be aligned to it. */
#if VW > 1 && defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define LANES_STORE_PAST(v, p) __builtin_nontemporal_store(v, (__global lanes_t *)(p))
#endif
#endif
#ifndef LANES_STORE_PAST
#define LANES_STORE_PAST(v, p) lanes_store(v, p, VW)
#endif

/* The lanes' sum, as a tree. */
static inline float lanes_sum(lanes_t v)
{
    float t[VW];
    LANES_STORE(v, t);
    for (int h = VW / 2; h > 0; h /= 2) {
        for (int l = 0; l < h; ++l) { t[l] += t[l + h]; }
    }
    return t[0];
}

/*
 * Sums a over the items of a work-group, in a fixed order; item 0 gets the sum, the others 0. The local size is
 * a power of two, scratch holds that many floats, and every item of the group calls it. The last
 * steps need no barrier where neighbours can exchange numbers; the order is the same.
 */
static inline float group_sum(float a, __local float *scratch)
{
#if VW > 1 /* a group is one item: nothing to add, and no barrier, round which PoCL would copy */
    return a;
#else
    const int l = get_local_id(0);
    int h = get_local_size(0) / 2;
    barrier(CLK_LOCAL_MEM_FENCE); /* scratch may still be read from the sum before */
    scratch[l] = a;
    for (; h >= NEIGHBOURS; h /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (l < h) { scratch[l] += scratch[l + h]; }
    }
    a = scratch[l]; /* the item's own, or not looked at */
    for (; h > 0; h /= 2) { a += SHUFFLE_XOR(a, h); }
    return l == 0 ? a : 0.0f;
#endif
}
