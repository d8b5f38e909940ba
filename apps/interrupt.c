/* interrupt.c: see interrupt.h. */
#include "interrupt.h"

#include <time.h>

#define PATIENCE_S 2

static volatile sig_atomic_t stop;
static volatile time_t asked_s;

static time_t now_s(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* The first one asks the loop to save. A later one ends the process as usual; not one that comes at
 * once, for `timeout` and terminals may send the same signal twice. */
static void ask_to_stop(int number)
{
    if (!stop) { asked_s = now_s(); }
    stop = 1;
    if (now_s() - asked_s >= PATIENCE_S) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

const volatile sig_atomic_t *interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &stop;
}
