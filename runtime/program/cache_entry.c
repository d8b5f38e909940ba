/* cache_entry.c: an entry to bytes and back. */
#include "cache_entry.h"
#include "alloc.h"
#include "fail.h"
#include "system.h"
#include <string.h>

static const char magic[8] = {'U', 'M', 'B', 'K', 'E', 'R', 'N', '\n'};
#define FORMAT_VERSION 1u
#define CRC_OFFSET 12 /* of the field; what it covers begins behind it */

static void put(unsigned char *p, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        p[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint64_t get(const unsigned char *p, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)p[i] << (8 * i);
    }
    return value;
}

static uint32_t checksum(const unsigned char *entry, size_t size)
{
    return umb__crc32(0, entry + CRC_OFFSET + 4, size - CRC_OFFSET - 4);
}

enum umb_status umb__cache_entry_encode(struct umb_context *ctx, struct umb_bytes key,
                                        struct umb_bytes binary, unsigned char **ret_data,
                                        size_t *ret_size)
{
    size_t size = 0;
    if (!umb__add_size(key.size, binary.size, &size) ||
        !umb__add_size(size, UMB_CACHE_HEADER_BYTES, &size)) {
        return umb__fail(ctx, UMB_ERR_NO_MEMORY, "kernel cache: an entry too large");
    }
    unsigned char *p = umb__calloc(ctx, size, 1);
    if (!p) { return UMB_ERR_NO_MEMORY; }
    memcpy(p, magic, sizeof magic);
    put(p + 8, FORMAT_VERSION, 4);
    put(p + 16, key.size, 8);
    put(p + 24, binary.size, 8);
    memcpy(p + UMB_CACHE_HEADER_BYTES, key.data, key.size);
    memcpy(p + UMB_CACHE_HEADER_BYTES + key.size, binary.data, binary.size);
    put(p + CRC_OFFSET, checksum(p, size), 4);
    *ret_data = p;
    *ret_size = size;
    return UMB_OK;
}

const char *umb__cache_entry_decode(struct umb_bytes file, struct umb_bytes key,
                                    struct umb_bytes *ret_binary)
{
    const unsigned char *p = file.data;
    if (file.size < UMB_CACHE_HEADER_BYTES) { return "shorter than its header"; }
    if (memcmp(p, magic, sizeof magic) != 0) { return "no kernel cache entry"; }
    if (get(p + 8, 4) != FORMAT_VERSION) { return "another format version"; }
    size_t payload = file.size - UMB_CACHE_HEADER_BYTES;
    uint64_t key_size = get(p + 16, 8), binary_size = get(p + 24, 8);
    if (key_size > payload || binary_size != payload - key_size || binary_size == 0) {
        return "sizes that do not fit the file";
    }
    if (get(p + CRC_OFFSET, 4) != checksum(p, file.size)) { return "a wrong checksum"; }
    if (key_size != key.size || memcmp(p + UMB_CACHE_HEADER_BYTES, key.data, key.size) != 0) {
        return "the key of another program";
    }
    *ret_binary = (struct umb_bytes){p + UMB_CACHE_HEADER_BYTES + key.size, (size_t)binary_size};
    return NULL;
}
