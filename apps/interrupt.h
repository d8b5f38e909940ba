/* interrupt.h: Ctrl-C, for commands that save before they end. */
#ifndef UMBEL_INTERRUPT_H
#define UMBEL_INTERRUPT_H

#include <signal.h>

/* From now on SIGINT and SIGTERM set the flag returned, for umb_loop_desc.stop; a further one ends
 * the process as usual. */
const volatile sig_atomic_t *interrupt_catch(void);

#endif
