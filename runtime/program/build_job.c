/* build_job.c: see build_job.h. */
#define _POSIX_C_SOURCE 200809L
#include "build_job.h"
#include "alloc.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MESSAGE_BYTES ((uint32_t)1 << 20)

void umb__job_put_number(struct umb_text *t, uint64_t number)
{
    umb__text_add_bytes(t, (const char *)&number, sizeof number);
}

void umb__job_put_string(struct umb_text *t, const char *s)
{
    umb__text_add_bytes(t, s ? s : "", s ? strlen(s) + 1 : 1);
}

static bool is_buffer(char letter)
{
    return letter == 'r' || letter == 'w' || letter == 'm';
}

static void put_arg(struct umb_text *t, char letter, const struct umb_launch_arg *arg)
{
    uint64_t value = 0;
    memcpy(&value, &arg->u, sizeof arg->u);
    umb__job_put_number(t, is_buffer(letter) ? (uint64_t)(uintptr_t)arg->buffer : 0);
    umb__job_put_number(t, is_buffer(letter) ? umb__buffer_bytes(arg->buffer) : 0);
    umb__job_put_number(t, arg->offset);
    umb__job_put_number(t, value);
}

void umb__job_put_launch(struct umb_text *t, const struct umb_launch_desc *desc)
{
    const struct umb_kernel *k = desc->kernel;
    umb__job_put_string(t, k->name);
    umb__job_put_string(t, k->file);
    umb__job_put_string(t, k->entry);
    umb__job_put_string(t, k->signature);
    umb__job_put_string(t, desc->options);
    umb__job_put_number(t, desc->dimensions);
    for (int d = 0; d < 3; d++) {
        umb__job_put_number(t, desc->global[d]);
        umb__job_put_number(t, desc->local[d]);
    }
    umb__job_put_number(t, desc->n_args);
    for (size_t i = 0; i < desc->n_args; i++) {
        put_arg(t, k->signature[i], &desc->args[i]);
    }
}

uint64_t umb__job_number(struct umb_job *job)
{
    uint64_t number = 0;
    job->bad = job->bad || (size_t)(job->end - job->at) < sizeof number;
    if (job->bad) { return 0; }
    memcpy(&number, job->at, sizeof number);
    job->at += sizeof number;
    return number;
}

const char *umb__job_string(struct umb_job *job)
{
    const char *s = job->at;
    const char *nul = job->bad ? NULL : memchr(s, 0, (size_t)(job->end - s));
    job->bad = !nul;
    if (!nul) { return ""; }
    job->at = nul + 1;
    return s;
}

static void read_arg(struct umb_job *job, struct umb_job_launch *l, size_t i)
{
    l->buffer_id[i] = umb__job_number(job);
    l->buffer_bytes[i] = umb__job_number(job);
    l->args[i].offset = umb__job_number(job);
    uint64_t value = umb__job_number(job);
    memcpy(&l->args[i].u, &value, sizeof l->args[i].u);
}

void umb__job_launch(struct umb_job *job, struct umb_job_launch *ret_launch)
{
    struct umb_job_launch *l = ret_launch;
    memset(l, 0, sizeof *l);
    l->kernel.name = umb__job_string(job);
    l->kernel.file = umb__job_string(job);
    l->kernel.entry = umb__job_string(job);
    l->kernel.signature = umb__job_string(job);
    l->desc.options = umb__job_string(job);
    l->desc.dimensions = (unsigned)umb__job_number(job);
    for (int d = 0; d < 3; d++) {
        l->desc.global[d] = umb__job_number(job);
        l->desc.local[d] = umb__job_number(job);
    }
    l->desc.n_args = umb__job_number(job);
    job->bad = job->bad || l->desc.n_args > UMB_MAX_KERNEL_ARGS ||
               l->desc.n_args != strlen(l->kernel.signature);
    for (size_t i = 0; !job->bad && i < l->desc.n_args; i++) {
        read_arg(job, l, i);
    }
    l->desc.kernel = &l->kernel;
    l->desc.args = l->args;
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) { return false; }
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool receive_all(int fd, char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = read(fd, data, size);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) { return false; }
        data += n;
        size -= (size_t)n;
    }
    return true;
}

bool umb__job_send(int fd, const struct umb_text *t)
{
    if (t->failed || t->length > MAX_MESSAGE_BYTES) { return false; }
    uint32_t size = (uint32_t)t->length;
    return send_all(fd, (const char *)&size, sizeof size) && send_all(fd, t->data, size);
}

bool umb__job_receive(int fd, char **ret_data, struct umb_job *ret_job)
{
    uint32_t size = 0;
    if (!receive_all(fd, (char *)&size, sizeof size)) { return false; }
    char *data = size <= MAX_MESSAGE_BYTES ? umb__calloc(NULL, size, 1) : NULL;
    if (!data || !receive_all(fd, data, size)) {
        umb__free(data);
        return false;
    }
    *ret_data = data;
    *ret_job = (struct umb_job){.at = data, .end = data + size};
    return true;
}
