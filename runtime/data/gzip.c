/* gzip.c: see gzip.h. */
#include "gzip.h"
#include "alloc.h"
#ifdef UMB_LIBDEFLATE
#include <libdeflate.h>
#endif

/* zlib's own memory goes through alloc.h too. */
static void *take(void *user, unsigned n, unsigned size)
{
    return umb__calloc(user, n, size);
}

static void give(void *user, void *p)
{
    (void)user;
    umb__free(p);
}

bool umb__gzip_is(const void *data, size_t size)
{
    const uint8_t *byte = data;
    return size >= 2 && byte[0] == 0x1f && byte[1] == 0x8b;
}

uint64_t umb__gzip_most(size_t size)
{
    return (uint64_t)size * 1032 + 1032;
}

enum umb_status umb__gzip_init(struct umb_context *ctx, const char *path, const void *data,
                               size_t size, struct umb_gzip *gz)
{
    *gz = (struct umb_gzip){.ctx = ctx, .path = path};
    if (size > UINT32_MAX) {
        return umb__fail(ctx, UMB_ERR_FORMAT, "%s: %zu bytes of gzip; expected less than 4 GiB",
                         path, size);
    }
    gz->z.zalloc = take;
    gz->z.zfree = give;
    gz->z.opaque = ctx;
    /* zlib asks for a pointer to data that it never writes. */
    gz->z.next_in = (Bytef *)(uintptr_t)data;
    gz->z.avail_in = (uInt)size;
    if (inflateInit2(&gz->z, 16 + MAX_WBITS) != Z_OK) {
        return umb__fail(ctx, UMB_ERR_NO_MEMORY, "%s: no memory to unpack it", path);
    }
    return UMB_OK;
}

void umb__gzip_finish(struct umb_gzip *gz)
{
    inflateEnd(&gz->z);
}

static enum umb_status fail_at(struct umb_gzip *gz, int code)
{
    if (code == Z_MEM_ERROR) {
        return umb__fail(gz->ctx, UMB_ERR_NO_MEMORY, "%s: no memory to unpack it", gz->path);
    }
    if (code == Z_BUF_ERROR || (code == Z_OK && gz->z.avail_in == 0)) {
        return umb__fail(gz->ctx, UMB_ERR_FORMAT, "%s: the gzip stream ends early", gz->path);
    }
    return umb__fail(gz->ctx, UMB_ERR_FORMAT, "%s: damaged gzip stream (%s)", gz->path,
                     gz->z.msg ? gz->z.msg : "no detail");
}

/* At a member's end: another follows, or nothing does; anything else is garbage. */
static enum umb_status next_member(struct umb_gzip *gz)
{
    gz->ended = gz->z.avail_in == 0;
    if (gz->ended) { return UMB_OK; }
    if (!umb__gzip_is(gz->z.next_in, gz->z.avail_in)) {
        return umb__fail(gz->ctx, UMB_ERR_FORMAT, "%s: %u bytes of garbage behind the gzip stream",
                         gz->path, gz->z.avail_in);
    }
    int code = inflateReset(&gz->z);
    return code == Z_OK ? UMB_OK : fail_at(gz, code);
}

/* Up to n bytes, fewer only at the end of the stream. */
static enum umb_status read_some(struct umb_gzip *gz, uint8_t *out, size_t n, size_t *ret_n)
{
    const size_t chunk = (size_t)1 << 30; /* avail_out has 32 bits */
    size_t done = 0;
    while (done < n && !gz->ended) {
        uInt room = (uInt)(n - done < chunk ? n - done : chunk);
        gz->z.next_out = out + done;
        gz->z.avail_out = room;
        int code = inflate(&gz->z, Z_NO_FLUSH);
        done += room - gz->z.avail_out;
        enum umb_status st = UMB_OK;
        if (code == Z_STREAM_END) {
            st = next_member(gz);
        } else if (code != Z_OK || (gz->z.avail_out > 0 && gz->z.avail_in == 0)) {
            st = fail_at(gz, code);
        }
        if (st != UMB_OK) { return st; }
    }
    *ret_n = done;
    return UMB_OK;
}

enum umb_status umb__gzip_read(struct umb_gzip *gz, void *out, size_t n)
{
    size_t got;
    enum umb_status st = read_some(gz, out, n, &got);
    if (st == UMB_OK && got < n) {
        st = umb__fail(gz->ctx, UMB_ERR_FORMAT,
                       "%s: the unpacked data ends %zu bytes early; its header announces more",
                       gz->path, n - got);
    }
    return st;
}

enum umb_status umb__gzip_expect_end(struct umb_gzip *gz)
{
    uint8_t byte;
    size_t got;
    enum umb_status st = read_some(gz, &byte, 1, &got);
    if (st == UMB_OK && got > 0) {
        st = umb__fail(gz->ctx, UMB_ERR_FORMAT,
                       "%s: more data than its header announces; expected the end", gz->path);
    }
    return st;
}

/* Whether the fast way made it. Where it did not, zlib's way finds out what is wrong. */
static bool unpack_fast(const void *data, size_t size, void *out, size_t n)
{
#ifdef UMB_LIBDEFLATE
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t read = 0, written = 0;
    bool fine = d != NULL;
    while (fine && read < size) {
        size_t in = 0, made = 0;
        fine = libdeflate_gzip_decompress_ex(d, (const char *)data + read, size - read,
                                             (char *)out + written, n - written, &in,
                                             &made) == LIBDEFLATE_SUCCESS;
        read += in;
        written += made;
    }
    libdeflate_free_decompressor(d);
    return fine && written == n;
#else
    (void)data;
    (void)size;
    (void)out;
    (void)n;
    return false;
#endif
}

enum umb_status umb__gzip_unpack(struct umb_context *ctx, const char *path, const void *data,
                                 size_t size, void *out, size_t n)
{
    struct umb_gzip gz;
    if (unpack_fast(data, size, out, n)) { return UMB_OK; }
    enum umb_status st = umb__gzip_init(ctx, path, data, size, &gz);
    if (st != UMB_OK) { return st; }
    st = umb__gzip_read(&gz, out, n);
    if (st == UMB_OK) { st = umb__gzip_expect_end(&gz); }
    umb__gzip_finish(&gz);
    return st;
}
