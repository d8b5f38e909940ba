/* hash.c: FNV-1a for keys, CRC-32 for files that may be damaged. */
#include "system.h"

uint64_t umb__hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

/* crc_of[n] is the remainder of the four bits n under the reflected polynomial EDB88320; two steps
 * of four bits a byte need 16 words where the usual table needs 256. */
static const uint32_t crc_of[16] = {
    0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
    0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};

uint32_t umb__crc32(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc_of[crc & 15] ^ (crc >> 4);
        crc = crc_of[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}
