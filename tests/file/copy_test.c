/*
 * copy_test.c - one file's content into another
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/io.h"
#include "tests/file/folder.h"
#include "tests/file/jam.h"
#include "tests/support/everywhere.h"
#include "tests/support/fault_loop.h"

static weir_file *open_file(const char *path, weir_file_access access)
{
    weir_file *file = NULL;
    EXPECT_RC(0,
              weir_file_open(
                  path, &(weir_file_options){.access = access, .create = access != WEIR_FILE_READ},
                  &file));
    return file;
}

static bool same_content(const char *a, const char *b)
{
    enum { MOST = 32 << 20 };
    char *first = malloc(MOST), *second = malloc(MOST);
    size_t size = get_file(a, first, MOST);
    bool same = size == get_file(b, second, MOST) && memcmp(first, second, size) == 0;
    free(first);
    free(second);
    return same;
}

static void copy_and_compare(struct folder *folder, const char *source)
{
    const char *target = folder_path(folder, "target");
    put_file(target, "what was there is gone afterwards", 33);
    weir_file *from = open_file(source, WEIR_FILE_READ);
    weir_file *to = open_file(target, WEIR_FILE_WRITE);
    int64_t copied = -1;
    EXPECT_RC(0, weir_file_copy(from, to, &copied));
    weir_file_stat stat;
    EXPECT_RC(0, weir_file_stat_get(to, &stat));
    EXPECT_EQ(stat.size, copied);
    EXPECT(same_content(source, target));
    EXPECT_RC(0, weir_file_close(from));
    EXPECT_RC(0, weir_file_close(to));
}

/* 12 MiB with two holes, one of them at the end. */
static void make_source(const char *path)
{
    enum { SIZE = 3 << 20 };
    char *data = malloc(SIZE);
    fill_pattern(data, SIZE, 0);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(pwrite(fd, data, SIZE, 0) == SIZE && pwrite(fd, data, SIZE, 6 << 20) == SIZE &&
           ftruncate(fd, 12 << 20) == 0);
    close(fd);
    free(data);
}

IO_TEST(a_copy_is_equal_and_keeps_its_holes)
{
    struct folder folder = folder_make();
    const char *source = folder_path(&folder, "source");
    make_source(source);
    copy_and_compare(&folder, source);
    struct stat from, to;
    EXPECT(stat(source, &from) == 0 && stat(folder_path(&folder, "target"), &to) == 0);
    if (from.st_blocks * 512 < 7 << 20) // the file system has holes
        EXPECT(to.st_blocks * 512 < 7 << 20);
    put_file(source, "", 0);
    copy_and_compare(&folder, source);
    put_file(source, "x", 1);
    copy_and_compare(&folder, source);
    copy_and_compare(&folder, "/proc/version"); // it knows no size
    folder_remove(&folder);
}

IO_TEST(a_copy_goes_on_by_hand_where_the_kernel_cannot)
{
    static const int codes[] = {EXDEV, EINVAL, ENOSYS, EOPNOTSUPP};
    struct folder folder = folder_make();
    const char *source = folder_path(&folder, "source");
    make_source(source);
    if (!deny_call(SYS_copy_file_range, codes[getpid() % 4]))
        return test_skip("this machine has no seccomp");
    copy_and_compare(&folder, source);
    folder_remove(&folder);
}

IO_TEST(what_cannot_be_copied_is_refused_before_anything_is_lost)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    const char *other = folder_path(&folder, "b");
    put_file(path, "keep", 4);
    put_file(other, "keep", 4);
    weir_file *from = open_file(path, WEIR_FILE_READ);
    weir_file *same = open_file(path, WEIR_FILE_WRITE);
    weir_file *to = open_file(other, WEIR_FILE_WRITE);
    weir_file *append = open_file(other, WEIR_FILE_APPEND);
    int64_t copied = 99;
    EXPECT_RC(-EINVAL, weir_file_copy(from, from, NULL));
    EXPECT_RC(-EINVAL, weir_file_copy(from, same, &copied));
    EXPECT_EQ(0, copied);
    EXPECT_RC(-EINVAL, weir_file_copy(from, append, NULL));
    EXPECT_RC(-EBADF, weir_file_copy(to, same, NULL)); // not open to read
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_file_copy(from, to, &copied));
    EXPECT_EQ(0, copied);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT(same_content(path, other));
    char text[8];
    EXPECT_EQ(4, get_file(path, text, sizeof text));
    weir_file_close(from);
    weir_file_close(same);
    weir_file_close(to);
    weir_file_close(append);
    folder_remove(&folder);
}

IO_TEST(a_copy_onto_a_full_disk_says_how_far_it_came) /* O6 */
{
    struct folder folder = folder_make();
    const char *small = folder_path(&folder, "small");
    EXPECT_EQ(0, mkdir(small, 0700));
    if (mount_small(small, 1 << 20) < 0) {
        test_skip("mounting a small file system is not allowed here");
        folder_remove(&folder);
        return;
    }
    const char *source = folder_path(&folder, "source");
    make_source(source);
    weir_file *from = open_file(source, WEIR_FILE_READ);
    weir_file *to = open_file(folder_path(&folder, "small/target"), WEIR_FILE_READ_WRITE);
    int64_t copied = 0, size = 0;
    EXPECT_RC(-ENOSPC, weir_file_copy(from, to, &copied));
    EXPECT(copied > 0 && copied <= 1 << 20);
    EXPECT_RC(0, weir_file_size(to, &size));
    EXPECT_EQ(size, copied);
    char *data = malloc((size_t)copied);
    size_t done = 0;
    EXPECT_RC(0, weir_file_read(to, data, (size_t)copied, 0, &done));
    EXPECT(done == (size_t)copied && is_pattern(data, done, 0));
    free(data);
    EXPECT_RC(0, weir_file_close(from));
    EXPECT_RC(0, weir_file_close(to));
}

struct cut {
    weir_file *from, *to;
    int64_t copied;
    int rc;
    bool ended;
};

static int copy_until_cut(void *arg)
{
    struct cut *cut = arg;
    cut->rc = weir_file_copy(cut->from, cut->to, &cut->copied);
    cut->ended = true;
    return cut->rc;
}

/* Whenever the cancellation comes: before the job, between two of its steps, after the last. */
IO_TEST(a_copy_that_is_cut_says_how_far_it_came) /* O6, O7 */
{
    enum { SIZE = 12 << 20 };
    struct folder folder = folder_make();
    const char *source = folder_path(&folder, "source");
    make_source(source);
    char *data = malloc(SIZE), *copy = malloc(SIZE);
    struct cut cut = {.from = open_file(source, WEIR_FILE_READ),
                      .to = open_file(folder_path(&folder, "to"), WEIR_FILE_READ_WRITE)};
    size_t done;
    EXPECT_RC(0, weir_file_read(cut.from, data, SIZE, 0, &done));
    int rounds = test_rounds(12);
    for (int i = 0; i < rounds; i++) {
        cut.ended = false;
        weir_group *group = open_group(WEIR_COLLECT_ALL);
        weir_task_id task = spawn(group, copy_until_cut, &cut);
        while (pool_stats().running == 0 && !cut.ended)
            EXPECT_RC(0, weir_yield());
        for (int turns = 0; turns < i * 300 && !cut.ended; turns++)
            EXPECT_RC(0, weir_yield());
        weir_ignore(weir_task_cancel(task, "test"), "it may have ended");
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT(cut.rc == -ECANCELED || (cut.rc == 0 && cut.copied == SIZE));
        EXPECT_RC(0, weir_file_read(cut.to, copy, SIZE, 0, &done));
        if (cut.copied > 0) /* else it may not have begun, and the last one's is there */
            EXPECT(done == (size_t)cut.copied && memcmp(data, copy, done) == 0);
    }
    free(data);
    free(copy);
    EXPECT_RC(0, weir_file_close(cut.from));
    EXPECT_RC(0, weir_file_close(cut.to));
    folder_remove(&folder);
}

/* --- everywhere ------------------------------------------------------------------------------- */

static struct folder swept;

static int copy_it(void *arg)
{
    weir_file *from, *to;
    int rc = weir_file_open(arg, NULL, &from);
    if (rc < 0)
        return rc;
    rc = weir_file_open(folder_path(&swept, "to"),
                        &(weir_file_options){.access = WEIR_FILE_READ_WRITE, .create = true}, &to);
    if (rc < 0)
        goto close_from;
    int64_t copied = 0;
    static char data[70000];
    rc = weir_file_copy(from, to, &copied);
    WEIR_TEST_EXPECT(copied >= 0 && (rc < 0 || copied == sizeof data));
    size_t done = 0;
    int read = rc == 0 ? weir_file_read(to, data, sizeof data, 0, &done) : 0;
    if (rc == 0 && read == 0)
        WEIR_TEST_EXPECT(done == sizeof data && is_pattern(data, done, 0));
    if (rc == 0)
        rc = read;
    weir_ignore(weir_file_close(to), "a sweep");
close_from:
    weir_ignore(weir_file_close(from), "it was only read");
    return rc;
}

TEST(copying_everywhere) /* O5, O6, I4 */
{
    swept = folder_make();
    char path[128], data[70000];
    snprintf(path, sizeof path, "%s", folder_path(&swept, "from"));
    fill_pattern(data, sizeof data, 0);
    put_file(path, data, sizeof data);
    everywhere_real("copy", (struct everywhere){copy_it, path, NULL, 20});
    folder_remove(&swept);
}
