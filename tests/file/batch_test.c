/*
 * batch_test.c - what many operations on small files cost: system calls, threads, turns
 *
 * The workload behind it: 20,000 files of 4 KiB, read by 32 tasks. System calls for each file:
 *
 *     in memory            4.03  open, fstat, read, close, made by the loop itself; no thread
 *     on the disk, ring    4.13  the read says that it would wait, and becomes an operation; all
 *                                that 32 tasks ask for in a turn leaves with one call
 *     on the disk, epoll   5.11  the read is made again by a thread. One that is busy takes the
 *                                next job without being woken, and many results come home with
 *                                one wake: that is the 0.11. One job for several reads would save
 *                                little of it, and let one slow read hold up the others
 *     stat, in memory      3.02  open (O_PATH), statx, close
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/exec.h>

#include "base/sys_folder.h"
#include "core/io.h"
#include "tests/file/folder.h"

enum { FILES = 256, COLD_FILES = 64, TASKS = 32, BYTES = 4096 };

struct work {
    struct folder folder;
    int next, count;
    uint64_t calls_before;
    uint64_t calls_at_first; /* when the first of the tasks had its answer */
    bool answered;
};

static void plant(struct work *work, int count)
{
    char data[BYTES], name[16];
    *work = (struct work){.folder = folder_make(), .count = count};
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        fill_pattern(data, BYTES, (size_t)i);
        put_file(folder_path(&work->folder, name), data, BYTES);
    }
}

static void forget_content(struct work *work)
{
    char name[16];
    for (int i = 0; i < work->count; i++) {
        snprintf(name, sizeof name, "%d", i);
        int fd = open(folder_path(&work->folder, name), O_RDWR | O_CLOEXEC);
        EXPECT(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
        close(fd);
    }
}

static uint64_t calls_now(void)
{
    struct weir__sys_stats stats;
    weir__sys_stats(&stats);
    return stats.calls;
}

static uint64_t jobs_now(void)
{
    weir_pool_stats stats;
    weir_pool_stats_get(NULL, &stats);
    return stats.finished;
}

/* Whether what is in memory can be had without waiting, here. */
static bool can_ask_the_cache(struct work *work)
{
    char byte;
    weir_file_stat stat;
    int fd = weir__sys_open_cached(folder_path(&work->folder, "0"), 0);
    bool can = fd >= 0 && weir__sys_pread_nowait(fd, &byte, 1, 0) == 1;
    if (fd >= 0)
        weir__sys_close(fd);
    return can && weir_folder_stat(NULL, work->folder.path, false, &stat) == 0 &&
           (stat.device >> 8 & 0xfff) != 0;
}

static void run_tasks(weir_task_fn *fn, struct work *work)
{
    work->next = 0;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    work->calls_before = calls_now();
    for (int i = 0; i < TASKS; i++)
        spawn(group, fn, work);
    EXPECT_RC(0, weir_group_close(group, 0));
}

static int read_files(void *arg)
{
    struct work *work = arg;
    char path[128];
    while (work->next < work->count) {
        int index = work->next++;
        snprintf(path, sizeof path, "%s/%d", work->folder.path, index);
        weir_bytes bytes;
        int rc = weir_file_read_all(path, 0, &bytes);
        if (rc < 0)
            return rc;
        EXPECT(bytes.size == BYTES && is_pattern(bytes.data, BYTES, (size_t)index));
        weir_bytes_free(&bytes);
    }
    return 0;
}

IO_TEST(small_files_in_memory_cost_four_system_calls_each)
{
    struct work work;
    plant(&work, FILES);
    if (!can_ask_the_cache(&work)) {
        folder_remove(&work.folder);
        return test_skip("this kernel or file system cannot be asked without waiting");
    }
    uint64_t jobs = jobs_now();
    run_tasks(read_files, &work);
    uint64_t calls = calls_now() - work.calls_before;
    EXPECT_EQ(jobs, jobs_now());
    EXPECT(calls >= 4 * FILES && calls < 4 * FILES + FILES / 8); // and the loop's own turns
    folder_remove(&work.folder);
}

IO_TEST(small_files_on_the_disk_cost_an_operation_more_and_no_call_each_on_the_ring)
{
    struct work work;
    plant(&work, COLD_FILES);
    if (!can_ask_the_cache(&work)) {
        folder_remove(&work.folder);
        return test_skip("this kernel or file system cannot be asked without waiting");
    }
    forget_content(&work);
    uint64_t jobs = jobs_now();
    run_tasks(read_files, &work);
    uint64_t calls = calls_now() - work.calls_before;
    if (weir__io_features()->file_ops) {
        EXPECT_EQ(jobs, jobs_now());
        EXPECT(calls < 5 * COLD_FILES + COLD_FILES / 2); // a call for each would be a sixth
    } else {
        EXPECT(jobs_now() - jobs <= COLD_FILES);
    }
    folder_remove(&work.folder);
}

static int look_at_files(void *arg)
{
    struct work *work = arg;
    char path[128];
    while (work->next < work->count) {
        snprintf(path, sizeof path, "%s/%d", work->folder.path, work->next++);
        weir_file_stat stat;
        int rc = weir_folder_stat(NULL, path, false, &stat);
        if (rc < 0)
            return rc;
        EXPECT_EQ(BYTES, stat.size);
    }
    return 0;
}

IO_TEST(what_is_known_of_a_file_costs_three_system_calls_and_no_thread)
{
    struct work work;
    plant(&work, FILES);
    if (!can_ask_the_cache(&work)) {
        folder_remove(&work.folder);
        return test_skip("this kernel or file system cannot be asked without waiting");
    }
    uint64_t jobs = jobs_now();
    run_tasks(look_at_files, &work);
    uint64_t calls = calls_now() - work.calls_before;
    EXPECT_EQ(jobs, jobs_now());
    EXPECT(calls >= 3 * FILES && calls < 3 * FILES + FILES / 8);
    folder_remove(&work.folder);
}

static int take_a_turn(void *arg)
{
    (void)arg;
    return weir_yield();
}

static int rename_one(void *arg)
{
    struct work *work = arg;
    char from[128], to[128];
    int index = work->next++;
    snprintf(from, sizeof from, "%s/%d", work->folder.path, index);
    snprintf(to, sizeof to, "%s/%d.new", work->folder.path, index);
    int rc = weir_file_rename(from, to, WEIR_RENAME_NO_REPLACE);
    if (!work->answered)
        work->calls_at_first = calls_now();
    work->answered = true;
    return rc;
}

/* What 32 tasks ask for in one turn leaves with one call, which also waits for the first answer. */
IO_TEST(operations_of_one_turn_go_to_the_kernel_together)
{
    struct work work;
    plant(&work, TASKS);
    if (!weir__io_features()->file_ops) {
        folder_remove(&work.folder);
        return test_skip("there is no ring");
    }
    uint64_t jobs = jobs_now();
    run_tasks(take_a_turn, &work); // whose stacks are there afterwards
    run_tasks(rename_one, &work);
    EXPECT(work.calls_at_first - work.calls_before < TASKS / 4); // usually one, else a few rounds
    EXPECT_EQ(jobs, jobs_now());
    EXPECT(file_exists(folder_path(&work.folder, "31.new")));
    folder_remove(&work.folder);
}
