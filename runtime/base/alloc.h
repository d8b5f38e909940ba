/*
 * alloc.h: host memory: checked allocations, and arenas that free everything at once.
 *
 * Every allocation of the library goes through here, so that tests can make the n-th one fail
 * (umb__alloc_fail_at) and count what is still held (umb__alloc_live). Memory is zeroed.
 */
#ifndef UMB_ALLOC_H
#define UMB_ALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

/* n·size zeroed bytes, or NULL with UMB_ERR_NO_MEMORY's message in ctx (also when n·size
 * overflows). n·size = 0 gives a unique pointer. */
void *umb__calloc(struct umb_context *ctx, size_t n, size_t size);

/* Grows p (from umb__calloc, or NULL) from old_n to n elements, new ones zeroed; NULL on failure, p
 * then still valid. */
void *umb__grow(struct umb_context *ctx, void *p, size_t old_n, size_t n, size_t size);

char *umb__strdup(struct umb_context *ctx, const char *s);
void umb__free(void *p); /* NULL is fine */

/* Test hooks: from now on the n-th allocation (1 = the next) fails, once; 0 switches off. */
void umb__alloc_fail_at(uint64_t n);
/* The number of allocations that are not yet freed, in the process. */
uint64_t umb__alloc_live(void);

/* a+b and a·b that refuse to wrap: false on overflow, *ret then untouched. */
_Bool umb__add_size(size_t a, size_t b, size_t *ret);
_Bool umb__mul_size(size_t a, size_t b, size_t *ret);

/* A growing pile of blocks with one free. Pointers stay valid until umb__arena_destroy. */
struct umb_arena;
UMB_MUST_USE enum umb_status umb__arena_create(struct umb_context *ctx,
                                               struct umb_arena **ret_arena);
void umb__arena_destroy(struct umb_arena *arena);
void *umb__arena_calloc(struct umb_arena *arena, size_t n, size_t size); /* NULL: message is set */
char *umb__arena_strdup(struct umb_arena *arena, const char *s);
char *umb__arena_printf(struct umb_arena *arena, const char *fmt, ...) UMB_PRINTF(2, 3);

#endif
