/*
 * everywhere_sweep_test.c - files, cancelled and failed at every place: rules O5, O7, I4, cases
 * 293, 294
 */
#include <stdio.h>

#include "tests/file/folder.h"
#include "tests/support/everywhere.h"

enum { SIZE = 70000 };

static struct folder folder;
static char path[128];
static char data[2][SIZE];

/* Old or new, and never anything else; no temporary file is left (but by a kernel that refuses to
 * remove it). */
static bool is_whole(const weir_test_round *round, void *arg)
{
    (void)arg;
    static char found[SIZE + 1];
    size_t size = get_file(path, found, sizeof found);
    EXPECT_EQ(SIZE, size);
    EXPECT(memcmp(found, data[0], SIZE) == 0 || memcmp(found, data[1], SIZE) == 0);
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || fault);
    if (!fault)
        EXPECT_EQ(1, count_entries(folder.path));
    if (!round->struck)
        EXPECT(memcmp(found, data[1], SIZE) == 0);
    put_file(path, data[0], SIZE);
    return !test_failed();
}

static int replace_and_read(void *arg)
{
    (void)arg;
    int rc = weir_file_replace(path, data[1], SIZE);
    weir_bytes bytes = {0};
    if (rc == 0)
        rc = weir_file_read_all(path, 0, &bytes);
    if (rc == 0)
        WEIR_TEST_EXPECT(bytes.size == SIZE && memcmp(bytes.data, data[1], SIZE) == 0);
    weir_bytes_free(&bytes);
    return rc;
}

static void begin(void)
{
    folder = folder_make();
    snprintf(path, sizeof path, "%s", folder_path(&folder, "file"));
    fill_pattern(data[0], SIZE, 0);
    fill_pattern(data[1], SIZE, 1);
    put_file(path, data[0], SIZE);
}

TEST(replacing_a_file_everywhere_leaves_the_old_one_or_the_new) /* O7 */
{
    begin();
    everywhere_real("replace", (struct everywhere){replace_and_read, NULL, is_whole, 20});
    folder_remove(&folder);
}

static int write_and_read(void *arg)
{
    (void)arg;
    static char back[SIZE];
    weir_file *file;
    int rc =
        weir_file_open(folder_path(&folder, "other"),
                       &(weir_file_options){.access = WEIR_FILE_READ_WRITE, .create = true}, &file);
    if (rc < 0)
        return rc;
    size_t written = 0, got = 0;
    rc = weir_file_write(file, data[1], SIZE, 0, &written);
    WEIR_TEST_EXPECT(written <= SIZE && (rc < 0 || written == SIZE)); /* O6 */
    if (rc == 0)
        rc = weir_file_sync(file);
    if (rc == 0)
        rc = weir_file_read(file, back, SIZE, 0, &got);
    if (rc == 0)
        WEIR_TEST_EXPECT(got == SIZE && memcmp(back, data[1], SIZE) == 0);
    if (rc == 0)
        rc = weir_file_truncate(file, 0);
    int closed = weir_file_close(file);
    int removed = rc == 0 ? weir_file_remove(folder_path(&folder, "other")) : 0;
    if (rc == 0)
        rc = removed;
    return rc == 0 ? closed : rc;
}

TEST(writing_a_file_everywhere) /* O5, O6, I4 */
{
    begin();
    everywhere_real("write", (struct everywhere){write_and_read, NULL, NULL, 20});
    folder_remove(&folder);
}
