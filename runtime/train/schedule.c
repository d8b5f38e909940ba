/* schedule.c: see schedule.h for the formulas. */
#include "schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

static double cosine(const struct umb_schedule *s, double warmup, double step, double per_epoch)
{
    double length = s->span * per_epoch - warmup;
    double t = length > 0 ? (step - warmup) / length : 1;
    if (t > 1) { t = 1; }
    return s->minimum + (s->rate - s->minimum) * (1 + cos(PI * t)) / 2;
}

double umb__schedule_rate(const struct umb_schedule *s, int64_t step, int64_t steps_per_epoch)
{
    double warmup = floor(s->warmup * (double)steps_per_epoch + 0.5);
    if ((double)step < warmup) { return s->rate * (double)(step + 1) / warmup; }
    switch (s->kind) {
    case UMB_SCHEDULE_CONSTANT:
        break;
    case UMB_SCHEDULE_STEP:
        return s->rate * pow(s->factor, (double)(step / steps_per_epoch / s->every));
    case UMB_SCHEDULE_COSINE:
        return cosine(s, warmup, (double)step, (double)steps_per_epoch);
    }
    return s->rate;
}
