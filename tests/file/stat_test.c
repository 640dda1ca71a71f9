/*
 * stat_test.c - what is known about an open file, and what can be asked of it besides bytes
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/io.h"
#include "tests/file/folder.h"

static const weir_file_options to_read_and_write = {.access = WEIR_FILE_READ_WRITE, .create = true};

static weir_file *open_file(const char *path, const weir_file_options *options)
{
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open(path, options, &file));
    return file;
}

IO_TEST(a_file_is_told_as_the_kernel_knows_it)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "12345", 5);
    EXPECT_EQ(0, chmod(path, 0640));
    struct timespec times[2] = {{100, 5}, {-3, 500}}; /* also before 1970 */
    EXPECT_EQ(0, utimensat(AT_FDCWD, path, times, 0));
    struct stat expected;
    EXPECT_EQ(0, stat(path, &expected));
    weir_file *file = open_file(path, NULL);
    weir_file_stat known[3];
    EXPECT_RC(0, weir_file_stat_get(file, &known[0]));
    EXPECT_RC(0, weir_folder_stat(NULL, path, false, &known[1]));
    weir_folder *open = NULL;
    EXPECT_RC(0, weir_folder_open(NULL, folder.path, &open));
    EXPECT_RC(0, weir_folder_stat(open, "a", false, &known[2]));
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(WEIR_FILE_KIND_REGULAR, known[i].kind);
        EXPECT_EQ(0640, known[i].mode);
        EXPECT_EQ(getuid(), known[i].user);
        EXPECT_EQ(1, known[i].link_count);
        EXPECT_EQ(expected.st_ino, known[i].inode);
        EXPECT_EQ(expected.st_dev, known[i].device);
        EXPECT_EQ(5, known[i].size);
        EXPECT_EQ(expected.st_blocks * 512, known[i].allocated_bytes);
        EXPECT_EQ(100 * WEIR_SEC + 5, known[i].read_at_ns);
        EXPECT_EQ(-3 * WEIR_SEC + 500, known[i].written_at_ns);
        EXPECT(known[i].changed_at_ns > known[i].written_at_ns);
    }
    weir_folder_close(open);
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(every_kind_of_file_is_told_from_the_others)
{
    struct folder folder = folder_make();
    EXPECT_EQ(0, mkfifo(folder_path(&folder, "pipe"), 0600));
    EXPECT_EQ(0, symlink("pipe", folder_path(&folder, "link")));
    weir_file_stat known;
    EXPECT_RC(0, weir_folder_stat(NULL, folder.path, false, &known));
    EXPECT_EQ(WEIR_FILE_KIND_FOLDER, known.kind);
    EXPECT_RC(0, weir_folder_stat(NULL, folder_path(&folder, "pipe"), false, &known));
    EXPECT_EQ(WEIR_FILE_KIND_PIPE, known.kind);
    EXPECT_RC(0, weir_folder_stat(NULL, folder_path(&folder, "link"), false, &known));
    EXPECT_EQ(WEIR_FILE_KIND_LINK, known.kind);
    EXPECT_RC(0, weir_folder_stat(NULL, folder_path(&folder, "link"), true, &known));
    EXPECT_EQ(WEIR_FILE_KIND_PIPE, known.kind);
    EXPECT_RC(0, weir_folder_stat(NULL, "/dev/null", false, &known));
    EXPECT_EQ(WEIR_FILE_KIND_CHARACTER_DEVICE, known.kind);
    EXPECT_RC(-ENOENT, weir_folder_stat(NULL, folder_path(&folder, "no"), false, &known));
    EXPECT_CONTAINS("cannot look at", weir_failure_message(-ENOENT));
    folder_remove(&folder);
}

IO_TEST(room_is_kept_permissions_change_and_data_is_synced)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    weir_file *file = open_file(path, &to_read_and_write);
    int rc = weir_file_allocate(file, 1000, 100000);
    EXPECT(rc == 0 || rc == -EOPNOTSUPP);
    weir_file_stat known;
    EXPECT_RC(0, weir_file_stat_get(file, &known));
    if (rc == 0) {
        EXPECT_EQ(101000, known.size);
        EXPECT(known.allocated_bytes >= 100000);
    }
    EXPECT_RC(0, weir_file_truncate(file, 12));
    EXPECT_RC(0, weir_file_set_mode(file, 0604));
    EXPECT_RC(0, weir_file_sync_data(file));
    EXPECT_RC(0, weir_file_stat_get(file, &known));
    EXPECT_EQ(12, known.size);
    EXPECT_EQ(0604, known.mode);
    EXPECT_RC(-EINVAL, weir_file_set_mode(file, 010000));
    EXPECT_RC(-EINVAL, weir_file_allocate(file, 0, 0));
    EXPECT_RC(-EINVAL, weir_file_allocate(file, -1, 5));
    EXPECT_RC(-EINVAL, weir_file_truncate(file, -1));
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(advice_changes_nothing_but_what_is_in_memory)
{
    struct folder folder = folder_make();
    const char *path = folder_path(&folder, "a");
    put_file(path, "12345", 5);
    weir_file *file = open_file(path, NULL);
    for (int advice = WEIR_FILE_NORMAL; advice <= WEIR_FILE_DROP; advice++)
        EXPECT_RC(0, weir_file_advise(file, (weir_file_advice)advice, 0, 0));
    EXPECT_RC(0, weir_file_advise(file, WEIR_FILE_DROP, 1, INT64_MAX - 1)); // no ring has 64 bits
    EXPECT_RC(-EINVAL, weir_file_advise(file, (weir_file_advice)9, 0, 0));
    EXPECT_RC(-EINVAL, weir_file_advise(file, WEIR_FILE_DROP, 0, -1));
    char text[8];
    size_t done;
    EXPECT_RC(0, weir_file_read(file, text, sizeof text, 0, &done));
    EXPECT_EQ(5, done);
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(nothing_more_is_asked_of_a_file_in_a_cancelled_scope)
{
    struct folder folder = folder_make();
    weir_file *file = open_file(folder_path(&folder, "a"), &to_read_and_write);
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_file_allocate(file, 0, 4096)); // O1, each of them
    EXPECT_RC(-ECANCELED, weir_file_set_mode(file, 0777));
    EXPECT_RC(-ECANCELED, weir_file_sync_data(file));
    EXPECT_RC(-ECANCELED, weir_file_advise(file, WEIR_FILE_RANDOM, 0, 0));
    EXPECT_RC(-ECANCELED, weir_file_truncate(file, 7));
    weir_file_stat known;
    EXPECT_RC(0, weir_file_stat_get(file, &known));
    EXPECT_EQ(0, known.size);
    EXPECT(known.mode != 0777);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}
