/* arena.c: a list of blocks, each twice the last one's size until BLOCK_MAX, freed together. */
#include "alloc.h"
#include "fail.h"
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_MIN ((size_t)4 << 10)
#define BLOCK_MAX ((size_t)1 << 20)

struct block {
    struct block *next;
    size_t used, capacity; /* in bytes of data */
    alignas(max_align_t) unsigned char data[];
};

struct umb_arena {
    struct umb_context *ctx;
    struct block *blocks; /* the newest first; only it has room that is looked at */
    size_t next_bytes;
};

enum umb_status umb__arena_create(struct umb_context *ctx, struct umb_arena **ret_arena)
{
    struct umb_arena *arena = umb__calloc(ctx, 1, sizeof *arena);
    if (!arena) { return UMB_ERR_NO_MEMORY; }
    arena->ctx = ctx;
    arena->next_bytes = BLOCK_MIN;
    *ret_arena = arena;
    return UMB_OK;
}

void umb__arena_destroy(struct umb_arena *arena)
{
    if (!arena) { return; }
    for (struct block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        umb__free(b);
    }
    umb__free(arena);
}

static struct block *add_block(struct umb_arena *arena, size_t at_least)
{
    size_t capacity = at_least > arena->next_bytes ? at_least : arena->next_bytes;
    size_t bytes;
    if (!umb__add_size(capacity, sizeof(struct block), &bytes)) { bytes = SIZE_MAX; }
    struct block *b = umb__calloc(arena->ctx, 1, bytes);
    if (!b) { return NULL; }
    b->capacity = capacity;
    b->next = arena->blocks;
    arena->blocks = b;
    if (arena->next_bytes < BLOCK_MAX) { arena->next_bytes *= 2; }
    return b;
}

void *umb__arena_calloc(struct umb_arena *arena, size_t n, size_t size)
{
    const size_t unit = alignof(max_align_t);
    size_t bytes;
    if (!umb__mul_size(n, size, &bytes) || !umb__add_size(bytes, unit - 1, &bytes)) {
        umb__fail(arena->ctx, UMB_ERR_NO_MEMORY, "out of memory: %zu times %zu bytes", n, size);
        return NULL;
    }
    bytes = bytes < unit ? unit : bytes / unit * unit;
    struct block *b = arena->blocks;
    if (!b || b->capacity - b->used < bytes) { b = add_block(arena, bytes); }
    if (!b) { return NULL; }
    void *p = b->data + b->used;
    b->used += bytes;
    return p;
}

char *umb__arena_strdup(struct umb_arena *arena, const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = umb__arena_calloc(arena, n, 1);
    if (copy) { memcpy(copy, s, n); }
    return copy;
}

char *umb__arena_printf(struct umb_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *s = n < 0 ? NULL : umb__arena_calloc(arena, (size_t)n + 1, 1);
    if (s) { vsnprintf(s, (size_t)n + 1, fmt, again); }
    va_end(again);
    if (n < 0) { umb__fail(arena->ctx, UMB_ERR_INVALID, "text that cannot be formatted"); }
    return s;
}
