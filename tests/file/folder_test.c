/*
 * folder_test.c - open folders, and names beneath them
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/exec.h>

#include "base/sys.h"
#include "core/io.h"
#include "core/observe.h"
#include "tests/file/folder.h"
#include "tests/support/everywhere.h"
#include "tests/support/fault_loop.h"

static const weir_file_options to_write = {.access = WEIR_FILE_WRITE, .create = true};

static weir_folder *open_folder(const char *path)
{
    weir_folder *folder = NULL;
    EXPECT_RC(0, weir_folder_open(NULL, path, &folder));
    return folder;
}

static bool text_is(const char *path, const char *expected)
{
    char text[64];
    get_file(path, text, sizeof text);
    return strcmp(text, expected) == 0;
}

/* --- names ------------------------------------------------------------------------------------ */

/* The same sequence with paths, beneath an open folder, and with names of several parts. */
static void do_everything(weir_folder *in, const char *prefix, struct folder *folder)
{
    char a[160], b[160], c[160], target[64];
    snprintf(a, sizeof a, "%sa", prefix);
    snprintf(b, sizeof b, "%sb", prefix);
    snprintf(c, sizeof c, "%sc", prefix);
    const char *path_a = in == NULL ? a : folder_path(folder, a);
    const char *path_b = in == NULL ? b : folder_path(folder, b);
    put_file(path_a, "first", 5);

    EXPECT_RC(0, weir_folder_rename(in, a, in, b, WEIR_RENAME_NO_REPLACE));
    EXPECT(!file_exists(path_a));
    put_file(path_a, "second", 6);
    EXPECT_RC(-EEXIST, weir_folder_rename(in, a, in, b, WEIR_RENAME_NO_REPLACE));
    EXPECT_CONTAINS("cannot rename", weir_failure_message(-EEXIST));
    EXPECT_RC(0, weir_folder_rename(in, a, in, b, WEIR_RENAME_EXCHANGE));
    EXPECT(text_is(path_a, "first") && text_is(path_b, "second"));
    EXPECT_RC(0, weir_folder_rename(in, a, in, b, WEIR_RENAME_REPLACE));
    EXPECT(!file_exists(path_a) && text_is(path_b, "first"));
    EXPECT_RC(-EINVAL, weir_folder_rename(in, a, in, b, (weir_rename_mode)7));

    weir_file_stat stat;
    EXPECT_RC(0, weir_folder_link(in, b, in, a));
    EXPECT_RC(0, weir_folder_stat(in, a, false, &stat));
    EXPECT_EQ(2, stat.link_count);
    EXPECT_RC(0, weir_folder_symlink(in, c, "somewhere"));
    EXPECT_RC(0, weir_folder_read_link(in, c, target, sizeof target));
    EXPECT_STR("somewhere", target);
    EXPECT_RC(-ENAMETOOLONG, weir_folder_read_link(in, c, target, 9));
    EXPECT_RC(0, weir_folder_read_link(in, c, target, 10));
    EXPECT_RC(-EINVAL, weir_folder_read_link(in, a, target, sizeof target));
    EXPECT_RC(-EEXIST, weir_folder_symlink(in, c, "elsewhere"));
    EXPECT_RC(0, weir_folder_remove_file(in, c));
    EXPECT_RC(0, weir_folder_remove_file(in, a));
    EXPECT_RC(0, weir_folder_remove_file(in, b));
    EXPECT_RC(-ENOENT, weir_folder_remove_file(in, b));

    EXPECT_RC(0, weir_folder_make(in, a, 0));
    EXPECT_RC(-EEXIST, weir_folder_make(in, a, 0));
    EXPECT_RC(0, weir_folder_make(in, b, 0700));
    EXPECT_RC(0, weir_folder_stat(in, b, false, &stat));
    EXPECT_EQ(0700, stat.mode);
    EXPECT_RC(-EISDIR, weir_folder_remove_file(in, a));
    EXPECT_RC(0, weir_folder_sync(in, a));
    EXPECT_RC(0, weir_folder_remove(in, a));
    EXPECT_RC(0, weir_folder_remove(in, b));
    EXPECT_RC(-ENOENT, weir_folder_remove(in, b));
}

IO_TEST(names_are_given_changed_and_taken_away)
{
    struct folder folder = folder_make();
    char prefix[80];
    snprintf(prefix, sizeof prefix, "%s/", folder.path);
    do_everything(NULL, prefix, &folder);
    weir_folder *open = open_folder(folder.path);
    do_everything(open, "", &folder);
    EXPECT_RC(0, weir_folder_make_all(open, "x/y/z", 0));
    do_everything(open, "x/y/", &folder);
    do_everything(open, "x/../x//y/./z/../", &folder);
    EXPECT_EQ(1, count_entries(folder.path));
    EXPECT_RC(0, weir_folder_remove(open, "x/y/z"));
    EXPECT_RC(0, weir_folder_remove(open, "x/y"));
    EXPECT_RC(0, weir_folder_sync(open, "."));
    weir_folder_close(open);
    weir_folder_close(NULL);
    folder_remove(&folder);
}

/* A kernel or a filter may have taken out any of them. */
IO_TEST(what_the_ring_does_not_know_is_done_by_a_thread)
{
    struct weir__backend_features *features =
        (struct weir__backend_features *)(uintptr_t)weir__io_features();
    struct folder folder = folder_make();
    weir_folder *open = open_folder(folder.path);
    weir_pool_stats before, after;
    features->file_kinds = 0;
    weir_pool_stats_get(NULL, &before);
    do_everything(open, "", &folder);
    weir_file *file = NULL;
    weir_file_options options = to_write;
    options.folder = open;
    EXPECT_RC(0, weir_file_open("a", &options, &file));
    EXPECT_RC(0, weir_file_write_parts(file, &WEIR_STR("abc"), 1, 0, NULL));
    EXPECT_RC(0, weir_file_truncate(file, 1));
    EXPECT_RC(0, weir_file_allocate(file, 0, 10));
    EXPECT_RC(0, weir_file_advise(file, WEIR_FILE_RANDOM, 0, 0));
    EXPECT_RC(0, weir_file_close(file));
    weir_pool_stats_get(NULL, &after);
    EXPECT(after.finished - before.finished >= 20);
    weir_folder_close(open);
    folder_remove(&folder);
}

IO_TEST(folders_are_made_with_all_above_them)
{
    struct folder folder = folder_make();
    char path[128];
    snprintf(path, sizeof path, "%s//one/two///three/", folder.path);
    EXPECT_RC(0, weir_folder_make_all(NULL, path, 0));
    EXPECT_RC(0, weir_folder_make_all(NULL, path, 0)); // it is there: well
    EXPECT_RC(0, weir_folder_make_all(NULL, "/", 0));
    EXPECT_RC(-ENOENT, weir_folder_make_all(NULL, "", 0));
    put_file(folder_path(&folder, "file"), "", 0);
    EXPECT_RC(-ENOTDIR, weir_folder_make_all(NULL, folder_path(&folder, "file/below"), 0));
    EXPECT_RC(-ENOTDIR, weir_folder_make_all(NULL, folder_path(&folder, "file"), 0));
    EXPECT_CONTAINS("file", weir_failure_message(-ENOTDIR));
    EXPECT_RC(0, weir_folder_remove(NULL, path));
    EXPECT_RC(0, weir_folder_remove(NULL, folder_path(&folder, "one/two")));
    folder_remove(&folder);
}

/* --- nothing leads out ------------------------------------------------------------------------ */

IO_TEST(no_name_leads_out_of_a_folder)
{
    static const char *const outside[] = {
        "../secret",   "..",           "in/../../secret", "/etc/passwd",
        "link/secret", "in/up/secret", "in/up",           "in/..",
    };
    struct folder folder = folder_make();
    put_file(folder_path(&folder, "secret"), "keep", 4);
    EXPECT_EQ(0, mkdir(folder_path(&folder, "jail"), 0700));
    EXPECT_EQ(0, mkdir(folder_path(&folder, "jail/in"), 0700));
    EXPECT_EQ(0, symlink("..", folder_path(&folder, "jail/link")));
    EXPECT_EQ(0, symlink("../..", folder_path(&folder, "jail/in/up")));
    put_file(folder_path(&folder, "jail/mine"), "mine", 4);
    weir_folder *jail = open_folder(folder_path(&folder, "jail"));
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        weir_file *file = NULL;
        weir_folder *further = NULL;
        weir_file_stat stat;
        const char *name = outside[i];
        int rc = weir_file_open(name, &(weir_file_options){.folder = jail}, &file);
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -EISDIR);
        rc = weir_file_open(
            name,
            &(weir_file_options){
                .access = WEIR_FILE_WRITE, .create = true, .truncate = true, .folder = jail},
            &file);
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -EISDIR);
        EXPECT(file == NULL);
        if (strcmp(name, "in/..") != 0) {
            rc = weir_folder_open(jail, name, &further);
            EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR);
        }
        if (strcmp(name, "in/up") == 0)
            continue; // the link itself is inside
        rc = weir_folder_stat(jail, name, false, &stat);
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR);
        rc = weir_folder_remove_file(jail, name);
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR);
        rc = weir_folder_make(jail, name, 0);
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR);
        rc = weir_folder_rename(jail, "mine", jail, name, WEIR_RENAME_REPLACE);
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR);
        rc = weir_folder_link(jail, "mine", jail, name);
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR);
        rc = weir_folder_symlink(jail, name, "x");
        EXPECT(rc == -EXDEV || rc == -ELOOP || rc == -ENOTDIR);
    }
    weir_file_stat stat;
    EXPECT_RC(-ELOOP, weir_folder_stat(jail, "link", true, &stat));
    EXPECT_RC(0, weir_folder_stat(jail, "link", false, &stat));
    EXPECT(text_is(folder_path(&folder, "secret"), "keep"));
    EXPECT(text_is(folder_path(&folder, "jail/mine"), "mine"));
    EXPECT_RC(0, weir_folder_remove_file(jail, "in/up"));
    EXPECT_RC(0, weir_folder_remove_file(jail, "link"));
    EXPECT_RC(0, weir_folder_remove(jail, "in"));
    EXPECT_RC(0, weir_folder_remove_file(jail, "mine"));
    weir_folder_close(jail);
    folder_remove(&folder);
}

IO_TEST(files_beneath_a_folder_are_opened_and_made)
{
    struct folder folder = folder_make();
    weir_folder *open = open_folder(folder.path);
    EXPECT_RC(0, weir_folder_make(open, "in", 0));
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open("in/a",
                                &(weir_file_options){.access = WEIR_FILE_WRITE,
                                                     .exclusive = true,
                                                     .mode = 0600,
                                                     .folder = open},
                                &file));
    EXPECT_RC(0, weir_file_write(file, "beneath", 7, 0, NULL));
    EXPECT_RC(0, weir_file_close(file));
    weir_folder *in = NULL;
    EXPECT_RC(0, weir_folder_open(open, "in", &in));
    EXPECT_RC(0, weir_file_open("a", &(weir_file_options){.folder = in}, &file));
    char text[16] = {0};
    size_t done;
    EXPECT_RC(0, weir_file_read(file, text, sizeof text, 0, &done));
    EXPECT_STR("beneath", text);
    EXPECT_RC(0, weir_file_close(file));
    EXPECT_RC(-ENOENT, weir_file_open("b", &(weir_file_options){.folder = in}, &file));
    EXPECT_RC(-ENOTDIR, weir_folder_open(open, "in/a", &in));
    weir_bytes bytes;
    EXPECT_RC(0, weir_folder_read_all(open, "in/a", 7, &bytes));
    EXPECT_STR("beneath", bytes.data);
    weir_bytes_free(&bytes);
    EXPECT_RC(-EXDEV, weir_folder_read_all(in, "../a", 0, &bytes));
    EXPECT_CONTAINS("cannot open ../a: EXDEV: the name leads out", weir_failure_message(-EXDEV));
    EXPECT_RC(-EFBIG, weir_folder_read_all(in, "a", 6, &bytes));
    /* A folder that is moved stays the same one. */
    EXPECT_RC(0, weir_folder_rename(open, "in", open, "moved", WEIR_RENAME_REPLACE));
    EXPECT_RC(0, weir_folder_remove_file(in, "a"));
    weir_folder_close(in);
    EXPECT_RC(0, weir_folder_remove(open, "moved"));
    weir_folder_close(open);
    folder_remove(&folder);
}

/* --- cancellation and misuse ------------------------------------------------------------------ */

IO_TEST(in_a_cancelled_scope_no_name_changes)
{
    struct folder folder = folder_make();
    put_file(folder_path(&folder, "a"), "abc", 3);
    weir_folder *open = open_folder(folder.path);
    weir_folder *none = NULL;
    weir_file_stat stat;
    char text[8];
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_folder_open(NULL, folder.path, &none)); // O1, each of them
    EXPECT_RC(-ECANCELED, weir_folder_open(open, ".", &none));
    EXPECT_RC(-ECANCELED, weir_folder_stat(open, "a", false, &stat));
    EXPECT_RC(-ECANCELED, weir_folder_make(open, "b", 0));
    EXPECT_RC(-ECANCELED, weir_folder_make_all(open, "b/c", 0));
    EXPECT_RC(-ECANCELED, weir_folder_rename(open, "a", open, "b", WEIR_RENAME_REPLACE));
    EXPECT_RC(-ECANCELED, weir_folder_link(open, "a", open, "b"));
    EXPECT_RC(-ECANCELED, weir_folder_symlink(open, "b", "a"));
    EXPECT_RC(-ECANCELED, weir_folder_read_link(open, "a", text, sizeof text));
    EXPECT_RC(-ECANCELED, weir_folder_remove_file(open, "./a"));
    EXPECT_RC(-ECANCELED, weir_folder_remove(open, "a"));
    EXPECT_RC(-ECANCELED, weir_folder_sync(open, "."));
    weir_folder_close(open); // O8
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT(none == NULL);
    EXPECT_EQ(1, count_entries(folder.path));
    EXPECT(text_is(folder_path(&folder, "a"), "abc"));
    folder_remove(&folder);
}

TEST(outside_a_task_no_name_is_touched)
{
    weir_folder *folder = NULL;
    weir_file_stat stat;
    EXPECT_RC(-EPERM, weir_folder_open(NULL, "/", &folder));
    EXPECT_RC(-EPERM, weir_folder_stat(NULL, "/", false, &stat));
    EXPECT_RC(-EPERM, weir_folder_make(NULL, "/nowhere", 0));
    EXPECT_RC(-EPERM, weir_folder_make_all(NULL, "/nowhere", 0));
    EXPECT_RC(-EPERM, weir_folder_sync(NULL, "/"));
    EXPECT_RC(-EPERM, weir_file_rename("/nowhere", "/nowhere2", WEIR_RENAME_REPLACE));
}

IO_TEST(without_the_call_that_stays_beneath_nothing_is_opened_there)
{
    if (!deny_call(SYS_openat2, ENOSYS))
        return test_skip("this machine has no seccomp");
    struct folder folder = folder_make();
    put_file(folder_path(&folder, "a"), "abc", 3);
    weir_folder *open = open_folder(folder.path);
    weir_file *file = NULL;
    int rc = weir_file_open("a", &(weir_file_options){.folder = open}, &file);
    if (weir__io_features()->file_ops) // a filter does not see what goes through the ring
        EXPECT_RC(0, rc);
    else
        EXPECT_RC(-ENOSYS, rc);
    EXPECT_RC(0, weir_file_close(rc == 0 ? file : NULL));
    EXPECT_RC(-ENOSYS, weir_folder_remove_file(open, "./a"));
    EXPECT_RC(0, weir_folder_remove_file(open, "a")); // one part needs no resolving
    weir_folder_close(open);
    folder_remove(&folder);
}

static int finding_count;
static char finding_text[200];

static void note_finding(const struct weir__finding *finding)
{
    finding_count++;
    snprintf(finding_text, sizeof finding_text, "%s", finding->what);
}

static int leave_a_folder_open(void *arg)
{
    weir_folder *folder;
    return weir_folder_open(NULL, arg, &folder);
}

TEST(a_forgotten_folder_is_reported_and_closed_with_its_loop)
{
    weir__core_observe(note_finding);
    int fds = weir__sys_open_fd_count();
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "epoll"}, leave_a_folder_open, "/",
                                false));
    EXPECT_EQ(1, finding_count);
    EXPECT_STR("folder", finding_text);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
}

/* --- everywhere ------------------------------------------------------------------------------- */

static struct folder swept;

/* Whatever was struck, the next round begins with an empty folder. */
static bool sweep_clean(const weir_test_round *round, void *arg)
{
    (void)arg;
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || fault);
    remove(folder_path(&swept, "x/y/a"));
    remove(folder_path(&swept, "x/y/b"));
    remove(folder_path(&swept, "x/y"));
    remove(folder_path(&swept, "x"));
    EXPECT_EQ(0, count_entries(swept.path));
    return !test_failed();
}

static int name_things(void *arg)
{
    weir_folder *open;
    int rc = weir_folder_open(NULL, arg, &open);
    if (rc < 0)
        return rc;
    weir_file *file = NULL;
    weir_file_options options = to_write;
    options.folder = open;
    weir_file_stat stat;
    rc = weir_folder_make_all(open, "x/y", 0);
    if (rc == 0)
        rc = weir_file_open("x/y/a", &options, &file);
    if (rc == 0)
        rc = weir_file_write_parts(file, &WEIR_STR("abc"), 1, 0, NULL);
    if (rc == 0)
        rc = weir_file_allocate(file, 0, 4096);
    weir_ignore(weir_file_close(rc == 0 || file != NULL ? file : NULL), "a sweep");
    if (rc == 0)
        rc = weir_folder_rename(open, "x/y/a", open, "x/y/b", WEIR_RENAME_NO_REPLACE);
    if (rc == 0)
        rc = weir_folder_stat(open, "x/y/b", false, &stat);
    if (rc == 0)
        WEIR_TEST_EXPECT(stat.size == 4096);
    if (rc == 0)
        rc = weir_folder_remove_file(open, "x/y/b");
    if (rc == 0)
        rc = weir_folder_sync(open, "x/y");
    if (rc == 0)
        rc = weir_folder_remove(open, "x/y");
    weir_folder_close(open);
    return rc;
}

TEST(naming_things_everywhere) /* O5, O7, I4 */
{
    swept = folder_make();
    everywhere_real("names", (struct everywhere){name_things, swept.path, sweep_clean, 20});
    folder_remove(&swept);
}
