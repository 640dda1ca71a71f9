/*
 * reader_test.c - lines and pieces, however the source cuts them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "stream/stream.h"
#include "tests/stream/bytes.h"
#include "tests/stream/pieces.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

enum { SMALL = 64 };

static weir_reader *open_pieces(struct pieces *pieces, size_t buffer_bytes)
{
    weir_reader *reader = NULL;
    weir_source source = pieces_source(pieces);
    weir_reader_options options = {.buffer_bytes = buffer_bytes};
    EXPECT_RC(0, weir_reader_open(&source, &options, &reader));
    return reader;
}

static void expect_str(const char *expected, weir_str actual)
{
    EXPECT_EQ(strlen(expected), actual.size);
    EXPECT(actual.size == strlen(expected) && memcmp(expected, actual.data, actual.size) == 0);
}

/* --- lines ------------------------------------------------------------------------------------ */

static const char text[] = "one\n\ntwo\r\n\r\nthree \r four\n\xff\0five\n"
                           "a line of some length, which is near what the buffer holds: 64\nlast";
enum { TEXT_BYTES = sizeof text - 1 };

/* What all lines are together, each behind its size: the same for every cut. */
static size_t collect_lines(weir_reader *reader, char *out, size_t size)
{
    size_t at = 0;
    weir_str line;
    int rc;
    while ((rc = weir_reader_read_line(reader, &line)) > 0) {
        at += (size_t)snprintf(out + at, size - at, "[%zu]", line.size);
        memcpy(out + at, line.data, line.size);
        at += line.size;
    }
    EXPECT_RC(0, rc);
    return at;
}

static const char lines_expected[] = "[3]one[0][3]two[0][12]three \r four[6]\xff\0five"
                                     "[62]a line of some length, which is near what the buffer "
                                     "holds: 64[4]last";

TASK_TEST(the_lines_are_the_same_however_the_source_cuts_them)
{
    char out[512];
    size_t expected_size = sizeof lines_expected - 1;
    for (size_t piece = 1; piece <= TEXT_BYTES; piece++) {
        struct pieces pieces = {.data = text, .size = TEXT_BYTES, .piece = piece};
        weir_reader *reader = open_pieces(&pieces, SMALL);
        EXPECT_EQ(expected_size, collect_lines(reader, out, sizeof out));
        EXPECT_BYTES(lines_expected, out, expected_size);
        weir_reader_close(reader);
        EXPECT_EQ(1, pieces.closed);
    }
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct pieces pieces = {.data = text, .size = TEXT_BYTES, .state = seed * 7919};
        weir_reader *reader = open_pieces(&pieces, SMALL + (size_t)seed);
        EXPECT_EQ(expected_size, collect_lines(reader, out, sizeof out));
        EXPECT_BYTES(lines_expected, out, expected_size);
        weir_reader_close(reader);
    }
    weir_reader *reader;
    REQUIRE_RC(0, weir_reader_open_memory(text, TEXT_BYTES, &reader));
    EXPECT_EQ(expected_size, collect_lines(reader, out, sizeof out));
    EXPECT_BYTES(lines_expected, out, expected_size);
    weir_reader_close(reader);
}

TASK_TEST(a_line_that_is_too_long_stays_to_be_looked_at_or_passed_over)
{
    static const char long_line[] =
        "short\n0123456789012345678901234567890123456789012345678901234567890123456789\nnext\n";
    for (size_t piece = 1; piece < sizeof long_line; piece++) {
        struct pieces pieces = {.data = long_line, .size = sizeof long_line - 1, .piece = piece};
        weir_reader *reader = open_pieces(&pieces, SMALL);
        weir_str line;
        EXPECT_RC(1, weir_reader_read_line(reader, &line));
        expect_str("short", line);
        EXPECT_RC(-EMSGSIZE, weir_reader_read_line(reader, &line));
        EXPECT_CONTAINS("longer than 64 bytes", weir_failure_message(-EMSGSIZE));
        EXPECT_RC(-EMSGSIZE, weir_reader_read_line(reader, &line)); // nothing was taken
        EXPECT_RC(0, weir_reader_peek(reader, 10, &line));
        EXPECT_BYTES("0123456789", line.data, 10);
        size_t skipped;
        EXPECT_RC(1, weir_reader_skip_until(reader, WEIR_STR("\n"), &skipped));
        EXPECT_EQ(71, skipped);
        EXPECT_RC(1, weir_reader_read_line(reader, &line));
        expect_str("next", line);
        EXPECT_RC(0, weir_reader_read_line(reader, &line));
        EXPECT_RC(0, weir_reader_skip_until(reader, WEIR_STR("\n"), &skipped));
        EXPECT_EQ(0, skipped);
        weir_reader_close(reader);
    }
}

TASK_TEST(a_last_line_that_still_grows_is_kept_until_it_is_whole)
{
    struct pieces pieces = {.data = "whole\npart and rest\n", .size = 10, .piece = 100};
    weir_source source = pieces_source(&pieces);
    weir_reader *reader;
    REQUIRE_RC(0, weir_reader_open(&source, &(weir_reader_options){.keep_partial = true}, &reader));
    weir_str line;
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    expect_str("whole", line);
    EXPECT_RC(0, weir_reader_read_line(reader, &line));
    EXPECT_RC(0, weir_reader_read_line(reader, &line));
    EXPECT_RC(0, weir_reader_peek(reader, 0, &line));
    expect_str("part", line);
    pieces.size = 20; // the file has grown
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    expect_str("part and rest", line);
    EXPECT_RC(0, weir_reader_read_line(reader, &line));
    weir_reader_close(reader);
}

/* --- pieces ----------------------------------------------------------------------------------- */

TASK_TEST(a_delimiter_of_several_bytes_is_found_across_every_cut)
{
    static const char head[] = "GET /\r\nHost: a\r\n\r\r\n\r\nbody";
    for (size_t piece = 1; piece < sizeof head; piece++) {
        struct pieces pieces = {.data = head, .size = sizeof head - 1, .piece = piece};
        weir_reader *reader = open_pieces(&pieces, 0);
        weir_str found;
        EXPECT_RC(1, weir_reader_read_until(reader, WEIR_STR("\r\n\r\n"), 0, &found));
        expect_str("GET /\r\nHost: a\r\n\r\r\n\r\n", found);
        EXPECT_RC(1, weir_reader_read_until(reader, WEIR_STR("\r\n\r\n"), 0, &found));
        expect_str("body", found); // the last one, without its end
        EXPECT_RC(0, weir_reader_read_until(reader, WEIR_STR("\r\n\r\n"), 0, &found));
        weir_reader_close(reader);
    }
}

TASK_TEST(a_limit_counts_the_delimiter_too)
{
    for (size_t piece = 1; piece < 9; piece++) {
        struct pieces pieces = {.data = "1234;678;", .size = 9, .piece = piece};
        weir_reader *reader = open_pieces(&pieces, 0);
        weir_str found;
        EXPECT_RC(-EINVAL, weir_reader_read_until(reader, WEIR_STR(""), 0, &found));
        EXPECT_RC(-EINVAL, weir_reader_read_until(reader, WEIR_STR("ab"), 1, &found));
        EXPECT_RC(-EMSGSIZE, weir_reader_read_until(reader, WEIR_STR(";"), 4, &found));
        EXPECT_RC(1, weir_reader_read_until(reader, WEIR_STR(";"), 5, &found));
        expect_str("1234;", found);
        EXPECT_RC(1, weir_reader_read_until(reader, WEIR_STR(";"), 4, &found));
        expect_str("678;", found);
        weir_reader_close(reader);
    }
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Reads, looks and skips drawn from a seed give the bytes of the source, in order. */
static void read_by_seed(weir_reader *reader, size_t size, uint64_t state)
{
    static char buffer[400];
    size_t at = 0;
    while (at < size) {
        size_t n = (size_t)(pieces_draw(&state) % 200) + 1, done = 0;
        weir_str view;
        ssize_t got;
        switch (pieces_draw(&state) % 4) {
        case 0:
            got = weir_reader_read(reader, buffer, n);
            EXPECT(got > 0 && bytes_are(buffer, (size_t)got, at));
            at += (size_t)got;
            break;
        case 1:
            EXPECT_RC(at + n <= size ? 0 : -EPIPE,
                      weir_reader_read_exact(reader, buffer, n, &done));
            EXPECT_EQ(at + n <= size ? n : size - at, done);
            EXPECT(bytes_are(buffer, done, at));
            at += done;
            break;
        case 2:
            n %= SMALL + 1;
            EXPECT_RC(0, weir_reader_peek(reader, n, &view));
            EXPECT(view.size >= n || at + view.size == size);
            EXPECT(bytes_are(view.data, view.size, at));
            break;
        default:
            EXPECT_RC(0, weir_reader_skip(reader, n, &done));
            EXPECT_EQ(at + n <= size ? n : size - at, done);
            at += done;
            break;
        }
        if (test_failed())
            return;
    }
    EXPECT_EQ(size, at);
    EXPECT_RC(0, weir_reader_read(reader, buffer, 1));
}

TASK_TEST(every_mix_of_calls_gives_the_bytes_of_the_source_in_order)
{
    enum { SIZE = 5000 };
    static char data[SIZE];
    bytes_fill(data, SIZE, 0);
    for (uint64_t seed = 1; seed <= (uint64_t)test_rounds(100); seed++) {
        struct pieces pieces = {.data = data, .size = SIZE, .state = seed * 104729};
        weir_reader *reader = open_pieces(&pieces, SMALL + seed % 50);
        read_by_seed(reader, SIZE, seed);
        weir_reader_close(reader);
    }
    weir_reader *reader;
    REQUIRE_RC(0, weir_reader_open_memory(data, SIZE, &reader));
    read_by_seed(reader, SIZE, 17);
    weir_reader_close(reader);
    REQUIRE_RC(0, weir_reader_open_memory(NULL, 0, &reader));
    read_by_seed(reader, 0, 17);
    weir_reader_close(reader);
}

TASK_TEST(all_that_is_left_is_read_up_to_a_limit)
{
    enum { SIZE = 10000 };
    static char data[SIZE];
    bytes_fill(data, SIZE, 0);
    for (size_t max = SIZE - 1; max <= SIZE + 1; max++) {
        struct pieces pieces = {.data = data, .size = SIZE, .state = max};
        weir_reader *reader = open_pieces(&pieces, SMALL);
        weir_bytes bytes;
        EXPECT_RC(max < SIZE ? -EFBIG : 0, weir_reader_read_all(reader, max, &bytes));
        EXPECT_EQ(max < SIZE ? max : SIZE, bytes.size);
        EXPECT(bytes_are(bytes.data, bytes.size, 0));
        EXPECT_EQ('\0', ((char *)bytes.data)[bytes.size]);
        weir_bytes_free(&bytes);
        char last;
        EXPECT_RC(max < SIZE, weir_reader_read(reader, &last, 1)); // none was lost
        EXPECT(max >= SIZE || last == data[SIZE - 1]);
        weir_reader_close(reader);
    }
}

/* --- reading ahead ---------------------------------------------------------------------------- */

enum { BLOCK = 256 };

static struct ahead_state {
    struct pieces *pieces;
    uint64_t state;
    char *buffer; /* NULL: nothing under way */
    size_t size;
    int begun;
    int abandoned;
} ahead_state;

static bool ahead_begin(void *buffer, size_t size, void *arg)
{
    (void)arg;
    struct ahead_state *a = &ahead_state;
    if (pieces_draw(&a->state) % 5 == 0)
        return false;
    EXPECT(a->buffer == NULL);
    a->buffer = buffer;
    a->size = size;
    a->begun++;
    memset(buffer, '!', size); // as a kernel may that reads into it
    return true;
}

static ssize_t ahead_finish(void *arg)
{
    (void)arg;
    struct ahead_state *a = &ahead_state;
    switch (pieces_draw(&a->state) % 6) {
    case 0:
        return -ECANCELED; // still under way
    case 1:
        a->buffer = NULL;
        return -EIO;
    default:
        break;
    }
    size_t size = (size_t)(pieces_draw(&a->state) % a->size) + 1;
    a->pieces->piece = size;
    ssize_t n = pieces_read(a->buffer, size, a->pieces);
    a->buffer = NULL;
    return n;
}

static void ahead_abandon(void *memory, void *arg)
{
    (void)arg;
    ahead_state.abandoned++;
    weir__base_free(memory);
}

static const struct weir__ahead fake_ahead = {ahead_begin, ahead_finish, ahead_abandon, BLOCK};

/* Lines of drawn sizes, whatever is ahead or not, fails or comes late. */
static void read_lines_ahead(const char *data, size_t size, uint64_t seed)
{
    struct pieces pieces = {.data = data, .size = size, .state = seed};
    weir_source source = pieces_source(&pieces);
    ahead_state = (struct ahead_state){.pieces = &pieces, .state = seed};
    weir_reader_options options = {.buffer_bytes = SMALL + seed % (2 * BLOCK)};
    weir_reader *reader;
    REQUIRE_RC(0, weir__reader_open(&source, &fake_ahead, &options, NULL, &reader));
    size_t at = 0;
    int rc, failures = 0;
    weir_str line;
    while ((rc = weir_reader_read_line(reader, &line)) != 0) {
        if (rc < 0) {
            EXPECT(rc == -EIO || rc == -ECANCELED);
            REQUIRE(failures++ < 100000);
            continue;
        }
        REQUIRE(line.size < size - at && memcmp(line.data, data + at, line.size) == 0);
        REQUIRE(data[at + line.size] == '\n');
        at += line.size + 1;
    }
    EXPECT_EQ(size, at);
    EXPECT(ahead_state.begun > 0);
    bool under_way = ahead_state.buffer != NULL;
    weir_reader_close(reader);
    EXPECT_EQ(under_way, ahead_state.abandoned);
}

TASK_TEST(what_is_read_ahead_is_the_same_whatever_comes_late_or_fails)
{
    enum { SIZE = 20000 };
    static char data[SIZE];
    for (uint64_t seed = 1; seed <= (uint64_t)test_rounds(300); seed++) {
        uint64_t state = seed * 7919;
        for (size_t at = 0; at < SIZE;) {
            size_t line = (size_t)(pieces_draw(&state) % (SMALL - 1));
            for (size_t i = 0; i < line && at < SIZE - 1; i++)
                data[at++] = (char)('a' + pieces_draw(&state) % 26);
            data[at++] = '\n';
        }
        read_lines_ahead(data, SIZE, seed);
        if (test_failed())
            return;
    }
}

TASK_TEST(bytes_that_are_read_ahead_are_the_same)
{
    enum { SIZE = 20000 };
    static char data[SIZE];
    bytes_fill(data, SIZE, 0);
    for (uint64_t seed = 1; seed <= (uint64_t)test_rounds(100); seed++) {
        struct pieces pieces = {.data = data, .size = SIZE, .state = seed};
        weir_source source = pieces_source(&pieces);
        ahead_state = (struct ahead_state){.pieces = &pieces, .state = seed};
        weir_reader *reader;
        REQUIRE_RC(0, weir__reader_open(&source, &fake_ahead, NULL, NULL, &reader));
        weir_str view;
        size_t at = 0;
        int rc;
        do {
            size_t size = (size_t)(pieces_draw(&pieces.state) % 700) + 1;
            rc = weir_reader_peek(reader, size, &view);
            if (rc < 0)
                continue;
            EXPECT(view.size >= size || at + view.size == SIZE);
            EXPECT(bytes_are(view.data, view.size, at));
            size_t skipped;
            EXPECT_RC(0, weir_reader_skip(reader, size < view.size ? size : view.size, &skipped));
            at += skipped;
        } while ((rc < 0 || view.size > 0) && !test_failed());
        EXPECT_EQ(SIZE, at);
        weir_reader_close(reader);
    }
}

/* --- failures --------------------------------------------------------------------------------- */

TASK_TEST(a_failure_of_the_source_loses_no_byte_wherever_it_comes)
{
    char out[512];
    for (size_t at = 1; at < TEXT_BYTES; at++) {
        struct pieces pieces = {
            .data = text, .size = TEXT_BYTES, .piece = 1, .fail_at = at, .code = -EIO};
        weir_reader *reader = open_pieces(&pieces, SMALL);
        size_t size = 0, failures = 0;
        weir_str line;
        int rc;
        while ((rc = weir_reader_read_line(reader, &line)) != 0) {
            if (rc == -EIO) {
                failures++;
                continue;
            }
            size += (size_t)snprintf(out + size, sizeof out - size, "[%zu]", line.size);
            memcpy(out + size, line.data, line.size);
            size += line.size;
        }
        EXPECT_EQ(1, failures);
        EXPECT_EQ(sizeof lines_expected - 1, size);
        EXPECT_BYTES(lines_expected, out, size);
        weir_reader_close(reader);
    }
}

TASK_TEST(what_a_buffer_cannot_be_is_refused)
{
    struct pieces pieces = {0};
    weir_source source = pieces_source(&pieces);
    weir_reader *reader;
    EXPECT_RC(-EINVAL,
              weir_reader_open(&source, &(weir_reader_options){.buffer_bytes = 63}, &reader));
    EXPECT_RC(-EINVAL,
              weir_reader_open(&source, &(weir_reader_options){.buffer_bytes = SIZE_MAX}, &reader));
    EXPECT_EQ(0, pieces.closed);
    reader = open_pieces(&pieces, SMALL);
    weir_str view;
    EXPECT_RC(-EMSGSIZE, weir_reader_peek(reader, 65, &view));
    EXPECT_RC(-EINVAL, weir_reader_read(reader, &view, 0));
    weir_reader_close(reader);
    weir_reader_close(NULL);
}

/* The promise of the header: nothing is allocated for a line, and the kernel is asked once for a
 * buffer full of them. */
IO_TEST(a_line_costs_no_allocation_and_no_system_call)
{
    enum { LINES = 1000, LINE_BYTES = 32 };
    static char lines[LINES * LINE_BYTES];
    for (int i = 0; i < LINES; i++)
        snprintf(lines + i * LINE_BYTES, LINE_BYTES, "%030d", i),
            lines[i * LINE_BYTES + 30] = '.', lines[i * LINE_BYTES + 31] = '\n';
    weir_pipe *in, *out;
    weir_reader *reader;
    REQUIRE_RC(0, weir_pipe_open(&in, &out));
    struct weir__alloc_stats before, after;
    weir__base_alloc_stats(&before);
    REQUIRE_RC(0, weir_pipe_open_reader(in, NULL, &reader));
    weir__base_alloc_stats(&after);
    EXPECT_EQ(1, after.allocated_count - before.allocated_count);
    EXPECT_RC(0, weir_pipe_write_all(out, lines, sizeof lines, NULL));
    weir_pipe_close(out);

    struct weir__sys_stats calls_before, calls_after;
    weir__base_alloc_stats(&before);
    weir__sys_stats(&calls_before);
    weir_str line;
    int count = 0;
    while (weir_reader_read_line(reader, &line) == 1)
        count++;
    weir__sys_stats(&calls_after);
    weir__base_alloc_stats(&after);
    EXPECT_EQ(LINES, count);
    EXPECT_EQ(0, after.allocated_count - before.allocated_count);
    EXPECT_EQ(2, calls_after.calls - calls_before.calls); // all of them, and the end
    weir_reader_close(reader);
    weir_pipe_close(in);
}

/* --- everywhere ------------------------------------------------------------------------------- */

/* Reads on after each failure: together it is the whole text. */
static int lines_everywhere(void *arg)
{
    (void)arg;
    struct pieces pieces = {.data = text, .size = TEXT_BYTES, .piece = 11, .parks = true};
    weir_source source = pieces_source(&pieces);
    weir_reader *reader;
    int rc = weir_reader_open(&source, &(weir_reader_options){.buffer_bytes = SMALL}, &reader);
    if (rc < 0)
        return rc;
    weir_str line;
    size_t size = 0;
    while ((rc = weir_reader_read_line(reader, &line)) > 0)
        size += line.size;
    int first = rc;
    pieces.parks = false; // the rest, without a checkpoint
    while ((rc = weir_reader_read_line(reader, &line)) > 0)
        size += line.size;
    WEIR_TEST_EXPECT(rc == 0 && size == 90); // O4: what was read before a cancellation is there
    weir_bytes bytes;
    rc = weir_reader_read_all(reader, 0, &bytes);
    weir_bytes_free(&bytes);
    weir_reader_close(reader);
    WEIR_TEST_EXPECT(pieces.closed == 1);
    return first < 0 ? first : rc;
}

TEST(lines_everywhere_lose_no_byte) /* O4, O6, I4 */
{
    everywhere_simulated("lines", (struct everywhere){lines_everywhere, NULL, NULL, 5});
}
