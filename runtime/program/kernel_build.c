/* kernel_build.c: OpenCL's compiler, and what it says when it refuses. */
#include "kernel_build.h"
#include "alloc.h"
#include "fail.h"
#include "text.h"
#include <string.h>

#define LOG_LINE_BYTES 1200
#define NO_HEADER "-D_OPENCL_H_" /* what the header of PoCL's compiler defines to be read once */

/* The start of the first line that holds "error", else of the log. */
static const char *first_error(const char *log)
{
    const char *hit = strstr(log, "error");
    if (!hit) { return log; }
    while (hit > log && hit[-1] != '\n') {
        hit--;
    }
    return hit;
}

/* Room for length more bytes is asked for; a cut never parts a UTF-8 sequence. */
static size_t append(char *buffer, size_t size, size_t used, const char *s, size_t length)
{
    size_t room = size - 1 - used;
    if (length > room) {
        length = room;
        while (length > 0 && ((unsigned char)s[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    memcpy(buffer + used, s, length);
    buffer[used + length] = '\0';
    return used + length;
}

void umb__build_log_line(const char *log, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (const char *line = first_error(log); *line;) {
        size_t length = strcspn(line, "\r\n");
        const char *next = line + length + (line[length] != '\0');
        /* what is left of a line of carets and tildes behind this is nothing */
        if (strspn(line, " \t^~") < length) {
            size_t indent = strspn(line, " \t");
            while (line[length - 1] == ' ' || line[length - 1] == '\t') {
                length--;
            }
            if (used > 0) { used = append(buffer, size, used, " | ", 3); }
            used = append(buffer, size, used, line + indent, length - indent);
        }
        line = next;
    }
}

static enum umb_status fail_build(const struct umb_build_desc *desc, cl_program program,
                                  cl_int code)
{
    struct umb_context *ctx = umb__device_context(desc->device);
    cl_device_id id = umb__device_cl_id(desc->device);
    char line[LOG_LINE_BYTES] = "";
    size_t size = 0;
    cl_int err = clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *log = err == CL_SUCCESS ? umb__calloc(ctx, size + 1, 1) : NULL;
    if (log) {
        err = clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
        if (err == CL_SUCCESS) { umb__build_log_line(log, line, sizeof line); }
        umb__free(log);
    }
    return umb__fail(ctx, UMB_ERR_BUILD, "%s, built with \"%s\": %s", desc->file, desc->options,
                     line[0] ? line : umb__cl_error_name(code));
}

static bool is_compile_error(cl_int code)
{
    return code == CL_BUILD_PROGRAM_FAILURE || code == CL_INVALID_BUILD_OPTIONS ||
           code == CL_COMPILE_PROGRAM_FAILURE || code == CL_LINK_PROGRAM_FAILURE;
}

bool umb__build_wants_builtins(struct umb_device *device)
{
    return strstr(umb_device_get_caps(device)->platform, "Portable Computing Language");
}

/* With the declarations that stand before the text alone; NULL where they are not enough. */
static cl_program build_without_header(const struct umb_build_desc *desc, const char *text)
{
    cl_device_id id = umb__device_cl_id(desc->device);
    struct umb_text options = {0};
    cl_program program = NULL;
    umb__text_printf(&options, "%s " NO_HEADER, desc->options);
    if (!options.failed) {
        program =
            clCreateProgramWithSource(umb__device_cl_context(desc->device), 1, &text, NULL, NULL);
    }
    if (program && clBuildProgram(program, 1, &id, options.data, NULL, NULL) != CL_SUCCESS) {
        clReleaseProgram(program);
        program = NULL;
    }
    umb__text_finish(&options);
    return program;
}

enum umb_status umb__build_from_source(const struct umb_build_desc *desc, const char *text,
                                       cl_program *ret_program)
{
    struct umb_context *ctx = umb__device_context(desc->device);
    cl_device_id id = umb__device_cl_id(desc->device);
    cl_program program = NULL;
    if (umb__build_wants_builtins(desc->device)) {
        program = build_without_header(desc, text);
        if (program) {
            *ret_program = program;
            return UMB_OK;
        }
        umb__log(ctx, UMB_LOG_DEBUG, "%s needs OpenCL's header", desc->file);
    }
    cl_int err = CL_SUCCESS;
    program = clCreateProgramWithSource(umb__device_cl_context(desc->device), 1, &text, NULL, &err);
    if (!program) { return umb__cl_check(ctx, err, desc->file); }
    err = clBuildProgram(program, 1, &id, desc->options, NULL, NULL);
    if (err == CL_SUCCESS) {
        *ret_program = program;
        return UMB_OK;
    }
    enum umb_status st = is_compile_error(err) ? fail_build(desc, program, err)
                                               : umb__cl_check(ctx, err, desc->file);
    clReleaseProgram(program);
    return st;
}

cl_program umb__build_from_binary(const struct umb_build_desc *desc, const unsigned char *binary,
                                  size_t size)
{
    cl_device_id id = umb__device_cl_id(desc->device);
    cl_int accepted = CL_SUCCESS, err = CL_SUCCESS;
    cl_program program = clCreateProgramWithBinary(umb__device_cl_context(desc->device), 1, &id,
                                                   &size, &binary, &accepted, &err);
    if (!program) { return NULL; }
    if (err == CL_SUCCESS && accepted == CL_SUCCESS) {
        err = clBuildProgram(program, 1, &id, desc->options, NULL, NULL);
        if (err == CL_SUCCESS) { return program; }
    }
    clReleaseProgram(program);
    return NULL;
}

enum umb_status umb__build_binary(const struct umb_build_desc *desc, cl_program program,
                                  unsigned char **ret_binary, size_t *ret_size)
{
    struct umb_context *ctx = umb__device_context(desc->device);
    size_t size = 0;
    cl_int err = clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL);
    if (err == CL_SUCCESS && size == 0) { err = CL_INVALID_BINARY; }
    if (err != CL_SUCCESS) { return umb__cl_check(ctx, err, desc->file); }
    unsigned char *binary = umb__calloc(ctx, size, 1);
    if (!binary) { return UMB_ERR_NO_MEMORY; }
    err = clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL);
    if (err != CL_SUCCESS) {
        umb__free(binary);
        return umb__cl_check(ctx, err, desc->file);
    }
    *ret_binary = binary;
    *ret_size = size;
    return UMB_OK;
}
