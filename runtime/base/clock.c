/* clock.c: time, and the process's age. */
#define _GNU_SOURCE /* CLOCK_BOOTTIME */
#include "system.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t to_ns(struct timespec t)
{
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t umb__clock_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return to_ns(now);
}

uint64_t umb__others_busy_ns(void)
{
    struct timespec all, own;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all) != 0 ||
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own) != 0) {
        return 0;
    }
    const uint64_t of_all = to_ns(all), ours = to_ns(own);
    return of_all > ours ? of_all - ours : 0;
}

#ifdef CLOCK_BOOTTIME
/* When the process started, in ns since boot, from field 22 of /proc/self/stat (proc(5)); 0 when
 * that cannot be read. The name in field 2 may hold blanks and brackets, so counting starts behind
 * its last bracket. */
static uint64_t start_since_boot_ns(void)
{
    char stat[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0) { return 0; }
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (n <= 0) { return 0; }
    stat[n] = 0;
    const char *c = strrchr(stat, ')');
    for (int field = 2; c && field < 22; field++) {
        c = strchr(c + 1, ' ');
    }
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    if (!c || ticks_per_s <= 0) { return 0; }
    return strtoull(c + 1, NULL, 10) * (NS_PER_S / (uint64_t)ticks_per_s);
}
#endif

static uint64_t since_first_use_ns(void)
{
    static _Atomic uint64_t first;
    uint64_t now = umb__clock_ns(), unset = 0;
    if (atomic_compare_exchange_strong(&first, &unset, now)) { return 0; }
    return now - unset;
}

uint64_t umb__process_age_ns(void)
{
#ifdef CLOCK_BOOTTIME
    struct timespec now;
    uint64_t start = start_since_boot_ns();
    if (start > 0 && clock_gettime(CLOCK_BOOTTIME, &now) == 0 && to_ns(now) >= start) {
        return to_ns(now) - start;
    }
#endif
    return since_first_use_ns();
}

void umb__sleep_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}
