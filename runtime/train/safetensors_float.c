/* safetensors_float.c: see safetensors_float.h. Files are little-endian, as their format says. */
#include "safetensors_float.h"

#include "alloc.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

static uint64_t word(const unsigned char *p, size_t bytes)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < bytes; i++) {
        bits |= (uint64_t)p[i] << (8 * i);
    }
    return bits;
}

/* IEEE 754: sign 1, exponent 5, fraction 10. */
static float half(uint64_t bits)
{
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = (double)(bits & 1023) / 1024, sign = bits >> 15 ? -1 : 1;
    if (exponent == 31) { return (float)(bits & 1023 ? (double)NAN : sign * (double)INFINITY); }
    if (exponent == 0) { return (float)(sign * ldexp(fraction, -14)); }
    return (float)(sign * ldexp(1 + fraction, exponent - 15));
}

/* The upper half of a float32. */
static float brain(uint64_t bits)
{
    const uint32_t whole = (uint32_t)(bits << 16);
    float number;
    memcpy(&number, &whole, sizeof number);
    return number;
}

static float twice(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return (float)number;
}

static const struct {
    const char *name;
    size_t bytes;
    float (*number)(uint64_t bits);
} others[] = {{"F16", 2, half}, {"BF16", 2, brain}, {"F64", 8, twice}};
#define N_OTHERS (sizeof others / sizeof *others)

static size_t find(const char *dtype)
{
    size_t i = 0;
    while (i < N_OTHERS && strcmp(others[i].name, dtype) != 0) {
        i++;
    }
    return i;
}

bool umb__float_is_other(const char *dtype, size_t *ret_bytes)
{
    const size_t i = find(dtype);
    if (i < N_OTHERS) { *ret_bytes = others[i].bytes; }
    return i < N_OTHERS;
}

float *umb__float_to_f32(struct umb_context *ctx, const char *dtype, const void *data, size_t n)
{
    const size_t i = find(dtype);
    float *to = i < N_OTHERS ? umb__calloc(ctx, n, sizeof *to) : NULL;
    for (size_t k = 0; to && k < n; k++) {
        to[k] = others[i].number(
            word((const unsigned char *)data + k * others[i].bytes, others[i].bytes));
    }
    return to;
}
