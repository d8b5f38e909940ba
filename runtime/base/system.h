/*
 * system.h: the operating system: files, time, memory, environment, hashes.
 */
#ifndef UMB_SYSTEM_H
#define UMB_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <umbel/context.h>

/* Reads a whole regular file of at most max_bytes; *ret_data has a NUL behind its size bytes and is
 * freed with umb__free. Errors name the path: UMB_ERR_IO, UMB_ERR_INVALID (not a file, too large).
 */
UMB_MUST_USE enum umb_status umb__file_read(struct umb_context *ctx, const char *path,
                                            size_t max_bytes, char **ret_data, size_t *ret_size);

/* Writes a file so that a reader sees the old or the new content, never a part: temporary name
 * beside it, fsync, rename, fsync of the folder. On failure the temporary is removed and the old
 * file stands. */
UMB_MUST_USE enum umb_status umb__file_write(struct umb_context *ctx, const char *path,
                                             const void *data, size_t size);

/* The same in pieces: begin, any number of writes, then commit or abort. */
struct umb_file_writer;
UMB_MUST_USE enum umb_status umb__file_writer_create(struct umb_context *ctx, const char *path,
                                                     struct umb_file_writer **ret_writer);
UMB_MUST_USE enum umb_status umb__file_writer_add(struct umb_file_writer *w, const void *data,
                                                  size_t size);
UMB_MUST_USE enum umb_status umb__file_writer_commit(
    struct umb_file_writer *w);                         /* frees w, on failure too */
void umb__file_writer_abort(struct umb_file_writer *w); /* frees w; NULL is fine */

/* Waits until no other process holds the lock that the file at path stands for, and takes it; the
 * file is made where it is missing, and stays. Threads of one process do not keep each other out.
 * Errors: UMB_ERR_IO, UMB_ERR_NO_MEMORY. */
struct umb_file_lock;
UMB_MUST_USE enum umb_status umb__file_lock(struct umb_context *ctx, const char *path,
                                            struct umb_file_lock **ret_lock);
void umb__file_unlock(struct umb_file_lock *lock); /* NULL is fine */

UMB_MUST_USE enum umb_status umb__make_folders(struct umb_context *ctx,
                                               const char *path); /* mkdir -p */
bool umb__is_folder(const char *path);
bool umb__is_file(const char *path);
/* `relative` seen from the folder that `file` is in; absolute paths stay. Freed with umb__free. */
char *umb__path_beside(struct umb_context *ctx, const char *file, const char *relative);
char *umb__path_join(struct umb_context *ctx, const char *folder, const char *name);

uint64_t umb__clock_ns(void);       /* monotonic */
uint64_t umb__others_busy_ns(void); /* processor time of the process's other threads; 0: unknown */
uint64_t umb__process_age_ns(
    void); /* since the process started, from /proc; since first use elsewhere */
double umb__peak_rss_mib(void);
unsigned umb__cpu_count(void); /* processors this process may run on */
void umb__sleep_ns(uint64_t ns);

/* The context's builder, or NULL. */
const char *umb__context_builder(const struct umb_context *ctx);

/* FNV-1a, 64 bits; start from UMB_HASH_START and chain. Not for adversaries: whoever relies on it
 * keeps the full key beside the value and compares it. */
#define UMB_HASH_START UINT64_C(14695981039346656037)
uint64_t umb__hash(uint64_t hash, const void *data, size_t size);
/* CRC-32 (IEEE 802.3), for files that may be damaged. */
uint32_t umb__crc32(uint32_t crc, const void *data, size_t size);

/* Environment. Unset or empty gives the default; anything not understood is UMB_ERR_INVALID with
 * "VARIABLE: …; expected …". */
const char *umb__env_text(const char *variable); /* NULL when unset or empty */
UMB_MUST_USE enum umb_status umb__env_int(struct umb_context *ctx, const char *variable,
                                          int64_t min, int64_t max, int64_t fallback,
                                          int64_t *ret_value);
/* One of names[n]; *ret_index is its index. */
UMB_MUST_USE enum umb_status umb__env_choice(struct umb_context *ctx, const char *variable,
                                             const char *const *names, size_t n, size_t fallback,
                                             size_t *ret_index);

#endif
