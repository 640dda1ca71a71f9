/*
 * file_test.c - open files: reading, writing, errors, cancellation, who closes what
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/exec.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/io.h"
#include "core/observe.h"
#include "tests/file/folder.h"
#include "tests/file/jam.h"
#include "tests/support/fault_loop.h"

static const weir_file_options to_write = {.access = WEIR_FILE_WRITE, .create = true};
static const weir_file_options to_read_and_write = {.access = WEIR_FILE_READ_WRITE, .create = true};
static const weir_file_options to_append = {.access = WEIR_FILE_APPEND, .create = true};

static weir_file *open_file(const char *path, const weir_file_options *options)
{
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open(path, options, &file));
    return file;
}

/* --- read and write --------------------------------------------------------------------------- */

IO_TEST(what_is_written_is_read_back)
{
    struct folder folder = folder_make();
    weir_file *file = open_file(folder_path(&folder, "a"), &to_read_and_write);
    REQUIRE(file != NULL);
    size_t done = 99;
    EXPECT_RC(0, weir_file_write(file, "hello, weir", 11, 0, &done));
    EXPECT_EQ(11, done);
    EXPECT_RC(0, weir_file_write(file, "W", 1, 7, NULL));
    EXPECT_RC(0, weir_file_sync(file));

    char buffer[32] = {0};
    EXPECT_RC(0, weir_file_read(file, buffer, 5, 0, &done));
    EXPECT_EQ(5, done);
    EXPECT_RC(0, weir_file_read(file, buffer, sizeof buffer, 2, &done));
    EXPECT_EQ(9, done); // fewer than asked for: the end
    EXPECT_BYTES("llo, Weir", buffer, 9);
    EXPECT_RC(0, weir_file_read(file, buffer, sizeof buffer, 11, &done));
    EXPECT_EQ(0, done);
    EXPECT_RC(0, weir_file_read(file, buffer, sizeof buffer, 1000, &done));
    EXPECT_EQ(0, done);

    int64_t size = 0;
    EXPECT_RC(0, weir_file_size(file, &size));
    EXPECT_EQ(11, size);
    EXPECT_RC(0, weir_file_truncate(file, 3));
    EXPECT_RC(0, weir_file_write(file, "x", 1, 6, NULL));
    EXPECT_RC(0, weir_file_read(file, buffer, sizeof buffer, 0, &done));
    EXPECT_EQ(7, done);
    EXPECT_BYTES("hel\0\0\0x", buffer, 7);
    EXPECT_RC(0, weir_file_close(file));
    EXPECT_RC(0, weir_file_close(NULL));
    folder_remove(&folder);
}

IO_TEST(many_pieces_arrive_whole_and_in_place)
{
    enum { SIZE = 5 * 1024 * 1024 + 123 };
    struct folder folder = folder_make();
    char *data = malloc(SIZE);
    char *back = malloc(SIZE);
    fill_pattern(data, SIZE, 0);
    weir_file *file = open_file(folder_path(&folder, "a"), &to_read_and_write);
    size_t done = 0;
    EXPECT_RC(0, weir_file_write(file, data, SIZE, 10, &done));
    EXPECT_EQ(SIZE, done);
    EXPECT_RC(0, weir_file_read(file, back, SIZE, 10, &done));
    EXPECT_EQ(SIZE, done);
    EXPECT(is_pattern(back, SIZE, 0));
    EXPECT_RC(0, weir_file_read(file, back, SIZE, 1024 * 1024, &done));
    EXPECT_EQ(SIZE + 10 - 1024 * 1024, done);
    EXPECT(is_pattern(back, done, 1024 * 1024 - 10));
    EXPECT_RC(0, weir_file_close(file));
    free(back);
    free(data);
    folder_remove(&folder);
}

/* What the page cache does not know is read the long way. */
IO_TEST(a_file_that_is_not_in_memory_is_read_all_the_same)
{
    enum { SIZE = 600 * 1024 };
    struct folder folder = folder_make();
    char *data = malloc(SIZE);
    fill_pattern(data, SIZE, 0);
    const char *path = folder_path(&folder, "a");
    put_file(path, data, SIZE);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    EXPECT(fd >= 0 && fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    close(fd);

    memset(data, 0, SIZE);
    weir_file *file = open_file(path, NULL);
    size_t done = 0;
    EXPECT_RC(0, weir_file_read(file, data, SIZE, 0, &done));
    EXPECT_EQ(SIZE, done);
    EXPECT(is_pattern(data, SIZE, 0));
    EXPECT_RC(0, weir_file_close(file));
    free(data);
    folder_remove(&folder);
}

/* A kernel file knows no size and cannot be asked without waiting. */
IO_TEST(a_file_without_a_size_is_read_to_its_end)
{
    weir_file *file = open_file("/proc/self/status", NULL);
    static char buffer[65536];
    size_t done = 0;
    EXPECT_RC(0, weir_file_read(file, buffer, sizeof buffer - 1, 0, &done));
    EXPECT(done > 100 && done < sizeof buffer - 1);
    EXPECT_CONTAINS("VmSize", buffer);
    EXPECT_RC(0, weir_file_close(file));
}

struct appender {
    weir_file *file;
    char letter;
};

static int append_lines(void *arg)
{
    struct appender *appender = arg;
    char line[8];
    memset(line, appender->letter, sizeof line);
    line[7] = '\n';
    for (int i = 0; i < 20; i++) {
        size_t done = 0;
        int rc = weir_file_append(appender->file, line, sizeof line, &done);
        if (rc < 0)
            return rc;
        EXPECT_EQ(sizeof line, done);
    }
    return 0;
}

IO_TEST(appends_of_several_tasks_all_arrive_whole)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "log");
    put_file(path, "first\n", 6);
    weir_file *file = open_file(path, &to_append);
    EXPECT_RC(-EINVAL, weir_file_write(file, "x", 1, 0, NULL)); // it has no positions to write at
    struct appender appenders[5];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 5; i++) {
        appenders[i] = (struct appender){.file = file, .letter = (char)('a' + i)};
        spawn(group, append_lines, &appenders[i]);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_file_close(file));

    char text[2048];
    size_t size = get_file(path, text, sizeof text);
    EXPECT_EQ(6 + 5 * 20 * 8, size);
    int counts[5] = {0};
    for (size_t at = 6; at + 8 <= size; at += 8) {
        int who = text[at] - 'a';
        REQUIRE(who >= 0 && who < 5);
        counts[who]++;
        EXPECT(text[at + 6] == text[at] && text[at + 7] == '\n');
    }
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(20, counts[i]);
    folder_remove(&folder);
}

/* --- options and errors ----------------------------------------------------------------------- */

IO_TEST(files_are_made_kept_or_emptied_as_the_options_say)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    weir_file *file = NULL;
    EXPECT_RC(-ENOENT, weir_file_open(path, NULL, &file));
    EXPECT_CONTAINS(path, weir_failure_message(-ENOENT));
    EXPECT_RC(-ENOENT,
              weir_file_open(path, &(weir_file_options){.access = WEIR_FILE_WRITE}, &file));
    EXPECT(file == NULL);

    file = open_file(
        path, &(weir_file_options){.access = WEIR_FILE_WRITE, .exclusive = true, .mode = 0600});
    EXPECT_RC(0, weir_file_write(file, "12345", 5, 0, NULL));
    EXPECT_RC(0, weir_file_close(file));
    struct stat status;
    EXPECT(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);

    EXPECT_RC(-EEXIST,
              weir_file_open(
                  path, &(weir_file_options){.access = WEIR_FILE_WRITE, .exclusive = true}, &file));
    file = open_file(path, &to_write);
    int64_t size = 0;
    EXPECT_RC(0, weir_file_size(file, &size));
    EXPECT_EQ(5, size);
    EXPECT_RC(0, weir_file_close(file));
    file = open_file(path, &(weir_file_options){.access = WEIR_FILE_READ_WRITE, .truncate = true});
    EXPECT_RC(0, weir_file_size(file, &size));
    EXPECT_EQ(0, size);
    EXPECT_RC(0, weir_file_close(file));

    EXPECT_RC(0, weir_file_remove(path));
    EXPECT(!file_exists(path));
    EXPECT_RC(-ENOENT, weir_file_remove(path));
    folder_remove(&folder);
}

IO_TEST(what_cannot_be_a_file_is_refused_without_waiting)
{
    struct folder folder = folder_make();
    const char *pipe = folder_path(&folder, "pipe");
    EXPECT(mkfifo(pipe, 0600) == 0);
    weir_file *file = NULL;
    EXPECT_RC(-ESPIPE, weir_file_open(pipe, NULL, &file)); // and no wait for its other end
    EXPECT_RC(-ENXIO, weir_file_open(pipe, &to_write, &file));
    EXPECT_RC(-EISDIR, weir_file_open(folder.path, NULL, &file));
    EXPECT_CONTAINS(" is a folder", weir_failure_message(-EISDIR));
    EXPECT_RC(-EISDIR, weir_file_open(folder.path, &to_write, &file));
    EXPECT_RC(-ENOTDIR, weir_file_open("/dev/null/x", NULL, &file));
    EXPECT_RC(-EINVAL, weir_file_open("x", &(weir_file_options){.truncate = true}, &file));
    EXPECT_RC(-EINVAL,
              weir_file_open("x", &(weir_file_options){.access = (weir_file_access)77}, &file));
    EXPECT(file == NULL);
    folder_remove(&folder);
}

IO_TEST(misuse_of_an_open_file_is_an_error_with_nothing_done)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "abc", 3);
    char buffer[8];
    size_t done = 99;
    weir_file *file = open_file(path, NULL);
    EXPECT_RC(-EBADF, weir_file_write(file, "x", 1, 0, &done));
    EXPECT_EQ(0, done);
    EXPECT_RC(-EINVAL, weir_file_append(file, "x", 1, &done));
    EXPECT_RC(-EINVAL, weir_file_read(file, buffer, sizeof buffer, -1, &done));
    EXPECT_RC(-EINVAL, weir_file_read(file, buffer, SIZE_MAX, 10, &done));
    EXPECT_RC(-EINVAL, weir_file_truncate(file, 0));
    EXPECT_RC(0, weir_file_close(file));
    file = open_file(path, &to_write);
    EXPECT_RC(-EBADF, weir_file_read(file, buffer, sizeof buffer, 0, &done));
    EXPECT_EQ(0, done);
    EXPECT_RC(0, weir_file_close(file));
    EXPECT_EQ(3, get_file(path, buffer, sizeof buffer));
    folder_remove(&folder);
}

TEST(outside_a_task_no_file_is_opened)
{
    weir_file *file = NULL;
    EXPECT_RC(-EPERM, weir_file_open("/dev/null", NULL, &file));
    EXPECT_RC(-EPERM, weir_file_remove("/nowhere"));
    EXPECT_RC(-EPERM, weir_file_replace("/nowhere", "", 0));
}

/* --- a full disk ------------------------------------------------------------------------------ */

IO_TEST(a_device_that_is_full_says_so)
{
    weir_file *file = open_file("/dev/full", &(weir_file_options){.access = WEIR_FILE_WRITE});
    size_t done = 99;
    EXPECT_RC(-ENOSPC, weir_file_write(file, "x", 1, 0, &done));
    EXPECT_EQ(0, done);
    EXPECT_RC(0, weir_file_close(file));
}

IO_TEST(what_was_written_before_the_disk_was_full_is_counted_exactly)
{
    enum { DISK = 2 * 1024 * 1024 + 64 * 1024, SIZE = 4 * 1024 * 1024 };
    struct folder folder = folder_make();
    if (mount_small(folder.path, DISK) < 0) {
        test_skip("mounting a small file system is not allowed here");
        folder_remove(&folder);
        return;
    }
    char *data = malloc(SIZE);
    fill_pattern(data, SIZE, 0);
    weir_file *file = open_file(folder_path(&folder, "a"), &to_read_and_write);
    size_t done = 0;
    EXPECT_RC(-ENOSPC, weir_file_write(file, data, SIZE, 0, &done));
    int64_t size = 0;
    EXPECT_RC(0, weir_file_size(file, &size));
    EXPECT_EQ(size, done); // O6
    EXPECT(done >= 2 * 1024 * 1024 && done <= DISK);
    EXPECT_RC(0, weir_file_close(file));

    /* A replacement that does not fit leaves what was there, and nothing beside it. */
    EXPECT_RC(0, weir_file_remove(folder_path(&folder, "a")));
    EXPECT_RC(0, weir_file_replace(folder_path(&folder, "b"), "old", 3));
    EXPECT_RC(-ENOSPC, weir_file_replace(folder_path(&folder, "b"), data, SIZE));
    EXPECT_CONTAINS("write", weir_failure_message(-ENOSPC));
    EXPECT_EQ(1, count_entries(folder.path));
    EXPECT_EQ(3, get_file(folder_path(&folder, "b"), data, SIZE));
    free(data);
}

/* --- cancellation ----------------------------------------------------------------------------- */

IO_TEST(in_a_cancelled_scope_nothing_is_begun)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    const char *other = folder_path(&folder, "b");
    put_file(path, "abc", 3);
    weir_file *file = open_file(path, &to_read_and_write);
    weir_file *none = NULL;
    weir_bytes bytes;
    char buffer[8];
    size_t done = 99;
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_file_open(other, &to_write, &none)); // O1, each of them
    EXPECT_RC(-ECANCELED, weir_file_open(path, NULL, &none));
    EXPECT_RC(-ECANCELED, weir_file_read(file, buffer, sizeof buffer, 0, &done));
    EXPECT_EQ(0, done);
    EXPECT_RC(-ECANCELED, weir_file_read(file, buffer, 0, 0, &done));
    EXPECT_RC(-ECANCELED, weir_file_write(file, "xyz", 3, 0, &done));
    EXPECT_RC(-ECANCELED, weir_file_write(file, "", 0, 0, &done));
    EXPECT_RC(-ECANCELED, weir_file_sync(file));
    EXPECT_RC(-ECANCELED, weir_file_truncate(file, 0));
    EXPECT_RC(-ECANCELED, weir_file_remove(path));
    EXPECT_RC(-ECANCELED, weir_file_replace(path, "xyz", 3));
    EXPECT_RC(-ECANCELED, weir_file_read_all(path, 0, &bytes));
    EXPECT_RC(0, weir_file_close(file)); // O8
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT(none == NULL && !file_exists(other));
    EXPECT_EQ(3, get_file(path, buffer, sizeof buffer));
    EXPECT_STR("abc", buffer);
    folder_remove(&folder);
}

struct call {
    const char *path;
    weir_file *file;
    char text[64];
    size_t done;
    int rc;
    bool ended;
};

static int open_for_writing(void *arg)
{
    struct call *call = arg;
    call->rc = weir_file_open(call->path, &to_write, &call->file);
    call->ended = true;
    return call->rc;
}

static int read_text(void *arg)
{
    struct call *call = arg;
    call->rc = weir_file_read(call->file, call->text, sizeof call->text - 1, 0, &call->done);
    call->ended = true;
    return call->rc;
}

/* On the simulated backend, where every call that waits goes to a thread. */
TASK_TEST(an_open_that_is_cancelled_in_the_queue_opens_nothing)
{
    struct folder folder = folder_make();
    struct call call = {.path = folder_path(&folder, "a")};
    struct jam jam;
    jam_pool(&jam);
    size_t queued = pool_stats().queued;
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, open_for_writing, &call);
    while (pool_stats().queued == queued)
        EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, call.rc); // X5
    EXPECT(call.file == NULL);
    clear_jam(&jam);
    EXPECT(!file_exists(call.path));
    folder_remove(&folder);
}

TASK_TEST(a_file_that_is_closed_during_a_read_stays_open_until_its_end) /* O5, O8, case 195 */
{
    struct folder folder = folder_make();
    put_file(folder_path(&folder, "other"), "something else", 14);
    struct call call = {.file = open_file("/proc/self/comm", NULL)}; // read by a thread
    struct jam jam;
    jam_pool(&jam);
    size_t queued = pool_stats().queued;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, read_text, &call);
    while (pool_stats().queued == queued)
        EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_file_close(call.file));
    weir_file *other = open_file(folder_path(&folder, "other"), NULL); // would get the same number
    open_gate(&jam);
    EXPECT_RC(0, weir_group_close(group, 0));
    clear_jam(&jam);
    EXPECT_RC(0, call.rc);
    EXPECT_CONTAINS("file_file_test", call.text);
    EXPECT_RC(0, weir_file_close(other));
    folder_remove(&folder);
}

struct races {
    struct folder folder;
    uint64_t random;
    int left_count;
    int opened_count;
};

static int open_impatiently(void *arg)
{
    struct races *races = arg;
    char path[128];
    snprintf(path, sizeof path, "%s/%d", races->folder.path, races->left_count);
    while (races->left_count > 0) {
        races->left_count--;
        weir_scope scope = {0};
        int rc = weir_timeout_enter(
            &scope, (int64_t)(weir__base_random_next(&races->random) % 200) * WEIR_US);
        if (rc < 0)
            return rc;
        weir_file *file = NULL;
        rc = weir_file_open(path, &to_write, &file);
        EXPECT((rc == 0) == (file != NULL));
        if (rc == 0) {
            races->opened_count++;
            rc = weir_file_write(file, "x", 1, 0, NULL);
            EXPECT_RC(0, weir_file_close(file));
        }
        rc = weir_scope_leave(&scope, rc);
        if (rc < 0 && rc != -ETIME)
            return rc;
    }
    return 0;
}

IO_TEST(no_descriptor_is_lost_whatever_is_cancelled_when) /* O4, O5, case 162 */
{
    struct races races = {.folder = folder_make(), .random = 7, .left_count = 4000};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 16; i++)
        spawn(group, open_impatiently, &races);
    EXPECT_RC(0, weir_group_close(group, 0)); // O5; the harness counts what is open
    EXPECT(races.opened_count > 0);
    folder_remove(&races.folder);
}

/* --- the ring --------------------------------------------------------------------------------- */

IO_TEST(what_the_ring_cannot_do_is_done_by_a_thread)
{
    struct folder folder = folder_make();
    weir_file *file = open_file(folder_path(&folder, "a"), &to_write);
    bool ring = weir__io_features()->file_ops;
    uint64_t before = pool_stats().finished;
    weir__base_fault_arm(WEIR__FAULT_RING, 1, -EAGAIN, false);
    EXPECT_RC(0, weir_file_write(file, "abc", 3, 0, NULL));
    EXPECT_EQ(ring, weir__base_fault_delivered());
    weir__base_fault_disarm();
    EXPECT_EQ(before + 1, pool_stats().finished);
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(a_write_that_fails_half_way_counts_what_it_wrote)
{
    enum { SIZE = 3 * 1024 * 1024 };
    if (!weir__io_features()->file_ops)
        return test_skip("its failure is made on the ring");
    struct folder folder = folder_make();
    char *data = calloc(1, SIZE);
    weir_file *file = open_file(folder_path(&folder, "a"), &to_write);
    size_t done = 99;
    weir__base_fault_arm(WEIR__FAULT_RING, 2, -EIO, true);
    EXPECT_RC(-EIO, weir_file_write(file, data, SIZE, 0, &done));
    EXPECT_RC(-EIO, weir_file_sync(file));
    weir__base_fault_disarm();
    int64_t size = 0;
    EXPECT_RC(0, weir_file_size(file, &size));
    EXPECT_EQ(1024 * 1024, done); // O6
    EXPECT_EQ(1024 * 1024, size);
    EXPECT_RC(0, weir_file_close(file));
    free(data);
    folder_remove(&folder);
}

/* --- what is forgotten ------------------------------------------------------------------------ */

static int finding_count;
static char finding_text[200];

static void note_finding(const struct weir__finding *finding)
{
    finding_count++;
    snprintf(finding_text, sizeof finding_text, "%s", finding->what);
}

static int leave_a_file_open(void *arg)
{
    weir_file *file;
    return weir_file_open(arg, NULL, &file);
}

TEST(a_forgotten_file_is_reported_and_closed_with_its_loop)
{
    weir__core_observe(note_finding);
    int fds = weir__sys_open_fd_count();
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "epoll"}, leave_a_file_open,
                                "/dev/null", false));
    EXPECT_EQ(1, finding_count);
    EXPECT_STR("file", finding_text);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
}
