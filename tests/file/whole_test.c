/*
 * whole_test.c - a file as a whole: reading all of it, putting another in its place
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/exec.h>

#include "base/sys.h"
#include "core/io.h"
#include "tests/file/folder.h"
#include "tests/support/fault_loop.h"

/* --- read ------------------------------------------------------------------------------------- */

IO_TEST(a_file_is_read_whole)
{
    static const size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 300 * 1024, 3 * 1024 * 1024 + 1};
    struct folder folder = folder_make();
    char *data = malloc(4 * 1024 * 1024);
    fill_pattern(data, 4 * 1024 * 1024, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *path = folder_path(&folder, "a");
        put_file(path, data, sizes[i]);
        weir_bytes bytes = {0};
        REQUIRE_RC(0, weir_file_read_all(path, 0, &bytes));
        EXPECT_EQ(sizes[i], bytes.size);
        EXPECT(is_pattern(bytes.data, bytes.size, 0));
        EXPECT_EQ('\0', ((char *)bytes.data)[bytes.size]);
        weir_bytes_free(&bytes);
    }
    free(data);
    folder_remove(&folder);
}

IO_TEST(a_file_beyond_the_limit_is_refused)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "0123456789", 10);
    weir_bytes bytes = {0};
    EXPECT_RC(-EFBIG, weir_file_read_all(path, 9, &bytes));
    EXPECT_CONTAINS("larger than the 9 bytes", weir_failure_message(-EFBIG));
    EXPECT(bytes.data == NULL);
    EXPECT_RC(0, weir_file_read_all(path, 10, &bytes));
    EXPECT_EQ(10, bytes.size);
    weir_bytes_free(&bytes);
    EXPECT_RC(0, weir_file_read_all(path, WEIR_UNLIMITED, &bytes));
    EXPECT_EQ(10, bytes.size);
    weir_bytes_free(&bytes);
    EXPECT_RC(-EFBIG, weir_file_read_all("/dev/zero", 100000, &bytes)); // it has no size to look at
    EXPECT(truncate(path, 65 * 1024 * 1024) == 0);
    EXPECT_RC(-EFBIG, weir_file_read_all(path, 0, &bytes)); // the default: 64 MiB
    folder_remove(&folder);
}

IO_TEST(a_file_that_does_not_know_its_size_is_read_whole)
{
    char expected[4096];
    size_t size = get_file("/proc/cpuinfo", expected, sizeof expected);
    weir_bytes bytes = {0};
    REQUIRE_RC(0, weir_file_read_all("/proc/cpuinfo", 0, &bytes));
    EXPECT(bytes.size >= size);
    EXPECT_BYTES(expected, bytes.data, 50); // what changes comes later in it
    weir_bytes_free(&bytes);
    REQUIRE_RC(0, weir_file_read_all("/proc/self/comm", 64, &bytes));
    EXPECT(bytes.size > 1 && bytes.size <= 16);
    size = bytes.size;
    weir_bytes_free(&bytes);
    EXPECT_RC(-EFBIG, weir_file_read_all("/proc/self/comm", size - 1, &bytes));
    REQUIRE_RC(0, weir_file_read_all("/proc/self/comm", size, &bytes)); // exactly the limit
    EXPECT_EQ(size, bytes.size);
    weir_bytes_free(&bytes);
}

IO_TEST(what_cannot_be_read_is_an_error_that_names_it)
{
    struct folder folder = folder_make();
    weir_bytes bytes = {0};
    EXPECT_RC(-ENOENT, weir_file_read_all("/no/such/file", 0, &bytes));
    EXPECT_CONTAINS("/no/such/file", weir_failure_message(-ENOENT));
    EXPECT_RC(-EISDIR, weir_file_read_all(folder.path, 0, &bytes));
    EXPECT(bytes.data == NULL);
    folder_remove(&folder);
}

/* What is in memory costs neither a thread nor a turn of the loop, and these calls only. */
IO_TEST(a_cached_file_is_read_with_four_system_calls_and_no_thread)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "cached", 6);
    char byte;
    int fd = weir__sys_open_cached(path, 0);
    bool possible = fd >= 0 && weir__sys_pread_nowait(fd, &byte, 1, 0) == 1;
    if (fd >= 0)
        weir__sys_close(fd);
    if (!possible) {
        folder_remove(&folder);
        return test_skip("this kernel or file system cannot be asked without waiting");
    }
    struct weir__sys_stats before, after;
    weir_bytes bytes = {0};
    weir__sys_stats(&before);
    EXPECT_RC(0, weir_file_read_all(path, 0, &bytes));
    weir__sys_stats(&after);
    EXPECT_EQ(4, after.calls - before.calls);
    EXPECT_STR("cached", bytes.data);
    weir_bytes_free(&bytes);
    weir_pool_stats stats;
    weir_pool_stats_get(NULL, &stats);
    EXPECT_EQ(0, stats.threads);
    folder_remove(&folder);
}

IO_TEST(without_the_calls_that_do_not_wait_a_file_is_read_all_the_same)
{
    if (!deny_call(SYS_openat2, EPERM) || !deny_call(SYS_preadv2, ENOSYS))
        return test_skip("this machine has no seccomp");
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "0123456789", 10);
    weir_bytes bytes = {0};
    EXPECT_RC(0, weir_file_read_all(path, 0, &bytes));
    EXPECT_STR("0123456789", bytes.data);
    weir_bytes_free(&bytes);
    EXPECT_RC(-ENOENT, weir_file_read_all("/no/such/file", 0, &bytes));
    folder_remove(&folder);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* What a run keeps for next time is there before anything is counted. */
static void warm_up(void)
{
    EXPECT_RC(0, weir_offload(NULL, do_nothing, NULL));
    EXPECT_RC(-EIO, weir_fail(-EIO, "room for a text"));
}

static void read_it(void *arg)
{
    static const struct {
        const char *path;
        size_t size;
    } known = {"/proc/self/comm", 16};
    weir_bytes bytes = {0};
    int rc = weir_file_read_all(arg, 0, &bytes);
    if (rc == 0)
        EXPECT_BYTES("0123456789", bytes.data, 10);
    else
        EXPECT(bytes.data == NULL && rc != -ECANCELED);
    weir_bytes_free(&bytes);
    rc = weir_file_read_all(known.path, 0, &bytes); // the way that waits
    EXPECT(rc < 0 || (bytes.size > 0 && bytes.size <= known.size));
    weir_bytes_free(&bytes);
}

IO_TEST(wherever_memory_runs_out_a_read_gives_everything_back)
{
    struct folder folder = folder_make();
    char path[128];
    snprintf(path, sizeof path, "%s", folder_path(&folder, "a"));
    put_file(path, "0123456789", 10);
    warm_up();
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, read_it, path) >= 2);
    folder_remove(&folder);
}

IO_TEST(wherever_the_kernel_says_no_a_read_gives_everything_back)
{
    struct folder folder = folder_make();
    char path[128];
    snprintf(path, sizeof path, "%s", folder_path(&folder, "a"));
    put_file(path, "0123456789", 10);
    warm_up();
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EIO, read_it, path) >= 3);
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EMFILE, read_it, path) >= 3);
    if (weir__io_features()->file_ops)
        EXPECT(fault_loop(WEIR__FAULT_RING, -EIO, read_it, path) >= 1);
    folder_remove(&folder);
}

/* --- replace ---------------------------------------------------------------------------------- */

IO_TEST(a_file_is_made_and_replaced)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    char text[64];
    EXPECT_RC(0, weir_file_replace(path, "first", 5));
    EXPECT_EQ(5, get_file(path, text, sizeof text));
    EXPECT(chmod(path, 0664) == 0);
    EXPECT_RC(0, weir_file_replace(path, "", 0));
    EXPECT_EQ(0, get_file(path, text, sizeof text));
    EXPECT_RC(0, weir_file_replace(path, "third one", 9));
    get_file(path, text, sizeof text);
    EXPECT_STR("third one", text);
    struct stat status;
    EXPECT(stat(path, &status) == 0 && (status.st_mode & 07777) == 0664); // whatever the umask is
    EXPECT_EQ(1, count_entries(folder.path));
    folder_remove(&folder);
}

IO_TEST(a_link_is_replaced_and_not_followed)
{
    struct folder folder = folder_make();
    const char *target = folder_path(&folder, "target");
    const char *link = folder_path(&folder, "link");
    put_file(target, "old", 3);
    EXPECT(symlink(target, link) == 0);
    EXPECT_RC(0, weir_file_replace(link, "new", 3));
    char text[8];
    get_file(target, text, sizeof text);
    EXPECT_STR("old", text);
    get_file(link, text, sizeof text);
    EXPECT_STR("new", text);
    folder_remove(&folder);
}

IO_TEST(a_replacement_that_is_impossible_says_at_which_step)
{
    EXPECT_RC(-ENOENT, weir_file_replace("/no/such/folder/a", "x", 1));
    EXPECT_CONTAINS("cannot replace /no/such/folder/a: open", weir_failure_message(-ENOENT));
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "sub");
    EXPECT(mkdir(path, 0700) == 0);
    EXPECT_RC(-EISDIR, weir_file_replace(path, "x", 1));
    EXPECT_CONTAINS("rename", weir_failure_message(-EISDIR));
    EXPECT_EQ(1, count_entries(folder.path));
    folder_remove(&folder);
}

/* Relative names have a folder, too. */
IO_TEST(a_file_in_the_current_folder_is_replaced)
{
    struct folder folder = folder_make();
    EXPECT(chdir(folder.path) == 0);
    EXPECT_RC(0, weir_file_replace("a", "here", 4));
    char text[8];
    get_file(folder_path(&folder, "a"), text, sizeof text);
    EXPECT_STR("here", text);
    EXPECT(chdir("/") == 0);
    folder_remove(&folder);
}

struct replaced {
    struct folder *folder;
    char path[128];
};

/* Old or new, whole, and nothing beside it. */
static void replace_it(void *arg)
{
    struct replaced *replaced = arg;
    weir__base_fault_exempt(true);
    put_file(replaced->path, "old content", 11);
    weir__base_fault_exempt(false);
    int rc = weir_file_replace(replaced->path, "new", 3);
    char text[32];
    get_file(replaced->path, text, sizeof text);
    bool is_new = strcmp(text, "new") == 0;
    EXPECT(is_new || strcmp(text, "old content") == 0);
    EXPECT(rc < 0 || is_new);
    EXPECT(rc == 0 || !is_new || strstr(weir_failure_message(rc), "folder") != NULL);
    EXPECT_EQ(1, count_entries(replaced->folder->path));
}

IO_TEST(wherever_a_replacement_fails_the_file_is_whole_and_alone)
{
    struct folder folder = folder_make();
    struct replaced replaced = {.folder = &folder};
    snprintf(replaced.path, sizeof replaced.path, "%s", folder_path(&folder, "a"));
    warm_up();
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EIO, replace_it, &replaced) >= 7);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, replace_it, &replaced) >= 1);
    folder_remove(&folder);
}
