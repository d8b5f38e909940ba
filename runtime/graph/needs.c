#include "fit.h"

#include "plan_internal.h"

static size_t aligned(size_t bytes)
{
    return (bytes + UMB_MEMORY_ALIGN - 1) / UMB_MEMORY_ALIGN * UMB_MEMORY_ALIGN;
}

/* Of a block that devices share the layout of: slots are whole where a device reads any of them. */
static size_t block_bytes(const struct umb_plan *p, const size_t bytes[], bool reads, bool makes)
{
    return (reads ? (size_t)p->n_slots * bytes[0] : 0) + (makes ? bytes[2] : 0) + bytes[1];
}

/* The device's steps name something of that home. */
static bool names_home(const struct umb_plan *p, int device, int home)
{
    for (size_t i = 0; i < p->steps.n; i++) {
        const struct umb_step *s = &p->steps.step[i];
        for (size_t k = 0; s->device == device && k < s->n_args; k++) {
            if (!umb__names_value(&s->args[k])) { continue; }
            const int root = umb__extent(p->graph, &p->steps, s->args[k].value).root;
            if (umb__plan_home(p, root) == home) { return true; }
        }
    }
    return false;
}

static bool has_home(const struct umb_plan *p, int device, int home)
{
    return p->n_devices == 1 || names_home(p, device, home);
}

struct umb_needs umb__plan_needs(struct umb_plan *p, int device)
{
    enum { SLOT, CONSTANTS, OUTPUTS };
    struct umb_needs needs = {.scratch = p->side[device].memory.total};
    size_t bytes[3] = {0};
    for (int v = 0; v < p->graph->n_values; v++) {
        const struct umb_value *value = &p->graph->value[v];
        const size_t own = umb__type_bytes(&value->type);
        if (value->base >= 0) { continue; }
        switch (umb__plan_home(p, v)) {
        case UMB_HOME_SCRATCH:
            break;
        case UMB_HOME_SLOT:
            bytes[SLOT] += aligned(own);
            break;
        case UMB_HOME_CONSTANTS:
            bytes[CONSTANTS] += aligned(own);
            break;
        case UMB_HOME_OUTPUTS:
            bytes[OUTPUTS] += aligned(own);
            break;
        default:
            needs.kept += value->device == device ? own : 0;
        }
    }
    needs.total = needs.scratch + needs.kept + umb__steps_table_words(&p->steps) * sizeof(int64_t) +
                  block_bytes(p, bytes, has_home(p, device, UMB_HOME_SLOT),
                              has_home(p, device, UMB_HOME_OUTPUTS));
    return needs;
}
