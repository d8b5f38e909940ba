/*
 * team.cl: reductions over teams of TEAM items of a work-group, for GPUs. To be included.
 *
 * Team t of a group is its items t·TEAM … A reduction is a tree over the bits of an item's place,
 * the highest first: an item and its partner exchange what they have, through the sub-group where
 * it is wide enough, else through local memory. The tree is the same either way, and so are the
 * bits. A group has whole teams; every item of it calls these; scratch has a float for each.
 */
#include "shuffle.cl"

#define TEAM 32

/* What the item has whose place differs in the bit. */
static inline float team_other(float own, int bit, __local float *scratch)
{
    if (bit < NEIGHBOURS) { return SHUFFLE_XOR(own, bit); }
    barrier(CLK_LOCAL_MEM_FENCE); /* scratch may still be read */
    scratch[get_local_id(0)] = own;
    barrier(CLK_LOCAL_MEM_FENCE);
    return scratch[get_local_id(0) ^ bit];
}

#define FOR_TEAM_BITS(bit) for (int bit = TEAM / 2; bit > 0; bit /= 2)

static inline float team_sum(float a, __local float *scratch)
{
    FOR_TEAM_BITS(bit) { a += team_other(a, bit, scratch); }
    return a;
}

static inline float team_max(float a, __local float *scratch)
{
    FOR_TEAM_BITS(bit) { a = fmax(a, team_other(a, bit, scratch)); }
    return a;
}
