/* process.c: memory and processors of this process. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "system.h"
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* VmHWM of /proc/self/status in KiB, or 0. Preferred to getrusage, whose figure a program inherits
 * from the larger process that started it. */
static unsigned long peak_from_proc_kib(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    if (!f) { return 0; }
    char line[256];
    unsigned long kib = 0;
    while (fgets(line, sizeof line, f) && sscanf(line, "VmHWM: %lu", &kib) != 1) {}
    fclose(f);
    return kib;
}

double umb__peak_rss_mib(void)
{
    unsigned long kib = peak_from_proc_kib();
    struct rusage usage;
    if (kib == 0 && getrusage(RUSAGE_SELF, &usage) == 0) { kib = (unsigned long)usage.ru_maxrss; }
    return (double)kib / 1024;
}

unsigned umb__cpu_count(void)
{
#ifdef CPU_COUNT
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        int n = CPU_COUNT(&allowed);
        if (n > 0) { return (unsigned)n; }
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}
