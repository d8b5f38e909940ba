/* data_files.c: see data_files.h; encoders are in data_images.c. */
#include "data_files.h"
#include "alloc.h"
#include "system.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static struct umb_context *context;
static char folder[32];

int files_set_up(void **state)
{
    (void)state;
    strcpy(folder, "test_data-XXXXXX");
    return mkdtemp(folder) && umb_context_create(NULL, &context) == UMB_OK ? 0 : -1;
}

static int remove_all(const char *path)
{
    DIR *d = opendir(path);
    if (!d) { return unlink(path); }
    int failed = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char inner[600];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) { continue; }
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        failed |= remove_all(inner);
    }
    closedir(d);
    return rmdir(path) | failed;
}

int files_tear_down(void **state)
{
    (void)state;
    umb_context_destroy(context);
    return remove_all(folder);
}

struct umb_context *files_context(void)
{
    return context;
}

const char *in_folder(const char *name)
{
    static char path[8][300];
    static unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

struct blob blob_copy(const void *data, size_t n)
{
    struct blob b = {calloc(1, n + 1), n};
    assert_non_null(b.data);
    if (data) { memcpy(b.data, data, n); }
    return b;
}

void blob_free(struct blob *b)
{
    free(b->data);
    *b = (struct blob){NULL, 0};
}

void put_file(const char *name, const void *data, size_t n)
{
    char path[300];
    snprintf(path, sizeof path, "%s", in_folder(name));
    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_int_equal(umb__make_folders(context, path), UMB_OK);
    *slash = '/';
    unlink(path); /* writing over a file makes some systems wait for the disk */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

void put_blob(const char *name, struct blob b)
{
    put_file(name, b.data, b.n);
    blob_free(&b);
}

char *read_text(const char *path)
{
    char *data = NULL;
    size_t size = 0;
    if (umb__file_read(NULL, path, 1 << 24, &data, &size) != UMB_OK) { fail_msg("%s", path); }
    return data;
}

uint8_t pixel_at(size_t i)
{
    return (uint8_t)(i * 37 + i / 11);
}

static struct blob idx_blob(int n_dims, const uint32_t *dims)
{
    size_t n = 1, header = 4 + 4 * (size_t)n_dims;
    for (int i = 0; i < n_dims; i++) {
        n *= dims[i];
    }
    struct blob b = blob_copy(NULL, header + n);
    b.data[2] = 8;
    b.data[3] = (uint8_t)n_dims;
    for (int i = 0; i < n_dims; i++) {
        for (int k = 0; k < 4; k++) {
            b.data[4 + 4 * i + k] = (uint8_t)(dims[i] >> (24 - 8 * k));
        }
    }
    return b;
}

struct blob idx_images(uint32_t n, uint32_t height, uint32_t width)
{
    const uint32_t dims[3] = {n, height, width};
    struct blob b = idx_blob(3, dims);
    for (size_t i = 16; i < b.n; i++) {
        b.data[i] = pixel_at(i - 16);
    }
    return b;
}

struct blob idx_labels(uint32_t n, uint32_t n_classes)
{
    struct blob b = idx_blob(1, &n);
    for (size_t i = 8; i < b.n; i++) {
        b.data[i] = (uint8_t)((i - 8) % n_classes);
    }
    return b;
}

struct blob gzip_blob(struct blob b)
{
    z_stream z = {.next_in = b.data, .avail_in = (uInt)b.n};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    struct blob packed = blob_copy(NULL, deflateBound(&z, b.n));
    z.next_out = packed.data;
    z.avail_out = (uInt)packed.n;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed.n = z.total_out;
    deflateEnd(&z);
    blob_free(&b);
    return packed;
}

void put_idx_set(uint32_t n, uint32_t n_test)
{
    put_blob("train-images-idx3-ubyte", idx_images(n, 3, 2));
    put_blob("train-labels-idx1-ubyte", idx_labels(n, 3));
    put_blob("t10k-images-idx3-ubyte", idx_images(n_test, 3, 2));
    put_blob("t10k-labels-idx1-ubyte", idx_labels(n_test, 3));
}

struct blob cifar_batch(size_t n, int first)
{
    struct blob b = blob_copy(NULL, n * 3073);
    for (size_t i = 0; i < n; i++) {
        uint8_t *record = b.data + i * 3073;
        record[0] = (uint8_t)(((size_t)first + i) % 10);
        memset(record + 1, record[0], 1024);
        memset(record + 1025, 100, 1024);
        memset(record + 2049, 200, 1024);
    }
    return b;
}

void assert_failed(enum umb_status st, enum umb_status want, const char *const *pieces)
{
    const char *message = umb_context_error(context);
    if (st != want) {
        fail_msg("status %s, expected %s; message '%s'", umb_status_name(st), umb_status_name(want),
                 message);
    }
    for (; *pieces; pieces++) {
        if (!strstr(message, *pieces)) { fail_msg("'%s' lacks '%s'", message, *pieces); }
    }
}

struct umb_dataset *must_open(const struct umb_dataset_desc *desc)
{
    struct umb_dataset *ds = NULL;
    enum umb_status st = umb_dataset_open(context, desc, &ds);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(context)); }
    return ds;
}

void must_refuse(const struct umb_dataset_desc *desc, enum umb_status want,
                 const char *const *pieces)
{
    struct umb_dataset *ds = NULL;
    uint64_t before = umb__alloc_live();
    enum umb_status st = umb_dataset_open(context, desc, &ds);
    if (ds) { umb_dataset_close(ds); }
    assert_failed(st, want, pieces);
    assert_null(ds);
    assert_int_equal(umb__alloc_live(), before);
}

void must_open_without_memory(const struct umb_dataset_desc *desc, uint64_t fewest, uint64_t most)
{
    const uint64_t before = umb__alloc_live();
    uint64_t n = 0;
    enum umb_status st;
    do {
        struct umb_dataset *ds = NULL;
        umb__alloc_fail_at(++n);
        st = umb_dataset_open(context, desc, &ds);
        umb__alloc_fail_at(0);
        if (st != UMB_OK) { assert_failed(st, UMB_ERR_NO_MEMORY, PIECES("memory")); }
        umb_dataset_close(ds);
        assert_int_equal(umb__alloc_live(), before);
    } while (st != UMB_OK);
    assert_in_range(n, fewest, most);
}

int must_read(struct umb_dataset *ds, enum umb_split split, int64_t index, uint8_t *image)
{
    static uint8_t unwanted[1 << 20];
    int32_t label = -2;
    void *targets[1] = {&label};
    assert_int_equal(umb_dataset_n_targets(ds), 1);
    enum umb_status st = umb_dataset_read(ds, split, index, image ? image : unwanted, targets);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(context)); }
    return label;
}

const char *real_data(const char *name)
{
    static char path[1000];
    const char *data = getenv("UMBEL_DATA"), *source = getenv("UMBEL_TEST_SOURCE");
    if (data && data[0]) {
        snprintf(path, sizeof path, "%s/%s", data, name);
    } else {
        snprintf(path, sizeof path, "%s/../shared/data/%s", source ? source : ".", name);
    }
    if (access(path, R_OK) == 0) { return path; }
    print_message("# %s: not there; skipped\n", name);
    return NULL;
}

struct umb_dataset *open_real_data(struct umb_context *ctx, const char *name, int64_t limit)
{
    const char *path = real_data(name);
    struct umb_dataset_desc desc = {.format = "idx", .path = path, .limit = limit};
    struct umb_dataset *ds = NULL;
    if (path && umb_dataset_open(ctx, &desc, &ds) != UMB_OK) {
        fail_msg("%s", umb_context_error(ctx));
    }
    return ds;
}
