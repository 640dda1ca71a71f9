/*
 * stream_test.c - files as the source of readers and the sink of writers, on both backends
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "file/file.h"
#include "stream/stream.h"
#include "tests/file/folder.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

static struct folder folder;

static weir_file *open_file(const char *name, weir_file_access access)
{
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open(folder_path(&folder, name),
                                &(weir_file_options){.access = access, .create = true}, &file));
    return file;
}

enum { LINES = 100000 };

static void write_lines(weir_file *file, int64_t offset)
{
    weir_writer *writer;
    REQUIRE_RC(0, weir_file_open_writer(file, offset, NULL, &writer));
    for (int i = 0; i < LINES; i++) {
        if (weir_writer_format(writer, "this is line %d\n", i) < 0)
            break;
    }
    EXPECT_RC(0, weir_writer_close(writer));
}

static void expect_lines(weir_reader *reader)
{
    char expected[32];
    weir_str line;
    int count = 0;
    while (weir_reader_read_line(reader, &line) == 1) {
        int size = snprintf(expected, sizeof expected, "this is line %d", count++);
        if (line.size != (size_t)size || memcmp(line.data, expected, line.size) != 0)
            break;
    }
    EXPECT_EQ(LINES, count);
}

IO_TEST(lines_that_were_written_are_read_from_where_one_begins)
{
    folder = folder_make();
    weir_file *file = open_file("lines", WEIR_FILE_READ_WRITE);
    REQUIRE(file != NULL);
    EXPECT_RC(0, weir_file_write(file, "head\n", 5, 0, NULL));
    write_lines(file, 5);
    weir_reader *reader;
    for (size_t bytes = 64; bytes <= 1 << 20; bytes *= 16) {
        weir_reader_options options = {.buffer_bytes = bytes};
        REQUIRE_RC(0, weir_file_open_reader(file, 5, &options, &reader));
        expect_lines(reader);
        weir_reader_close(reader);
    }
    EXPECT_RC(-EINVAL, weir_file_open_reader(file, -1, NULL, &reader));
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(what_is_skipped_ends_at_the_delimiter_however_much_is_read_at_a_time)
{
    static char content[1 << 20];
    memset(content, 'x', sizeof content);
    memcpy(content + 100000, "\nsecond\n", 8); // behind a buffer, in the same block
    folder = folder_make();
    put_file(folder_path(&folder, "long"), content, sizeof content);
    weir_file *file = open_file("long", WEIR_FILE_READ);
    REQUIRE(file != NULL);
    weir_reader *reader;
    for (size_t bytes = 64; bytes <= 1 << 20; bytes *= 16) {
        weir_reader_options options = {.buffer_bytes = bytes};
        REQUIRE_RC(0, weir_file_open_reader(file, 0, &options, &reader));
        weir_str line = {0};
        size_t skipped = 0;
        EXPECT_RC(1, weir_reader_skip_until(reader, WEIR_STR("\n"), &skipped));
        EXPECT_EQ(100001, skipped);
        EXPECT_RC(1, weir_reader_read_line(reader, &line));
        EXPECT(line.size == 6 && memcmp(line.data, "second", 6) == 0);
        weir_reader_close(reader);
    }
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

IO_TEST(a_writer_of_a_file_that_appends_begins_at_its_end)
{
    folder = folder_make();
    put_file(folder_path(&folder, "log"), "old ", 4);
    weir_file *file = open_file("log", WEIR_FILE_APPEND);
    REQUIRE(file != NULL);
    weir_writer *writer;
    EXPECT_RC(-EINVAL, weir_file_open_writer(file, 4, NULL, &writer));
    REQUIRE_RC(0, weir_file_open_writer(file, 0, NULL, &writer));
    EXPECT_RC(0, weir_writer_write(writer, "new", 3, NULL));
    EXPECT_RC(0, weir_writer_flush(writer));
    EXPECT_RC(0, weir_writer_write(writer, "er", 2, NULL));
    EXPECT_RC(0, weir_writer_close(writer));
    EXPECT_RC(0, weir_file_close(file));
    char found[32];
    EXPECT_EQ(9, get_file(folder_path(&folder, "log"), found, sizeof found));
    EXPECT_STR("old newer", found);
    folder_remove(&folder);
}

/* --- reading ahead ---------------------------------------------------------------------------- */

/* As if nothing of it were in the page cache. */
static weir_file *open_uncached(const char *path)
{
    weir_file *file = NULL;
    int rc = weir_file_open(path, NULL, &file);
    if (rc == 0)
        file->not_cached = true;
    return rc == 0 ? file : NULL;
}

enum { LARGE = 3 << 20 };

static void make_large(char *data)
{
    folder = folder_make();
    fill_pattern(data, LARGE, 0);
    put_file(folder_path(&folder, "large"), data, LARGE);
}

/* Pieces of drawn sizes, some of them looked at in one piece. */
static void read_pieces(weir_reader *reader, const char *data, uint64_t state)
{
    size_t at = 0;
    while (at < LARGE) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t size = (size_t)(state >> 40) % 60000 + 1, skipped;
        weir_str view;
        REQUIRE_RC(0, weir_reader_peek(reader, size, &view));
        REQUIRE(view.size >= size || at + view.size == LARGE);
        if (size > view.size)
            size = view.size;
        REQUIRE(memcmp(view.data, data + at, size) == 0);
        EXPECT_RC(0, weir_reader_skip(reader, size, &skipped));
        at += skipped;
    }
    char more;
    EXPECT_EQ(LARGE, at);
    EXPECT_RC(0, weir_reader_read(reader, &more, 1));
    EXPECT_RC(0, weir_reader_read(reader, &more, 1)); // asks again, and the end is still there
}

IO_TEST(a_large_file_is_the_same_when_it_is_read_ahead)
{
    char *data = malloc(LARGE);
    make_large(data);
    weir_file *file = open_uncached(folder_path(&folder, "large"));
    REQUIRE(file != NULL);
    weir_reader *reader;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        REQUIRE_RC(0, weir_file_open_reader(file, 0, NULL, &reader));
        read_pieces(reader, data, seed);
        weir_reader_close(reader);
    }
    EXPECT_RC(0, weir_file_close(file));
    free(data);
    folder_remove(&folder);
}

IO_TEST(lines_are_the_same_when_they_are_read_ahead)
{
    folder = folder_make();
    weir_file *file = open_file("lines", WEIR_FILE_READ_WRITE);
    REQUIRE(file != NULL);
    write_lines(file, 0);
    file->not_cached = true;
    weir_reader *reader;
    for (size_t bytes = 64; bytes <= 1 << 20; bytes *= 16) {
        weir_reader_options options = {.buffer_bytes = bytes};
        REQUIRE_RC(0, weir_file_open_reader(file, 0, &options, &reader));
        expect_lines(reader);
        weir_reader_close(reader);
    }
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}

/* The next block is under way then; its memory goes when it has come. */
IO_TEST(a_reader_is_closed_while_it_reads_ahead_and_the_file_before_it)
{
    char *data = malloc(LARGE);
    make_large(data);
    for (int i = 0; i < test_rounds(50); i++) {
        weir_file *file = open_uncached(folder_path(&folder, "large"));
        REQUIRE(file != NULL);
        weir_reader *reader;
        weir_str view;
        REQUIRE_RC(0, weir_file_open_reader(file, 0, NULL, &reader));
        EXPECT_RC(0, weir_reader_peek(reader, 1, &view));
        EXPECT_RC(0, weir_file_close(file));
        if (i % 2 == 0)
            EXPECT_RC(0, weir_yield());
        weir_reader_close(reader);
    }
    free(data);
    folder_remove(&folder);
}

static int leave_open(void *arg)
{
    (void)arg;
    weir_file *file = open_uncached(folder_path(&folder, "large"));
    weir_reader *reader;
    weir_str view;
    int rc = file == NULL ? -EIO : weir_file_open_reader(file, 0, NULL, &reader);
    return rc < 0 ? rc : weir_reader_peek(reader, 1, &view); // and the next block is on its way
}

TEST(a_run_ends_well_while_a_forgotten_reader_reads_ahead) /* I4 */
{
    char *data = malloc(LARGE);
    make_large(data);
    for (int i = 0; i < test_rounds(20); i++) {
        weir_run_options options = {.backend = i % 2 == 0 && test_why_no_uring() == NULL ? "uring"
                                                                                         : "epoll"};
        EXPECT_RC(0, weir__core_run(&options, leave_open, NULL, false));
    }
    free(data);
    folder_remove(&folder);
}

/* O4: who is cancelled while a block is on its way finds it later. */
static int read_large(void *arg)
{
    const char *data = arg;
    weir_file *file;
    int rc = weir_file_open(folder_path(&folder, "large"), NULL, &file);
    if (rc < 0)
        return rc;
    file->not_cached = true;
    weir_reader *reader = NULL;
    rc = weir_file_open_reader(file, 0, NULL, &reader);
    size_t at = 0;
    while (rc == 0 && at < LARGE) {
        weir_str view;
        rc = weir_reader_peek(reader, 1, &view);
        if (rc < 0)
            break;
        WEIR_TEST_EXPECT(memcmp(view.data, data + at, view.size) == 0);
        size_t skipped;
        rc = weir_reader_skip(reader, view.size, &skipped);
        at += skipped;
    }
    WEIR_TEST_EXPECT(rc < 0 || at == LARGE);
    weir_reader_close(reader);
    int closed = weir_file_close(file);
    return rc < 0 ? rc : closed;
}

TEST(reading_ahead_everywhere) /* O4 to O7, I4 */
{
    char *data = malloc(LARGE);
    make_large(data);
    everywhere_real("ahead", (struct everywhere){read_large, data, NULL, 10});
    free(data);
    folder_remove(&folder);
}

/* The follower of a log: what was at its end is read on when it has grown. */
IO_TEST(a_file_that_has_grown_is_read_on)
{
    folder = folder_make();
    weir_file *file = open_file("log", WEIR_FILE_READ_WRITE);
    REQUIRE(file != NULL);
    weir_reader *reader;
    weir_str line;
    REQUIRE_RC(
        0, weir_file_open_reader(file, 0, &(weir_reader_options){.keep_partial = true}, &reader));
    EXPECT_RC(0, weir_reader_read_line(reader, &line));
    EXPECT_RC(0, weir_file_write(file, "one\nt", 5, 0, NULL));
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    EXPECT_RC(0, weir_reader_read_line(reader, &line));
    EXPECT_RC(0, weir_file_write(file, "wo\n", 3, 5, NULL));
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    EXPECT_EQ(3, line.size);
    EXPECT_BYTES("two", line.data, 3);
    weir_reader_close(reader);
    EXPECT_RC(0, weir_file_close(file));
    folder_remove(&folder);
}
