/*
 * Places in one walk along the schedule. Scratch is a row of chunks; one that nobody uses any more
 * is free, and keeps the clock of the last use of it, for only a value whose first use knows of
 * that may have it. A value takes the smallest free chunk that it may have, or the end of the row.
 *
 *   |  in use  | free, clock (3,7) |  in use  | free, clock (5,2) |→ end
 *
 * Nobody who comes later in the order can be done before somebody earlier begins, so it is enough
 * to look at those who had the place before; and "done before" is transitive, so at the last of
 * them. Free chunks are found by size: bins of an eighth of a power of two.
 */
#include <string.h>

#include "lives.h"

#define STEPS 8 /* bins a power of two */
#define N_BINS (STEPS * 64)
#define MOST_TRIES 16 /* chunks of a bin that a value looks at */

struct chunk {
    size_t offset, bytes;
    int before, behind; /* by address, −1: none */
    int older, newer;   /* in its bin while it is free */
    bool free;
};

struct scan {
    const struct umb_life *lives;
    int n, n_queues;
    struct umb_memory *m;
    struct chunk *chunk;
    uint32_t *clock;     /* [chunks][n_queues] of the last use */
    int n_chunks, spare; /* spare: chunks that were joined to others, a list by `behind` */
    int last;            /* by address, −1: none yet */
    int oldest[N_BINS], newest[N_BINS];
    int *chunk_of; /* [n] by life */
    int *ends;     /* [n] lives by their last use */
};

/* ---- bins ---- */

/* Sizes of one bin differ by less than an eighth; a larger bin's are all larger. */
static int bin_of(size_t bytes)
{
    const size_t units = bytes / UMB_MEMORY_ALIGN;
    int power = 0;
    if (units < STEPS) { return (int)units; }
    while (units >> power >= 2 * STEPS) {
        power++;
    }
    return STEPS * (power + 1) + (int)(units >> power) - STEPS;
}

static void put_in_bin(struct scan *s, int c)
{
    const int bin = bin_of(s->chunk[c].bytes);
    s->chunk[c].free = true;
    s->chunk[c].newer = -1;
    s->chunk[c].older = s->newest[bin];
    if (s->newest[bin] >= 0) {
        s->chunk[s->newest[bin]].newer = c;
    } else {
        s->oldest[bin] = c;
    }
    s->newest[bin] = c;
}

static void take_from_bin(struct scan *s, int c)
{
    struct chunk *k = &s->chunk[c];
    const int bin = bin_of(k->bytes);
    k->free = false;
    *(k->newer >= 0 ? &s->chunk[k->newer].older : &s->newest[bin]) = k->older;
    *(k->older >= 0 ? &s->chunk[k->older].newer : &s->oldest[bin]) = k->newer;
}

/* ---- the row ---- */

static uint32_t *clock_of(const struct scan *s, int c)
{
    return &s->clock[(size_t)c * (size_t)s->n_queues];
}

/* A new chunk behind `before`. */
static int add_chunk(struct scan *s, int before, size_t offset, size_t bytes)
{
    int c = s->spare;
    if (c >= 0) {
        s->spare = s->chunk[c].behind;
    } else {
        c = s->n_chunks++;
    }
    const int behind = before >= 0 ? s->chunk[before].behind : -1;
    s->chunk[c] =
        (struct chunk){.offset = offset, .bytes = bytes, .before = before, .behind = behind};
    if (before >= 0) { s->chunk[before].behind = c; }
    *(behind >= 0 ? &s->chunk[behind].before : &s->last) = c;
    return c;
}

/* Joins the chunk to the free one before it: who has both must know of both. */
static void join(struct scan *s, int c)
{
    struct chunk *k = &s->chunk[c], *into = &s->chunk[k->before];
    uint32_t *own = clock_of(s, c), *other = clock_of(s, k->before);
    for (int q = 0; q < s->n_queues; q++) {
        other[q] = own[q] > other[q] ? own[q] : other[q];
    }
    into->bytes += k->bytes;
    into->behind = k->behind;
    *(k->behind >= 0 ? &s->chunk[k->behind].before : &s->last) = k->before;
    k->behind = s->spare;
    s->spare = c;
}

static void release(struct scan *s, int life)
{
    int c = s->chunk_of[life];
    memcpy(clock_of(s, c), s->lives[life].last, (size_t)s->n_queues * sizeof *s->clock);
    const int before = s->chunk[c].before, behind = s->chunk[c].behind;
    if (behind >= 0 && s->chunk[behind].free) {
        take_from_bin(s, behind);
        join(s, behind);
    }
    if (before >= 0 && s->chunk[before].free) {
        take_from_bin(s, before);
        join(s, c);
        c = before;
    }
    put_in_bin(s, c);
}

/* ---- taking ---- */

static bool may_have(const struct scan *s, const struct umb_life *l, int c)
{
    return umb__clocks_precede(clock_of(s, c), l->known, s->n_queues);
}

/* A free chunk of the smallest bin that has one for l; −1: none. */
static int find_free(const struct scan *s, const struct umb_life *l)
{
    for (int bin = bin_of(l->bytes); bin < N_BINS; bin++) {
        int tries = 0;
        for (int c = s->oldest[bin]; c >= 0 && tries < MOST_TRIES; c = s->chunk[c].newer) {
            tries++;
            if (s->chunk[c].bytes >= l->bytes && may_have(s, l, c)) { return c; }
        }
    }
    return -1;
}

/* At the end of the row; what is free there is the value's first part. */
static int extend(struct scan *s, const struct umb_life *l)
{
    const int last = s->last;
    if (last >= 0 && s->chunk[last].free && may_have(s, l, last)) {
        take_from_bin(s, last);
        s->m->total += l->bytes - s->chunk[last].bytes;
        s->chunk[last].bytes = l->bytes;
        return last;
    }
    const int c = add_chunk(s, last, s->m->total, l->bytes);
    s->m->total += l->bytes;
    return c;
}

static void place(struct scan *s, int life)
{
    const struct umb_life *l = &s->lives[life];
    int c = find_free(s, l);
    if (c < 0) {
        c = extend(s, l);
    } else {
        take_from_bin(s, c);
        const size_t rest = s->chunk[c].bytes - l->bytes;
        s->chunk[c].bytes = l->bytes;
        if (rest) {
            const int r = add_chunk(s, c, s->chunk[c].offset + l->bytes, rest);
            memcpy(clock_of(s, r), clock_of(s, c), (size_t)s->n_queues * sizeof *s->clock);
            put_in_bin(s, r);
        }
    }
    s->chunk_of[life] = c;
    s->m->offset[l->id] = s->chunk[c].offset;
}

/* ---- the walk ---- */

/* Lives in the order of their last uses, by counting; count[places + 1] is zeroed. */
static void sort_ends(struct scan *s, int *count, int n_places)
{
    for (int i = 0; i < s->n; i++) {
        count[s->lives[i].final + 1]++;
    }
    for (int o = 0; o < n_places; o++) {
        count[o + 1] += count[o];
    }
    for (int i = 0; i < s->n; i++) {
        s->ends[count[s->lives[i].final]++] = i;
    }
}

enum umb_status umb__memory_scan(const struct umb_life *lives, int n, int n_queues,
                                 struct umb_arena *arena, struct umb_memory *m)
{
    const size_t n_lives = (size_t)n + 1, most = n_lives + 1; /* a value adds one at most */
    struct scan s = {.lives = lives, .n = n, .n_queues = n_queues, .m = m, .spare = -1, .last = -1};
    int n_places = 1;
    for (int i = 0; i < n; i++) {
        n_places = lives[i].final >= n_places ? lives[i].final + 1 : n_places;
    }
    int *count = umb__arena_calloc(arena, (size_t)n_places + 1, sizeof *count);
    s.chunk = umb__arena_calloc(arena, most, sizeof *s.chunk);
    s.clock = umb__arena_calloc(arena, most * (size_t)n_queues, sizeof *s.clock);
    s.chunk_of = umb__arena_calloc(arena, n_lives, sizeof *s.chunk_of);
    s.ends = umb__arena_calloc(arena, n_lives, sizeof *s.ends);
    if (!count || !s.chunk || !s.clock || !s.chunk_of || !s.ends) { return UMB_ERR_NO_MEMORY; }
    memset(s.oldest, -1, sizeof s.oldest);
    memset(s.newest, -1, sizeof s.newest);
    sort_ends(&s, count, n_places);
    for (int i = 0, end = 0; i < n; i++) {
        for (; end < n && lives[s.ends[end]].final < lives[i].first_use; end++) {
            release(&s, s.ends[end]);
        }
        place(&s, i);
    }
    return UMB_OK;
}
