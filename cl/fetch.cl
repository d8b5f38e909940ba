/*
 * fetch.cl: hints to bring what is read next into the first-level cache, and into the second; nothing
 * where the compiler cannot. To be included, several times if need be.
 */
#if !defined(FETCH) && defined(__has_builtin)
#if __has_builtin(__builtin_prefetch)
#define FETCH(p) __builtin_prefetch((const void *)(size_t)(p), 0, 3)
#define FETCH_EARLY(p) __builtin_prefetch((const void *)(size_t)(p), 0, 2)
#endif
#endif
#ifndef FETCH
#define FETCH(p)
#define FETCH_EARLY(p)
#endif
