/*
 * kernel_source.h: the text that a program is built from.
 *
 * A kernel file is the one of that name in the folder UMBEL_KERNEL_DIR, if that is set and has it,
 * else the embedded one. Includes are put in place here, so that no driver needs an include path;
 * #line directives keep file and line right in build logs. Includes are textual, as in C: a file
 * that several others include guards itself with #ifndef. A file that includes itself, directly or
 * through others, is an error.
 */
#ifndef UMB_KERNEL_SOURCE_H
#define UMB_KERNEL_SOURCE_H

#include "text.h"

/*
 * Appends the whole text of `file` to text. The caller finishes text, on failure too. Errors:
 * UMB_ERR_INVALID (UMBEL_KERNEL_DIR is no folder), UMB_ERR_BUILD (no such file, or an include that
 * cannot be resolved: "FILE:LINE: …"), UMB_ERR_IO, UMB_ERR_NO_MEMORY.
 */
UMB_MUST_USE enum umb_status umb__kernel_source(struct umb_context *ctx, const char *file,
                                                struct umb_text *text);

/*
 * Blanks what makes other kernels out of such a text (kernel_only.c says how it is told), so that
 * a driver compiles one kernel; lines keep their numbers. A text in which nothing seen makes `entry`
 * stays as it is.
 */
void umb__kernel_source_keep_only(struct umb_text *text, const char *entry);

/*
 * Gives each kernel of one item a group, "__kernel ONE_ITEM void NAME(…)" at the start of a line, a
 * function for its body, which PoCL compiles once in place of three times. Lines keep their
 * numbers. Needs builtins.cl before it; text->failed is set when memory is short.
 */
void umb__kernel_source_part_bodies(struct umb_text *text);

/*
 * Has each kernel of the text behind its first `from` bytes do several launches' work:
 * kernel_many.c. Before part_bodies; text->failed is set when memory is short.
 */
void umb__kernel_source_many(struct umb_text *text, size_t from);
/* Whether it would find a kernel `entry` in such a text. */
bool umb__kernel_source_has_many(const char *text, const char *entry);

/* A hash of all kernels' texts, as umb__kernel_source would take them. The same errors. */
UMB_MUST_USE enum umb_status umb__kernels_hash(struct umb_context *ctx, uint64_t *ret_hash);

#endif
