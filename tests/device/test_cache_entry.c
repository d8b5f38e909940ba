/* test_cache_entry.c: the bytes of a cache entry, and the bound of the folder; no device. */
#include "alloc.h"
#include "kernel_cache.h"
#include "system.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const struct umb_bytes key = {"the key\0 of it", 14};
static const struct umb_bytes binary = {"\177ELF and so on", 14};

static unsigned char *encode(size_t *size)
{
    unsigned char *data = NULL;
    assert_int_equal(umb__cache_entry_encode(NULL, key, binary, &data, size), UMB_OK);
    return data;
}

static const char *decode(const unsigned char *data, size_t size)
{
    struct umb_bytes found = {0};
    /* a copy that ends where the entry does, for the address sanitizer */
    unsigned char *copy = malloc(size + !size);
    memcpy(copy, data, size);
    const char *wrong = umb__cache_entry_decode((struct umb_bytes){copy, size}, key, &found);
    free(copy);
    return wrong;
}

static void there_and_back(void **state)
{
    (void)state;
    size_t size = 0;
    unsigned char *data = encode(&size);
    struct umb_bytes found = {0};
    assert_int_equal(size, UMB_CACHE_HEADER_BYTES + 28);
    assert_null(umb__cache_entry_decode((struct umb_bytes){data, size}, key, &found));
    assert_int_equal(found.size, binary.size);
    assert_memory_equal(found.data, binary.data, binary.size);
    umb__free(data);
}

static void every_damaged_byte_is_seen(void **state)
{
    (void)state;
    size_t size = 0;
    unsigned char *data = encode(&size);
    for (size_t i = 0; i < size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            data[i] ^= (unsigned char)(1 << bit);
            if (!decode(data, size)) { fail_msg("byte %zu, bit %d: damage not seen", i, bit); }
            data[i] ^= (unsigned char)(1 << bit);
        }
    }
    assert_null(decode(data, size));
    umb__free(data);
}

static void every_length_is_seen(void **state)
{
    (void)state;
    size_t size = 0;
    unsigned char *data = encode(&size), *longer = calloc(1, size + 9);
    memcpy(longer, data, size);
    for (size_t n = 0; n < size + 9; n++) {
        const char *wrong = decode(longer, n);
        if ((wrong == NULL) != (n == size)) {
            fail_msg("%zu bytes of %zu: %s", n, size, wrong ? wrong : "taken");
        }
    }
    free(longer);
    umb__free(data);
}

/* A lie with a right checksum: the size fields are what they say, and only those. */
static void expect_lie_seen(uint64_t key_size, uint64_t binary_size)
{
    size_t size = 0;
    unsigned char *data = encode(&size);
    for (int i = 0; i < 8; i++) {
        data[16 + i] = (unsigned char)(key_size >> (8 * i));
        data[24 + i] = (unsigned char)(binary_size >> (8 * i));
    }
    uint32_t crc = umb__crc32(0, data + 16, size - 16);
    for (int i = 0; i < 4; i++) {
        data[12 + i] = (unsigned char)(crc >> (8 * i));
    }
    const char *wrong = decode(data, size);
    if (!wrong) {
        fail_msg("sizes %llu and %llu were taken", (unsigned long long)key_size,
                 (unsigned long long)binary_size);
    }
    umb__free(data);
}

static void sizes_that_lie(void **state)
{
    (void)state;
    expect_lie_seen(UINT64_MAX, UINT64_MAX);
    expect_lie_seen(UINT64_MAX, 29); /* their sum wraps to the right one */
    expect_lie_seen(29, UINT64_MAX);
    expect_lie_seen(14, 13);
    expect_lie_seen(14, 15);
    expect_lie_seen(15, 13);
    expect_lie_seen(13, 15);
    expect_lie_seen(0, 28);
    expect_lie_seen(28, 0);
    expect_lie_seen((uint64_t)1 << 32, 14);
}

static void another_key_is_another_program(void **state)
{
    (void)state;
    size_t size = 0;
    unsigned char *data = encode(&size);
    struct umb_bytes found = {0}, other = {"the key\0 of IT", 14}, shorter = {"the key", 7};
    struct umb_bytes file = {data, size};
    assert_string_equal(umb__cache_entry_decode(file, other, &found), "the key of another program");
    assert_string_equal(umb__cache_entry_decode(file, shorter, &found),
                        "the key of another program");
    umb__free(data);
}

static void names_of_entries(void **state)
{
    (void)state;
    char a[UMB_CACHE_NAME_BYTES], b[UMB_CACHE_NAME_BYTES], again[UMB_CACHE_NAME_BYTES];
    umb__cache_entry_name(key, a);
    umb__cache_entry_name(binary, b);
    umb__cache_entry_name(key, again);
    assert_int_equal(strlen(a), 37);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_string_equal(a + 32, ".umbk");
    assert_string_not_equal(a, b);
    assert_string_equal(a, again);
    assert_memory_not_equal(a, a + 16, 16); /* the halves are two hashes */
}

static void keys_tell_programs_apart(void **state)
{
    (void)state;
    struct umb_device_caps caps = {.name = "a", .vendor = "b", .platform = "c", .driver = "d"};
    struct umb_device_caps other = {.name = "a", .vendor = "bc", .platform = "", .driver = "d"};
    struct umb_bytes keys[4] = {0};
    assert_int_equal(umb__cache_key(NULL, &caps, "-DA", "text", &keys[0]), UMB_OK);
    assert_int_equal(umb__cache_key(NULL, &other, "-DA", "text", &keys[1]), UMB_OK);
    assert_int_equal(umb__cache_key(NULL, &caps, "-DAt", "ext", &keys[2]), UMB_OK);
    assert_int_equal(umb__cache_key(NULL, &caps, "-DA", "text", &keys[3]), UMB_OK);
    for (int i = 1; i < 3; i++) {
        assert_false(keys[0].size == keys[i].size &&
                     memcmp(keys[0].data, keys[i].data, keys[0].size) == 0);
    }
    assert_int_equal(keys[0].size, keys[3].size);
    assert_memory_equal(keys[0].data, keys[3].data, keys[0].size);
    for (int i = 0; i < 4; i++) {
        umb__free((void *)keys[i].data);
    }
}

struct folder {
    char path[512];
};

static int folder_setup(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    const char *build = getenv("UMBEL_TEST_BUILD");
    snprintf(f->path, sizeof f->path, "%s/cache-test-XXXXXX", build ? build : ".");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

static int folder_teardown(void **state)
{
    struct folder *f = *state;
    char path[1024];
    DIR *dir = opendir(f->path);
    for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s", f->path, d->d_name);
        if (d->d_name[0] != '.') { remove(path); }
    }
    closedir(dir);
    rmdir(f->path);
    free(f);
    return 0;
}

/* An entry's name of 32 times `digit`, with `suffix` behind. */
static void file_path(const struct folder *f, char digit, const char *suffix, char path[1024])
{
    char digits[33] = "";
    memset(digits, digit, 32);
    snprintf(path, 1024, "%s/%s%s", f->path, digits, suffix);
}

static void add_file(const struct folder *f, char digit, const char *suffix, off_t size, time_t age)
{
    char path[1024];
    file_path(f, digit, suffix, path);
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void expect_file(const struct folder *f, char digit, const char *suffix, bool expected)
{
    char path[1024];
    struct stat info;
    file_path(f, digit, suffix, path);
    bool there = lstat(path, &info) == 0;
    if (there != expected) {
        fail_msg("%c…%s is %s; expected it %s", digit, suffix, there ? "there" : "gone",
                 expected ? "there" : "gone");
    }
}

static void the_oldest_entries_go(void **state)
{
    struct folder *f = *state;
    add_file(f, 'a', ".umbk", 1000, 10);
    add_file(f, 'b', ".umbk", 1000, 40);
    add_file(f, 'c', ".umbk", 1000, 20);
    add_file(f, 'd', ".umbk", 1000, 30);
    umb__cache_bound(f->path, 2500);
    expect_file(f, 'a', ".umbk", true);
    expect_file(f, 'b', ".umbk", false);
    expect_file(f, 'c', ".umbk", true);
    expect_file(f, 'd', ".umbk", false);
}

static void a_folder_within_its_bound_stays(void **state)
{
    struct folder *f = *state;
    add_file(f, 'a', ".umbk", 1000, 10);
    add_file(f, 'b', ".umbk", 1000, 40);
    umb__cache_bound(f->path, 2000);
    expect_file(f, 'a', ".umbk", true);
    expect_file(f, 'b', ".umbk", true);
}

static void other_files_stay(void **state)
{
    struct folder *f = *state;
    add_file(f, 'g', ".umbk", 5000, 90); /* no hexadecimal digit */
    add_file(f, 'a', ".text", 5000, 90);
    add_file(f, 'a', "0.umbk", 5000, 90);
    add_file(f, 'b', ".umbk", 1000, 90);
    umb__cache_bound(f->path, 10);
    expect_file(f, 'g', ".umbk", true);
    expect_file(f, 'a', ".text", true);
    expect_file(f, 'a', "0.umbk", true);
    expect_file(f, 'b', ".umbk", false);
}

static void temporaries_of_killed_processes_go(void **state)
{
    struct folder *f = *state;
    add_file(f, 'a', ".umbk.tmp-77-0", 1000, 100);
    add_file(f, 'b', ".umbk", 1000, 10);
    umb__cache_bound(f->path, 1500);
    expect_file(f, 'a', ".umbk.tmp-77-0", false);
    expect_file(f, 'b', ".umbk", true);
}

static void links_are_not_followed(void **state)
{
    struct folder *f = *state;
    char target[1024], link[1024];
    add_file(f, 'g', ".umbk", 5000, 90);
    file_path(f, 'g', ".umbk", target);
    file_path(f, 'a', ".umbk", link);
    assert_int_equal(symlink(target, link), 0);
    umb__cache_bound(f->path, 10);
    expect_file(f, 'g', ".umbk", true);
    expect_file(f, 'a', ".umbk", true);
}

static void a_folder_that_is_missing(void **state)
{
    (void)state;
    umb__cache_bound("no/such/folder", 10);
}

static void more_entries_than_the_first_list_holds(void **state)
{
    struct folder *f = *state;
    char suffix[32];
    for (int i = 0; i < 200; i++) {
        snprintf(suffix, sizeof suffix, ".umbk.tmp-%d-0", i);
        add_file(f, 'a', suffix, 100, 1000 - i);
    }
    umb__cache_bound(f->path, 1000);
    for (int i = 0; i < 200; i++) {
        snprintf(suffix, sizeof suffix, ".umbk.tmp-%d-0", i);
        expect_file(f, 'a', suffix, i >= 190);
    }
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(every_damaged_byte_is_seen),
        cmocka_unit_test(every_length_is_seen),
        cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(another_key_is_another_program),
        cmocka_unit_test(names_of_entries),
        cmocka_unit_test(keys_tell_programs_apart),
        cmocka_unit_test(a_folder_that_is_missing),
        IN_FOLDER(the_oldest_entries_go),
        IN_FOLDER(a_folder_within_its_bound_stays),
        IN_FOLDER(other_files_stay),
        IN_FOLDER(temporaries_of_killed_processes_go),
        IN_FOLDER(links_are_not_followed),
        IN_FOLDER(more_entries_than_the_first_list_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
