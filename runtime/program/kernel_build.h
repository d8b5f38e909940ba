/*
 * kernel_build.h: OpenCL programs from source or from a binary, for one device.
 */
#ifndef UMB_KERNEL_BUILD_H
#define UMB_KERNEL_BUILD_H

#include "cl_handles.h"

struct umb_build_desc {
    struct umb_device *device;
    const char *file;    /* for messages */
    const char *options; /* all of them, as clBuildProgram gets them */
};

/* Whether texts for this device are to begin with builtins.cl: PoCL then builds them faster. */
bool umb__build_wants_builtins(struct umb_device *device);

/* Compiles the text. Errors: UMB_ERR_BUILD with the file, the options and the head of the build
 * log in one line; UMB_ERR_DEVICE, UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__build_from_source(const struct umb_build_desc *desc,
                                                    const char *text, cl_program *ret_program);

/* NULL when the driver does not accept the binary; sets no message. */
cl_program umb__build_from_binary(const struct umb_build_desc *desc, const unsigned char *binary,
                                  size_t size);

/* The binary of a built program, freed with umb__free. (PoCL builds every kernel of the program
 * again for this.) Errors: UMB_ERR_DEVICE, UMB_ERR_NO_MEMORY. */
UMB_MUST_USE enum umb_status umb__build_binary(const struct umb_build_desc *desc,
                                               cl_program program, unsigned char **ret_binary,
                                               size_t *ret_size);

/* The lines of a build log that matter, in one: from the first that says "error", without carets
 * and blank lines, joined by " | ", cut at a sensible length. buffer is always terminated. */
void umb__build_log_line(const char *log, char *buffer, size_t size);

#endif
