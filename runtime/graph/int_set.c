#include "int_set.h"

enum umb_status umb__int_set_init(struct umb_context *ctx, int n, struct umb_int_set *s)
{
    *s = (struct umb_int_set){0};
    for (size_t words = ((size_t)n + 63) / 64;; words = (words + 63) / 64) {
        s->level[s->n_levels] = umb__calloc(ctx, words + 1, sizeof(uint64_t));
        if (!s->level[s->n_levels++]) {
            umb__int_set_finish(s);
            return UMB_ERR_NO_MEMORY;
        }
        if (words <= 1) { return UMB_OK; }
    }
}

void umb__int_set_finish(struct umb_int_set *s)
{
    for (int l = 0; l < s->n_levels; l++) {
        umb__free(s->level[l]);
    }
    *s = (struct umb_int_set){0};
}

void umb__int_set_add(struct umb_int_set *s, int i)
{
    for (int l = 0; l < s->n_levels; l++, i /= 64) {
        s->level[l][i / 64] |= UINT64_C(1) << (i % 64);
    }
}

void umb__int_set_remove(struct umb_int_set *s, int i)
{
    for (int l = 0; l < s->n_levels; l++, i /= 64) {
        s->level[l][i / 64] &= ~(UINT64_C(1) << (i % 64));
        if (s->level[l][i / 64]) { return; }
    }
}

static int lowest(uint64_t bits)
{
    return __builtin_ctzll(bits);
}

static int highest(uint64_t bits)
{
    return 63 - __builtin_clzll(bits);
}

int umb__int_set_below(const struct umb_int_set *s, int i)
{
    for (int l = 0; l < s->n_levels; l++, i /= 64) {
        const uint64_t bits = s->level[l][i / 64] & ((UINT64_C(1) << (i % 64)) - 1);
        if (!bits) { continue; }
        int found = i / 64 * 64 + highest(bits);
        while (l-- > 0) {
            found = 64 * found + highest(s->level[l][found]);
        }
        return found;
    }
    return -1;
}

int umb__int_set_above(const struct umb_int_set *s, int i)
{
    for (int l = 0; l < s->n_levels; l++, i /= 64) {
        const uint64_t bits = s->level[l][i / 64] >> (i % 64) >> 1 << 1 << (i % 64);
        if (!bits) { continue; }
        int found = i / 64 * 64 + lowest(bits);
        while (l-- > 0) {
            found = 64 * found + lowest(s->level[l][found]);
        }
        return found;
    }
    return -1;
}
