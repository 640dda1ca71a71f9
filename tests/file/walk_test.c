/*
 * walk_test.c - what is in a folder, and removing all of it
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/exec.h>

#include "base/sys.h"
#include "core/io.h"
#include "core/observe.h"
#include "tests/file/folder.h"
#include "tests/file/jam.h"
#include "tests/support/everywhere.h"
#include "tests/support/fault_loop.h"

/* A tree: `count` files in each of the folders a, a/b, a/b/c; each file as long as its number. */
static void plant(struct folder *folder, int count)
{
    static const char *const folders[] = {"a", "a/b", "a/b/c"};
    char data[1000] = {0};
    char name[64];
    for (size_t i = 0; i < 3; i++) {
        EXPECT_EQ(0, mkdir(folder_path(folder, folders[i]), 0700));
        for (int n = 0; n < count; n++) {
            snprintf(name, sizeof name, "%s/%d", folders[i], n);
            put_file(folder_path(folder, name), data, (size_t)n % sizeof data);
        }
    }
}

static weir_walk *open_walk(const char *path, const weir_walk_options *options)
{
    weir_walk *walk = NULL;
    EXPECT_RC(0, weir_walk_open(NULL, path, options, &walk));
    return walk;
}

/* --- walking ---------------------------------------------------------------------------------- */

IO_TEST(every_name_is_told_once_and_a_folder_before_what_is_in_it)
{
    enum { COUNT = 150 };
    struct folder folder = folder_make();
    plant(&folder, COUNT);
    EXPECT_EQ(0, symlink("..", folder_path(&folder, "a/b/circle")));
    weir_walk *walk = open_walk(folder.path, &(weir_walk_options){.stat = true});
    const weir_walk_entry *entry;
    static unsigned char seen[4][COUNT];
    int folders = 0, links = 0, rc;
    while ((rc = weir_walk_next(walk, &entry)) == 1) {
        EXPECT_STR(strrchr(entry->path, '/') == NULL ? entry->path : strrchr(entry->path, '/') + 1,
                   entry->name);
        EXPECT_EQ(0, entry->error);
        if (entry->kind == WEIR_FILE_KIND_FOLDER) {
            EXPECT_STR(((const char *[]){"a", "a/b", "a/b/c"})[folders], entry->path);
            folders++;
            EXPECT_EQ(folders, entry->depth);
        } else if (entry->kind == WEIR_FILE_KIND_LINK) {
            links++;
        } else {
            int n = atoi(entry->name);
            REQUIRE(entry->depth >= 2 && entry->depth <= 4 && n >= 0 && n < COUNT);
            EXPECT(folders >= (int)entry->depth - 1);
            seen[entry->depth - 2 + 1][n]++;
            EXPECT_EQ(n, entry->stat.size);
            EXPECT_EQ(entry->inode, entry->stat.inode);
        }
    }
    EXPECT_RC(0, rc);
    EXPECT_RC(0, weir_walk_next(walk, &entry)); // and again
    EXPECT(folders == 3 && links == 1);
    for (int i = 1; i < 4; i++)
        for (int n = 0; n < COUNT; n++)
            EXPECT_EQ(1, seen[i][n]);
    weir_walk_close(walk);
    weir_walk_close(NULL);
    folder_remove(&folder);
}

IO_TEST(depth_is_limited_and_folders_are_left_out_as_asked)
{
    struct folder folder = folder_make();
    plant(&folder, 140); // more than one batch, so that skipping crosses its end
    const weir_walk_entry *entry;
    weir_walk *walk = open_walk(folder.path, &(weir_walk_options){.depth_max = 1});
    EXPECT_RC(1, weir_walk_next(walk, &entry));
    EXPECT_STR("a", entry->path);
    EXPECT_EQ(0, entry->error);
    EXPECT_RC(0, weir_walk_next(walk, &entry));
    weir_walk_close(walk);

    walk = open_walk(folder.path, NULL);
    int told = 0;
    while (weir_walk_next(walk, &entry) == 1) {
        told++;
        if (strcmp(entry->path, "a/b") == 0)
            weir_walk_skip(walk);
        EXPECT(strncmp(entry->path, "a/b/", 4) != 0);
    }
    EXPECT_EQ(142, told); // a, what is in it, and a/b itself
    weir_walk_close(walk);
    weir_walk *none = NULL;
    EXPECT_RC(-EINVAL,
              weir_walk_open(NULL, folder.path,
                             &(weir_walk_options){.depth_max = WEIR_WALK_DEPTH_MAX + 1}, &none));
    EXPECT_RC(-ENOENT, weir_walk_open(NULL, "/no/such/folder", NULL, &none));
    EXPECT_CONTAINS("/no/such/folder", weir_failure_message(-ENOENT));
    EXPECT_RC(-ENOTDIR, weir_walk_open(NULL, "/dev/null", NULL, &none));
    EXPECT(none == NULL);
    folder_remove(&folder);
}

IO_TEST(a_folder_that_cannot_be_entered_is_told_with_the_reason)
{
    struct folder folder = folder_make();
    char path[PATH_MAX];
    size_t size = (size_t)snprintf(path, sizeof path, "%s", folder.path);
    for (int i = 0; i <= WEIR_WALK_DEPTH_MAX; i++) {
        size += (size_t)snprintf(path + size, sizeof path - size, "/d");
        EXPECT_EQ(0, mkdir(path, 0700));
    }
    weir_walk *walk = open_walk(folder.path, NULL);
    const weir_walk_entry *entry;
    for (int depth = 1; depth <= WEIR_WALK_DEPTH_MAX; depth++) {
        REQUIRE(weir_walk_next(walk, &entry) == 1);
        EXPECT_EQ(depth, entry->depth);
        EXPECT_EQ(depth == WEIR_WALK_DEPTH_MAX ? -ELOOP : 0, entry->error); // not silent
    }
    EXPECT_RC(0, weir_walk_next(walk, &entry));
    weir_walk_close(walk);

    folder_remove(&folder);
}

IO_TEST(what_is_mounted_in_a_folder_is_left_out_as_asked)
{
    struct folder folder = folder_make();
    char mounted[128];
    snprintf(mounted, sizeof mounted, "%s", folder_path(&folder, "d"));
    EXPECT_EQ(0, mkdir(mounted, 0700));
    if (mount_small(mounted, 65536) < 0) { // before the pool has threads
        test_skip("mounting a small file system is not allowed here");
        folder_remove(&folder);
        return;
    }
    put_file(folder_path(&folder, "d/hidden"), "", 0);
    const weir_walk_entry *entry;
    weir_walk *walk = open_walk(folder.path, &(weir_walk_options){.one_device = true});
    EXPECT_RC(1, weir_walk_next(walk, &entry));
    EXPECT_STR("d", entry->path);
    EXPECT_EQ(-EXDEV, entry->error);
    EXPECT_RC(0, weir_walk_next(walk, &entry));
    weir_walk_close(walk);
    walk = open_walk(folder.path, NULL);
    EXPECT_RC(1, weir_walk_next(walk, &entry));
    EXPECT_RC(1, weir_walk_next(walk, &entry));
    EXPECT_STR("d/hidden", entry->path);
    weir_walk_close(walk);
    uint64_t removed = 0;
    EXPECT_RC(-EBUSY, weir_folder_remove_tree(NULL, folder.path, &removed));
    EXPECT_CONTAINS("cannot remove", weir_failure_message(-EBUSY));
    EXPECT_EQ(1, removed); // O6
}

static uint64_t list(const char *path, bool stat, int *out_count)
{
    struct weir__sys_stats before, after;
    const weir_walk_entry *entry;
    weir__sys_stats(&before);
    weir_walk *walk = open_walk(path, &(weir_walk_options){.stat = stat});
    *out_count = 0;
    while (weir_walk_next(walk, &entry) == 1)
        ++*out_count;
    weir_walk_close(walk);
    weir__sys_stats(&after);
    return after.calls - before.calls;
}

/* What a listing costs: a job for each batch, a system call for each block of names, and one for
 * each name only when it is asked about. */
IO_TEST(many_names_are_listed_in_few_jobs_and_few_system_calls)
{
    enum { COUNT = 600, BATCHES = COUNT / 128 + 1, BLOCKS = 5, OVERHEAD = 4 * BATCHES };
    struct folder folder = folder_make();
    char name[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "%d", i);
        put_file(folder_path(&folder, name), "", 0);
    }
    weir_pool_stats before, after;
    int count = 0;
    EXPECT(list(folder.path, false, &count) <= 2 + BLOCKS + OVERHEAD + BATCHES);
    EXPECT_EQ(COUNT, count);
    weir_pool_stats_get(NULL, &before);
    uint64_t calls = list(folder.path, true, &count);
    weir_pool_stats_get(NULL, &after);
    EXPECT_EQ(COUNT, count);
    EXPECT_EQ(BATCHES, after.finished - before.finished);
    EXPECT(calls >= COUNT && calls <= COUNT + 2 + BLOCKS + OVERHEAD);
    folder_remove(&folder);
}

IO_TEST(a_walk_that_is_cancelled_loses_no_name)
{
    struct folder folder = folder_make();
    plant(&folder, 100);
    weir_walk *walk = open_walk(folder.path, NULL);
    const weir_walk_entry *entry;
    int count = 0, rc = 1;
    while (rc == 1) {
        weir_scope scope = {0};
        EXPECT_RC(0, weir_scope_enter(&scope));
        weir_scope_cancel(&scope, "test");
        EXPECT_RC(-ECANCELED, weir_walk_next(walk, &entry));
        EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
        rc = weir_walk_next(walk, &entry);
        count += rc == 1;
    }
    EXPECT_EQ(303, count);
    weir_walk_close(walk);
    folder_remove(&folder);
}

struct reader {
    weir_walk *walk;
    int rc;
};

static int read_on(void *arg)
{
    struct reader *reader = arg;
    const weir_walk_entry *entry;
    do
        reader->rc = weir_walk_next(reader->walk, &entry);
    while (reader->rc == 1);
    return 0;
}

TASK_TEST(a_walk_that_is_closed_while_a_job_reads_for_it_ends_there)
{
    struct folder folder = folder_make();
    plant(&folder, 100);
    struct reader reader = {.walk = open_walk(folder.path, NULL)};
    struct jam jam;
    jam_pool(&jam);
    size_t queued = pool_stats().queued;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, read_on, &reader);
    while (pool_stats().queued == queued)
        EXPECT_RC(0, weir_yield()); // until it waits for the next batch
    const weir_walk_entry *entry;
    EXPECT_RC(-EBUSY, weir_walk_next(reader.walk, &entry));
    weir_walk_close(reader.walk);
    open_gate(&jam);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, reader.rc);
    clear_jam(&jam);
    folder_remove(&folder);
}

/* --- removing --------------------------------------------------------------------------------- */

IO_TEST(a_tree_is_removed_and_what_its_links_lead_to_is_not)
{
    struct folder folder = folder_make();
    plant(&folder, 50);
    put_file(folder_path(&folder, "keep"), "keep", 4);
    EXPECT_EQ(0, mkdir(folder_path(&folder, "other"), 0700));
    put_file(folder_path(&folder, "other/keep"), "keep", 4);
    EXPECT_EQ(0, symlink("../other", folder_path(&folder, "a/link")));
    EXPECT_EQ(0, symlink("../keep", folder_path(&folder, "a/b/link")));
    EXPECT_EQ(0, symlink("other", folder_path(&folder, "link")));
    EXPECT_EQ(0, mkfifo(folder_path(&folder, "a/b/c/pipe"), 0600));
    uint64_t removed = 99;
    EXPECT_RC(0, weir_folder_remove_tree(NULL, folder_path(&folder, "a/"), &removed));
    EXPECT_EQ(3 * 50 + 3 + 3, removed);
    EXPECT(!file_exists(folder_path(&folder, "a")));

    int rc = weir_folder_remove_tree(NULL, folder_path(&folder, "link"), &removed);
    EXPECT(rc == -ENOTDIR || rc == -ELOOP);
    EXPECT_EQ(0, removed);
    rc = weir_folder_remove_tree(NULL, folder_path(&folder, "link/"), NULL);
    EXPECT(rc == -ENOTDIR || rc == -ELOOP);
    EXPECT_RC(-ENOTDIR, weir_folder_remove_tree(NULL, folder_path(&folder, "keep"), NULL));
    EXPECT_RC(-ENOENT, weir_folder_remove_tree(NULL, folder_path(&folder, "none"), NULL));
    EXPECT_RC(-EINVAL, weir_folder_remove_tree(NULL, folder_path(&folder, "other/."), NULL));
    EXPECT_RC(-EINVAL, weir_folder_remove_tree(NULL, folder_path(&folder, "other/.."), NULL));
    EXPECT_RC(-EINVAL, weir_folder_remove_tree(NULL, "/", NULL));
    EXPECT_RC(-EINVAL, weir_folder_remove_tree(NULL, "..", NULL));
    EXPECT(file_exists(folder_path(&folder, "other/keep")));
    weir_folder *open = NULL;
    EXPECT_RC(0, weir_folder_open(NULL, folder.path, &open));
    EXPECT_RC(-EXDEV, weir_folder_remove_tree(open, "../x", NULL));
    EXPECT_RC(0, weir_folder_remove_tree(open, "./other", &removed));
    EXPECT_EQ(2, removed);
    weir_folder_close(open);
    EXPECT_EQ(2, count_entries(folder.path));
    folder_remove(&folder);
}

/* Deeper than any path, and with fewer descriptors than it is deep. */
IO_TEST(a_tree_of_any_depth_is_removed_with_few_descriptors)
{
    enum { DEPTH = 150 };
    struct folder folder = folder_make();
    int fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < DEPTH; i++) {
        EXPECT_EQ(0, mkdirat(fd, "d", 0700));
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
        REQUIRE(fd >= 0);
        if (i % 100 == 0)
            close(openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    close(fd);
    uint64_t removed = 0;
    EXPECT_RC(0, weir_folder_remove_tree(NULL, folder_path(&folder, "d"), &removed));
    EXPECT_EQ(DEPTH + (DEPTH + 99) / 100, removed);
    EXPECT_EQ(0, count_entries(folder.path));
    folder_remove(&folder);
}

/* --- what is forgotten, and everywhere -------------------------------------------------------- */

static int finding_count;

static void note_finding(const struct weir__finding *finding)
{
    finding_count++;
    EXPECT_STR("walk", finding->what);
}

static int leave_a_walk_open(void *arg)
{
    weir_walk *walk;
    return weir_walk_open(NULL, arg, NULL, &walk);
}

TEST(a_forgotten_walk_is_reported_and_closed_with_its_loop)
{
    weir__core_observe(note_finding);
    int fds = weir__sys_open_fd_count();
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "epoll"}, leave_a_walk_open, "/proc",
                                false));
    EXPECT_EQ(1, finding_count);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
}

static struct folder swept;

static int make_walk_and_remove(void *arg)
{
    const char *path = arg;
    uint64_t removed = 0;
    int rc = weir_folder_remove_tree(NULL, path, NULL); // what the last round left
    if (rc == -ENOENT)
        rc = 0;
    char deep[128];
    snprintf(deep, sizeof deep, "%s/x/y", path);
    if (rc == 0)
        rc = weir_folder_make_all(NULL, deep, 0);
    if (rc < 0)
        return rc;
    weir_walk *walk;
    const weir_walk_entry *entry;
    rc = weir_walk_open(NULL, path, &(weir_walk_options){.stat = true}, &walk);
    if (rc < 0)
        return rc;
    int told = 0;
    while ((rc = weir_walk_next(walk, &entry)) == 1)
        told += entry->error == 0;
    WEIR_TEST_EXPECT(rc < 0 || told <= 2);
    weir_walk_close(walk);
    if (rc == 0)
        rc = weir_folder_remove_tree(NULL, path, &removed);
    WEIR_TEST_EXPECT(rc < 0 || removed == 3);
    return rc;
}

TEST(walking_and_removing_everywhere) /* O5, O6, I4 */
{
    swept = folder_make();
    char path[128];
    snprintf(path, sizeof path, "%s", folder_path(&swept, "tree"));
    everywhere_real("walk", (struct everywhere){make_walk_and_remove, path, NULL, 20});
    folder_remove(&swept);
}
