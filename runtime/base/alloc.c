/*
 * alloc.c: every host allocation of the library, counted.
 *
 * The two counters are the process's, not a context's, since a block may outlive the call that made
 * it; they are atomic and change nothing but what the tests see.
 */
#include "alloc.h"
#include "fail.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t live_blocks;
static _Atomic uint64_t fail_in; /* the fail_in-th allocation from now fails; 0: none */

static bool told_to_fail(void)
{
    uint64_t n = atomic_load_explicit(&fail_in, memory_order_relaxed);
    while (n > 0) {
        if (atomic_compare_exchange_weak(&fail_in, &n, n - 1)) { return n == 1; }
    }
    return false;
}

static void *out_of_memory(struct umb_context *ctx, size_t n, size_t size)
{
    umb__fail(ctx, UMB_ERR_NO_MEMORY, "out of memory: %zu times %zu bytes were asked for", n, size);
    return NULL;
}

void *umb__calloc(struct umb_context *ctx, size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;
    if (!told_to_fail() && umb__mul_size(n, size, &bytes)) { p = calloc(1, bytes ? bytes : 1); }
    if (!p) { return out_of_memory(ctx, n, size); }
    atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return p;
}

void *umb__grow(struct umb_context *ctx, void *p, size_t old_n, size_t n, size_t size)
{
    if (!p) { return umb__calloc(ctx, n, size); }
    size_t bytes;
    char *grown = NULL;
    if (!told_to_fail() && umb__mul_size(n, size, &bytes)) {
        grown = realloc(p, bytes ? bytes : 1);
    }
    if (!grown) { return out_of_memory(ctx, n, size); }
    if (n > old_n) { memset(grown + old_n * size, 0, (n - old_n) * size); }
    return grown;
}

char *umb__strdup(struct umb_context *ctx, const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = umb__calloc(ctx, n, 1);
    if (copy) { memcpy(copy, s, n); }
    return copy;
}

void umb__free(void *p)
{
    if (!p) { return; }
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free(p);
}

void umb__alloc_fail_at(uint64_t n)
{
    atomic_store(&fail_in, n);
}

uint64_t umb__alloc_live(void)
{
    return atomic_load(&live_blocks);
}

_Bool umb__add_size(size_t a, size_t b, size_t *ret)
{
    if (a > SIZE_MAX - b) { return false; }
    *ret = a + b;
    return true;
}

_Bool umb__mul_size(size_t a, size_t b, size_t *ret)
{
    if (b != 0 && a > SIZE_MAX / b) { return false; }
    *ret = a * b;
    return true;
}
