/*
 * status.h: what a fallible function returns.
 *
 * Every function of the library that can fail returns one of these and leaves a message in the
 * context it was given (umb_context_error). The library never exits, aborts or prints.
 */
#ifndef UMBEL_STATUS_H
#define UMBEL_STATUS_H

#if defined(__GNUC__) || defined(__clang__)
#define UMB_MUST_USE __attribute__((warn_unused_result))
#define UMB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define UMB_MUST_USE
#define UMB_PRINTF(fmt, args)
#endif

enum umb_status {
    UMB_OK = 0,
    UMB_ERR_NO_MEMORY,   /* the host's memory, or the device's */
    UMB_ERR_INVALID,     /* a wrong argument, key, value, shape or selector: the caller's to mend */
    UMB_ERR_FORMAT,      /* a file is not what it says it is */
    UMB_ERR_IO,          /* the system refused to open, read or write something */
    UMB_ERR_DEVICE,      /* OpenCL reported an error; the message names it */
    UMB_ERR_BUILD,       /* a kernel did not compile; the message holds the head of the log */
    UMB_ERR_UNSUPPORTED, /* right, but not on this device or in this build */
    UMB_ERR_INTERRUPTED, /* stopped on request; what had to be saved was saved */
    UMB_STATUS_COUNT
};

/* The name of a status ("invalid", "device" …), for logs. Never NULL. */
const char *umb_status_name(enum umb_status status);

#endif
