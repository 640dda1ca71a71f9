/*
 * replace_test.c - new content written piece by piece, and files without a name
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/io.h"
#include "core/observe.h"
#include "tests/file/folder.h"
#include "tests/support/everywhere.h"
#include "tests/support/fault_loop.h"

static bool text_is(const char *path, const char *expected)
{
    char text[64];
    get_file(path, text, sizeof text);
    return strcmp(text, expected) == 0;
}

static struct stat stat_of(const char *path)
{
    struct stat found = {0};
    EXPECT_EQ(0, stat(path, &found));
    return found;
}

static weir_replacement *begin(weir_folder *folder, const char *name)
{
    weir_replacement *replacement = NULL;
    EXPECT_RC(0, weir_replacement_open(folder, name, &replacement));
    return replacement;
}

/* --- replacing -------------------------------------------------------------------------------- */

IO_TEST(pieces_take_the_place_of_a_file_at_once)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "old", 3);
    EXPECT_EQ(0, chmod(path, 0640));
    weir_replacement *save = begin(NULL, path);
    EXPECT_RC(0, weir_replacement_write(save, "new ", 4));
    EXPECT_RC(0, weir_replacement_write(save, "content", 7));
    EXPECT_RC(0, weir_file_write(weir_replacement_file(save), "N", 1, 0, NULL));
    EXPECT(text_is(path, "old"));
    EXPECT(text_is(folder_path(&folder, weir_replacement_name(save)), "New content"));
    EXPECT_EQ(2, count_entries(folder.path));
    EXPECT_RC(0, weir_replacement_commit(save));
    EXPECT(text_is(path, "New content"));
    EXPECT_EQ(1, count_entries(folder.path));
    struct stat status;
    EXPECT(stat(path, &status) == 0 && (status.st_mode & 07777) == 0640);

    save = begin(NULL, path);
    EXPECT_RC(0, weir_replacement_write(save, "unwanted", 8));
    weir_replacement_drop(save);
    weir_replacement_drop(NULL);
    EXPECT(text_is(path, "New content"));
    EXPECT_EQ(1, count_entries(folder.path));
    folder_remove(&folder);
}

/* 3 to begin, 8 to put it in place, and what brings a job to its thread and home. */
IO_TEST(a_replacement_costs_eleven_system_calls_besides_its_writes)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    struct weir__sys_stats before, after;
    EXPECT_RC(0, weir_file_replace(path, "old", 3)); // the pool has a thread from now on
    weir__sys_stats(&before);
    EXPECT_RC(0, weir_file_replace(path, "new", 3));
    weir__sys_stats(&after);
    uint64_t calls = after.calls - before.calls;
    EXPECT(calls >= 11 + 1 && calls <= 11 + 1 + 6);
    folder_remove(&folder);
}

IO_TEST(a_replacement_beneath_a_folder_stays_with_it)
{
    struct folder folder = folder_make();
    weir_folder *open = NULL;
    EXPECT_RC(0, weir_folder_open(NULL, folder.path, &open));
    EXPECT_RC(0, weir_folder_make(open, "in", 0));
    weir_replacement *none = NULL;
    EXPECT_RC(-EXDEV, weir_replacement_open(open, "../a", &none));
    EXPECT_RC(-EXDEV, weir_replacement_open(open, "/a", &none));
    EXPECT_RC(-ENOENT, weir_replacement_open(open, "none/a", &none));
    EXPECT_CONTAINS("cannot replace none/a: open its folder", weir_failure_message(-ENOENT));
    EXPECT(none == NULL);
    weir_replacement *first = begin(open, "in/a");
    weir_replacement *second = begin(open, "b");
    EXPECT_RC(0, weir_replacement_write(first, "first", 5));
    EXPECT_RC(0, weir_replacement_write(second, "second", 6));
    EXPECT_RC(0, weir_folder_rename(open, "in", open, "moved", WEIR_RENAME_REPLACE));
    weir_folder_close(open);
    EXPECT_RC(0, weir_replacement_commit(first));
    EXPECT_RC(0, weir_replacement_commit(second));
    EXPECT(text_is(folder_path(&folder, "moved/a"), "first"));
    EXPECT(text_is(folder_path(&folder, "b"), "second"));
    folder_remove(&folder);
}

IO_TEST(a_name_of_any_length_can_be_replaced)
{
    struct folder folder = folder_make();
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    weir_folder *open = NULL;
    EXPECT_RC(0, weir_folder_open(NULL, folder.path, &open));
    weir_replacement *save = begin(open, name);
    EXPECT_RC(0, weir_replacement_write(save, "x", 1));
    EXPECT_RC(0, weir_replacement_commit(save));
    weir_file_stat stat;
    EXPECT_RC(0, weir_folder_stat(open, name, false, &stat));
    EXPECT_EQ(1, stat.size);
    weir_folder_close(open);
    folder_remove(&folder);
}

IO_TEST(a_replacement_in_a_cancelled_scope_leaves_the_old_one_alone)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "old", 3);
    weir_replacement *committed = begin(NULL, path);
    weir_replacement *dropped = begin(NULL, path);
    weir_replacement *none = NULL;
    EXPECT_EQ(3, count_entries(folder.path));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_replacement_write(committed, "x", 1));
    EXPECT_RC(-ECANCELED, weir_replacement_commit(committed)); // O1, and what it took is gone
    weir_replacement_drop(dropped);                            // O8
    EXPECT_RC(-ECANCELED, weir_replacement_open(NULL, path, &none));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT(text_is(path, "old"));
    EXPECT_EQ(1, count_entries(folder.path));
    folder_remove(&folder);
}

IO_TEST(a_commit_that_is_impossible_says_at_which_step)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "sub");
    EXPECT_EQ(0, mkdir(path, 0700));
    weir_replacement *save = begin(NULL, path);
    EXPECT_RC(-EISDIR, weir_replacement_commit(save));
    EXPECT_CONTAINS("rename", weir_failure_message(-EISDIR));
    EXPECT_EQ(1, count_entries(folder.path));
    folder_remove(&folder);
}

static int finding_count;

static void note_finding(const struct weir__finding *finding)
{
    finding_count++;
    EXPECT_STR("replacement", finding->what);
}

static int leave_it_open(void *arg)
{
    weir_replacement *replacement;
    return weir_replacement_open(NULL, arg, &replacement);
}

TEST(a_forgotten_replacement_is_reported_and_dropped_with_its_loop)
{
    struct folder folder = folder_make();
    weir__core_observe(note_finding);
    int fds = weir__sys_open_fd_count();
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "epoll"}, leave_it_open,
                                (char *)(uintptr_t)folder_path(&folder, "a"), false));
    EXPECT_EQ(1, finding_count);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
    EXPECT_EQ(0, count_entries(folder.path));
    folder_remove(&folder);
}

/* --- files without a name --------------------------------------------------------------------- */

static void use_temporary(const char *folder_to_use, struct folder *folder, bool can_keep)
{
    weir_file *file = NULL;
    REQUIRE_RC(0, weir_file_open_temporary(NULL, folder_to_use, &file));
    EXPECT_EQ(0, count_entries(folder_to_use));
    char text[16] = {0};
    size_t done;
    EXPECT_RC(0, weir_file_write(file, "nameless", 8, 0, NULL));
    EXPECT_RC(0, weir_file_read(file, text, sizeof text, 0, &done));
    EXPECT_STR("nameless", text);
    weir_folder *open = NULL;
    EXPECT_RC(0, weir_folder_open(NULL, folder->path, &open));
    if (can_keep) {
        EXPECT_RC(0, weir_file_keep(file, open, "kept"));
        EXPECT_RC(-EEXIST, weir_file_keep(file, open, "kept"));
        EXPECT_RC(-EXDEV, weir_file_keep(file, open, "../kept"));
        EXPECT(text_is(folder_path(folder, "kept"), "nameless"));
    }
    weir_folder_close(open);
    EXPECT_RC(0, weir_file_close(file));
}

IO_TEST(a_file_without_a_name_leaves_nothing_unless_it_is_kept)
{
    struct folder folder = folder_make();
    use_temporary(folder.path, &folder, true);
    EXPECT_EQ(1, count_entries(folder.path));
    weir_file *file = NULL;
    EXPECT_RC(-ENOENT, weir_file_open_temporary(NULL, "/no/such/folder", &file));
    EXPECT_CONTAINS("/no/such/folder", weir_failure_message(-ENOENT));
    EXPECT_RC(-ENOTDIR, weir_file_open_temporary(NULL, "/dev/null", &file));
    EXPECT(file == NULL);
    folder_remove(&folder);
}

/* What a file system without O_TMPFILE says. */
static void make_without_tmpfile(void *arg)
{
    weir_file *file = NULL;
    int rc = weir_file_open_temporary(NULL, arg, &file);
    EXPECT_RC(0, weir_file_close(rc == 0 ? file : NULL));
    EXPECT_EQ(0, count_entries(arg));
    if (weir__io_features()->file_ops)          // the loop itself makes none that can fail
        EXPECT(fault_loop_nth != 2 || rc == 0); // the second is the one with O_TMPFILE
}

IO_TEST(where_there_are_no_nameless_files_one_is_made_and_removed)
{
    struct folder folder = folder_make();
    EXPECT_RC(-EIO, weir_fail(-EIO, "room for a text, which a task keeps"));
    make_without_tmpfile(folder.path);
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EOPNOTSUPP, make_without_tmpfile, folder.path) >= 2);
    folder_remove(&folder);
}

IO_TEST(a_file_of_somebody_else_does_not_begin_to_run_as_us)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "tool");
    put_file(path, "old", 3);
    EXPECT_EQ(0, chmod(path, 06755));
    EXPECT_RC(0, weir_file_replace(path, "new", 3));
    EXPECT_EQ(06755, stat_of(path).st_mode & 07777); // ours, as before
    bool is_root = geteuid() == 0;                   // nobody else can give files away
    if (is_root && chown(path, 12345, 12345) == 0 && chmod(path, 06755) == 0) {
        EXPECT_RC(0, weir_file_replace(path, "newer", 5));
        EXPECT_EQ(0755, stat_of(path).st_mode & 07777);
        EXPECT_EQ(0, stat_of(path).st_uid);
    }
    folder_remove(&folder);
}

/* --- locks ------------------------------------------------------------------------------------ */

struct locking {
    weir_file *file;
    weir_file_lock_mode mode;
    int rc;
    bool locked;
};

static int lock_it(void *arg)
{
    struct locking *locking = arg;
    locking->rc = weir_file_lock(locking->file, locking->mode);
    locking->locked = locking->rc == 0;
    return locking->rc;
}

static weir_file *open_file(const char *path)
{
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open(path, NULL, &file));
    return file;
}

IO_TEST(locks_exclude_those_who_ask_for_them)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "", 0);
    weir_file *first = open_file(path), *second = open_file(path);
    EXPECT_RC(0, weir_file_lock(first, WEIR_FILE_LOCK_SHARED));
    EXPECT_RC(0, weir_file_try_lock(second, WEIR_FILE_LOCK_SHARED));
    EXPECT_RC(-EAGAIN, weir_file_try_lock(second, WEIR_FILE_LOCK_EXCLUSIVE));
    EXPECT_RC(0, weir_file_unlock(second));
    EXPECT_RC(0, weir_file_lock(first, WEIR_FILE_LOCK_EXCLUSIVE)); // a change of mode
    EXPECT_RC(-EAGAIN, weir_file_try_lock(second, WEIR_FILE_LOCK_SHARED));

    struct locking locking = {.file = second, .mode = WEIR_FILE_LOCK_EXCLUSIVE};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, lock_it, &locking);
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT(!locking.locked);
    EXPECT_RC(0, weir_file_close(first)); // releases it
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(locking.locked);
    EXPECT_RC(0, weir_file_close(second));
    EXPECT_RC(-EINVAL, weir_file_try_lock(NULL, (weir_file_lock_mode)7));
    folder_remove(&folder);
}

/* A wait would never end: it would be tried again and again. */
IO_TEST(that_no_thread_can_be_started_does_not_look_like_a_lock_that_is_taken)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "", 0);
    weir_file *file = open_file(path);
    weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
    int rc = weir_file_try_lock(file, WEIR_FILE_LOCK_EXCLUSIVE);
    weir__base_fault_disarm();
    EXPECT(rc == -ENOMEM || rc == 0); // 0: opening the file has started one
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(a_wait_for_a_lock_can_be_cancelled)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "", 0);
    weir_file *first = open_file(path), *second = open_file(path);
    EXPECT_RC(0, weir_file_lock(first, WEIR_FILE_LOCK_EXCLUSIVE));
    struct locking locking = {.file = second};
    EXPECT_RC(-ETIME, weir_timeout(5 * WEIR_MS, lock_it, &locking));
    EXPECT_RC(-ECANCELED, locking.rc);
    EXPECT_RC(0, weir_file_unlock(first));
    EXPECT_RC(0, weir_file_try_lock(first, WEIR_FILE_LOCK_EXCLUSIVE)); // nobody took it meanwhile
    EXPECT_RC(0, weir_file_close(first));
    EXPECT_RC(0, weir_file_close(second));
    folder_remove(&folder);
}

/* --- everywhere ------------------------------------------------------------------------------- */

static struct folder swept;

static bool old_or_new(const weir_test_round *round, void *arg)
{
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || fault);
    EXPECT(text_is(arg, "old") || text_is(arg, "new content"));
    if (!fault)
        EXPECT(count_entries(swept.path) <= 2);
    folder_remove(&swept);
    EXPECT_EQ(0, mkdir(swept.path, 0700));
    put_file(arg, "old", 3);
    return !test_failed();
}

static int replace_and_keep(void *arg)
{
    weir_replacement *save;
    int rc = weir_replacement_open(NULL, arg, &save);
    if (rc < 0)
        return rc;
    rc = weir_replacement_write(save, "new ", 4);
    if (rc == 0)
        rc = weir_replacement_write(save, "content", 7);
    if (rc == 0)
        rc = weir_replacement_commit(save);
    else
        weir_replacement_drop(save);
    weir_file *file;
    if (rc == 0)
        rc = weir_file_open_temporary(NULL, swept.path, &file);
    if (rc < 0)
        return rc;
    rc = weir_file_lock(file, WEIR_FILE_LOCK_EXCLUSIVE);
    if (rc == 0)
        rc = weir_file_keep(file, NULL, folder_path(&swept, "kept"));
    int closed = weir_file_close(file);
    return rc == 0 ? closed : rc;
}

TEST(replacing_by_pieces_everywhere_leaves_the_old_one_or_the_new) /* O5, O7, I4 */
{
    swept = folder_make();
    char path[128];
    snprintf(path, sizeof path, "%s", folder_path(&swept, "a"));
    put_file(path, "old", 3);
    everywhere_real("replacement", (struct everywhere){replace_and_keep, path, old_or_new, 20});
    folder_remove(&swept);
}
