/* plan_show.c: what a plan can say of its schedule: who waits for whom, when, and what binds it. */
#include "plan_internal.h"
#include <stdio.h>

size_t umb__plan_step_wait(const struct umb_plan *p, size_t index, int k)
{
    const int step = p->schedule.order[index];
    return (size_t)p->schedule.rank[p->schedule.wait[p->schedule.wait_start[step] + k]];
}

int umb__plan_step_member(const struct umb_plan *p, size_t index, size_t m)
{
    const struct umb_step *s = &p->steps.step[p->schedule.order[index]];
    return s->n_members ? s->member[m].node : s->node;
}

struct umb_plan_times umb__plan_step_times(const struct umb_plan *p, size_t index)
{
    const int step = p->schedule.order[index];
    struct umb_plan_times t = {.cost_ns = p->cost_ns[step]};
    if (p->alone_ns) { t.alone_ns = (uint64_t)p->alone_ns[step]; }
    if (p->critical) { t.critical = p->critical[step]; }
    return t;
}

void umb__plan_expected(const struct umb_plan *p, double *ret_start_ns, double *ret_end_ns)
{
    const struct umb_schedule *s = &p->schedule;
    double free_at[UMB_SCHEDULE_QUEUES] = {0};
    for (int o = 0; o < s->n; o++) {
        const int step = s->order[o], q = s->queue[step];
        double start = free_at[q];
        for (int w = s->wait_start[step]; w < s->wait_start[step + 1]; w++) {
            const double end = ret_end_ns[s->rank[s->wait[w]]];
            start = end > start ? end : start;
        }
        ret_start_ns[o] = start;
        ret_end_ns[o] = free_at[q] = start + p->cost_ns[step];
    }
}

const char *umb__plan_queue_name(const struct umb_plan *p, int queue, char *buffer, size_t size)
{
    const int device = umb__plan_lane_device(p, queue), kind = p->lane_kind[queue] / p->n_devices;
    if (p->n_devices == 1 && kind == UMB_NO_TRANSFER) {
        snprintf(buffer, size, "queue %d", queue);
    } else if (p->n_devices == 1) {
        snprintf(buffer, size, kind == UMB_FETCH ? "to host" : "from host");
    } else if (kind == UMB_NO_TRANSFER) {
        snprintf(buffer, size, "dev %d queue %d", device, queue % p->n_queues);
    } else {
        snprintf(buffer, size, "dev %d %s", device, kind == UMB_FETCH ? "out" : "in");
    }
    return buffer;
}

struct umb_plan_transfer umb__plan_upload(const struct umb_plan *p)
{
    return p->upload_time;
}

struct umb_plan_transfer umb__plan_read_back(const struct umb_plan *p)
{
    return p->read_time;
}
