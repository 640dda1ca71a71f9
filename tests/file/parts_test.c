/*
 * parts_test.c - reading and writing several stretches of memory as one
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/io.h"
#include "tests/file/folder.h"
#include "tests/support/fault_loop.h"

static const weir_file_options to_read_and_write = {.access = WEIR_FILE_READ_WRITE, .create = true};

static weir_file *open_file(const char *path, const weir_file_options *options)
{
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open(path, options, &file));
    return file;
}

IO_TEST(parts_are_one_stretch_in_the_file)
{
    struct folder folder = folder_make();
    weir_file *file = open_file(folder_path(&folder, "a"), &to_read_and_write);
    weir_str words[] = {WEIR_STR(""), WEIR_STR("many "), WEIR_STR(""), WEIR_STR("words"),
                        WEIR_STR("")};
    size_t done = 99;
    EXPECT_RC(0, weir_file_write_parts(file, words, 5, 3, &done));
    EXPECT_EQ(10, done);
    char a[4] = {0}, b[30] = {0};
    weir_bytes parts[] = {{a, 3}, {NULL, 0}, {b, sizeof b}};
    EXPECT_RC(0, weir_file_read_parts(file, parts, 3, 3, &done));
    EXPECT_EQ(10, done); // fewer than there is room for: the end
    EXPECT_STR("man", a);
    EXPECT_STR("y words", b);
    EXPECT_RC(0, weir_file_read_parts(file, parts, 3, 13, &done));
    EXPECT_EQ(0, done);
    EXPECT_RC(0, weir_file_write_parts(file, words, 0, 0, NULL));
    EXPECT_RC(0, weir_file_write_parts(file, words, 1, 0, NULL));
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(more_parts_than_one_call_takes_arrive_in_place)
{
    enum { COUNT = 333, MOST = 9001 };
    struct folder folder = folder_make();
    char *data = malloc((size_t)COUNT * MOST);
    char *back = malloc((size_t)COUNT * MOST);
    fill_pattern(data, (size_t)COUNT * MOST, 0);
    weir_str from[COUNT];
    weir_bytes to[COUNT];
    size_t at = 0;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i * 7919 % MOST;
        from[i] = (weir_str){data + at, size};
        to[COUNT - 1 - i].size = size;
        at += size;
    }
    size_t total = at;
    at = 0;
    for (size_t i = 0; i < COUNT; i++) {
        to[i].data = back + at;
        at += to[i].size;
    }
    weir_file *file = open_file(folder_path(&folder, "a"), &to_read_and_write);
    size_t done = 0;
    EXPECT_RC(0, weir_file_write_parts(file, from, COUNT, 1, &done));
    EXPECT_EQ(total, done);
    EXPECT_RC(0, weir_file_read_parts(file, to, COUNT, 1, &done));
    EXPECT_EQ(total, done);
    EXPECT(is_pattern(back, total, 0));
    /* And from the disk. */
    memset(back, 0, total);
    EXPECT_RC(0, weir_file_sync(file));
    EXPECT_RC(0, weir_file_advise(file, WEIR_FILE_DROP, 0, 0));
    EXPECT_RC(0, weir_file_read_parts(file, to, COUNT, 1, &done));
    EXPECT_EQ(total, done);
    EXPECT(is_pattern(back, total, 0));
    EXPECT_RC(0, weir_file_close(file));
    free(back);
    free(data);
    folder_remove(&folder);
}

IO_TEST(a_part_that_fails_leaves_an_exact_count) /* O6 */
{
    if (!weir__io_features()->file_ops)
        return test_skip("its failure is made on the ring");
    enum { SIZE = 1 << 20 };
    struct folder folder = folder_make();
    char *data = calloc(1, SIZE);
    weir_str parts[] = {{data, SIZE}, {data, 5}, {data, SIZE}};
    weir_file *file = open_file(folder_path(&folder, "a"), &to_read_and_write);
    size_t done = 99;
    weir__base_fault_arm(WEIR__FAULT_RING, 2, -EIO, true);
    EXPECT_RC(-EIO, weir_file_write_parts(file, parts, 3, 0, &done));
    weir__base_fault_disarm();
    EXPECT_EQ(SIZE, done);
    int64_t size = 0;
    EXPECT_RC(0, weir_file_size(file, &size));
    EXPECT_EQ(SIZE, size);
    EXPECT_RC(0, weir_file_close(file));
    free(data);
    folder_remove(&folder);
}

IO_TEST(parts_that_make_no_sense_are_refused)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    weir_file *file = open_file(path, &to_read_and_write);
    size_t done = 99;
    weir_bytes huge[] = {{&done, SIZE_MAX}, {&done, 8}};
    EXPECT_RC(-EINVAL, weir_file_read_parts(file, huge, 2, 0, &done));
    EXPECT_EQ(0, done);
    weir_str some = WEIR_STR("x");
    EXPECT_RC(-EINVAL, weir_file_write_parts(file, &some, 1, -1, &done));
    EXPECT_RC(0, weir_file_close(file));
    file = open_file(path, &(weir_file_options){.access = WEIR_FILE_APPEND});
    EXPECT_RC(-EINVAL, weir_file_write_parts(file, &some, 1, 0, &done));
    EXPECT_RC(0, weir_file_close(file));
    file = open_file(path, NULL);
    EXPECT_RC(-EBADF, weir_file_write_parts(file, &some, 1, 0, &done));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_file_write_parts(file, &some, 1, 0, &done));
    EXPECT_RC(-ECANCELED, weir_file_write_parts(file, &some, 0, 0, &done));
    EXPECT_EQ(0, done);
    EXPECT_RC(-ECANCELED, weir_file_read_parts(file, huge + 1, 1, 0, &done));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}
